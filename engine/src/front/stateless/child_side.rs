//! Messages from a shared child: each goes to the request or subscription that it names; one that
//! names none is dropped, unless only one recipient is possible.

use alloc::vec::Vec;

use super::probe::Failure;
use super::{Mode, Worker};
use crate::api::cause::Cause;
use crate::child::lease::Lease;
use crate::child::odd::Meant;
use crate::child::{Call, Child, OwnRequest, Stage};
use crate::codec::json;
use crate::codec::message::{Kind, Malformed, Message};
use crate::codec::meta::{LogLevel, SUBSCRIPTION};
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::codec::version;
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::report::{Lesson, Report};
use crate::dialect;
use crate::dialect::description::Description;
use crate::dialect::downward;
use crate::front::reads::{Reads, in_place};
use crate::http::fault::Fault;

impl Worker {
    /// Whether its clients did not declare this capability.
    pub(super) fn lacks(&self, capability: &str) -> bool {
        let declared = &self.capabilities;
        json::member(declared, &(0..declared.len()), capability).is_none()
    }

    /// Handles the answer to the bridge's own request.
    fn bridge_response(
        &mut self,
        own: OwnRequest,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let result = message.result();
        match own {
            OwnRequest::Discover => self.discovered(message, cx),
            OwnRequest::Ping => {
                self.ponged(cx);
                None
            }
            OwnRequest::Initialize => match result {
                Some(result) if !cx.budget.has_room(result.len()) => Some(Cause::Memory),
                Some(result) => {
                    self.child.learn(Lesson::SpokeSession, cx);
                    let initialized = rpc::request(None, "notifications/initialized", b"{}");
                    self.child.send(initialized, cx);
                    let version = version::named_by(result);
                    let description = Description::read(result);
                    self.opened(Mode::Session(description), &version, cx);
                    None
                }
                None => {
                    self.child.learn(Lesson::Declined, cx);
                    Some(Cause::Declined)
                }
            },
            OwnRequest::Subscribe(uri) => {
                self.subscribed(&uri, result.is_some(), cx);
                None
            }
            OwnRequest::LogLevel
            | OwnRequest::Unsubscribe
            | OwnRequest::Listen
            | OwnRequest::Again(_) => None,
        }
    }

    pub(super) fn opened(&mut self, mode: Mode, version: &str, cx: &mut Context) {
        self.mode = mode;
        self.account();
        self.lease.started_shared(self.child.pid, version, cx);
        self.send_waiting(cx);
    }

    /// Handles the answer to a client's request.
    fn answered(&mut self, id: CallId, call: &Call, message: &Message<'_>, cx: &mut Context) {
        if self.parks.contains(&id) {
            return self.answered_while_parked(id, message, cx);
        }
        let Some(ask) = self.asks.get(&call.stream) else { return };
        self.child.count_answer(message, ask.since, cx);
        if let Some(result) = message.result().filter(|_| ask.method == "tools/list") {
            let (server, env) = (self.child.server, self.owner.env.clone());
            cx.report(Report::Tools { server, env, result: result.to_vec() });
        }
        if matches!(self.mode, Mode::Stateless) {
            let data = self.upright(id, call, message);
            let status = status_of(message);
            self.keep(call.stream, message, cx);
            self.asks.remove(&call.stream);
            self.unlisten(call.stream, cx);
            self.streams.answer(call.stream, data, status, cx);
            self.lease.touch(cx);
            return;
        }
        if let Some(questions) = downward::url_needed(message).filter(|_| ask.may_ask) {
            if self.lacks("elicitation") {
                return self.fail(call.stream, &Fault::Capability("elicitation"), cx);
            }
            if cx.parked >= cx.config.parked {
                return self.fail(call.stream, &Fault::Parked(cx.config.parked), cx);
            }
            return self.park_for_resend(id, call, questions, cx);
        }
        let text = self.downward_answer(&ask.method.clone(), message);
        if ask.may_ask && self.asks_late() {
            // Requests that the child sends from now on belong to no client.
            self.abandoned(cx);
        }
        let member = if message.result().is_some() { "result" } else { "error" };
        let data = rpc::response(&call.id, member, text);
        self.asks.remove(&call.stream);
        self.streams.answer(call.stream, data, status_of(message), cx);
        self.lease.touch(cx);
    }

    /// Translates a session-era child's result or error.
    pub(super) fn downward_answer(&self, method: &str, message: &Message<'_>) -> Vec<u8> {
        let payload = message.payload().unwrap_or_default();
        match (&self.mode, message.result()) {
            (Mode::Session(description), Some(result)) => {
                downward::result(method, result, description)
            }
            _ => downward::error(payload).into_owned(),
        }
    }

    /// A modern child's answer with the client's id, also where its content names our id.
    fn upright(&self, id: CallId, call: &Call, message: &Message<'_>) -> Vec<u8> {
        let method = self.asks.get(&call.stream).map(|ask| &*ask.method);
        let changed = message.result().and_then(|result| match method {
            _ if names(result, id) => downward::retagged(result, &call.id),
            Some("server/discover") => downward::with_our_versions(result, self.child.terms.eras),
            _ => None,
        });
        if let Some(result) = changed {
            return rpc::response(&call.id, "result", result);
        }
        message.with_id(&call.id)
    }

    fn notified(&mut self, message: &Message<'_>, cx: &mut Context) {
        if message.calls("notifications/progress") {
            return self.progressed(message, cx);
        }
        if message.calls("notifications/message") {
            return self.logged(message, cx);
        }
        if matches!(self.mode, Mode::Session(_)) && is_of_the_specification(message) {
            return self.changed(message, cx);
        }
        if message.calls("notifications/cancelled") {
            // Only a subscription is ended by its server.
            let call = message.request_id().and_then(CallId::read);
            let stream = call.and_then(|id| self.child.calls.get(&id)).map(|call| call.stream);
            if let Some(number) = stream.filter(|number| self.listens.has(*number)) {
                if let Some(id) = call {
                    self.child.end_call(id, cx);
                }
                self.end_listen(number, true, cx);
            }
            return;
        }
        self.task_changed(message, cx);
        let Some(subscription) = message.meta(SUBSCRIPTION) else {
            return self.unnamed(message, cx);
        };
        let id = CallId::read(subscription);
        let Some((id, call)) = id.and_then(|id| Some((id, self.child.calls.get(&id)?))) else {
            return self.streams.dropped(cx);
        };
        let (number, data) = (call.stream, downward::tag(message, &call.id));
        if !self.streams.carries(Some(number)) {
            return self.streams.dropped(cx);
        }
        self.named(id, number, message, cx);
        self.streams.put(Some(number), data, cx);
    }

    /// A notification that names a call makes it a subscription, without a timeout, whatever its
    /// method. `subscriptions/listen` begins with its acknowledgement.
    fn named(&mut self, id: CallId, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        let method = self.asks.get(&number).map(|ask| &*ask.method);
        let begins = method != Some("subscriptions/listen")
            || message.calls("notifications/subscriptions/acknowledged");
        if begins && (self.listens.has(number) || self.has_room_for_one_more(cx)) {
            self.listens.add(number);
            self.child.lasts(id, cx);
        }
    }

    /// A notification that names no call, and is not in the specification, concerns the only
    /// request in flight (MCP 2026-07-28 "stdio, Receiving Messages").
    fn unnamed(&mut self, message: &Message<'_>, cx: &mut Context) {
        let only = self.only_call().filter(|_| !is_of_the_specification(message));
        match only.filter(|number| self.accepts_news(*number, cx)) {
            Some(number) => {
                self.streams.put(Some(number), message.copied(), cx);
            }
            None => self.streams.dropped(cx),
        }
    }

    /// Puts progress on the stream of its request, with the token that its client chose.
    fn progressed(&mut self, message: &Message<'_>, cx: &mut Context) {
        let id = message.token().and_then(CallId::read);
        let is_over = |id: CallId| id < self.child.next_id() && !self.child.calls.contains(&id);
        if id.is_some_and(is_over) {
            self.works_on(cx);
        }
        let progress = self.child.progress(message);
        let progress = progress.and_then(|progress| Some((progress.stream?, progress.token)));
        let Some((number, token)) = progress.filter(|(number, _)| self.accepts_news(*number, cx))
        else {
            return self.streams.dropped(cx);
        };
        let mut data = message.with_token(token);
        if self.marked(message).is_some()
            && let Ok(spliced) = Message::parse(&data)
            && let Some(ask) = self.asks.get(&number)
        {
            data = downward::tag(&spliced, &ask.id);
        }
        self.streams.put(Some(number), data, cx);
    }

    /// Whether progress or a log message may go there. A client that is behind gets none while
    /// others use the child: its unread messages would stop the reading of the child.
    fn accepts_news(&self, number: StreamId, cx: &Context) -> bool {
        let among = self.asks.len();
        let lags = || self.streams.lags(number, among, cx.config.queue);
        self.streams.carries(Some(number)) && (among == 1 || !lags())
    }

    /// The request that an unnamed notification concerns: the only one in flight, if the child
    /// works for one client only. Otherwise it may be late, for a call that is over.
    fn only_call(&self) -> Option<StreamId> {
        let mut calls = self.child.calls.iter().filter(|(_, call)| !self.listens.has(call.stream));
        let only = calls.next().filter(|_| self.is_one_clients());
        only.filter(|_| calls.next().is_none()).map(|(_, call)| call.stream)
    }

    /// The call that a modern child's notification names as its subscription: its stream, and its
    /// id as its client wrote it.
    fn marked(&self, message: &Message<'_>) -> Option<(StreamId, Spelling)> {
        let names = matches!(self.mode, Mode::Stateless);
        let id = message.meta(SUBSCRIPTION).filter(|_| names).and_then(CallId::read)?;
        self.child.calls.get(&id).map(|call| (call.stream, call.id.clone()))
    }

    /// Passes on a log message: to the call that it names, or to the only call, if that call wants
    /// it (MCP 2026-07-28 "Logging").
    fn logged(&mut self, message: &Message<'_>, cx: &mut Context) {
        let marked = self.marked(message);
        let only = match message.meta(SUBSCRIPTION) {
            Some(_) if matches!(self.mode, Mode::Stateless) => marked.as_ref().map(|(at, _)| *at),
            _ => self.only_call(),
        };
        let wanted = only.and_then(|number| self.asks.get(&number)?.log_level);
        let level = message.param("level").and_then(LogLevel::read);
        match only.filter(|number| self.accepts_news(*number, cx)) {
            Some(number) if wanted.is_some_and(|wanted| level.is_none_or(|l| l >= wanted)) => {
                let data = match marked {
                    Some((_, id)) => downward::tag(message, &id),
                    None => message.copied(),
                };
                self.streams.put(Some(number), data, cx);
            }
            _ => self.streams.dropped(cx),
        }
    }
}

impl Reads for Worker {
    fn child(&mut self) -> (&mut Child, &mut Lease) {
        (&mut self.child, &mut self.lease)
    }

    fn has_started(&self) -> bool {
        self.is_ready()
    }

    fn start_due(&mut self, cx: &mut Context) -> Option<Cause> {
        if matches!(self.mode, Mode::AwaitingSession) {
            return Some(Cause::Idle);
        }
        if self.child.malformed.is_alien() {
            return self.child.malformed.cause();
        }
        let left = cx.config.start.saturating_sub(cx.now.since(self.asked));
        let known = self.child.known.ever_modern;
        let started = self.child.stage != Stage::Queued;
        if !self.is_probing() || !started || known && left.is_zero() {
            return self.child.malformed.cause().or(Some(Cause::StartTimeout));
        }
        if known {
            // Another child showed the era meanwhile: this one only starts slowly.
            self.lease.wait_start(left, cx);
            return None;
        }
        if matches!(self.mode, Mode::Probing) && !left.is_zero() {
            self.child.request(OwnRequest::Ping, b"{}", cx);
            self.lease.wait_start(left, cx);
            return None;
        }
        self.undiscovered(Failure::Silent, cx)
    }

    fn idle_due(&mut self, cx: &mut Context) -> Option<Cause> {
        let busy = !self.is_idle(cx);
        self.lease.idle_due(busy, busy, cx)
    }

    fn pipe_closed(&mut self, cause: Cause, cx: &mut Context) -> Option<Cause> {
        if matches!(self.mode, Mode::AwaitingSession) {
            return Some(cause);
        }
        if self.child.stage == Stage::Running {
            self.lease.pipe_closed(cause, cx);
        }
        None
    }

    fn exit_due(&mut self, cx: &mut Context) -> Option<Cause> {
        if !self.is_probing() || self.child.known.ever_modern {
            return self.lease.closed();
        }
        self.undiscovered(Failure::Silent, cx)
    }

    fn meant(&mut self, text: &[u8], as_read: &Malformed<'_>, cx: &mut Context) -> Meant {
        let listens = &self.listens;
        let is_call = |child: &Child, id| {
            child.calls.get(&id).is_none_or(|call: &Call| !listens.has(call.stream))
        };
        let only = |child: &Child| child.only(|id| is_call(child, id));
        let one_client = self.is_one_clients();
        self.child.meant(text, as_read, only, one_client, cx)
    }

    fn response(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        let id = message.id().and_then(CallId::read);
        if let Some(own) = id.and_then(|id| self.child.end_own(id, cx)) {
            return self.bridge_response(own, message, cx);
        }
        match id.and_then(|id| Some((id, self.child.end_call(id, cx)?))) {
            Some((id, call)) => self.answered(id, &call, message, cx),
            None => self.streams.dropped(cx),
        }
        None
    }

    fn said(&mut self, message: &Message<'_>, cx: &mut Context) {
        match (message.kind(), &self.mode) {
            (Kind::Result { .. } | Kind::Error { .. }, _) => {}
            (Kind::Request { id, method }, Mode::Stateless) if method == "ping" => {
                self.child.pong(id, cx);
            }
            // A child of the stateless era sends no requests.
            (Kind::Request { .. }, Mode::Stateless) => self.streams.dropped(cx),
            (Kind::Request { id, .. }, _) => self.asked(id, message, cx),
            (Kind::Notification { .. }, _) => self.notified(message, cx),
        }
    }

    fn spoilt(&mut self, id: CallId, reason: &'static str, cx: &mut Context) -> Option<Cause> {
        let fault = Fault::Garbled(reason);
        if let Some(own) = self.child.end_own(id, cx) {
            let line = in_place(reason, cx);
            let cause = self.bridge_response(own, &Message::parse(&line).ok()?, cx);
            return cause.map(|_| Cause::Unreadable(reason));
        }
        if let Some(call) = self.child.end_call(id, cx) {
            // A client that repeats it learns that it is over.
            self.give_up_park(id, cx);
            self.unlisten(call.stream, cx);
            self.fail(call.stream, &fault, cx);
        }
        None
    }
}

/// Whether a result names a call as its subscription.
fn names(result: &[u8], id: CallId) -> bool {
    dialect::subscription(result).and_then(CallId::read) == Some(id)
}

/// Whether the specification, of any revision, defines the recipients of a server's notification.
/// None of these concerns a request that it does not name.
fn is_of_the_specification(message: &Message<'_>) -> bool {
    let method = message.method().unwrap_or_default();
    method.ends_with("/list_changed")
        || matches!(
            &*method,
            "notifications/cancelled"
                | "notifications/initialized"
                | "notifications/resources/updated"
                | "notifications/elicitation/complete"
                | "notifications/subscriptions/acknowledged"
                | "notifications/tasks"
                | "notifications/tasks/status"
        )
}

/// The HTTP status of an answer (MCP 2026-07-28 "Server Validation").
pub(super) fn status_of(message: &Message<'_>) -> u16 {
    match message.error().and_then(downward::error_code) {
        Some(-32022..=-32020) => 400,
        Some(-32601) => 404,
        _ => 200,
    }
}
