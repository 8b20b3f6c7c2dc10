//! Time as a value.

use core::fmt;
use core::time::Duration;

/// A point in time: how long after an origin of the caller's choice.
///
/// The caller picks the origin once, for instance the start of its process, and measures with a
/// monotonic clock. An `Instant` earlier than one that the engine has seen is read as that one, and
/// so is one that is half of the representable time or more after the origin: there the engine's
/// time stands still.
///
/// # Examples
///
/// ```
/// use mcp_bridge::Instant;
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let origin = std::time::Instant::now(); // Once.
/// let now = Instant::new(origin.elapsed()); // Before each input.
/// let later = now.after(second);
/// assert_eq!((later.since(now), now.since(later)), (second, Duration::ZERO));
/// assert_eq!(later.since_origin(), now.since_origin() + second);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The end of time: an input that is later is read as this one, so that what is waited for
    /// after it is always later still.
    pub(crate) const END: Self = Self(Duration::from_secs(u64::MAX / 2));

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_in_seconds() {
        use alloc::string::ToString;
        assert_eq!(Instant::new(Duration::from_millis(1_234)).to_string(), "1.234s");
    }

    #[test]
    fn instants_saturate() {
        let last = Instant::new(Duration::MAX);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(Instant::default().since(last), Duration::ZERO);
    }
}
