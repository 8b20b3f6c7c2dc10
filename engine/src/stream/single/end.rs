//! How a stream and the exchange that carries it part.

use super::{At, Held, Stream};
use crate::api::io::Output;
use crate::context::Context;

use crate::context::carrier::{Phase, Reply};
use crate::context::timers::Wait;

impl Stream {
    /// Ends the exchange's stream.
    pub(crate) fn finish(&mut self, at: At, cx: &mut Context) {
        let Some(reply) = self.reply.as_ref().filter(|reply| reply.phase == Phase::Open) else {
            return;
        };
        cx.push(Output::Finish { exchange: reply.exchange });
        self.over(at, cx);
    }

    pub(super) fn over(&mut self, at: At, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        reply.phase = Phase::Over;
        if reply.waiting() == 0 {
            self.await_delivery(at, cx);
        } else {
            self.rearm(at, cx);
        }
    }

    /// All is said and taken: the rest is between the driver and the peer.
    pub(super) fn await_delivery(&mut self, at: At, cx: &mut Context) {
        if let Some(reply) = self.forget_reply(at, cx) {
            cx.owe(reply);
        }
    }

    /// Lets go of the exchange and drops the wait.
    pub(crate) fn forget_reply(&mut self, at: At, cx: &mut Context) -> Option<Reply> {
        cx.timers.clear(&mut self.due, Wait::Stream(at.pipe, at.number));
        let reply = self.reply.take()?;
        cx.exchanges.remove(&reply.exchange);
        Some(reply)
    }

    /// The exchange is no longer there, for whatever reason.
    pub(crate) fn detach(&mut self, at: At, held: &mut Held, cx: &mut Context) -> Option<Reply> {
        let reply = self.take_reply(at, cx)?;
        if !self.is_get {
            held.unread -= reply.waiting();
        }
        Some(reply)
    }

    /// Parts the stream from its exchange, whose bytes go again only to who asks for them.
    pub(crate) fn take_reply(&mut self, at: At, cx: &mut Context) -> Option<Reply> {
        let reply = self.forget_reply(at, cx)?;
        self.sent = self.sent.max(self.told);
        Some(reply)
    }

    /// Breaks the exchange off, if one is not over.
    pub(crate) fn abort(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        let Some(reply) = self.detach(at, held, cx) else { return };
        if reply.phase == Phase::Over {
            cx.owe(reply);
        } else {
            cx.push(Output::Abort { exchange: reply.exchange });
        }
    }

    /// The same, although all may be said.
    pub(crate) fn cut(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        if let Some(reply) = self.detach(at, held, cx) {
            cx.push(Output::Abort { exchange: reply.exchange });
        }
    }
}
