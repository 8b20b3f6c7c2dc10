//! How every front reads the lines of its child: messages, and malformed lines.

use alloc::vec::Vec;

use crate::api::cause::Cause;
use crate::child::Child;
use crate::child::lease::Lease;
use crate::child::odd::{self, ALIEN, Meant, Wrote};
use crate::codec::message::{self, Message};
use crate::codec::rpc;
use crate::context::Context;
use crate::context::ids::CallId;
use crate::http::fault::Fault;

/// A front that reads the lines of a child. Where a method returns a cause, the front ends by it.
pub(crate) trait Reads {
    /// The child, and the waits of its front.
    fn child(&mut self) -> (&mut Child, &mut Lease);

    /// Whether the child has answered its start.
    fn has_started(&self) -> bool;

    /// Handles a response of the child, without the tools that clients don't see.
    fn response(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause>;

    /// Handles a request or notification of the child.
    fn said(&mut self, message: &Message<'_>, cx: &mut Context);

    /// What a malformed text of the child is meant as.
    fn meant(&mut self, text: &[u8], as_read: &message::Malformed<'_>, cx: &mut Context) -> Meant;

    /// Ends a request whose answer can't be passed on with an error that says why.
    fn spoilt(&mut self, id: CallId, reason: &'static str, cx: &mut Context) -> Option<Cause>;

    /// Its first answer did not come in time.
    fn start_due(&mut self, cx: &mut Context) -> Option<Cause>;

    /// Handles the idle wait when it is due: the front ends if it was idle throughout.
    fn idle_due(&mut self, cx: &mut Context) -> Option<Cause>;

    /// The child closed its output or its input. Most do because they exit.
    fn pipe_closed(&mut self, cause: Cause, cx: &mut Context) -> Option<Cause> {
        self.child().1.pipe_closed(cause, cx);
        None
    }

    /// The child has closed a pipe and is still running.
    fn exit_due(&mut self, _: &mut Context) -> Option<Cause> {
        self.child().1.closed()
    }

    /// Handles one line.
    fn read(&mut self, line: &[u8], cx: &mut Context) -> Option<Cause> {
        odd::each_message(line, |text, message| match message {
            Ok(message) => self.message(message, cx),
            Err(malformed) => self.malformed(text, malformed, cx),
        })
    }

    /// Handles one message.
    fn message(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        // Answers are most of what a child writes.
        if message.is_response() {
            return match self.child().0.offered(message) {
                Some(answer) => self.response(&Message::parse(&answer).ok()?, cx),
                None => self.response(message, cx),
            };
        }
        if message.is_request()
            && let Some(id) = self.child().0.echoed(message, cx)
        {
            return self.spoilt(id, Wrote::Echo.reason(), cx);
        }
        self.said(message, cx);
        None
    }

    /// Handles a malformed text. If the request that it answers is known, that request ends in an
    /// error.
    fn malformed(
        &mut self,
        text: &[u8],
        as_read: &message::Malformed<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        match self.meant(text, as_read, cx) {
            Meant::Nothing => {
                let started = self.has_started();
                let (child, lease) = self.child();
                if !started && child.malformed.is_alien() {
                    lease.wait_start_no_longer(ALIEN, cx);
                }
                None
            }
            Meant::Message(line) => {
                let message = odd::parse(&line).ok()?;
                self.message(&message, cx)
            }
            Meant::Shown(_) if self.has_started() => None,
            Meant::Shown(id) => self.spoilt(id, Wrote::Fragment.reason(), cx),
            Meant::Spoilt(ids, reason) => {
                ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
            }
        }
    }

    /// The child has begun a line and does not end it.
    fn unended(&mut self, cx: &mut Context) -> Option<Cause> {
        let (ids, reason) = self.child().0.unended(cx)?;
        ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
    }
}

/// The answer to a request of the bridge's own in place of one that can't be read.
pub(super) fn in_place(reason: &'static str, cx: &Context) -> Vec<u8> {
    rpc::response(b"0", "error", Fault::Garbled(reason).error(&cx.config.remedies))
}
