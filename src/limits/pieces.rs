//! Bytes in the pieces in which they came, sent from the front: many in one call, and as far as
//! each call gets.

use std::collections::VecDeque;
use std::io::IoSlice;

/// Pieces that one system call sends.
const SLICES: usize = 16;
/// Room for so many pieces is kept when all are sent: an answer has one or two.
const FEW: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Pieces {
    queue: VecDeque<Vec<u8>>,
    /// How much of the first piece is sent.
    sent: usize,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Vec<u8>) {
        self.queue.push_back(piece);
    }

    /// The piece that goes last.
    pub(crate) fn last_mut(&mut self) -> Option<&mut Vec<u8>> {
        self.queue.back_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that are not sent.
    pub(crate) fn left(&self) -> usize {
        self.queue.iter().map(Vec::len).sum::<usize>() - self.sent
    }

    /// What to send next, in one call of `send`.
    pub(crate) fn with_slices<R>(&self, send: impl FnOnce(&[IoSlice<'_>]) -> R) -> R {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut skip = self.sent;
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&piece[std::mem::take(&mut skip)..]);
        }
        send(&slices[..self.queue.len().min(SLICES)])
    }

    /// So many bytes were sent.
    pub(crate) fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.queue.front() {
            let rest = first.len() - self.sent;
            if count < rest {
                self.sent += count;
                return;
            }
            count -= rest;
            self.sent = 0;
            self.queue.pop_front();
        }
        if self.queue.capacity() > FEW {
            self.queue = VecDeque::new();
        }
    }
}
