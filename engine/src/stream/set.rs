//! All streams of a session or shared child, and the limit on the events that they keep together.
//!
//! Each message goes through here to exactly one stream. When the limit is reached, the stream that
//! just grew drops its oldest events first.

mod listeners;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange};
use crate::api::instant::Instant;
use crate::api::response::Response;
use crate::codec::sse::EventId;
use crate::codec::version::Style;
use crate::context::Context;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::{Common, Reply};
use crate::context::ids::StreamId;
use crate::context::timers::{Deadline, Wait};
use crate::stream::at::{At, Held, Rest};
use crate::stream::single::{Stream, UNCLAIMED};
use crate::table::Table;

/// A reader of one of them that is behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) number: StreamId,
    pub(crate) exchange: Exchange,
    /// Since when it has had something to read.
    pub(crate) since: Instant,
}

#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) child: ChildId,
    /// Identifies the session in its event ids.
    session: u32,
    pub(crate) style: Style,
    table: Table<StreamId, Stream>,
    last: StreamId,
    /// The GET streams that have a client, the newest last.
    listeners: Vec<StreamId>,
    held: Held,
    told_drops: bool,
    forget: Deadline,
}

impl Streams {
    /// An empty set. `session` is the prefix of its event ids.
    pub(crate) fn new(child: ChildId, session: u32, style: Style, cx: &Context) -> Self {
        let mut table = Table::default();
        table.insert(UNCLAIMED, Stream::default());
        Self {
            child,
            session,
            style,
            table,
            last: UNCLAIMED,
            listeners: Vec::new(),
            held: Held::new(&cx.budget),
            told_drops: false,
            forget: Deadline::default(),
        }
    }

    /// Its exchanges and waits are known under this number from now on: the session has another
    /// process, or none.
    pub(crate) fn move_to(&mut self, child: ChildId, cx: &mut Context) {
        let old = core::mem::replace(&mut self.child, child);
        for (number, stream) in self.table.iter_mut() {
            stream.move_to((old, child), *number, cx);
        }
        cx.timers.move_to(&mut self.forget, Wait::Forget(old), Wait::Forget(child));
    }

    /// Its event ids begin anew: what they were in an earlier run is not known.
    pub(crate) const fn renew(&mut self, session: u32) {
        self.session = session;
    }

    /// Whether an event id is of this run.
    pub(crate) const fn is_own(&self, id: EventId) -> bool {
        id.session == self.session
    }

    /// A stream, and what an operation on it works with.
    fn stream(&mut self, number: StreamId) -> Option<(&mut Stream, At<'_>)> {
        let Self { child, session, style, held, .. } = self;
        let (child, session, style) = (*child, *session, *style);
        let at = At { child, number, session, style, new_session: None, held };
        Some((self.table.get_mut(&number)?, at))
    }

    /// Runs an operation on a stream, then enforces the limits.
    fn with<R>(
        &mut self,
        number: StreamId,
        cx: &mut Context,
        work: impl FnOnce(&mut Stream, &mut At<'_>, &mut Context) -> R,
    ) -> Option<R> {
        let (stream, mut at) = self.stream(number)?;
        let result = work(stream, &mut at, cx);
        let ended = number != UNCLAIMED && stream.is_ended();
        let spent = ended && stream.is_spent();
        if stream.is_get && !stream.is_alive() {
            self.left(number, cx);
        }
        if spent {
            self.table.remove(&number);
        }
        self.tidy(number, ended && !spent, cx);
        if !self.wants(cx.config.queue) {
            cx.report_behind(self.child);
        }
        Some(result)
    }

    /// Opens a stream that expects this many answers.
    pub(crate) fn open(
        &mut self,
        reply: Reply,
        pending: usize,
        batch: bool,
        cx: &mut Context,
    ) -> StreamId {
        self.last = self.last.next();
        cx.responses.carry(reply.exchange, (self.child, self.last));
        self.table.insert(self.last, Stream::new(reply, pending, batch));
        self.last
    }

    /// Opens the only stream: it carries all messages, answers included, and ends with the set. Its
    /// client is given back-pressure as one that waits for an answer, which here never comes.
    pub(crate) fn open_only(&mut self, reply: Reply, first: Vec<u8>, cx: &mut Context) -> StreamId {
        let number = self.open(reply, 1, false, cx);
        self.listeners.push(number);
        self.with(number, cx, |stream, at, cx| stream.begin(first, at, cx));
        number
    }

    /// A stream is to carry so many more answers.
    pub(crate) fn expect(&mut self, number: StreamId, answers: usize) {
        if let Some(stream) = self.table.get_mut(&number) {
            stream.pending += answers;
        }
    }

    /// Lets a silent exchange become an event stream after a while.
    pub(crate) fn promote_after(
        &mut self,
        number: StreamId,
        wait: core::time::Duration,
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, cx| stream.promote_after(wait, at, cx));
        self.flush(number, cx);
    }

    /// Moves messages that wait for a stream to the first one that can carry them.
    fn flush(&mut self, number: StreamId, cx: &mut Context) {
        let waits = self.table.get(&UNCLAIMED).is_some_and(Stream::has_unsent);
        if !waits || !self.carries(Some(number)) {
            return;
        }
        let Some(standing) = self.table.get_mut(&UNCLAIMED) else { return };
        for data in standing.take_unsent(&mut self.held).collect::<Vec<_>>() {
            self.with(number, cx, |stream, at, cx| stream.event(data.into(), at, cx));
        }
    }

    /// Puts a message on a stream; `None` is the GET stream.
    pub(crate) fn put(&mut self, number: Option<StreamId>, data: Vec<u8>, cx: &mut Context) {
        let number = self.meant(number);
        self.flush(number, cx);
        self.with(number, cx, |stream, at, cx| stream.event(data.into(), at, cx));
    }

    /// Puts a message that many streams carry onto this one, with this id.
    pub(crate) fn put_common(
        &mut self,
        number: StreamId,
        common: &Arc<Common>,
        id: &[u8],
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, cx| {
            stream.common_event(common, id, at, cx);
        });
    }

    /// Delivers the answer to a call; `status` applies if it is a single response.
    pub(crate) fn answer(
        &mut self,
        number: StreamId,
        data: Vec<u8>,
        status: u16,
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, cx| stream.answer(data, status, at, cx));
    }

    /// Delivers the answer to `initialize`, with the id of the session that it opens.
    pub(crate) fn answer_opening(
        &mut self,
        number: StreamId,
        data: Vec<u8>,
        session: u128,
        cx: &mut Context,
    ) {
        self.with(number, cx, |stream, at, cx| {
            at.new_session = Some(session);
            stream.answer(data, 200, at, cx);
        });
    }

    /// Fails a call with an error response.
    pub(crate) fn fail(&mut self, number: StreamId, response: Response, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| stream.fail(response, at, cx));
    }

    /// Answers with one complete response.
    pub(crate) fn whole(&mut self, number: StreamId, response: Response, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| stream.whole(response, at, cx));
    }

    /// Attaches an exchange to a stream; every kept event after the given one is resent.
    pub(crate) fn attach(
        &mut self,
        number: StreamId,
        reply: Reply,
        after: Option<u64>,
        cx: &mut Context,
    ) {
        self.make_way(number, cx);
        cx.responses.carry(reply.exchange, (self.child, number));
        self.with(number, cx, |stream, at, cx| stream.attach(reply, after, at, cx));
        self.arrived(number, cx);
        self.flush(number, cx);
    }

    /// What a client that has seen this event can still get of its stream.
    pub(crate) fn rest(&self, id: EventId) -> Rest {
        let number = StreamId(id.stream);
        let stream = self.table.get(&number).filter(|_| id.session == self.session);
        stream.filter(|_| number != UNCLAIMED).map_or(Rest::Unknown, |s| s.rest(id.place))
    }

    /// The exchange that carried a stream was lost.
    pub(crate) fn lost(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| drop(stream.detach(at, cx)));
    }

    /// No client waits for the rest of a stream any more.
    pub(crate) fn give_up(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| {
            stream.pending = 0;
            drop(stream.detach(at, cx));
        });
    }

    /// A call of this stream was cancelled: it gets no answer.
    pub(crate) fn cancel(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| stream.cancel(at, cx));
    }

    /// Aborts a stream.
    pub(crate) fn abort(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| {
            stream.pending = 0;
            stream.abort(at, cx);
        });
    }

    /// The client of a stream has read some bytes.
    pub(crate) fn taken(&mut self, number: StreamId, bytes: usize, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| stream.taken(bytes, at, cx));
    }

    /// The client of a stream has read all that was sent.
    pub(crate) fn delivered(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, Stream::delivered);
    }

    /// Handles a stream's wait when it is due. Returns false if the stream was aborted because its
    /// client stopped reading.
    pub(crate) fn tick(&mut self, number: StreamId, cx: &mut Context) -> bool {
        let kept = self.with(number, cx, |stream, at, cx| stream.tick(at, cx));
        if kept == Some(false) {
            cx.notice(Notice::Stalled { child: self.child });
        }
        kept != Some(false)
    }

    /// Aborts the exchange that carries a stream: others wait, and its client reads too slowly.
    pub(crate) fn cut(&mut self, number: StreamId, cx: &mut Context) {
        self.with(number, cx, |stream, at, cx| stream.cut(at, cx));
        cx.notice(Notice::Stalled { child: self.child });
    }

    /// Aborts the exchanges of all requests: one of their client has held up others.
    pub(crate) fn cut_posts(&mut self, cx: &mut Context) {
        let posts = self.table.iter().filter(|(_, stream)| !stream.is_get);
        for number in posts.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.with(number, cx, |stream, at, cx| stream.cut(at, cx));
        }
    }

    /// The responses that carry streams.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &Reply> {
        self.table.iter().filter_map(|(_, stream)| stream.reply.as_ref())
    }

    /// If their clients are behind by `queue`, the reader that has had something to read for
    /// longest, among those with no less than an equal share of what is unread.
    pub(crate) fn farthest_behind(&self, queue: usize) -> Option<Behind> {
        let replies = || {
            let posts = self.table.iter().filter(|(_, stream)| !stream.is_get);
            let replies =
                posts.filter_map(|(number, stream)| Some((*number, stream.reply.as_ref()?)));
            replies.filter(|(_, reply)| reply.waiting() > 0)
        };
        if self.wants(queue) {
            return None;
        }
        let share = self.held.unread / replies().count().max(1);
        let large = replies().filter(|(_, reply)| reply.waiting() >= share);
        let behind = large.map(|(number, reply)| Behind {
            number,
            exchange: reply.exchange,
            since: reply.behind,
        });
        behind.min_by_key(|behind| behind.since)
    }

    /// Bytes of kept events.
    pub(crate) const fn kept(&self) -> usize {
        self.held.kept.size()
    }

    /// Drops the kept events that no longer fit.
    pub(crate) fn shrink(&mut self, cx: &mut Context) {
        self.tidy(UNCLAIMED, false, cx);
    }

    /// Counts a message that is dropped.
    pub(crate) fn dropped(&mut self, cx: &mut Context) {
        self.held.drop_one(cx);
    }

    /// Removes streams that ended long enough ago.
    pub(crate) fn forget(&mut self, cx: &mut Context) {
        self.forget.spend();
        let (now, kept) = (cx.now, cx.config.keep_ended);
        let old = self.ended().filter(|(_, since)| since.after(kept) <= now);
        for (number, _) in old.collect::<Vec<_>>() {
            self.drop_stream(number, cx);
        }
        let next = self.ended().map(|(_, since)| since.after(kept)).min();
        if let Some(next) = next {
            cx.timers.set(&mut self.forget, next, Wait::Forget(self.child));
        }
    }

    /// Ends every open stream. The driver still delivers the unread bytes.
    pub(crate) fn close(&mut self, cx: &mut Context) {
        for number in self.table.keys().copied().collect::<Vec<_>>() {
            let Some((stream, at)) = self.stream(number) else { continue };
            stream.finish(&at, cx);
            if let Some(reply) = stream.forget_reply(&at, cx) {
                cx.owe(reply);
            }
        }
        self.table = Table::default();
        self.held.kept.hold(0);
        self.held.unread = 0;
        cx.timers.clear(&mut self.forget, Wait::Forget(self.child));
    }

    /// Whether a message other than an answer can go on this stream now.
    pub(crate) fn carries(&self, number: Option<StreamId>) -> bool {
        self.table.get(&self.meant(number)).is_some_and(Stream::carries)
    }

    /// Whether such a message would reach a connected client.
    pub(crate) fn reaches(&self, number: Option<StreamId>) -> bool {
        self.table.get(&self.meant(number)).is_some_and(Stream::reaches)
    }

    /// Whether the client of a stream is behind: the streams together have at least one and a half
    /// `queue` unread, and this stream more than an equal share of that among `among` streams. One
    /// read of the child brings no more than `queue`, so a client that merely had no chance to read
    /// yet is not behind.
    pub(crate) fn lags(&self, number: StreamId, among: usize, queue: usize) -> bool {
        let much = queue.saturating_add(queue / 2);
        let waiting = self.table.get(&number).map_or(0, Stream::waiting);
        self.held.unread >= much && waiting > much / among.max(1)
    }

    /// Whether a client waits for any of them.
    pub(crate) fn is_alive(&self) -> bool {
        self.table.iter().any(|(_, stream)| stream.is_alive())
    }

    /// Whether the clients keep up.
    pub(crate) const fn wants(&self, queue: usize) -> bool {
        self.held.unread < queue
    }

    pub(crate) const fn drops(&self) -> u64 {
        self.held.dropped
    }

    /// The streams that have ended, and when.
    fn ended(&self) -> impl Iterator<Item = (StreamId, Instant)> {
        let ended = self.table.iter().filter(|(_, stream)| stream.is_ended());
        ended.filter_map(|(number, stream)| Some((*number, stream.ended?)))
    }

    fn drop_stream(&mut self, number: StreamId, cx: &mut Context) {
        if let Some(stream) = self.table.get_mut(&number) {
            while stream.drop_oldest(&mut self.held, cx) {}
            self.table.remove(&number);
        }
    }

    /// Enforces `Config::replay`, and `Config::calls` as the limit on ended streams, of which this
    /// stream may be a new one.
    fn tidy(&mut self, number: StreamId, ended: bool, cx: &mut Context) {
        let tight = cx.budget.is_tight();
        let limit = if tight { cx.budget.small() } else { usize::MAX }.min(cx.config.replay);
        while self.held.kept.size() > limit {
            let Some(victim) = self.victim(number) else { break };
            let Some(stream) = self.table.get_mut(&victim) else { break };
            // It stays: what is kept waits for a GET stream, or is of one that can be resumed.
            stream.drop_oldest(&mut self.held, cx);
        }
        if self.held.overflowed && !core::mem::replace(&mut self.told_drops, true) {
            cx.notice(Notice::Dropping { child: self.child });
        }
        if !ended {
            return;
        }
        let Some(stream) = self.table.get_mut(&number) else { return };
        let when = stream.ended.get_or_insert(cx.now).after(cx.config.keep_ended);
        cx.timers.no_later(&mut self.forget, when, Wait::Forget(self.child));
        let surplus = self.ended().count() > cx.config.calls;
        let oldest = self.ended().map(|(oldest, _)| oldest).next().filter(|_| surplus);
        if let Some(oldest) = oldest {
            self.drop_stream(oldest, cx);
        }
    }

    /// The stream that drops its oldest event because `number` grew: itself, unless that event is
    /// its only one; then the GET stream, then the oldest stream.
    fn victim(&self, number: StreamId) -> Option<StreamId> {
        let others = self.table.keys().copied();
        [number, UNCLAIMED].into_iter().chain(others).find(|&victim| {
            let kept = self.table.get(&victim).map_or(0, Stream::kept);
            kept > usize::from(victim == number)
        })
    }
}

#[cfg(debug_assertions)]
impl Streams {
    /// Compares what they count with what they have.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        let kept = self.table.values().map(|stream| stream.walk(walk)).sum();
        walk.meet("streams", &self.held.kept, kept);
        let posts = self.table.values().filter(|stream| !stream.is_get);
        let unread: usize = posts.map(Stream::waiting).sum();
        assert_eq!(self.held.unread, unread, "streams: what their clients have not read");
    }
}
