//! The input of a child, in order. A line is written at once, so that the child works while other
//! clients are served. Bytes for which the pipe has no room, and lines that arrive at the same time
//! for a shared child, wait for the child's task, which writes all of them in one call.

use std::task::{Context, Poll};

use mcp_bridge::Instant;

use crate::limits::pieces::Pieces;
use crate::os::sys::{self, OwnedFd, writev};
use crate::reactor::Source;

pub(crate) struct Stdin {
    /// Our end of the pipe; dropped, and so closed, when it is no longer needed.
    end: Option<Source<OwnedFd>>,
    /// Whether the child closed its end.
    lost: bool,
    queue: Pieces,
    /// When a line was last written at once.
    spot: Option<Instant>,
    /// Bytes written to the pipe.
    written: u64,
    /// Whether all of them were still in the pipe when it was closed.
    unread: bool,
}

impl Stdin {
    pub(crate) fn new(end: Source<OwnedFd>) -> Self {
        let queue = Pieces::default();
        Self { end: Some(end), lost: false, queue, spot: None, written: 0, unread: false }
    }

    /// Writes whole lines, at the time of the last wake. Returns the bytes done with; the child's
    /// task writes the others.
    pub(crate) fn write(&mut self, bytes: Vec<u8>, now: Instant) -> usize {
        let is_first = self.spot.replace(now) != Some(now) && !self.waits();
        self.queue.push(bytes);
        let Some(end) = &self.end else { return self.close() };
        if !is_first {
            return 0;
        }
        match end.try_write(|fd| self.queue.with_slices(|slices| writev(fd, slices))) {
            Some(Ok(count)) => {
                self.written += count as u64;
                self.queue.advance(count);
                count
            }
            Some(Err(_)) => self.lose(),
            None => 0,
        }
    }

    /// Whether bytes wait for room in the pipe.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Writes some of the waiting bytes. Returns the bytes done with; if there are any, the pipe
    /// may have room for more.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> usize {
        let Some(end) = &self.end else { return 0 };
        if end.poll_broken(cx).is_ready() {
            return self.lose();
        }
        if self.queue.is_empty() {
            return 0;
        }
        match end.poll_write(cx, |fd| self.queue.with_slices(|slices| writev(fd, slices))) {
            Poll::Ready(Ok(count)) => {
                self.written += count as u64;
                self.queue.advance(count);
                count
            }
            Poll::Ready(Err(_)) => self.lose(),
            Poll::Pending => 0,
        }
    }

    /// The child closed its input: later bytes are lost.
    fn lose(&mut self) -> usize {
        self.lost = true;
        self.close()
    }

    /// Whether the child closed its input; true once.
    pub(crate) fn take_lost(&mut self) -> bool {
        std::mem::take(&mut self.lost)
    }

    /// Whether the child's task has something to do.
    pub(crate) fn is_due(&self) -> bool {
        self.lost || self.waits()
    }

    /// Whether the child, which has exited, had read nothing. False if that is unknown.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread
    }

    /// Closes the pipe. Returns the number of discarded bytes.
    pub(crate) fn close(&mut self) -> usize {
        if let Some(end) = self.end.take() {
            self.unread = sys::unread(end.get()) == Some(self.written);
        }
        std::mem::take(&mut self.queue).left()
    }
}
