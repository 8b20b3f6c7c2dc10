//! What gives way when memory is short. Readers that take nothing lose what waits for them, events
//! that were kept to be resumed go, and of children in the middle of a long line one at a time is
//! read on, so that each line comes to its end.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::{Bridge, Seat, Seats};
use crate::api::event::Cause;
use crate::api::handles::{Exchange, Pipe};
use crate::api::instant::Instant;
use crate::context::Context;
use crate::context::budget::Budget;
use crate::context::timers::Wait;

/// How often it is looked again who must give way.
const AGAIN: Duration = Duration::from_millis(250);

/// How long a reader may take nothing of much, and a child may leave a long line unfinished, while
/// others wait for the memory. A second is long for a network, and short for who waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The child whose long line is read on, and how far it has come.
#[derive(Debug)]
pub(super) struct Leader {
    pipe: Pipe,
    line: usize,
    since: Instant,
}

impl Bridge {
    /// Bytes that are held for peers now, in the engine and in the driver: of messages and events,
    /// and of outputs until it is told that they were taken. At most
    /// [`Config::memory`](crate::Config::memory).
    pub fn buffered(&self) -> usize {
        self.cx.budget.held()
    }

    /// The counter behind [`buffered`](Self::buffered), for what a driver holds by itself, such as
    /// requests that are not whole.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config};
    ///
    /// let bridge = Bridge::new(Config::default()).unwrap();
    /// let mut request = bridge.budget().share();
    /// request.hold(4096);
    /// assert_eq!(bridge.buffered(), 4096);
    /// ```
    pub fn budget(&self) -> Budget {
        self.cx.budget.clone()
    }

    /// Whether memory allows that this child is read.
    pub(super) fn has_room_to_read(&self, pipe: Pipe) -> bool {
        let budget = &self.cx.budget;
        if !budget.is_tight() || self.leader.as_ref().is_some_and(|leader| leader.pipe == pipe) {
            return true;
        }
        let line = self.seats.child(pipe).map_or(0, |child| child.lines.buffered());
        line <= budget.small() && !budget.is_full()
    }

    /// Looks who must give way, if memory is short and it was not looked a moment ago.
    pub(super) fn relieve(&mut self) {
        if !self.cx.budget.is_tight() {
            self.leader = None;
            self.cx.timers.clear(&mut self.relief, Wait::Relief);
        } else if !self.relief.is_set() {
            self.relief_due();
        }
    }

    pub(super) fn relief_due(&mut self) {
        self.relief.spend();
        self.shrink_replays();
        self.cut_readers();
        self.choose_leader();
        if self.cx.budget.is_tight() {
            let when = self.cx.now.after(AGAIN);
            self.cx.timers.set(&mut self.relief, when, Wait::Relief);
        }
    }

    /// Drops events that were kept, those of who has most first.
    fn shrink_replays(&mut self) {
        let limit = self.cx.budget.small();
        let all = self.seats.sessions().map(|s| (Reverse(s.streams.kept()), s.child.pipe.0));
        let mut large: Vec<_> = all.filter(|(Reverse(kept), _)| *kept > limit).collect();
        large.sort_unstable();
        for (_, pipe) in large {
            if !self.cx.budget.is_tight() {
                return;
            }
            let pipe = Pipe(pipe);
            if let Some(session) = self.seats.session_mut(pipe) {
                session.streams.shrink(&mut self.cx);
            }
        }
    }

    /// Breaks off who takes nothing, who has most first; who has little, only if nothing is left.
    fn cut_readers(&mut self) {
        let mut readers = Vec::new();
        let late = |moved: Instant| moved.after(PATIENCE) <= self.cx.now;
        for (exchange, waiting, moved) in self.readers() {
            if late(moved) && waiting > 0 {
                readers.push((Reverse(waiting), exchange.0));
            }
        }
        // What is sorted is of one type here and above, so that the code is there once.
        readers.sort_unstable();
        for (Reverse(waiting), exchange) in readers {
            let much = waiting > self.cx.budget.small();
            if !self.cx.budget.is_tight() || !much && !self.cx.budget.is_full() {
                return;
            }
            self.cut(Exchange(exchange));
        }
    }

    /// All that wait for bytes to be taken: how many, and when some were last taken.
    fn readers(&self) -> impl Iterator<Item = (Exchange, usize, Instant)> {
        let sessions = self.seats.sessions().flat_map(|session| session.streams.readers());
        let workers = self.seats.shared().flat_map(|worker| worker.streams.readers());
        sessions.chain(workers).chain(self.cx.owed.iter())
    }

    fn cut(&mut self, exchange: Exchange) {
        let Some((pipe, number)) = self.carried(exchange) else {
            return self.cx.foreclose(exchange);
        };
        match self.seats.get_mut(pipe) {
            Some(Seat::Session(session)) => session.cut(number, &mut self.cx),
            Some(Seat::Shared(worker)) => worker.cut(number, &mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
        }
    }

    /// Of children in the middle of a long line, one after the other is read on, as far as that has
    /// room. If none has for a while, who holds most and does nothing with it ends.
    fn choose_leader(&mut self) {
        self.leader.take_if(|leader| !leader.goes_on(&self.seats, &self.cx));
        if self.leader.is_some() || !self.cx.budget.is_tight() {
            return;
        }
        let small = self.cx.budget.small();
        let long = self.seats.children().map(|child| (child.lines.buffered(), child.pipe));
        let long: Vec<_> = long.filter(|(line, _)| *line > small).collect();
        if long.is_empty() {
            self.starved = None;
            return;
        }
        // They come in the order of their pipes.
        let had_turn = long.partition_point(|(_, pipe)| *pipe <= self.last_leader);
        let (later, next) = long.split_at(had_turn);
        let missing = |line: usize| self.cx.config.message.saturating_sub(line);
        let next =
            next.iter().chain(later).find(|(line, _)| self.cx.budget.lasts_for(missing(*line)));
        if let Some((line, pipe)) = next.copied() {
            self.leader = Some(Leader { pipe, line, since: self.cx.now });
            self.last_leader = pipe;
            self.starved = None;
            return;
        }
        let since = *self.starved.get_or_insert(self.cx.now);
        if since.after(PATIENCE) <= self.cx.now {
            self.starved = None;
            let holders = self.seats.children().filter(|child| child.hoards(PATIENCE, &self.cx));
            if let Some(pipe) = holders.max_by_key(|child| child.held()).map(|child| child.pipe) {
                self.end(pipe, Cause::Memory, None);
            }
        }
    }

    /// The line of this child may have come to its end.
    pub(super) fn line_ended(&mut self, pipe: Pipe) {
        if self.leader.as_ref().is_some_and(|leader| leader.pipe == pipe) {
            self.choose_leader();
        }
    }
}

impl Leader {
    /// Whether it is in the middle of its line, and has not left it so for long.
    fn goes_on(&mut self, seats: &Seats, cx: &Context) -> bool {
        let line = seats.child(self.pipe).map_or(0, |child| child.lines.buffered());
        if line > self.line {
            (self.line, self.since) = (line, cx.now);
        }
        line == self.line && line > cx.budget.small() && self.since.after(PATIENCE) > cx.now
    }
}
