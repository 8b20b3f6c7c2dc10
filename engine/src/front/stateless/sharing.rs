//! Sharing of a process among clients: which requests it takes, and which client a question is for.

use super::{Mode, Worker};
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::report::{Lesson, Report};
use crate::http::metadata::can_be_asked;

/// Which other calls that may be asked for input a request's process may have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Any,
    NoneInFlight,
    NoneEver,
}

impl Worker {
    /// Whether everything that the child says concerns one client. If nothing
    /// identifies its clients, only the first request is certain: later output may belong to a
    /// request that is over.
    pub(super) const fn is_one_clients(&self) -> bool {
        self.owner.is_known() || self.carried <= 1
    }

    /// The child's state belongs to a client that nothing identifies: no other client may use this
    /// child.
    pub(super) fn spend(&mut self, cx: &mut Context) {
        self.may_cross = true;
        self.close_to_others(cx);
    }

    fn close_to_others(&mut self, cx: &mut Context) {
        if !self.owner.is_known() && !core::mem::replace(&mut self.spent, true) {
            cx.report(Report::Spent(self.child.id));
        }
    }

    /// A call ended while the child may still work on it. A question that the child then sends
    /// would reach another client.
    pub(super) fn abandoned(&mut self, cx: &mut Context) {
        if self.may_ask_clients() {
            self.spend(cx);
        }
    }

    /// The child told the progress of a call that is over, so it may still work on it. Unlike the
    /// cancellation of a call, this excuses no question that comes then.
    pub(super) fn works_on(&mut self, cx: &mut Context) {
        if self.may_ask_clients() {
            self.close_to_others(cx);
        }
    }

    fn may_ask_clients(&self) -> bool {
        matches!(self.mode, Mode::Session(_)) && can_be_asked(&self.capabilities)
    }

    /// Whether its server has sent a question after a call was answered. Then a question belongs to
    /// a call only if the process has had no call of another client.
    pub(super) fn asks_late(&self) -> bool {
        self.child.known.asks_late
    }

    /// The child sent a question after its call was answered.
    pub(super) fn asked_late(&mut self, cx: &mut Context) {
        // A question may have crossed with the cancellation of its call: that proves nothing.
        if !self.may_cross && !self.owner.is_known() {
            self.child.learn(Lesson::AskedLate, cx);
        }
    }

    /// Whether it can take a request of a client with these capabilities; `crosses` if the request
    /// may go to a child of the session era.
    pub(crate) fn fits(&self, key: &[u8], beside: Beside, crosses: bool) -> bool {
        match self.mode {
            _ if self.spent => false,
            Mode::Stateless => true,
            Mode::AwaitingSession => false,
            _ if self.crosses != crosses => false,
            // Either it is of 2026-07-28 and serves all clients, or all requests are refused.
            _ if !crosses => true,
            _ => self.key == key && self.bears(beside),
        }
    }

    /// Whether no call here could send a question that would be attributed to such a request.
    fn bears(&self, beside: Beside) -> bool {
        match beside {
            Beside::Any => true,
            Beside::NoneInFlight => !self.is_engaged(),
            Beside::NoneEver => !self.is_engaged() && self.carried_asking == 0,
        }
    }

    /// Whether a call that may be asked for input runs or waits.
    fn is_engaged(&self) -> bool {
        !self.parks.is_empty() || self.asks.iter().any(|(_, ask)| ask.may_ask)
    }

    /// The first call in flight that a question may belong to, and whether it is the only one.
    pub(super) fn asking(&self) -> (Option<CallId>, bool) {
        let may_ask = |id: &CallId, stream: &StreamId| {
            self.parks.contains(id) || self.asks.get(stream).is_some_and(|ask| ask.may_ask)
        };
        let mut asking = self.child.calls.iter().filter(|(id, call)| may_ask(id, &call.stream));
        let first = asking.next().map(|(id, _)| *id);
        let late = !self.owner.is_known() && self.carried_asking > 1 && self.asks_late();
        (first, asking.next().is_none() && !late)
    }
}
