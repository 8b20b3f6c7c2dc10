//! Messages from a session's child: an answer goes to its call, progress to its call, and
//! everything else to exactly one stream.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Session;
use super::crossing::Crossing;
use super::phase::{Open, Phase};
use crate::api::event::{self, Cause, Notice};
use crate::child::odd::{self, ALIEN, Meant, Wrote};
use crate::child::{Child, Own};
use crate::codec::message::{Kind, Malformed, Message, Renamed, Splice};
use crate::codec::object::Object;
use crate::codec::rpc;
use crate::codec::version::{self, Version};
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::dialect::downward;
use crate::dialect::upward;
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
                let alone = owned && text.len() == line.len();
                self.message(message, alone.then_some(&mut later), cx)
            }
            Err(malformed) => self.malformed(text, malformed, cx),
        });
        if let Some((stream, answer)) = later {
            self.answer(stream, answer.apply(line.into_owned()), cx);
        }
        cause
    }

    fn message(
        &mut self,
        message: &Message<'_>,
        later: Option<&mut Later>,
        cx: &mut Context,
    ) -> Option<Cause> {
        // Answers are most of what a child writes.
        if message.is_response() {
            return match self.child.offered(message, cx) {
                Some(answer) => self.response(&Message::parse(&answer).ok()?, None, cx),
                None => self.response(message, later, cx),
            };
        }
        if message.is_request()
            && let Some(id) = self.child.echoed(message, cx)
        {
            return self.spoilt(id, Wrote::Echo.reason(), cx);
        }
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
                let mut data = Vec::new();
                message.splice(&Splice::default(), &mut data);
                let number = self.route(message);
                self.streams.put(number, data, cx);
            }
        }
        None
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
        let mut data = Vec::new();
        message.splice(&Splice::default(), &mut data);
        self.streams.put(number, data, cx);
    }

    /// Handles the answer to a call.
    fn response(
        &mut self,
        message: &Message<'_>,
        later: Option<&mut Later>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let id = message.id().and_then(CallId::read);
        if let Some((id, own)) = id.and_then(|id| Some((id, self.child.end_own(id, cx)?))) {
            return self.own_response(id, &own, message, cx);
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
        if !self.is_open() && message.error().is_some() && self.may_cross(cx) && kept() {
            return self.ask_for_era(id, message, cx);
        }
        let Some(call) = id.and_then(|id| self.child.end_call(id, cx)) else {
            // It was cancelled, timed out, or never sent.
            self.streams.dropped(cx);
            return None;
        };
        if self.is_open() {
            let took = cx.now.since(call.since);
            cx.counts.of(self.child.server).answer(message, took);
        }
        let later = later.filter(|_| self.is_open());
        if let Some(later) = later
            && let Some(answer) = message.renamed(&call.id)
        {
            *later = Some((call.stream, answer));
            return None;
        }
        let mut data = Vec::new();
        message.splice(&Splice { id: Some(&call.id), ..Splice::default() }, &mut data);
        if self.is_open() {
            self.answer(call.stream, data, cx);
            return None;
        }
        let Some(result) = message.result() else {
            self.answer(call.stream, data, cx);
            cx.servers.learn(self.child.server).declined(self.child.env());
            return Some(Cause::Declined);
        };
        cx.servers.learn(self.child.server).spoke_session(self.child.env());
        self.opened(&version::told(result), None, (call.stream, data), cx);
        None
    }

    /// Keeps the child's error to `initialize` and probes the child's era.
    fn ask_for_era(
        &mut self,
        id: Option<CallId>,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let call = id.and_then(|id| self.child.calls.get(&id))?;
        let mut declined = Vec::new();
        message.splice(&Splice { id: Some(&call.id), ..Splice::default() }, &mut declined);
        self.phase.ask_for_era(Some(cx.budget.keep(declined)));
        self.child.ask(Own::Discover, "server/discover", &upward::discover_params(), cx);
        self.life.wait_start(cx.config.probe, cx);
        None
    }

    /// Handles the answer to the bridge's own request.
    fn own_response(
        &mut self,
        id: CallId,
        own: &Own,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        if *own == Own::Listen {
            self.listen_ended(id, cx);
        }
        if *own != Own::Discover {
            return None;
        }
        let Some(result) = message.result().filter(|result| upward::speaks_stateless(result))
        else {
            return Some(self.decline(cx));
        };
        if !cx.budget.has_room(result.len()) {
            return Some(Cause::Memory);
        }
        let knowledge = cx.servers.learn(self.child.server);
        knowledge.spoke_modern(self.child.env());
        if knows_no_sessions(self.phase.declined().unwrap_or_default(), self.phase.hello()) {
            knowledge.denied_session(self.child.env());
        }
        let call = self.child.call_ids().first().and_then(|id| self.child.end_call(*id, cx))?;
        let (version, crossing) = Crossing::new(self.phase.hello(), result, cx);
        let result = upward::initialized(result, &version);
        let data = rpc::response(&call.id, "result", result);
        self.opened(&version, Some(crossing), (call.stream, data), cx);
        None
    }

    /// Whether an error to `initialize` may mean that the child speaks only the stateless era.
    fn may_cross(&self, cx: &Context) -> bool {
        let known = cx.servers.spoken(self.child.server, self.child.env());
        known.session.is_none() && known.modern != Some(false)
    }

    /// The child speaks no era known to the bridge: its error to `initialize` is the answer.
    pub(super) fn decline(&mut self, cx: &mut Context) -> Cause {
        cx.servers.learn(self.child.server).declined(self.child.env());
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

    /// The session is open.
    fn opened(
        &mut self,
        chosen: &str,
        crossing: Option<Box<Crossing>>,
        (number, data): (StreamId, Vec<u8>),
        cx: &mut Context,
    ) {
        let version = Version::chosen(chosen);
        self.streams.style = version.style();
        // A child that names no version has opened the session all the same; versions are short.
        let chosen = if chosen.is_empty() { "?" } else { chosen };
        let chosen = chosen.chars().take(40).collect();
        self.phase = Phase::Open(Open { chosen, version, crossing });
        self.streams.answer_opening(number, data, self.id, cx);
        self.life.touch(cx);
        self.life.started(cx);
        cx.stats.opened += 1;
        cx.counts.of(self.child.server).opened += 1;
        let age = self.life.age(cx);
        cx.counts.of(self.child.server).start(age);
        cx.notice(Notice::SessionOpened {
            child: self.child.id,
            pid: self.child.pid,
            version: event::version(self.phase.chosen()),
            start: self.life.age(cx),
        });
    }

    pub(super) fn answer(&mut self, number: StreamId, data: Vec<u8>, cx: &mut Context) {
        self.streams.answer(number, data, 200, cx);
        self.life.touch(cx);
    }

    /// Puts progress on the stream of its call, with the token that its client chose.
    pub(super) fn progress(&mut self, message: &Message<'_>, cx: &mut Context) {
        let id = message.token().and_then(CallId::read).filter(|_| self.is_open());
        let call = id.and_then(|id| self.child.calls.get(&id));
        let token = match call {
            Some(call) => call.token.as_deref(),
            None => id.and_then(|id| self.child.task_token(id)),
        };
        // A task continues after its call; its progress belongs to the session then.
        let number = call.map(|call| call.stream);
        let Some(token) = token.filter(|_| self.streams.carries(number)) else {
            self.streams.dropped(cx);
            return;
        };
        let mut data = Vec::new();
        message.splice(&Splice { token: Some(token), ..Splice::default() }, &mut data);
        self.streams.put(number, data, cx);
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
        let latest = self.child.calls.values().next_back().map(|call| call.stream);
        let latest = latest.filter(|number| self.streams.carries(Some(*number)));
        latest.filter(|_| self.child.calls.len() == 1 || !listening)
    }

    /// Handles a malformed line. If it is meant as an answer, its call ends in an error.
    fn malformed(
        &mut self,
        text: &[u8],
        malformed: &Malformed<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let (declined, crossing) = (self.phase.declined().is_some(), self.phase.crossing());
        let only = |child: &Child| child.only(|id| owes(child, id, declined, crossing));
        match self.child.meant(text, malformed, only, cx) {
            Meant::Nothing => {
                if !self.is_open() && self.child.malformed.is_alien() {
                    self.life.wait_start_no_longer(ALIEN, cx);
                }
                None
            }
            Meant::Message(line) => {
                let message = odd::parse(&line).ok()?;
                self.message(&message, None, cx)
            }
            Meant::Shown(_) if self.is_open() => None,
            Meant::Shown(id) => self.spoilt(id, Wrote::Fragment.reason(), cx),
            Meant::Spoilt(ids, reason) => {
                ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
            }
        }
    }

    /// Whether the child has yet to answer this request, which may be the bridge's own.
    fn is_awaited(&self, id: CallId) -> bool {
        owes(&self.child, id, self.phase.declined().is_some(), self.phase.crossing())
    }

    /// Ends a request whose answer can't be passed on with an error that says why.
    pub(super) fn spoilt(
        &mut self,
        id: CallId,
        reason: &'static str,
        cx: &mut Context,
    ) -> Option<Cause> {
        let fault = Fault::Garbled(reason);
        if let Some(own) = self.child.end_own(id, cx) {
            let line = rpc::response(b"0", "error", fault.error());
            let message = Message::parse(&line).ok()?;
            return self.own_response(id, &own, &message, cx);
        }
        if !self.is_awaited(id) {
            self.streams.dropped(cx);
            return None;
        }
        self.fail(id, &fault, cx);
        if self.is_open() { None } else { Some(Cause::Unreadable(reason)) }
    }

    /// The child has begun a line and does not end it.
    pub(crate) fn unended(&mut self, cx: &mut Context) -> Option<Cause> {
        let (ids, reason) = self.child.unended(cx)?;
        ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
    }
}

/// Whether a child has yet to answer this request. If it `declined`, its calls are answered.
fn owes(child: &Child, id: CallId, declined: bool, crossing: Option<&Crossing>) -> bool {
    let waits =
        crossing.is_none_or(|crossing| crossing.is_at_child(id) && crossing.listening != Some(id));
    waits && !(declined && child.calls.contains(&id))
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
