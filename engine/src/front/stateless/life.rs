//! How a shared child, its requests and its streams end, and their waits.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Worker;
use crate::api::cause::Cause;
use crate::child::Child;
use crate::child::lease::Service;
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::metrics::CANCELLED;
use crate::front::serves::Serves;
use crate::http::fault::Fault;
use crate::stream::set::Streams;

impl Worker {
    /// Ends the worker: requests are answered, subscriptions end, parked calls are forgotten.
    pub(crate) fn end(mut self, cause: Cause, fault: &Fault, cx: &mut Context) -> Box<Child> {
        for id in self.child.call_ids() {
            self.child.end_call(id, cx);
        }
        for id in self.parks.keys().copied().collect::<Vec<_>>() {
            self.drop_park(id, cx);
        }
        let graceful =
            matches!(cause, Cause::Shutdown | Cause::Idle | Cause::Retired | Cause::Spent);
        for number in self.asks.keys().copied().collect::<Vec<_>>() {
            if self.listens.has(number) {
                self.end_listen(number, graceful, cx);
            } else {
                self.fail(number, fault, cx);
            }
        }
        self.streams.close(cx);
        let (calls, dropped) = (self.served, self.streams.drops());
        let service = Service { opened: self.is_ready(), calls, dropped };
        self.lease.end_shared(self.child.pid, cause, service, cx);
        self.child
    }
}

impl Serves for Worker {
    fn streams(&mut self) -> &mut Streams {
        &mut self.streams
    }

    fn lost(&mut self, number: StreamId, cx: &mut Context) {
        self.lease.touch(cx);
        // No client waits for the answer: its request is cancelled.
        self.streams.give_up(number, cx);
        let Some(ask) = self.asks.remove(&number) else { return };
        self.child.count_end(CANCELLED, ask.since, cx);
        if let Some(id) = ask.call {
            self.child.end_call(id, cx);
            self.child.send_cancelled(id, "the client is gone", cx);
            if ask.may_ask {
                self.abandoned(cx);
            }
        }
        self.unlisten(number, cx);
    }

    fn overdue(&mut self, id: CallId, cx: &mut Context) {
        let Some(call) = self.child.end_call(id, cx) else {
            return self.subscribe_overdue(id, cx);
        };
        self.give_up_park(id, cx);
        self.child.send_cancelled(id, "timed out", cx);
        if self.asks.get(&call.stream).is_none_or(|ask| ask.may_ask) {
            self.abandoned(cx);
        }
        self.unlisten(call.stream, cx);
        self.fail(call.stream, &Fault::TimedOut, cx);
    }

    fn pause_due(&mut self, id: CallId, cx: &mut Context) {
        self.park_due(id, cx);
    }
}
