//! A text that many streams carry: it is kept once, and each reader is given it in pieces, as far
//! as it has taken those before.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::codec::sse;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;

/// The text of an event that is the same for many, but for an id in the place of one byte.
#[derive(Debug)]
pub(crate) struct Common {
    text: Kept,
    gap: usize,
}

impl Common {
    /// A text, and where in it the byte is that stands for the id.
    pub(crate) const fn new(text: Kept, gap: usize) -> Self {
        Self { text, gap }
    }
}

/// What a reader is still to be given, in its order.
#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Part(Arc<Common>, Range<usize>),
    /// The stream is whole.
    End,
}

/// What is given out of it.
#[derive(Debug)]
pub(super) enum Given {
    Bytes(Vec<u8>),
    End,
}

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of common texts.
    lent: usize,
    own: usize,
}

/// What a reader is to be given when it has taken what it has: a common text, and all after it.
#[derive(Debug, Default)]
pub(super) struct Rest(Option<Box<Queue>>);

impl Rest {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes that are to be given.
    pub(super) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.lent + queue.own)
    }

    /// How many of them are no part of a common text, which is counted where it is kept.
    pub(super) fn own(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.own)
    }

    fn push(&mut self, piece: Piece) {
        let queue = self.0.get_or_insert_default();
        match &piece {
            Piece::Own(bytes) => queue.own += bytes.len(),
            Piece::Part(_, range) => queue.lent += range.len(),
            Piece::End => {}
        }
        queue.pieces.push_back(piece);
    }

    pub(super) fn push_own(&mut self, bytes: Vec<u8>) {
        self.push(Piece::Own(bytes));
    }

    pub(super) fn push_end(&mut self) {
        self.push(Piece::End);
    }

    /// Adds an event that has this text with this id: how many bytes that are.
    pub(super) fn push_event(&mut self, common: &Arc<Common>, id: &[u8]) -> usize {
        let (before, gap, end) = (self.size(), common.gap, common.text.len());
        let mut event = Vec::new();
        sse::encode(None, b"", &mut event);
        let after = event.split_off(event.len() - b"\n\n".len());
        self.push(Piece::Own(event));
        self.push(Piece::Part(Arc::clone(common), 0..gap));
        self.push(Piece::Own(id.to_vec()));
        self.push(Piece::Part(Arc::clone(common), gap + 1..end));
        self.push(Piece::Own(after));
        self.size() - before
    }

    /// Gives out what comes next, of a common text at most `most` bytes; if that is zero, only the
    /// end.
    pub(super) fn next(&mut self, most: usize) -> Option<Given> {
        let ends = |queue: &Queue| matches!(queue.pieces.front(), Some(Piece::End));
        let queue = self.0.as_mut().filter(|queue| most > 0 || ends(queue))?;
        let given = match queue.pieces.pop_front()? {
            Piece::Own(bytes) => {
                queue.own -= bytes.len();
                Given::Bytes(bytes)
            }
            Piece::Part(common, range) => {
                let end = range.end.min(range.start + most);
                let bytes = common.text[range.start..end].to_vec();
                queue.lent -= bytes.len();
                if end < range.end {
                    queue.pieces.push_front(Piece::Part(common, end..range.end));
                }
                Given::Bytes(bytes)
            }
            Piece::End => Given::End,
        };
        if queue.pieces.is_empty() {
            self.0 = None;
        }
        Some(given)
    }
}

#[cfg(debug_assertions)]
impl Rest {
    /// Counts what it keeps anew, and meets the common texts.
    pub(super) fn walk(&self, walk: &mut Walk) -> usize {
        let pieces = self.0.iter().flat_map(|queue| &queue.pieces);
        let own = pieces.map(|piece| match piece {
            Piece::Own(bytes) => bytes.len(),
            Piece::Part(common, _) => {
                walk.meet_common("common text", &common.text);
                0
            }
            Piece::End => 0,
        });
        own.sum()
    }
}
