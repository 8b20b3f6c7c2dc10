//! The laws of the state after each step: what could be done is done, nobody waits for nothing,
//! and the limits hold. Then the judge takes note of what is settled.

use mcp_bridge::Config;

use super::World;
use super::law::{Broken, Judged, Law, require};
use super::model::{Ask, Call, Phase, Route, Said, SaidKind, ToldKind};
use super::stream::EXTRA;
use super::text::same_name;
use super::upward::is_dropped;

/// What a piece of the engine may hold beside what `Config` counts.
const SLACK: usize = 8192;
/// The largest piece of stdout that the driver tells at once.
const PIECE: usize = 65_536;

impl World<'_> {
    /// Looks at what came of the inputs since the last drain.
    pub(super) fn settle(&mut self) -> Judged {
        if self.pending == 0 {
            return Ok(());
        }
        self.judge_said()?;
        for place in 0..self.open.len() {
            let number = self.open[place];
            self.judge_exchange(number)?;
        }
        self.judge_modern()?;
        self.judge_children()?;
        self.judge_sessions()?;
        self.judge_upward()?;
        self.judge_buffered()?;
        if self.ticked {
            self.judge_waits()?;
        }
        self.take_note()
    }

    /// What was said since the last drain came out, if it could.
    fn judge_said(&self) -> Judged {
        if !self.is_only() {
            return Ok(());
        }
        for said in &self.fresh {
            let said = &self.said[*said];
            // Nobody is there to answer it but the engine.
            let waits = said.is_ping() && said.route == Route::Queue && !said.replied;
            let ends = self.sessions.get(said.session).is_none_or(|s| s.over || s.doomed);
            require!(Prompt, !waits || ends, "a ping without an answer");
            if said.seen.is_none() && !self.is_excused(said) {
                let shown = String::from_utf8_lossy(&said.expected);
                require!(Prompt, false, "not delivered ({:?}): {shown}", said.route);
            }
        }
        Ok(())
    }

    fn is_excused(&self, said: &Said) -> bool {
        let Some(session) = self.sessions.get(said.session) else { return true };
        if session.over || session.doomed || session.blurred {
            return true;
        }
        let number = match said.route {
            Route::Never | Route::Any | Route::Queue => return true,
            Route::Exchange(number) => number,
            Route::Call(call) if self.calls[call].garbled => return true,
            // It ended while its client was asked, and its child need not know.
            Route::Call(call)
                if self.calls[call].unwanted && self.upward.rounds.contains_key(&call) =>
            {
                return true;
            }
            Route::Call(call) => match self.carrier(&self.calls[call]) {
                Some(number) => number,
                None => return true,
            },
        };
        let exchange = &self.exchanges[number];
        let waits = exchange.phase == Phase::Waiting;
        let whole = exchange.calls.iter().all(|call| self.calls[*call].has_ended());
        match said.kind {
            SaidKind::Answer(_) if waits && !whole => true,
            SaidKind::Progress(call) if !exchange.sse || self.calls[call].is_initialize => true,
            // Before the client learns that it was declined, the child may be asked for its era.
            SaidKind::Answer(call) if self.is_declined(call) => true,
            // Timers come first.
            SaidKind::Answer(call) if self.is_late(call) => true,
            // An error came in its place, which had a cause.
            SaidKind::Answer(call) if self.calls[call].failed => true,
            _ => exchange.lost || self.is_clogged(said.session, said.expected.len()),
        }
    }

    /// The exchange that a call's messages come out on.
    fn carrier(&self, call: &Call) -> Option<usize> {
        let asked = &self.exchanges[call.exchange];
        if asked.is_live() || asked.stream.is_none() && !asked.lost {
            return Some(call.exchange);
        }
        let last = *self.streams[asked.stream?].carriers.last()?;
        self.exchanges[last].carries().then_some(last)
    }

    /// Some reader in this session is so far behind that a message may have to wait.
    pub(super) fn is_clogged(&self, session: usize, length: usize) -> bool {
        self.open.iter().any(|number| {
            let exchange = &self.exchanges[*number];
            exchange.session == Some(session)
                && exchange.lingers()
                && exchange.untaken + length + EXTRA > self.config.queue
        })
    }

    fn judge_exchange(&self, number: usize) -> Judged {
        let exchange = &self.exchanges[number];
        if exchange.lost || matches!(exchange.ask, Ask::Modern(_) | Ask::Listen(_)) {
            return Ok(());
        }
        let done = exchange.phase == Phase::Done;
        if let Some(session) = exchange.session {
            let over = self.sessions[session].over;
            require!(EveryRequestEnds, done || !over, "{number} is open, its session is over");
        }
        let long = matches!(exchange.ask, Ask::Initialize | Ask::Calls { .. });
        let waits = exchange.phase == Phase::Waiting;
        require!(EveryRequestEnds, long || !waits, "{number} got no answer: {:?}", exchange.ask);
        if done {
            return self.judge_accepted(number);
        }
        let settled = exchange.calls.iter().all(|call| self.calls[*call].is_settled());
        require!(EveryRequestEnds, !(long && settled), "{number} has all answers, but no end");
        if matches!(exchange.ask, Ask::Calls { .. }) {
            self.judge_accepted(number)?;
        }
        match exchange.ask {
            Ask::Resume { .. } => self.judge_resumed(number),
            _ => Ok(()),
        }
    }

    /// What was accepted reached the child.
    fn judge_accepted(&self, number: usize) -> Judged {
        let exchange = &self.exchanges[number];
        let accepted = exchange.status == 202 || exchange.phase != Phase::Done;
        let Some(session) = exchange.session.filter(|_| accepted) else { return Ok(()) };
        if self.is_ending(session) {
            return Ok(());
        }
        let crossed = self.is_crossed(session);
        for told in self.told.iter().filter(|told| told.exchange == number && !told.seen) {
            let owed = match &told.kind {
                ToldKind::Call(call) => !self.is_made_here(&self.calls[*call]),
                ToldKind::Notification(method) => !(crossed && is_dropped(method)),
                ToldKind::Reply(_) if crossed => false,
                ToldKind::Reply(said) => said.is_some_and(|said| !self.said[said].replied),
                ToldKind::Cancel { target } => {
                    self.judge_cancelled(number, session, target)?;
                    false
                }
            };
            require!(StdinLines, !owed, "{number} was accepted, but not written: {told:?}");
        }
        Ok(())
    }

    /// A call that its client does not want is not wanted of the child either.
    fn judge_cancelled(&self, number: usize, session: usize, target: &[u8]) -> Judged {
        let calls = self
            .calls
            .iter()
            .filter(|call| call.session == session && same_name(call.holes.id.as_deref(), target));
        let meant = calls
            .clone()
            .filter(|call| call.in_flight() && !call.garbled && call.exchange < number);
        // Of several by one id, it is the latest.
        let meant = meant.max_by_key(|call| call.number()).filter(|call| {
            // It may have ended where nobody reads, or where an answer waits for others.
            let asked = &self.exchanges[call.exchange];
            let unseen = (!asked.is_live() || asked.calls.len() > 1) && self.is_asking(call);
            let done = calls.clone().any(|call| call.has_ended() && !call.over);
            // Another of the name goes on, which is as good.
            let done = done || calls.clone().any(|call| self.is_asking(call));
            let ended = done || unseen || self.has_upward_cause(call);
            !(self.is_crossed(session) && ended)
        });
        require!(Cancel, meant.is_none(), "{number}: not cancelled: {meant:?}");
        Ok(())
    }

    /// A resume has brought all that it must, as far as its reader takes it.
    fn judge_resumed(&self, number: usize) -> Judged {
        let exchange = &self.exchanges[number];
        let Some(stream) = exchange.stream.map(|stream| &self.streams[stream]) else {
            return Ok(());
        };
        let rest = stream.log.get(exchange.cursor..).unwrap_or_default();
        let length: usize = rest.iter().map(|entry| entry.data.len() + EXTRA).sum();
        if exchange.untaken + length > self.config.queue || exchange.rivalled || exchange.superseded
        {
            return Ok(());
        }
        let missed = self.missed(exchange, stream.log.len());
        require!(Resume, missed.is_none(), "{number} was resumed, but not told {missed:?}");
        Ok(())
    }

    /// What waits for a stream waits no longer once there is one that can carry it.
    fn judge_queue(&self, number: usize) -> Judged {
        let session = &self.sessions[number];
        let forgets = session.event_bytes > self.config.replay;
        let unsure = !self.is_only() || session.blurred || forgets || self.is_ending(number);
        if session.queued.is_empty() || unsure || self.is_clogged(number, session.event_bytes) {
            return Ok(());
        }
        let carrier = self.open.iter().find(|number| {
            let exchange = &self.exchanges[**number];
            let owes = || exchange.calls.iter().any(|call| self.calls[*call].in_flight());
            exchange.session.is_some_and(|own| self.sessions[own].exchange == session.exchange)
                && exchange.is_live()
                && match exchange.ask {
                    Ask::Get => exchange.phase == Phase::Streaming,
                    Ask::Calls { .. } => exchange.sse && owes(),
                    _ => false,
                }
        });
        let mut waits = session.queued.iter().map(|said| &self.said[*said]);
        let waits = waits.rfind(|said| said.seen.is_none());
        let shown = waits.map(|said| String::from_utf8_lossy(&said.expected));
        let idle = carrier.is_none() || waits.is_none();
        require!(Prompt, idle, "{carrier:?} could carry what waits: {shown:?}");
        Ok(())
    }

    fn judge_children(&mut self) -> Judged {
        let open = self.sessions.iter().filter(|session| session.open && !session.over).count();
        let most = self.config.sessions;
        require!(Limits, open <= most, "{open} sessions, {most} are allowed");
        let mut starting = 0;
        let mut unbound = 0;
        for number in 0..self.children.len() {
            let child = &self.children[number];
            if child.gone {
                continue;
            }
            let process = child.id;
            let desk = &self.modern.desks[number];
            if !child.is_leaving() && desk.shared {
                starting += usize::from(!desk.ready && !self.is_spare(number));
            } else if !child.is_leaving() {
                let session = child.session.map(|session| &self.sessions[session]);
                // One that was asked for its era has started.
                let opens = session.is_none_or(|session| !session.open) && !desk.denied;
                starting += usize::from(opens);
                unbound += usize::from(session.is_none());
                let owned = session.is_none_or(|session| {
                    session.open || self.exchanges[session.exchange].is_live()
                });
                require!(NoOrphan, owned, "{process} has no session and is not told to go");
            }
            self.judge_wants(number)?;
        }
        let most = self.config.starting;
        require!(Limits, starting <= most, "{starting} children start, {most} are allowed");
        let asked = self.sessions.iter().filter(|session| {
            session.child.is_none() && self.exchanges[session.exchange].is_live()
        });
        let asked = asked.count();
        require!(NoOrphan, unbound <= asked, "{unbound} children for {asked} initializes");
        Ok(())
    }

    /// A child is read, unless one of its readers is behind.
    fn judge_wants(&mut self, number: usize) -> Judged {
        let child = &self.children[number];
        let (process, session) = (child.id, child.session);
        let wants = self.subject.wants(process);
        if wants {
            return Ok(());
        }
        let behind = session.is_some_and(|session| {
            self.open.iter().any(|number| {
                let exchange = &self.exchanges[*number];
                exchange.session == Some(session) && exchange.lingers()
            })
        });
        let behind = behind || self.modern.desks[number].shared && self.is_shared_clogged(number);
        require!(Wants, behind, "{process} is not read, though no reader is behind");
        if let Some(session) = session {
            self.sessions[session].blurred = true;
        }
        Ok(())
    }

    fn judge_sessions(&self) -> Judged {
        for (number, session) in self.sessions.iter().enumerate().filter(|(_, s)| !s.over) {
            self.judge_queue(number)?;
            let child = session.child.map(|child| &self.children[child]);
            let owned = child.is_some_and(|child| !child.is_leaving());
            require!(NoOrphan, owned || !session.open, "session {number} has no child");
            let busy = self
                .calls
                .iter()
                .filter(|call| call.session == number && call.in_flight() && !call.garbled)
                // It may have ended where nobody reads.
                .filter(|call| !(call.unwanted && self.is_asking(call)))
                .filter(|call| !self.has_upward_cause(call));
            let (busy, most) = (busy.count(), self.config.calls);
            require!(Limits, busy <= most, "session {number}: {busy} calls, {most} are allowed");
        }
        for stream in &self.streams {
            let carriers = || stream.carriers.iter().filter(|n| self.exchanges[**n].carries());
            let shared = carriers().count() > 1;
            require!(OneStream, !shared, "a stream on {:?}", carriers().collect::<Vec<_>>());
        }
        Ok(())
    }

    /// What the engine says that it holds is at least what it must hold, and at most what it may.
    fn judge_buffered(&mut self) -> Judged {
        let held = self.subject.buffered();
        let Config { message, replay, stdin, queue, .. } = self.config;
        let children = self.children.iter().filter(|child| !child.gone);
        let partial: usize = children
            .clone()
            .filter(|child| child.session.is_some_and(|session| self.sessions[session].is_live()))
            .filter(|child| child.partial <= message)
            .map(|child| child.partial)
            .sum();
        let behind: usize = children.clone().map(|child| child.backlog).sum();
        let untaken: usize = self
            .open
            .iter()
            .map(|number| &self.exchanges[*number])
            .filter(|exchange| exchange.lingers())
            .map(|exchange| exchange.untaken)
            .sum();
        // What is refused, and said of the bridge itself, is short, and may not be counted.
        let short: usize = self
            .open
            .iter()
            .map(|number| &self.exchanges[*number])
            .filter(|exchange| exchange.lingers())
            .filter(|exchange| exchange.is_short || exchange.ask == Ask::Health)
            .map(|exchange| exchange.untaken)
            .sum();
        let must = partial + behind + untaken - short;
        require!(Buffered, held >= must, "it holds {must}, and says {held}");
        let waiting = self.sessions.iter().filter(|session| !session.over).count();
        let sessions = (children.count() + waiting)
            * (message + PIECE.min(16 * message) + replay + message + stdin + message + SLACK);
        let exchanges: usize = self
            .open
            .iter()
            .filter(|number| self.exchanges[**number].is_live())
            .map(|number| self.exchanges[*number].calls.len() + 2)
            .sum();
        // Calls that may go on, together as long as one message, or one of them longer.
        let crossed = self.upward.crossings.len() * 3 * message;
        let most = must + short + sessions + crossed + exchanges * (message + queue + SLACK);
        // The budget bounds all of them together, but for one message that is worked on, or all
        // that one read brought, and for refusals.
        let bound = self.config.budget + short;
        let worked = message + message / 4;
        let brought = self.brought.max(2 * self.piece);
        self.brought = if held > bound + worked { brought } else { 0 };
        let most = most.min(bound + worked.max(self.brought));
        require!(Buffered, held <= most, "it holds {held}, {most} are allowed");
        Ok(())
    }

    /// From here on, what happened has happened.
    fn take_note(&mut self) -> Judged {
        self.note_modern();
        for call in &mut self.calls {
            call.over |= call.has_ended();
        }
        for child in self.children.iter_mut().filter(|child| child.gone) {
            child.gone_settled = true;
            if let Some(session) = child.session {
                self.sessions[session].over = true;
            }
        }
        for session in &mut self.sessions {
            if session.over && !session.over_settled && !session.open {
                let refused = self.exchanges[session.exchange].status == 503;
                self.failed_starts += u32::from(!refused);
                if self.failed_starts >= self.config.breaker_starts {
                    self.breaker = self.seen.after(self.config.breaker_wait);
                }
            }
            session.over_settled |= session.over;
        }
        let (exchanges, sessions, seen) = (&mut self.exchanges, &mut self.sessions, self.seen);
        self.open.retain(|number| {
            let exchange = &mut exchanges[*number];
            exchange.lost_settled |= exchange.lost;
            let was_over = core::mem::replace(
                &mut exchange.over_settled,
                exchange.phase == Phase::Done || exchange.lost,
            );
            if let Some(session) = exchange.session.filter(|_| !was_over)
                && !matches!(exchange.ask, Ask::Wrong { .. })
                && exchange.status < 400
            {
                sessions[session].touched = seen;
            }
            exchange.is_live() || exchange.lingers()
        });
        for said in self.fresh.drain(..) {
            // What had to wait for its reader may find another stream by then.
            let said = &mut self.said[said];
            if said.seen.is_none() && matches!(said.route, Route::Exchange(_)) {
                said.route = Route::Any;
            }
        }
        self.pending = 0;
        self.crossed = false;
        self.piece = 0;
        self.ticked = false;
        Ok(())
    }
}
