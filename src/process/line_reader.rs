//! Reading a pipe of a child in pieces of a limited number of lines. A line costs time however
//! short it is, and one read may bring tens of thousands.

use std::cell::RefCell;
use std::task::{Context, Poll};

use crate::os::sys::{OwnedFd, read};
use crate::reactor::{Source, turns};
use hyper_mcp_gate::find_line_feed;

/// The most lines of a piece. After each piece the task checks whether its turn is over.
pub(crate) const LINES: usize = 32;

pub(crate) struct LineReader {
    /// The end of the pipe; dropped, and so closed, at the end of the stream.
    end: Option<Source<OwnedFd>>,
    /// Bytes read together with a piece that follow it: less than one read brings.
    rest: Vec<u8>,
    /// How many of these bytes were returned.
    given: usize,
}

impl LineReader {
    pub(crate) fn new(end: Source<OwnedFd>) -> Self {
        Self { end: Some(end), rest: Vec::new(), given: 0 }
    }

    /// Calls `take` with the next piece, empty at the end of the stream. Returns its units of work,
    /// or 0 if there is nothing now. Reads go through `scratch`.
    pub(crate) fn poll(
        &mut self,
        cx: &Context<'_>,
        scratch: &RefCell<Vec<u8>>,
        take: impl FnOnce(&[u8]),
    ) -> usize {
        if self.given < self.rest.len() {
            return self.give_rest(take);
        }
        let Some(end) = &self.end else { return 0 };
        let mut buffer = scratch.borrow_mut();
        let count = match end.poll_read(cx, |fd| read(fd, &mut buffer[..])) {
            Poll::Ready(Ok(count @ 1..)) => count,
            Poll::Ready(_) => {
                drop(buffer);
                self.end = None;
                take(b"");
                return 1;
            }
            Poll::Pending => return 0,
        };
        if count < buffer.len() {
            end.drained();
        }
        drop(buffer);
        let buffer = scratch.borrow();
        let (piece, units) = cut(&buffer[..count]);
        self.rest.extend_from_slice(&buffer[piece..count]);
        take(&buffer[..piece]);
        units
    }

    fn give_rest(&mut self, take: impl FnOnce(&[u8])) -> usize {
        let (piece, units) = cut(&self.rest[self.given..]);
        take(&self.rest[self.given..self.given + piece]);
        self.given += piece;
        if self.given == self.rest.len() {
            (self.rest, self.given) = (Vec::new(), 0);
        }
        units
    }

    /// Makes the next poll read, whatever the last read returned.
    pub(crate) fn retry(&self) {
        self.end.iter().for_each(Source::retry);
    }
}

/// The length of the first piece, and its units of work.
fn cut(bytes: &[u8]) -> (usize, usize) {
    let (mut length, mut lines) = (0, 0);
    while lines < LINES {
        let Some(feed) = find_line_feed(&bytes[length..]) else {
            length = bytes.len();
            break;
        };
        length += feed + 1;
        lines += 1;
    }
    (length, lines.max(turns::units(length)))
}
