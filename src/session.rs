//! The session era in front (2024-11-05 … 2025-11-25): one client, one child, their streams.
//!
//! What the client posts goes to the child, what the child writes goes to exactly one stream.
//! A lost exchange means nothing to a call: its answer waits, bounded, to be asked for.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use crate::child::{self, Child};
use crate::context::{self, Context};
use crate::fault::Fault;
use crate::head::{self, Admitted};
use crate::io::{Exchange, Pipe};
use crate::json;
use crate::message::{Kind, Malformed, Message, Splice};
use crate::notice::{Cause, Notice};
use crate::sse::EventId;
use crate::stream::{At, Held, Reply, STANDING, Stream};
use crate::table::Table;
use crate::time::{Deadline, Instant, Wait};
use crate::version::Version;

/// How much of a line that is no message an operator gets to see, in bytes.
const NOISE_SHOWN: usize = 200;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) pipe: Pipe,
    pub(crate) id: u128,
    /// The version that the child chose, as it spelled it; empty until it did.
    chosen: String,
    version: &'static Version,
    streams: Table<Stream>,
    last_stream: u64,
    pub(crate) held: Held,
    began: Instant,
    /// When the client was last heard of.
    contact: Instant,
    calls: u64,
    told_noise: bool,
    told_drops: bool,
    start: Deadline,
    idle: Deadline,
    exit: Deadline,
    forget: Deadline,
}

impl Session {
    /// A session whose `initialize` was accepted.
    pub(crate) fn new(pipe: Pipe, id: u128, now: Instant) -> Self {
        let mut streams = Table::default();
        streams.push(STANDING, Stream::default());
        Self {
            pipe,
            id,
            chosen: String::new(),
            version: Version::chosen(""),
            streams,
            last_stream: STANDING,
            held: Held::default(),
            began: now,
            contact: now,
            calls: 0,
            told_noise: false,
            told_drops: false,
            start: Deadline::default(),
            idle: Deadline::default(),
            exit: Deadline::default(),
            forget: Deadline::default(),
        }
    }

    /// Whether the child has answered `initialize`.
    pub(crate) fn is_open(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// Whether the child may be read: nobody who waits for its answers is behind.
    pub(crate) const fn wants(&self, queue: usize) -> bool {
        self.held.unread < queue
    }

    pub(crate) fn buffered(&self) -> usize {
        self.held.kept
            + self
                .streams
                .iter()
                .map(|(_, s)| s.buffered())
                .sum::<usize>()
    }

    fn at(&self, number: u64) -> At {
        At {
            pipe: self.pipe,
            number,
            primed: self.version.primed,
            tells: None,
        }
    }

    /// Does something with a stream and what the session holds.
    fn with<R>(
        &mut self,
        number: u64,
        cx: &mut Context,
        work: impl FnOnce(&mut Stream, At, &mut Held, &mut Context) -> R,
    ) -> Option<R> {
        let at = self.at(number);
        let stream = self.streams.get_mut(number)?;
        let result = work(stream, at, &mut self.held, cx);
        if number != STANDING && stream.is_spent() {
            self.streams.remove(number);
        }
        Some(result)
    }

    // ---- from the client

    /// The request that opens the session.
    pub(crate) fn initialize(
        &mut self,
        request: &Message<'_>,
        exchange: Exchange,
        head: &Admitted<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) {
        let mut line = Vec::new();
        let number = self.open_stream(exchange, head, 1, false, cx);
        child.call(request, number, &mut line, cx);
        child.write(line, cx);
        cx.timers.set(
            &mut self.start,
            cx.now.after(cx.config.start),
            Wait::Start(self.pipe),
        );
    }

    fn open_stream(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        pending: usize,
        batch: bool,
        cx: &mut Context,
    ) -> u64 {
        self.last_stream += 1;
        let reply = Reply::new(exchange, head.accept, head.origin, cx.now);
        self.streams
            .push(self.last_stream, Stream::new(reply, pending, batch));
        cx.exchanges.insert(exchange, (self.pipe, self.last_stream));
        self.last_stream
    }

    /// What every request of the session must satisfy.
    pub(crate) fn check(&mut self, head: &Admitted<'_>, now: Instant) -> Result<(), Fault> {
        self.contact = now;
        match head.version {
            Some(version) if version != self.chosen && Version::named(version).is_none() => {
                Err(Fault::ProtocolVersion(version.chars().take(40).collect()))
            }
            _ => Ok(()),
        }
    }

    /// Messages of one POST: one, or a batch.
    pub(crate) fn post(
        &mut self,
        messages: &[Message<'_>],
        batch: bool,
        exchange: Exchange,
        head: &Admitted<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) -> Result<(), Fault> {
        let requests = messages
            .iter()
            .filter(|m| m.kind() == Kind::Request)
            .count();
        self.judge(messages, batch, requests, head, child, cx)?;
        let number = if requests > 0 {
            self.open_stream(exchange, head, requests, batch, cx)
        } else {
            0
        };
        let mut lines = Vec::new();
        for message in messages {
            self.forward(message, number, &mut lines, child, cx);
        }
        if !lines.is_empty() {
            child.write(lines, cx);
        }
        if requests == 0 {
            cx.respond(exchange, head.origin, head::empty(202));
            return Ok(());
        }
        self.calls += requests as u64;
        let wait = if self.version.primed {
            cx.config.promote_primed
        } else {
            cx.config.promote
        };
        self.with(number, cx, |stream, at, _, cx| {
            stream.promote_after(wait, at, cx)
        });
        Ok(())
    }

    fn judge(
        &self,
        messages: &[Message<'_>],
        batch: bool,
        requests: usize,
        head: &Admitted<'_>,
        child: &Child,
        cx: &Context,
    ) -> Result<(), Fault> {
        if batch && !self.version.batch {
            return Err(Fault::Batch);
        }
        if messages
            .iter()
            .any(|m| m.kind() == Kind::Request && m.calls("initialize"))
        {
            return Err(if batch {
                Fault::BatchedInitialize
            } else {
                Fault::Initialized
            });
        }
        if requests > 0 && head.accept.nothing() {
            return Err(Fault::NotAcceptable);
        }
        if child.calls.len() + requests > cx.config.calls {
            return Err(Fault::Calls(cx.config.calls));
        }
        let size = messages.iter().map(Message::size).sum();
        if child.accepts(size, cx.config.stdin) {
            Ok(())
        } else {
            Err(Fault::Stdin)
        }
    }

    /// Appends what the child gets for one message.
    fn forward(
        &self,
        message: &Message<'_>,
        number: u64,
        lines: &mut Vec<u8>,
        child: &mut Child,
        cx: &mut Context,
    ) {
        let mut digits = [0; 20];
        let mut change = Splice::default();
        match message.kind() {
            Kind::Request => return child.call(message, number, lines, cx),
            Kind::Notification if message.calls("notifications/cancelled") => {
                // A call that is not in flight was answered already: nothing to cancel.
                let call = message.request_id().and_then(|id| child.cancel(id, cx));
                let Some(call) = call else { return };
                change.request_id = Some(child::decimal(call, &mut digits));
            }
            Kind::Notification | Kind::Result | Kind::Error => {}
        }
        message.splice(&change, lines);
        lines.push(b'\n');
    }

    /// GET: opens the standing stream, or resumes any.
    pub(crate) fn listen(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        cx: &mut Context,
    ) -> Result<(), Fault> {
        let (number, after) = match head.last_event_id {
            None => (STANDING, None),
            Some(text) => {
                let id = EventId::parse(text).ok_or(Fault::EventId)?;
                let known = self.streams.get(id.stream).is_some_and(|stream| {
                    stream.knows(id.place) && (id.stream == STANDING || stream.resumable)
                });
                if !known {
                    return Err(Fault::EventId);
                }
                (id.stream, Some(id.place))
            }
        };
        let reply = Reply::new(exchange, head.accept, head.origin, cx.now);
        cx.exchanges.insert(exchange, (self.pipe, number));
        self.with(number, cx, |stream, at, held, cx| {
            stream.attach(reply, after, at, held, cx)
        });
        Ok(())
    }

    /// The exchange that carried a stream is gone.
    pub(crate) fn lost(&mut self, number: u64, cx: &mut Context) {
        self.contact = cx.now;
        self.with(number, cx, |stream, at, held, cx| {
            stream.detach(at, held, cx)
        });
        self.tidy(number, cx);
    }

    /// The peer of a stream took some bytes.
    pub(crate) fn taken(&mut self, number: u64, bytes: usize, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.taken(bytes, at, held, cx)
        });
        self.tidy(number, cx);
    }

    // ---- from the child

    /// One line of the child. The cause, if the session ends by it.
    pub(crate) fn line(
        &mut self,
        line: &[u8],
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        match crate::message::batch(text) {
            None => self.text(text, child, cx),
            Some(Ok(texts)) => {
                let mut cause = None;
                for text in texts {
                    cause = cause.or(self.text(text, child, cx));
                }
                cause
            }
            Some(Err(malformed)) => {
                self.noise(text, &malformed, child, cx);
                None
            }
        }
    }

    fn text(&mut self, text: &[u8], child: &mut Child, cx: &mut Context) -> Option<Cause> {
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(malformed) => {
                self.noise(text, &malformed, child, cx);
                return None;
            }
        };
        match message.kind() {
            Kind::Result | Kind::Error => return self.response(&message, child, cx),
            Kind::Notification if message.calls("notifications/progress") => {
                self.progress(&message, child, cx);
            }
            Kind::Request | Kind::Notification => {
                let mut data = Vec::new();
                message.splice(&Splice::default(), &mut data);
                let number = self.route(&message, child);
                self.put(number, &data, cx);
            }
        }
        None
    }

    /// The answer to a call.
    fn response(
        &mut self,
        message: &Message<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        let id = message.id().and_then(child::own_id);
        let Some(call) = id.and_then(|id| child.end_call(id, cx)) else {
            // It was cancelled, timed out, or never asked.
            self.held.dropped += 1;
            cx.stats.dropped += 1;
            return None;
        };
        let mut data = Vec::new();
        message.splice(
            &Splice {
                id: Some(&call.id),
                ..Splice::default()
            },
            &mut data,
        );
        if !self.is_open() {
            return self.opened(message, call.stream, data, child, cx);
        }
        self.answer(call.stream, data, cx);
        None
    }

    /// The answer to `initialize`: the session is open, or was declined.
    fn opened(
        &mut self,
        message: &Message<'_>,
        number: u64,
        data: Vec<u8>,
        child: &Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        cx.timers.clear(&mut self.start, Wait::Start(self.pipe));
        let chosen = message
            .payload()
            .filter(|_| message.kind() == Kind::Result)
            .map(|result| {
                json::member(result, &(0..result.len()), "protocolVersion")
                    .and_then(|span| {
                        json::decoded(&result[span]).map(|version| version.to_string())
                    })
                    .unwrap_or_default()
            });
        let Some(chosen) = chosen else {
            self.answer(number, data, cx);
            return Some(Cause::Declined);
        };
        self.version = Version::chosen(&chosen);
        // A child that names no version has still opened the session.
        self.chosen = if chosen.is_empty() {
            String::from("?")
        } else {
            chosen
        };
        let tells = Some(self.id);
        self.with(number, cx, |stream, at, held, cx| {
            stream.answer(data, At { tells, ..at }, held, cx);
        });
        self.contact = cx.now;
        self.wait_idle(cx);
        cx.stats.opened += 1;
        cx.notice(Notice::SessionOpened {
            pipe: self.pipe,
            pid: child.pid,
            version: self.chosen.chars().take(40).collect(),
            start: cx.now.since(self.began),
        });
        None
    }

    fn answer(&mut self, number: u64, data: Vec<u8>, cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.answer(data, at, held, cx)
        });
        self.contact = cx.now;
        self.tidy(number, cx);
    }

    /// Progress goes onto the stream of its call, with the token that its caller chose.
    fn progress(&mut self, message: &Message<'_>, child: &Child, cx: &mut Context) {
        let id = message.token().and_then(child::own_id);
        let call = id.and_then(|id| child.calls.get(id));
        let token = match call {
            Some(call) => call.token.as_deref(),
            None => id.and_then(|id| child.task_token(id)),
        };
        let standing = self.streams.get(STANDING).filter(|stream| stream.carries());
        let number = match call {
            Some(call) if self.carries(call.stream) => Some(call.stream),
            // Who takes only JSON, or left without an event id, can still listen.
            _ => standing.map(|_| STANDING),
        };
        let (Some(token), Some(number)) = (token, number) else {
            self.held.dropped += 1;
            cx.stats.dropped += 1;
            return;
        };
        let mut data = Vec::new();
        message.splice(
            &Splice {
                token: Some(token),
                ..Splice::default()
            },
            &mut data,
        );
        self.put(number, &data, cx);
    }

    fn carries(&self, number: u64) -> bool {
        self.streams.get(number).is_some_and(Stream::carries)
    }

    /// Where a message goes that names no call: the wire does not tell, so this is a rule.
    fn route(&self, message: &Message<'_>, child: &Child) -> u64 {
        let method = message.method().unwrap_or_default();
        let listening = self.carries(STANDING);
        if listening
            && (method.ends_with("/list_changed") || method == "notifications/resources/updated")
        {
            return STANDING;
        }
        let latest = child.calls.last().map(|(_, call)| call.stream);
        let latest = latest.filter(|number| self.carries(*number));
        match latest {
            Some(number) if child.calls.len() == 1 || !listening => number,
            _ => STANDING,
        }
    }

    /// Puts a message onto a stream.
    fn put(&mut self, number: u64, data: &[u8], cx: &mut Context) {
        self.with(number, cx, |stream, at, held, cx| {
            stream.event(data, at, held, cx)
        });
        self.tidy(number, cx);
    }

    /// A line that is no message. If it is an answer all the same, its call ends in an error.
    fn noise(
        &mut self,
        text: &[u8],
        malformed: &Malformed<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) {
        if !core::mem::replace(&mut self.told_noise, true) {
            let shown = &text[..text.len().min(NOISE_SHOWN)];
            cx.notice(Notice::Noise {
                pipe: self.pipe,
                reason: malformed.reason(),
                line: String::from_utf8_lossy(shown).into_owned(),
            });
        }
        let text = String::from_utf8_lossy(text);
        let Some(id) = answers(text.as_bytes()) else {
            return;
        };
        let fault = Fault::Garbled(malformed.reason());
        if self.is_open() {
            self.fail(id, &fault, child, cx);
        }
    }

    // ---- what ends

    /// Answers a call with an error of our own.
    pub(crate) fn fail(&mut self, id: u64, fault: &Fault, child: &mut Child, cx: &mut Context) {
        let Some(call) = child.end_call(id, cx) else {
            return;
        };
        if self.is_open() {
            self.answer(call.stream, fault.message(Some(&call.id)), cx);
            return;
        }
        let response = fault.failed_start(Some(&call.id));
        self.with(call.stream, cx, |stream, at, held, cx| {
            stream.whole(response, at, held, cx)
        });
    }

    /// A call was not answered in time. The line that tells the child, if it does not know yet.
    pub(crate) fn overdue(&mut self, id: u64, child: &mut Child, cx: &mut Context) {
        let Some(call) = child.calls.get(id) else {
            return;
        };
        if call.cancelled {
            return self.fail(id, &Fault::Cancelled, child, cx);
        }
        let cancel = alloc::format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"timed out"}}}}"#
        );
        child.write(context::line(cancel.into_bytes()), cx);
        self.fail(id, &Fault::TimedOut, child, cx);
    }

    /// Ends the session: calls are answered, streams end, the child steps onto the ladder.
    pub(crate) fn end(mut self, cause: Cause, fault: &Fault, child: &mut Child, cx: &mut Context) {
        for id in child.call_ids() {
            self.fail(id, fault, child, cx);
        }
        let at = self.at(STANDING);
        for (number, mut stream) in self.streams.take() {
            let at = At { number, ..at };
            stream.finish(at, cx);
            stream.retire(at, cx);
        }
        for (deadline, wait) in [
            (&mut self.start, Wait::Start(self.pipe)),
            (&mut self.idle, Wait::Idle(self.pipe)),
            (&mut self.exit, Wait::Exit(self.pipe)),
            (&mut self.forget, Wait::Forget(self.pipe)),
        ] {
            cx.timers.clear(deadline, wait);
        }
        cx.notice(Notice::SessionEnded {
            pipe: self.pipe,
            pid: child.pid,
            cause,
            lived: cx.now.since(self.began),
            calls: self.calls,
            dropped: self.held.dropped,
        });
    }

    // ---- waits

    /// The child closed its standard output: it ends, and how is known in a moment.
    pub(crate) fn stdout_closed(&mut self, cx: &mut Context) {
        let when = cx.now.after(cx.config.exit_grace);
        cx.timers.set(&mut self.exit, when, Wait::Exit(self.pipe));
    }

    fn wait_idle(&mut self, cx: &mut Context) {
        if let Some(idle) = cx.config.idle {
            let when = self
                .contact
                .after(idle)
                .max(cx.now.after(Duration::from_millis(1)));
            cx.timers.set(&mut self.idle, when, Wait::Idle(self.pipe));
        }
    }

    /// The idle wait is due. True if the session was idle all the while.
    pub(crate) fn idle(&mut self, cx: &mut Context) -> bool {
        self.idle.spend();
        let Some(idle) = cx.config.idle else {
            return false;
        };
        if self.streams.iter().any(|(_, stream)| stream.is_alive()) {
            self.contact = cx.now;
        }
        if cx.now.since(self.contact) >= idle {
            return true;
        }
        self.wait_idle(cx);
        false
    }

    /// A stream's wait is due.
    pub(crate) fn tick(&mut self, number: u64, cx: &mut Context) {
        let kept = self.with(number, cx, |stream, at, held, cx| stream.tick(at, held, cx));
        if kept == Some(false) {
            self.contact = cx.now;
            cx.notice(Notice::Stalled { pipe: self.pipe });
        }
        self.tidy(number, cx);
    }

    /// Ended streams were kept long enough.
    pub(crate) fn forget(&mut self, cx: &mut Context) {
        self.forget.spend();
        let ended: Vec<u64> = self.ended().collect();
        for number in ended {
            self.drop_stream(number, cx);
        }
    }

    fn ended(&self) -> impl Iterator<Item = u64> {
        let ended = self
            .streams
            .iter()
            .filter(|(n, stream)| *n != STANDING && stream.is_ended());
        ended.map(|(number, _)| number)
    }

    fn drop_stream(&mut self, number: u64, cx: &mut Context) {
        self.with(
            number,
            cx,
            |stream, _, held, cx| while stream.drop_oldest(held, cx) {},
        );
    }

    /// Keeps within `Config::replay`, at the cost of the stream that grew first.
    fn tidy(&mut self, number: u64, cx: &mut Context) {
        while self.held.kept > cx.config.replay {
            let victim = [number, STANDING]
                .into_iter()
                .chain(self.streams.iter().map(|(number, _)| number))
                .find(|&victim| {
                    let kept = self.streams.get(victim).map_or(0, Stream::kept);
                    kept > usize::from(victim == number)
                });
            let Some(victim) = victim else { break };
            self.with(victim, cx, |stream, _, held, cx| {
                stream.drop_oldest(held, cx)
            });
        }
        if self.held.dropped > 0 && !core::mem::replace(&mut self.told_drops, true) {
            cx.notice(Notice::Dropping { pipe: self.pipe });
        }
        if self
            .streams
            .get(number)
            .is_some_and(|s| number != STANDING && s.is_ended())
        {
            let when = cx.now.after(cx.config.keep_ended);
            cx.timers
                .no_later(&mut self.forget, when, Wait::Forget(self.pipe));
            let oldest = if self.ended().count() > cx.config.calls {
                self.ended().next()
            } else {
                None
            };
            if let Some(oldest) = oldest {
                self.drop_stream(oldest, cx);
            }
        }
    }
}

/// The call that a text answers although it is no message.
fn answers(text: &[u8]) -> Option<u64> {
    let whole = 0..text.len();
    if json::member(text, &whole, "method").is_some() {
        return None;
    }
    json::member(text, &whole, "id").and_then(|id| child::own_id(&text[id]))
}

/// What a session's end means for its calls.
pub(crate) fn fault_of(cause: Cause, reason: Option<&str>) -> Fault {
    match (cause, reason) {
        (Cause::NotStarted, Some(reason)) => Fault::NotStarted(reason.to_string()),
        (Cause::StartTimeout, _) => Fault::StartTimeout,
        (Cause::Shutdown, _) => Fault::Draining,
        _ => Fault::Ended(cause),
    }
}
