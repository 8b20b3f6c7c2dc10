//! The probe: `server/discover` finds out which era a fresh child speaks. The wait for its answer
//! is long, because a first start may take long.
//!
//! A process gets one handshake. A process that did not answer the probe may still answer it later,
//! so `initialize` goes to another process in its place. A process that answered with an error has
//! opened nothing, and may get `initialize`: the bridge's own, if clients of 2026-07-28 share the
//! process; otherwise that of the refused client, for which the process waits.

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use super::{Mode, Worker};
use crate::api::cause::Cause;
use crate::api::handles::{ChildId, Exit};
use crate::child::{Child, OwnRequest, Stage};
use crate::codec::message::Message;
use crate::codec::object::Object;
use crate::codec::version::STATELESS;
use crate::context::Context;
use crate::context::report::{Lesson, Report};
use crate::dialect::downward;
use crate::dialect::upward;
use crate::http::fault::Fault;

/// Errors by which servers say that they do not know `server/discover`, or not before `initialize`,
/// or not this revision: method not found, invalid params, invalid request, not initialized,
/// unsupported version. Other errors, such as a wrong credential, prove nothing.
const PROOFS: [i64; 5] = [-32601, -32602, -32600, -32002, -32022];

/// How much of a child's error is shown to its client, in characters.
const SHOWN: usize = 200;

/// How a probe failed.
pub(super) enum Failure {
    /// The child answered with this error, which may be a proof.
    Answered { error: String, proves: bool },
    /// The child exited.
    Ended(Exit),
    /// The child does not answer.
    Silent,
}

/// The state of a worker whose process has ended.
pub(crate) enum AfterExit {
    /// Another process is to replace it.
    Restarts,
    Ends(Cause),
}

impl Worker {
    /// Sends the first request of a fresh child: a probe, unless the era is known.
    pub(crate) fn greet(&mut self, cx: &mut Context) {
        if self.child.known.modern == Some(false) {
            return self.initialize(cx);
        }
        self.mode = Mode::Probing;
        self.child.request(OwnRequest::Discover, &upward::discover_params(), cx);
        if self.child.stage == Stage::Queued {
            self.lease.wait_start(cx.config.start, cx);
        } else {
            self.process_started(cx);
        }
    }

    /// The process has started: the time to answer the probe begins.
    pub(crate) fn process_started(&mut self, cx: &mut Context) {
        if matches!(self.mode, Mode::Probing) {
            self.asked = cx.now;
            let known = self.child.known.ever_modern;
            let wait = if known { cx.config.start } else { cx.config.probe };
            self.lease.wait_start(wait, cx);
        }
    }

    fn initialize(&mut self, cx: &mut Context) {
        self.mode = Mode::Opening;
        let params = downward::initialize(&self.capabilities, self.client.as_deref());
        self.child.request(OwnRequest::Initialize, &params, cx);
        self.lease.wait_start(cx.config.start, cx);
    }

    /// Whether the bridge's `server/discover` is in flight.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.mode, Mode::Probing | Mode::Awake)
    }

    /// Whether its child has answered its first request.
    pub(crate) const fn has_started(&self) -> bool {
        self.is_ready() || matches!(self.mode, Mode::AwaitingSession)
    }

    /// Whether its child waits for the `initialize` of a client with these variables.
    pub(crate) fn waits_for(&self, env: &[(String, String)]) -> bool {
        matches!(self.mode, Mode::AwaitingSession) && self.owner.env == env
    }

    /// Hands its child over to a session.
    pub(crate) fn release(mut self, cx: &mut Context) -> Box<Child> {
        self.streams.close(cx);
        self.lease.end(cx);
        self.child
    }

    /// Handles the child's answer to the probe.
    pub(super) fn discovered(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause> {
        if !self.is_probing() {
            return None;
        }
        let payload = message.payload().unwrap_or_default();
        let is_result = message.result().is_some();
        if is_result && upward::speaks_stateless(payload) {
            self.child.learn(Lesson::SpokeModern, cx);
            self.opened(Mode::Stateless, STATELESS, cx);
            return None;
        }
        let code = downward::error_code(payload);
        let proves = is_result || code.is_some_and(|code| PROOFS.contains(&code));
        let text = Object::read(payload).and_then(|o| o.string("message").map(|m| m.to_string()));
        let error = text.unwrap_or_default().chars().take(SHOWN).collect();
        self.undiscovered(Failure::Answered { error, proves }, cx)
    }

    /// The child answered `ping`: so it runs, and would have answered the probe by now if it knew
    /// it, unless its handlers run concurrently.
    pub(super) fn ponged(&mut self, cx: &mut Context) {
        if matches!(self.mode, Mode::Probing) {
            self.mode = Mode::Awake;
            self.lease.wait_start(cx.config.probe, cx);
        }
    }

    /// The probe failed. Returns the cause, if the worker ends by it.
    pub(super) fn undiscovered(&mut self, failure: Failure, cx: &mut Context) -> Option<Cause> {
        let until = cx.now.after(cx.config.breaker_wait);
        let lesson = match &failure {
            Failure::Answered { proves: true, .. } => Lesson::DeniedModern(until),
            _ => Lesson::Doubted(until),
        };
        self.child.learn(lesson, cx);
        if self.crosses {
            match failure {
                Failure::Answered { .. } => self.initialize(cx),
                Failure::Ended(_) => {}
                Failure::Silent => {
                    self.mode = Mode::Leaving;
                    self.child.end(cx);
                    self.lease.wait_start(cx.config.start, cx);
                }
            }
            return None;
        }
        let known = self.child.known.modern == Some(false);
        let what = match &failure {
            Failure::Answered { error, .. } => alloc::format!("answered with an error ({error})"),
            Failure::Ended(exit) => alloc::format!("ended with {exit}"),
            Failure::Silent => String::from("did not answer"),
        };
        let fault = if known { Fault::SessionEra } else { Fault::Undiscovered(what) };
        self.refuse_all(&fault, cx);
        if matches!(failure, Failure::Answered { .. }) {
            self.mode = Mode::AwaitingSession;
            self.lease.wait_start(cx.config.fallback, cx);
            self.lease.heard(cx);
            return None;
        }
        Some(Cause::Undiscovered)
    }

    /// Starts another process, of this number, in place of the one that is gone.
    pub(crate) fn restart(&mut self, id: ChildId, cx: &mut Context) {
        self.take_held();
        self.lease.reopened(cx);
        let before = self.child.id;
        self.child.reopen(id, cx);
        cx.rename(before, id);
        self.streams.child = id;
        self.lease.child = id;
        self.initialize(cx);
    }

    /// Refuses all waiting requests, if the era is known not to fit. Returns true if so.
    pub(crate) fn refuses_all(&mut self, cx: &mut Context) -> bool {
        let known = self.child.known.modern == Some(false);
        let refuses = known && !self.crosses && matches!(self.mode, Mode::Probing);
        if refuses {
            self.refuse_all(&Fault::SessionEra, cx);
        }
        refuses
    }

    /// Refuses all requests that waited for the child's era.
    fn refuse_all(&mut self, fault: &Fault, cx: &mut Context) {
        if !self.asks.is_empty() {
            cx.report(Report::EraRefused(self.child.server));
        }
        for (number, ask) in self.asks.take() {
            cx.refused(fault);
            self.streams.whole(number, fault.response(Some(&ask.id), &cx.config.remedies), cx);
        }
    }

    /// The child is gone; `unasked` if it exited by itself.
    pub(crate) fn exited(&mut self, exit: Exit, unasked: bool, cx: &mut Context) -> AfterExit {
        if matches!(self.mode, Mode::Leaving) {
            return AfterExit::Restarts;
        }
        let probed = unasked && self.is_probing() && !self.child.known.ever_modern;
        if !probed {
            return AfterExit::Ends(Cause::Exited(exit));
        }
        match self.undiscovered(Failure::Ended(exit), cx) {
            Some(cause) => AfterExit::Ends(cause),
            None => AfterExit::Restarts,
        }
    }
}
