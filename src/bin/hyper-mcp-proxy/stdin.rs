//! What a child is to read, in order. A line is written on the spot, so that the child runs while
//! others are served. What has no room in the pipe, and what comes at the same time for a child
//! that several clients share, waits for the child's task, which writes all of it in one call.

use std::task::{Context, Poll};

use hyper_mcp_proxy::Instant;

use crate::pieces::Pieces;
use crate::reactor::Source;
use crate::sys::{OwnedFd, writev};

pub(crate) struct Stdin {
    /// Our end of the pipe; dropped, and so closed, when it has no more use.
    end: Option<Source<OwnedFd>>,
    queue: Pieces,
    /// When something was last written on the spot.
    spot: Option<Instant>,
}

impl Stdin {
    pub(crate) fn new(end: Source<OwnedFd>) -> Self {
        Self { end: Some(end), queue: Pieces::default(), spot: None }
    }

    /// Takes whole lines, at the time of the last wake: how many bytes are done with. The child's
    /// task sees to the others.
    pub(crate) fn write(&mut self, bytes: Vec<u8>, now: Instant) -> usize {
        let is_first = self.spot.replace(now) != Some(now) && !self.waits();
        self.queue.push(bytes);
        let Some(end) = &self.end else { return self.close() };
        if !is_first {
            return 0;
        }
        match end.try_write(|fd| self.queue.with_slices(|slices| writev(fd, slices))) {
            Some(Ok(count)) => {
                self.queue.advance(count);
                count
            }
            Some(Err(_)) => self.close(),
            None => 0,
        }
    }

    /// Whether there is something that has no room in the pipe yet.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Writes some of what waits: how many bytes are done with. If there are any, there may be room
    /// for more.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> usize {
        let Some(end) = self.end.as_ref().filter(|_| self.waits()) else { return 0 };
        match end.poll_write(cx, |fd| self.queue.with_slices(|slices| writev(fd, slices))) {
            Poll::Ready(Ok(count)) => {
                self.queue.advance(count);
                count
            }
            // The child closed its input. What is said to it from now on is lost, and its end,
            // which is near, tells everybody.
            Poll::Ready(Err(_)) => self.close(),
            Poll::Pending => 0,
        }
    }

    /// Closes the pipe: how many bytes are thrown away.
    pub(crate) fn close(&mut self) -> usize {
        self.end = None;
        std::mem::take(&mut self.queue).left()
    }
}
