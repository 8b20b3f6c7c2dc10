//! Laws of the state after each step, for what the stateless era asks and gets.

use core::time::Duration;
use std::collections::BTreeSet;

use mcp_bridge::Instant;

use super::super::World;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::Phase;
use super::super::setup::{Clients, Command};
use super::asking::may_ask;
use super::client::CAPABILITIES;
use super::{To, WordKind};

/// How long a call waits for its child to act on what it was told before.
const SETTLE: Duration = Duration::from_millis(100);

impl World<'_> {
    /// Looks at all that clients of the stateless era wait for.
    pub(in super::super) fn judge_modern(&self) -> Judged {
        self.judge_words()?;
        for number in 0..self.open.len() {
            let number = self.open[number];
            if let Some(turn) = self.turn_of(number) {
                self.judge_turn(number, turn)?;
            }
        }
        self.judge_parks()?;
        self.judge_listenings()?;
        self.judge_given_up()?;
        self.judge_sharing()?;
        self.judge_pool()
    }

    /// The request that this exchange carries.
    pub(in super::super) fn turn_of(&self, number: usize) -> Option<usize> {
        match self.exchanges[number].ask {
            super::super::model::Ask::Modern(turn) => Some(turn),
            _ => None,
        }
    }

    /// What was said since the last drain came out.
    fn judge_words(&self) -> Judged {
        for word in &self.modern.fresh {
            let word = &self.modern.words[*word];
            let To::Turn(turn) = word.to else { continue };
            let turn = &self.modern.turns[turn];
            let excused = !self.is_only() || turn.aborted || self.is_over(word.child);
            let news = !matches!(word.kind, WordKind::Answer(_));
            let excused = excused || news && self.is_behind(turn.exchange);
            let shown = String::from_utf8_lossy(&word.text.fill(&turn.holes)).into_owned();
            require!(Prompt, word.seen || excused, "not delivered: {shown}");
        }
        Ok(())
    }

    /// A reader that is behind gets no more news, or what waits for it would hold up the others.
    fn is_behind(&self, exchange: usize) -> bool {
        let waiting = self.exchanges.iter().map(|exchange| exchange.untaken).sum::<usize>();
        let much = self.config.queue + self.config.queue / 2;
        // The rest of an event that has begun waits in the engine, and more behind it.
        let hidden = self.exchanges.iter().any(|e| e.untaken > 0 && !e.reader.is_whole());
        self.exchanges[exchange].untaken > 0 && (hidden || waiting >= much)
    }

    fn judge_turn(&self, number: usize, turn: usize) -> Judged {
        let (exchange, known) = (&self.exchanges[number], &self.modern.turns[turn]);
        let done = exchange.phase == Phase::Done;
        if let Some(child) = known.child
            && (known.in_flight() || known.cancelled)
            && !self.is_over(child)
        {
            let unwanted = exchange.lost || known.aborted;
            let told = known.cancelled || !unwanted;
            require!(Cancel, told, "{number} is gone, and the child does not know");
        }
        if exchange.lost {
            return Ok(());
        }
        let several = known.child.is_some_and(|child| self.may_be_of_several(child, turn));
        // A question for which there is no memory is refused.
        let room = !self.are_parks_full() && !self.pressed;
        let waits = known.parking && room && !several;
        let away = known.sent_away || known.lacks || waits;
        let away = away && self.is_only() && !known.is_over() && !known.aborted;
        let live = known.child.is_some_and(|child| !self.is_over(child));
        require!(EveryRequestEnds, !(away && live), "{number} is not sent away");
        let over = known.is_over() || known.aborted;
        require!(EveryRequestEnds, done || !over, "{number} has its answer, but no end");
        if done {
            return Ok(());
        }
        self.judge_level(number, turn)?;
        let gone = known
            .child
            .is_some_and(|child| self.children[child].gone || self.children[child].is_leaving());
        require!(EveryRequestEnds, !gone, "{number} waits for a child that is gone");
        let starts = known.child.is_some() || self.has_start() || self.settles(turn);
        require!(EveryRequestEnds, starts, "{number} waits, but no child starts");
        Ok(())
    }

    /// Its child was told what it asked before, and has time to act on it.
    fn settles(&self, turn: usize) -> bool {
        self.settled_at(turn).is_some_and(|at| at > self.seen)
    }

    /// When the child gets the call of this request again, which first brings it answers.
    pub(super) fn settled_at(&self, turn: usize) -> Option<Instant> {
        let known = &self.modern.turns[turn];
        let park = known.retries.filter(|retry| retry.good).and_then(|retry| retry.park)?;
        self.modern.parks[park].resend.then(|| known.asked.after(SETTLE))
    }

    /// How many requests a child got that nothing shows to be of one client.
    pub(super) fn carried(&self, child: usize) -> usize {
        let turns = self.modern.turns.iter().filter(|turn| turn.child == Some(child));
        let turns = turns.filter(|turn| turn.method != "server/discover");
        if self.modern.desks[child].session_era {
            let roots: BTreeSet<usize> = turns.map(|turn| turn.root).collect();
            return roots.len();
        }
        let listens = self.modern.listenings.iter();
        let listens = listens.filter(|of| of.child == Some(child) && of.given.is_some());
        turns.count() + listens.count()
    }

    /// A child logs what each request in flight asked for, whoever else asked for less.
    fn judge_level(&self, number: usize, turn: usize) -> Judged {
        let known = &self.modern.turns[turn];
        let desk = known.child.map(|child| &self.modern.desks[child]);
        let Some(desk) = desk.filter(|desk| desk.session_era && desk.logs) else { return Ok(()) };
        if let Some(wanted) = known.level.filter(|_| self.is_awaited(turn)) {
            let told = desk.level.is_some_and(|level| level <= wanted);
            require!(Levels, told, "{number} asked for more than {:?}", desk.level);
        }
        Ok(())
    }

    /// A call that may be asked has its child to itself.
    fn judge_sharing(&self) -> Judged {
        for (child, desk) in self.modern.desks.iter().enumerate() {
            let can = CAPABILITIES
                .iter()
                .any(|(_, class, can)| Some(*class) == desk.class && !can.is_empty());
            if !can || desk.over || !desk.session_era {
                continue;
            }
            let running = self.modern.turns.iter().enumerate().filter(|(number, turn)| {
                turn.child == Some(child) && may_ask(turn.method) && self.is_awaited(*number)
            });
            let parks = self
                .modern
                .parks
                .iter()
                // What nobody can read may end a call in the moment in which it asks.
                .filter(|park| !self.modern.turns[park.turn].garbled)
                .filter(|park| park.since.after(self.config.park) > self.seen)
                .filter(|park| !self.is_overdue(park.turn))
                .filter(|park| !park.over && park.early.is_none() && park.child == child);
            let engaged = running.count() + parks.count();
            let process = self.children[child].id;
            require!(Sharing, engaged <= 1, "{process} has {engaged} calls that may be asked");
        }
        Ok(())
    }

    /// Whether some shared child may still become ready, or waits for its turn to start.
    fn has_start(&self) -> bool {
        let mut children = self.children.iter().zip(&self.modern.desks);
        let starts = children.any(|(child, desk)| {
            let live = !child.gone && !child.is_leaving();
            live && desk.shared && !desk.ready
        });
        let starts = starts || (0..self.children.len()).any(|child| self.gives_way(child));
        starts || self.is_start_queued()
    }

    /// As many children start as may, so that others may wait for their turn.
    pub(super) fn is_start_queued(&self) -> bool {
        let mut starting = 0;
        for (child, desk) in self.children.iter().zip(&self.modern.desks) {
            let live = !child.gone && !child.is_leaving();
            let session = child.session.map(|session| &self.sessions[session]);
            let opens = session.is_none_or(|session| !session.open) && !desk.ready;
            let child = self.pipes[&child.id];
            starting += usize::from(live && opens || self.gives_way(child));
        }
        starting >= self.config.starting
    }

    /// A shared child that has not told its era may be given up now.
    pub(in super::super) fn is_start_failing(&self) -> bool {
        let stays = |child| self.gives_way(child) && self.stays(child, self.clock());
        if (0..self.children.len()).any(stays) {
            return true;
        }
        let patience = self.config.start.min(self.config.probe);
        self.modern.desks.iter().zip(&self.children).any(|(desk, child)| {
            // A late tick may give it little time.
            let late = self.swarm.sleepy || desk.began.after(patience) <= self.clock();
            desk.shared && !desk.was_ready && !desk.over && (desk.doomed || child.gone || late)
        })
    }

    /// No more shared children than may be.
    fn judge_pool(&self) -> Judged {
        let shared = self
            .children
            .iter()
            .zip(&self.modern.desks)
            .filter(|(child, desk)| desk.shared && !child.gone && !child.is_leaving());
        // Before a child of the stateless era a session starts in the same way.
        let shared = shared.filter(|(child, _)| !self.may_be_a_sessions(self.pipes[&child.id]));
        let (shared, most) = (shared.count(), self.config.pool);
        require!(Limits, shared <= most, "{shared} shared children, {most} are allowed");
        for (number, child) in self.children.iter().enumerate().filter(|(_, child)| !child.gone) {
            let running = self.modern.desks[number].todo.iter().filter(|turn| {
                let turn = &self.modern.turns[**turn];
                turn.in_flight()
            });
            let (running, most) = (running.count(), self.config.calls);
            let process = child.id;
            require!(Limits, running <= most, "{process}: {running} requests, {most} are allowed");
        }
        Ok(())
    }

    /// This child was asked for its era, and nothing shows for whom.
    pub(in super::super) fn may_be_a_sessions(&self, child: usize) -> bool {
        self.swarm.command == Command::Modern
            && self.swarm.clients != Clients::Modern
            && !self.modern.turns.iter().any(|turn| turn.child == Some(child))
    }

    /// Some reader of this child's answers is behind.
    pub(in super::super) fn is_shared_clogged(&self, child: usize) -> bool {
        self.open.iter().any(|number| {
            let turn = self.turn_of(*number).map(|turn| &self.modern.turns[turn]);
            let own = turn.is_some_and(|turn| turn.child.is_none_or(|own| own == child))
                || self.listening_of(*number).is_some();
            own && self.exchanges[*number].lingers()
        })
    }

    /// From here on, what happened has happened.
    pub(in super::super) fn note_modern(&mut self) {
        self.modern.fresh.clear();
        self.note_listenings();
        self.note_parks();
        for turn in &mut self.modern.turns {
            if core::mem::take(&mut turn.parking) && !turn.moved {
                turn.answer = turn.answer.or(turn.early);
            }
        }
        self.note_eras();
        for number in 0..self.children.len() {
            let over = self.children[number].gone || self.children[number].is_leaving();
            let stays = self.stays(number, self.seen);
            let desk = &mut self.modern.desks[number];
            desk.was_ready = desk.ready;
            desk.stayed |= stays;
            if !over || core::mem::replace(&mut desk.over, true) {
                continue;
            }
            desk.todo.clear();
            if desk.shared && !desk.ready {
                self.modern.failed_at = Some(self.seen);
                self.failed_starts += 1;
            }
        }
    }

    /// Nobody waits longer than `Config` says.
    pub(in super::super) fn judge_modern_patience(&self, number: usize, turn: usize) -> Judged {
        let (exchange, known) = (&self.exchanges[number], &self.modern.turns[turn]);
        // One that may be refused for its era gets its status when that is known.
        let begins = known.child.is_some() || self.shares();
        if exchange.phase == Phase::Waiting && exchange.sse && begins {
            let since = if self.shares() { known.asked } else { known.sent };
            let late = since.after(self.config.promote) <= self.seen;
            require!(SignOfLife, !late, "{number} waits since {since} without a head");
        }
        // What the engine was told of the time, not what it may be.
        let limit = self.config.request.filter(|_| known.in_flight());
        let overdue = limit.is_some_and(|limit| known.sent.after(limit) <= self.seen);
        require!(EveryRequestEnds, !overdue, "{number} runs since {}", known.sent);
        if known.child.is_none() {
            let ladder = self.config.term_grace + self.config.kill_grace;
            let limit = 3 * self.config.start + 2 * self.config.probe + ladder;
            let leaves = (0..self.children.len()).any(|child| self.gives_way(child));
            let late = known.asked.after(limit) <= self.seen && !self.swarm.sleepy && !leaves;
            require!(EveryRequestEnds, !late, "{number} waits since {}", known.asked);
        }
        Ok(())
    }
}
