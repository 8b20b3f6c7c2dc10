//! Readiness of descriptors, and sleeping until something is ready or due. One thread.
//!
//! On Linux this is an epoll instance of our own, edge-triggered, each descriptor registered once:
//! a wake costs one system call where async-io's portable poller makes five, and a call through
//! the proxy has two wakes. Elsewhere it is async-io. Both have the same face, so that nothing
//! above knows which one it has.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "compiled here only to be checked"))]
pub(crate) mod portable;
pub(crate) mod turns;

use std::cell::RefCell;
use std::task::{Context, Waker};
use std::time::Instant;

#[cfg(target_os = "linux")]
pub(crate) use epoll::{Reactor, Source};
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Reactor, Source};

/// Who knows when something is due. Asked before each sleep, so that nothing has to be armed.
pub(crate) trait Clock {
    /// When to call [`fire`](Self::fire) at the latest.
    fn next(&self) -> Option<Instant>;
    /// Looks at the time, and does what is due, if anything is. Called after each sleep, before
    /// anything that was woken runs.
    fn fire(&self);
}

/// What a descriptor is and is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A socket, both ways.
    Socket,
    /// The end of a pipe that is read.
    PipeIn,
    /// The end of a pipe that is written.
    PipeOut,
}

/// The task that waits for something, if one does.
#[derive(Debug, Default)]
pub(crate) struct WakerSlot(RefCell<Option<Waker>>);

impl WakerSlot {
    /// The current task waits from now on.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut slot = self.0.borrow_mut();
        match &*slot {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *slot = Some(cx.waker().clone()),
        }
    }

    /// Wakes the task that waits.
    pub(crate) fn wake(&self) {
        // The borrow ends before the waker runs.
        let waker = self.0.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
