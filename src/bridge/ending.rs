//! How the program ends: calls in flight may go on for a while, all else ends at once.

use alloc::vec::Vec;

use super::Bridge;
use crate::child::Child;
use crate::notice::{Cause, Notice};
use crate::time::Wait;

impl Bridge {
    pub(super) fn shutdown(&mut self) {
        if self.draining {
            return self.end_at_once();
        }
        self.draining = true;
        let (sessions, calls) = (self.sessions.len(), self.cx.stats.calls);
        self.cx.notice(Notice::Draining { sessions, calls });
        let when = self.cx.now.after(self.cx.config.drain);
        self.cx.timers.set(&mut self.drain, when, Wait::Drain);
    }

    fn end_at_once(&mut self) {
        self.end_all();
        for child in self.children.values_mut() {
            child.kill(&mut self.cx);
        }
    }

    pub(super) fn end_all(&mut self) {
        for pipe in self.children.keys().copied().collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
    }

    /// While draining: ends what nobody waits for.
    pub(super) fn end_drained(&mut self) {
        // What is not open yet will be of use to nobody.
        let waited_for = |child: &Child| match self.workers.get(&child.pipe) {
            Some(worker) => worker.is_ready() && worker.is_busy(),
            None => {
                let open = self.sessions.get(&child.pipe).is_some_and(|session| session.is_open());
                open && !child.calls.is_empty()
            }
        };
        let drained = self.children.values().filter(|child| !waited_for(child));
        for pipe in drained.map(|child| child.pipe).collect::<Vec<_>>() {
            self.end(pipe, Cause::Shutdown, None);
        }
        if self.sessions.is_empty() && self.workers.is_empty() {
            self.cx.timers.clear(&mut self.drain, Wait::Drain);
        }
    }
}
