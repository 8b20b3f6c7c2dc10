//! All waits and their deadlines.
//!
//! The engine has no clock: each input carries its [`Instant`], and every wait is one entry of
//! `Timers`. An owner keeps its deadline, so that it can move or clear it; an owner that ends
//! clears its deadlines.

use alloc::collections::BTreeSet;

use crate::api::handles::{ChildId, SessionNumber};
use crate::api::instant::Instant;
use crate::context::ids::{CallId, StreamId};

/// The subject of a wait. The order has no meaning; it makes the order of the queue total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// The next step of a child's shutdown sequence.
    Shutdown(ChildId),
    /// The answer to `initialize`.
    Start(ChildId),
    /// The same, until its absence is logged.
    Silent(ChildId),
    /// The exit status of a child whose standard output is closed.
    Exit(ChildId),
    /// The idle timeout of a session or shared child.
    Idle(ChildId),
    /// The time until ended streams are removed.
    Forget(ChildId),
    /// The answer to a call, by the id that the child knows.
    Call(ChildId, CallId),
    /// The client's answer to a child's ping.
    Ping(ChildId),
    /// The end of a line that a child has begun.
    Line(ChildId),
    /// The readers for which a shared child is paused.
    Hold(ChildId),
    /// The input that a call needs, by the id that the child knows.
    Park(ChildId, CallId),
    /// The next action on a silent or stalled stream, by its number.
    Stream(ChildId, StreamId),
    /// The next round of relief while memory is short.
    Relief,
    /// The end of draining.
    Drain,
    /// The end of a session that sleeps.
    Expiry(SessionNumber),
}

impl Wait {
    /// The same wait for the new process, if it belongs to the old one.
    fn renamed(mut self, old: ChildId, new: ChildId) -> Self {
        match &mut self {
            Self::Shutdown(child)
            | Self::Start(child)
            | Self::Silent(child)
            | Self::Exit(child)
            | Self::Idle(child)
            | Self::Forget(child)
            | Self::Call(child, _)
            | Self::Ping(child)
            | Self::Line(child)
            | Self::Hold(child)
            | Self::Park(child, _)
            | Self::Stream(child, _) => {
                if *child == old {
                    *child = new;
                }
            }
            Self::Relief | Self::Drain | Self::Expiry(_) => {}
        }
        self
    }
}

/// A deadline kept by its owner, so that it can be moved and cleared.
#[derive(Debug, Default)]
pub(crate) struct Deadline(Option<Instant>);

/// All waits, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Wait)>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, deadline: &mut Deadline, at: Instant, wait: Wait) {
        self.clear(deadline, wait);
        self.queue.insert((at, wait));
        deadline.0 = Some(at);
    }

    /// Sets a deadline, or moves it if it is later than `at`. An owner checks again when the wait
    /// is due, so a deadline that moves often costs nothing.
    pub(crate) fn no_later(&mut self, deadline: &mut Deadline, at: Instant, wait: Wait) {
        if deadline.0.is_none_or(|set| set > at) {
            self.set(deadline, at, wait);
        }
    }

    /// Clears a deadline.
    pub(crate) fn clear(&mut self, deadline: &mut Deadline, wait: Wait) {
        if let Some(set) = deadline.0.take() {
            self.queue.remove(&(set, wait));
        }
    }

    /// Removes and returns the next wait that is due. Its owner then calls [`Deadline::spend`].
    pub(crate) fn due(&mut self, now: Instant) -> Option<Wait> {
        let (_, wait) = self.queue.first().filter(|(at, _)| *at <= now)?;
        let wait = *wait;
        self.queue.pop_first();
        Some(wait)
    }

    /// Names what a deadline is for anew.
    pub(crate) fn move_to(&mut self, deadline: &mut Deadline, from: Wait, to: Wait) {
        if let Some(at) = deadline.0.filter(|_| from != to) {
            self.clear(deadline, from);
            self.set(deadline, at, to);
        }
    }

    /// Transfers the waits of a process that is gone to another process. The owners keep their
    /// deadlines.
    pub(crate) fn rename(&mut self, old: ChildId, new: ChildId) {
        let renamed = |(at, wait): &(Instant, Wait)| (*at, wait.renamed(old, new));
        self.queue = self.queue.iter().map(renamed).collect();
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// When the next wait is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }
}

impl Deadline {
    /// Records that the wait was removed from the queue.
    pub(crate) const fn spend(&mut self) {
        self.0 = None;
    }

    pub(crate) const fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_deadline_moves_and_leaves_nothing_behind() {
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        let wait = Wait::Drain;
        let (mut timers, mut deadline) = (Timers::default(), Deadline::default());
        timers.set(&mut deadline, at(5), wait);
        timers.no_later(&mut deadline, at(9), wait);
        assert_eq!(timers.next(), Some(at(5)));
        timers.no_later(&mut deadline, at(3), wait);
        assert_eq!((timers.due(at(2)), timers.due(at(3)), timers.next()), (None, Some(wait), None));
        deadline.spend();
        timers.no_later(&mut deadline, at(7), wait);
        assert_eq!(timers.next(), Some(at(7)));
        timers.clear(&mut deadline, wait);
        assert_eq!(timers.next(), None);
    }

    /// All sequences of eight steps: the waits that are due, and when the next one is, are those of
    /// a plain list.
    #[test]
    fn waits_are_due_as_in_a_list_after_any_eight_steps() {
        const WAITS: [Wait; 2] = [Wait::Relief, Wait::Drain];
        const STEPS: u32 = 6;
        const DEPTH: u32 = 8;
        let at = |seconds| Instant::new(Duration::from_secs(seconds));
        for mut sequence in 0..STEPS.pow(DEPTH) {
            let mut timers = Timers::default();
            let mut deadlines = [Deadline::default(), Deadline::default()];
            let (mut list, mut now, mut which) = ([None; 2], 0, 0);
            for _ in 0..DEPTH {
                let step = sequence % STEPS;
                sequence /= STEPS;
                let (deadline, wait) = (&mut deadlines[which], WAITS[which]);
                match step {
                    0 => which = 1 - which,
                    1 => {
                        timers.clear(deadline, wait);
                        list[which] = None;
                    }
                    2 | 3 => {
                        let when = now + u64::from(step) - 1;
                        timers.set(deadline, at(when), wait);
                        list[which] = Some(when);
                    }
                    4 => {
                        timers.no_later(deadline, at(now + 1), wait);
                        list[which] =
                            list[which].map_or(Some(now + 1), |set| Some(set.min(now + 1)));
                    }
                    _ => {
                        now += 1;
                        while let Some(due) = timers.due(at(now)) {
                            let one = usize::from(due == WAITS[1]);
                            deadlines[one].spend();
                            assert!(list[one].take().is_some_and(|set| set <= now));
                        }
                        assert!(list.iter().flatten().all(|set| *set > now));
                    }
                }
                assert_eq!(timers.next(), list.iter().flatten().min().map(|set| at(*set)));
                assert_eq!(timers.len(), list.iter().flatten().count());
            }
        }
    }
}
