//! Rounds of a session's call at a child of 2026-07-28: the child requires input instead of giving
//! an answer, the client gets real requests on the call's stream, and the call is sent again with
//! its responses (MCP 2026-07-28 "Multi Round-Trip Requests").

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use super::crossing::Crossing;
use crate::api::limits;
use crate::child::{Call, Child};
use crate::codec::message::Message;
use crate::codec::object::{self, Object};
use crate::codec::rpc;
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::ids::{CallId, StreamId};
use crate::context::timers::{Deadline, Wait};
use crate::dialect::upward;
use crate::http::fault::Fault;

/// Most rounds of one call. Clients of the stateless era stop after the same number.
const ROUNDS: u32 = 10;

/// The delay before the next round of a child that requires no input but another call. It doubles
/// each round, up to 8 s (MCP 2026-07-28 "Multi Round-Trip Requests": load shedding).
const PACE: Duration = Duration::from_millis(250);
const PACE_DOUBLINGS: u32 = 5;

/// The prefix of the ids of the bridge's requests to a client. No child's id has it.
const ASKED: &str = "bridge-";

/// A call at the child, for as long as its client waits.
#[derive(Debug)]
pub(super) struct Round {
    method: String,
    params: Vec<u8>,
    rounds: u32,
    /// The highest progress sent so far, over all rounds (MCP "Progress": it must increase).
    pub(super) progress: f64,
    open: Vec<Question>,
    state: Option<Vec<u8>>,
    /// When the child is called again, if it required nothing else.
    due: Deadline,
    share: Share,
}

/// A request to the client in a round.
#[derive(Debug)]
struct Question {
    key: String,
    /// The number of the bridge's request to the client.
    asked: u64,
    method: String,
    answer: Option<Vec<u8>>,
}

impl Round {
    fn account(&mut self) {
        self.share.hold(self.size());
    }

    fn size(&self) -> usize {
        let question = |question: &Question| {
            question.key.len()
                + question.method.len()
                + question.answer.as_ref().map_or(0, Vec::len)
        };
        let asked: usize = self.open.iter().map(question).sum();
        self.method.len() + self.params.len() + self.state.as_ref().map_or(0, Vec::len) + asked
    }
}

impl Crossing {
    fn kept(&self) -> usize {
        self.rounds.values().map(Round::size).sum()
    }

    /// Whether it can keep this many more bytes of calls that may have to be repeated: together,
    /// they have the size of one message.
    pub(super) fn keeps(&self, more: usize, limit: usize) -> bool {
        let held = self.kept();
        held == 0 || held + more <= limit
    }
}

impl Session {
    pub(super) fn call_across(
        &mut self,
        number: StreamId,
        message: &Message<'_>,
        cx: &mut Context,
    ) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        let mut round = Round {
            method: message.method().unwrap_or_default().into_owned(),
            params: message.params().unwrap_or(b"{}").to_vec(),
            rounds: 0,
            progress: f64::NEG_INFINITY,
            open: Vec::new(),
            state: None,
            due: Deadline::default(),
            share: cx.budget.share(),
        };
        round.account();
        crossing.send(
            Call::of(message, number),
            round,
            &upward::Round::default(),
            &mut self.child,
            cx,
        );
    }

    /// Handles the client's response to a request that the bridge sent for the child.
    pub(super) fn answered_by_client(&mut self, message: &Message<'_>, cx: &mut Context) {
        let asked = message.id().and_then(object::string);
        let asked = asked.and_then(|id| id.strip_prefix(ASKED)?.parse::<u64>().ok());
        let (Some(asked), Some(crossing)) = (asked, self.phase.crossing_mut()) else { return };
        let open = |round: &&mut Round| round.open.iter().any(|question| question.asked == asked);
        let Some((call, round)) = crossing
            .rounds
            .iter_mut()
            .map(|(call, round)| (*call, round))
            .find(|(_, round)| open(round))
        else {
            return;
        };
        let Some(entry) = round.open.iter_mut().find(|question| question.asked == asked) else {
            return;
        };
        let answer = upward::answer(&entry.method, message);
        let declined = answer.is_none();
        entry.answer = Some(answer.unwrap_or_default().into_owned());
        round.account();
        if declined {
            return self.fail(call, &Fault::Declined, cx);
        }
        if round.open.iter().all(|question| question.answer.is_some()) {
            self.next_round(call, cx);
        }
    }

    /// Sends the call again to a child that only required time.
    pub(super) fn round_due(&mut self, id: CallId, cx: &mut Context) {
        let round = self.phase.crossing_mut().and_then(|crossing| crossing.rounds.get_mut(&id));
        if let Some(round) = round {
            round.due.spend();
            self.next_round(id, cx);
        }
    }

    /// Calls the child again, with all responses of the client.
    fn next_round(&mut self, id: CallId, cx: &mut Context) {
        let Some(crossing) = self.phase.crossing_mut() else { return };
        let (Some(mut round), Some(call)) =
            (crossing.rounds.remove(&id), self.child.end_call(id, cx))
        else {
            return;
        };
        let mut answers = Object::default();
        for question in core::mem::take(&mut round.open) {
            answers.set(&question.key, question.answer.unwrap_or_default());
        }
        let answers = (!answers.is_empty()).then(|| answers.text());
        let with = upward::Round { answers, state: round.state.take() };
        round.rounds += 1;
        round.account();
        crossing.send(call, round, &with, &mut self.child, cx);
    }

    /// Sends the child's requests to the client, on the call's own stream.
    pub(super) fn request_input(&mut self, id: CallId, wanted: upward::Wanted, cx: &mut Context) {
        let stream = self.child.calls.get(&id).map(|call| call.stream);
        let limit = cx.config.message;
        let fits =
            self.phase.crossing().is_some_and(|crossing| crossing.keeps(wanted.size(), limit))
                && cx.budget.has_room(wanted.size());
        let round = self.phase.crossing_mut().and_then(|crossing| {
            let last = &mut crossing.last_asked;
            crossing.rounds.get_mut(&id).map(|round| (round, last))
        });
        let (Some(stream), Some((round, last))) = (stream, round) else {
            return self.streams.dropped(cx);
        };
        if !round.open.is_empty() {
            // The client has these requests already: this is a second answer to one call.
            return self.streams.dropped(cx);
        }
        if round.rounds >= ROUNDS {
            return self.fail(id, &Fault::Rounds(ROUNDS), cx);
        }
        if !fits || wanted.questions.len() > limits::QUESTIONS {
            return self.fail(id, &Fault::Questions, cx);
        }
        round.state = wanted.state;
        let mut requests = Vec::new();
        for (key, method, params) in wanted.questions {
            *last += 1;
            let asked = format!("{ASKED}{last}");
            let params = upward::question(&method, &params, &asked);
            let asked = object::quoted(&asked);
            requests.push(rpc::request(Some(&asked), &method, params));
            round.open.push(Question { key, asked: *last, method, answer: None });
        }
        round.account();
        if requests.is_empty() {
            // The child sheds load: it wants to be called again later.
            let when = cx.now.after(PACE * (1 << round.rounds.min(PACE_DOUBLINGS)));
            cx.timers.set(&mut round.due, when, Wait::Park(self.child.id, id));
            return;
        }
        for request in requests {
            self.put_for_call(stream, request, cx);
        }
    }

    /// Whether the child has yet to answer this call: not while it waits for the client's input.
    pub(super) fn is_at_child(&self, id: CallId) -> bool {
        self.phase.crossing().is_none_or(|crossing| crossing.is_at_child(id))
    }

    /// Ends the rounds of a call on this stream, and cancels open requests to its client (MCP
    /// "Cancellation"). Returns the call's method.
    pub(super) fn end_rounds(
        &mut self,
        id: CallId,
        stream: StreamId,
        cx: &mut Context,
    ) -> Option<String> {
        let mut round = self.phase.crossing_mut()?.rounds.remove(&id)?;
        cx.timers.clear(&mut round.due, Wait::Park(self.child.id, id));
        for question in round.open.iter().filter(|question| question.answer.is_none()) {
            let params = format!(
                r#"{{"requestId":"{ASKED}{}","reason":"the call is over"}}"#,
                question.asked
            );
            let data = rpc::request(None, "notifications/cancelled", params.as_bytes());
            self.put_for_call(stream, data, cx);
        }
        Some(round.method)
    }

    /// Puts a message of a call on its stream, or on the GET stream if that one accepts no more.
    fn put_for_call(&mut self, stream: StreamId, data: Vec<u8>, cx: &mut Context) {
        let number = Some(stream).filter(|_| self.streams.carries(Some(stream)));
        self.streams.put(number, data, cx);
    }
}

impl Crossing {
    /// Sends a call to the child, with all metadata that it needs.
    fn send(
        &mut self,
        call: Call,
        round: Round,
        with: &upward::Round,
        child: &mut Child,
        cx: &mut Context,
    ) {
        let mut digits = itoa::Buffer::new();
        let own = child.next_id().digits(&mut digits);
        let text = self.client.request(&round.method, &round.params, own, self.log_level, with);
        let id = child.enter(call, cx);
        child.send(text, cx);
        self.rounds.insert(id, round);
    }

    /// Whether the child has yet to answer this call: not while it waits for the client's input.
    pub(super) fn is_at_child(&self, id: CallId) -> bool {
        let round = self.rounds.get(&id);
        round.is_none_or(|round| round.open.is_empty() && !round.due.is_set())
    }
}

#[cfg(debug_assertions)]
impl Round {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        walk.meet("round", &self.share, self.size());
    }
}
