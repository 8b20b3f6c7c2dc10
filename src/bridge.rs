//! [`Bridge`]: takes inputs, gives outputs; which session and which child is meant, and the
//! limits that span sessions.

mod requests;

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use crate::child::{Child, Stage};
use crate::config::Config;
use crate::context::Context;
use crate::fault::Fault;
use crate::head::{self, Asks, Head};
use crate::io::{Exchange, Exit, Input, Output, Pipe, Response};
use crate::notice::{Cause, Notice};
use crate::session::Session;
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
            Input::Request { exchange, head, body, random } => {
                self.request(exchange, head, body, random);
            }
            Input::Lost { exchange } => self.lost(exchange),
            Input::Taken { exchange, bytes } => {
                if let Some((session, number)) = self.carried(exchange) {
                    let cx = &mut self.cx;
                    if let Some(session) = self.sessions.get_mut(&session) {
                        session.streams.taken(number, bytes, cx);
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
        self.sessions.get(&pipe).is_none_or(|session| session.streams.wants(queue))
    }

    /// Counters for operators.
    pub fn stats(&self) -> Stats {
        let (sessions, children) = (self.sessions.len(), self.children.len());
        Stats { sessions, children, ..self.cx.stats }
    }

    /// Bytes held now: of messages, events and outputs.
    pub fn buffered(&self) -> usize {
        let sessions: usize =
            self.sessions.values().map(|session| session.streams.buffered()).sum();
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
            self.cx.notice(Notice::SpawnFailed { pipe, reason: String::from(reason) });
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
        let words = if unasked { String::from_utf8_lossy(words) } else { Cow::Borrowed("") };
        let stderr = String::from(words.trim());
        self.cx.notice(Notice::ChildExited { pipe, pid, exit, stderr });
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
        session.end(cause, &Fault::of(cause, reason), child, &mut self.cx);
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
        if matches!(cause, Cause::ClientLeft | Cause::Shutdown | Cause::Declined | Cause::Deleted) {
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
        let chosen = self.children.values().filter(|child| ends(child)).map(|child| child.pipe);
        for pipe in chosen.collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
        if self.sessions.is_empty() {
            self.cx.timers.clear(&mut self.drain, Wait::Drain);
        }
    }

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
                if self.sessions.get_mut(&pipe).is_some_and(|s| s.idle(&mut self.cx)) {
                    self.end(pipe, Cause::Idle, None);
                }
            }
            Wait::Forget(pipe) => {
                if let Some(session) = self.sessions.get_mut(&pipe) {
                    session.streams.forget(&mut self.cx);
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
