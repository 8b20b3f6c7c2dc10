//! What was handed to the driver for a peer that has not taken it.
//!
//! A large piece is one allocation: it is there whole until the last of it is taken.

use alloc::collections::VecDeque;

use crate::context::budget::SMALL;

#[derive(Debug, Default)]
pub(crate) struct Backlog {
    given: u64,
    taken: u64,
    /// Where the large pieces that are not taken whole begin and end.
    large: VecDeque<(u64, u64)>,
}

impl Backlog {
    /// Bytes that the peer has not taken.
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(self.given - self.taken).unwrap_or(usize::MAX)
    }

    /// Bytes that are there.
    pub(crate) fn kept(&self) -> usize {
        let taken = self.large.front().map_or(0, |(start, _)| self.taken.saturating_sub(*start));
        self.waiting().saturating_add(usize::try_from(taken).unwrap_or(usize::MAX))
    }

    /// So many bytes are handed over, in one piece.
    pub(crate) fn give(&mut self, bytes: usize) {
        let start = self.given;
        self.given += bytes as u64;
        if bytes > SMALL {
            self.large.push_back((start, self.given));
        }
    }

    /// The client read up to this many bytes. Returns how many of them were pending here.
    pub(crate) fn take(&mut self, bytes: usize) -> usize {
        let bytes = bytes.min(self.waiting());
        self.taken += bytes as u64;
        while self.large.front().is_some_and(|(_, end)| *end <= self.taken) {
            self.large.pop_front();
        }
        if self.large.is_empty() {
            self.large = VecDeque::new();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_piece_is_there_until_the_last_of_it_is_taken() {
        let mut backlog = Backlog::default();
        backlog.give(10);
        backlog.give(SMALL + 1);
        backlog.give(5);
        assert_eq!((backlog.take(10), backlog.kept()), (10, SMALL + 6));
        assert_eq!((backlog.take(SMALL), backlog.kept()), (SMALL, SMALL + 6));
        assert_eq!(backlog.waiting(), 6);
        assert_eq!((backlog.take(1), backlog.kept()), (1, 5));
        assert_eq!((backlog.take(9), backlog.kept(), backlog.waiting()), (5, 0, 0));
    }

    #[test]
    fn a_piece_that_each_holder_may_have_is_there_as_far_as_it_is_not_taken() {
        let mut backlog = Backlog::default();
        backlog.give(SMALL);
        assert_eq!((backlog.take(1), backlog.kept()), (1, SMALL - 1));
    }
}
