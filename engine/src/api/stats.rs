//! Counters for operators.

/// What the bridge holds now, and what it has done since it began: counts, each without a limit of
/// its own. [`Config::metrics`](crate::Config::metrics) names the path that returns them, and more,
/// over HTTP.
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
    /// Children that run, start or end.
    pub children: usize,
    /// Calls in flight.
    pub calls: usize,
    /// Sessions that were opened.
    pub opened: u64,
    /// Children that could not be started or ended before they answered `initialize`.
    pub failed_starts: u64,
    /// Requests of clients that reached a child.
    pub requests: u64,
    /// Messages of children that nobody read or that named no call.
    pub dropped: u64,
    /// HTTP requests that were refused.
    pub refused: u64,
}
