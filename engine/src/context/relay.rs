//! What is on its way between sessions and the process that they share.

use alloc::vec::Vec;

use crate::api::handles::ChildId;

#[derive(Debug)]
pub(crate) enum Relay {
    /// Whole lines of a guest for its host.
    Up { guest: ChildId, host: ChildId, bytes: Vec<u8> },
    /// A line of a host for these of its guests. If it is `news`, one whose client is behind goes
    /// without.
    Down { guests: Vec<ChildId>, line: Vec<u8>, news: bool },
}
