//! All streams of one front, a session or a shared child, and what they may keep together.
//!
//! Each message goes through here onto exactly one stream; here the bound on what is kept is held,
//! at the cost of the stream that grew first.

mod listeners;

use alloc::vec::Vec;

use crate::api::event::Notice;
use crate::api::handles::{Exchange, Pipe};
use crate::api::instant::Instant;
use crate::api::response::Response;
use crate::codec::sse::EventId;
use crate::codec::version::Style;
use crate::context::Context;
use crate::context::carrier::Reply;
use crate::context::timers::{Deadline, Wait};
use crate::stream::at::{At, Held, Rest};
use crate::stream::single::{STANDING, Stream};
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) pipe: Pipe,
    /// What tells the session from others in its event ids.
    session: u32,
    pub(crate) style: Style,
    table: Table<u64, Stream>,
    last: u64,
    /// The GET streams that have a reader, the newest last.
    listeners: Vec<u64>,
    held: Held,
    told_drops: bool,
    forget: Deadline,
}

impl Streams {
    /// No stream. `session` is what its event ids begin with.
    pub(crate) fn new(pipe: Pipe, session: u32, style: Style, cx: &Context) -> Self {
        let mut table = Table::default();
        table.insert(STANDING, Stream::default());
        Self {
            pipe,
            session,
            style,
            table,
            last: STANDING,
            listeners: Vec::new(),
            held: Held::new(&cx.budget),
            told_drops: false,
            forget: Deadline::default(),
        }
    }

    fn at(&self, number: u64) -> At {
        At { pipe: self.pipe, number, session: self.session, style: self.style, tells: None }
    }

    /// Does something with a stream and what is held together, and keeps the bounds after it.
    fn with<R>(
        &mut self,
        number: u64,
        cx: &mut Context,
        work: impl FnOnce(&mut Stream, At, &mut Held, &mut Context) -> R,
    ) -> Option<R> {
        let at = self.at(number);
        let stream = self.table.get_mut(&number)?;
        let result = work(stream, at, &mut self.held, cx);
        let ended = number != STANDING && stream.is_ended();
        let spent = ended && stream.is_spent();
        if stream.is_get && !stream.is_alive() {
            self.left(number, cx);
        }
        if spent {
            self.table.remove(&number);
        }
        self.tidy(number, ended && !spent, cx);
        Some(result)
    }

    /// A new stream, on which that many answers are to come.
    pub(crate) fn open(
        &mut self,
        reply: Reply,
        pending: usize,
        batch: bool,
        cx: &mut Context,
    ) -> u64 {
        self.last += 1;
        cx.exchanges.insert(reply.exchange, (self.pipe, self.last));
        self.table.insert(self.last, Stream::new(reply, pending, batch));
        self.last
    }

    /// Lets a stream become one after some silence.
    pub(crate) fn promote_after(
        &mut self,
        number: u64,
        wait: core::time::Duration,
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, _, cx| stream.promote_after(wait, at, cx));
        self.flush(number, cx);
    }

    /// What waited for a stream goes onto the first that can carry it.
    fn flush(&mut self, number: u64, cx: &mut Context) {
        let waits = self.table.get(&STANDING).is_some_and(Stream::has_unsent);
        if !waits || !self.carries(number) {
            return;
        }
        let Some(standing) = self.table.get_mut(&STANDING) else { return };
        for data in standing.take_unsent(&mut self.held).collect::<Vec<_>>() {
            self.with(number, cx, |stream, at, held, cx| stream.event(data.into(), at, held, cx));
        }
    }

    /// Puts a message onto a stream.
    pub(crate) fn put(&mut self, number: u64, data: Vec<u8>, cx: &mut Context) {
        let number = self.meant(number);
        self.flush(number, cx);
        self.with(number, cx, |stream, at, held, cx| stream.event(data.into(), at, held, cx));
    }

    /// Delivers the answer to a call; `tells` is the session id that goes with it, if any.
    pub(crate) fn answer(
        &mut self,
        number: u64,
        data: Vec<u8>,
        status: u16,
        tells: Option<u128>,
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.answer(data, status, At { tells, ..at }, held, cx);
        });
    }

    /// Fails a call with a response that is an error.
    pub(crate) fn fail(&mut self, number: u64, response: Response, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| stream.fail(response, at, held, cx));
    }

    /// Answers with one whole response.
    pub(crate) fn whole(&mut self, number: u64, response: Response, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| stream.whole(response, at, held, cx));
    }

    /// Gives a stream to an exchange; after the given place, every kept event is sent again.
    pub(crate) fn attach(
        &mut self,
        number: u64,
        reply: Reply,
        after: Option<u64>,
        cx: &mut Context,
    ) {
        self.make_way(number, cx);
        cx.exchanges.insert(reply.exchange, (self.pipe, number));
        self.with(number, cx, |stream, at, held, cx| stream.attach(reply, after, at, held, cx));
        self.arrived(number, cx);
        self.flush(number, cx);
    }

    /// What a client that has seen that event can still get of its stream.
    pub(crate) fn rest(&self, id: EventId) -> Rest {
        let stream = self.table.get(&id.stream).filter(|_| id.session == self.session);
        stream.filter(|_| id.stream != STANDING).map_or(Rest::Unknown, |s| s.rest(id.place))
    }

    /// The exchange that carried a stream is gone.
    pub(crate) fn lost(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| drop(stream.detach(at, held, cx)));
    }

    /// Nobody waits any more for what was to come on a stream.
    pub(crate) fn give_up(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.pending = 0;
            drop(stream.detach(at, held, cx));
        });
    }

    /// A call of this stream was cancelled: no answer to it comes.
    pub(crate) fn cancel(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| stream.cancel(at, held, cx));
    }

    /// Breaks a stream off.
    pub(crate) fn abort(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.pending = 0;
            stream.abort(at, held, cx);
        });
    }

    /// The peer of a stream took some bytes.
    pub(crate) fn taken(&mut self, number: u64, bytes: usize, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| stream.taken(bytes, at, held, cx));
    }

    /// A stream's wait is due. False if its peer was given up.
    pub(crate) fn tick(&mut self, number: u64, cx: &mut Context) -> bool {
        let kept = self.with(number, cx, |stream, at, held, cx| stream.tick(at, held, cx));
        if kept == Some(false) {
            cx.notice(Notice::Stalled { pipe: self.pipe });
        }
        kept != Some(false)
    }

    /// Breaks off the exchange that carries a stream: memory is short, and its peer takes nothing.
    pub(crate) fn cut(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| stream.cut(at, held, cx));
        cx.notice(Notice::Stalled { pipe: self.pipe });
    }

    /// Who carries streams: what they have not taken, and when they last took some.
    pub(crate) fn readers(&self) -> impl Iterator<Item = (Exchange, usize, Instant)> {
        let replies = self.table.iter().filter_map(|(_, stream)| stream.reply.as_ref());
        replies.map(|reply| (reply.exchange, reply.waiting(), reply.moved))
    }

    /// Bytes of events that are kept.
    pub(crate) const fn kept(&self) -> usize {
        self.held.kept.size()
    }

    /// Keeps no more events than there is room for now.
    pub(crate) fn shrink(&mut self, cx: &mut Context) {
        self.tidy(STANDING, false, cx);
    }

    /// Counts a message that goes nowhere.
    pub(crate) fn dropped(&mut self, cx: &mut Context) {
        self.held.drop_one(cx);
    }

    /// Ended streams were kept long enough.
    pub(crate) fn forget(&mut self, cx: &mut Context) {
        self.forget.spend();
        let (now, kept) = (cx.now, cx.config.keep_ended);
        let old = self.ended().filter(|(_, since)| since.after(kept) <= now);
        for (number, _) in old.collect::<Vec<_>>() {
            self.drop_stream(number, cx);
        }
        let next = self.ended().map(|(_, since)| since.after(kept)).min();
        if let Some(next) = next {
            cx.timers.set(&mut self.forget, next, Wait::Forget(self.pipe));
        }
    }

    /// Ends every stream that is open. What their peers have not taken is the driver's.
    pub(crate) fn close(&mut self, cx: &mut Context) {
        let at = self.at(STANDING);
        for (number, mut stream) in self.table.take() {
            let at = At { number, ..at };
            stream.finish(at, cx);
            if let Some(reply) = stream.forget_reply(at, cx) {
                cx.owe(reply);
            }
        }
        cx.timers.clear(&mut self.forget, Wait::Forget(self.pipe));
    }

    /// Whether a message that is no answer can go onto that stream now.
    pub(crate) fn carries(&self, number: u64) -> bool {
        self.table.get(&self.meant(number)).is_some_and(Stream::carries)
    }

    /// Whether that would go to a client that is there.
    pub(crate) fn reaches(&self, number: u64) -> bool {
        self.table.get(&self.meant(number)).is_some_and(Stream::reaches)
    }

    /// Whether the reader of a stream is behind: one and a half `queue` waits for all, and more
    /// than an equal share of that, among so many streams, for this one. A turn of the child
    /// brings no more than `queue`, so that nobody is behind who only had no turn yet.
    pub(crate) fn lags(&self, number: u64, among: usize, queue: usize) -> bool {
        let much = queue.saturating_add(queue / 2);
        let waiting = self.table.get(&number).map_or(0, Stream::waiting);
        self.held.unread >= much && waiting > much / among.max(1)
    }

    /// Whether somebody waits for any of them.
    pub(crate) fn is_alive(&self) -> bool {
        self.table.iter().any(|(_, stream)| stream.is_alive())
    }

    /// Whether their peers are not behind.
    pub(crate) const fn wants(&self, queue: usize) -> bool {
        self.held.unread < queue
    }

    pub(crate) const fn drops(&self) -> u64 {
        self.held.dropped
    }

    /// The streams that have ended, and since when.
    fn ended(&self) -> impl Iterator<Item = (u64, Instant)> {
        let ended = self.table.iter().filter(|(_, stream)| stream.is_ended());
        ended.filter_map(|(number, stream)| Some((*number, stream.ended?)))
    }

    fn drop_stream(&mut self, number: u64, cx: &mut Context) {
        if let Some(stream) = self.table.get_mut(&number) {
            while stream.drop_oldest(&mut self.held, cx) {}
            self.table.remove(&number);
        }
    }

    /// Keeps within `Config::replay`, and within `Config::calls` ended streams, to which that one
    /// may have come.
    fn tidy(&mut self, number: u64, ended: bool, cx: &mut Context) {
        let tight = cx.budget.is_tight();
        let limit = if tight { cx.budget.small() } else { usize::MAX }.min(cx.config.replay);
        while self.held.kept.size() > limit {
            let Some(victim) = self.victim(number) else { break };
            let Some(stream) = self.table.get_mut(&victim) else { break };
            stream.drop_oldest(&mut self.held, cx);
            if victim != STANDING && stream.is_spent() {
                self.table.remove(&victim);
            }
        }
        if self.held.overflowed && !core::mem::replace(&mut self.told_drops, true) {
            cx.notice(Notice::Dropping { pipe: self.pipe });
        }
        if !ended {
            return;
        }
        let Some(stream) = self.table.get_mut(&number) else { return };
        let when = stream.ended.get_or_insert(cx.now).after(cx.config.keep_ended);
        cx.timers.no_later(&mut self.forget, when, Wait::Forget(self.pipe));
        let surplus = self.ended().count() > cx.config.calls;
        let oldest = self.ended().map(|(oldest, _)| oldest).next().filter(|_| surplus);
        if let Some(oldest) = oldest {
            self.drop_stream(oldest, cx);
        }
    }

    /// The stream that gives its oldest event for what `number` kept: itself, unless that event is
    /// all it has; then the standing one, then the oldest.
    fn victim(&self, number: u64) -> Option<u64> {
        let others = self.table.keys().copied();
        [number, STANDING].into_iter().chain(others).find(|&victim| {
            let kept = self.table.get(&victim).map_or(0, Stream::kept);
            kept > usize::from(victim == number)
        })
    }
}
