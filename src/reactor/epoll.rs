//! The reactor on Linux: epoll, edge-triggered.
//!
//! A descriptor is ready until an operation on it would block or transfers less than it could. The
//! end of a peer's stream has an edge of its own, which may come before the last bytes are read, so
//! it is remembered and keeps the descriptor ready to read.
//!
//! The writing end of a pipe is watched only while a write waits: the kernel reports an edge there
//! at each read of the other side, and each would cost a wake.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use super::{Clock, Use, WakerSlot};
use crate::reactor::turns::Turns;

/// The most events of one wait. Further events stay in the kernel for the next.
const EVENTS: usize = 128;
/// The event data of the descriptor by which other threads wake this one.
const NOTIFIED: u64 = u64::MAX;

pub(crate) struct Reactor {
    epoll: OwnedFd,
    notify: Arc<Notify>,
    slots: RefCell<Vec<Entry>>,
    free: RefCell<Vec<u32>>,
    events: RefCell<Vec<epoll::Event>>,
    /// The queue of tasks that have more to do: one runs after each poll of the descriptors.
    pub(crate) turns: Rc<Turns>,
}

/// A place in the table of descriptors. The generation separates a late event of a closed
/// descriptor from those of its successor in the same place.
#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    slot: Option<Rc<Slot>>,
}

impl Entry {
    fn data(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }
}

#[derive(Debug, Default)]
struct Slot {
    readable: Cell<bool>,
    writable: Cell<bool>,
    ended: Cell<bool>,
    broken: Cell<bool>,
    reader: WakerSlot,
    writer: WakerSlot,
}

/// Wakes the reactor's thread from any thread.
#[derive(Debug)]
struct Notify {
    due: AtomicBool,
    asleep: AtomicBool,
    event: OwnedFd,
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.due.swap(true, Ordering::SeqCst) && self.asleep.load(Ordering::SeqCst) {
            // It fails only when the counter is full: an event is pending then.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = epoll::EventData::new_u64(NOTIFIED);
        epoll::add(&epoll, &event, data, EventFlags::IN | EventFlags::ET)?;
        let notify = Notify { due: AtomicBool::new(false), asleep: AtomicBool::new(false), event };
        Ok(Rc::new(Self {
            epoll,
            notify: Arc::new(notify),
            slots: RefCell::default(),
            free: RefCell::default(),
            events: RefCell::new(Vec::with_capacity(EVENTS)),
            turns: Rc::default(),
        }))
    }

    /// Runs `future` to its end, sleeping while it is pending.
    pub(crate) fn run<T>(&self, clock: &impl Clock, future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::clone(&self.notify));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            // The next poll serves all wakes so far.
            self.notify.due.store(false, Ordering::SeqCst);
            if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
                return value;
            }
            self.turn(clock.next());
            clock.fire();
        }
    }

    /// Sleeps until a descriptor is ready, another thread wakes this one, or `until`; wakes the
    /// tasks.
    fn turn(&self, until: Option<Instant>) {
        self.notify.asleep.store(true, Ordering::SeqCst);
        let is_due = self.notify.due.load(Ordering::SeqCst);
        let timeout = match (is_due || !self.turns.is_empty(), until) {
            (true, _) => Some(Timespec::default()),
            (false, None) => None,
            (false, Some(until)) => Some(until_then(until)),
        };
        let mut events = self.events.borrow_mut();
        events.clear();
        let waited = epoll::wait(&self.epoll, spare_capacity(&mut *events), timeout.as_ref());
        self.notify.asleep.store(false, Ordering::SeqCst);
        match waited {
            Ok(_) | Err(Errno::INTR) => {}
            // With a valid descriptor and buffer there is no other error; avoid a busy loop.
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
        for event in &*events {
            self.dispatch(event.data.u64(), event.flags);
        }
        self.turns.next();
    }

    fn dispatch(&self, data: u64, flags: EventFlags) {
        let slot = {
            let slots = self.slots.borrow();
            match slots.get((data & u64::from(u32::MAX)) as usize) {
                Some(entry) if u64::from(entry.generation) == data >> 32 => entry.slot.clone(),
                _ => None,
            }
        };
        let Some(slot) = slot else { return };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if broken || flags.contains(EventFlags::RDHUP) {
            slot.ended.set(true);
        }
        if broken {
            slot.broken.set(true);
        }
        if slot.ended.get() || flags.contains(EventFlags::IN) {
            slot.readable.set(true);
            slot.reader.wake();
        }
        if broken || flags.contains(EventFlags::OUT) {
            slot.writable.set(true);
            slot.writer.wake();
        }
    }

    fn add(&self, fd: impl AsFd, slot: Rc<Slot>, use_: Use) -> io::Result<u32> {
        let mut slots = self.slots.borrow_mut();
        let free = self.free.borrow_mut().pop();
        let index = free.unwrap_or(slots.len() as u32);
        if index as usize == slots.len() {
            slots.push(Entry::default());
        }
        let entry = &mut slots[index as usize];
        let data = epoll::EventData::new_u64(entry.data(index));
        let flags = match use_ {
            Use::Socket => EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP,
            Use::PipeIn => EventFlags::IN,
            Use::PipeOut => EventFlags::empty(),
        };
        if let Err(error) = epoll::add(&self.epoll, fd, data, flags | EventFlags::ET) {
            self.free.borrow_mut().push(index);
            return Err(error.into());
        }
        entry.slot = Some(slot);
        Ok(index)
    }

    /// Watches the writing end of a pipe for one readiness event.
    fn watch_once(&self, fd: impl AsFd, index: u32) {
        if let Some(entry) = self.slots.borrow().get(index as usize) {
            let data = epoll::EventData::new_u64(entry.data(index));
            let flags = EventFlags::OUT | EventFlags::ET | EventFlags::ONESHOT;
            // The descriptor is registered, so this can't fail.
            let _ = epoll::modify(&self.epoll, fd, data, flags);
        }
    }

    fn remove(&self, index: u32) {
        if let Some(entry) = self.slots.borrow_mut().get_mut(index as usize) {
            entry.slot = None;
            entry.generation = entry.generation.wrapping_add(1);
            self.free.borrow_mut().push(index);
        }
    }
}

/// The time until then, rounded up to epoll's unit, so that a sleep does not end early.
fn until_then(until: Instant) -> Timespec {
    let wait = until.saturating_duration_since(Instant::now());
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    // A day is a long enough sleep, and fits into any clock.
    let millis = millis.min(86_400_000);
    Timespec { tv_sec: (millis / 1000) as i64, tv_nsec: (millis % 1000 * 1_000_000) as _ }
}

/// A descriptor in non-blocking mode, registered with the reactor while it is open.
pub(crate) struct Source<T> {
    io: T,
    index: u32,
    slot: Rc<Slot>,
    reactor: Rc<Reactor>,
    use_: Use,
}

impl<T: AsFd> Source<T> {
    /// Registers a descriptor that is in non-blocking mode.
    pub(crate) fn new(reactor: &Rc<Reactor>, io: T, use_: Use) -> io::Result<Self> {
        let slot = Rc::new(Slot::default());
        slot.readable.set(true);
        slot.writable.set(true);
        let index = reactor.add(&io, Rc::clone(&slot), use_)?;
        Ok(Self { io, index, slot, reactor: Rc::clone(reactor), use_ })
    }

    pub(crate) fn get(&self) -> &T {
        &self.io
    }

    /// Runs `op` once the descriptor is ready to read.
    pub(crate) fn poll_read<R>(
        &self,
        cx: &Context<'_>,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Poll<rustix::io::Result<R>> {
        self.poll(cx, &self.slot.readable, &self.slot.reader, op)
    }

    /// Runs `op` once the descriptor is ready to write.
    pub(crate) fn poll_write<R>(
        &self,
        cx: &Context<'_>,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Poll<rustix::io::Result<R>> {
        let done = self.poll(cx, &self.slot.writable, &self.slot.writer, op);
        if done.is_pending() && self.use_ == Use::PipeOut {
            self.reactor.watch_once(&self.io, self.index);
        }
        done
    }

    /// Runs `op` at once; `None` if the descriptor has no room now. A caller with more to write
    /// then waits with [`poll_write`](Self::poll_write).
    pub(crate) fn try_write<R>(
        &self,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Option<rustix::io::Result<R>> {
        self.attempt(&self.slot.writable, op)
    }

    /// The last read returned less than its room: there is nothing more before the next edge.
    pub(crate) fn drained(&self) {
        self.slot.readable.set(self.slot.ended.get());
    }

    /// Makes the next read run, whatever the last one returned.
    pub(crate) fn retry(&self) {
        self.slot.readable.set(true);
    }

    /// Waits for the connection to break in both directions.
    pub(crate) fn poll_broken(&self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.broken.get() {
            return Poll::Ready(());
        }
        self.slot.reader.register(cx);
        Poll::Pending
    }

    fn poll<R>(
        &self,
        cx: &Context<'_>,
        ready: &Cell<bool>,
        waiting: &WakerSlot,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Poll<rustix::io::Result<R>> {
        match self.attempt(ready, op) {
            Some(result) => Poll::Ready(result),
            None => {
                waiting.register(cx);
                Poll::Pending
            }
        }
    }

    fn attempt<R>(
        &self,
        ready: &Cell<bool>,
        mut op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Option<rustix::io::Result<R>> {
        while ready.get() {
            match op(&self.io) {
                Err(Errno::AGAIN) => ready.set(false),
                Err(Errno::INTR) => {}
                result => return Some(result),
            }
        }
        None
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        // Closing the descriptor, next, removes it from the epoll instance.
        self.reactor.remove(self.index);
    }
}
