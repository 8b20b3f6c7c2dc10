//! What guests write: each message as the process gets it, or the answer if it gets none.

use alloc::vec::Vec;

use super::{Handshake, Host, STRAYS, is_of};
use crate::api::handles::ChildId;
use crate::child::{OwnRequest, Wish};
use crate::codec::message::{self, Kind, Message, Splice};
use crate::codec::rpc;
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};

impl Host {
    /// Handles whole lines of a guest.
    pub(crate) fn said(&mut self, guest: ChildId, lines: &[u8], cx: &mut Context) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(message) = Message::parse(line) else {
                debug_assert!(false, "a session writes messages");
                continue;
            };
            if self.guests.contains(&guest) {
                self.hear(guest, &message, cx);
            }
        }
        self.account();
    }

    fn hear(&mut self, guest: ChildId, message: &Message<'_>, cx: &mut Context) {
        match message.kind() {
            Kind::Request { id, method } if method == "initialize" => {
                self.greet(guest, id, message.params().unwrap_or(b"{}"), cx);
            }
            Kind::Request { id, .. } => {
                let wish = Wish::of(message);
                match self.settled(guest, message, wish.as_ref(), cx) {
                    Some((member, text)) => self.down(guest, rpc::response(id, member, text), cx),
                    None => self.call(guest, message, wish, cx),
                }
            }
            Kind::Notification { .. } => self.notify(guest, message, cx),
            Kind::Result { id, .. } | Kind::Error { id, .. } => {
                let question = self.questions.iter().position(|question| {
                    question.guest == guest && message::same_id(&question.id, id)
                });
                match question {
                    Some(place) => {
                        self.questions.remove(place);
                        self.forward(message, &Splice::default(), cx);
                    }
                    None => self.drop_one(cx),
                }
            }
        }
    }

    /// The process gets one handshake; a later guest is told what it said.
    fn greet(&mut self, guest: ChildId, id: &[u8], params: &[u8], cx: &mut Context) {
        if let Handshake::Answered(member, text) = &self.handshake {
            let answer = rpc::response(id, member, &**text);
            self.down(guest, answer, cx);
            self.guests.get_mut(&guest).into_iter().for_each(|guest| guest.greeted = true);
            return;
        }
        if let Some(guest) = self.guests.get_mut(&guest) {
            guest.waits = Some((id.into(), cx.budget.keep(params)));
        }
        if matches!(self.handshake, Handshake::Unasked) {
            self.ask(guest, cx);
        }
    }

    /// The process gets the `initialize` of this guest.
    pub(super) fn ask(&mut self, guest: ChildId, cx: &mut Context) {
        let waits = self.guests.get_mut(&guest).and_then(|guest| guest.waits.as_mut());
        let Some((_, hello)) = waits else { return };
        let hello = core::mem::take(hello);
        self.handshake = Handshake::Asked(guest);
        self.child.request(OwnRequest::Initialize, &hello, cx);
    }

    fn call(
        &mut self,
        guest: ChildId,
        request: &Message<'_>,
        wish: Option<Wish>,
        cx: &mut Context,
    ) {
        self.carried += 1;
        let stream = StreamId(guest.0);
        let level = wish.as_ref().and_then(|wish| self.wished_level(guest, wish));
        let mut line = Vec::new();
        let id = self.child.call(request, stream, &mut line, cx);
        if let Some(params) = level {
            line =
                rpc::request(Some(id.digits(&mut itoa::Buffer::new())), "logging/setLevel", params);
            line.push(b'\n');
        }
        self.child.write(line, cx);
        if let Some(wish) = wish {
            self.child.wish(id, wish);
        }
        if request.calls("subscriptions/listen") {
            self.child.calls.get_mut(&id).into_iter().for_each(|call| call.listens = true);
        }
    }

    fn notify(&mut self, guest: ChildId, message: &Message<'_>, cx: &mut Context) {
        let method = message.method().unwrap_or_default();
        match &*method {
            "notifications/initialized" if self.initialized => {}
            "notifications/initialized" => {
                self.initialized = true;
                self.forward(message, &Splice::default(), cx);
            }
            "notifications/cancelled" => {
                let call = message.request_id().and_then(|id| self.call_of(guest, id));
                let Some(call) = call else { return };
                self.give_up(call, cx);
                if !message.names_once("requestId") {
                    // Another reader may find the call of another guest in it.
                    return self.child.send_cancelled(call, "its client cancelled it", cx);
                }
                let mut digits = itoa::Buffer::new();
                let request_id = Some(call.digits(&mut digits));
                self.forward(message, &Splice { request_id, ..Splice::default() }, cx);
            }
            "notifications/progress" => {
                let token = message.token();
                let asked = self.questions.iter().any(|question| {
                    let its = question.token.as_deref().zip(token);
                    question.guest == guest && its.is_some_and(|(its, named)| *its == *named)
                });
                match asked && message.names_once("progressToken") {
                    true => self.forward(message, &Splice::default(), cx),
                    false => self.drop_one(cx),
                }
            }
            // The process would ask for the roots, and nothing would say of whom; and the id of a
            // task is its client's choice, so another client may have a task of that id.
            "notifications/roots/list_changed" | "notifications/tasks/status" if self.many => {}
            _ => self.forward(message, &Splice::default(), cx),
        }
    }

    /// The call of a guest that it knows by this id.
    fn call_of(&self, guest: ChildId, id: &[u8]) -> Option<CallId> {
        let mut calls = self.child.calls.iter();
        let call = calls.find(|(_, call)| is_of(call.stream, guest) && *call.id == *id);
        call.map(|(id, _)| *id)
    }

    fn forward(&mut self, message: &Message<'_>, change: &Splice<'_>, cx: &mut Context) {
        self.child.send(message.spliced(change), cx);
    }

    /// A call that the process has not answered is given up.
    pub(super) fn give_up(&mut self, id: CallId, cx: &mut Context) {
        let Some(call) = self.child.end_call(id, cx) else { return };
        match call.listens {
            true => {}
            false if self.strays.len() < STRAYS => {
                self.strays.push((id, ChildId(call.stream.0)));
            }
            false => self.astray = true,
        }
    }
}
