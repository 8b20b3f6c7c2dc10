//! The phases of a session's start, with the data that each needs.

use alloc::boxed::Box;
use alloc::string::String;

use super::crossing::Crossing;
use super::opening::Opening;
use crate::child::Call;
use crate::codec::version::Version;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;

#[derive(Debug)]
pub(super) enum Phase {
    /// The client has a stream, and `initialize` is to come. There is no process yet.
    Awaiting,
    /// The child has not answered `initialize`. The params are kept if the child may turn out to
    /// speak only 2026-07-28; otherwise they are empty.
    Starting {
        hello: Kept,
    },
    /// The child's era is probed: it declined `initialize`, or is known to decline it.
    AskingEra {
        hello: Kept,
        declined: Option<Kept>,
    },
    /// The session is open, but its record is not saved: its client is not told yet. The answer of
    /// the child to this call waits.
    Saving {
        open: Open,
        call: Call,
        answer: Kept,
    },
    /// The session slept, and a new process is given the handshake that the first one had.
    Waking(Open),
    Open(Open),
}

/// The data of an open session.
#[derive(Debug)]
pub(super) struct Open {
    /// The version that the child chose, as it wrote it.
    pub(super) chosen: String,
    pub(super) version: &'static Version,
    /// Set if the child speaks only 2026-07-28.
    pub(super) crossing: Option<Box<Crossing>>,
    /// What another process is told in place of this one; `None` if the session ends with it.
    pub(super) opening: Option<Box<Opening>>,
}

impl Phase {
    /// Moves to the probe: the child declined `initialize` with this error, or will not get it.
    pub(super) fn probe_era(&mut self, declined: Option<Kept>) {
        let hello = self.take_hello();
        *self = Self::AskingEra { hello, declined };
    }

    /// The params of `initialize`, if the child may still turn out to speak only 2026-07-28, or
    /// another process may have to be given them.
    pub(super) fn hello(&self) -> &[u8] {
        match self {
            Self::Starting { hello } | Self::AskingEra { hello, .. } => hello,
            Self::Awaiting | Self::Saving { .. } | Self::Waking(_) | Self::Open(_) => &[],
        }
    }

    fn take_hello(&mut self) -> Kept {
        match self {
            Self::Starting { hello } | Self::AskingEra { hello, .. } => core::mem::take(hello),
            Self::Awaiting | Self::Saving { .. } | Self::Waking(_) | Self::Open(_) => {
                Kept::default()
            }
        }
    }

    /// The child's error to `initialize`, if it is kept.
    pub(super) fn declined(&self) -> Option<&[u8]> {
        match self {
            Self::AskingEra { declined, .. } => declined.as_deref(),
            _ => None,
        }
    }

    pub(super) fn take_declined(&mut self) -> Option<Kept> {
        match self {
            Self::AskingEra { declined, .. } => declined.take(),
            _ => None,
        }
    }

    /// The data of a session whose client was, or will be, told that it is open.
    pub(super) const fn open(&self) -> Option<&Open> {
        match self {
            Self::Saving { open, .. } | Self::Waking(open) | Self::Open(open) => Some(open),
            Self::Awaiting | Self::Starting { .. } | Self::AskingEra { .. } => None,
        }
    }

    pub(super) const fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::Saving { open, .. } | Self::Waking(open) | Self::Open(open) => Some(open),
            Self::Awaiting | Self::Starting { .. } | Self::AskingEra { .. } => None,
        }
    }

    /// What the child has not had yet is held back, or not meant for it.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self, Self::Saving { .. } | Self::Waking(_))
    }

    /// Whether nobody has sent `initialize`.
    pub(super) const fn awaits_initialize(&self) -> bool {
        matches!(self, Self::Awaiting)
    }

    pub(super) const fn is_waking(&self) -> bool {
        matches!(self, Self::Waking(_))
    }

    pub(super) fn into_open(self) -> Option<Open> {
        match self {
            Self::Saving { open, .. } | Self::Waking(open) | Self::Open(open) => Some(open),
            Self::Awaiting | Self::Starting { .. } | Self::AskingEra { .. } => None,
        }
    }

    /// The process has answered, or its client is told: the session is open.
    pub(super) fn woke(&mut self) {
        let before = core::mem::replace(self, Self::Starting { hello: Kept::default() });
        *self = match before {
            Self::Waking(open) => Self::Open(open),
            other => other,
        };
    }

    /// The session is saved: it is open. Returns the call and the answer that opened it.
    pub(super) fn saved(&mut self) -> Option<(Call, Kept)> {
        let before = core::mem::replace(self, Self::Starting { hello: Kept::default() });
        let (after, told) = match before {
            Self::Saving { open, call, answer } => (Self::Open(open), Some((call, answer))),
            other => (other, None),
        };
        *self = after;
        told
    }

    /// The version that the child chose, as it wrote it; empty until then.
    pub(super) fn chosen(&self) -> &str {
        self.open().map_or("", |open| &open.chosen)
    }

    /// The rules of the session's version.
    pub(super) fn version(&self) -> &'static Version {
        self.open().map_or_else(|| Version::chosen(""), |open| open.version)
    }

    /// The state stored for a child that speaks only 2026-07-28.
    pub(super) fn crossing(&self) -> Option<&Crossing> {
        self.open()?.crossing.as_deref()
    }

    pub(super) fn crossing_mut(&mut self) -> Option<&mut Crossing> {
        self.open_mut()?.crossing.as_deref_mut()
    }
}

#[cfg(debug_assertions)]
impl Phase {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        match self {
            Self::Awaiting => {}
            Self::Starting { hello } => walk.meet_kept("initialize", hello),
            Self::AskingEra { hello, declined } => {
                walk.meet_kept("initialize", hello);
                declined.iter().for_each(|declined| walk.meet_kept("declined", declined));
            }
            Self::Saving { open, answer, .. } => {
                open.walk(walk);
                walk.meet_kept("answer", answer);
            }
            Self::Waking(open) | Self::Open(open) => open.walk(walk),
        }
    }
}

#[cfg(debug_assertions)]
impl Open {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        self.crossing.iter().for_each(|crossing| crossing.walk(walk));
        self.opening.iter().for_each(|opening| opening.walk(walk));
    }
}
