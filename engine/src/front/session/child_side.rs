//! Messages from a session's child: an answer goes to its call, progress to its call, and
//! everything else to exactly one stream.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Session;
use super::crossing::Crossing;
use super::opening::{Identity, Opening};
use super::phase::{Open, Phase};
use super::wake;
use crate::api::cause::Cause;
use crate::api::event::{self, Notice};
use crate::child::lease::Lease;
use crate::child::odd::{self, Meant};
use crate::child::{Call, Child, OwnRequest, Wish};
use crate::codec::message::{Kind, Malformed, Message, Renamed};
use crate::codec::object::Object;
use crate::codec::rpc;
use crate::codec::version::{self, Version};
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::report::Lesson;
use crate::dialect::downward;
use crate::dialect::upward;
use crate::front::reads::{Reads, in_place};
use crate::http::fault::Fault;

/// An answer and its stream, deferred until the line is no longer borrowed and can be reused.
type Later = Option<(StreamId, Renamed)>;

impl Session {
    /// Handles one line of the child. Returns the cause, if the session ends by it.
    pub(crate) fn line(&mut self, line: Cow<'_, [u8]>, cx: &mut Context) -> Option<Cause> {
        let owned = matches!(line, Cow::Owned(_));
        let mut later = None;
        let cause = odd::each_message(&line, |text, message| match message {
            Ok(message) => {
                let alone = owned && text.len() == line.len() && message.is_response();
                match alone && self.child.offered(message).is_none() {
                    true => self.answered(message, Some(&mut later), cx),
                    false => self.message(message, cx),
                }
            }
            Err(malformed) => self.malformed(text, malformed, cx),
        });
        if let Some((stream, answer)) = later {
            self.answer(stream, answer.apply(line.into_owned()), cx);
        }
        cause
    }

    /// Passes a ping on to a connected client that may answer, which it may not before the session
    /// is open (MCP "Lifecycle, Initialization"). Otherwise answers it at once.
    fn pinged(&mut self, id: &[u8], message: &Message<'_>, cx: &mut Context) {
        let number = self.route(message);
        let there =
            self.is_open() && self.phase.crossing().is_none() && self.streams.reaches(number);
        if !there || !self.child.ping_is_sent(id, cx) {
            return self.child.pong(id, cx);
        }
        self.streams.put(number, self.renamed(message), cx);
    }

    /// Handles the answer to a call; `later` if its text may be reused.
    fn answered(
        &mut self,
        message: &Message<'_>,
        later: Option<&mut Later>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let id = message.id().and_then(CallId::read);
        if let Some((id, own)) = id.and_then(|id| Some((id, self.child.end_own(id, cx)?))) {
            return self.bridge_response(id, &own, message, cx);
        }
        if self.phase.is_between() {
            // It has no call yet, or has answered the only one.
            self.streams.dropped(cx);
            return None;
        }
        if let Some(id) = id.filter(|_| self.phase.crossing().is_some()) {
            self.response_across(id, message, cx);
            return None;
        }
        if self.phase.declined().is_some() {
            // It was answered already; only the child's era is still probed.
            self.streams.dropped(cx);
            return None;
        }
        let kept = || cx.budget.has_room(message.size());
        if !self.is_open() && message.error().is_some() && self.may_cross() && kept() {
            return self.probe_era(id, message, cx);
        }
        let Some(mut call) = id.and_then(|id| self.child.end_call(id, cx)) else {
            // It was cancelled, timed out, or never sent.
            self.streams.dropped(cx);
            return None;
        };
        if self.is_open() {
            self.child.count_answer(message, call.since, cx);
            self.grant(call.wish.take(), message, cx);
        }
        let later = later.filter(|_| self.is_open());
        if let Some(later) = later
            && let Some(answer) = message.renamed(&call.id)
        {
            *later = Some((call.stream, answer));
            return None;
        }
        let data = message.with_id(&call.id);
        if self.is_open() {
            self.answer(call.stream, data, cx);
            return None;
        }
        let Some(result) = message.result() else {
            self.answer(call.stream, data, cx);
            self.child.learn(Lesson::Declined, cx);
            return Some(Cause::Declined);
        };
        self.child.learn(Lesson::SpokeSession, cx);
        let server = Identity::read(result, &wake::NAMED);
        self.opened((&version::named_by(result), server), None, (call, data), cx);
        None
    }

    /// The child has answered a call: what the client set by it holds for later processes too.
    fn grant(&mut self, wish: Option<Box<Wish>>, answer: &Message<'_>, cx: &mut Context) {
        let Some(wish) = wish.filter(|_| answer.result().is_some()) else { return };
        let opening = self.phase.open_mut().and_then(|open| open.opening.as_mut());
        match opening.map(|opening| opening.grant(*wish)) {
            Some(true) => drop(self.save(cx)),
            Some(false) => self.is_too_long(cx),
            None => {}
        }
    }

    /// Keeps the child's error to `initialize` and probes the child's era.
    fn probe_era(
        &mut self,
        id: Option<CallId>,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let call = id.and_then(|id| self.child.calls.get(&id))?;
        let declined = message.with_id(&call.id);
        self.phase.probe_era(Some(cx.budget.keep(declined)));
        self.child.request(OwnRequest::Discover, &upward::discover_params(), cx);
        self.lease.wait_start(cx.config.probe, cx);
        None
    }

    /// Handles the answer to the bridge's own request.
    fn bridge_response(
        &mut self,
        id: CallId,
        own: &OwnRequest,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        if *own == OwnRequest::Listen {
            self.listen_ended(id, cx);
        }
        if self.phase.is_waking() && matches!(own, OwnRequest::Initialize | OwnRequest::Discover) {
            return self.greeted_again(message, cx);
        }
        if *own != OwnRequest::Discover {
            return None;
        }
        let Some(result) = message.result().filter(|result| upward::speaks_stateless(result))
        else {
            return Some(self.decline(cx));
        };
        if !cx.budget.has_room(result.len()) {
            return Some(Cause::Memory);
        }
        self.child.learn(Lesson::SpokeModern, cx);
        if knows_no_sessions(self.phase.declined().unwrap_or_default(), self.phase.hello()) {
            self.child.learn(Lesson::DeniedSession, cx);
        }
        let call = self.child.call_ids().first().and_then(|id| self.child.end_call(*id, cx))?;
        let (version, crossing) = Crossing::new(self.phase.hello(), result, cx);
        let (discovered, result) = (result, upward::initialized(result, &version));
        let server = Identity::read(discovered, &wake::NAMED_MODERN);
        let data = rpc::response(&call.id, "result", result);
        self.opened((&version, server), Some(crossing), (call, data), cx);
        None
    }

    /// Whether an error to `initialize` may mean that the child speaks only the stateless era.
    fn may_cross(&self) -> bool {
        let known = &self.child.known;
        known.session != Some(true) && known.modern != Some(false)
    }

    /// The child speaks no era known to the bridge: its error to `initialize` is the answer.
    pub(super) fn decline(&mut self, cx: &mut Context) -> Cause {
        self.child.learn(Lesson::Declined, cx);
        for id in self.child.call_ids() {
            match self.phase.take_declined() {
                None => self.fail(id, &Fault::Garbled("it speaks no known era"), cx),
                Some(declined) => {
                    let Some(call) = self.child.end_call(id, cx) else { continue };
                    self.answer(call.stream, declined.into_bytes(), cx);
                }
            }
        }
        Cause::Declined
    }

    /// The child has opened the session. Its client is told once the session is saved, if it is to
    /// be.
    fn opened(
        &mut self,
        (told, server): (&str, Identity),
        crossing: Option<Box<Crossing>>,
        (call, answer): (Call, Vec<u8>),
        cx: &mut Context,
    ) {
        let chosen = wake::chosen(told);
        let version = Version::chosen(&chosen);
        if self.only.is_none() {
            self.streams.style = version.style();
        }
        // What can't be resumed ends with its process.
        let opening = match cx.config.restart && self.only.is_none() {
            true => Opening::new(self.phase.hello(), server, cx).map(Box::new),
            false => None,
        };
        let answer = cx.budget.keep(answer);
        let open = Open { chosen, version, crossing, opening };
        self.phase = Phase::Saving { open, call, answer };
        if !self.save(cx) {
            self.is_saved(cx);
        }
    }

    /// The record of the session is saved, or needs not be: its client is told of it.
    pub(crate) fn is_saved(&mut self, cx: &mut Context) {
        let Some((call, answer)) = self.phase.saved() else { return };
        self.streams.answer_opening(call.stream, answer.into_bytes(), self.lasting.id, cx);
        self.starts_life(cx);
        cx.stats.opened += 1;
        cx.counts.of(self.child.server).opened += 1;
        cx.notice(Notice::SessionOpened {
            session: self.lasting.number,
            child: self.child.process(),
            pid: self.child.pid,
            version: event::version(self.phase.chosen()),
            start: self.lease.age(cx),
        });
    }

    /// The process has started, and calls may come.
    pub(super) fn starts_life(&mut self, cx: &mut Context) {
        self.lease.works(cx);
        self.lease.sleeps_after(self.child.terms.sleep.filter(|_| self.is_kept()));
        self.lease.started(cx);
        if self.child.host().is_none() {
            let age = self.lease.age(cx);
            cx.counts.of(self.child.server).start(age);
        }
    }

    pub(super) fn answer(&mut self, number: StreamId, data: Vec<u8>, cx: &mut Context) {
        self.streams.answer(number, data, 200, cx);
        self.lease.works(cx);
    }

    /// Puts progress on the stream of its call, with the token that its client chose.
    pub(super) fn progress(&mut self, message: &Message<'_>, cx: &mut Context) {
        let progress = self.child.progress(message).filter(|_| self.is_open());
        // That of a task belongs to the session.
        match progress.filter(|progress| self.streams.carries(progress.stream)) {
            Some(progress) => {
                self.streams.put(progress.stream, message.with_token(progress.token), cx);
            }
            None => self.streams.dropped(cx),
        }
    }

    /// The stream for a message that names no call; `None` is the GET stream. The protocol does not
    /// say, so this is our rule.
    pub(super) fn route(&self, message: &Message<'_>) -> Option<StreamId> {
        let method = message.method().unwrap_or_default();
        if !self.is_open() {
            return None;
        }
        let listening = self.streams.carries(None);
        if listening
            && (method.ends_with("/list_changed") || method == "notifications/resources/updated")
        {
            return None;
        }
        if listening && self.child.calls.len() != 1 {
            return None;
        }
        let mut latest = self.child.calls.values().rev().map(|call| call.stream);
        latest.find(|number| self.streams.carries(Some(*number)))
    }

    /// Whether the child has yet to answer this request, which may be the bridge's own.
    fn is_awaited(&self, id: CallId) -> bool {
        owes(&self.child, id, self.has_answered(), self.phase.crossing())
    }

    /// Whether its calls are none that the child has yet to answer: they are, or are held back.
    fn has_answered(&self) -> bool {
        self.phase.declined().is_some() || self.phase.is_between()
    }
}

impl Reads for Session {
    fn child(&mut self) -> (&mut Child, &mut Lease) {
        (&mut self.child, &mut self.lease)
    }

    fn has_started(&self) -> bool {
        self.is_open()
    }

    fn start_due(&mut self, cx: &mut Context) -> Option<Cause> {
        if self.phase.declined().is_some() {
            return Some(self.decline(cx));
        }
        if self.awaits_initialize() {
            return Some(Cause::Idle);
        }
        self.child.malformed.cause().or(Some(Cause::StartTimeout))
    }

    fn idle_due(&mut self, cx: &mut Context) -> Option<Cause> {
        let works = !self.child.calls.is_empty();
        self.lease.idle_due(self.streams.is_alive(), works, cx)
    }

    fn meant(&mut self, text: &[u8], as_read: &Malformed<'_>, cx: &mut Context) -> Meant {
        let (answered, crossing) = (self.has_answered(), self.phase.crossing());
        let only = |child: &Child| child.only(|id| owes(child, id, answered, crossing));
        self.child.meant(text, as_read, only, true, cx)
    }

    fn response(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        self.answered(message, None, cx)
    }

    fn said(&mut self, message: &Message<'_>, cx: &mut Context) {
        match message.kind() {
            Kind::Result { .. } | Kind::Error { .. } => {}
            Kind::Request { id, method } if method == "ping" => self.pinged(id, message, cx),
            Kind::Request { .. } if self.phase.crossing().is_some() => self.streams.dropped(cx),
            Kind::Notification { .. } if self.phase.crossing().is_some() => {
                self.notified_across(message, cx);
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                self.progress(message, cx);
            }
            Kind::Request { .. } | Kind::Notification { .. } => {
                let number = self.route(message);
                self.streams.put(number, self.renamed(message), cx);
            }
        }
    }

    fn spoilt(&mut self, id: CallId, reason: &'static str, cx: &mut Context) -> Option<Cause> {
        if let Some(own) = self.child.end_own(id, cx) {
            if self.phase.is_waking()
                && matches!(own, OwnRequest::Initialize | OwnRequest::Discover)
            {
                return Some(Cause::Unreadable(reason));
            }
            let line = in_place(reason, cx);
            return self.bridge_response(id, &own, &Message::parse(&line).ok()?, cx);
        }
        if !self.is_awaited(id) {
            self.streams.dropped(cx);
            return None;
        }
        self.fail(id, &Fault::Garbled(reason), cx);
        if self.is_open() { None } else { Some(Cause::Unreadable(reason)) }
    }
}

/// Whether a child has yet to answer this request. If it has `answered`, it is not a client's call.
fn owes(child: &Child, id: CallId, answered: bool, crossing: Option<&Crossing>) -> bool {
    let waits =
        crossing.is_none_or(|crossing| crossing.is_at_child(id) && crossing.listening != Some(id));
    waits && !(answered && child.calls.contains(&id))
}

/// Whether the error with which a child declined `initialize` means that it knows no sessions at
/// all: it does not know the method, or no version of a session. An error about the content of this
/// client's request does not.
fn knows_no_sessions(declined: &[u8], hello: &[u8]) -> bool {
    let asked = Object::read(hello)
        .and_then(|params| Some(Version::named(&params.string("protocolVersion")?).is_some()));
    let error = Message::parse(declined).ok();
    let code = error.and_then(|error| downward::error_code(error.payload()?));
    matches!((code, asked), (Some(-32601), _) | (Some(-32022), Some(true)))
}
