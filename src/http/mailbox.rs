//! What the engine said on one exchange and its connection has not taken yet.
//!
//! Bounded by the engine: it stops producing for an exchange whose bytes were not taken.

use std::cell::RefCell;
use std::collections::VecDeque;

use mcp_bridge::{Body, Response};

use crate::reactor::WakerSlot;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is whole.
    Finished,
    /// It is broken off, and the peer has to see that.
    Aborted,
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: RefCell<Inner>,
    /// The connection that empties it.
    pub(crate) waker: WakerSlot,
}

#[derive(Debug, Default)]
struct Inner {
    response: Option<Response>,
    sends: VecDeque<Vec<u8>>,
    end: Option<End>,
    /// Whether nothing follows, but that it may be broken off.
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

    /// The response's head, once.
    pub(crate) fn take_response(&self) -> Option<Response> {
        self.inner.borrow_mut().response.take()
    }

    /// The next piece of the stream.
    pub(crate) fn take_send(&self) -> Option<Vec<u8>> {
        self.inner.borrow_mut().sends.pop_front()
    }

    /// Whether there is a piece of the stream, or its end.
    pub(crate) fn has_more(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.sends.is_empty() || inner.end.is_some()
    }

    /// How the stream ended, once all pieces are taken.
    pub(crate) fn end_of_stream(&self) -> Option<End> {
        let inner = self.inner.borrow();
        inner.end.filter(|_| inner.sends.is_empty())
    }

    /// Whether the exchange was broken off, whatever is left in here.
    pub(crate) fn is_aborted(&self) -> bool {
        self.inner.borrow().end == Some(End::Aborted)
    }

    /// Whether all was said.
    pub(crate) fn is_whole(&self) -> bool {
        self.inner.borrow().is_whole
    }

    /// Makes it as new for the next exchange.
    pub(crate) fn reset(&self) {
        *self.inner.borrow_mut() = Inner::default();
    }
}
