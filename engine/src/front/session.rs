//! A session (2024-11-05 … 2025-11-25): one client, one child, and their streams.
//!
//! Messages that the client posts go to the child; each message that the child writes goes to
//! exactly one stream. The loss of an exchange does not end its call: the answer is kept, within a
//! limit, until the client resumes.

pub(crate) mod asleep;
mod child_side;
mod crossing;
mod lasting;
mod life;
mod oldest;
mod opening;
mod phase;
pub(crate) mod record;
mod rounds;
mod visit;
mod wake;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::handles::SessionNumber;
use crate::api::io::Output;
use crate::api::response;
use crate::child::lease::Lease;
use crate::child::{Call, Child, OwnRequest, Wish};
use crate::codec::message::{Kind, Message, Splice};
use crate::codec::version::Style;
use crate::context::Context;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Reply;
use crate::context::ids::StreamId;
use crate::dialect::upward;
use crate::http::admission::{Admitted, Arrival};
use crate::http::fault::Fault;
use crate::http::session_id;
use crate::stream::set::Streams;
use lasting::Lasting;
use phase::Phase;

/// The messages of one POST: a single one, or a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post<'a> {
    pub(crate) messages: &'a [Message<'a>],
    pub(crate) batch: bool,
    pub(crate) from: Arrival<'a>,
}

impl Post<'_> {
    /// How many of them are requests.
    pub(crate) fn requests(&self) -> usize {
        self.messages.iter().filter(|message| message.is_request()).count()
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) lasting: Lasting,
    pub(crate) child: Box<Child>,
    phase: Phase,
    pub(crate) streams: Streams,
    /// The stream that carries all messages, in HTTP+SSE.
    only: Option<StreamId>,
    pub(crate) lease: Lease,
    /// With what the names of the child's requests begin for the client. None for the first child.
    names: Option<u32>,
}

impl Session {
    /// A session whose `initialize` was accepted.
    pub(crate) fn new(child: Box<Child>, id: u128, path: Arc<str>, cx: &Context) -> Self {
        let number = child.id;
        let lease = Lease::new(&child, cx.now);
        Self {
            lasting: Lasting::new(SessionNumber(number.0), id, path, cx.now),
            child,
            phase: Phase::Starting { hello: Kept::default() },
            streams: Streams::new(
                number,
                session_id::short(id),
                Style { ids: false, primed: false },
                cx,
            ),
            only: None,
            lease,
            names: None,
        }
    }

    /// The version that the child chose.
    pub(crate) fn version(&self) -> &str {
        self.phase.chosen()
    }

    /// Whether the child has answered `initialize`, and the client is told.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether the client knows the id of the session: it is open, or wakes.
    pub(crate) const fn is_known_to_client(&self) -> bool {
        matches!(self.phase, Phase::Open(_) | Phase::Waking(_))
    }

    /// Whether a client waits for anything of it.
    pub(crate) fn is_busy(&self) -> bool {
        !self.child.calls.is_empty() || self.streams.is_alive()
    }

    /// Handles the request that opens the session. The child has its environment.
    pub(crate) fn initialize(
        &mut self,
        request: &Message<'_>,
        from: Arrival<'_>,
        cx: &mut Context,
    ) {
        let number = self.stream_for(1, false, from, cx);
        let known = self.child.known.session;
        let keeps = known != Some(true) || cx.config.restart;
        let hello = if keeps { request.params().unwrap_or(b"{}") } else { b"" };
        self.phase = Phase::Starting { hello: cx.budget.keep(hello) };
        if known == Some(false) {
            self.phase.probe_era(None);
            self.child.enter(Call::of(request, number), cx);
            self.child.request(OwnRequest::Discover, &upward::discover_params(), cx);
        } else {
            let mut line = Vec::new();
            self.child.call(request, number, &mut line, cx);
            self.child.write(line, cx);
        }
        self.lease.wait_start(cx.config.start, cx);
    }

    /// Checks what every request of the session must satisfy.
    pub(crate) fn check(&mut self, head: &Admitted<'_>, cx: &mut Context) -> Result<(), Fault> {
        visit::check(self.child.env(), self.phase.chosen(), head, cx)?;
        self.lease.touch(cx);
        if self.lasting.is_stale(cx) {
            self.save(cx);
        }
        Ok(())
    }

    /// Handles the messages of one POST.
    pub(crate) fn post(&mut self, post: &Post<'_>, cx: &mut Context) -> Result<(), Fault> {
        let Post { messages, batch, from } = *post;
        let requests = post.requests();
        self.judge(post, requests, cx)?;
        let stream = (requests > 0).then(|| self.stream_for(requests, batch, from, cx));
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
            cx.answer_to(from, response::empty(202));
            return Ok(());
        };
        self.lasting.calls += requests as u64;
        self.lease.works(cx);
        if self.is_open() && self.only.is_none() {
            self.streams.promote_after(stream, self.promotion(cx), cx);
        }
        Ok(())
    }

    /// The stream that carries so many answers to the messages of a POST: that of the exchange, or
    /// the only one, and then the exchange is answered here.
    fn stream_for(
        &mut self,
        answers: usize,
        batch: bool,
        from: Arrival<'_>,
        cx: &mut Context,
    ) -> StreamId {
        let Some(only) = self.only else {
            return self.streams.open(Reply::new(from, cx), answers, batch, cx);
        };
        self.streams.expect(only, answers);
        cx.answer_to(from, response::empty(202));
        only
    }

    /// The silence after which a call becomes a stream.
    fn promotion(&self, cx: &Context) -> Duration {
        if self.phase.version().primed { cx.config.promote_primed } else { cx.config.promote }
    }

    fn judge(&self, post: &Post<'_>, requests: usize, cx: &Context) -> Result<(), Fault> {
        let messages = post.messages;
        visit::judge(post, self.phase.version())?;
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

    /// The client is ready (MCP "Lifecycle, Initialization").
    fn initialized(&mut self, cx: &mut Context) {
        let opening = self.phase.open_mut().and_then(|open| open.opening.as_mut());
        let told = opening.map(|opening| core::mem::replace(&mut opening.initialized, true));
        if told == Some(false) {
            self.save(cx);
        }
    }

    /// Has the driver save what restores the session. Returns whether it does.
    fn save(&mut self, cx: &mut Context) -> bool {
        let Some(open) = self.phase.open() else { return false };
        let saves = self.lasting.save(self.child.env(), open, cx);
        if saves.is_none() {
            self.is_too_long(cx);
        }
        saves == Some(true)
    }

    /// More would have to be kept for another process than may be: the session ends with its own.
    fn is_too_long(&mut self, cx: &mut Context) {
        if let Some(open) = self.phase.open_mut() {
            open.opening = None;
        }
        if cx.config.persist {
            cx.push(Output::Forget { session: self.lasting.number });
        }
    }

    /// Appends the text that the child gets for a request; `stream` carries the answer.
    fn call(
        &mut self,
        request: &Message<'_>,
        stream: StreamId,
        lines: &mut Vec<u8>,
        cx: &mut Context,
    ) {
        if !self.child.offers(request) {
            return self.answer(stream, Fault::Tool.message(request.id(), &cx.config.remedies), cx);
        }
        match self.phase.crossing() {
            Some(_) => self.request_across(stream, request, cx),
            None => {
                let id = self.child.call(request, stream, lines, cx);
                if cx.config.restart
                    && let Some(wish) = Wish::of(request)
                {
                    self.child.wish(id, wish);
                }
            }
        }
    }

    /// Appends the text that the child gets for a notification or a response.
    fn forward(&mut self, message: &Message<'_>, lines: &mut Vec<u8>, cx: &mut Context) {
        if self.phase.crossing().is_some() {
            return self.forward_across(message, cx);
        }
        let mut digits = itoa::Buffer::new();
        let mut change = Splice::default();
        let (id, token);
        match message.kind() {
            Kind::Request { .. } => debug_assert!(false, "a request has a stream"),
            Kind::Notification { method } if method == "notifications/cancelled" => {
                // A call that is not in flight was answered already: there is nothing to cancel.
                let id = message.request_id().and_then(|id| self.child.find(id));
                let Some(call) = id else { return };
                self.cancel(call, cx);
                change.request_id = Some(call.digits(&mut digits));
            }
            Kind::Result { id: own, .. } | Kind::Error { id: own, .. } => {
                id = self.name_at_child(own);
                let Some(id) = id.as_deref() else { return };
                self.child.ping_is_answered(id);
                change.id = self.names.map(|_| id);
            }
            Kind::Notification { method } if method == "notifications/initialized" => {
                self.initialized(cx);
            }
            Kind::Notification { method } if self.names.is_some() => {
                if method == "notifications/progress" {
                    token = message.token().and_then(|token| self.name_at_child(token));
                    let Some(token) = token.as_deref() else { return };
                    change.token = Some(token);
                }
            }
            Kind::Notification { .. } => {}
        }
        message.splice(&change, lines);
        lines.push(b'\n');
    }

    /// GET: opens a stream for messages that belong to no call, or resumes any stream.
    pub(crate) fn listen(&mut self, from: Arrival<'_>, cx: &mut Context) -> Result<(), Fault> {
        visit::listen(&mut self.streams, self.lasting.earlier, from, cx)
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
