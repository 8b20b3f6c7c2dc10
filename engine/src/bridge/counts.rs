//! What an operator can count.

use alloc::vec::Vec;

use super::{Bridge, Seat};
use crate::api::stats::ServerStats;
use crate::http::fault::Fault;

impl Bridge {
    /// Returns the counters of each server that is served, in the order of their numbers.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config};
    ///
    /// let bridge = Bridge::new(Config::default()).unwrap();
    /// let failing = bridge.server_stats().iter().filter(|stats| stats.fails).count();
    /// assert_eq!(failing, 0);
    /// ```
    #[must_use]
    pub fn server_stats(&self) -> Vec<ServerStats> {
        let current = self.servers.current();
        let mut all: Vec<_> = current.map(|(server, _)| self.cx.counts.stats(server)).collect();
        for asleep in self.sleepers.iter() {
            if let Some(stats) = all.iter_mut().find(|stats| stats.server == asleep.server) {
                stats.asleep += 1;
            }
        }
        for seat in self.seats.iter() {
            let child = seat.child();
            let Some(stats) = all.iter_mut().find(|stats| stats.server == child.server) else {
                continue;
            };
            stats.children += usize::from(child.host().is_none());
            match seat {
                Seat::Session(_) => {
                    stats.calls += child.calls.len();
                    stats.sessions += 1;
                }
                Seat::Shared(_) => stats.calls += child.calls.len(),
                // Its calls are its sessions'.
                Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_) => {}
            }
        }
        for stats in &mut all {
            stats.fails = self.breaker.fails(stats.server, self.cx.now);
        }
        all
    }

    /// Returns how many requests were refused, by HTTP status and reason. All that there are come,
    /// with zero for those that have not been given.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config, Head};
    ///
    /// let mut bridge = Bridge::new(Config::default()).unwrap();
    /// let fields = [("Host", &b"example.com"[..])];
    /// let head = Head { method: "GET", path: "/mcp", authority: None, fields: &fields };
    /// assert!(bridge.admit(&head).is_err());
    /// assert!(bridge.refusals().any(|refusal| refusal == (403, "host", 1)));
    /// ```
    pub fn refusals(&self) -> impl Iterator<Item = (u16, &'static str, u64)> {
        let counted = |(status, label)| (status, label, self.cx.counts.refusals(status, label));
        Fault::labels().map(counted)
    }
}
