//! [`Bridge`]: takes inputs, gives outputs; which session and which child is meant, and the
//! limits that span sessions.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::child::{Child, Stage};
use crate::config::Config;
use crate::context::Context;
use crate::fault::Fault;
use crate::head::{self, Admitted, Asks, Head};
use crate::io::{Body, Exchange, Exit, Input, Output, Pipe, Response};
use crate::message::{self, Kind, Malformed, Message};
use crate::notice::{Cause, Notice};
use crate::session::{Session, fault_of};
use crate::stats::Stats;
use crate::time::{Deadline, Instant, Wait};

/// How much of a child's last words is kept for the log, in bytes.
const LAST_WORDS: usize = 1024;

/// The engine: everything between HTTP exchanges on one side and child processes on the other.
///
/// Feed it what happens with [`handle`](Self::handle), do what [`poll_output`](Self::poll_output)
/// asks, in its order, and call `handle` with [`Input::Tick`] when
/// [`poll_timeout`](Self::poll_timeout) is reached. Any number of inputs may come before outputs
/// are taken. See the crate's documentation for a whole example.
#[derive(Debug)]
pub struct Bridge {
    cx: Context,
    sessions: BTreeMap<Pipe, Session>,
    ids: BTreeMap<u128, Pipe>,
    children: BTreeMap<Pipe, Child>,
    /// Children that wait for their turn to start.
    queue: VecDeque<Pipe>,
    /// Children that were asked for and have not answered `initialize`.
    starting: usize,
    last_pipe: u64,
    /// Starts that failed in a row, and until when new ones are refused for it.
    failed: u32,
    closed_until: Instant,
    draining: bool,
    drain: Deadline,
}

impl Bridge {
    /// An engine with nothing open.
    pub fn new(config: Config) -> Self {
        Self {
            cx: Context::new(config),
            sessions: BTreeMap::new(),
            ids: BTreeMap::new(),
            children: BTreeMap::new(),
            queue: VecDeque::new(),
            starting: 0,
            last_pipe: 0,
            failed: 0,
            closed_until: Instant::default(),
            draining: false,
            drain: Deadline::default(),
        }
    }

    /// Judges a head before its body is read: the largest body to read, in bytes, or the refusal
    /// to send instead. What it lets in, [`Input::Request`] judges again.
    pub fn admit(&self, head: &Head<'_>) -> Result<usize, Response> {
        match head::admit(head, &self.cx.config) {
            Ok(admitted) if admitted.asks == Asks::Post => Ok(self.cx.config.message),
            Ok(_) => Ok(0),
            Err(fault) => Err(fault.response(None)),
        }
    }

    /// Tells the engine one thing that happened, at this time. It cannot fail: a peer's fault
    /// becomes an answer to that peer. Waits that are due by `now` run first.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        self.cx.now = self.cx.now.max(now);
        self.run_waits();
        match input {
            Input::Request {
                exchange,
                head,
                body,
                random,
            } => {
                self.request(exchange, head, body, random);
            }
            Input::Lost { exchange } => self.lost(exchange),
            Input::Taken { exchange, bytes } => {
                if let Some((session, number)) = self.carried(exchange) {
                    let cx = &mut self.cx;
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.taken(number, bytes, cx);
                    }
                }
            }
            Input::Opened { pipe, pid } => {
                if let Some(child) = self.children.get_mut(&pipe) {
                    child.pid = pid;
                }
            }
            Input::OpenFailed { pipe, reason } => self.open_failed(pipe, reason),
            Input::Stdout { pipe, bytes } => self.stdout(pipe, bytes),
            Input::StdinTaken { pipe, bytes } => {
                if let Some(child) = self.children.get_mut(&pipe) {
                    child.taken(bytes);
                }
            }
            Input::StdoutClosed { pipe } => {
                if let Some(session) = self.sessions.get_mut(&pipe) {
                    session.stdout_closed(&mut self.cx);
                }
            }
            Input::Exited { pipe, exit, stderr } => self.exited(pipe, exit, stderr),
            Input::Shutdown => self.shutdown(),
            Input::Tick => {}
        }
        if self.draining {
            self.end_sessions(|child| child.calls.is_empty());
        }
        self.start_queued();
    }

    /// The next thing to do, in order; `None` if there is nothing to do now.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.pop()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cx.timers.next()
    }

    /// Whether this child's standard output may be read now: false while a reader of its answers
    /// is behind. It can change with every input.
    pub fn wants(&self, pipe: Pipe) -> bool {
        let queue = self.cx.config.queue;
        self.sessions
            .get(&pipe)
            .is_none_or(|session| session.wants(queue))
    }

    /// Counters for operators.
    pub fn stats(&self) -> Stats {
        let (sessions, children) = (self.sessions.len(), self.children.len());
        Stats {
            sessions,
            children,
            ..self.cx.stats
        }
    }

    /// Bytes held now: of messages, events and outputs.
    pub fn buffered(&self) -> usize {
        let sessions: usize = self.sessions.values().map(Session::buffered).sum();
        let children: usize = self.children.values().map(Child::buffered).sum();
        sessions + children + self.cx.buffered()
    }

    /// Whether nothing is open and nothing is waited for. After [`Input::Shutdown`] and with no
    /// output left, the program can end.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.children.is_empty()
    }

    fn carried(&self, exchange: Exchange) -> Option<(Pipe, u64)> {
        self.cx.exchanges.get(&exchange).copied()
    }

    // ---- requests

    fn request(&mut self, exchange: Exchange, head: &Head<'_>, body: &[u8], random: [u8; 16]) {
        let admitted = match head::admit(head, &self.cx.config) {
            Ok(admitted) => admitted,
            Err(fault) => return self.cx.refuse(exchange, None, &fault, None),
        };
        let result = match admitted.asks {
            Asks::Health => {
                let response = self.health();
                self.cx.respond(exchange, None, response);
                Ok(())
            }
            Asks::Options => {
                let response = head::options(admitted.origin);
                self.cx.push(Output::Respond { exchange, response });
                Ok(())
            }
            Asks::Post => return self.post(exchange, &admitted, body, random),
            Asks::Get => self.get(exchange, &admitted),
            Asks::Delete => self.delete(exchange, &admitted),
        };
        if let Err(fault) = result {
            self.cx.refuse(exchange, admitted.origin, &fault, None);
        }
    }

    fn post(&mut self, exchange: Exchange, head: &Admitted<'_>, body: &[u8], random: [u8; 16]) {
        let batch = message::batch(body);
        let texts = match &batch {
            None => Ok(vec![body]),
            Some(Ok(texts)) if texts.len() > self.cx.config.calls => {
                let fault = Fault::BatchTooLong(self.cx.config.calls);
                return self.cx.refuse(exchange, head.origin, &fault, None);
            }
            Some(texts) => texts.clone(),
        };
        let messages = texts.and_then(|texts| {
            texts
                .into_iter()
                .map(Message::parse)
                .collect::<Result<Vec<_>, _>>()
        });
        let messages = match messages {
            Ok(messages) => messages,
            Err(malformed) => {
                let id = match malformed {
                    Malformed::Invalid(_, id) if batch.is_none() => id,
                    _ => None,
                };
                let fault = Fault::from(&malformed);
                return self.cx.refuse(exchange, head.origin, &fault, id);
            }
        };
        // The id goes back only to a request: a response's id is the child's.
        let id = match &messages[..] {
            [one] if batch.is_none() && one.kind() == Kind::Request => one.id(),
            _ => None,
        };
        if let Err(fault) = self.deliver(exchange, head, &messages, batch.is_some(), random) {
            self.cx.refuse(exchange, head.origin, &fault, id);
        }
    }

    fn deliver(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        messages: &[Message<'_>],
        batch: bool,
        random: [u8; 16],
    ) -> Result<(), Fault> {
        let opens = |m: &Message<'_>| m.kind() == Kind::Request && m.calls("initialize");
        if head.session.is_none() && messages.iter().any(opens) {
            return match messages {
                [initialize] if !batch => self.initialize(exchange, head, initialize, random),
                _ => Err(Fault::BatchedInitialize),
            };
        }
        let pipe = self.find(head)?;
        let draining = self.draining && messages.iter().any(|m| m.kind() == Kind::Request);
        let (Some(session), Some(child)) =
            (self.sessions.get_mut(&pipe), self.children.get_mut(&pipe))
        else {
            return Err(Fault::SessionUnknown);
        };
        session.check(head, self.cx.now)?;
        if draining {
            return Err(Fault::Draining);
        }
        session.post(messages, batch, exchange, head, child, &mut self.cx)
    }

    fn find(&self, head: &Admitted<'_>) -> Result<Pipe, Fault> {
        let text = head.session.ok_or(Fault::SessionMissing)?;
        let id = head::parse_session_id(text).ok_or(Fault::SessionUnknown)?;
        self.ids.get(&id).copied().ok_or(Fault::SessionUnknown)
    }

    fn initialize(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        request: &Message<'_>,
        random: [u8; 16],
    ) -> Result<(), Fault> {
        if head.accept.nothing() {
            return Err(Fault::NotAcceptable);
        }
        if self.draining {
            return Err(Fault::Draining);
        }
        if self.closed_until > self.cx.now {
            let wait = self.closed_until.since(self.cx.now);
            return Err(Fault::Breaker(wait.as_secs() + 1));
        }
        let limit = self.cx.config.sessions;
        let id = u128::from_be_bytes(random);
        let taken = self.ids.contains_key(&id);
        if taken || self.sessions.len() >= limit || self.children.len() >= limit.saturating_mul(2) {
            return Err(Fault::Sessions(limit));
        }
        self.last_pipe += 1;
        let pipe = Pipe(self.last_pipe);
        let mut child = Child::new(pipe, self.cx.config.message);
        let mut session = Session::new(pipe, id, self.cx.now);
        session.initialize(request, exchange, head, &mut child, &mut self.cx);
        self.sessions.insert(pipe, session);
        self.children.insert(pipe, child);
        self.queue.push_back(pipe);
        Ok(())
    }

    fn get(&mut self, exchange: Exchange, head: &Admitted<'_>) -> Result<(), Fault> {
        let pipe = self.find(head)?;
        let session = self.sessions.get_mut(&pipe).ok_or(Fault::SessionUnknown)?;
        session.check(head, self.cx.now)?;
        session.listen(exchange, head, &mut self.cx)
    }

    fn delete(&mut self, exchange: Exchange, head: &Admitted<'_>) -> Result<(), Fault> {
        let pipe = self.find(head)?;
        let session = self.sessions.get_mut(&pipe).ok_or(Fault::SessionUnknown)?;
        session.check(head, self.cx.now)?;
        self.cx.respond(exchange, head.origin, head::empty(200));
        self.end(pipe, Cause::Deleted, None);
        Ok(())
    }

    fn health(&self) -> Response {
        let (status, word) = if self.draining {
            (503, "draining")
        } else if self.closed_until > self.cx.now {
            (503, "the server fails at start")
        } else {
            (200, "ok")
        };
        let sessions = self.sessions.len();
        let body = format!("{{\"status\":\"{word}\",\"sessions\":{sessions}}}\n");
        let fields = vec![
            ("content-type", Cow::Borrowed("application/json")),
            ("cache-control", Cow::Borrowed("no-store")),
        ];
        Response {
            status,
            fields,
            body: Body::Whole(body.into_bytes()),
        }
    }

    fn lost(&mut self, exchange: Exchange) {
        let Some((pipe, number)) = self.carried(exchange) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(&pipe) else {
            return;
        };
        session.lost(number, &mut self.cx);
        if !session.is_open() {
            // Nobody will ever know the session's id.
            self.end(pipe, Cause::ClientLeft, None);
        }
    }

    // ---- children

    /// Starts children that wait, as far as the limit allows.
    fn start_queued(&mut self) {
        while self.starting < self.cx.config.starting {
            let Some(pipe) = self.queue.pop_front() else {
                return;
            };
            if let Some(child) = self.children.get_mut(&pipe) {
                child.open(&mut self.cx);
                self.starting += 1;
            }
        }
    }

    fn stdout(&mut self, pipe: Pipe, bytes: &[u8]) {
        let (Some(session), Some(child)) =
            (self.sessions.get_mut(&pipe), self.children.get_mut(&pipe))
        else {
            return; // It ends: what it says is not heard any more.
        };
        let open = session.is_open();
        let limit = self.cx.config.message;
        let mut lines = core::mem::replace(&mut child.lines, crate::lines::Lines::new(limit));
        let mut feed = lines.feed(bytes);
        let mut cause = None;
        while let Some(line) = feed.next() {
            cause = match line {
                Ok(line) => session.line(line, child, &mut self.cx),
                Err(_) => Some(Cause::LineTooLong),
            };
            if cause.is_some() {
                break;
            }
        }
        child.lines = lines;
        if !open && session.is_open() {
            self.ids.insert(session.id, pipe);
            self.starting -= 1;
            self.failed = 0;
        }
        if let Some(cause) = cause {
            self.end(pipe, cause, None);
        }
    }

    fn open_failed(&mut self, pipe: Pipe, reason: &str) {
        if self.children.contains_key(&pipe) {
            self.cx.notice(Notice::SpawnFailed {
                pipe,
                reason: String::from(reason),
            });
        }
        self.end(pipe, Cause::NotStarted, Some(reason));
        self.gone(pipe);
    }

    fn exited(&mut self, pipe: Pipe, exit: Exit, stderr: &[u8]) {
        let Some(child) = self.children.get(&pipe) else {
            return;
        };
        let unasked = child.stage == Stage::Running;
        let pid = child.pid;
        self.end(pipe, Cause::Exited(exit), None);
        let words = &stderr[stderr.len().saturating_sub(LAST_WORDS)..];
        let words = if unasked {
            String::from_utf8_lossy(words)
        } else {
            Cow::Borrowed("")
        };
        let stderr = String::from(words.trim());
        self.cx.notice(Notice::ChildExited {
            pipe,
            pid,
            exit,
            stderr,
        });
        self.gone(pipe);
    }

    fn gone(&mut self, pipe: Pipe) {
        if let Some(child) = self.children.remove(&pipe) {
            child.gone(&mut self.cx);
        }
    }

    /// Ends a session, whatever the cause, and sends its child down the ladder.
    fn end(&mut self, pipe: Pipe, cause: Cause, reason: Option<&str>) {
        let (Some(session), Some(child)) =
            (self.sessions.remove(&pipe), self.children.get_mut(&pipe))
        else {
            return;
        };
        let open = session.is_open();
        self.ids.remove(&session.id);
        session.end(cause, &fault_of(cause, reason), child, &mut self.cx);
        let asked_for = child.end(&mut self.cx);
        if !asked_for {
            self.queue.retain(|queued| *queued != pipe);
            return self.gone(pipe);
        }
        if !open {
            self.starting -= 1;
            self.judge_start(cause);
        }
    }

    /// Counts a start that came to nothing by the child's own fault.
    fn judge_start(&mut self, cause: Cause) {
        if matches!(
            cause,
            Cause::ClientLeft | Cause::Shutdown | Cause::Declined | Cause::Deleted
        ) {
            return;
        }
        self.cx.stats.failed_starts += 1;
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.cx.config.breaker_starts {
            let wait = self.cx.config.breaker_wait;
            self.closed_until = self.cx.now.after(wait);
            self.cx.notice(Notice::BreakerOpen { wait });
        }
    }

    // ---- the end of the program

    fn shutdown(&mut self) {
        if self.draining {
            return self.end_at_once();
        }
        self.draining = true;
        let (sessions, calls) = (self.sessions.len(), self.cx.stats.calls);
        self.cx.notice(Notice::Draining { sessions, calls });
        let when = self.cx.now.after(self.cx.config.drain);
        self.cx.timers.set(&mut self.drain, when, Wait::Drain);
    }

    fn end_at_once(&mut self) {
        self.end_sessions(|_| true);
        for child in self.children.values_mut() {
            child.kill(&mut self.cx);
        }
    }

    fn end_sessions(&mut self, ends: impl Fn(&Child) -> bool) {
        let chosen = self
            .children
            .values()
            .filter(|child| ends(child))
            .map(|child| child.pipe);
        for pipe in chosen.collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
        if self.sessions.is_empty() {
            self.cx.timers.clear(&mut self.drain, Wait::Drain);
        }
    }

    // ---- waits

    fn run_waits(&mut self) {
        while let Some(wait) = self.cx.timers.due(self.cx.now) {
            self.run_wait(wait);
        }
    }

    fn run_wait(&mut self, wait: Wait) {
        match wait {
            Wait::Ladder(pipe) => {
                if let Some(child) = self.children.get_mut(&pipe) {
                    child.climb(&mut self.cx);
                }
            }
            Wait::Start(pipe) => self.end(pipe, Cause::StartTimeout, None),
            Wait::Exit(pipe) => self.end(pipe, Cause::StdoutClosed, None),
            Wait::Idle(pipe) => {
                if self
                    .sessions
                    .get_mut(&pipe)
                    .is_some_and(|s| s.idle(&mut self.cx))
                {
                    self.end(pipe, Cause::Idle, None);
                }
            }
            Wait::Forget(pipe) => {
                if let Some(session) = self.sessions.get_mut(&pipe) {
                    session.forget(&mut self.cx);
                }
            }
            Wait::Call(pipe, id) => {
                let child = self.children.get_mut(&pipe);
                if let (Some(session), Some(child)) = (self.sessions.get_mut(&pipe), child) {
                    session.overdue(id, child, &mut self.cx);
                }
            }
            Wait::Stream(pipe, number) => {
                if let Some(session) = self.sessions.get_mut(&pipe) {
                    session.tick(number, &mut self.cx);
                }
            }
            Wait::Drain => {
                self.drain.spend();
                self.end_sessions(|_| true);
            }
        }
    }
}
