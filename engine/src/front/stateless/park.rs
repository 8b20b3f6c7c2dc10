//! Parked calls: calls of a session-era child that wait for their client's input (MCP 2026-07-28
//! "Multi Round-Trip Requests").
//!
//! The child's request ends the client's request with an `input_required` result, while the call
//! stays in flight at the child. The client's `requestState` is 128 random bits: they identify the
//! parked call, once, until it expires, and only for the same call.

mod resume;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::child_side::status_of;
use super::{ClientRequest, Mode, Worker};
use crate::api::limits;
use crate::child::Call;
use crate::codec::json::Scanner;
use crate::codec::message::Message;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::ids::{CallId, StreamId};
use crate::context::timers::{Deadline, Wait};
use crate::dialect::downward::{self, Question};
use crate::http::fault::Fault;
use crate::http::session_id;

/// How long a call waits for its child to process the roots that it got before: servers read the
/// folders first, and do not say when they are done.
const SETTLE: Duration = Duration::from_millis(100);

/// The request whose answer concerns a client and not one of its calls.
const ROOTS: &str = "roots/list";

/// A parked call.
#[derive(Debug)]
pub(crate) struct Park {
    secret: u128,
    path: Arc<str>,
    /// A digest of the client's request.
    digest: u64,
    method: String,
    open: Vec<Open>,
    /// Whether the child has ended the call, so that a retry sends it again.
    resend: bool,
    /// Whether some open questions were not sent to the client yet.
    unseen: bool,
    /// The child's answer, if it came without waiting: its status, outcome and content.
    early: Option<(u16, &'static str, Vec<u8>)>,
    asked: u32,
    /// The request that is sent after the child had time to process the answers.
    settles: Option<StreamId>,
    due: Deadline,
    /// Counts everything except the request.
    share: Share,
}

/// A question without an answer.
#[derive(Debug)]
struct Open {
    /// The key shown to the client.
    key: String,
    /// The id of the child's request; without one, no request waits for the answer.
    asked: Option<Box<[u8]>>,
    question: Question,
}

/// What a question counts, with the id that the child asked under.
fn size(id: &[u8], question: &Question) -> usize {
    id.len() + question.params.len()
}

impl Park {
    fn add(&mut self, asked: Option<Box<[u8]>>, question: Question) {
        self.asked += 1;
        self.open.push(Open { key: format!("input-{}", self.asked), asked, question });
    }

    /// The answer in `inputResponses` to each open question; `None` if that is not an object of
    /// objects.
    fn answers<'a>(&self, given: &'a [u8]) -> Option<Vec<Option<&'a [u8]>>> {
        let mut answers = alloc::vec![None; self.open.len()];
        let read = Scanner::new(given).members(|scanner, name| {
            let answer = &given[scanner.value()?];
            if answer.first() != Some(&b'{') {
                return Err("an object was expected");
            }
            if let Some(place) = self.open.iter().position(|open| open.key.as_bytes() == &**name) {
                answers[place] = Some(answer);
            }
            Ok(())
        });
        read.ok().map(|()| answers)
    }

    pub(super) fn size(&self) -> usize {
        let one = |open: &Open| size(open.asked.as_deref().unwrap_or_default(), &open.question);
        let questions: usize = self.open.iter().map(one).sum();
        questions + self.early.as_ref().map_or(0, |(.., text)| text.len())
    }

    fn account(&mut self) {
        self.share.hold(self.size());
    }
}

impl Worker {
    /// Handles a request of a session-era child.
    pub(super) fn asked(&mut self, id: &[u8], message: &Message<'_>, cx: &mut Context) {
        if message.calls("ping") {
            return self.child.reply(rpc::response(id, "result", b"{}"), cx);
        }
        let Some((question, capability)) = downward::question(message) else {
            return self.child.refuse(id, (-32601, "the client can't be asked this"), cx);
        };
        if self.lacks(capability) {
            // The child can continue without it.
            return self.child.refuse(id, (-32601, "the client does not have this capability"), cx);
        }
        let (call, certain) = self.asking();
        // Roots belong to the client, whichever of its calls they are requested for.
        let certain = certain || question.method == ROOTS && self.owner.is_known();
        match call {
            None if self.carried_asking == 0
                && matches!(self.mode, Mode::Opening | Mode::Session(_)) =>
            {
                self.hold(id, question, cx);
            }
            None => {
                self.child.refuse(id, (-32602, "no client's request is in flight"), cx);
                // The child still works on a call that is over.
                self.asked_late(cx);
                self.abandoned(cx);
            }
            Some(_) if !certain => {
                self.child.refuse(id, (-32603, "several calls may have asked this"), cx);
                self.abandoned(cx);
            }
            Some(call) if self.parks.contains(&call) => {
                self.add_question(call, id, question, cx);
            }
            Some(_) if cx.parked >= cx.config.parked => {
                self.child.refuse(id, (-32603, "too many calls wait for input"), cx);
            }
            Some(_) if !cx.budget.has_room(id.len() + 2 * question.params.len()) => {
                self.child.refuse(id, (-32603, "there is no memory for this question"), cx);
            }
            Some(call) => self.park(call, alloc::vec![(Some(id.into()), question)], cx),
        }
    }

    /// Keeps a question until there is a call whose client can be asked.
    fn hold(&mut self, id: &[u8], question: Question, cx: &mut Context) {
        let held: usize = self.held.iter().map(|(id, question)| size(id, question)).sum();
        let more = size(id, &question);
        if self.held.len() >= limits::QUESTIONS || held + more > limits::REMEMBERED {
            return self.child.refuse(id, (-32603, "too many questions at once"), cx);
        }
        self.held.push((id.into(), question));
        self.account();
    }

    /// Removes and returns the kept questions.
    pub(super) fn take_held(&mut self) -> Vec<(Box<[u8]>, Question)> {
        let held = core::mem::take(&mut self.held);
        self.account();
        held
    }

    /// Whether the client of this request must answer a kept question before the child gets it.
    pub(super) fn needs_input_first(&self, number: StreamId) -> bool {
        let ready = !self.held.is_empty() && matches!(self.mode, Mode::Session(_));
        ready && self.asks.get(&number).is_some_and(|ask| ask.may_ask)
    }

    /// Sends the kept questions to the client of a request.
    pub(super) fn request_input_first(&mut self, number: StreamId, cx: &mut Context) {
        if cx.parked >= cx.config.parked {
            return self.fail(number, &Fault::Parked(cx.config.parked), cx);
        }
        let held = self.take_held();
        let questions = held.into_iter().map(|(id, question)| (Some(id), question)).collect();
        let id = self.child.reserve_id();
        if let Some(park) = self.new_park(number, questions, true, cx) {
            self.request_input(id, number, park, cx);
        }
    }

    /// Ends the client's request with questions and parks the call.
    fn park(
        &mut self,
        id: CallId,
        questions: Vec<(Option<Box<[u8]>>, Question)>,
        cx: &mut Context,
    ) {
        // The stream ends with the questions; its number is not used again.
        let Some(number) = self.child.calls.get(&id).map(|call| call.stream) else { return };
        if let Some(park) = self.new_park(number, questions, false, cx) {
            self.request_input(id, number, park, cx);
        }
    }

    /// An error −32042 ended the call: it is sent again when the client returns.
    pub(super) fn park_for_resend(
        &mut self,
        id: CallId,
        call: &Call,
        questions: Vec<Question>,
        cx: &mut Context,
    ) {
        let questions = questions.into_iter().map(|question| (None, question)).collect();
        if let Some(park) = self.new_park(call.stream, questions, true, cx) {
            self.request_input(id, call.stream, park, cx);
        }
    }

    /// The parked call of a request, with these questions.
    fn new_park(
        &mut self,
        number: StreamId,
        questions: Vec<(Option<Box<[u8]>>, Question)>,
        resend: bool,
        cx: &mut Context,
    ) -> Option<Park> {
        if questions.iter().any(|(_, question)| question.method == ROOTS) {
            // From now on the child's work is for this client.
            self.spend(cx);
        }
        let ask = self.asks.get(&number)?;
        let mut park = Park {
            secret: ask.secret,
            path: Arc::clone(&ask.path),
            digest: ask.digest,
            method: ask.method.clone(),
            open: Vec::new(),
            resend,
            unseen: false,
            early: None,
            asked: 0,
            settles: None,
            due: Deadline::default(),
            share: cx.budget.share(),
        };
        for (child_id, question) in questions {
            park.add(child_id, question);
        }
        Some(park)
    }

    /// Adds a question to a parked call, for the next round.
    fn add_question(&mut self, call: CallId, id: &[u8], question: Question, cx: &mut Context) {
        let Some(park) = self.parks.get_mut(&call) else { return };
        let size = size(id, &question);
        if park.open.len() >= limits::QUESTIONS
            || park.size() + size > cx.config.message
            || !cx.budget.has_room(size)
        {
            return self.child.refuse(id, (-32603, "too many questions at once"), cx);
        }
        let roots = question.method == ROOTS;
        park.add(Some(id.into()), question);
        park.account();
        if roots {
            self.spend(cx);
        }
    }

    /// Answers the client's request with the open questions, and waits.
    fn request_input(&mut self, id: CallId, number: StreamId, mut park: Park, cx: &mut Context) {
        let Mode::Session(description) = &self.mode else { return };
        let state = session_id::text(park.secret, &cx.config);
        let questions = park.open.iter().map(|open| (&*open.key, &open.question));
        let result = downward::input_required(questions, &state, description);
        let when = cx.now.after(cx.config.park);
        cx.timers.set(&mut park.due, when, Wait::Park(self.child.id, id));
        park.account();
        cx.parked += 1;
        self.parks.insert(id, park);
        self.answer_result(number, &result, cx);
    }

    /// The child answers although its question is open: the client gets the answer with its retry.
    pub(super) fn answered_while_parked(
        &mut self,
        id: CallId,
        message: &Message<'_>,
        cx: &mut Context,
    ) {
        let Some(park) = self.parks.get_mut(&id) else { return };
        let (method, open) = (park.method.clone(), core::mem::take(&mut park.open));
        if !open.is_empty() {
            self.asked_late(cx);
        }
        self.decline(&open, cx);
        let text = self.downward_answer(&method, message);
        if text.len() > cx.config.replay || !cx.budget.has_room(text.len()) {
            self.streams.dropped(cx);
            self.drop_park(id, cx);
            return;
        }
        let lacks = self.lacks("elicitation");
        let Some(park) = self.parks.get_mut(&id) else { return };
        if let Some(questions) = downward::url_needed(message) {
            if lacks {
                let fault = Fault::Capability("elicitation");
                park.early = Some((fault.status(), "error", fault.error(&cx.config.remedies)));
                park.account();
                return;
            }
            // The call is over; the client sees the new question when it returns.
            park.resend = true;
            park.unseen = true;
            for question in questions {
                park.add(None, question);
            }
            park.account();
            return;
        }
        let member = if message.result().is_some() { "result" } else { "error" };
        park.early = Some((status_of(message), member, text));
        park.account();
    }

    /// The parked call with these random bits, if it was made at this path.
    pub(crate) fn parked(&self, secret: u128, path: &str) -> Option<CallId> {
        let its = |park: &Park| park.settles.is_none() && park.secret == secret;
        let parked = self.parks.iter().find(|(_, park)| its(park));
        parked.filter(|(_, park)| *park.path == *path).map(|(id, _)| *id)
    }

    /// Whether a call with these random bits waits for input, or may come to wait for it.
    pub(crate) fn has_secret(&self, secret: u128) -> bool {
        let waits = |park: &Park| park.settles.is_none() && park.secret == secret;
        let may_wait = |ask: &ClientRequest| ask.digest != 0 && ask.secret == secret;
        let is_asked = !matches!(self.mode, Mode::Stateless);
        is_asked && (self.parks.values().any(waits) || self.asks.values().any(may_wait))
    }

    /// Removes a parked call from the table.
    pub(super) fn drop_park(&mut self, id: CallId, cx: &mut Context) -> Option<Park> {
        let mut park = self.parks.remove(&id)?;
        cx.parked -= usize::from(park.settles.is_none());
        cx.timers.clear(&mut park.due, Wait::Park(self.child.id, id));
        Some(park)
    }

    /// The client did not return in time: the call is cancelled at the child, and ends.
    pub(super) fn park_due(&mut self, id: CallId, cx: &mut Context) {
        match self.parks.get(&id).map(|park| park.settles) {
            Some(Some(number)) => {
                self.drop_park(id, cx);
                self.send_kept(number, cx);
            }
            Some(None) => self.give_up_park(id, cx),
            None => return,
        }
        if self.child.end_call(id, cx).is_some() {
            self.child.send_cancelled(id, "the client did not answer", cx);
            self.abandoned(cx);
        }
        self.lease.touch(cx);
    }

    /// Sends a kept request.
    fn send_kept(&mut self, number: StreamId, cx: &mut Context) {
        let Some(ask) = self.asks.get_mut(&number) else { return };
        let text = core::mem::take(&mut ask.text);
        if let Ok(message) = Message::parse(&text) {
            self.call_downward(number, &message, cx);
        }
    }

    /// No client will return to a parked call: its open questions are declined.
    pub(super) fn give_up_park(&mut self, id: CallId, cx: &mut Context) {
        if let Some(park) = self.drop_park(id, cx) {
            self.decline(&park.open, cx);
        }
    }

    /// Answers questions without the client's answer. The child may have further ones.
    fn decline(&mut self, open: &[Open], cx: &mut Context) {
        for open in open {
            match &open.asked {
                Some(asked) if open.question.method == "elicitation/create" => {
                    let answer = rpc::response(asked, "result", br#"{"action":"cancel"}"#);
                    self.child.reply(answer, cx);
                }
                Some(asked) => self.child.refuse(asked, (-32603, "the client did not answer"), cx),
                None => continue,
            }
            self.abandoned(cx);
        }
    }
}

#[cfg(debug_assertions)]
impl Worker {
    /// The calls that wait for their clients' input.
    pub(crate) fn waiting_calls(&self) -> usize {
        self.parks.values().filter(|park| park.settles.is_none()).count()
    }
}

#[cfg(debug_assertions)]
impl Park {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        walk.meet("parked call", &self.share, self.size());
    }
}
