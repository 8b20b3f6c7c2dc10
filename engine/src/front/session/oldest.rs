//! A session of HTTP+SSE (MCP 2024-11-05 "HTTP with SSE"): one stream carries all messages to the
//! client, answers included, and a POST is answered without content. The session begins with the
//! stream, before `initialize`, and ends with it.

use alloc::boxed::Box;
use alloc::format;

use super::Session;
use super::phase::Phase;
use crate::api::head;
use crate::child::Child;
use crate::child::lease::Lease;
use crate::codec::sse;
use crate::context::Context;
use crate::context::carrier::Reply;
use crate::http::admission::Arrival;
use crate::http::session_id;

impl Session {
    /// Opens the stream of its client, which tells where to post. No process is started yet: the
    /// child holds only the environment that its process will have.
    pub(crate) fn await_initialize(&mut self, from: Arrival<'_>, cx: &mut Context) {
        self.phase = Phase::Awaiting;
        let name = session_id::text(self.lasting.id, &cx.config);
        let address = format!("{}?{}{name}", from.head.path, head::SESSION);
        let reply = Reply::new(from, cx);
        self.only = Some(self.streams.open_only(reply, sse::endpoint(&address), cx));
        self.lease.wait_start_no_longer(cx.config.start, cx);
    }

    /// Whether its client has sent nothing yet.
    pub(crate) const fn awaits_initialize(&self) -> bool {
        self.phase.awaits_initialize()
    }

    /// `initialize` has come, and this is its process.
    pub(crate) fn gets(&mut self, child: Box<Child>, cx: &mut Context) {
        self.lease.end(cx);
        self.lease = Lease::new(&child, cx.now);
        self.streams.move_to(child.id, cx);
        core::mem::replace(&mut self.child, child).gone(cx);
    }

    /// Whether it ends because no stream is left: it can have no other, or nobody knows its id.
    pub(crate) fn is_left(&self) -> bool {
        (self.only.is_some() || !self.is_known_to_client()) && !self.streams.is_alive()
    }
}
