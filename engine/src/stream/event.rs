//! An event that a stream keeps, to be sent or sent again.

use alloc::vec::Vec;

/// An event that is kept.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) place: u64,
    pub(super) data: Vec<u8>,
}

/// What an event takes beside its data, for its place in the queue and the allocation.
pub(super) const EVENT: usize = 96;

impl Event {
    pub(super) fn size(&self) -> usize {
        self.data.len() + EVENT
    }
}
