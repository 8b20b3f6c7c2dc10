//! One SSE stream of a session, or the single answer that it never became: its events, how many
//! of them are kept for a resume, and which exchange carries it.
//!
//! A stream outlives its exchange. An event goes to one exchange once; only a client that names an
//! event it has seen gets those after it again.

mod end;

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::api::response::{self, Body, Response};
use crate::codec::message::Message;
use crate::codec::sse;
use crate::context::Context;
use crate::context::budget::Kept;
use crate::context::carrier::{Phase, Reply};
use crate::context::timers::{Deadline, Wait};
use crate::http::fault::Fault;
use crate::stream::at::{At, Held, Rest};
use crate::stream::event::{EVENT, Event};

/// The number that stands for no call's stream: what goes there reaches the newest GET stream, or
/// waits for one.
pub(crate) const STANDING: u64 = 0;

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) reply: Option<Reply>,
    /// Whether GET opened it, for what belongs to no call. It never ends by itself.
    pub(crate) is_get: bool,
    /// Answers that are still to come.
    pub(crate) pending: usize,
    /// Of a batch, the answers that came while undecided.
    held: Option<Vec<Kept>>,
    /// Whether the peer may know an event id, so that it can resume.
    pub(crate) resumable: bool,
    events: VecDeque<Event>,
    /// How many of them, the oldest, were handed to an exchange and not asked for again.
    sent: usize,
    /// How many ever were handed to one.
    told: usize,
    places: u64,
    /// Since when it is ended, if it was not resumed since.
    pub(crate) ended: Option<Instant>,
    due: Deadline,
}

impl Stream {
    /// A stream on which that many answers are to come.
    pub(crate) fn new(reply: Reply, pending: usize, batch: bool) -> Self {
        let held = batch.then(Vec::new);
        Self { reply: Some(reply), pending, held, ..Self::default() }
    }

    /// A stream of GET, with the exchange that carries it.
    pub(crate) fn get(reply: Option<Reply>) -> Self {
        Self { reply, is_get: true, ..Self::default() }
    }

    /// Whether a message that is no answer can go onto it now.
    pub(crate) fn carries(&self) -> bool {
        match &self.reply {
            Some(reply) => reply.phase == Phase::Open || self.undecided() && reply.accept.sse,
            None => self.resumable && self.pending > 0,
        }
    }

    /// Whether a message that goes onto it now goes to a client that is there.
    pub(crate) fn reaches(&self) -> bool {
        self.reply.is_some() && self.carries()
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_alive(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.phase != Phase::Over)
    }

    /// Whether its reader takes JSON, and whether it takes an event stream.
    fn accepts(&self) -> (bool, bool) {
        self.reply.as_ref().map_or((false, false), |reply| (reply.accept.json, reply.accept.sse))
    }

    fn undecided(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.phase == Phase::Undecided)
    }

    /// Whether nothing of it is left to send, to keep or to wait for.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_ended() && self.events.is_empty() && !self.resumable
    }

    /// Whether it only waits to be resumed or forgotten.
    pub(crate) fn is_ended(&self) -> bool {
        self.reply.is_none() && self.pending == 0
    }

    fn answers(&self) -> usize {
        self.held.iter().flatten().map(|answer| answer.len()).sum()
    }

    /// Becomes a stream after `wait`, if nothing is decided then.
    pub(crate) fn promote_after(&mut self, wait: core::time::Duration, at: At, cx: &mut Context) {
        if let Some(reply) =
            self.reply.as_mut().filter(|r| r.accept.sse && r.phase == Phase::Undecided)
        {
            let when = cx.now.after(wait);
            reply.promote = Some(when);
            cx.timers.set(&mut self.due, when, Wait::Stream(at.pipe, at.number));
        }
    }

    /// Sends the head of the stream, and what opens it.
    fn open(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        self.open_head(at, cx);
        self.prime(at, held, cx);
        for answer in self.held.take().into_iter().flatten() {
            self.event(answer.into_bytes().into(), at, held, cx);
        }
        self.rearm(at, cx);
    }

    fn open_head(&mut self, at: At, cx: &mut Context) {
        let Some(reply) = self.reply.as_mut().filter(|r| r.phase == Phase::Undecided) else {
            return;
        };
        reply.phase = Phase::Open;
        reply.spoke = cx.now;
        let mut response = response::stream();
        at.tell_session(&mut response, cx);
        let exchange = reply.exchange;
        let origin = reply.origin.take();
        cx.respond(exchange, origin.as_deref(), response);
    }

    /// Gives the peer an event id before there is an event.
    fn prime(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        if at.style.primed {
            self.places += 1;
            let id = at.event_id(self.places);
            let mut first = Vec::new();
            sse::prime(id, cx.config.retry.as_millis(), &mut first);
            self.resumable = true;
            self.send(first, at, held, cx);
        }
    }

    /// Hands bytes to the exchange.
    fn send(&mut self, bytes: Vec<u8>, at: At, held: &mut Held, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        reply.give(bytes.len(), cx.now);
        if !self.is_get {
            held.unread += bytes.len();
        }
        let next = reply.spoke.after(cx.config.keep_alive).min(cx.now.after(cx.config.stall));
        cx.timers.no_later(&mut self.due, next, Wait::Stream(at.pipe, at.number));
        cx.push(Output::Send { exchange: reply.exchange, bytes });
    }

    /// Puts a message onto the stream, opening it if it was undecided. One that is given away is
    /// not copied if it need not be there twice.
    pub(crate) fn event(&mut self, data: Cow<'_, [u8]>, at: At, held: &mut Held, cx: &mut Context) {
        if self.undecided() {
            self.open(at, held, cx);
        }
        self.places += 1;
        let place = self.places;
        self.resumable |= at.style.ids;
        if !self.has_unsent() && self.takes(cx) {
            if at.style.ids && data.len() + EVENT <= cx.config.replay {
                self.keep(Event { place, data: data.to_vec() }, held);
                self.sent += 1;
                self.told = self.told.max(self.sent);
            }
            self.send(sse::event(at.id(place), data), at, held, cx);
        } else {
            self.keep(Event { place, data: data.into_owned() }, held);
        }
    }

    fn keep(&mut self, event: Event, held: &mut Held) {
        held.kept.hold(held.kept.size() + event.size());
        self.events.push_back(event);
    }

    /// Whether the exchange takes a further event now.
    fn takes(&self, cx: &Context) -> bool {
        self.reply.as_ref().is_some_and(|reply| {
            reply.phase == Phase::Open && (!self.is_get || reply.waiting() < cx.config.queue)
        })
    }

    /// Hands over what waits, as far as the exchange takes it.
    pub(crate) fn pump(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        while self.has_unsent() && self.takes(cx) {
            let event = &self.events[self.sent];
            let bytes = sse::event(at.id(event.place), Cow::Borrowed(&event.data));
            self.sent += 1;
            self.told = self.told.max(self.sent);
            self.send(bytes, at, held, cx);
        }
    }

    /// Whether something waits for an exchange.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.events.len()
    }

    /// Takes away what waits for an exchange and was given to none before, in its order.
    pub(crate) fn take_unsent(&mut self, held: &mut Held) -> impl Iterator<Item = Vec<u8>> {
        let unsent = self.events.split_off(self.sent.max(self.told));
        let size = unsent.iter().map(Event::size).sum::<usize>();
        held.kept.hold(held.kept.size() - size);
        unsent.into_iter().map(|event| event.data)
    }

    /// Delivers the answer to a call of this stream; the status is for one that is not a stream.
    pub(crate) fn answer(
        &mut self,
        data: Vec<u8>,
        status: u16,
        at: At,
        held: &mut Held,
        cx: &mut Context,
    ) {
        self.pending = self.pending.saturating_sub(1);
        let (json, sse) = self.accepts();
        // The answers to a batch are held until all are there: as much as one message may be.
        let limit = cx.config.message;
        let outgrown = self.held.is_some() && self.answers() + data.len() > limit;
        if self.undecided() && json && !(outgrown && sse) {
            match &mut self.held {
                None => self.whole(response::json(status, data), at, held, cx),
                Some(answers) => {
                    let kept = if outgrown { too_long(&data, limit) } else { data };
                    answers.push(cx.budget.keep(kept));
                    if self.pending == 0 {
                        let all = core::mem::take(answers);
                        self.batch(&all, at, held, cx);
                    }
                }
            }
            return;
        }
        if self.reply.is_none() && !self.resumable {
            // Its client left before it knew an event id: nobody can ask for this.
            return held.drop_one(cx);
        }
        self.event(data.into(), at, held, cx);
        if self.pending == 0 {
            self.finish(at, cx);
        }
    }

    /// Fails a call: with that response if nothing is sent yet, else with its content.
    pub(crate) fn fail(&mut self, response: Response, at: At, held: &mut Held, cx: &mut Context) {
        match response {
            response if self.undecided() && self.accepts().0 && self.held.is_none() => {
                self.pending = self.pending.saturating_sub(1);
                self.whole(response, at, held, cx);
            }
            Response { status, body: Body::Whole(data), .. } => {
                self.answer(data, status, at, held, cx);
            }
            Response { body: Body::Stream, .. } => {}
        }
    }

    /// One answer less is to come. An exchange that waits for none ends, without a message if it
    /// has carried none: as an event stream if its client takes one.
    pub(crate) fn cancel(&mut self, at: At, held: &mut Held, cx: &mut Context) {
        self.pending = self.pending.saturating_sub(1);
        if self.pending > 0 {
            return;
        }
        let answers = self.held.take_if(|answers| !answers.is_empty());
        match answers {
            Some(answers) if self.undecided() => self.batch(&answers, at, held, cx),
            _ if self.undecided() && !self.accepts().1 => {
                self.whole(response::empty(202), at, held, cx);
            }
            _ => {
                self.open_head(at, cx);
                self.finish(at, cx);
            }
        }
    }

    /// Answers a batch with all its answers.
    fn batch(&mut self, answers: &[Kept], at: At, held: &mut Held, cx: &mut Context) {
        let all = answers.iter().map(|answer| &**answer).collect::<Vec<_>>().join(&b',');
        let body = [b"[", &all[..], b"]"].concat();
        self.whole(response::json(200, body), at, held, cx);
    }

    /// Answers with one whole response.
    pub(crate) fn whole(
        &mut self,
        mut response: Response,
        at: At,
        held: &mut Held,
        cx: &mut Context,
    ) {
        let Some(reply) = &mut self.reply else { return };
        at.tell_session(&mut response, cx);
        if let Body::Whole(body) = &response.body {
            reply.give(body.len(), cx.now);
            held.unread += body.len();
        }
        let exchange = reply.exchange;
        let origin = reply.origin.take();
        cx.respond(exchange, origin.as_deref(), response);
        self.over(at, cx);
    }

    /// The peer took so many bytes.
    pub(crate) fn taken(&mut self, bytes: usize, at: At, held: &mut Held, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        let bytes = reply.take(bytes, cx.now);
        if !self.is_get {
            held.unread -= bytes;
        }
        if reply.phase == Phase::Over && reply.waiting() == 0 {
            self.await_delivery(at, cx);
        } else {
            self.pump(at, held, cx);
        }
    }

    /// Gives the stream to a new exchange. After `after`, if it is given, every kept event is sent
    /// again; otherwise what was not sent.
    pub(crate) fn attach(
        &mut self,
        reply: Reply,
        after: Option<u64>,
        at: At,
        held: &mut Held,
        cx: &mut Context,
    ) {
        if self.reply.as_ref().is_some_and(|old| old.waiting() == 0) {
            self.finish(at, cx);
        } else {
            self.abort(at, held, cx);
        }
        if let Some(after) = after {
            self.sent = self.events.partition_point(|event| event.place <= after);
        }
        self.reply = Some(reply);
        self.ended = None;
        self.open_head(at, cx);
        if after.is_none() {
            self.prime(at, held, cx);
        }
        self.pump(at, held, cx);
        self.rearm(at, cx);
        if self.pending == 0 && !self.is_get {
            self.finish(at, cx);
        }
    }

    /// What is left of the stream after the event of that place.
    pub(crate) fn rest(&self, place: u64) -> Rest {
        match self.events.back() {
            _ if !self.resumable || place > self.places => Rest::Unknown,
            _ if self.pending > 0 || self.is_get => Rest::Stream,
            Some(last) if last.place > place => Rest::Stream,
            _ if place == self.places => Rest::Nothing,
            _ => Rest::Unknown,
        }
    }

    /// Drops the oldest event that is kept. False if there is none.
    pub(crate) fn drop_oldest(&mut self, held: &mut Held, cx: &mut Context) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        held.kept.hold(held.kept.size() - event.size());
        if self.sent == 0 {
            held.overflowed = true;
            held.drop_one(cx);
        }
        self.sent = self.sent.saturating_sub(1);
        self.told = self.told.saturating_sub(1);
        true
    }

    /// Bytes that its reader has not taken.
    pub(crate) fn waiting(&self) -> usize {
        self.reply.as_ref().map_or(0, Reply::waiting)
    }

    /// How many events are kept.
    pub(crate) fn kept(&self) -> usize {
        self.events.len()
    }

    /// The stream's wait is due: promotes it, keeps it alive, or gives up on its peer. False if
    /// the peer was given up.
    pub(crate) fn tick(&mut self, at: At, held: &mut Held, cx: &mut Context) -> bool {
        self.due.spend();
        let Some(reply) = &self.reply else {
            return true;
        };
        if reply.waiting() > 0 && reply.moved.after(cx.config.stall) <= cx.now {
            self.cut(at, held, cx);
            return false;
        }
        match reply.phase {
            Phase::Undecided => self.open(at, held, cx),
            Phase::Open if reply.spoke.after(cx.config.keep_alive) <= cx.now => {
                self.send(sse::COMMENT.to_vec(), at, held, cx);
            }
            Phase::Open | Phase::Over => {}
        }
        self.rearm(at, cx);
        true
    }

    pub(crate) fn rearm(&mut self, at: At, cx: &mut Context) {
        let Some(reply) = &self.reply else { return };
        let stall = (reply.waiting() > 0).then(|| reply.moved.after(cx.config.stall));
        let speak = match reply.phase {
            Phase::Undecided => reply.promote,
            Phase::Open => Some(reply.spoke.after(cx.config.keep_alive)),
            Phase::Over => None,
        };
        // An earlier wait, for what is decided by now, looks again when it is due.
        if let Some(next) = stall.into_iter().chain(speak).min() {
            cx.timers.no_later(&mut self.due, next, Wait::Stream(at.pipe, at.number));
        }
    }
}

/// What stands for an answer that a batch has no room for.
fn too_long(answer: &[u8], limit: usize) -> Vec<u8> {
    let message = Message::parse(answer);
    Fault::AnswersTooLong(limit).message(message.as_ref().ok().and_then(Message::id))
}
