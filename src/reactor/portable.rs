//! The reactor on other systems: async-io.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::{Async, Timer};
use rustix::io::Errno;

use super::{Clock, Use};
use crate::os::sys::AsFd;
use crate::reactor::turns::Turns;

#[derive(Debug)]
pub(crate) struct Reactor {
    /// The queue of tasks that have more to do: one runs after each poll of the descriptors.
    pub(crate) turns: Rc<Turns>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self { turns: Rc::default() }))
    }

    /// Runs `future` to its end, sleeping while it is pending.
    pub(crate) fn run<T>(&self, clock: &impl Clock, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let mut timer = Timer::never();
        let mut set: Option<Instant> = None;
        async_io::block_on(poll_fn(|cx| {
            loop {
                clock.fire();
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    return Poll::Ready(value);
                }
                if !self.turns.is_empty() {
                    // When woken again, it polls the descriptors first.
                    self.turns.next();
                    cx.waker().wake_by_ref();
                }
                let next = clock.next();
                if next != set {
                    timer = next.map_or_else(Timer::never, Timer::at);
                    set = next;
                }
                if Pin::new(&mut timer).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                set = None;
            }
        }))
    }
}

/// A descriptor in non-blocking mode.
#[derive(Debug)]
pub(crate) struct Source<T>(Async<T>);

impl<T: AsFd> Source<T> {
    /// Registers a descriptor that is in non-blocking mode.
    pub(crate) fn new(_: &Rc<Reactor>, io: T, _: Use) -> io::Result<Self> {
        Ok(Self(Async::new_nonblocking(io)?))
    }

    pub(crate) fn get(&self) -> &T {
        self.0.get_ref()
    }

    /// Runs `op` once the descriptor is ready to read.
    pub(crate) fn poll_read<R>(
        &self,
        cx: &Context<'_>,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Poll<rustix::io::Result<R>> {
        self.poll(op, || self.0.poll_readable(&mut again(cx)))
    }

    /// Runs `op` once the descriptor is ready to write.
    pub(crate) fn poll_write<R>(
        &self,
        cx: &Context<'_>,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Poll<rustix::io::Result<R>> {
        self.poll(op, || self.0.poll_writable(&mut again(cx)))
    }

    /// Runs `op` at once; `None` if the descriptor has no room now.
    pub(crate) fn try_write<R>(
        &self,
        op: impl FnMut(&T) -> rustix::io::Result<R>,
    ) -> Option<rustix::io::Result<R>> {
        match self.poll(op, || Poll::Pending) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    fn poll<R>(
        &self,
        mut op: impl FnMut(&T) -> rustix::io::Result<R>,
        ready: impl Fn() -> Poll<io::Result<()>>,
    ) -> Poll<rustix::io::Result<R>> {
        loop {
            match op(self.0.get_ref()) {
                Err(Errno::AGAIN) if ready().is_pending() => return Poll::Pending,
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// A hint that has no effect here.
    pub(crate) fn drained(&self) {}

    /// A hint that has no effect here.
    pub(crate) fn retry(&self) {}

    /// Waits for the connection to break: not reported here, the next write finds out.
    pub(crate) fn poll_broken(&self, _: &Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// The same context, for callers that need it mutable.
fn again<'a>(cx: &Context<'a>) -> Context<'a> {
    Context::from_waker(cx.waker())
}
