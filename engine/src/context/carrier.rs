//! The HTTP side of a stream: the exchange that carries it, how far its response is, and what its
//! peer has taken of it.

use alloc::string::String;

use crate::api::handles::Exchange;
use crate::api::instant::Instant;
use crate::context::Context;
use crate::context::budget::Share;
use crate::http::accept::Accept;
use crate::http::admission::Admitted;

/// How far an exchange's response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is sent: one JSON text or a stream, the first message decides.
    Undecided,
    /// The head of a stream is sent.
    Open,
    /// All is sent; the peer has not taken it yet.
    Over,
}

/// The exchange that carries a stream.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) exchange: Exchange,
    pub(crate) phase: Phase,
    pub(crate) accept: Accept,
    pub(crate) origin: Option<String>,
    /// When silence turns into a stream, while undecided.
    pub(crate) promote: Option<Instant>,
    given: u64,
    taken: u64,
    /// What the peer has not taken, in the outputs or in the driver.
    share: Share,
    /// When the peer last took something, or was first given something to take.
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

    /// Bytes that the peer has not taken.
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(self.given - self.taken).unwrap_or(usize::MAX)
    }

    /// What of it counts as held.
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

    /// The peer took so many bytes, or as many as there were: how many.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> usize {
        let bytes = bytes.min(self.waiting());
        self.taken += bytes as u64;
        self.moved = now;
        self.share.hold(self.share.size().min(self.waiting()));
        bytes
    }
}
