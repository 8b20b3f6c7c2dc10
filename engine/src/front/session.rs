//! A session (2024-11-05 … 2025-11-25): one client, one child, and their streams.
//!
//! Messages that the client posts go to the child; each message that the child writes goes to
//! exactly one stream. The loss of an exchange does not end its call: the answer is kept, within a
//! limit, until the client resumes.

mod child_side;
mod crossing;
mod life;
mod phase;
mod rounds;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::handles::{Exchange, SessionNumber};
use crate::api::response;
use crate::child::lease::Life;
use crate::child::{Call, Child, Own};
use crate::codec::message::{Kind, Message, Splice};
use crate::codec::sse::EventId;
use crate::codec::version::{Style, Version};
use crate::context::Context;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Reply;
use crate::context::ids::StreamId;
use crate::dialect::upward;
use crate::http::admission::Admitted;
use crate::http::fault::Fault;
use crate::http::owner;
use crate::http::session_id;
use crate::stream::at::Rest;
use crate::stream::set::Streams;
use phase::Phase;

/// The messages of one POST: a single one, or a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post<'a> {
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) batch: bool,
    pub(crate) exchange: Exchange,
    pub(crate) head: &'a Admitted<'a>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) number: SessionNumber,
    pub(crate) child: Box<Child>,
    pub(crate) id: u128,
    /// The path where it was opened: at another it does not exist.
    pub(crate) path: Arc<str>,
    phase: Phase,
    pub(crate) streams: Streams,
    pub(crate) life: Life,
    calls: u64,
}

impl Session {
    /// A session whose `initialize` was accepted.
    pub(crate) fn new(child: Box<Child>, id: u128, path: &str, cx: &Context) -> Self {
        let number = child.id;
        let server = child.server;
        Self {
            number: SessionNumber(number.0),
            child,
            id,
            path: cx.servers.kept_path(path),
            phase: Phase::Starting { hello: Kept::default() },
            streams: Streams::new(
                number,
                session_id::short(id),
                Style { ids: false, primed: false },
                cx,
            ),
            life: Life::new(number, server, cx.now),
            calls: 0,
        }
    }

    /// The version that the child chose.
    pub(crate) fn version(&self) -> &str {
        self.phase.chosen()
    }

    /// Whether the child has answered `initialize`.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Handles the request that opens the session.
    pub(crate) fn initialize(
        &mut self,
        request: &Message<'_>,
        exchange: Exchange,
        head: &Admitted<'_>,
        cx: &mut Context,
    ) {
        let reply = Reply::new(exchange, head, cx);
        let number = self.streams.open(reply, 1, false, cx);
        self.child.set_env(owner::env(head.fields, &cx.config));
        let known = cx.servers.spoken(self.child.server, self.child.env()).session;
        if known != Some(true) {
            let hello = cx.budget.keep(request.params().unwrap_or(b"{}"));
            self.phase = Phase::Starting { hello };
        }
        if known == Some(false) {
            self.phase.ask_for_era(None);
            self.child.enter(Call::of(request, number), cx);
            self.child.ask(Own::Discover, "server/discover", &upward::discover_params(), cx);
        } else {
            let mut line = Vec::new();
            self.child.call(request, number, &mut line, cx);
            self.child.write(line, cx);
        }
        self.life.wait_start(cx.config.start, cx);
    }

    /// Checks what every request of the session must satisfy.
    pub(crate) fn check(&mut self, head: &Admitted<'_>, cx: &Context) -> Result<(), Fault> {
        if !cx.config.header_env.is_empty()
            && owner::env(head.fields, &cx.config) != self.child.env()
        {
            // The session is another client's, so to this client it does not exist.
            return Err(Fault::SessionUnknown);
        }
        self.life.touch(cx);
        match head.version {
            Some(version)
                if version != self.phase.chosen() && Version::named(version).is_none() =>
            {
                Err(Fault::ProtocolVersion(version.chars().take(40).collect()))
            }
            _ => Ok(()),
        }
    }

    /// Handles the messages of one POST.
    pub(crate) fn post(&mut self, post: &Post<'_>, cx: &mut Context) -> Result<(), Fault> {
        let Post { messages, batch, exchange, head } = *post;
        let requests = messages.iter().filter(|m| m.is_request()).count();
        self.judge(post, requests, cx)?;
        let stream = (requests > 0).then(|| {
            let reply = Reply::new(exchange, head, cx);
            self.streams.open(reply, requests, batch, cx)
        });
        let mut lines = Vec::new();
        for message in messages {
            match stream.filter(|_| message.is_request()) {
                Some(stream) => self.call(message, stream, &mut lines, cx),
                None => self.forward(message, &mut lines, cx),
            }
        }
        if !lines.is_empty() {
            self.child.write(lines, cx);
        }
        let Some(stream) = stream else {
            cx.answer(exchange, head.origin, response::empty(202));
            return Ok(());
        };
        self.calls += requests as u64;
        let wait =
            if self.phase.version().primed { cx.config.promote_primed } else { cx.config.promote };
        self.streams.promote_after(stream, wait, cx);
        Ok(())
    }

    fn judge(&self, post: &Post<'_>, requests: usize, cx: &Context) -> Result<(), Fault> {
        let Post { messages, batch, head, .. } = *post;
        if batch && !self.phase.version().batch {
            return Err(Fault::Batch);
        }
        if messages.iter().any(|m| m.is_request() && m.calls("initialize")) {
            return Err(if batch { Fault::BatchedInitialize } else { Fault::Initialized });
        }
        if requests > 0 && head.accept.nothing() {
            return Err(Fault::NotAcceptable);
        }
        if self.child.calls.len() + requests > cx.config.calls {
            return Err(Fault::Calls(cx.config.calls));
        }
        if let Some(crossing) = self.phase.crossing() {
            let kept = messages.iter().filter(|m| !m.is_notification());
            // Answers have twice the room, so that a call that waits for one can proceed.
            let room = cx.config.message.saturating_mul(if requests > 0 { 1 } else { 2 });
            if !crossing.keeps(kept.map(Message::size).sum(), room) {
                return Err(Fault::Kept(cx.config.message));
            }
        }
        let size = messages.iter().map(Message::size).sum();
        if self.child.accepts(size, cx.config.stdin) { Ok(()) } else { Err(Fault::Stdin) }
    }

    /// Appends the text that the child gets for a request; `stream` carries the answer.
    fn call(
        &mut self,
        request: &Message<'_>,
        stream: StreamId,
        lines: &mut Vec<u8>,
        cx: &mut Context,
    ) {
        if !self.child.offers(request, cx) {
            return self.answer(stream, Fault::Tool.message(request.id()), cx);
        }
        match self.phase.crossing() {
            Some(_) => self.request_across(stream, request, cx),
            None => self.child.call(request, stream, lines, cx),
        }
    }

    /// Appends the text that the child gets for a notification or a response.
    fn forward(&mut self, message: &Message<'_>, lines: &mut Vec<u8>, cx: &mut Context) {
        if self.phase.crossing().is_some() {
            return self.forward_across(message, cx);
        }
        let mut digits = [0; 20];
        let mut change = Splice::default();
        match message.kind() {
            Kind::Request { .. } => debug_assert!(false, "a request has a stream"),
            Kind::Notification { method } if method == "notifications/cancelled" => {
                // A call that is not in flight was answered already: there is nothing to cancel.
                let id = message.request_id().and_then(|id| self.child.find(id));
                let Some(call) = id else { return };
                self.cancel(call, cx);
                change.request_id = Some(call.digits(&mut digits));
            }
            Kind::Result { id, .. } | Kind::Error { id, .. } => self.child.ping_is_answered(id),
            Kind::Notification { .. } => {}
        }
        message.splice(&change, lines);
        lines.push(b'\n');
    }

    /// GET: opens a stream for messages that belong to no call, or resumes any stream.
    pub(crate) fn listen(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        cx: &mut Context,
    ) -> Result<(), Fault> {
        let reply = Reply::new(exchange, head, cx);
        let Some(text) = head.last_event_id else {
            self.streams.listen(reply, cx);
            return Ok(());
        };
        let id = EventId::parse(text).ok_or(Fault::EventId)?;
        match self.streams.rest(id) {
            Rest::Unknown => return Err(Fault::EventId),
            Rest::Nothing => cx.answer(exchange, head.origin, response::empty(204)),
            Rest::Stream => self.streams.attach(StreamId(id.stream), reply, Some(id.place), cx),
        }
        Ok(())
    }

    /// The exchange that carried a stream was lost.
    pub(crate) fn lost(&mut self, number: StreamId, cx: &mut Context) {
        self.life.touch(cx);
        self.streams.lost(number, cx);
    }
}

#[cfg(debug_assertions)]
impl Session {
    /// Compares what it counts with what it has, its child's part apart.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        self.phase.walk(walk);
        self.streams.walk(walk);
    }
}
