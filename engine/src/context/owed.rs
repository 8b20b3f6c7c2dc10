//! Responses of which the engine has said all, until their peers have them: each is delivered,
//! lost, or broken off when nothing of it was taken for too long.

use alloc::vec::Vec;
use core::time::Duration;

use crate::api::handles::Exchange;
use crate::api::instant::Instant;
use crate::context::budget::Share;
use crate::table::Table;

/// A response that is on its way.
#[derive(Debug)]
struct Debt {
    /// What its peer has not taken.
    share: Share,
    /// When its peer last took something, or was given it.
    moved: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Owed {
    table: Table<Exchange, Debt>,
    /// No wait is over before. It may be too early: then it is looked again.
    due: Instant,
}

impl Owed {
    /// A response is on its way since that time, of which so much was not taken.
    pub(crate) fn add(
        &mut self,
        exchange: Exchange,
        share: Share,
        moved: Instant,
        stall: Duration,
    ) {
        let due = moved.after(stall);
        self.due = if self.table.is_empty() { due } else { self.due.min(due) };
        self.table.insert(exchange, Debt { share, moved });
    }

    /// The peer took so many bytes.
    pub(crate) fn take(&mut self, exchange: Exchange, bytes: usize, now: Instant) {
        if let Some(debt) = self.table.get_mut(&exchange) {
            let left = debt.share.size().saturating_sub(bytes);
            debt.share.hold(left);
            debt.moved = now;
        }
    }

    /// The response is with its peer, or will never be. False if there is none.
    pub(crate) fn end(&mut self, exchange: Exchange) -> bool {
        self.table.remove(&exchange).is_some()
    }

    /// What each peer has not taken, and when it took some.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Exchange, usize, Instant)> {
        self.table.iter().map(|(exchange, debt)| (*exchange, debt.share.size(), debt.moved))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// When the next peer may have waited too long.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.table.is_empty()).then_some(self.due)
    }

    /// Those whose peers took nothing for too long.
    pub(crate) fn stalled(&mut self, now: Instant, stall: Duration) -> Vec<Exchange> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let ends = |moved: Instant| moved.after(stall);
        let late = self.iter().filter(|(.., moved)| ends(*moved) <= now);
        let late = late.map(|(exchange, ..)| exchange).collect();
        let rest = self.iter().map(|(.., moved)| ends(moved)).filter(|end| *end > now);
        self.due = rest.min().unwrap_or_default();
        late
    }
}
