//! The phases of a session's start, with the data that each needs.

use alloc::boxed::Box;
use alloc::string::String;

use super::crossing::Crossing;
use crate::codec::version::Version;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;

#[derive(Debug)]
pub(super) enum Phase {
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
}

impl Phase {
    /// Moves to the probe: the child declined `initialize` with this error, or will not get it.
    pub(super) fn ask_for_era(&mut self, declined: Option<Kept>) {
        let hello = self.take_hello();
        *self = Self::AskingEra { hello, declined };
    }

    /// The params of `initialize`, if the child may still turn out to speak only 2026-07-28.
    pub(super) fn hello(&self) -> &[u8] {
        match self {
            Self::Starting { hello } | Self::AskingEra { hello, .. } => hello,
            Self::Open(_) => &[],
        }
    }

    fn take_hello(&mut self) -> Kept {
        match self {
            Self::Starting { hello } | Self::AskingEra { hello, .. } => core::mem::take(hello),
            Self::Open(_) => Kept::default(),
        }
    }

    /// The child's error to `initialize`, if it is kept.
    pub(super) fn declined(&self) -> Option<&[u8]> {
        match self {
            Self::AskingEra { declined, .. } => declined.as_deref(),
            Self::Starting { .. } | Self::Open(_) => None,
        }
    }

    pub(super) fn take_declined(&mut self) -> Option<Kept> {
        match self {
            Self::AskingEra { declined, .. } => declined.take(),
            Self::Starting { .. } | Self::Open(_) => None,
        }
    }

    /// The version that the child chose, as it wrote it; empty until then.
    pub(super) fn chosen(&self) -> &str {
        match self {
            Self::Open(open) => &open.chosen,
            Self::Starting { .. } | Self::AskingEra { .. } => "",
        }
    }

    /// The rules of the session's version.
    pub(super) fn version(&self) -> &'static Version {
        match self {
            Self::Open(open) => open.version,
            Self::Starting { .. } | Self::AskingEra { .. } => Version::chosen(""),
        }
    }

    /// The state stored for a child that speaks only 2026-07-28.
    pub(super) fn crossing(&self) -> Option<&Crossing> {
        match self {
            Self::Open(open) => open.crossing.as_deref(),
            Self::Starting { .. } | Self::AskingEra { .. } => None,
        }
    }

    pub(super) fn crossing_mut(&mut self) -> Option<&mut Crossing> {
        match self {
            Self::Open(open) => open.crossing.as_deref_mut(),
            Self::Starting { .. } | Self::AskingEra { .. } => None,
        }
    }
}

#[cfg(debug_assertions)]
impl Phase {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        match self {
            Self::Starting { hello } => walk.meet_kept("initialize", hello),
            Self::AskingEra { hello, declined } => {
                walk.meet_kept("initialize", hello);
                declined.iter().for_each(|declined| walk.meet_kept("declined", declined));
            }
            Self::Open(open) => open.crossing.iter().for_each(|crossing| crossing.walk(walk)),
        }
    }
}
