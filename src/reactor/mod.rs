//! Readiness of descriptors, and sleep until one is ready or a deadline is due. One thread.
//!
//! On Linux this is an epoll instance of our own, edge-triggered, with each descriptor registered
//! once: a wake costs one system call where async-io's portable poller makes five, and a call
//! through the proxy has two wakes (`bench/REACTOR.md` has measurements). On other systems it is
//! async-io. Both have the same interface, so that no other module depends on which one is used.
//! `RUSTFLAGS='--cfg portable_reactor'` chooses async-io on Linux, to compare the two.

#[cfg(all(target_os = "linux", not(portable_reactor)))]
mod epoll;
#[cfg(any(test, portable_reactor, not(target_os = "linux")))]
#[cfg_attr(
    all(target_os = "linux", not(portable_reactor)),
    allow(dead_code, reason = "compiled here only to be checked")
)]
pub(crate) mod portable;
pub(crate) mod turns;

use std::cell::RefCell;
use std::task::{Context, Waker};
use std::time::Instant;

#[cfg(all(target_os = "linux", not(portable_reactor)))]
pub(crate) use epoll::{Reactor, Source};
#[cfg(any(portable_reactor, not(target_os = "linux")))]
pub(crate) use portable::{Reactor, Source};

/// Knows when the next deadline is due. It is called before each sleep, so no timer has to be
/// armed.
pub(crate) trait Clock {
    /// The latest time of the next call of [`fire`](Self::fire).
    fn next(&self) -> Option<Instant>;
    /// Reads the clock, and handles the deadlines that are due. Called after each sleep, before any
    /// woken task runs.
    fn fire(&self);
}

/// The kind and the use of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A socket, in both directions.
    Socket,
    /// The reading end of a pipe.
    PipeIn,
    /// The writing end of a pipe.
    PipeOut,
}

/// The waker of the task that waits, if there is one.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot(RefCell<Option<Waker>>);

impl WakerSlot {
    /// Registers the current task.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut slot = self.0.borrow_mut();
        match &*slot {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *slot = Some(cx.waker().clone()),
        }
    }

    /// Wakes the registered task.
    pub(crate) fn wake(&self) {
        // The borrow ends before the waker runs.
        let waker = self.0.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
