//! The GET streams of a session. Each message that belongs to no call goes to the newest one with a
//! client (MCP 2025-11-25 "Multiple Connections"); a new stream does not end the others.

use alloc::vec::Vec;

use super::Streams;
use crate::context::Context;
use crate::context::carrier::Reply;
use crate::context::ids::StreamId;
use crate::stream::single::{Stream, UNCLAIMED};

impl Streams {
    /// The stream of a message: without a number the newest GET stream with a client, or the
    /// messages that wait for one.
    pub(super) fn meant(&self, number: Option<StreamId>) -> StreamId {
        number.or_else(|| self.listeners.last().copied()).unwrap_or(UNCLAIMED)
    }

    /// GET: opens a stream. It begins with the messages that wait for one.
    pub(crate) fn listen(&mut self, reply: Reply, cx: &mut Context) {
        self.last = self.last.next();
        self.table.insert(self.last, Stream::get(None));
        self.attach(self.last, reply, None, cx);
    }

    /// Prepares a GET stream for another exchange. An exchange that it still has continues as a
    /// stream of its own: otherwise two clients that resume one stream would abort each other in
    /// turn.
    pub(super) fn make_way(&mut self, number: StreamId, cx: &mut Context) {
        let Some((stream, at)) = self.stream(number).filter(|(stream, _)| stream.is_get) else {
            return;
        };
        let Some(reply) = stream.take_reply(&at, cx) else { return };
        self.last = self.last.next();
        cx.responses.carry(reply.exchange, (self.child, self.last));
        self.table.insert(self.last, Stream::get(Some(reply)));
        if let Some((other, at)) = self.stream(self.last) {
            other.rearm(&at, cx);
        }
        for known in self.listeners.iter_mut().filter(|known| **known == number) {
            *known = self.last;
        }
    }

    /// Records that a stream has an exchange now: a GET stream becomes the newest. Beyond the
    /// limit, the oldest one ends.
    pub(super) fn arrived(&mut self, number: StreamId, cx: &mut Context) {
        if !self.table.get(&number).is_some_and(|stream| stream.is_get && stream.is_alive()) {
            return;
        }
        self.listeners.push(number);
        // Events that an older stream has not sent, because its client is behind, move to this one.
        for older in 0..self.listeners.len() - 1 {
            self.pass_on(self.listeners[older], cx);
        }
        if self.listeners.len() > cx.config.listeners {
            let oldest = self.listeners[0];
            self.with(oldest, cx, |stream, at, cx| stream.finish(at, cx));
        }
    }

    /// A GET stream has lost its client. Its unsent messages move to the next one.
    pub(super) fn left(&mut self, number: StreamId, cx: &mut Context) {
        let before = self.listeners.len();
        self.listeners.retain(|listener| *listener != number);
        if self.listeners.len() < before {
            self.pass_on(number, cx);
        }
    }

    /// Moves a stream's messages that were never sent to the newest GET stream.
    fn pass_on(&mut self, number: StreamId, cx: &mut Context) {
        let Some(stream) = self.table.get_mut(&number) else { return };
        let unsent: Vec<_> = stream.take_unsent(&mut self.held).collect();
        for data in unsent {
            self.put(None, data, cx);
        }
    }
}
