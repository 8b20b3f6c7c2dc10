//! Complete responses until their clients have them: each is delivered, lost, or aborted because
//! its client stopped reading.

use alloc::vec::Vec;
use core::time::Duration;

use crate::api::handles::Exchange;
use crate::api::instant::Instant;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Reply;
use crate::table::Table;

#[derive(Debug, Default)]
pub(crate) struct Owed {
    table: Table<Exchange, Reply>,
    /// The earliest time at which a wait can be due. It may be early: the waits are then checked
    /// again.
    due: Instant,
}

impl Owed {
    /// Adds a response that is being delivered.
    pub(crate) fn add(&mut self, reply: Reply, stall: Duration) {
        let due = reply.moved.after(stall);
        self.due = if self.table.is_empty() { due } else { self.due.min(due) };
        self.table.insert(reply.exchange, reply);
    }

    pub(crate) fn get_mut(&mut self, exchange: Exchange) -> Option<&mut Reply> {
        self.table.get_mut(&exchange)
    }

    /// The response is delivered or lost. Returns false if there is none.
    pub(crate) fn end(&mut self, exchange: Exchange) -> bool {
        self.table.remove(&exchange).is_some()
    }

    /// The unread bytes of each response, and when its client last read some.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Exchange, usize, Instant)> {
        self.table.iter().map(|(exchange, reply)| (*exchange, reply.waiting(), reply.moved))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// When the next client may have stalled.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.table.is_empty()).then_some(self.due)
    }

    /// The responses whose clients stopped reading.
    pub(crate) fn stalled(&mut self, now: Instant, stall: Duration) -> Vec<Exchange> {
        let ends = |moved: Instant| moved.after(stall);
        let late = self.iter().filter(|(.., moved)| ends(*moved) <= now);
        let late = late.map(|(exchange, ..)| exchange).collect();
        let rest = self.iter().map(|(.., moved)| ends(moved)).filter(|end| *end > now);
        self.due = rest.min().unwrap_or_default();
        late
    }
}

#[cfg(debug_assertions)]
impl Owed {
    /// Compares what they count with what they have.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        self.table.values().for_each(|reply| reply.walk(walk));
    }
}
