//! How a session, its calls and its streams end, and their waits.

use alloc::boxed::Box;

use super::Session;
use super::lasting::End;
use crate::api::cause::Cause;
use crate::child::Child;
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::metrics::CANCELLED;
use crate::front::serves::Serves;
use crate::http::fault::Fault;
use crate::stream::set::Streams;

impl Session {
    /// Answers a call with an error of the bridge.
    pub(crate) fn fail(&mut self, id: CallId, fault: &Fault, cx: &mut Context) {
        let Some(call) = self.child.end_call(id, cx) else { return };
        self.end_rounds(id, call.stream, cx);
        self.child.count_end(fault.outcome(), call.since, cx);
        if self.is_open() || *fault == Fault::TimedOut {
            self.answer(call.stream, fault.message(Some(&call.id), &cx.config.remedies), cx);
            return;
        }
        let response = fault.failed_start(Some(&call.id), &cx.config.remedies);
        match self.phase.is_waking() || self.only.is_some() {
            true => self.streams.fail(call.stream, response, cx),
            false => self.streams.whole(call.stream, response, cx),
        }
    }

    /// The client has cancelled a call: it gets no response (MCP 2025-11-25 "Cancellation").
    pub(super) fn cancel(&mut self, id: CallId, cx: &mut Context) {
        let Some(call) = self.child.end_call(id, cx) else { return };
        self.end_rounds(id, call.stream, cx);
        self.child.count_end(CANCELLED, call.since, cx);
        self.streams.cancel(call.stream, cx);
    }

    /// Ends the session: calls are answered and streams end. Returns the child, which ends next.
    pub(crate) fn end(mut self, cause: Cause, fault: &Fault, cx: &mut Context) -> Box<Child> {
        if self.phase.declined().is_some() {
            self.decline(cx);
        }
        let opened = self.is_known_to_client();
        self.fail_all(fault, cx);
        if let Some((call, _)) = self.phase.saved() {
            self.streams.whole(
                call.stream,
                fault.failed_start(Some(&call.id), &cx.config.remedies),
                cx,
            );
        }
        self.streams.close(cx);
        self.lease.end_for(cause, cx);
        let (pid, dropped) = (self.child.pid, self.streams.drops());
        self.lasting.ended(End { cause, pid, opened, dropped }, cx);
        self.child
    }

    /// Ends all calls with an error of the bridge.
    pub(super) fn fail_all(&mut self, fault: &Fault, cx: &mut Context) {
        for id in self.child.call_ids() {
            self.fail(id, fault, cx);
        }
        self.fail_pending(.., fault, cx);
    }
}

impl Serves for Session {
    fn streams(&mut self) -> &mut Streams {
        &mut self.streams
    }

    fn lost(&mut self, number: StreamId, cx: &mut Context) {
        self.lease.touch(cx);
        self.streams.lost(number, cx);
    }

    fn overdue(&mut self, id: CallId, cx: &mut Context) {
        // `initialize` has a wait of its own, and may not be cancelled (MCP "Cancellation").
        if !self.is_known_to_client() {
            return;
        }
        if self.child.calls.get(&id).is_none() {
            return self.listen_overdue(id, cx);
        }
        if self.is_at_child(id) {
            self.child.send_cancelled(id, "timed out", cx);
        }
        self.fail(id, &Fault::TimedOut, cx);
    }

    fn pause_due(&mut self, id: CallId, cx: &mut Context) {
        self.round_due(id, cx);
    }
}
