//! A session whose child speaks only 2026-07-28: the bridge is the session's server and the child's
//! client. It stores the state that the session era keeps and the stateless era repeats in each
//! request: the client's identity, its log level, its subscriptions, and the calls that wait for
//! input.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeBounds;

use super::Session;
use super::rounds::Round;
use crate::api::limits;
use crate::child::OwnRequest;
use crate::codec::json::{self, Scanner};
use crate::codec::message::{self, Kind, Message};
use crate::codec::meta::{LogLevel, SUBSCRIPTION};
use crate::codec::object::{self, Object};
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::codec::version::{self, NEWEST_SESSION, Version};
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::ids::{CallId, StreamId};
use crate::dialect;
use crate::dialect::description::Description;
use crate::dialect::downward;
use crate::dialect::upward;
use crate::http::fault::Fault;
use crate::table::Table;

/// A `resources/subscribe` or `resources/unsubscribe` that waits for the child.
#[derive(Debug)]
struct Pending {
    stream: StreamId,
    id: Spelling,
    /// A digest of the id: equal ids have equal digests.
    said: u64,
    /// The URI that the child must honour, if one was added; and whether it is new.
    uri: Option<String>,
    fresh: bool,
}

/// Overhead of a resource, and of a request that waits, beside their texts.
const ENTRY: usize = 48;
const PENDING: usize = 96;

/// The state of a session, stored for a child that keeps none.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    pub(super) client: upward::Client,
    /// The child's answer to `server/discover`.
    pub(super) discovered: Description,
    pub(super) log_level: Option<LogLevel>,
    uris: Vec<String>,
    /// The bridge's `subscriptions/listen` that is acknowledged, and one that is not yet.
    pub(super) listening: Option<CallId>,
    opening: Option<CallId>,
    pending: Vec<Pending>,
    pub(super) rounds: Table<CallId, Round>,
    pub(super) last_asked: u64,
    /// Counts everything except the calls.
    share: Option<Share>,
}

impl Session {
    // ---- from the client

    /// Translates a request of the client, or answers it.
    pub(super) fn request_across(
        &mut self,
        number: StreamId,
        message: &Message<'_>,
        cx: &mut Context,
    ) {
        match &*message.method().unwrap_or_default() {
            "ping" => self.reply_with(number, message, b"{}", cx),
            "logging/setLevel" => self.set_level(number, message, cx),
            "resources/subscribe" | "resources/unsubscribe" => self.subscribe(number, message, cx),
            method if method.starts_with("tasks/") => {
                let fault = Fault::MethodNotFound(method.to_string());
                self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
            }
            _ => self.call_across(number, message, cx),
        }
    }

    /// Translates a notification or a response of the client.
    pub(super) fn forward_across(&mut self, message: &Message<'_>, cx: &mut Context) {
        let Kind::Notification { method } = message.kind() else {
            debug_assert!(message.is_response(), "a request has a stream");
            return self.answered_by_client(message, cx);
        };
        match &*method {
            "notifications/initialized" => {
                self.initialized(cx);
                self.relisten(cx);
            }
            "notifications/cancelled" => {
                let Some(id) = message.request_id() else { return };
                let Some(call) = self.child.find(id) else { return self.cancel_pending(id, cx) };
                if self.is_at_child(call) {
                    self.child.send_cancelled(call, "cancelled by the client", cx);
                }
                self.cancel(call, cx);
            }
            // The stateless era has none of these: each of its requests is complete.
            "notifications/roots/list_changed" | "notifications/progress" => {}
            _ => {
                self.child.send(message.copied(), cx);
            }
        }
    }

    fn reply_with(
        &mut self,
        number: StreamId,
        message: &Message<'_>,
        result: &[u8],
        cx: &mut Context,
    ) {
        let id = message.id().unwrap_or_default();
        self.answer(number, rpc::response(id, "result", result), cx);
    }

    fn set_level(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        let level = message.param("level").and_then(LogLevel::read);
        let (Some(level), Some(crossing)) = (level, self.phase.crossing_mut()) else {
            let fault = Fault::Params("level must be a logging level");
            return self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
        };
        crossing.log_level = Some(level);
        self.save(cx);
        self.reply_with(number, message, b"{}", cx);
    }

    /// Changes the filter of the subscription. A subscription can't be changed, so a new one
    /// replaces it.
    fn subscribe(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        let uri = message.param("uri").and_then(object::string).map(|uri| uri.into_owned());
        let (Some(uri), Some(crossing)) = (uri, self.phase.crossing_mut()) else {
            let fault = Fault::Params("uri is missing");
            return self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
        };
        if uri.len() > limits::URI {
            let fault = Fault::Params("uri is too long to subscribe to");
            return self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
        }
        if crossing.pending.len() >= cx.config.calls {
            let fault = Fault::Calls(cx.config.calls);
            return self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
        }
        let adds = message.calls("resources/subscribe");
        let fresh = !crossing.uris.contains(&uri);
        crossing.uris.retain(|known| *known != uri);
        if adds && crossing.uris.len() >= cx.config.subscriptions {
            let fault = Fault::Subscriptions(cx.config.subscriptions);
            return self.answer(number, fault.message(message.id(), &cx.config.remedies), cx);
        }
        if adds {
            crossing.uris.push(uri.clone());
        }
        let id = message.id().unwrap_or_default();
        let said = json::digest::id(id);
        let uri = adds.then_some(uri);
        crossing.pending.push(Pending { stream: number, id: id.into(), said, uri, fresh });
        self.account();
        self.relisten(cx);
    }

    /// The client cancels a request: if it is a subscription that waits, it is removed.
    fn cancel_pending(&mut self, id: &[u8], cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        let said = json::digest::id(id);
        let mut pending = crossing.pending.iter();
        let place =
            pending.rposition(|pending| pending.said == said && message::same_id(&pending.id, id));
        let Some(place) = place else { return };
        for pending in self.drop_pending(place..=place) {
            self.streams.cancel(pending.stream, cx);
        }
        self.relisten(cx);
    }

    /// Opens a new subscription at the child, for everything that the session wants.
    pub(super) fn relisten(&mut self, cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        let filter = crossing.filter();
        if let Some(superseded) = crossing.opening.take() {
            self.child.withdraw(superseded, "superseded", cx);
        }
        if filter.is_empty() {
            self.settle(None, cx);
            return;
        }
        let params = crossing.client.stamped_params(&[("notifications", &filter.text())]);
        crossing.opening = Some(self.child.request(OwnRequest::Listen, &params, cx));
    }

    /// The child has said what it honours: the client's requests that waited for it are answered.
    fn settle(&mut self, honoured: Option<&[u8]>, cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        let fresh = crossing.opening.take();
        if let Some(old) = core::mem::replace(&mut crossing.listening, fresh) {
            self.child.withdraw(old, "superseded", cx);
        }
        let honoured = honoured.map(|list| honours(list, cx.config.subscriptions));
        let honoured = honoured.unwrap_or_default();
        let mut answers = Vec::new();
        for pending in core::mem::take(&mut crossing.pending) {
            let refused =
                pending.uri.as_ref().is_some_and(|uri| honoured.binary_search(uri).is_err());
            if refused {
                crossing.uris.retain(|uri| Some(uri) != pending.uri.as_ref());
            }
            let data = if refused {
                Fault::Params("the server did not accept a subscription to this resource")
                    .message(Some(&pending.id), &cx.config.remedies)
            } else {
                rpc::response(&pending.id, "result", b"{}")
            };
            answers.push((pending.stream, data));
        }
        self.account();
        if !answers.is_empty() {
            self.save(cx);
        }
        for (stream, data) in answers {
            self.answer(stream, data, cx);
        }
    }

    /// The child did not say in time what it honours: the client's requests that wait for it fail,
    /// and a subscription to the earlier resources is opened again.
    pub(super) fn listen_overdue(&mut self, id: CallId, cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        // If no request waits, the acknowledgement may be late.
        if crossing.opening != Some(id) || crossing.pending.is_empty() {
            return;
        }
        crossing.opening = None;
        self.child.withdraw(id, "timed out", cx);
        let listens = crossing.listening.is_some();
        self.fail_pending(.., &Fault::TimedOut, cx);
        if !listens {
            self.relisten(cx);
        }
    }

    /// Fails these of the requests that wait for the child's acknowledgement.
    pub(super) fn fail_pending(
        &mut self,
        which: impl RangeBounds<usize>,
        fault: &Fault,
        cx: &mut Context,
    ) {
        for pending in self.drop_pending(which) {
            self.answer(pending.stream, fault.message(Some(&pending.id), &cx.config.remedies), cx);
        }
    }

    /// Removes waiting requests from the table, and their URIs from the filter.
    fn drop_pending(&mut self, which: impl RangeBounds<usize>) -> Vec<Pending> {
        let Some(crossing) = self.phase.crossing_mut() else { return Vec::new() };
        let failed: Vec<_> = crossing.pending.drain(which).collect();
        for pending in failed.iter().filter(|pending| pending.fresh && pending.uri.is_some()) {
            // Another request may still want it.
            match crossing.pending.iter_mut().find(|other| other.uri == pending.uri) {
                Some(heir) => heir.fresh = true,
                None => crossing.uris.retain(|uri| Some(uri) != pending.uri.as_ref()),
            }
        }
        self.account();
        failed
    }

    // ---- from the child

    /// Handles the answer to a call: passes it on, or asks the client for the input that it
    /// requires.
    pub(super) fn response_across(&mut self, id: CallId, message: &Message<'_>, cx: &mut Context) {
        if let Some(wanted) = message.result().and_then(upward::wanted) {
            return self.request_input(id, wanted, cx);
        }
        let Some(call) = self.child.end_call(id, cx) else { return self.streams.dropped(cx) };
        let method = self.end_rounds(id, call.stream, cx);
        self.child.count_answer(message, call.since, cx);
        let data = match message.result() {
            Some(result) => {
                let own = |named: &[u8]| {
                    let is_own = CallId::read(named) == Some(id);
                    is_own.then_some(&*call.id)
                };
                let result = upward::result(&method.unwrap_or_default(), result, own);
                rpc::response(&call.id, "result", result)
            }
            None => rpc::response(&call.id, "error", message.error().unwrap_or_default()),
        };
        self.answer(call.stream, data, cx);
    }

    /// Handles a notification of the child.
    pub(super) fn notified_across(&mut self, message: &Message<'_>, cx: &mut Context) {
        if message.calls("notifications/progress") {
            return self.progress_across(message, cx);
        }
        let Some(crossing) = self.phase.crossing() else { return };
        if message.calls("notifications/subscriptions/acknowledged") {
            let own = message.meta(SUBSCRIPTION).and_then(CallId::read);
            if own.is_some() && own == crossing.opening {
                let uris = message.param("notifications").and_then(|n| {
                    json::member(n, &(0..n.len()), "resourceSubscriptions").map(|s| &n[s])
                });
                self.settle(Some(uris.unwrap_or(b"[]")), cx);
            }
            return;
        }
        if message.calls("notifications/cancelled") {
            return;
        }
        let subscription = message.meta(SUBSCRIPTION).and_then(CallId::read);
        if let Some((id, call)) = subscription.and_then(|id| Some((id, self.child.calls.get(&id)?)))
        {
            // The client's call is a subscription: it has no timeout.
            let (number, data) = (Some(call.stream), downward::tag(message, &call.id));
            self.child.lasts(id, cx);
            return match self.streams.carries(number) {
                true => self.streams.put(number, data, cx),
                false => self.streams.dropped(cx),
            };
        }
        if subscription.is_some() && subscription != crossing.listening {
            return self.streams.dropped(cx);
        }
        let number = self.route(message);
        self.streams.put(number, upward::untag(message), cx);
    }

    /// Passes progress on. It must increase over all rounds of a call.
    fn progress_across(&mut self, message: &Message<'_>, cx: &mut Context) {
        let id = message.token().and_then(CallId::read);
        let told = message.param("progress").and_then(|text| core::str::from_utf8(text).ok());
        let told: Option<f64> = told.and_then(|text| text.parse().ok());
        let round = self.phase.crossing_mut().zip(id).and_then(|(c, id)| c.rounds.get_mut(&id));
        let (Some(round), Some(told)) = (round, told) else { return self.streams.dropped(cx) };
        if told <= round.progress {
            return self.streams.dropped(cx);
        }
        round.progress = told;
        self.progress(message, cx);
    }

    /// The bridge's subscription at the child ended, or was refused.
    pub(super) fn listen_ended(&mut self, id: CallId, cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        if crossing.opening == Some(id) {
            // What the child granted before remains valid.
            crossing.opening = crossing.listening.take();
            self.settle(None, cx);
        } else if crossing.listening == Some(id) {
            crossing.listening = None;
        }
    }
}

impl Session {
    /// Counts what is stored of the client and its subscriptions.
    fn account(&mut self) {
        if let Some(crossing) = self.phase.crossing_mut() {
            crossing.account();
        }
    }
}

impl Crossing {
    /// Reads the answer to `server/discover`. Returns the new state, and the version that the
    /// client of this `initialize` gets.
    pub(super) fn new(hello: &[u8], discovered: &[u8], cx: &Context) -> (String, Box<Self>) {
        let asked = version::named_by(hello);
        let known = Some(asked).filter(|name| Version::named(name).is_some());
        let version = known.unwrap_or_else(|| NEWEST_SESSION.to_string());
        let client = upward::Client::read(hello, Version::chosen(&version));
        let discovered = Description::read(discovered);
        let share = Some(cx.budget.share());
        let mut crossing = Box::new(Self { client, discovered, share, ..Self::default() });
        crossing.account();
        (version, crossing)
    }

    /// The resources that the client has subscribed to.
    pub(super) fn uris(&self) -> &[String] {
        &self.uris
    }

    /// What the client had set before.
    pub(super) fn set(&mut self, level: Option<LogLevel>, uris: Vec<String>) {
        (self.log_level, self.uris) = (level, uris);
        self.account();
    }

    /// The process is gone, with its calls and its subscription.
    pub(super) fn forget_process(&mut self) {
        (self.listening, self.opening) = (None, None);
        (self.rounds, self.pending) = (Table::default(), Vec::new());
        self.account();
    }

    /// Counts what is stored of the client and its subscriptions.
    fn account(&mut self) {
        let size = self.size();
        self.share.iter_mut().for_each(|share| share.hold(size));
    }

    pub(super) fn size(&self) -> usize {
        let uris = self.uris.iter().map(|uri| uri.len() + ENTRY);
        let pending = self.pending.iter().map(|pending| {
            pending.id.len() + pending.uri.as_ref().map_or(0, String::len) + PENDING
        });
        let told = self.client.size() + self.discovered.text().len();
        told + uris.chain(pending).sum::<usize>()
    }

    /// The filter for everything that the session wants and the child offers.
    fn filter(&self) -> Object<'static> {
        dialect::filter(self.discovered.lists, &self.uris)
    }
}

/// The resources that a child honours, sorted: at most as many from its list as can have been
/// requested.
fn honours(list: &[u8], most: usize) -> Vec<String> {
    let mut uris = Vec::new();
    let read = Scanner::new(list).elements(|scanner| {
        let raw = &list[scanner.value()?];
        if uris.len() < most {
            uris.push(object::string(raw).ok_or("a string was expected")?.into_owned());
        }
        Ok(())
    });
    if read.is_err() {
        uris.clear();
    }
    uris.sort_unstable();
    uris
}

#[cfg(debug_assertions)]
impl Crossing {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        self.share.iter().for_each(|share| walk.meet("crossing", share, self.size()));
        self.rounds.values().for_each(|round| round.walk(walk));
    }
}
