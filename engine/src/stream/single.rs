//! One SSE stream of a session, or the single answer in its place: its events, those kept for a
//! resume, and the exchange that carries it.
//!
//! A stream outlives its exchange. Each event is sent to one exchange once; it is resent only to a
//! client that resumes from an earlier event.

mod end;
mod wait;

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::instant::Instant;
use crate::api::response::{self, Body, Response};
use crate::api::rule::Remedies;
use crate::codec::message::Message;
use crate::codec::sse;
use crate::context::Context;
use crate::context::budget::Kept;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::{Common, Phase, Reply};
use crate::context::ids::StreamId;
use crate::context::timers::Deadline;
use crate::http::fault::Fault;
use crate::stream::at::{At, Held, Rest};
use crate::stream::event::{EVENT, Event};

/// The stream number of messages that belong to no call: they go to the newest GET stream, or wait
/// for one.
pub(super) const UNCLAIMED: StreamId = StreamId(0);

#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) reply: Option<Reply>,
    /// Whether it is a GET stream, for messages that belong to no call. It has no end of its own.
    pub(crate) is_get: bool,
    /// Answers still expected.
    pub(crate) pending: usize,
    /// The answers to a batch that arrived while undecided.
    held: Option<Vec<Kept>>,
    /// Whether the client may know an event id, so that it can resume.
    pub(crate) resumable: bool,
    events: VecDeque<Event>,
    /// The number of events, from the oldest, that were sent to an exchange and not requested
    /// again.
    sent: usize,
    /// The number of events, from the oldest, that were sent at least once.
    ever_sent: usize,
    places: u64,
    /// When it ended, if it was not resumed since.
    pub(crate) ended: Option<Instant>,
    due: Deadline,
}

impl Stream {
    /// A stream that expects this many answers.
    pub(crate) fn new(reply: Reply, pending: usize, batch: bool) -> Self {
        let held = batch.then(Vec::new);
        Self { reply: Some(reply), pending, held, ..Self::default() }
    }

    /// A GET stream, with the exchange that carries it.
    pub(crate) fn get(reply: Option<Reply>) -> Self {
        Self { reply, is_get: true, ..Self::default() }
    }

    /// Whether a message other than an answer can go on it now.
    pub(crate) fn carries(&self) -> bool {
        match &self.reply {
            Some(reply) => reply.phase == Phase::Open || self.undecided() && reply.accept.sse,
            None => self.resumable && self.pending > 0,
        }
    }

    /// Whether a message put on it now reaches a connected client.
    pub(crate) fn reaches(&self) -> bool {
        self.reply.is_some() && self.carries()
    }

    /// Whether a client waits for it.
    pub(crate) fn is_alive(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.phase != Phase::Over)
    }

    /// Whether the client accepts JSON, and whether it accepts an event stream.
    fn accepts(&self) -> (bool, bool) {
        self.reply.as_ref().map_or((false, false), |reply| (reply.accept.json, reply.accept.sse))
    }

    fn undecided(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.phase == Phase::Undecided)
    }

    /// Whether nothing of it is left to send or keep, once it has ended.
    pub(crate) fn is_spent(&self) -> bool {
        self.events.is_empty() && !self.resumable
    }

    /// Whether it only waits to be resumed or removed.
    pub(crate) fn is_ended(&self) -> bool {
        self.reply.is_none() && self.pending == 0
    }

    fn answers(&self) -> usize {
        self.held.iter().flatten().map(|answer| answer.len()).sum()
    }

    /// Sends the response head and the first bytes of the event stream.
    fn open(&mut self, at: &mut At<'_>, cx: &mut Context) {
        self.open_head(at, cx);
        self.prime(at, cx);
        for answer in self.held.take().into_iter().flatten() {
            self.event(answer.into_bytes().into(), at, cx);
        }
        self.rearm(at, cx);
    }

    fn open_head(&mut self, at: &At<'_>, cx: &mut Context) {
        let Some(reply) = self.reply.as_mut().filter(|r| r.phase == Phase::Undecided) else {
            return;
        };
        reply.phase = Phase::Open;
        reply.spoke = cx.now;
        let mut response = response::stream();
        at.add_session_id(&mut response, cx);
        let exchange = reply.exchange;
        let origin = reply.take_origin();
        cx.respond(exchange, origin.as_deref(), response);
    }

    /// Sends the response head, and bytes that come before all messages.
    pub(crate) fn begin(&mut self, first: Vec<u8>, at: &mut At<'_>, cx: &mut Context) {
        self.open(at, cx);
        self.send(first, at, cx);
    }

    /// Sends an event id before there is an event, so that the client can resume.
    fn prime(&mut self, at: &mut At<'_>, cx: &mut Context) {
        if at.style.primed {
            self.places += 1;
            let id = at.event_id(self.places);
            let mut first = Vec::new();
            sse::prime(id, cx.config.retry.as_millis(), &mut first);
            self.resumable = true;
            self.send(first, at, cx);
        }
    }

    /// Sends bytes to the exchange.
    fn send(&mut self, bytes: Vec<u8>, at: &mut At<'_>, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        if !self.is_get {
            at.held.unread += bytes.len();
        }
        reply.send(bytes, cx);
        self.wait_for_reader(at, cx);
    }

    /// Puts a message on the stream, and opens the stream if it was undecided. Owned data is copied
    /// only if it is also kept.
    pub(crate) fn event(&mut self, data: Cow<'_, [u8]>, at: &mut At<'_>, cx: &mut Context) {
        if self.undecided() {
            self.open(at, cx);
        }
        self.places += 1;
        let place = self.places;
        self.resumable |= at.style.ids;
        if !self.has_unsent() && self.is_writable(cx) {
            if at.style.ids && data.len() + EVENT <= cx.config.replay {
                self.keep(Event { place, data: data.to_vec() }, at.held);
                self.sent += 1;
                self.ever_sent = self.ever_sent.max(self.sent);
            }
            self.send(sse::event(at.id(place), data), at, cx);
        } else {
            self.keep(Event { place, data: data.into_owned() }, at.held);
        }
    }

    /// Puts a message that others get as well onto an open stream of a request that keeps no
    /// events, with this id.
    pub(crate) fn common_event(
        &mut self,
        common: &Arc<Common>,
        id: &[u8],
        at: &mut At<'_>,
        cx: &mut Context,
    ) {
        let Some(reply) = &mut self.reply else { return };
        debug_assert!(reply.phase == Phase::Open && !at.style.ids && !self.is_get);
        at.held.unread += reply.send_common(common, id, cx);
        self.wait_for_reader(at, cx);
    }

    fn keep(&mut self, mut event: Event, held: &mut Held) {
        event.data.shrink_to_fit();
        held.kept.hold(held.kept.size() + event.size());
        self.events.push_back(event);
    }

    /// Whether the exchange has room for another event now.
    fn is_writable(&self, cx: &Context) -> bool {
        self.reply.as_ref().is_some_and(|reply| {
            reply.phase == Phase::Open && (!self.is_get || reply.waiting() < cx.config.queue)
        })
    }

    /// Sends waiting events as far as the exchange has room.
    pub(crate) fn pump(&mut self, at: &mut At<'_>, cx: &mut Context) {
        while self.has_unsent() && self.is_writable(cx) {
            let event = &self.events[self.sent];
            let bytes = sse::event(at.id(event.place), Cow::Borrowed(&event.data));
            self.sent += 1;
            self.ever_sent = self.ever_sent.max(self.sent);
            self.send(bytes, at, cx);
        }
    }

    /// Whether an event waits for an exchange.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.events.len()
    }

    /// Removes the events that were never sent, in order.
    pub(crate) fn take_unsent(&mut self, held: &mut Held) -> impl Iterator<Item = Vec<u8>> {
        let unsent = self.events.split_off(self.sent.max(self.ever_sent));
        let size = unsent.iter().map(Event::size).sum::<usize>();
        held.kept.hold(held.kept.size() - size);
        unsent.into_iter().map(|event| event.data)
    }

    /// Delivers the answer to a call of this stream; `status` applies if the answer is a single
    /// response.
    pub(crate) fn answer(&mut self, data: Vec<u8>, status: u16, at: &mut At<'_>, cx: &mut Context) {
        self.pending = self.pending.saturating_sub(1);
        let (json, sse) = self.accepts();
        // Answers to a batch are held until all have arrived: together, at most the size of one
        // message.
        let limit = cx.config.message;
        let outgrown = self.held.is_some() && self.answers() + data.len() > limit;
        if self.undecided() && json && !(outgrown && sse) {
            match &mut self.held {
                None => self.whole(response::json(status, data), at, cx),
                Some(answers) => {
                    let kept =
                        if outgrown { too_long(&data, limit, &cx.config.remedies) } else { data };
                    answers.push(cx.budget.keep(kept));
                    if self.pending == 0 {
                        let all = core::mem::take(answers);
                        self.batch(&all, at, cx);
                    }
                }
            }
            return;
        }
        if self.reply.is_none() && !self.resumable {
            // The client left before it knew an event id, so no one can resume for this answer.
            return at.held.drop_one(cx);
        }
        self.event(data.into(), at, cx);
        if self.pending == 0 {
            self.finish(at, cx);
        }
    }

    /// Fails a call: with this response if nothing is sent yet, otherwise with its content as an
    /// event.
    pub(crate) fn fail(&mut self, response: Response, at: &mut At<'_>, cx: &mut Context) {
        match response {
            response if self.undecided() && self.accepts().0 && self.held.is_none() => {
                self.pending = self.pending.saturating_sub(1);
                self.whole(response, at, cx);
            }
            Response { status, body: Body::Whole(data), .. } => {
                self.answer(data, status, at, cx);
            }
            Response { body: Body::Stream, .. } => {}
        }
    }

    /// Expects one answer less. An exchange that expects no more answers ends, without a message if
    /// it carried none: as an event stream if its client accepts one.
    pub(crate) fn cancel(&mut self, at: &mut At<'_>, cx: &mut Context) {
        self.pending = self.pending.saturating_sub(1);
        if self.pending > 0 {
            return;
        }
        let answers = self.held.take_if(|answers| !answers.is_empty());
        match answers {
            Some(answers) => self.batch(&answers, at, cx),
            _ if self.undecided() && !self.accepts().1 => {
                self.whole(response::empty(202), at, cx);
            }
            _ => {
                self.open_head(at, cx);
                self.finish(at, cx);
            }
        }
    }

    /// Answers a batch with all its answers.
    fn batch(&mut self, answers: &[Kept], at: &mut At<'_>, cx: &mut Context) {
        let all = answers.iter().map(|answer| &**answer).collect::<Vec<_>>().join(&b',');
        let body = [b"[", &all[..], b"]"].concat();
        self.whole(response::json(200, body), at, cx);
    }

    /// Answers with one complete response.
    pub(crate) fn whole(&mut self, mut response: Response, at: &mut At<'_>, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        at.add_session_id(&mut response, cx);
        if let Body::Whole(body) = &response.body {
            reply.give(body.len(), cx.now);
            at.held.unread += body.len();
        }
        let exchange = reply.exchange;
        let origin = reply.take_origin();
        cx.respond(exchange, origin.as_deref(), response);
        self.over(at, cx);
    }

    /// The client has read this many bytes.
    pub(crate) fn taken(&mut self, bytes: usize, at: &mut At<'_>, cx: &mut Context) {
        let Some(reply) = &mut self.reply else { return };
        let bytes = reply.take(bytes, cx);
        if !self.is_get {
            at.held.unread -= bytes;
        }
        if reply.phase == Phase::Over && reply.waiting() == 0 {
            self.await_delivery(at, cx);
        } else {
            self.pump(at, cx);
        }
    }

    /// Attaches a new exchange. With `after`, every kept event after that one is resent; otherwise
    /// only unsent events are sent.
    pub(crate) fn attach(
        &mut self,
        reply: Reply,
        after: Option<u64>,
        at: &mut At<'_>,
        cx: &mut Context,
    ) {
        if self.reply.as_ref().is_some_and(|old| old.waiting() == 0) {
            self.finish(at, cx);
        } else {
            self.abort(at, cx);
        }
        if let Some(after) = after {
            self.sent = self.events.partition_point(|event| event.place <= after);
        }
        self.reply = Some(reply);
        self.ended = None;
        self.open_head(at, cx);
        if after.is_none() {
            self.prime(at, cx);
        }
        self.pump(at, cx);
        self.rearm(at, cx);
        if self.pending == 0 && !self.is_get {
            self.finish(at, cx);
        }
    }

    /// What is left of the stream after the event with this number.
    pub(crate) fn rest(&self, place: u64) -> Rest {
        match self.events.back() {
            _ if !self.resumable || place > self.places => Rest::Unknown,
            _ if self.pending > 0 || self.is_get => Rest::Stream,
            Some(last) if last.place > place => Rest::Stream,
            _ if place == self.places => Rest::Nothing,
            _ => Rest::Unknown,
        }
    }

    /// Drops the oldest kept event. Returns false if there is none.
    pub(crate) fn drop_oldest(&mut self, held: &mut Held, cx: &mut Context) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        held.kept.hold(held.kept.size() - event.size());
        if self.sent == 0 {
            held.overflowed = true;
            held.drop_one(cx);
        }
        self.sent = self.sent.saturating_sub(1);
        self.ever_sent = self.ever_sent.saturating_sub(1);
        true
    }

    /// Bytes that the client has not read.
    pub(crate) fn waiting(&self) -> usize {
        self.reply.as_ref().map_or(0, Reply::waiting)
    }

    /// The number of kept events.
    pub(crate) fn kept(&self) -> usize {
        self.events.len()
    }
}

/// Replaces an answer for which a batch has no room.
fn too_long(answer: &[u8], limit: usize, remedies: &Remedies) -> Vec<u8> {
    let message = Message::parse(answer);
    let id = message.as_ref().ok().and_then(Message::id);
    Fault::AnswersTooLong(limit).message(id, remedies)
}

#[cfg(debug_assertions)]
impl Stream {
    /// Compares what it counts with what it has, and returns the bytes of its kept events.
    pub(super) fn walk(&self, walk: &mut Walk) -> usize {
        self.reply.iter().for_each(|reply| reply.walk(walk));
        self.held.iter().flatten().for_each(|answer| walk.meet_kept("answer", answer));
        self.events.iter().map(Event::size).sum()
    }
}
