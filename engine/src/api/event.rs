//! Events for the operator: facts, never message contents or session ids.
//!
//! A notice is data with a [`Display`](core::fmt::Display); the driver adds the time and writes
//! it where its log goes.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::api::cause::Cause;
use crate::api::eras::Eras;
use crate::api::handles::{ChildId, Exchange, Exit, SessionNumber};
use crate::api::rule::Rule;

/// How much a notice matters, in the words of syslog and the `log` crate; the gravest is the least.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Level, Notice};
///
/// let notice = Notice::Draining { sessions: 1, calls: 0 };
/// assert_eq!(notice.level(), Level::Info);
/// assert!(notice.level() <= Level::Info, "a log at info shows it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that an operator should fix.
    Error,
    /// Something was lost or refused.
    Warn,
    /// The normal course of sessions.
    Info,
    /// The course of single requests.
    Debug,
}

/// Something an operator may want to read. Its [`Display`](fmt::Display) is a sentence without the
/// time; what a child wrote stands in it as it came, so a log has to escape control characters.
///
/// # Examples
///
/// ```
/// use mcp_bridge::Notice;
///
/// let notice = Notice::Draining { sessions: 3, calls: 1 };
/// assert_eq!(notice.to_string(), "draining: 3 sessions, 1 call in flight");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A session is open.
    SessionOpened {
        /// Which session.
        session: SessionNumber,
        /// Its child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// The protocol version that the child chose.
        version: String,
        /// How long the child took from its start to its answer.
        start: Duration,
    },
    /// A session fell asleep; its child is on its way out or gone.
    SessionAsleep {
        /// Which session.
        session: SessionNumber,
        /// The process id of its child, if it is a process.
        pid: Option<u32>,
        /// Why.
        cause: Cause,
        /// Whether it was awake: if not, the process that was to wake it did not start.
        awake: bool,
    },
    /// A session that slept has a process again.
    SessionWoken {
        /// Which session.
        session: SessionNumber,
        /// Its child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// How long the child took from its start to its answer.
        start: Duration,
    },
    /// A session that opened or woke shares its child with others.
    SessionShares {
        /// Which session.
        session: SessionNumber,
        /// The child.
        child: ChildId,
        /// How many other sessions use it.
        others: usize,
    },
    /// A session ended; its child, if it had one, is on its way out or gone.
    SessionEnded {
        /// Which session.
        session: SessionNumber,
        /// The process id of its child, if it had one that ran and is a process.
        pid: Option<u32>,
        /// Why.
        cause: Cause,
        /// Whether it was open: whether its child ever answered `initialize`.
        opened: bool,
        /// How long it lived.
        lived: Duration,
        /// Requests of the client that it carried.
        calls: u64,
        /// Messages of the child that nobody read.
        dropped: u64,
    },
    /// A child is ready that requests of 2026-07-28 share, or sessions.
    SharedChildReady {
        /// Which child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// The protocol version that it speaks.
        version: String,
        /// How long it took from its start.
        start: Duration,
    },
    /// A child that was shared is on its way out or gone.
    SharedChildEnded {
        /// Which child.
        child: ChildId,
        /// Its process id, if it ran and is a process.
        pid: Option<u32>,
        /// Why.
        cause: Cause,
        /// Whether it was ever ready.
        opened: bool,
        /// How long it lived.
        lived: Duration,
        /// Requests that it carried.
        calls: u64,
        /// Messages of the child that could be given to nobody.
        dropped: u64,
    },
    /// A child has not answered its first request for long.
    Silent {
        /// Which child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// For how long.
        wait: Duration,
    },
    /// A child is gone and reaped.
    ChildExited {
        /// Which child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// How it ended.
        exit: Exit,
        /// Whether it was asked to end. If it was and a signal ended it that nobody sent, it was
        /// not.
        asked: bool,
        /// The last of its standard error, if it ended unasked.
        stderr: String,
    },
    /// A child could not be started.
    SpawnFailed {
        /// Which child.
        child: ChildId,
        /// Why, in the system's words.
        reason: String,
    },
    /// A child ignored the end of its input, or `SIGTERM`, and got the next step of the shutdown
    /// sequence.
    StillRunning {
        /// Which child.
        child: ChildId,
        /// Its process id, if it is a process.
        pid: Option<u32>,
        /// What it gets now.
        signal: &'static str,
    },
    /// The first of a child's messages that waited for a reader was dropped; the count comes with
    /// the end of its session, or its own if it is shared.
    Dropping {
        /// Which child.
        child: ChildId,
    },
    /// A child wrote a line that is no JSON-RPC message. Told once for each session.
    MalformedLine {
        /// Its child.
        child: ChildId,
        /// Why it is none.
        reason: &'static str,
        /// How the line starts. It may be an answer that was cut, so [`Display`](fmt::Display)
        /// leaves it out.
        line: String,
    },
    /// A peer took no byte for as long as `Config::stall`, or too few while others waited for the
    /// same child or for memory, and lost its exchange.
    Stalled {
        /// The child whose output it was to read.
        child: ChildId,
    },
    /// A response was not taken for as long as `Config::stall` after all of it was said, and its
    /// peer lost it.
    Undelivered {
        /// The number of its exchange.
        exchange: Exchange,
    },
    /// A request was refused.
    Refused {
        /// With this status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// A Host is not allowed. Told once for each value, of a limited number of them.
    HostRefused {
        /// The Host header.
        host: String,
    },
    /// An Origin is not allowed. Told once for each value, of a limited number of them.
    OriginRefused {
        /// The Origin header.
        origin: String,
    },
    /// A request was refused because the limit of sessions or shared children is reached. Told at
    /// most once a minute.
    Full {
        /// The limit.
        limit: usize,
        /// How many were refused since the last such event.
        refused: u64,
    },
    /// A client was refused for the era that it speaks. Told once for each server.
    EraRefused {
        /// The path of the server.
        endpoint: String,
        /// Which eras its clients may use.
        eras: Eras,
    },
    /// Starts failed in a row; new sessions are refused for a while.
    BreakerOpen {
        /// The path of the server.
        endpoint: String,
        /// How long.
        wait: Duration,
        /// Whether for everybody; if not, for those with the same variables or the same
        /// `initialize`, who may have caused it.
        all: bool,
    },
    /// The driver broke a rule of the engine's interface: it has a fault.
    Misuse {
        /// The rule.
        rule: &'static str,
    },
    /// Draining has begun.
    Draining {
        /// Sessions that are open.
        sessions: usize,
        /// Calls that may still finish.
        calls: usize,
    },
}

impl Notice {
    /// The rule that an operator can change, if one refused or ended something.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::{Notice, Rule};
    ///
    /// let notice = Notice::Full { limit: 64, refused: 1 };
    /// assert_eq!(notice.rule(), Some(Rule::Sessions));
    /// ```
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::HostRefused { .. } => Some(Rule::Hosts),
            Self::OriginRefused { .. } => Some(Rule::Origins),
            Self::Full { .. } => Some(Rule::Sessions),
            Self::EraRefused { eras: Eras::Modern, .. } => Some(Rule::NoSessions),
            Self::EraRefused { eras: Eras::Sessions, .. } => Some(Rule::NoModern),
            Self::EraRefused { .. } => Some(Rule::NoCrossing),
            Self::SessionAsleep { cause, .. }
            | Self::SessionEnded { cause, .. }
            | Self::SharedChildEnded { cause, .. } => cause.rule(),
            _ => None,
        }
    }

    /// How much it matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::SpawnFailed { .. }
            | Self::BreakerOpen { all: true, .. }
            | Self::Misuse { .. } => Level::Error,
            Self::ChildExited { asked: false, .. }
            | Self::SessionEnded { cause: Cause::StartTimeout | Cause::LineTooLong, .. }
            | Self::SharedChildEnded { cause: Cause::StartTimeout | Cause::LineTooLong, .. }
            | Self::Silent { .. }
            | Self::BreakerOpen { all: false, .. }
            | Self::HostRefused { .. }
            | Self::OriginRefused { .. }
            | Self::Full { .. }
            | Self::StillRunning { .. }
            | Self::Dropping { .. }
            | Self::MalformedLine { .. }
            | Self::Undelivered { .. }
            | Self::Stalled { .. } => Level::Warn,
            Self::SessionOpened { .. }
            | Self::SessionAsleep { .. }
            | Self::SessionWoken { .. }
            | Self::SessionShares { .. }
            | Self::SessionEnded { .. }
            | Self::SharedChildReady { .. }
            | Self::SharedChildEnded { .. }
            | Self::ChildExited { .. }
            | Self::EraRefused { .. }
            | Self::Draining { .. } => Level::Info,
            Self::Refused { .. } => Level::Debug,
        }
    }
}

/// A protocol version as it is logged: what a child names need not be one.
pub(crate) fn version(text: &str) -> String {
    let is_date = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    String::from(if is_date { text } else { "unknown" })
}

/// The process of a child, in words.
struct Process(Option<u32>);

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("no process"),
        }
    }
}

/// So many of something, in words.
pub(crate) struct Count<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display + PartialEq + From<bool>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        write!(f, "{number} {noun}{}", if *number == N::from(true) { "" } else { "s" })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionOpened { session, pid, version, start, .. } => {
                let process = Process(*pid);
                write!(
                    f,
                    "session {session} opened: {process}, protocol {version}, start {start:.1?}"
                )
            }
            Self::SessionEnded { session, cause, opened: false, .. } => {
                write!(f, "session {session} did not open: {cause}")
            }
            Self::SharedChildEnded { child, cause, opened: false, .. } => {
                write!(f, "child {child} did not become ready: {cause}")
            }
            Self::SessionEnded { session, pid, cause, lived, calls, dropped, .. } => write!(
                f,
                "session {session} ended: {cause}; {}, lived {lived:.1?}, {}, {dropped} dropped",
                Process(*pid),
                Count(*calls, "call")
            ),
            Self::SharedChildReady { child, pid, version, start } => {
                let process = Process(*pid);
                write!(f, "child {child} ready: {process}, protocol {version}, start {start:.1?}")
            }
            Self::SharedChildEnded { child, pid, cause, lived, calls, dropped, .. } => write!(
                f,
                "child {child} ended: {cause}; {}, lived {lived:.1?}, {}, {dropped} dropped",
                Process(*pid),
                Count(*calls, "request")
            ),
            Self::SpawnFailed { child, reason } => {
                write!(f, "child {child} could not be started: {reason}")
            }
            Self::StillRunning { child, pid, signal } => {
                let process = Process(*pid);
                write!(f, "child {child} ({process}) is still running; sending {signal}")
            }
            Self::Dropping { child } => {
                write!(f, "child {child}: no client reads its messages; the oldest are dropped")
            }
            Self::MalformedLine { child, reason, .. } => write!(
                f,
                "child {child} wrote a line that is not an MCP message ({reason}); later ones of \
                 this kind are not logged"
            ),
            Self::Stalled { child } => {
                write!(f, "child {child}: a client reads too slowly; its stream was closed")
            }
            Self::Refused { status, reason } => write!(f, "refused {status}: {reason}"),
            Self::BreakerOpen { endpoint, wait, all } => {
                let whom = if *all { "at every start" } else { "for one kind of client" };
                write!(
                    f,
                    "the server at {endpoint} fails {whom}; such starts are refused for {wait:.0?}"
                )
            }
            Self::Draining { sessions, calls } => {
                let (sessions, calls) = (Count(*sessions, "session"), Count(*calls, "call"));
                write!(f, "draining: {sessions}, {calls} in flight")
            }
            other => other.fmt_warning(f),
        }
    }
}

impl Notice {
    /// Formats the events that are rare.
    fn fmt_warning(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionAsleep { session, cause, awake: false, .. } => {
                write!(f, "session {session} did not wake: {cause}")
            }
            Self::SessionAsleep { session, pid, cause, .. } => {
                write!(f, "session {session} sleeps: {cause}; {}", Process(*pid))
            }
            Self::SessionWoken { session, child, pid, start } => {
                let process = Process(*pid);
                write!(f, "session {session} woke: child {child}, {process}, start {start:.1?}")
            }
            Self::SessionShares { session, child, others } => {
                let others = Count(*others, "other");
                write!(f, "session {session} shares child {child} with {others}")
            }
            Self::Silent { child, pid, wait } => write!(
                f,
                "child {child} ({}) has not answered for {wait:.0?} since its start; read its \
                 standard error, which is in the log",
                Process(*pid)
            ),
            Self::ChildExited { child, pid, exit, asked, stderr } => {
                let unasked = if *asked { "" } else { " by itself" };
                write!(f, "child {child} exited{unasked}: {}, {exit}", Process(*pid))?;
                if stderr.is_empty() {
                    return Ok(());
                }
                write!(f, "; stderr: {stderr}")
            }
            Self::EraRefused { endpoint, eras: Eras::Modern } => write!(
                f,
                "a client of {endpoint} was refused because it asked for a session: only \
                 2026-07-28 is served there"
            ),
            Self::EraRefused { endpoint, eras: Eras::Sessions } => write!(
                f,
                "a 2026-07-28 client of {endpoint} was refused: only sessions are served there"
            ),
            Self::EraRefused { endpoint, .. } => write!(
                f,
                "a 2026-07-28 client of {endpoint} was refused, so that it opens a session: the \
                 server did not report that it speaks 2026-07-28"
            ),
            Self::HostRefused { host } => {
                write!(f, "Host {host:?} is not allowed: the request is refused")
            }
            Self::OriginRefused { origin } => {
                write!(f, "Origin {origin:?} is not allowed: the request is refused")
            }
            Self::Undelivered { exchange } => {
                write!(
                    f,
                    "the client of request {exchange} did not read its response; the connection is closed"
                )
            }
            Self::Misuse { rule } => {
                write!(f, "the driver broke a rule of the engine: {rule}")
            }
            Self::Full { limit, refused } => write!(
                f,
                "the limit of sessions, {limit}, is reached: {} refused since the last report",
                Count(*refused, "request")
            ),
            _ => Ok(()),
        }
    }
}
