//! The engine's output for one exchange, until its connection sends it.
//!
//! Bounded by the engine: it produces no more for an exchange whose bytes are not read.

use std::cell::RefCell;
use std::collections::VecDeque;

use mcp_bridge::{Body, Response};

use crate::reactor::WakerSlot;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is complete.
    Finished,
    /// It was aborted, and the client must notice.
    Aborted,
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: RefCell<Inner>,
    /// Wakes the connection that reads it.
    pub(crate) waker: WakerSlot,
}

#[derive(Debug, Default)]
struct Inner {
    response: Option<Response>,
    sends: VecDeque<Vec<u8>>,
    end: Option<End>,
    /// Whether the response is complete; only an abort can follow.
    is_whole: bool,
}

impl Mailbox {
    pub(crate) fn respond(&self, response: Response) {
        let mut inner = self.inner.borrow_mut();
        inner.is_whole = matches!(response.body, Body::Whole(_));
        inner.response = Some(response);
        drop(inner);
        self.waker.wake();
    }

    pub(crate) fn send(&self, bytes: Vec<u8>) {
        self.inner.borrow_mut().sends.push_back(bytes);
        self.waker.wake();
    }

    pub(crate) fn finish(&self) {
        self.end(End::Finished);
    }

    pub(crate) fn abort(&self) {
        self.end(End::Aborted);
    }

    fn end(&self, end: End) {
        let mut inner = self.inner.borrow_mut();
        inner.end = Some(end);
        inner.is_whole = true;
        drop(inner);
        self.waker.wake();
    }

    /// Returns the response's head, once.
    pub(crate) fn take_response(&self) -> Option<Response> {
        self.inner.borrow_mut().response.take()
    }

    /// Returns the next piece of the stream.
    pub(crate) fn take_send(&self) -> Option<Vec<u8>> {
        self.inner.borrow_mut().sends.pop_front()
    }

    /// Whether there is a piece of the stream, or its end.
    pub(crate) fn has_more(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.sends.is_empty() || inner.end.is_some()
    }

    /// How the stream ended, once all pieces are read.
    pub(crate) fn end_of_stream(&self) -> Option<End> {
        let inner = self.inner.borrow();
        inner.end.filter(|_| inner.sends.is_empty())
    }

    /// Whether the exchange was aborted, whatever is left in here.
    pub(crate) fn is_aborted(&self) -> bool {
        self.inner.borrow().end == Some(End::Aborted)
    }

    /// Whether the response is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.inner.borrow().is_whole
    }

    /// Resets it for the next exchange.
    pub(crate) fn reset(&self) {
        *self.inner.borrow_mut() = Inner::default();
    }
}
