//! A session that sleeps: it has no process, and goes on with another one when its client sends
//! what needs one. Its streams stay, and so do its event ids.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::lasting::{End, Lasting};
use super::phase::{Open, Phase};
use super::record::Record;
use super::{Post, Session, visit};
use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Server, SessionNumber};
use crate::api::instant::Instant;
use crate::api::io::env_size;
use crate::api::response;
use crate::child::Child;
use crate::child::lease::Lease;
use crate::codec::message::{Kind, Message};
use crate::codec::rpc;
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::timers::{Deadline, Wait};
use crate::http::admission::Arrival;
use crate::http::fault::Fault;
use crate::http::session_id;
use crate::stream::set::Streams;

/// What a sleeping session takes beside its texts: itself, and its streams without their events.
const OVERHEAD: usize = 2048;

/// Notifications that tell a process what only it has to know: a later one has nothing to know.
const ONLY_FOR_THE_PROCESS: [&str; 4] = [
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
];

#[derive(Debug)]
pub(crate) struct Asleep {
    pub(crate) lasting: Lasting,
    pub(crate) server: Server,
    pub(super) env: Vec<(String, String)>,
    pub(super) open: Open,
    pub(crate) streams: Streams,
    /// The last contact with its client, and how long before that, if it was in an earlier run.
    contact: Instant,
    age: Duration,
    /// Whether its event ids begin anew, because it was opened in an earlier run.
    renews: bool,
    expiry: Deadline,
    share: Share,
}

impl Session {
    /// Whether another process can take the place of its own.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_known_to_client() && self.phase.open().is_some_and(|open| open.opening.is_some())
    }

    /// The process is gone, or is to go: calls in flight are answered, streams stay open. Returns
    /// the process, which ends next, and what is left.
    pub(crate) fn fall_asleep(
        mut self: Box<Self>,
        cause: Cause,
        fault: &Fault,
        cx: &mut Context,
    ) -> (Box<Child>, Option<Box<Asleep>>) {
        let awake = self.is_open();
        self.fail_all(fault, cx);
        self.lease.end(cx);
        if awake {
            cx.counts.of(self.child.server).sleep(cause.label());
        }
        let (number, pid) = (self.lasting.number, self.child.pid);
        cx.notice(Notice::SessionAsleep { session: number, pid, cause, awake });
        let Self { lasting, child, phase, mut streams, lease, .. } = *self;
        let env = child.env().to_vec();
        let Some(mut open) = phase.into_open() else { return (child, None) };
        if let Some(crossing) = open.crossing.as_mut() {
            crossing.forget_process();
        }
        streams.move_to(ChildId(number.0), cx);
        let mut asleep = Box::new(Asleep {
            lasting,
            server: child.server,
            env,
            open,
            streams,
            contact: lease.contact(),
            age: Duration::ZERO,
            renews: false,
            expiry: Deadline::default(),
            share: cx.budget.share(),
        });
        asleep.begin(cx);
        (child, Some(asleep))
    }
}

impl Asleep {
    /// Makes a session of an earlier run again.
    pub(crate) fn restore(
        record: Record,
        (server, path): (Server, Arc<str>),
        (number, age): (SessionNumber, Duration),
        cx: &mut Context,
    ) -> Box<Self> {
        let Record { id, env, open, .. } = record;
        let (key, style) = (ChildId(number.0), open.version.style());
        let mut asleep = Box::new(Self {
            lasting: Lasting { earlier: true, ..Lasting::new(number, id, path, cx.now) },
            server,
            env,
            open,
            streams: Streams::new(key, session_id::short(id), style, cx),
            contact: cx.now,
            age,
            renews: true,
            expiry: Deadline::default(),
            share: cx.budget.share(),
        });
        asleep.begin(cx);
        asleep
    }

    fn begin(&mut self, cx: &mut Context) {
        self.share.hold(OVERHEAD + env_size(&self.env));
        self.wait_expiry(cx);
    }

    /// Bytes that it takes, beside the events of its streams.
    pub(crate) fn size(&self) -> usize {
        let opening = self.open.opening.as_ref().map_or(0, |opening| opening.size());
        let crossing = self.open.crossing.as_ref().map_or(0, |crossing| crossing.size());
        self.share.size() + opening + crossing
    }

    /// The version that the child chose.
    pub(crate) fn version(&self) -> &str {
        &self.open.chosen
    }

    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// What its client said of itself in `initialize`.
    pub(crate) fn hello(&self) -> &[u8] {
        self.open.opening.as_ref().map_or(&b""[..], |opening| &opening.hello)
    }

    /// For how long it is unused. One whose client reads a stream is used.
    pub(crate) fn unused(&self, now: Instant) -> Duration {
        match self.streams.is_alive() {
            true => Duration::ZERO,
            false => now.since(self.contact).saturating_add(self.age),
        }
    }

    fn wait_expiry(&mut self, cx: &mut Context) {
        if let Some(expiry) = cx.config.expiry {
            let left = expiry.saturating_sub(self.unused(cx.now)).max(Duration::from_millis(1));
            let when = cx.now.after(left);
            cx.timers.set(&mut self.expiry, when, Wait::Expiry(self.lasting.number));
        }
    }

    /// Handles its expiry when it is due. Returns whether it ends.
    pub(crate) fn is_expired(&mut self, cx: &mut Context) -> bool {
        self.expiry.spend();
        let expired = cx.config.expiry.is_some_and(|expiry| self.unused(cx.now) >= expiry);
        if !expired {
            self.wait_expiry(cx);
        }
        expired
    }

    /// Checks what every request of the session must satisfy.
    pub(crate) fn check(&mut self, from: Arrival<'_>, cx: &mut Context) -> Result<(), Fault> {
        visit::check(&self.env, &self.open.chosen, from.head, cx)?;
        if core::mem::take(&mut self.renews) {
            // What the earlier run numbered is not known: no event id may come twice.
            self.streams.renew(session_id::short(from.random));
        }
        (self.contact, self.age) = (cx.now, Duration::ZERO);
        if self.lasting.is_stale(cx) {
            self.save(cx);
        }
        Ok(())
    }

    /// Checks the form of the messages of one POST. Returns whether one of them needs a process.
    pub(crate) fn judge(&self, post: &Post<'_>) -> Result<bool, Fault> {
        visit::judge(post, self.open.version)?;
        let answered_here = !post.batch && post.from.head.accept.json;
        Ok(post.messages.iter().any(|message| match message.kind() {
            // Nobody waits for it any more: the process that asked is gone.
            Kind::Result { .. } | Kind::Error { .. } => false,
            Kind::Request { method, .. } => !(answered_here && method == "ping"),
            Kind::Notification { method } => !ONLY_FOR_THE_PROCESS.contains(&&*method),
        }))
    }

    /// Handles messages that need no process.
    pub(crate) fn post(&mut self, post: &Post<'_>, cx: &mut Context) {
        let messages = post.messages;
        if messages.iter().any(|message| message.calls("notifications/initialized"))
            && let Some(opening) = self.open.opening.as_mut()
            && !core::mem::replace(&mut opening.initialized, true)
        {
            self.save(cx);
        }
        let ping = messages.iter().find(|message| message.is_request());
        let response = match ping.and_then(Message::id) {
            Some(id) => response::json(200, rpc::response(id, "result", b"{}")),
            None => response::empty(202),
        };
        cx.answer_to(post.from, response);
    }

    /// GET: a stream that begins while it sleeps, or goes on.
    pub(crate) fn listen(&mut self, from: Arrival<'_>, cx: &mut Context) -> Result<(), Fault> {
        visit::listen(&mut self.streams, self.lasting.earlier, from, cx)
    }

    /// Has the driver save what restores it.
    pub(super) fn save(&mut self, cx: &mut Context) {
        self.lasting.save(&self.env, &self.open, cx);
    }

    /// It has a process again, or is over: it expires no more.
    pub(crate) fn cease(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.expiry, Wait::Expiry(self.lasting.number));
    }

    /// Its streams end, and it does not expire: the program ends.
    pub(crate) fn close(&mut self, cx: &mut Context) {
        self.cease(cx);
        self.streams.close(cx);
    }

    /// Ends the session: its streams end.
    pub(crate) fn end(mut self, cause: Cause, cx: &mut Context) {
        self.close(cx);
        cx.counts.of(self.server).end(cause.label());
        let dropped = self.streams.drops();
        self.lasting.ended(End { cause, pid: None, opened: true, dropped }, cx);
    }

    /// Wakes: `child` gets the handshake that the first process had. `random` is of the request
    /// that is the reason.
    pub(crate) fn wake(
        mut self,
        child: Box<Child>,
        random: u128,
        cx: &mut Context,
    ) -> Box<Session> {
        self.cease(cx);
        self.streams.move_to(child.id, cx);
        let mut session = Box::new(Session {
            lasting: self.lasting,
            lease: Lease::new(&child, cx.now),
            child,
            phase: Phase::Waking(self.open),
            streams: self.streams,
            only: None,
            names: Some(session_id::short(random)),
        });
        session.greet_again(cx);
        session
    }
}

#[cfg(debug_assertions)]
impl Asleep {
    /// Compares what it counts with what it has.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        walk.meet("asleep", &self.share, OVERHEAD + env_size(&self.env));
        self.open.walk(walk);
        self.streams.walk(walk);
    }
}
