//! Counters for operators.

use alloc::vec::Vec;
use core::time::Duration;

use crate::api::handles::Server;

/// What the bridge holds now, and what it has done since it began: counts, each without a limit of
/// its own. [`Bridge::server_stats`](crate::Bridge::server_stats) has those of each server.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config};
///
/// let stats = Bridge::new(Config::default()).unwrap().stats();
/// assert_eq!((stats.sessions, stats.requests), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that are open or starting.
    pub sessions: usize,
    /// Sessions that sleep.
    pub asleep: usize,
    /// Children that run, start or end.
    pub children: usize,
    /// Calls in flight.
    pub calls: usize,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that woke, each time that one did.
    pub woken: u64,
    /// Children that could not be started or ended before they answered `initialize`.
    pub failed_starts: u64,
    /// Requests of clients that reached a child.
    pub requests: u64,
    /// Messages of children that nobody read or that named no call.
    pub dropped: u64,
    /// HTTP requests that were refused.
    pub refused: u64,
}

/// The outcomes of calls, as [`ServerStats::outcomes`] names them: a result or an error of the
/// server, given up by the client, over its time, or failed in the engine or with the process.
pub(crate) const OUTCOMES: [&str; 5] = ["result", "error", "cancelled", "timed_out", "failed"];

/// What the bridge holds of one server now, and what became of its calls and children. Counters
/// begin at zero when the server becomes known, and all labels are there from the start.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config};
///
/// let bridge = Bridge::new(Config::default()).unwrap();
/// let stats = bridge.server_stats();
/// assert_eq!(stats.len(), 1, "the server at Config::endpoint");
/// assert!(stats[0].outcomes.contains(&("result", 0)));
/// assert!(stats[0].ends.contains(&("exited", 0)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Which server.
    pub server: Server,
    /// Sessions that are open or starting.
    pub sessions: usize,
    /// Sessions that sleep.
    pub asleep: usize,
    /// Children that run, start or end.
    pub children: usize,
    /// Calls in flight.
    pub calls: usize,
    /// Whether its starts are refused, because they failed.
    pub fails: bool,
    /// Sessions that were opened.
    pub opened: u64,
    /// Sessions that woke, each time that one did.
    pub woken: u64,
    /// Sessions that opened or woke at a process that others used as well.
    pub shared: u64,
    /// Children that could not be started or ended before they answered `initialize`.
    pub failed_starts: u64,
    /// Requests of clients that reached a child.
    pub requests: u64,
    /// Calls that ended, by outcome.
    pub outcomes: Vec<(&'static str, u64)>,
    /// Sessions that fell asleep, by cause.
    pub sleeps: Vec<(&'static str, u64)>,
    /// Sessions and shared children that ended, by cause.
    pub ends: Vec<(&'static str, u64)>,
    /// From the start of each child to its first answer.
    pub starts: Durations,
    /// From each request to its answer, or to the end of the wait for it.
    pub durations: Durations,
}

/// How often something took how long.
///
/// # Examples
///
/// ```
/// use mcp_bridge::Durations;
///
/// let none = Durations::default();
/// assert_eq!(none.counts.len(), Durations::bounds().len() + 1);
/// assert_eq!((none.counts.iter().sum::<u64>(), none.sum.as_secs()), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durations {
    /// How many took at most the bound of that place, and more than the one before; the last took
    /// longer than all bounds.
    pub counts: [u64; 15],
    /// The time of all together.
    pub sum: Duration,
}

impl Durations {
    /// From what no person notices to what agents wait for.
    const BOUNDS: [Duration; 14] = [
        Duration::from_millis(1),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_secs(120),
        Duration::from_secs(600),
    ];

    /// The bounds of [`counts`](Self::counts), the shortest first.
    #[must_use]
    pub const fn bounds() -> [Duration; 14] {
        Self::BOUNDS
    }

    pub(crate) fn add(&mut self, time: Duration) {
        // Most times are short.
        let place = Self::BOUNDS.iter().position(|bound| time <= *bound);
        let place = place.unwrap_or(Self::BOUNDS.len());
        self.counts[place] += 1;
        self.sum = self.sum.saturating_add(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_at_the_first_bound_that_it_does_not_pass() {
        let mut durations = Durations::default();
        for millis in [0, 1, 2, 600_000, 600_001] {
            durations.add(Duration::from_millis(millis));
        }
        assert_eq!((durations.counts[0], durations.counts[1]), (2, 1));
        assert_eq!((durations.counts[13], durations.counts[14]), (1, 1));
        assert_eq!(durations.sum, Duration::from_millis(1_200_004));
    }

    #[test]
    fn the_bounds_rise() {
        assert!(Durations::bounds().is_sorted_by(|one, next| one < next));
    }
}
