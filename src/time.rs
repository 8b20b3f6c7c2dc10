//! Time as a value, and who waits until when.
//!
//! The engine has no clock: each input carries its [`Instant`], and every wait is one entry of
//! `Timers`. An owner keeps the deadline that it asked for, so that it can move or drop it; a
//! deadline is never left behind by an owner that ended.

use alloc::collections::BTreeSet;
use core::fmt;
use core::time::Duration;

use crate::io::{Exchange, Pipe};

/// A point in time: how long after an origin of the caller's choice.
///
/// The caller picks the origin once, for instance the start of its process, and measures with a
/// monotonic clock. An `Instant` earlier than one that the engine has seen is read as that one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The instant that lies `since_origin` after the caller's origin.
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long after the origin this is.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// This instant moved later by `wait`; the last representable instant if that overflows.
    #[must_use]
    pub const fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0.as_secs(), self.0.subsec_millis())
    }
}
