//! A session wakes: another process takes the place of the one that is gone. It gets the handshake
//! that the first one had, with ids of the bridge's own, and what the client has set since. What
//! the client sends meanwhile is held back.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Session;
use super::opening::Identity;
use super::phase::{Open, Phase};
use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::child::OwnRequest;
use crate::codec::message::{Message, Splice};
use crate::codec::meta::SERVER;
use crate::codec::object::{self, Object, quoted};
use crate::codec::rpc;
use crate::codec::version;
use crate::context::Context;
use crate::context::report::Lesson;
use crate::dialect::upward;

/// Where a server names itself in an answer to `initialize`, and to `server/discover`.
pub(super) const NAMED: [&str; 2] = ["serverInfo", "name"];
pub(super) const NAMED_MODERN: [&str; 3] = ["_meta", SERVER, "name"];

/// The version that a child chose, as it is kept. One that names none has opened the session all
/// the same; versions are short.
pub(super) fn chosen(told: &str) -> String {
    let told = if told.is_empty() { "?" } else { told };
    told.chars().take(40).collect()
}

impl Session {
    /// Writes the first message of the handshake; all else waits for its end.
    pub(super) fn greet_again(&mut self, cx: &mut Context) {
        let Some(open) = self.phase.open_mut() else { return };
        match (&mut open.crossing, &open.opening) {
            (Some(crossing), _) => {
                if crossing.last_asked == 0 {
                    // What an earlier run of the proxy asked is not answered to this process.
                    crossing.last_asked = u64::from(self.names.unwrap_or_default()) << 20;
                }
                let params = upward::discover_params();
                self.child.request(OwnRequest::Discover, &params, cx);
            }
            (None, Some(opening)) => {
                self.child.request(OwnRequest::Initialize, &opening.hello, cx);
            }
            (None, None) => {}
        }
        self.child.hold_back();
        self.lease.wait_start(cx.config.start, cx);
    }

    /// Handles the answer to the first message of the handshake.
    pub(super) fn greeted_again(
        &mut self,
        message: &Message<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        let Phase::Waking(open) = &self.phase else { return None };
        let Some(result) = message.result() else {
            return Some(Cause::Declined);
        };
        if let Some(what) = differs(open, result) {
            return Some(Cause::Changed(what));
        }
        let modern = open.crossing.is_some();
        self.child.learn(if modern { Lesson::SpokeModern } else { Lesson::SpokeSession }, cx);
        self.phase.woke();
        self.restore_settings(cx);
        self.child.release(cx);
        if self.phase.open().and_then(|open| open.opening.as_ref()).is_some_and(|o| o.initialized) {
            self.relisten(cx);
        }
        self.starts_life(cx);
        self.promote_calls(cx);
        cx.stats.woken += 1;
        cx.counts.of(self.child.server).woken += 1;
        let (session, child, pid) = (self.lasting.number, self.child.process(), self.child.pid);
        cx.notice(Notice::SessionWoken { session, child, pid, start: self.lease.age(cx) });
        None
    }

    /// Tells the process what the client has set at the earlier one.
    fn restore_settings(&mut self, cx: &mut Context) {
        let Some(open) = self.phase.open().filter(|open| open.crossing.is_none()) else { return };
        let Some(opening) = open.opening.as_deref() else { return };
        let (level, uris) = (opening.level, &opening.uris);
        self.child.ahead(|child| {
            if opening.initialized {
                child.send(rpc::request(None, "notifications/initialized", b"{}"), cx);
            }
            let params = |name: &str, value: &str| {
                let mut params = Object::default();
                params.set(name, quoted(value));
                params.text()
            };
            if let Some(level) = level {
                let params = params("level", level.name());
                child.request(OwnRequest::Again("logging/setLevel"), &params, cx);
            }
            for uri in uris {
                child.request(OwnRequest::Again("resources/subscribe"), &params("uri", uri), cx);
            }
        });
    }

    /// Calls that waited become streams when they take long, as all do.
    fn promote_calls(&mut self, cx: &mut Context) {
        let wait = self.promotion(cx);
        let streams: Vec<_> = self.child.calls.values().map(|call| call.stream).collect();
        for stream in streams {
            self.streams.promote_after(stream, wait, cx);
        }
    }

    /// A message of the child as its client gets it. A request of a later process than the
    /// first has a name that no earlier one had, so that a late response is not taken for one to
    /// it.
    pub(super) fn renamed(&self, message: &Message<'_>) -> Vec<u8> {
        let Some(names) = self.names else { return message.copied() };
        let renamed = |raw: Option<&[u8]>| {
            let raw = String::from_utf8_lossy(raw?);
            Some(quoted(&format!("{names:08x}:{raw}")))
        };
        let is_request = message.is_request();
        let cancels = message.calls("notifications/cancelled");
        let id = renamed(message.id().filter(|_| is_request));
        let token = renamed(message.token().filter(|_| is_request));
        let request_id = renamed(message.request_id().filter(|_| !is_request && cancels));
        message.spliced(&Splice {
            id: id.as_deref(),
            token: token.as_deref(),
            request_id: request_id.as_deref(),
        })
    }

    /// The child's own name for what its client calls so; `None` if it is an earlier process's.
    pub(super) fn name_at_child<'a>(&self, name: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(names) = self.names else { return Some(Cow::Borrowed(name)) };
        let name = object::string(name)?;
        let raw = name.strip_prefix(&*format!("{names:08x}:"))?;
        Some(Cow::Owned(raw.as_bytes().to_vec()))
    }
}

/// What a process that gave this answer has that differs from the first.
fn differs(open: &Open, result: &[u8]) -> Option<&'static str> {
    let opening = open.opening.as_deref()?;
    let (same, server) = match open.crossing {
        None => (chosen(&version::named_by(result)) == open.chosen, Identity::read(result, &NAMED)),
        Some(_) => (upward::speaks_stateless(result), Identity::read(result, &NAMED_MODERN)),
    };
    if same { opening.server.differs(&server) } else { Some("protocol version") }
}
