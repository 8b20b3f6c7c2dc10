//! Lifetime of a session or shared child: the start timeout, the idle timeout, and the grace after
//! the child closed a pipe.

use core::time::Duration;

use crate::api::cause::Cause;
use crate::api::event::{self, Notice};
use crate::api::handles::{ChildId, Server};
use crate::api::instant::Instant;
use crate::child::{Child, Stage};
use crate::context::Context;
use crate::context::timers::{Deadline, Wait};

/// How long a child may take to answer its first request before this is logged: a start from a warm
/// cache takes a second, and a client is waiting.
const SILENCE: Duration = Duration::from_secs(10);

/// What a shared child has done by its end.
#[derive(Debug)]
pub(crate) struct Service {
    /// Whether it answered its first request.
    pub(crate) opened: bool,
    /// The calls that it got.
    pub(crate) calls: u64,
    /// Its messages that reached no client.
    pub(crate) dropped: u64,
}

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) child: ChildId,
    server: Server,
    /// How long it may be without a client.
    pub(crate) limit: Option<Duration>,
    began: Instant,
    /// The last contact with a client.
    contact: Instant,
    /// When a call was last in flight.
    worked: Instant,
    /// How long it may be without a call in flight.
    sleep: Option<Duration>,
    start: Deadline,
    /// When the missing answer is logged.
    silent: Deadline,
    silence_logged: bool,
    idle: Deadline,
    exit: Deadline,
    /// The pipe that the child closed first.
    closed: Option<Cause>,
}

impl Lease {
    pub(crate) fn new(child: &Child, now: Instant) -> Self {
        Self {
            child: child.id,
            server: child.server,
            limit: child.terms.idle,
            began: now,
            contact: now,
            worked: now,
            sleep: None,
            start: Deadline::default(),
            silent: Deadline::default(),
            silence_logged: false,
            idle: Deadline::default(),
            exit: Deadline::default(),
            closed: None,
        }
    }

    /// The time since the start.
    pub(crate) fn age(&self, cx: &Context) -> Duration {
        cx.now.since(self.began)
    }

    /// Records contact with a client.
    pub(crate) fn touch(&mut self, cx: &Context) {
        self.contact = cx.now;
    }

    /// Records that a call is, or was a moment ago, in flight.
    pub(crate) fn works(&mut self, cx: &Context) {
        self.contact = cx.now;
        self.worked = cx.now;
    }

    /// The last contact with a client.
    pub(crate) const fn contact(&self) -> Instant {
        self.contact
    }

    /// It sleeps after so long without a call in flight, whatever streams are open.
    pub(crate) fn sleeps_after(&mut self, sleep: Option<Duration>) {
        self.sleep = sleep;
    }

    /// Starts the wait for the child's first answer.
    pub(crate) fn wait_start(&mut self, wait: Duration, cx: &mut Context) {
        cx.timers.set(&mut self.start, cx.now.after(wait), Wait::Start(self.child));
        if wait > SILENCE && !core::mem::replace(&mut self.silence_logged, true) {
            cx.timers.set(&mut self.silent, cx.now.after(SILENCE), Wait::Silent(self.child));
        }
    }

    /// The process has started: from here on its silence counts.
    pub(crate) fn process_started(&mut self, cx: &mut Context) {
        if self.silence_logged {
            cx.timers.set(&mut self.silent, cx.now.after(SILENCE), Wait::Silent(self.child));
        }
    }

    /// Logs that the child has not answered for a long time.
    pub(crate) fn log_silence(&mut self, child: &Child, cx: &mut Context) {
        self.silent.spend();
        // A host logs it for its guests. What waits for its turn to start can't answer.
        if child.host().is_none() && child.stage != Stage::Queued {
            cx.notice(Notice::Silent { child: self.child, pid: child.pid, wait: SILENCE });
        }
    }

    /// Shortens the wait for the first answer to `wait`, if it is longer.
    pub(crate) fn wait_start_no_longer(&mut self, wait: Duration, cx: &mut Context) {
        cx.timers.no_later(&mut self.start, cx.now.after(wait), Wait::Start(self.child));
    }

    /// The child answered its first request.
    pub(crate) fn started(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.start, Wait::Start(self.child));
        self.heard(cx);
        self.wait_idle(cx);
    }

    /// The child has answered, though not as it has to: its silence is not logged.
    pub(crate) fn heard(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.silent, Wait::Silent(self.child));
    }

    /// The child closed its standard output or input. Most exit at once, which shows how they
    /// ended; a child that stays is useless and is ended.
    pub(crate) fn pipe_closed(&mut self, cause: Cause, cx: &mut Context) {
        if self.closed.is_some() {
            return;
        }
        self.closed = Some(cause);
        let when = cx.now.after(cx.config.exit_grace);
        cx.timers.set(&mut self.exit, when, Wait::Exit(self.child));
    }

    /// The pipe that the child closed first.
    pub(crate) const fn closed(&self) -> Option<Cause> {
        self.closed
    }

    /// Starts anew for the process that replaces one that ended.
    pub(crate) fn reopened(&mut self, cx: &mut Context) {
        self.closed = None;
        cx.timers.clear(&mut self.exit, Wait::Exit(self.child));
    }

    fn wait_idle(&mut self, cx: &mut Context) {
        let idle = self.limit.map(|idle| self.contact.after(idle));
        let sleep = self.sleep.map(|sleep| self.worked.after(sleep));
        if let Some(due) = idle.into_iter().chain(sleep).min() {
            let when = due.max(cx.now.after(Duration::from_millis(1)));
            cx.timers.set(&mut self.idle, when, Wait::Idle(self.child));
        }
    }

    /// Handles the idle wait when it is due. Returns the cause, if the session or worker was idle
    /// throughout. One is `busy` while a client waits, and works while a call is in flight.
    pub(crate) fn idle_due(&mut self, busy: bool, works: bool, cx: &mut Context) -> Option<Cause> {
        self.idle.spend();
        if busy {
            self.contact = cx.now;
        }
        if works {
            self.worked = cx.now;
        }
        if self.limit.is_some_and(|idle| cx.now.since(self.contact) >= idle) {
            return Some(Cause::Idle);
        }
        if self.sleep.is_some_and(|sleep| cx.now.since(self.worked) >= sleep) {
            return Some(Cause::Unused);
        }
        self.wait_idle(cx);
        None
    }

    /// Drops all waits.
    pub(crate) fn end(&mut self, cx: &mut Context) {
        for (deadline, wait) in [
            (&mut self.start, Wait::Start(self.child)),
            (&mut self.silent, Wait::Silent(self.child)),
            (&mut self.idle, Wait::Idle(self.child)),
            (&mut self.exit, Wait::Exit(self.child)),
        ] {
            cx.timers.clear(deadline, wait);
        }
    }

    /// The same, at the end of what the child served; it is counted.
    pub(crate) fn end_for(&mut self, cause: Cause, cx: &mut Context) {
        self.end(cx);
        cx.counts.of(self.server).end(cause.label());
    }

    /// A shared child serves.
    pub(crate) fn started_shared(&mut self, pid: Option<u32>, version: &str, cx: &mut Context) {
        self.started(cx);
        let (child, start) = (self.child, self.age(cx));
        cx.counts.of(self.server).start(start);
        cx.notice(Notice::SharedChildReady { child, pid, version: event::version(version), start });
    }

    /// Drops all waits of a shared child, and counts and reports its end.
    pub(crate) fn end_shared(
        &mut self,
        pid: Option<u32>,
        cause: Cause,
        service: Service,
        cx: &mut Context,
    ) {
        self.end_for(cause, cx);
        let Service { opened, calls, dropped } = service;
        let (child, lived) = (self.child, self.age(cx));
        cx.notice(Notice::SharedChildEnded { child, pid, cause, opened, lived, calls, dropped });
    }
}
