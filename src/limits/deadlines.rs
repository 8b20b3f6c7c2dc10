//! The deadlines of all connections in one table, looked through when the nearest may be due.
//!
//! To set or move one costs a store and no timer. The table is looked through at most twenty times
//! a second, so a deadline may be late by a twentieth of one. The table also knows what progress
//! each connection makes while it waits for its peer. The one that makes the least is closed when
//! another needs its place or its memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mcp_bridge::Instant;

use crate::limits::uploads::{Holding, SMALL, Share};
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

/// What a peer may have sent at once. Once it stops, only so much counts, and less with each
/// moment: whoever begins after that and sends twice as much is faster. What one sends before it
/// stops would else make it faster than all who come within the next second. A connection needs no
/// memory for its first 64 KiB, so one that asks for some has sent that.
const BURST: usize = 32 * 1024;

/// What a connection waits for, while it may be closed for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its first request.
    First,
    /// Another request.
    Next,
    /// The rest of a request, or that its peer reads on.
    Rest,
}

impl Wait {
    /// Bytes that count as if they had come when the wait began. Whoever just came has time to
    /// send something; a connection that has made a request is worth a thousand that have not.
    const fn credit(self) -> usize {
        match self {
            Self::Next => 1024 * 1024,
            Self::First | Self::Rest => 1024,
        }
    }
}

/// How far the peer has come.
#[derive(Clone, Copy, Debug)]
struct Progress {
    since: Instant,
    bytes: usize,
    /// When the last of the bytes came.
    moved: Instant,
    wait: Wait,
}

impl Progress {
    /// Bytes a second: all of them since the wait began, or the last ones since they came, whatever
    /// is less.
    fn rate(self, now: Instant) -> u64 {
        let last = self.bytes.min(self.wait.credit() + BURST);
        per_second(self.bytes, now.since(self.since)).min(per_second(last, now.since(self.moved)))
    }
}

fn per_second(bytes: usize, time: Duration) -> u64 {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    (bytes as u64).saturating_mul(1000) / millis.saturating_add(1)
}

/// Why a connection has to make way for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// All connections are in use.
    Place,
    /// The memory for contents is in use.
    Memory,
}

#[derive(Debug, Default)]
struct Slot {
    at: Cell<Option<Instant>>,
    progress: Cell<Option<Progress>>,
    expired: Cell<bool>,
    /// Until it is told, nothing takes it back.
    evicted: Cell<Option<Evicted>>,
    /// Its share in the memory for contents.
    share: RefCell<Option<Rc<Holding>>>,
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

    /// Evicts the connection that makes the least progress: whether there is one.
    pub(crate) fn evict(&self, now: Instant) -> bool {
        let slots = self.slots.borrow();
        let waiting = slots.iter().flatten().filter_map(|slot| Some((slot, slot.waits()?)));
        let slowest = waiting.min_by_key(|(_, progress)| (progress.rate(now), progress.since));
        let Some((slot, _)) = slowest else { return false };
        slot.evict(Evicted::Place);
        true
    }

    /// Evicts the connection that makes the least progress with its upload, if that is less than
    /// this one makes, and takes back the memory that it holds: whether there is one. A large
    /// upload takes nothing from small ones.
    pub(crate) fn evict_upload(&self, than: &Deadline, size: usize, now: Instant) -> bool {
        let Some(own) = than.slot.progress.get() else { return false };
        let slots = self.slots.borrow();
        let uploads = slots.iter().flatten().filter_map(|slot| {
            let share = slot.share.borrow().clone()?;
            let is_small = share.size() <= SMALL;
            let may = share.size() > 0 && (size <= SMALL || !is_small);
            Some((slot, slot.waits().filter(|_| may)?.rate(now), share))
        });
        let slowest = uploads.min_by_key(|(_, rate, _)| *rate);
        let Some((slot, _, share)) = slowest.filter(|(_, rate, _)| *rate < own.rate(now)) else {
            return false;
        };
        slot.evict(Evicted::Memory);
        share.give_back();
        true
    }

    /// Lets all connections expire that are between two requests.
    pub(crate) fn evict_idle(&self) {
        self.expire_all(|wait| wait != Wait::Rest);
    }

    /// The same for those that have made one.
    pub(crate) fn evict_kept(&self) {
        self.expire_all(|wait| wait == Wait::Next);
    }

    fn expire_all(&self, which: impl Fn(Wait) -> bool) {
        let slots = self.slots.borrow();
        let due = |slot: &&Rc<Slot>| slot.waits().is_some_and(|progress| which(progress.wait));
        slots.iter().flatten().filter(due).for_each(|slot| slot.expire());
    }
}

impl Slot {
    fn expire(&self) {
        self.at.set(None);
        self.expired.set(true);
        self.waker.wake();
    }

    fn evict(&self, why: Evicted) {
        self.evicted.set(Some(why));
        self.expire();
    }

    /// The progress of its peer, if it may be evicted.
    fn waits(&self) -> Option<Progress> {
        self.progress.get().filter(|_| self.evicted.get().is_none())
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

    /// Sets it for a connection that has waited for its peer since then, and may be evicted. Of
    /// what it waits for, `bytes` are done.
    pub(crate) fn set_wait(&self, at: Instant, wait: Wait, since: Instant, bytes: usize) {
        let bytes = wait.credit() + bytes;
        self.put(Some(at), Some(Progress { since, bytes, moved: since, wait }));
    }

    /// This is the connection's share in the memory for contents.
    pub(crate) fn shares(self, share: &Share) -> Self {
        self.slot.share.replace(Some(share.holding()));
        self
    }

    /// The peer went on by so many bytes.
    pub(crate) fn moved(&self, bytes: usize, now: Instant) {
        if let Some(mut progress) = self.slot.progress.get() {
            progress.bytes += bytes;
            progress.moved = now;
            self.slot.progress.set(Some(progress));
        }
    }

    /// Whether the connection has to make way, and why. Told once.
    pub(crate) fn take_evicted(&self) -> Option<Evicted> {
        self.slot.evicted.take()
    }

    /// Takes it back.
    pub(crate) fn clear(&self) {
        self.put(None, None);
    }

    fn put(&self, at: Option<Instant>, progress: Option<Progress>) {
        self.slot.at.set(at);
        self.slot.progress.set(progress);
        self.slot.expired.set(false);
        let nearest = self.table.nearest.get();
        if at.is_some_and(|at| nearest.is_none_or(|nearest| at < nearest)) {
            self.table.nearest.set(at);
        }
    }

    /// Waits for it.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.expired.get() || self.slot.evicted.get().is_some() {
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
