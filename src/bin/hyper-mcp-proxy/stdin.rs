//! What a child is to read, in order. A line is written on the spot, so that the child runs while
//! others are served. What has no room in the pipe, and what comes at the same time for a child
//! that several clients share, waits for the child's task, which writes all of it in one call.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::task::{Context, Poll};

use hyper_mcp_proxy::Instant;

use crate::reactor::Source;
use crate::sys::{OwnedFd, write, writev};

/// Lines that one system call writes.
const SLICES: usize = 16;

pub(crate) struct Stdin {
    /// Our end of the pipe; dropped, and so closed, when it has no more use.
    end: Option<Source<OwnedFd>>,
    queue: VecDeque<Vec<u8>>,
    /// How much of the first piece of the queue is written.
    written: usize,
    /// When something was last written on the spot.
    spot: Option<Instant>,
}

impl Stdin {
    pub(crate) fn new(end: Source<OwnedFd>) -> Self {
        Self { end: Some(end), queue: VecDeque::new(), written: 0, spot: None }
    }

    /// Takes whole lines, at the time of the last wake: how many bytes are done with. The child's
    /// task sees to the others.
    pub(crate) fn write(&mut self, bytes: Vec<u8>, now: Instant) -> usize {
        let Some(end) = &self.end else { return bytes.len() };
        if self.spot.replace(now) == Some(now) || self.waits() {
            self.queue.push_back(bytes);
            return 0;
        }
        match end.try_write(|fd| write(fd, &bytes)) {
            Some(Ok(count)) if count == bytes.len() => return count,
            Some(Ok(count)) => self.written = count,
            Some(Err(_)) => {
                self.end = None;
                return bytes.len();
            }
            None => {}
        }
        self.queue.push_back(bytes);
        self.written
    }

    /// Whether there is something that has no room in the pipe yet.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Writes what waits: how many bytes are done with.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> usize {
        let mut done = 0;
        while let Some(end) = self.end.as_ref().filter(|_| self.waits()) {
            match end.poll_write(cx, |fd| write_some(fd, &self.queue, self.written)) {
                Poll::Ready(Ok(count)) => {
                    done += count;
                    self.took(count);
                }
                // The child closed its input. What is said to it from now on is lost, and its
                // end, which is near, tells everybody.
                Poll::Ready(Err(_)) => return done + self.close(),
                Poll::Pending => break,
            }
        }
        done
    }

    /// So many bytes of the queue are written.
    fn took(&mut self, mut count: usize) {
        while let Some(first) = self.queue.front() {
            let rest = first.len() - self.written;
            if count < rest {
                self.written += count;
                return;
            }
            count -= rest;
            self.written = 0;
            self.queue.pop_front();
        }
    }

    /// Closes the pipe: how many bytes are thrown away.
    pub(crate) fn close(&mut self) -> usize {
        self.end = None;
        let pieces = std::mem::take(&mut self.queue);
        pieces.iter().map(Vec::len).sum::<usize>() - std::mem::take(&mut self.written)
    }
}

fn write_some(
    fd: &OwnedFd,
    queue: &VecDeque<Vec<u8>>,
    mut written: usize,
) -> rustix::io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    for (slice, piece) in slices.iter_mut().zip(queue) {
        *slice = IoSlice::new(&piece[std::mem::take(&mut written)..]);
    }
    writev(fd, &slices[..queue.len().min(SLICES)])
}
