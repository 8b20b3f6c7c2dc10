//! How a stream and the exchange that carries it are separated.

use super::{At, Stream};
use crate::api::handles::ChildId;
use crate::api::io::Output;
use crate::context::Context;
use crate::context::carrier::{Phase, Reply};
use crate::context::ids::StreamId;
use crate::context::timers::Wait;

impl Stream {
    /// Ends the exchange's response.
    pub(crate) fn finish(&mut self, at: &At<'_>, cx: &mut Context) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.phase == Phase::Open) else {
            return;
        };
        reply.finish(cx);
        self.over(at, cx);
    }

    pub(super) fn over(&mut self, at: &At<'_>, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        reply.phase = Phase::Over;
        if reply.waiting() == 0 {
            self.await_delivery(at, cx);
        } else {
            self.rearm(at, cx);
        }
    }

    /// The response is complete and read; the rest is delivery, by the driver.
    pub(super) fn await_delivery(&mut self, at: &At<'_>, cx: &mut Context) {
        if let Some(reply) = self.forget_reply(at, cx) {
            cx.owe(reply);
        }
    }

    /// The client has read all that was sent. Nothing is owed then, if that was the whole response.
    pub(crate) fn delivered(&mut self, at: &mut At<'_>, cx: &mut Context) {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.phase == Phase::Over) else {
            return self.taken(usize::MAX, at, cx);
        };
        if !self.is_get {
            at.held.unread -= reply.waiting();
        }
        self.forget_reply(at, cx);
    }

    /// Releases the exchange and drops the wait.
    pub(crate) fn forget_reply(&mut self, at: &At<'_>, cx: &mut Context) -> Option<Reply> {
        cx.timers.clear(&mut self.due, Wait::Stream(at.child, at.number));
        let reply = self.reply.take()?;
        cx.responses.release(reply.exchange);
        Some(reply)
    }

    /// Its exchange and its wait are known under another number from now on.
    pub(crate) fn move_to(
        &mut self,
        (old, new): (ChildId, ChildId),
        number: StreamId,
        cx: &mut Context,
    ) {
        cx.timers.move_to(&mut self.due, Wait::Stream(old, number), Wait::Stream(new, number));
        if let Some(reply) = &self.reply {
            cx.responses.carry(reply.exchange, (new, number));
        }
    }

    /// The exchange is gone, for whatever reason.
    pub(crate) fn detach(&mut self, at: &mut At<'_>, cx: &mut Context) -> Option<Reply> {
        let reply = self.take_reply(at, cx)?;
        if !self.is_get {
            at.held.unread -= reply.waiting();
        }
        Some(reply)
    }

    /// Separates the stream from its exchange, whose events are resent only to a client that
    /// resumes.
    pub(crate) fn take_reply(&mut self, at: &At<'_>, cx: &mut Context) -> Option<Reply> {
        let reply = self.forget_reply(at, cx)?;
        self.sent = self.sent.max(self.ever_sent);
        Some(reply)
    }

    /// Aborts the exchange, unless its response is complete.
    pub(crate) fn abort(&mut self, at: &mut At<'_>, cx: &mut Context) {
        let Some(reply) = self.detach(at, cx) else { return };
        if reply.phase == Phase::Over {
            cx.owe(reply);
        } else {
            cx.push(Output::Abort { exchange: reply.exchange });
        }
    }

    /// Aborts the exchange even if its response is complete.
    pub(crate) fn cut(&mut self, at: &mut At<'_>, cx: &mut Context) {
        if let Some(reply) = self.detach(at, cx) {
            cx.push(Output::Abort { exchange: reply.exchange });
        }
    }
}
