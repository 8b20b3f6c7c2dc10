//! The waits of a stream: silence that turns an answer into an event stream, the next keep-alive,
//! and a client that stopped reading.

use super::Stream;
use crate::codec::sse;
use crate::context::Context;
use crate::context::carrier::Phase;
use crate::context::timers::Wait;
use crate::stream::at::At;

impl Stream {
    /// Becomes an event stream after `wait`, if it is still undecided then.
    pub(crate) fn promote_after(
        &mut self,
        wait: core::time::Duration,
        at: &At<'_>,
        cx: &mut Context,
    ) {
        if let Some(reply) =
            self.reply.as_mut().filter(|r| r.accept.sse && r.phase == Phase::Undecided)
        {
            let when = cx.now.after(wait);
            reply.promote = Some(when);
            cx.timers.set(&mut self.due, when, Wait::Stream(at.child, at.number));
        }
    }

    /// Sets the wait for the client to read what was sent.
    pub(super) fn wait_for_reader(&mut self, at: &At<'_>, cx: &mut Context) {
        let Some(reply) = &self.reply else { return };
        let next = reply.spoke.after(cx.config.keep_alive).min(cx.now.after(cx.config.stall));
        cx.timers.no_later(&mut self.due, next, Wait::Stream(at.child, at.number));
    }

    /// Handles the stream's wait when it is due: becomes an event stream, sends a keep-alive, or
    /// aborts. Returns false if it aborted because the client stopped reading.
    pub(crate) fn tick(&mut self, at: &mut At<'_>, cx: &mut Context) -> bool {
        self.due.spend();
        let Some(reply) = &mut self.reply else {
            return true;
        };
        if reply.waiting() > 0 && reply.moved.after(cx.config.stall) <= cx.now {
            self.cut(at, cx);
            return false;
        }
        match reply.phase {
            Phase::Undecided => self.open(at, cx),
            Phase::Open => {
                if reply.keep_alive_is_due(cx) {
                    self.send(sse::COMMENT.to_vec(), at, cx);
                }
            }
            Phase::Over => {}
        }
        self.rearm(at, cx);
        true
    }

    pub(crate) fn rearm(&mut self, at: &At<'_>, cx: &mut Context) {
        let Some(reply) = &self.reply else { return };
        let stall = (reply.waiting() > 0).then(|| reply.moved.after(cx.config.stall));
        let speak = match reply.phase {
            Phase::Undecided => reply.promote,
            Phase::Open => Some(reply.spoke.after(cx.config.keep_alive)),
            Phase::Over => None,
        };
        // A wait set earlier, for something decided by now, is checked again when it is due.
        if let Some(next) = stall.into_iter().chain(speak).min() {
            cx.timers.no_later(&mut self.due, next, Wait::Stream(at.child, at.number));
        }
    }
}
