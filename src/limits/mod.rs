//! What bounds everybody: deadlines, the memory of uploads, bytes that wait to be written. Who has
//! to wait, and who makes way for others, is decided here.

pub(crate) mod deadlines;
pub(crate) mod pieces;
pub(crate) mod uploads;
