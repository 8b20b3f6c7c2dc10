//! Relief when memory is short. Clients that read too slowly lose their unread messages, events
//! that are kept for a resume are dropped, and children in the middle of a long line are read one
//! at a time, so that each line reaches its end.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

#[cfg(debug_assertions)]
use super::Seat;
use super::{Bridge, Seats};
use crate::api::cause::Cause;
use crate::api::handles::{ChildId, Exchange};
use crate::api::instant::Instant;
use crate::context::Context;
use crate::context::budget::Budget;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Reply;
use crate::context::timers::{Deadline, Wait};
use crate::stream::set::Streams;
#[cfg(debug_assertions)]
use crate::{child::known::Known, front::stateless::Worker};

/// Interval between two rounds of relief.
const AGAIN: Duration = Duration::from_millis(250);

/// How long a client may leave many bytes unread, and a child a long line unfinished, while others
/// wait for the memory. A second is long for a network and short for a waiting client.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What is remembered from one round of relief to the next.
#[derive(Debug, Default)]
pub(super) struct Relief {
    /// The child whose long line is read on although memory is short.
    leader: Option<Leader>,
    last_leader: Option<ChildId>,
    /// When a long line was first found to have no room.
    starved: Option<Instant>,
    due: Deadline,
    /// When the last round was.
    last: Option<Instant>,
}

/// The child whose long line is read on, and the progress of that line.
#[derive(Debug)]
struct Leader {
    child: ChildId,
    line: usize,
    since: Instant,
}

impl Bridge {
    /// Returns the bytes held for peers now, in the engine and in the driver. At most
    /// [`Config::memory`](crate::Config::memory).
    ///
    /// They are: what was written to a child, until [`Input::StdinTaken`](crate::Input::StdinTaken)
    /// or its end; the content of responses, until [`Input::Taken`](crate::Input::Taken) or the end
    /// of the exchange; lines that a child has begun; events that can be resumed; messages and
    /// questions that wait; the names of calls in flight and of their pages; the values of
    /// [`Config::header_env`](crate::Config::header_env) and
    /// [`Config::affinity`](crate::Config::affinity) by which a process is its client's; and the
    /// shares of [`budget`](Self::budget). Heads of responses, notices and the tables themselves
    /// are not counted: other fields of [`Config`](crate::Config) limit those.
    pub fn buffered(&self) -> usize {
        self.cx.budget.held()
    }

    /// Returns the counter behind [`buffered`](Self::buffered), for bytes that a driver holds by
    /// itself, such as incomplete requests. They can be given back without an input, so while there
    /// are some and memory is short, [`poll_timeout`](Self::poll_timeout) is at most 250 ms away.
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
        self.cx.budget.lent()
    }

    /// Whether memory allows reading this child.
    pub(super) fn has_room_to_read(&self, id: ChildId) -> bool {
        let budget = &self.cx.budget;
        if !budget.is_tight()
            || self.relief.leader.as_ref().is_some_and(|leader| leader.child == id)
        {
            return true;
        }
        let line = self.seats.child(id).map_or(0, |child| child.lines.buffered());
        line <= budget.small() && !budget.is_full()
    }

    /// Frees memory if it is short: at once, or `AGAIN` after the last round. Without news, which
    /// may have changed what can be freed, a round would find what the last one has found.
    pub(super) fn relieve(&mut self, news: bool) {
        if !self.cx.budget.is_tight() {
            self.relief.leader = None;
            self.relief.starved = None;
            self.cx.timers.clear(&mut self.relief.due, Wait::Relief);
            return;
        }
        if !news && self.pressure.is_tight() {
            return;
        }
        let next = self.relief.last.map_or(self.cx.now, |last| last.after(AGAIN));
        if next <= self.cx.now {
            self.relief_due();
        } else {
            self.cx.timers.no_later(&mut self.relief.due, next, Wait::Relief);
        }
    }

    pub(super) fn relief_due(&mut self) {
        self.cx.timers.clear(&mut self.relief.due, Wait::Relief);
        self.relief.last = Some(self.cx.now);
        self.shrink_replays();
        self.cut_readers();
        self.choose_leader();
        let next = self.next_relief().filter(|_| self.cx.budget.is_tight());
        if let Some(next) = next {
            let next = next.max(self.cx.now.after(AGAIN));
            self.cx.timers.set(&mut self.relief.due, next, Wait::Relief);
        }
    }

    /// When a round may free something that this one could not, if nothing else happens.
    fn next_relief(&self) -> Option<Instant> {
        let budget = &self.cx.budget;
        if budget.is_lent() {
            return Some(self.cx.now);
        }
        let least = if budget.is_full() { 0 } else { budget.small() };
        let readers = self.readers().filter(|reply| reply.waiting() > least);
        // A reader that is late already is cut when others are not enough.
        let late = readers.map(|reply| self.late(reply));
        late.filter(|at| *at > self.cx.now).chain(self.next_turn()).min()
    }

    /// When another child may become the leader, or one that holds much may have to end.
    fn next_turn(&self) -> Option<Instant> {
        let turn = self.relief.leader.as_ref().map(|leader| leader.since);
        turn.or(self.relief.starved).map(|since| since.after(PATIENCE))
    }

    /// Drops kept events, starting with the session that keeps most.
    fn shrink_replays(&mut self) {
        let limit = self.cx.budget.small();
        let awake = self.seats.sessions().map(|session| &session.streams);
        let all = awake.chain(self.sleepers.iter().map(|asleep| &asleep.streams));
        let all = all.map(|streams| (Reverse(streams.kept()), streams.child.0));
        let mut large: Vec<_> = all.filter(|(Reverse(kept), _)| *kept > limit).collect();
        large.sort_unstable();
        for (_, id) in large {
            if !self.cx.budget.is_tight() {
                return;
            }
            self.with_streams(ChildId(id), Streams::shrink);
        }
    }

    /// When a client reads too slowly while others wait for the memory: once it reads nothing for
    /// `PATIENCE`, or has not read everything for `stall`.
    fn late(&self, reply: &Reply) -> Instant {
        reply.moved.after(PATIENCE).min(reply.behind.after(self.cx.config.stall))
    }

    /// Aborts exchanges whose clients read too slowly, largest first; small ones only if no other
    /// is left.
    fn cut_readers(&mut self) {
        let mut readers = Vec::new();
        for reply in self.readers() {
            let waiting = reply.waiting();
            if waiting > 0 && self.late(reply) <= self.cx.now {
                readers.push((Reverse(waiting), reply.exchange.0));
            }
        }
        // One element type for both sorts, so that the sort is compiled once.
        readers.sort_unstable();
        for (Reverse(waiting), exchange) in readers {
            let much = waiting > self.cx.budget.small();
            if !self.cx.budget.is_tight() || !much && !self.cx.budget.is_full() {
                return;
            }
            self.cut(Exchange(exchange));
        }
    }

    /// All responses that clients have not read to the end.
    fn readers(&self) -> impl Iterator<Item = &Reply> {
        let sessions = self.seats.sessions().flat_map(|session| session.streams.readers());
        let workers = self.seats.shared().flat_map(|worker| worker.streams.readers());
        let asleep = self.sleepers.iter().flat_map(|asleep| asleep.streams.readers());
        sessions.chain(workers).chain(asleep).chain(self.cx.responses.owed())
    }

    /// Reads on one child after another among those in the middle of a long line, as far as that
    /// line has room. If none has room for a while, ends the idle child that holds most.
    fn choose_leader(&mut self) {
        self.relief.leader.take_if(|leader| !leader.goes_on(&self.seats, &self.cx));
        if self.relief.leader.is_some() || !self.cx.budget.is_tight() {
            return;
        }
        let small = self.cx.budget.small();
        let long = self.seats.children().map(|child| (child.lines.buffered(), child.id));
        let long: Vec<_> = long.filter(|(line, _)| *line > small).collect();
        if long.is_empty() {
            self.relief.starved = None;
            return;
        }
        // They are in the order of their numbers.
        let had_turn = long.partition_point(|(_, id)| Some(*id) <= self.relief.last_leader);
        let (later, next) = long.split_at(had_turn);
        let budget = &self.cx.budget;
        let missing = |line: usize| self.cx.config.message.saturating_sub(line);
        let has_room = |line: usize| budget.lasts_for(missing(line));
        let next = next.iter().chain(later).find(|(line, _)| has_room(*line));
        if let Some((line, id)) = next.copied() {
            self.relief.leader = Some(Leader { child: id, line, since: self.cx.now });
            self.relief.last_leader = Some(id);
            self.relief.starved = None;
            return;
        }
        let since = *self.relief.starved.get_or_insert(self.cx.now);
        if since.after(PATIENCE) <= self.cx.now {
            self.relief.starved = Some(self.cx.now);
            let holders = self.seats.children().filter(|child| child.hoards(PATIENCE, &self.cx));
            if let Some(id) = holders.max_by_key(|child| child.held()).map(|child| child.id) {
                self.end(id, Cause::Memory, None);
            }
        }
    }

    pub(super) fn leader(&self) -> Option<ChildId> {
        self.relief.leader.as_ref().map(|leader| leader.child)
    }

    /// This child's line may have reached its end.
    pub(super) fn line_ended(&mut self, id: ChildId) {
        if self.relief.leader.as_ref().is_some_and(|leader| leader.child == id) {
            self.choose_leader();
        }
    }
}

impl Leader {
    /// Whether the child is in the middle of its line and wrote some of it recently.
    fn goes_on(&mut self, seats: &Seats, cx: &Context) -> bool {
        let line = seats.child(self.child).map_or(0, |child| child.lines.buffered());
        if line > self.line {
            (self.line, self.since) = (line, cx.now);
        }
        line == self.line && self.since.after(PATIENCE) > cx.now
    }
}

#[cfg(debug_assertions)]
impl Bridge {
    /// Compares the counter, and each holder's part of it, with what is held.
    pub(super) fn walk(&self) {
        let mut walk = Walk::default();
        for seat in self.seats.iter() {
            seat.child().walk(&mut walk);
            match seat {
                Seat::Session(session) => session.walk(&mut walk),
                Seat::Shared(worker) => worker.walk(&mut walk),
                Seat::Host(host) => host.walk(&mut walk),
                Seat::Prewarmed(_) | Seat::Leaving(_) => {}
            }
        }
        self.sleepers.iter().for_each(|asleep| asleep.walk(&mut walk));
        self.cx.responses.walk(&mut walk);
        walk.end(&self.cx.budget);
        self.walk_copies();
    }
}

#[cfg(debug_assertions)]
impl Bridge {
    /// Compares what children and the context have of what others own with the originals.
    fn walk_copies(&self) {
        assert!(self.cx.reports.is_empty(), "all reports are applied");
        let waiting = self.seats.shared().map(Worker::waiting_calls).sum::<usize>();
        assert_eq!(self.cx.parked, waiting, "calls that wait for input");
        // A prewarmed child gets its copy when a session or worker gets the child.
        let owned = |seat: &&Seat| !matches!(seat, Seat::Prewarmed(_) | Seat::Leaving(_));
        for child in self.seats.iter().filter(owned).map(Seat::child) {
            let Some(server) = self.servers.get(child.server) else { continue };
            assert!(server.has_terms(&child.terms), "the terms of a child are its server's");
            let known = self.servers.known(child.server, child.env());
            // The bridge forgets some, if there are too many.
            let is_same = known == child.known
                || known == Known { ever_modern: known.ever_modern, ..Known::default() };
            assert!(is_same, "what a child knows is what is known");
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::api::config::Config;
    use crate::api::handles::Server;
    use crate::api::io::Input;
    use crate::child::Child;
    use crate::context::report::Lesson;
    use crate::front::session::Session;
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec;

    fn bridge() -> Bridge {
        let mut bridge = Bridge::new(Config::default()).expect("the default works");
        let child = Child::new(ChildId(1), Server(0), bridge.servers.terms(Server(0)), &bridge.cx);
        bridge.seats.insert(Seat::Leaving(Box::new(child)));
        bridge
    }

    #[test]
    fn what_the_driver_counts_is_not_looked_for_in_the_engine() {
        let mut bridge = bridge();
        let mut lent = bridge.budget().share();
        lent.hold(1000);
        bridge.handle(Input::Tick, Instant::default());
        assert_eq!(bridge.buffered(), 1000);
    }

    #[test]
    fn what_the_driver_holds_is_looked_at_again_until_it_is_given_back() {
        let mut bridge = bridge();
        let mut lent = bridge.budget().share();
        lent.hold(bridge.cx.config.budget);
        bridge.handle(Input::Tick, Instant::default());
        assert_eq!(bridge.poll_timeout(), Some(Instant::default().after(AGAIN)));
        drop(lent);
        bridge.handle(Input::Tick, Instant::default());
        assert_eq!(bridge.poll_timeout(), None);
    }

    #[test]
    #[should_panic(expected = "child: the bytes that it counts, and those that it has")]
    fn bytes_that_a_holder_does_not_count_are_found() {
        let mut bridge = bridge();
        let child = bridge.seats.child_mut(ChildId(1)).expect("it has a seat");
        assert!(child.lines.feed(b"begun").take().is_none());
        bridge.handle(Input::Tick, Instant::default());
    }

    /// A bridge with a session of this child.
    fn with_session(change: impl FnOnce(&mut Bridge, &mut Child)) -> Bridge {
        let mut bridge = Bridge::new(Config::default()).expect("the default works");
        let terms = bridge.servers.terms(Server(0));
        let mut child = Child::new(ChildId(1), Server(0), terms, &bridge.cx);
        change(&mut bridge, &mut child);
        let session = Session::new(Box::new(child), 1, "/mcp".into(), &bridge.cx);
        bridge.seats.insert(Seat::Session(Box::new(session)));
        bridge
    }

    #[test]
    #[should_panic(expected = "the terms of a child are its server's")]
    fn terms_that_a_child_was_not_given_are_found() {
        let mut bridge = with_session(|_, child| child.terms = alloc::sync::Arc::default());
        bridge.handle(Input::Tick, Instant::default());
    }

    #[test]
    #[should_panic(expected = "what a child knows is what is known")]
    fn what_a_child_was_not_told_is_found() {
        let mut bridge = with_session(|bridge, _| {
            bridge.servers.learn(Server(0), &[], Lesson::SpokeSession);
        });
        bridge.handle(Input::Tick, Instant::default());
    }

    #[test]
    fn what_is_forgotten_of_some_variables_a_child_may_know() {
        let mut bridge = with_session(|bridge, child| {
            let others = vec![(String::from("T"), String::from("x"))];
            bridge.servers.learn(Server(0), &others, Lesson::SpokeModern);
            child.known = Known { session: Some(true), ever_modern: true, ..Known::default() };
        });
        bridge.handle(Input::Tick, Instant::default());
        assert_eq!(bridge.stats().sessions, 1);
    }

    #[test]
    #[should_panic(expected = "the counter, and what all holders have")]
    fn bytes_that_nobody_gives_back_are_found() {
        let mut bridge = bridge();
        core::mem::forget(bridge.cx.budget.share_of(5));
        bridge.handle(Input::Tick, Instant::default());
    }
}
