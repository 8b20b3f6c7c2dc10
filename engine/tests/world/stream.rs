//! Streams: what the engine hears from a child and where it belongs, and what comes out on each
//! SSE stream, event by event, with resumes.

use mcp_bridge::Response;

use super::World;
use super::events::Block;
use super::json;
use super::law::{Broken, Judged, Law, require};
use super::model::{Ask, Call, Entry, Exchange, Phase, Route, SaidKind, Stream, Version};
use super::setup::Command;

/// What the engine may add to a message when it counts what it holds.
pub(crate) const EXTRA: usize = 256;

impl World<'_> {
    /// A head that promises a stream.
    pub(super) fn open_stream(&mut self, number: usize, response: &Response) -> Judged {
        if matches!(self.exchanges[number].ask, Ask::Modern(_) | Ask::Listen(_)) {
            return self.modern_stream(number, response.status);
        }
        let owed = self.nothing_is_left(number, Call::is_settled);
        let nothing = owed && !self.was_cut(number);
        require!(Resume, !nothing, "{number}: a stream on which nothing can come");
        self.exchanges[number].owed = owed;
        let exchange = &mut self.exchanges[number];
        require!(Status, response.status == 200, "{number}: a stream with {}", response.status);
        require!(Accept, exchange.sse, "{number}: a stream, which the client does not accept");
        exchange.phase = Phase::Streaming;
        exchange.sent = self.seen;
        exchange.moved = self.seen;
        let right = matches!(
            exchange.ask,
            Ask::Initialize | Ask::Calls { .. } | Ask::Get | Ask::Resume { .. } | Ask::ResumeOdd
        );
        require!(Status, right, "{number}: a stream for {:?}", exchange.ask);
        require!(Gone, !exchange.knew_over, "{number}: a stream in a session that is over");
        self.counts.streams += 1;
        let session = exchange.session.unwrap_or_default();
        if exchange.ask == Ask::Initialize {
            self.open_early(number, session, response)?;
        }
        let (stream, cursor) = self.attach(number, session);
        let exchange = &mut self.exchanges[number];
        exchange.stream = Some(stream);
        exchange.cursor = cursor;
        self.streams[stream].carriers.push(number);
        if self.streams[stream].is_get && !self.exchanges[number].lost {
            self.sessions[session].gets.push(number);
        }
        Ok(())
    }

    /// `initialize` is answered by a stream, whose head names the session.
    fn open_early(&mut self, number: usize, session: usize, response: &Response) -> Judged {
        let id = response.fields.iter().find(|(name, _)| *name == "mcp-session-id");
        let declined = self.is_declined(self.sessions[session].call);
        let crosses = self.swarm.command == Command::Modern;
        let fits = id.is_some() != declined || crosses;
        require!(Head, fits, "{number}: a stream for initialize without a session id");
        self.sessions[session].id = id.map(|(_, value)| value.to_string());
        self.require_fresh_id(session)
    }

    /// Whether an exchange resumes a stream after its last event, and the calls of it are settled.
    pub(super) fn nothing_is_left(&self, number: usize, settled: fn(&Call) -> bool) -> bool {
        let Ask::Resume { stream, entry } = self.exchanges[number].ask else { return false };
        let stream = &self.streams[stream];
        let first = stream.carriers.first().map(|first| &self.exchanges[*first]);
        let over = |calls: &Vec<usize>| calls.iter().all(|call| settled(&self.calls[*call]));
        !stream.is_get
            && entry + 1 == stream.log.len()
            && first.is_some_and(|first| over(&first.calls))
    }

    /// Which log this exchange carries on, and from where.
    fn attach(&mut self, number: usize, session: usize) -> (usize, usize) {
        let new = Stream { session, ..Stream::default() };
        match self.exchanges[number].ask {
            Ask::Resume { stream, entry } => {
                self.move_carriers(stream);
                (stream, entry + 1)
            }
            ref ask => {
                let is_get = matches!(ask, Ask::Get | Ask::ResumeOdd);
                self.streams.push(Stream { is_get, ..new });
                (self.streams.len() - 1, 0)
            }
        }
    }

    /// Whether a reader of the stream that is resumed left, or was broken off, so that it may have
    /// missed events.
    fn was_cut(&self, number: usize) -> bool {
        let Ask::Resume { stream, .. } = self.exchanges[number].ask else { return false };
        let mut carriers = self.streams[stream].carriers.iter().map(|n| &self.exchanges[*n]);
        carriers.any(|carrier| carrier.lost || carrier.aborted)
    }

    /// Who resumes a GET stream ends none of its readers: they go on with streams of their own.
    fn move_carriers(&mut self, stream: usize) {
        let carriers = self.streams[stream].carriers.clone();
        let is_get = self.streams[stream].is_get;
        for number in carriers.into_iter().filter(|_| is_get) {
            if self.exchanges[number].stream == Some(stream) && self.exchanges[number].carries() {
                let session = self.streams[stream].session;
                self.streams[stream].carriers.retain(|carrier| *carrier != number);
                let carriers = vec![number];
                self.streams.push(Stream { session, is_get, carriers, ..Stream::default() });
                self.exchanges[number].stream = Some(self.streams.len() - 1);
                self.exchanges[number].cursor = 0;
            }
        }
    }

    /// Who asks for a stream may take the place of those that carry it, or get what GET streams
    /// have not sent.
    pub(super) fn displace(&mut self, new: &Exchange) {
        let (resumed, listens) = match new.ask {
            Ask::Get | Ask::ResumeOdd => (None, true),
            Ask::Resume { stream, .. } => (Some(stream), self.streams[stream].is_get),
            _ => return,
        };
        for number in self.open.iter().copied() {
            let old = &self.exchanges[number];
            if old.session != new.session {
                continue;
            }
            let meant = match old.ask {
                Ask::Resume { stream, .. } => Some(stream),
                _ => old.stream,
            };
            let gets = meant.is_none_or(|stream| self.streams[stream].is_get);
            let old = &mut self.exchanges[number];
            old.superseded |= listens && gets;
            old.rivalled |= !listens && meant == resumed;
        }
    }

    pub(super) fn send(&mut self, number: usize, bytes: &[u8]) -> Judged {
        // One piece of stdout is read to its end; each line in it grows by its event's fields.
        // What waited for a stream, or is replayed, comes at once.
        let limit = self.config.queue + 2 * self.piece + 2 * self.config.replay + EXTRA;
        let exchange = &self.exchanges[number];
        let session = exchange.session;
        // A shared child is read up to twice `queue`. The answers to a batch are held until all are
        // there, or until something must go before them: then they come at once.
        let limit = limit + if session.is_none() { self.config.queue } else { 0 };
        let is_batch = exchange.ask == (Ask::Calls { batch: true });
        let limit = limit + if is_batch { self.config.message } else { 0 };
        let over = session.is_some_and(|session| self.is_ending(session));
        let behind = exchange.untaken;
        // Comments and errors of the engine's own are short and few.
        let made = super::text::nonce(bytes, b's').is_none();
        let fits = behind <= limit || over || made;
        require!(Limits, fits, "{number} is {behind} bytes behind");
        let exchange = &mut self.exchanges[number];
        if behind == 0 {
            exchange.moved = self.seen;
        }
        exchange.untaken += bytes.len();
        exchange.sent = self.seen;
        let mut reader = core::mem::take(&mut exchange.reader);
        let blocks = reader.feed(bytes);
        self.exchanges[number].reader = reader;
        for block in blocks {
            self.read_block(number, block)?;
        }
        Ok(())
    }

    fn read_block(&mut self, number: usize, block: Block) -> Judged {
        require!(Events, block.odd == 0, "{number}: a line that is no field: {block:?}");
        let named = block.event.as_deref().unwrap_or(b"message");
        require!(Events, named == b"message", "{number}: another event type: {block:?}");
        if let Some(turn) = self.turn_of(number) {
            return self.modern_event(number, turn, &block);
        }
        if let Some(listening) = self.listening_of(number) {
            return self.listen_event(number, listening, &block);
        }
        let exchange = &mut self.exchanges[number];
        let first = exchange.blocks == 0;
        exchange.blocks += 1;
        let (Some(session), Some(stream)) = (exchange.session, exchange.stream) else {
            return Ok(());
        };
        let by_post = matches!(exchange.ask, Ask::Calls { .. });
        let version = self.version_of(session);
        let primes = block.data.as_deref().is_none_or(<[u8]>::is_empty);
        // Who answers decides which revision it is, and nobody has.
        let unknown = version.is_none() && self.swarm.command == Command::Modern;
        if unknown {
            return self.new_event(number, session, stream, block);
        }
        if by_post && first && version.is_some_and(Version::primes) {
            require!(Priming, primes && block.id.is_some(), "{number} is not primed: {block:?}");
        }
        if primes || block.retry.is_some() {
            let known = version.is_some_and(Version::primes);
            require!(Priming, known, "{number}: priming in {version:?}: {block:?}");
        }
        let resumes = version.is_some_and(Version::resumes);
        let numbered = block.id.is_some() || primes || !resumes;
        require!(Events, numbered, "{number}: an event without an id: {block:?}");
        if let Some(id) = &block.id {
            let visible = !id.is_empty() && id.iter().all(|byte| (0x21..=0x7e).contains(byte));
            require!(Events, visible, "{number}: the event id {id:?}");
            if let Some((of, entry)) = self.sessions[session].events.get(id).copied() {
                return self.replayed(number, (of, entry), &block);
            }
        }
        self.new_event(number, session, stream, block)
    }

    /// The version of a session, also while its first answer is on its way.
    fn version_of(&self, session: usize) -> Option<Version> {
        let known = &self.sessions[session];
        let answer = || self.calls[known.call].answer.and_then(|said| self.version_in(said));
        known.version.or_else(answer)
    }

    /// An event that is known by its id: only who asked for it gets it again.
    fn replayed(&mut self, number: usize, (of, entry): (usize, usize), block: &Block) -> Judged {
        let exchange = &self.exchanges[number];
        let known = &self.streams[of].log[entry];
        let asked = matches!(exchange.ask, Ask::Resume { .. });
        require!(Once, asked, "{number}: a known event, unasked: {block:?}");
        require!(Resume, exchange.stream == Some(of), "{number}: of another stream: {block:?}");
        require!(Resume, entry >= exchange.cursor, "{number}: not asked for: {block:?}");
        let same = known.data == block.data.clone().unwrap_or_default();
        require!(Resume, same, "{number}: {block:?}, before it was {known:?}");
        let missed = self.missed(exchange, entry);
        require!(Resume, missed.is_none(), "{number}: {block:?} comes before {missed:?}");
        self.exchanges[number].cursor = entry + 1;
        self.counts.replays += 1;
        Ok(())
    }

    /// What a resume must bring again before this entry, and did not.
    pub(super) fn missed(&self, exchange: &Exchange, entry: usize) -> Option<&Entry> {
        let stream = &self.streams[exchange.stream?];
        let Ask::Resume { .. } = exchange.ask else { return None };
        if self.may_have_forgotten(stream) {
            return None;
        }
        let rest = stream.log.get(exchange.cursor..entry)?;
        rest.iter().find(|entry| !entry.data.is_empty())
    }

    /// Events of a stream may be gone: too many in the session or for the memory, or ended too long
    /// ago.
    pub(super) fn may_have_forgotten(&self, stream: &Stream) -> bool {
        let session = &self.sessions[stream.session];
        let old = stream
            .log
            .first()
            .is_some_and(|entry| entry.at.after(self.config.keep_ended) <= self.seen);
        session.event_bytes > self.config.replay || old || self.pressed
    }

    fn new_event(&mut self, number: usize, session: usize, stream: usize, block: Block) -> Judged {
        let length = self.streams[stream].log.len();
        let missed = self.missed(&self.exchanges[number], length);
        require!(Resume, missed.is_none(), "{number}: {block:?} comes before {missed:?}");
        let data = block.data.unwrap_or_default();
        let place = (stream, length);
        if let Some(id) = &block.id {
            self.sessions[session].events.insert(id.clone(), place);
        }
        let order = self.sessions.iter().map(|session| session.events.len()).sum();
        let carrier = number;
        let at = self.seen;
        self.streams[stream].log.push(Entry {
            id: block.id,
            data: data.clone(),
            order,
            carrier,
            at,
        });
        self.exchanges[number].cursor = length + 1;
        self.sessions[session].event_bytes += EXTRA;
        if data.is_empty() {
            return Ok(());
        }
        if let Some(pieces) = json::elements(&data) {
            for piece in pieces {
                self.deliver_event(number, piece, place)?;
            }
            return Ok(());
        }
        self.deliver_event(number, &data, place)
    }

    fn deliver_event(&mut self, number: usize, data: &[u8], place: (usize, usize)) -> Judged {
        self.deliver(number, data, Some(place))?;
        let Some(said) = super::text::nonce(data, b's') else { return Ok(()) };
        self.open_by_event(number, said);
        let heard = self.said[said].heard.unwrap_or_default();
        // What waited for a stream comes late, but in its own order.
        let route = self.said[said].route;
        if route == Route::Any {
            // It may have waited for a stream, or not.
            return Ok(());
        }
        let waited = usize::from(route == Route::Queue || !self.fresh.contains(&said));
        let last = &mut self.streams[place.0].last_heard[waited];
        let turn = heard > *last;
        *last = heard;
        require!(
            Order,
            turn,
            "{number}: too late on its stream: {}",
            String::from_utf8_lossy(data)
        );
        Ok(())
    }

    /// The answer to `initialize` came as an event.
    fn open_by_event(&mut self, number: usize, said: usize) {
        let exchange = &self.exchanges[number];
        let SaidKind::Answer(call) = self.said[said].kind else { return };
        let Some(session) = exchange.session.filter(|_| exchange.ask == Ask::Initialize) else {
            return;
        };
        if self.sessions[session].call != call {
            return;
        }
        match self.sessions[session].id.clone() {
            Some(id) => self.open_session(session, id, said),
            None => self.declined(session),
        }
    }

    pub(super) fn finish(&mut self, number: usize) -> Judged {
        let whole = self.exchanges[number].reader.is_whole();
        require!(Events, whole, "{number} ends in the middle of an event");
        let exchange = &self.exchanges[number];
        let nothing = exchange.owed && exchange.blocks == 0;
        require!(Resume, !nothing, "{number}: a stream on which nothing came");
        self.require_end(number)?;
        self.close(number);
        Ok(())
    }

    pub(super) fn abort(&mut self, number: usize) -> Judged {
        let exchange = &self.exchanges[number];
        let stalled = exchange.untaken > 0 && exchange.moved.after(self.config.stall) <= self.seen;
        let cancelled = exchange.calls.iter().any(|call| self.calls[*call].unwanted);
        let ending = exchange.session.is_some_and(|session| self.is_ending(session));
        // Among several inputs, it may have been taken after it was due.
        let unsure = !self.is_only();
        let stalled = stalled || self.keeps_waiting(number, self.seen);
        let cause =
            stalled || exchange.was_late || cancelled || ending || exchange.rivalled || unsure;
        if let Some(turn) = self.turn_of(number) {
            self.modern.turns[turn].aborted = true;
        }
        let mut cause = cause;
        if let Some(listening) = self.listening_of(number) {
            self.modern.listenings[listening].aborted = true;
            cause |= self.is_deserted(listening);
        }
        require!(Stall, cause, "{number} is broken off without a cause");
        self.counts.aborts += 1;
        self.exchanges[number].untaken = 0;
        self.exchanges[number].aborted = true;
        self.forsake(number);
        self.close(number);
        Ok(())
    }

    /// What waited for this reader may wait for it to come back.
    pub(super) fn forsake(&mut self, number: usize) {
        let exchange = &self.exchanges[number];
        let Some(session) = exchange.session.filter(|_| exchange.ask == Ask::Get) else { return };
        for said in self.sessions[session].queued.drain(..) {
            self.said[said].route = Route::Any;
        }
    }

    /// A stream ends when all that it is for is done, or its session is over.
    fn require_end(&self, number: usize) -> Judged {
        let exchange = &self.exchanges[number];
        if let Some(listening) = self.listening_of(number) {
            let over = self.modern.listenings[listening].over;
            require!(Listening, over, "{number} ends without its result");
        }
        let session = exchange.session.unwrap_or_default();
        let Some(stream) = exchange.stream.map(|stream| &self.streams[stream]) else {
            return Ok(());
        };
        let first = stream.carriers.first().copied().unwrap_or(number);
        // An answer that came while nobody was there may be gone by now.
        let forgets = self.may_have_forgotten(stream) && stream.carriers.len() > 1;
        let open = self.exchanges[first].calls.iter().find(|call| {
            let call = &self.calls[**call];
            !(call.may_be_settled() || forgets && call.answer.is_some())
        });
        if stream.is_get || matches!(exchange.ask, Ask::ResumeOdd) {
            let most = self.config.listeners;
            // Who left in this step was there when another asked.
            let left = self.exchanges.iter().filter(|exchange| {
                let of = exchange.stream.map(|stream| &self.streams[stream]);
                let gets = of.is_some_and(|of| of.is_get && of.session == session);
                gets && exchange.lost && !exchange.lost_settled
            });
            let gets = self.sessions[session].gets.len() + left.count();
            let crowded = gets > most || gets == most && exchange.superseded;
            let ending = self.is_ending(session) || self.is_idle_due(session);
            // A child that holds much is ended where there is no memory.
            let cause = crowded || ending || self.pressed;
            require!(EveryRequestEnds, cause, "{number}: the GET stream ends for no reason");
        } else if !exchange.rivalled {
            require!(EveryRequestEnds, open.is_none(), "{number} ends, but call {open:?} is open");
            let missed = self.missed(exchange, stream.log.len());
            require!(Resume, missed.is_none(), "{number} ends before {missed:?}");
        }
        Ok(())
    }

    fn is_idle_due(&self, session: usize) -> bool {
        let touched = self.sessions[session].touched;
        self.config.idle.is_some_and(|idle| touched.after(idle) <= self.seen)
    }

    fn close(&mut self, number: usize) {
        let exchange = &mut self.exchanges[number];
        exchange.phase = Phase::Done;
        if let Some(session) = exchange.session {
            let session = &mut self.sessions[session];
            session.gets.retain(|get| *get != number);
        }
    }
}
