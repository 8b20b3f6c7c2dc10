//! Why a session ends or falls asleep, in words for people and as a label.

use core::fmt;

use crate::api::handles::Exit;
use crate::api::rule::Rule;

/// Why a session, or a shared child, ended.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Cause, Exit};
///
/// assert_eq!(Cause::Exited(Exit::Code(1)).to_string(), "server ended with exit code 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The client asked for it with DELETE.
    Deleted,
    /// The embedder ended it ([`Input::End`](crate::Input::End)).
    Revoked,
    /// Nothing happened for as long as `Config::idle`.
    Idle,
    /// The child ended by itself.
    Exited(Exit),
    /// The child closed its standard output.
    StdoutClosed,
    /// The child closed its standard input.
    StdinClosed,
    /// The child wrote a line longer than `Config::message`.
    LineTooLong,
    /// What the child said, or a line that it left unfinished, took memory that is short.
    Memory,
    /// The child could not be started.
    NotStarted,
    /// The child could not be started because the driver was out of something.
    Exhausted,
    /// The child did not answer `initialize` within `Config::start`.
    StartTimeout,
    /// The child gave no answer to `initialize` that can be read, for this reason.
    Unreadable(&'static str),
    /// The child answered `initialize` with an error.
    Declined,
    /// The child was asked for its revisions, did not name them, and is of no use for a session.
    Undiscovered,
    /// The client left before its session was open, or, in HTTP+SSE, at any time.
    ClientLeft,
    /// Its server has another command now, or is none any more.
    Retired,
    /// It is one client's by what happened in it, and can't serve another.
    Spent,
    /// The sessions that shared it have all ended, or sleep.
    Deserted,
    /// No call was in flight for as long as [`Endpoint::sleep`](crate::Endpoint::sleep), or
    /// `Config::sleep`.
    Unused,
    /// It was unused for longest, and another session was to have its place.
    Room,
    /// It slept for as long as `Config::expiry`.
    Expired,
    /// More sessions sleep than may, and it was unused for longest.
    Crowded,
    /// The process that was to take the place of an earlier one gave another handshake: the
    /// version, the capabilities or the name of the server differ.
    Changed(&'static str),
    /// The proxy is shutting down.
    Shutdown,
}

impl Cause {
    /// The rule that an operator can change, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::{Cause, Rule};
    ///
    /// assert_eq!(Cause::LineTooLong.rule(), Some(Rule::Message));
    /// assert_eq!(Cause::Deleted.rule(), None);
    /// ```
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::LineTooLong => Some(Rule::Message),
            Self::Memory => Some(Rule::Memory),
            Self::StartTimeout => Some(Rule::Start),
            Self::Unused => Some(Rule::Sleep),
            Self::Room => Some(Rule::Sessions),
            Self::Expired => Some(Rule::Expiry),
            _ => None,
        }
    }

    /// The words for all of them.
    pub(crate) const LABELS: [&str; 24] = [
        Self::Deleted.label(),
        Self::Revoked.label(),
        Self::Idle.label(),
        Self::Exited(Exit::Unknown).label(),
        Self::StdoutClosed.label(),
        Self::StdinClosed.label(),
        Self::LineTooLong.label(),
        Self::Memory.label(),
        Self::NotStarted.label(),
        Self::Exhausted.label(),
        Self::StartTimeout.label(),
        Self::Unreadable("").label(),
        Self::Declined.label(),
        Self::Undiscovered.label(),
        Self::ClientLeft.label(),
        Self::Retired.label(),
        Self::Spent.label(),
        Self::Deserted.label(),
        Self::Unused.label(),
        Self::Room.label(),
        Self::Expired.label(),
        Self::Crowded.label(),
        Self::Changed("").label(),
        Self::Shutdown.label(),
    ];

    /// A word for it, as a label.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::Exited(_) => "exited",
            Self::StdoutClosed => "stdout_closed",
            Self::StdinClosed => "stdin_closed",
            Self::LineTooLong => "line_too_long",
            Self::Memory => "memory",
            Self::NotStarted => "not_started",
            Self::Exhausted => "exhausted",
            Self::StartTimeout => "start_timeout",
            Self::Unreadable(_) => "unreadable",
            Self::Declined => "declined",
            Self::Undiscovered => "undiscovered",
            Self::ClientLeft => "client_left",
            Self::Retired => "retired",
            Self::Spent => "spent",
            Self::Deserted => "deserted",
            Self::Unused => "unused",
            Self::Room => "room",
            Self::Expired => "expired",
            Self::Crowded => "crowded",
            Self::Changed(_) => "changed",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted => f.write_str("deleted by the client"),
            Self::Revoked => f.write_str("revoked by the operator"),
            Self::Idle => f.write_str("idle"),
            Self::Exited(exit) => write!(f, "server ended with {exit}"),
            Self::StdoutClosed => f.write_str("server closed its standard output"),
            Self::StdinClosed => f.write_str("server closed its standard input"),
            Self::LineTooLong => {
                f.write_str("server wrote a line longer than the limit of a message")
            }
            Self::Memory => f.write_str("server output held memory when the limit was reached"),
            Self::NotStarted => f.write_str("server could not be started"),
            Self::Exhausted => f.write_str("the system had no resources left to start the server"),
            Self::StartTimeout => f.write_str("server did not answer initialize in time"),
            Self::Unreadable(reason) => {
                write!(f, "server's answer to initialize can't be read: {reason}")
            }
            Self::Declined => f.write_str("server declined initialize"),
            Self::Undiscovered => f.write_str("server did not answer server/discover"),
            Self::ClientLeft => f.write_str("client left"),
            Self::Retired => f.write_str("its server was removed or replaced"),
            Self::Spent => f.write_str("its state belongs to one client"),
            Self::Deserted => f.write_str("no session uses it any more"),
            Self::Unused => f.write_str("no call within the sleep timeout"),
            Self::Room => f.write_str("it made room for another session"),
            Self::Expired => f.write_str("it expired while it slept"),
            Self::Crowded => f.write_str("too many sessions sleep, and it was unused for longest"),
            Self::Changed(what) => {
                write!(f, "the restarted server has a different {what}")
            }
            Self::Shutdown => f.write_str("shutdown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_limit_ended_names_it() {
        for (cause, rule) in [
            (Cause::LineTooLong, Rule::Message),
            (Cause::Memory, Rule::Memory),
            (Cause::StartTimeout, Rule::Start),
            (Cause::Unused, Rule::Sleep),
            (Cause::Room, Rule::Sessions),
            (Cause::Expired, Rule::Expiry),
        ] {
            assert_eq!(cause.rule(), Some(rule));
        }
    }
}
