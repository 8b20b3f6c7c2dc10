//! What the process writes: each message to the guests that it is for.

use alloc::vec::Vec;

use super::{Handshake, Host, Question, TASKS};
use crate::api::cause::Cause;
use crate::api::handles::ChildId;
use crate::api::limits;
use crate::child::lease::Lease;
use crate::child::odd::Meant;
use crate::child::{Call, Child, OwnRequest};
use crate::codec::message::{Kind, Malformed, Message, Splice};
use crate::codec::meta::{LogLevel, SUBSCRIPTION};
use crate::codec::object;
use crate::codec::rpc;
use crate::codec::version;
use crate::context::Context;
use crate::context::ids::CallId;
use crate::context::report::{Lesson, Report};
use crate::dialect::{self, downward};
use crate::front::reads::Reads;
use crate::http::fault::Fault;

/// Notifications about something of one client, which they don't name.
const PRIVATE: [&str; 2] = ["notifications/tasks/status", "notifications/elicitation/complete"];

impl Host {
    /// Handles one line of the process. Returns the cause, if the host ends by it.
    pub(crate) fn line(&mut self, line: &[u8], cx: &mut Context) -> Option<Cause> {
        let cause = self.read(line, cx);
        self.account();
        cause
    }

    /// The process has answered `initialize`: the guests that wait for it get the answer.
    fn greeted(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        let text = message.payload().unwrap_or_default();
        if !cx.budget.has_room(text.len()) {
            return Some(Cause::Memory);
        }
        let member = if message.result().is_some() { "result" } else { "error" };
        for id in self.guests().collect::<Vec<_>>() {
            let Some(guest) = self.guests.get_mut(&id) else { continue };
            let Some((waits, _)) = guest.waits.take() else { continue };
            guest.greeted = true;
            self.down(id, rpc::response(&waits, member, text), cx);
        }
        self.handshake = Handshake::Answered(member, cx.budget.keep(text));
        if let Some(result) = message.result() {
            self.starts(&version::named_by(result), cx);
        }
        None
    }

    /// The process serves.
    fn starts(&mut self, version: &str, cx: &mut Context) {
        if core::mem::replace(&mut self.started, true) {
            return;
        }
        self.lease.started_shared(self.child.pid, version, cx);
    }

    fn answered(&mut self, id: CallId, mut call: Call, message: &Message<'_>, cx: &mut Context) {
        let result = message.result();
        if result.is_some() {
            // One that knows no handshake has answered `server/discover`.
            self.starts(version::STATELESS, cx);
        }
        self.served = true;
        let guest = ChildId(call.stream.0);
        if call.task {
            if self.tasks.len() == TASKS {
                self.tasks.remove(0);
            }
            self.tasks.push((id, guest));
        }
        self.grant(guest, call.wish.take(), result.is_some(), cx);
        let named = result
            .filter(|result| dialect::subscription(result).and_then(CallId::read) == Some(id));
        let line = match named.and_then(|result| downward::retagged(result, &call.id)) {
            Some(result) => rpc::response(&call.id, "result", result),
            None => message.with_id(&call.id),
        };
        self.down(guest, line, cx);
    }

    /// The process asks something. If it may be of several clients, none is asked.
    fn asked(&mut self, id: &[u8], message: &Message<'_>, cx: &mut Context) {
        let idle = !self.child.calls.values().any(|call| !call.listens);
        if self.many && idle && self.served {
            // From now on a question may be of a call that is over.
            self.child.learn(Lesson::AskedLate, cx);
        }
        let late = self.many && self.child.known.asks_late;
        let Some(guest) = self.concerned().filter(|_| !late) else {
            let fault =
                (-32603, "several clients use this process, and this may be of any of them");
            return self.child.refuse(id, fault, cx);
        };
        let open = self.questions.iter().filter(|question| question.guest == guest).count();
        if open >= limits::QUESTIONS || !cx.budget.has_room(message.size()) {
            return self.child.refuse(id, (-32603, "too many questions at once"), cx);
        }
        let token = message.token().map(Into::into);
        self.questions.push(Question { guest, id: id.into(), token });
        self.pass(alloc::vec![guest], message, &Splice::default(), cx);
    }

    fn notified(&mut self, message: &Message<'_>, cx: &mut Context) {
        let method = message.method().unwrap_or_default();
        match &*method {
            "notifications/progress" => self.progressed(message, cx),
            "notifications/cancelled" => self.withdrawn(message, cx),
            _ if message.meta(SUBSCRIPTION).is_some() => self.named(message, cx),
            _ if method.ends_with("/list_changed") => {
                let greeted = self.guests.iter().filter(|(_, guest)| guest.greeted);
                let all = greeted.map(|(id, _)| *id).collect();
                self.pass(all, message, &Splice::default(), cx);
            }
            "notifications/resources/updated" => {
                let uri = message.param("uri").and_then(object::string).unwrap_or_default();
                let wants = |guest: &super::Guest| {
                    guest.uris.iter().any(|(own, _)| dialect::covers(own, &uri))
                };
                let subscribed = self.guests.iter().filter(|(_, guest)| wants(guest));
                let subscribed = subscribed.map(|(id, _)| *id).collect();
                self.pass(subscribed, message, &Splice::default(), cx);
            }
            method if self.many && PRIVATE.contains(&method) => self.drop_one(cx),
            method => {
                let is_log = method == "notifications/message";
                let one = self.concerned().filter(|one| !is_log || self.wants_log(*one, message));
                self.pass(one.into_iter().collect(), message, &Splice::default(), cx);
            }
        }
    }

    /// Whether a guest wants a log message, which the process may have written for another.
    fn wants_log(&self, guest: ChildId, message: &Message<'_>) -> bool {
        let wanted = self.guests.get(&guest).and_then(|guest| guest.level);
        let level = message.param("level").and_then(LogLevel::read);
        wanted.zip(level).is_none_or(|(wanted, level)| level >= wanted)
    }

    /// Progress goes to its call, or to who has its task, with the token that its guest chose.
    fn progressed(&mut self, message: &Message<'_>, cx: &mut Context) {
        let whose = self.child.progress(message).and_then(|progress| {
            let task = || self.tasks.iter().find(|(task, _)| *task == progress.id);
            let call = progress.stream.map(|stream| ChildId(stream.0));
            Some((call.or_else(|| task().map(|(_, guest)| *guest))?, progress.token.to_vec()))
        });
        let Some((guest, token)) = whose else { return self.drop_one(cx) };
        let change = Splice { token: Some(&token), ..Splice::default() };
        self.pass(alloc::vec![guest], message, &change, cx);
    }

    /// The process takes a question back, or ends a subscription.
    fn withdrawn(&mut self, message: &Message<'_>, cx: &mut Context) {
        let Some(id) = message.request_id() else { return };
        if let Some(place) = self.questions.iter().position(|question| *question.id == *id) {
            let question = self.questions.remove(place);
            return self.pass(alloc::vec![question.guest], message, &Splice::default(), cx);
        }
        let call =
            CallId::read(id).filter(|id| self.child.calls.get(id).is_some_and(|call| call.listens));
        let Some(call) = call.and_then(|id| self.child.end_call(id, cx)) else {
            return self.drop_one(cx);
        };
        let change = Splice { request_id: Some(&call.id), ..Splice::default() };
        self.pass(alloc::vec![ChildId(call.stream.0)], message, &change, cx);
    }

    /// A notification goes to the call that it names as its subscription.
    fn named(&mut self, message: &Message<'_>, cx: &mut Context) {
        let id = message.meta(SUBSCRIPTION).and_then(CallId::read);
        let call = id.and_then(|id| self.child.calls.get_mut(&id));
        let Some(call) = call else { return self.drop_one(cx) };
        call.listens = true;
        let (guest, line) = (ChildId(call.stream.0), downward::tag(message, &call.id));
        self.down(guest, line, cx);
    }

    /// Passes a message on to these guests. Progress and logs are news.
    fn pass(
        &mut self,
        guests: Vec<ChildId>,
        message: &Message<'_>,
        change: &Splice<'_>,
        cx: &mut Context,
    ) {
        if guests.is_empty() {
            return self.drop_one(cx);
        }
        let passing =
            message.calls("notifications/progress") || message.calls("notifications/message");
        let news = passing && self.guests.len() > 1;
        let line = message.spliced(change);
        cx.report(Report::Down { guests, line, news });
    }
}

impl Reads for Host {
    fn child(&mut self) -> (&mut Child, &mut Lease) {
        (&mut self.child, &mut self.lease)
    }

    fn has_started(&self) -> bool {
        self.started
    }

    fn start_due(&mut self, _: &mut Context) -> Option<Cause> {
        self.child.malformed.cause().or(Some(Cause::StartTimeout))
    }

    fn idle_due(&mut self, cx: &mut Context) -> Option<Cause> {
        // It ends with its last guest.
        self.lease.idle_due(true, true, cx)
    }

    fn meant(&mut self, text: &[u8], as_read: &Malformed<'_>, cx: &mut Context) -> Meant {
        let waits = |child: &Child, id| child.calls.get(&id).is_none_or(|call| !call.listens);
        let only = |child: &Child| child.only(|id| waits(child, id));
        self.child.meant(text, as_read, only, !self.many, cx)
    }

    fn response(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        let id = message.id().and_then(CallId::read);
        if let Some(own) = id.and_then(|id| self.child.end_own(id, cx)) {
            return if own == OwnRequest::Initialize { self.greeted(message, cx) } else { None };
        }
        let Some((id, call)) = id.and_then(|id| Some((id, self.child.end_call(id, cx)?))) else {
            // The process has no more to do with a call that was given up.
            self.strays.retain(|(stray, _)| Some(*stray) != id);
            self.drop_one(cx);
            return None;
        };
        self.answered(id, call, message, cx);
        None
    }

    fn said(&mut self, message: &Message<'_>, cx: &mut Context) {
        match message.kind() {
            Kind::Request { id, method } if method == "ping" => self.child.pong(id, cx),
            Kind::Request { id, .. } => self.asked(id, message, cx),
            _ => self.notified(message, cx),
        }
    }

    fn spoilt(&mut self, id: CallId, reason: &'static str, cx: &mut Context) -> Option<Cause> {
        if let Some(own) = self.child.end_own(id, cx) {
            return (own == OwnRequest::Initialize).then_some(Cause::Unreadable(reason));
        }
        if let Some(call) = self.child.end_call(id, cx) {
            let line = Fault::Garbled(reason).message(Some(&call.id), &cx.config.remedies);
            self.down(ChildId(call.stream.0), line, cx);
        }
        None
    }
}
