//! Turns: how long a task runs before others do, and which task runs next.
//!
//! A woken task has a short turn, counted in units of work: most tasks need no more. A task that
//! has more to do waits in a queue. Between two polls of the descriptors, one task of the queue has
//! a long turn, which is limited in time. So a task with little to do waits for at most one long
//! turn, however many other tasks have much to do, and those take turns.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::reactor::WakerSlot;

/// Units of work in a short turn. One unit is a line of a child, a read or a write, or
/// [`UNIT_BYTES`]: a few microseconds at most.
pub(crate) const SHORT: usize = 64;
/// Bytes read or written at once that count as one unit.
const UNIT_BYTES: usize = 4096;
/// Units of a request, whatever its result: a short turn has four requests, more than a client has
/// in flight that waits for its answers.
pub(crate) const REQUEST: usize = 16;
/// A long turn. Another client's call waits for at most two of them, and a poll of the descriptors
/// is cheap beside one.
const LONG: Duration = Duration::from_micros(250);

/// The units of one read or write of this many bytes.
pub(crate) const fn units(bytes: usize) -> usize {
    1 + bytes / UNIT_BYTES
}

/// The queue of tasks that have more to do.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queue: RefCell<VecDeque<Weak<Place>>>,
}

/// A task's place in the queue.
#[derive(Debug, Default)]
struct Place {
    is_next: Cell<bool>,
    waker: WakerSlot,
}

impl Turns {
    /// Whether no task waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Wakes the task that has waited longest.
    pub(crate) fn next(&self) {
        let mut queue = self.queue.borrow_mut();
        let place = std::iter::from_fn(|| queue.pop_front()).find_map(|place| place.upgrade());
        drop(queue);
        if let Some(place) = place {
            place.is_next.set(true);
            place.waker.wake();
        }
    }
}

/// The turn of one task.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Rc<Turns>,
    place: Rc<Place>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// This many units of a short turn are left.
    Short(usize),
    /// The task is in the queue.
    Queued,
    /// A long turn began at this time.
    Long(Instant),
}

impl Turn {
    /// The turn of a new task: a short one.
    pub(crate) fn new(turns: &Rc<Turns>) -> Self {
        Self { turns: Rc::clone(turns), place: Rc::default(), state: State::Short(SHORT) }
    }

    /// Whether the task may continue. If not, it is woken when it may.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.state {
            State::Short(1..) => return Poll::Ready(()),
            State::Long(since) if since.elapsed() < LONG => return Poll::Ready(()),
            State::Queued if self.place.is_next.take() => {
                self.state = State::Long(Instant::now());
                return Poll::Ready(());
            }
            State::Queued => {}
            State::Short(0) | State::Long(_) => {
                self.turns.queue.borrow_mut().push_back(Rc::downgrade(&self.place));
                self.state = State::Queued;
            }
        }
        self.place.waker.register(cx);
        Poll::Pending
    }

    /// Counts the units that the task has used.
    pub(crate) fn spend(&mut self, units: usize) {
        if let State::Short(left) = &mut self.state {
            *left = left.saturating_sub(units);
        }
    }

    /// The task has nothing more to do now: its next turn is short.
    pub(crate) fn rest(&mut self) {
        if !matches!(self.state, State::Queued) {
            self.state = State::Short(SHORT);
        }
    }
}
