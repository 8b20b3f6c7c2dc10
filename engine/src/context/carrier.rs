//! The HTTP side of a stream: the exchange that carries it, the phase of its response, and the
//! bytes that the client has not read.

use alloc::string::String;

use crate::api::handles::Exchange;
use crate::api::instant::Instant;
use crate::context::Context;
use crate::context::budget::Share;
use crate::http::accept::Accept;
use crate::http::admission::Admitted;

/// The phase of an exchange's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is sent: the first message decides between a JSON response and an event stream.
    Undecided,
    /// The head of an event stream is sent.
    Open,
    /// The response is complete, but the client has not read all of it.
    Over,
}

/// The exchange that carries a stream.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) exchange: Exchange,
    pub(crate) phase: Phase,
    pub(crate) accept: Accept,
    pub(crate) origin: Option<String>,
    /// When silence turns it into an event stream, while undecided.
    pub(crate) promote: Option<Instant>,
    given: u64,
    taken: u64,
    /// Bytes that the client has not read, in the outputs or in the driver.
    share: Share,
    /// When the client last read something, or was first sent something to read.
    pub(crate) moved: Instant,
    /// When something was last sent.
    pub(crate) spoke: Instant,
}

impl Reply {
    pub(crate) fn new(exchange: Exchange, head: &Admitted<'_>, cx: &Context) -> Self {
        let now = cx.now;
        Self {
            exchange,
            phase: Phase::Undecided,
            accept: head.accept,
            origin: head.origin.map(String::from),
            promote: None,
            given: 0,
            taken: 0,
            share: cx.budget.share(),
            moved: now,
            spoke: now,
        }
    }

    /// Bytes that the client has not read.
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(self.given - self.taken).unwrap_or(usize::MAX)
    }

    /// Releases the share that counts its bytes.
    pub(crate) fn into_share(self) -> Share {
        self.share
    }

    pub(crate) fn give(&mut self, bytes: usize, now: Instant) {
        if self.waiting() == 0 {
            self.moved = now;
        }
        self.spoke = now;
        self.given += bytes as u64;
        self.share.hold(self.share.size() + bytes);
    }

    /// Records that the client read up to this many bytes, and returns how many there were.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> usize {
        let bytes = bytes.min(self.waiting());
        self.taken += bytes as u64;
        self.moved = now;
        self.share.hold(self.share.size().min(self.waiting()));
        bytes
    }
}
