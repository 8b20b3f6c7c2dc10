//! Bytes to send to a peer: small pieces are joined, large ones are not copied, all go in one call.

use std::io::IoSlice;

use crate::limits::pieces::Pieces;

/// The largest piece that is copied to join others; for a larger one a further slice is cheaper.
pub(crate) const JOINED: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: Pieces,
    /// Bytes to send before the payload begins.
    lead: usize,
    /// Payload left to send: the bytes that the engine wants to have reported.
    payload: usize,
}

impl Outgoing {
    /// Adds a head. Small content that follows is appended to its allocation.
    pub(crate) fn head(&mut self, head: Vec<u8>) {
        if self.payload == 0 {
            self.lead += head.len();
        }
        self.pieces.push(head);
    }

    /// Adds bytes that are not payload.
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

    /// Calls `send` with the next bytes.
    pub(crate) fn with_slices<R>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        self.pieces.with_slices(send)
    }

    /// Removes the bytes that were sent. Returns how many of them were payload. Framing between or
    /// after pieces of payload counts as unsent payload until all of it is sent; the sum is exact.
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
