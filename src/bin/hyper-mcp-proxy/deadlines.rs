//! The deadlines of all connections in one table, looked through when the nearest may be due.
//!
//! To set or move one costs a store and no timer. The table is looked through at most twenty times
//! a second, so a deadline may be late by a twentieth of one. A deadline of an idle connection can
//! be called in early, to make room for a new one: of those that never made a request first, so
//! that a crowd of them does not push out who works.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_mcp_proxy::Instant;

use crate::reactor::WakerSlot;

/// How often the table is looked through at most.
const GRAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Vec<Option<Rc<Slot>>>>,
    free: RefCell<Vec<usize>>,
    /// No deadline is nearer than this; there may be none so near any more.
    nearest: Cell<Option<Instant>>,
    looked: Cell<Instant>,
}

/// A connection between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// It has made no request yet.
    New,
    /// It has made one.
    Used,
}

#[derive(Debug, Default)]
struct Slot {
    at: Cell<Option<Instant>>,
    idle: Cell<Option<Idle>>,
    expired: Cell<bool>,
    waker: WakerSlot,
}

impl Deadlines {
    /// When to look through the table, at the latest.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.nearest.get().map(|nearest| nearest.max(self.looked.get().after(GRAIN)))
    }

    /// Lets those expire that are due.
    pub(crate) fn fire(&self, now: Instant) {
        if self.next().is_none_or(|next| next > now) {
            return;
        }
        self.looked.set(now);
        let mut nearest: Option<Instant> = None;
        for slot in self.slots.borrow().iter().flatten() {
            let Some(at) = slot.at.get() else { continue };
            if at <= now {
                slot.expire();
            } else if nearest.is_none_or(|nearest| at < nearest) {
                nearest = Some(at);
            }
        }
        self.nearest.set(nearest);
    }

    /// Lets the connection expire that has been idle longest: whether there is one.
    pub(crate) fn evict(&self) -> bool {
        let slots = self.slots.borrow();
        let is_idle = |slot: &&Rc<Slot>| slot.idle.get().is_some() && !slot.expired.get();
        let idle = slots.iter().flatten().filter(is_idle);
        let oldest = idle.min_by_key(|slot| (slot.idle.get(), slot.at.get()));
        let Some(oldest) = oldest else { return false };
        oldest.expire();
        true
    }

    /// Lets all idle connections expire.
    pub(crate) fn evict_all(&self) {
        let slots = self.slots.borrow();
        for slot in slots.iter().flatten().filter(|slot| slot.idle.get().is_some()) {
            slot.expire();
        }
    }
}

impl Slot {
    fn expire(&self) {
        self.at.set(None);
        self.expired.set(true);
        self.waker.wake();
    }
}

/// The deadline of one task.
#[derive(Debug)]
pub(crate) struct Deadline {
    table: Rc<Deadlines>,
    index: usize,
    slot: Rc<Slot>,
}

impl Deadline {
    /// A deadline that is not set.
    pub(crate) fn new(table: &Rc<Deadlines>) -> Self {
        let mut slots = table.slots.borrow_mut();
        let index = table.free.borrow_mut().pop().unwrap_or(slots.len());
        if index == slots.len() {
            slots.push(None);
        }
        let slot = Rc::new(Slot::default());
        slots[index] = Some(Rc::clone(&slot));
        Self { table: Rc::clone(table), index, slot }
    }

    /// Sets it, in place of what was set before.
    pub(crate) fn set(&self, at: Instant) {
        self.put(Some(at), None);
    }

    /// Sets it for a connection that is idle, and may be closed early.
    pub(crate) fn set_idle(&self, at: Instant, idle: Idle) {
        self.put(Some(at), Some(idle));
    }

    /// Takes it back.
    pub(crate) fn clear(&self) {
        self.put(None, None);
    }

    fn put(&self, at: Option<Instant>, idle: Option<Idle>) {
        self.slot.at.set(at);
        self.slot.idle.set(idle);
        self.slot.expired.set(false);
        let nearest = self.table.nearest.get();
        if at.is_some_and(|at| nearest.is_none_or(|nearest| at < nearest)) {
            self.table.nearest.set(at);
        }
    }

    /// Waits for it.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.expired.get() {
            return Poll::Ready(());
        }
        self.slot.waker.register(cx);
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.table.slots.borrow_mut()[self.index] = None;
        self.table.free.borrow_mut().push(self.index);
    }
}
