//! An event that a stream keeps, to be sent or resent.

use alloc::vec::Vec;

/// A kept event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) place: u64,
    pub(super) data: Vec<u8>,
}

/// Overhead of an event beside its data: its place in the queue and the allocation.
pub(super) const EVENT: usize = 96;

impl Event {
    pub(super) fn size(&self) -> usize {
        self.data.len() + EVENT
    }
}
