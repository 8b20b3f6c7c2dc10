//! [`Bridge`]: takes inputs, returns outputs, routes each to a session or a child, and enforces the
//! limits that span sessions. Code that needs to see more than one session or shared child belongs
//! here, and so do the tables that span them: of children, of sleeping sessions, of servers.

mod breaker;
mod counts;
mod ending;
mod exchanges;
mod health;
mod hosts;
mod knowledge;
mod oldest;
mod pace;
mod pressure;
mod refusals;
mod requests;
mod restore;
mod seats;
mod servers;
mod sleep;
mod sleepers;
mod supply;
mod waits;
mod workers;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::admit::{Admitted, Refusal};
use crate::api::cause::Cause;
use crate::api::config::{Config, ConfigError};
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange, Exit, SessionNumber};
use crate::api::head::Head;
use crate::api::instant::Instant;
use crate::api::io::{Input, Output};
use crate::api::stats::Stats;
use crate::child::Stage;
use crate::codec::lines::Lines;
use crate::context::Context;
use crate::context::budget::affords;
use crate::context::timers::Deadline;
use crate::front::reads::Reads;
use crate::front::stateless::AfterExit;
use crate::http::fault::Fault;
use crate::table::Table;
use breaker::Breaker;
use pressure::Relief;
use refusals::RefusalLog;
use seats::{Seat, Seats};
use servers::Servers;
use sleepers::Sleepers;

/// Bytes of a child's stderr tail that are kept for the log.
const LAST_WORDS: usize = 1024;

/// Longest wait that `poll_timeout` returns, counted from the last input.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The engine: everything between HTTP exchanges on one side and child processes on the other.
///
/// Pass events to [`handle`](Self::handle), carry out what [`poll_output`](Self::poll_output)
/// returns, in its order, and call `handle` with [`Input::Tick`] when
/// [`poll_timeout`](Self::poll_timeout) is reached. Any number of inputs may be passed before the
/// outputs are polled.
///
/// `Bridge` is `Send` and `Sync`, has no interior mutability, and allocates; it is used by one
/// thread at a time. Its `Debug` output contains message contents: use it in tests, not in logs.
///
/// # Examples
///
/// The crate's documentation drives a whole session; this is its first step.
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head, Input, Instant, Output};
/// use std::time::Duration;
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields: [(&str, &[u8]); 2] =
///     [("Host", b"localhost:8080"), ("Content-Type", b"application/json")];
/// let head = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
/// let admitted = bridge.admit(&head).expect("it is let in");
///
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
/// let request = Input::Request { admitted, head: &head, body, random: [7; 16] };
/// bridge.handle(request, Instant::default());
/// let Some(Output::Open { child, .. }) = bridge.poll_output() else { unreachable!() };
/// bridge.handle(Input::Opened { child, pid: Some(42) }, Instant::default());
/// let Some(Output::Write { bytes, .. }) = bridge.poll_output() else { unreachable!() };
/// assert!(bytes.ends_with(b"}\n"));
/// assert!(bridge.poll_output().is_none());
/// assert_eq!((bridge.stats().sessions, bridge.is_idle()), (1, false));
/// let held = bridge.buffered();
/// bridge.handle(Input::StdinTaken { child, bytes: bytes.len() }, Instant::default());
/// assert_eq!(held - bridge.buffered(), bytes.len(), "bytes count until the child takes them");
/// assert!(bridge.buffered() > 0, "the call is in flight");
///
/// // The child does not answer: after the start timeout the client gets an error.
/// let mut now = Instant::default();
/// while !matches!(bridge.poll_output(), Some(Output::Respond { .. })) {
///     now = bridge.poll_timeout().expect("the child's answer is waited for");
///     bridge.handle(Input::Tick, now);
/// }
/// assert_eq!(now, Instant::new(Duration::from_secs(60)));
/// ```
#[derive(Debug)]
pub struct Bridge {
    cx: Context,
    servers: Servers,
    seats: Seats,
    sleepers: Sleepers,
    /// Failed starts.
    breaker: Breaker,
    /// Where each session is that a client was told of, by its id.
    ids: Table<u128, Place>,
    /// Children that wait for their turn to start.
    queue: VecDeque<ChildId>,
    /// Children that were opened and have not answered `initialize` yet.
    starting: usize,
    last_exchange: u64,
    last_child: u64,
    refusal_log: RefusalLog,
    /// No child is prewarmed before this time: the driver was out of a resource.
    exhausted_until: Instant,
    draining: bool,
    drain: Deadline,
    relief: Relief,
    /// What the memory was like after the last input.
    pressure: pace::Pressure,
    /// Children that are to be paused, if they are not, because of what the last input brought.
    behind: Vec<ChildId>,
    /// Children that are not to be read now.
    paused: Vec<ChildId>,
    /// Shared children that accept no new requests, until they are ended.
    spent: Vec<ChildId>,
}

/// Where a session is.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// With its child.
    Awake(ChildId),
    Asleep(SessionNumber),
}

impl Bridge {
    /// Creates an engine with nothing open.
    ///
    /// # Errors
    ///
    /// Returns the error of [`Config::check`].
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            servers: Servers::one(&config),
            cx: Context::new(config),
            seats: Seats::default(),
            sleepers: Sleepers::default(),
            breaker: Breaker::default(),
            ids: Table::default(),
            queue: VecDeque::new(),
            starting: 0,
            last_exchange: 0,
            last_child: 0,
            refusal_log: RefusalLog::default(),
            exhausted_until: Instant::default(),
            draining: false,
            drain: Deadline::default(),
            relief: Relief::default(),
            pressure: pace::Pressure::default(),
            behind: Vec::new(),
            paused: Vec::new(),
            spent: Vec::new(),
        })
    }

    /// Checks a request head before its body is read. Queues no output. [`Input::Request`] checks
    /// an admitted head again.
    ///
    /// # Errors
    ///
    /// Returns the response to a request that is rejected, and what to log, if its Host, Origin,
    /// path, method, Content-Type (POST) or Accept (GET) is not allowed, or if a significant header
    /// is repeated (MCP "Streamable HTTP, Security Warning" and "Sending Messages to the Server").
    pub fn admit(&mut self, head: &Head<'_>) -> Result<Admitted, Box<Refusal>> {
        let limit = match self.judge(head) {
            Ok(admitted) => self.body_limit(admitted.operation),
            Err(fault) => return Err(Box::new(self.refusal(&fault))),
        };
        self.last_exchange += 1;
        Ok(Admitted { exchange: Exchange(self.last_exchange), limit })
    }

    /// Handles one input at the given time. It cannot fail: a peer's error becomes a response to
    /// that peer. Waits that are due by `now` run first.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        self.cx.now = self.cx.now.max(now).min(Instant::END);
        let news = self.run_waits() || !matches!(input, Input::Tick);
        self.apply_reports();
        match input {
            Input::Request { admitted, head, body, random } => {
                self.request(admitted.exchange, head, body, random);
            }
            Input::Lost { exchange } => self.lost(exchange),
            Input::Taken { exchange, bytes } => self.taken(exchange, bytes),
            Input::Delivered { exchange } => self.delivered(exchange),
            Input::Opened { child: id, pid } => self.opened(id, pid),
            Input::OpenFailed { child: id, reason, public } => {
                self.open_failed(id, Cause::NotStarted, reason, public);
            }
            Input::Exhausted { child: id, reason, public } => self.exhausted(id, reason, public),
            Input::Stdout { child: id, bytes } => self.stdout(id, bytes),
            Input::StdinTaken { child: id, bytes } => {
                if let Some(child) = self.seats.child_mut(id) {
                    child.taken(bytes, self.cx.now);
                }
            }
            Input::StdoutClosed { child: id } => self.closed(id, Cause::StdoutClosed),
            Input::StdinClosed { child: id } => self.closed(id, Cause::StdinClosed),
            Input::Unread { child: id } => self.unread(id),
            Input::Exited { child: id, exit, stderr } => self.exited(id, exit, stderr),
            Input::Servers { servers } => self.serve(servers),
            Input::End { session } => self.revoke(session),
            Input::Saved { session } => self.saved(session),
            Input::Shutdown => self.shutdown(),
            Input::Tick => {}
        }
        self.apply_reports();
        if self.draining {
            self.end_drained();
        }
        self.relieve(news);
        self.end_retired();
        self.start_queued();
        self.prewarm();
        self.pace();
        #[cfg(debug_assertions)]
        self.walk();
    }

    /// Returns the next output, in order, or `None` if there is nothing to do now.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.pop()
    }

    /// Returns when to call [`handle`](Self::handle) with [`Input::Tick`] if no other input comes
    /// first.
    ///
    /// The time is at most a year after the last `handle`, so that a driver can add it to its
    /// origin; a longer wait is returned again by later calls. An early `Tick` does nothing, so a
    /// driver with a coarse clock rounds up.
    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.cx.next_wait()?.min(self.cx.now.after(YEAR)))
    }

    /// Returns counters for operators.
    pub fn stats(&self) -> Stats {
        let (sessions, children) = (self.seats.session_count(), self.seats.len());
        Stats { sessions, asleep: self.sleepers.len(), children, ..self.cx.stats }
    }

    /// Whether nothing is open, undelivered or queued: no child, no exchange and no output. After
    /// [`Input::Shutdown`] the program can exit once this is true. A program that does not wait for
    /// slow clients can exit as soon as [`Stats::children`] is zero.
    pub fn is_idle(&self) -> bool {
        self.seats.len() == 0 && self.cx.is_idle()
    }

    /// Starts queued children, up to the limit.
    fn start_queued(&mut self) {
        while self.starting < self.cx.config.starting && !self.draining {
            let Some(id) = self.queue.pop_front() else {
                return;
            };
            if self.refuses_all_of(id) {
                self.end(id, Cause::Undiscovered, None);
            } else if let Some(seat) = self.seats.get_mut(id) {
                seat.child_mut().open(&mut self.cx);
                self.starting += 1;
                if let Some((_, lease)) = seat.front().map(Reads::child) {
                    lease.process_started(&mut self.cx);
                }
                if let Seat::Shared(worker) = seat {
                    worker.process_started(&mut self.cx);
                }
            }
        }
    }

    fn stdout(&mut self, id: ChildId, bytes: &[u8]) {
        let may_read = self.may_read(id, bytes.len());
        let Some(mut seat) = self.seats.get_mut(id) else { return };
        let (open, is_host) = (seat.has_started(), matches!(seat, Seat::Host(_)));
        let child = seat.child_mut();
        if child.stage != Stage::Running {
            // The child is ending and serves no client any more.
            return;
        }
        if !may_read || !affords(child.lines.buffered() + bytes.len()) {
            return self.end(id, Cause::Memory, None);
        }
        let limit = self.cx.config.message;
        let mut lines = core::mem::replace(&mut child.lines, Lines::new(limit));
        let mut feed = lines.feed(bytes);
        let mut cause = None;
        while let Some(line) = feed.take() {
            cause = match (line, &mut *seat) {
                (Err(_), _) => Some(Cause::LineTooLong),
                (Ok(line), Seat::Session(session)) => session.line(line, &mut self.cx),
                (Ok(line), Seat::Shared(worker)) => worker.read(&line, &mut self.cx),
                (Ok(line), Seat::Host(host)) => host.line(&line, &mut self.cx),
                (Ok(_), Seat::Prewarmed(_) | Seat::Leaving(_)) => None,
            };
            if is_host {
                self.apply_reports();
                let Some(same) = self.seats.get_mut(id) else { return };
                seat = same;
            }
            if cause.is_some() {
                break;
            }
        }
        let child = seat.child_mut();
        if child.stage == Stage::Running {
            child.lines = lines;
        }
        child.account();
        child.wait_rest(&mut self.cx);
        if !open && seat.has_started() {
            self.started(id);
        }
        self.end_for(id, cause);
        self.line_ended(id);
    }

    /// The child has answered its first request, and, of a new session, its client is told.
    fn started(&mut self, pipe: ChildId) {
        let Some(seat) = self.seats.get(pipe) else { return };
        let child = seat.child();
        let is_guest = child.host().is_some();
        if !is_guest {
            self.starting -= 1;
            self.breaker.worked(child.server, child.origin);
        }
        if let Seat::Session(session) = seat {
            self.ids.insert(session.lasting.id, Place::Awake(pipe));
        }
        if is_guest {
            self.shared(pipe);
        }
    }

    fn open_failed(&mut self, id: ChildId, cause: Cause, reason: &str, public: &str) {
        let Some(seat) = self.seats.opened(id) else { return };
        seat.child_mut().stage = Stage::Gone;
        self.cx.notice(Notice::SpawnFailed { child: id, reason: String::from(reason) });
        self.end(id, cause, Some(public));
        self.gone(id);
    }

    fn exited(&mut self, id: ChildId, exit: Exit, stderr: &[u8]) {
        let Some(seat) = self.seats.opened(id) else { return };
        let child = seat.child_mut();
        let unasked = child.stage == Stage::Running;
        // No signal was sent to it yet.
        let crashed = child.stage == Stage::Closing && matches!(exit, Exit::Signal(_));
        let asked = !unasked && !crashed;
        let pid = child.pid;
        child.stage = Stage::Gone;
        let cause = match seat {
            Seat::Shared(worker) => match worker.exited(exit, unasked, &mut self.cx) {
                AfterExit::Restarts => return self.restart(id),
                AfterExit::Ends(cause) => cause,
            },
            _ => Cause::Exited(exit),
        };
        self.end(id, cause, None);
        let words = &stderr[stderr.len().saturating_sub(LAST_WORDS)..];
        let words = if !asked { String::from_utf8_lossy(words) } else { Cow::Borrowed("") };
        let stderr = String::from(words.trim());
        self.cx.notice(Notice::ChildExited { child: id, pid, exit, asked, stderr });
        self.gone(id);
    }

    /// Starts another process in place of a shared one that is gone. It has a new number, under
    /// which everything is known from now on. No client has used it yet, so it is not spent.
    fn restart(&mut self, old: ChildId) {
        let Some(mut seat) = self.seats.remove(old) else { return };
        let new = self.fresh_child();
        if let Seat::Shared(worker) = &mut seat {
            worker.restart(new, &mut self.cx);
        }
        self.seats.insert(seat);
    }

    fn gone(&mut self, id: ChildId) {
        let child = self.seats.take(id, |seat| match seat {
            Seat::Prewarmed(child) | Seat::Leaving(child) => Ok(child),
            owned => Err(owned),
        });
        if let Some(child) = child {
            child.gone(&mut self.cx);
        }
        self.forget_retired();
    }

    /// Ends a session or a worker for any cause, and starts its child's shutdown sequence.
    fn end(&mut self, id: ChildId, cause: Cause, reason: Option<&str>) {
        let Some(seat) = self.seats.remove(id) else { return };
        let open = seat.has_started();
        let start = || Fault::of_start(cause, reason);
        let mut child = match seat {
            Seat::Session(session) if self.may_sleep(&session, cause) => {
                let fault = if open { Fault::crashed(cause) } else { start() };
                self.put_to_sleep(session, cause, &fault)
            }
            Seat::Session(session) => {
                self.ids.remove(&session.lasting.id);
                if cause != Cause::Shutdown && (session.is_kept() || !session.is_known_to_client())
                {
                    self.forget_record(session.lasting.number);
                }
                let fault = match (open, session.is_known_to_client()) {
                    (true, _) => Fault::ended(cause),
                    (false, true) => Fault::of_wake(cause, reason),
                    (false, false) => start(),
                };
                session.end(cause, &fault, &mut self.cx)
            }
            Seat::Shared(worker) => {
                let fault = if open { Fault::lost(cause) } else { start() };
                worker.end(cause, &fault, &mut self.cx)
            }
            Seat::Host(mut host) => {
                self.start_again(&mut host, cause);
                for guest in host.guests().collect::<Vec<_>>() {
                    self.end(guest, cause, reason);
                }
                host.end(cause, &mut self.cx)
            }
            Seat::Prewarmed(child) => return self.end_prewarmed(child, cause),
            Seat::Leaving(child) => return self.seats.insert(Seat::Leaving(child)),
        };
        let (server, origin, blame) = (child.server, child.origin, supply::blame(cause, &child));
        let host = child.host();
        let asked_for = child.end(&mut self.cx);
        self.seats.insert(Seat::Leaving(child));
        if !asked_for {
            self.queue.retain(|queued| *queued != id);
            self.gone(id);
            host.into_iter().for_each(|host| self.leave(host, id, cause));
            return;
        }
        if !open {
            self.starting -= 1;
            self.judge_start(server, origin, cause, blame);
        }
    }

    /// Ends the session or worker of a child, if there is a cause.
    fn end_for(&mut self, id: ChildId, cause: Option<Cause>) {
        if let Some(cause) = cause {
            self.end(id, cause, None);
        }
    }
}
