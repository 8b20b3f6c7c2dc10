//! The sleeping sessions.

use alloc::boxed::Box;
use core::cmp::Reverse;

use crate::api::handles::SessionNumber;
use crate::api::instant::Instant;
use crate::front::session::asleep::Asleep;
use crate::table::Table;

/// The part of the budget that they may take together.
const PART: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// With the bytes that each is counted with.
    table: Table<SessionNumber, (Box<Asleep>, usize)>,
    bytes: usize,
}

impl Sleepers {
    pub(super) fn insert(&mut self, asleep: Box<Asleep>) {
        let size = asleep.size();
        self.bytes += size;
        let before = self.table.insert(asleep.lasting.number, (asleep, size));
        debug_assert!(before.is_none(), "a session sleeps twice");
    }

    pub(super) fn remove(&mut self, number: SessionNumber) -> Option<Box<Asleep>> {
        let (asleep, size) = self.table.remove(&number)?;
        self.bytes -= size;
        Some(asleep)
    }

    pub(super) fn get(&self, number: SessionNumber) -> Option<&Asleep> {
        self.table.get(&number).map(|(asleep, _)| &**asleep)
    }

    pub(super) fn get_mut(&mut self, number: SessionNumber) -> Option<&mut Asleep> {
        self.table.get_mut(&number).map(|(asleep, _)| &mut **asleep)
    }

    /// In the order of their numbers, like the next.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Asleep> {
        self.table.values().map(|(asleep, _)| &**asleep)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Asleep> {
        self.table.values_mut().map(|(asleep, _)| &mut **asleep)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether they are more than so many, or take more than their part of the budget.
    pub(super) fn exceed(&self, count: usize, budget: usize) -> bool {
        self.len() > count || self.bytes > budget / PART
    }

    /// The one that is unused for longest.
    pub(super) fn oldest(&self, now: Instant) -> Option<SessionNumber> {
        let oldest =
            self.iter().max_by_key(|asleep| (asleep.unused(now), Reverse(asleep.lasting.number)));
        oldest.map(|asleep| asleep.lasting.number)
    }
}
