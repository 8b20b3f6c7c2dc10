//! Bytes on their way to a peer: small pieces joined, large ones as they are, many in one call.

use std::io::IoSlice;

use crate::limits::pieces::Pieces;

/// Up to here pieces are copied together; from here on the copy costs more than a further slice.
pub(crate) const JOINED: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: Pieces,
    /// Bytes that must be sent before the payload begins.
    lead: usize,
    /// What is left of the payload: what the engine wants to be told of.
    payload: usize,
}

impl Outgoing {
    /// Adds a head; what has room behind it is joined to it without a copy of the head.
    pub(crate) fn head(&mut self, head: Vec<u8>) {
        if self.payload == 0 {
            self.lead += head.len();
        }
        self.pieces.push(head);
    }

    /// Adds bytes that are no payload.
    pub(crate) fn frame(&mut self, bytes: &[u8]) {
        if self.payload == 0 {
            self.lead += bytes.len();
        }
        match self.pieces.last_mut() {
            Some(last) if last.len() + bytes.len() <= JOINED => last.extend_from_slice(bytes),
            _ => self.pieces.push(bytes.to_vec()),
        }
    }

    /// Adds bytes of the content.
    pub(crate) fn payload(&mut self, bytes: Vec<u8>) {
        self.payload += bytes.len();
        match self.pieces.last_mut() {
            Some(last) if last.len() + bytes.len() <= JOINED => last.extend_from_slice(&bytes),
            _ => self.pieces.push(bytes),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What to send next, in one call of `send`.
    pub(crate) fn with_slices<R>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        self.pieces.with_slices(send)
    }

    /// So many bytes were sent: how many of them were payload. Framing between or after pieces of
    /// payload counts as payload that is still to come until all of that is told; the sum is exact.
    pub(crate) fn advance(&mut self, count: usize) -> usize {
        self.pieces.advance(count);
        if self.pieces.is_empty() {
            self.lead = 0;
            return std::mem::take(&mut self.payload);
        }
        let lead = self.lead.min(count);
        self.lead -= lead;
        let told = (count - lead).min(self.payload);
        self.payload -= told;
        told
    }
}
