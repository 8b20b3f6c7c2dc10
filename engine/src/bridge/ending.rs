//! Draining and shutdown: calls in flight get a grace period, everything else ends at once.

use alloc::vec::Vec;

use super::{Bridge, Seat};
use crate::api::event::{Cause, Notice};
use crate::context::timers::Wait;

impl Bridge {
    pub(super) fn shutdown(&mut self) {
        if self.draining {
            return self.end_at_once();
        }
        self.draining = true;
        let (sessions, calls) = (self.seats.session_count(), self.cx.stats.calls);
        self.cx.notice(Notice::Draining { sessions, calls });
        let when = self.cx.now.after(self.cx.config.drain);
        self.cx.timers.set(&mut self.drain, when, Wait::Drain);
    }

    fn end_at_once(&mut self) {
        self.end_all();
        for seat in self.seats.iter_mut() {
            seat.child_mut().kill(&mut self.cx);
        }
    }

    pub(super) fn end_all(&mut self) {
        for pipe in self.seats.children().map(|child| child.pipe).collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
    }

    /// While draining: ends the children that no client waits for.
    pub(super) fn end_drained(&mut self) {
        // A session that has not opened yet will get no requests.
        let waited_for = |seat: &Seat| match seat {
            Seat::Session(session) => session.is_open() && !session.child.calls.is_empty(),
            Seat::Shared(worker) => worker.is_ready() && worker.is_busy(),
            Seat::Prewarmed(_) | Seat::Leaving(_) => false,
        };
        let drained = self.seats.iter().filter(|seat| !waited_for(seat));
        for pipe in drained.map(|seat| seat.child().pipe).collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
        if self.seats.session_count() == 0 && self.seats.shared_count() == 0 {
            self.cx.timers.clear(&mut self.drain, Wait::Drain);
        }
    }
}
