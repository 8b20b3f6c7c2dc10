//! One child process: its input and output, its calls in flight, and its shutdown sequence.
//!
//! Every child that was opened ends by the shutdown sequence (MCP "Lifecycle, Shutdown"): its
//! standard input is closed; if it still runs after a grace period, its process group gets
//! `SIGTERM`; after another, `SIGKILL`. It is forgotten only when it has exited or failed to start.
//!
//! What holds for a process whichever client it serves belongs here: also its lifetime ([`lease`]),
//! and the meaning of its malformed lines ([`odd`]).

mod calls;
mod hold;
pub(crate) mod known;
pub(crate) mod lease;
pub(crate) mod link;
pub(crate) mod odd;
mod offer;
pub(crate) mod origin;
pub(crate) mod pings;
mod progress;
mod shutdown;
pub(crate) mod terms;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::handles::{ChildId, Exchange, Server};
use crate::api::instant::Instant;
use crate::api::io::{Output, env_size};
use crate::child::hold::Hold;
use crate::child::known::Known;
use crate::child::link::Link;
use crate::child::odd::MalformedLines;
use crate::child::origin::Origin;
use crate::child::pings::Pings;
use crate::child::terms::Terms;
use crate::codec::json;
use crate::codec::lines::Lines;
use crate::codec::message::{self, Message, Splice};
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::backlog::Backlog;
use crate::context::budget::Share;
use crate::context::ids::{CallId, StreamId};
use crate::context::timers::{Deadline, Wait};
use crate::table::Table;
pub(crate) use calls::{Call, OwnRequest, Wish};

/// Tokens kept for tasks, whose progress continues after their call is answered (MCP 2025-11-25
/// "Tasks, Task Progress Notifications").
const TASK_TOKENS: usize = 64;

/// Own requests without a waiting client that a child may leave unanswered at once. This is far
/// above the number that log levels and ended subscriptions cause; the answer to an older one is
/// ignored.
pub(crate) const OWN: usize = 1024;

/// The stages of a child's life and of its shutdown sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The child waits for its turn to start.
    Queued,
    Running,
    /// Standard input was closed.
    Closing,
    /// `SIGTERM` was sent.
    Terminating,
    /// `SIGKILL` was sent.
    Killed,
    /// The process is gone.
    Gone,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) server: Server,
    /// What holds for it.
    pub(crate) terms: Arc<Terms>,
    /// What is known of processes like it.
    pub(crate) known: Known,
    pub(crate) link: Link,
    pub(crate) pid: Option<u32>,
    /// The request that it is started for.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) stage: Stage,
    /// Bytes that were read since it was paused, if it is.
    pub(crate) paused: Option<usize>,
    hold: Hold,
    /// Environment variables for the process.
    env: Vec<(String, String)>,
    /// What its start has in common with other starts.
    pub(crate) origin: Origin,
    /// Whether it ended before it read anything.
    pub(crate) unread: bool,
    pub(crate) lines: Lines,
    pub(crate) calls: Table<CallId, Call>,
    own: Table<CallId, (OwnRequest, Deadline)>,
    /// Bytes not yet written to its standard input, and when some were last written, or first
    /// queued.
    queued: Backlog,
    moved: Instant,
    /// Lines to write once the process has started.
    waiting: Vec<u8>,
    /// Lines to write once it has the handshake of an earlier process again, while that lasts.
    held_back: Option<Vec<u8>>,
    last_id: CallId,
    task_tokens: Vec<(CallId, Spelling)>,
    pub(crate) malformed: MalformedLines,
    pub(crate) pings: Pings,
    /// Bytes of the requests in flight: ids, tokens and table entries.
    names: usize,
    /// All bytes kept for this child, including `queued` and `lines`.
    share: Share,
    due: Deadline,
}

impl Child {
    pub(crate) fn new(id: ChildId, server: Server, terms: Arc<Terms>, cx: &Context) -> Self {
        Self {
            id,
            server,
            terms,
            known: Known::default(),
            link: Link::OwnRequest,
            pid: None,
            exchange: None,
            stage: Stage::Queued,
            paused: None,
            hold: Hold::default(),
            env: Vec::new(),
            origin: Origin::default(),
            unread: false,
            lines: Lines::new(cx.config.message),
            calls: Table::default(),
            own: Table::default(),
            queued: Backlog::default(),
            moved: Instant::default(),
            waiting: Vec::new(),
            held_back: None,
            last_id: CallId::default(),
            task_tokens: Vec::new(),
            malformed: MalformedLines::default(),
            pings: Pings::default(),
            names: 0,
            share: cx.budget.share(),
            due: Deadline::default(),
        }
    }

    /// Starts the process and writes the waiting lines.
    pub(crate) fn open(&mut self, cx: &mut Context) {
        (self.stage, self.moved) = (Stage::Running, cx.now);
        let Self { server, id, exchange, .. } = *self;
        cx.push(Output::Open { server, child: id, exchange, env: self.env.clone() });
        // When memory became short, it was not there to be paused.
        cx.report_behind(id);
        let bytes = core::mem::take(&mut self.waiting);
        if !bytes.is_empty() {
            cx.push(Output::Write { child: self.id, bytes });
        }
    }

    /// Whether a message of this size can be queued now. An empty queue takes any message.
    pub(crate) fn accepts(&self, bytes: usize, limit: usize) -> bool {
        let queued = self.queued.waiting();
        queued == 0 || queued + bytes <= limit
    }

    /// Writes whole lines.
    pub(crate) fn write(&mut self, bytes: Vec<u8>, cx: &mut Context) {
        if self.queued.waiting() == 0 {
            self.moved = cx.now;
        }
        self.queued.give(bytes.len());
        self.account();
        match (&mut self.held_back, self.stage) {
            (Some(held), _) => held.extend_from_slice(&bytes),
            (None, Stage::Queued) => self.waiting.extend_from_slice(&bytes),
            (None, _) => self.emit(bytes, cx),
        }
    }

    /// Holds back what is written, until [`release`](Self::release).
    pub(crate) fn hold_back(&mut self) {
        self.held_back.get_or_insert_default();
    }

    /// Writes ahead of what is held back.
    pub(crate) fn ahead<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        let held = self.held_back.take();
        let result = work(self);
        self.held_back = held;
        result
    }

    /// Writes what was held back.
    pub(crate) fn release(&mut self, cx: &mut Context) {
        let bytes = self.held_back.take().unwrap_or_default();
        if !bytes.is_empty() {
            self.moved = cx.now;
            self.emit(bytes, cx);
        }
    }

    pub(crate) fn taken(&mut self, bytes: usize, now: Instant) {
        self.queued.take(bytes);
        self.moved = now;
        self.account();
    }

    /// Sets the environment variables for the process, and what is known of others with them.
    pub(crate) fn set_env(&mut self, env: Vec<(String, String)>, known: Known) {
        (self.env, self.known) = (env, known);
        self.account();
    }

    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Bytes kept for this child.
    pub(crate) const fn held(&self) -> usize {
        self.share.size()
    }

    /// Whether it holds many bytes without progress: an unfinished line, or input that it does not
    /// read.
    pub(crate) fn hoards(&self, patience: Duration, cx: &Context) -> bool {
        let small = cx.budget.small();
        let deaf = self.queued.waiting() > small && self.moved.after(patience) <= cx.now;
        deaf || self.lines.buffered() > small
    }

    /// Updates the count of bytes kept for this child.
    pub(crate) fn account(&mut self) {
        let names = self.names + self.pings.buffered() + env_size(&self.env);
        self.share.hold(self.queued.kept() + self.lines.buffered() + names);
    }

    /// Whether it has read nothing for so long that it counts as stalled.
    pub(crate) fn is_stalled(&self, cx: &Context) -> bool {
        // One that waits for its turn can't read yet.
        self.stage != Stage::Queued
            && self.queued.waiting() > 0
            && cx.now.since(self.moved) >= cx.config.stall
    }

    /// Writes a message as one line.
    pub(crate) fn send(&mut self, mut message: Vec<u8>, cx: &mut Context) {
        message.push(b'\n');
        self.write(message, cx);
    }

    /// Answers a request of the child. A child that keeps sending requests and reads nothing gets
    /// no answer: its queue is bounded.
    pub(crate) fn reply(&mut self, message: Vec<u8>, cx: &mut Context) {
        let all = cx.config.stdin.saturating_add(cx.config.message);
        let limit = if cx.budget.is_tight() { cx.budget.small() } else { all };
        if self.queued.waiting() > limit {
            cx.stats.dropped += 1;
            return;
        }
        self.ahead(|child| child.send(message, cx));
    }

    /// Sends a request of the bridge's own and returns its id. Only a bounded number of unanswered
    /// requests is remembered.
    pub(crate) fn request(&mut self, own: OwnRequest, params: &[u8], cx: &mut Context) -> CallId {
        self.last_id = self.last_id.next();
        let mut digits = itoa::Buffer::new();
        let id = self.last_id.digits(&mut digits);
        self.send(rpc::request(Some(id), own.method(), params), cx);
        if self.own.len() >= OWN {
            let spare = self.own.iter().find(|(_, (own, _))| !own.is_awaited()).map(|(id, _)| *id);
            if let Some((own, _)) = spare.and_then(|id| self.own.remove(&id)) {
                self.names -= own.size();
            }
        }
        let due =
            if own.is_awaited() { self.due_call(self.last_id, cx) } else { Deadline::default() };
        self.names += own.size();
        self.own.insert(self.last_id, (own, due));
        self.account();
        self.last_id
    }

    /// Sets the timeout of a request, if it has one.
    fn due_call(&self, id: CallId, cx: &mut Context) -> Deadline {
        let mut due = Deadline::default();
        if let Some(limit) = self.terms.request {
            cx.timers.set(&mut due, cx.now.after(limit), Wait::Call(self.id, id));
        }
        due
    }

    /// A client's subscription was acknowledged: it has no timeout from now on.
    pub(crate) fn lasts(&mut self, id: CallId, cx: &mut Context) {
        if let Some(call) = self.calls.get_mut(&id) {
            cx.timers.clear(&mut call.due, Wait::Call(self.id, id));
        }
    }

    /// Cancels an own request.
    pub(crate) fn withdraw(&mut self, id: CallId, reason: &str, cx: &mut Context) {
        self.end_own(id, cx);
        self.send_cancelled(id, reason, cx);
    }

    /// Removes an own request that was answered, or whose answer no client waits for.
    pub(crate) fn end_own(&mut self, id: CallId, cx: &mut Context) -> Option<OwnRequest> {
        let (own, mut due) = self.own.remove(&id)?;
        self.names -= own.size();
        self.account();
        cx.timers.clear(&mut due, Wait::Call(self.id, id));
        Some(own)
    }

    /// Writes the cancellation of a call.
    pub(crate) fn send_cancelled(&mut self, id: CallId, reason: &str, cx: &mut Context) {
        let params = format!(r#"{{"requestId":{id},"reason":"{reason}"}}"#);
        self.send(rpc::request(None, "notifications/cancelled", params.as_bytes()), cx);
    }

    /// Starts a new process in place of one that is gone, with nothing in flight. The new process
    /// has a new number, so that late events of the old one do not apply to it.
    pub(crate) fn reopen(&mut self, id: ChildId, cx: &mut Context) {
        let last_id = self.last_id;
        debug_assert!(self.calls.is_empty());
        cx.timers.clear(&mut self.due, Wait::Shutdown(self.id));
        self.forget_pings(cx);
        self.forget_line(cx);
        let (env, origin, exchange) = (core::mem::take(&mut self.env), self.origin, self.exchange);
        let (known, terms) = (self.known, Arc::clone(&self.terms));
        *self = Self { last_id, origin, exchange, ..Self::new(id, self.server, terms, cx) };
        self.set_env(env, known);
        self.open(cx);
    }

    /// Reserves an id for a later call.
    pub(crate) const fn reserve_id(&mut self) -> CallId {
        self.last_id = self.last_id.next();
        self.last_id
    }

    /// The id of the next request.
    pub(crate) const fn next_id(&self) -> CallId {
        self.last_id.next()
    }

    /// Adds a client's call under the next id.
    pub(crate) fn enter(&mut self, call: Call, cx: &mut Context) -> CallId {
        self.last_id = self.last_id.next();
        let id = self.last_id;
        let mut call = Call { since: cx.now, ..call };
        if self.counts() {
            call.due = self.due_call(id, cx);
            cx.stats.requests += 1;
            cx.counts.of(self.server).requests += 1;
            cx.stats.calls += 1;
        }
        self.names += call.size();
        self.calls.insert(id, call);
        self.account();
        id
    }

    /// Writes a client's request with the id, and the token, replaced by ours. Returns the id.
    pub(crate) fn call(
        &mut self,
        request: &Message<'_>,
        stream: StreamId,
        line: &mut Vec<u8>,
        cx: &mut Context,
    ) -> CallId {
        let mut digits = itoa::Buffer::new();
        let own = self.next_id().digits(&mut digits);
        let call = Call::of(request, stream);
        let token = call.token.as_ref().map(|_| own);
        request.splice(&Splice { id: Some(own), token, request_id: None }, line);
        line.push(b'\n');
        self.enter(call, cx)
    }

    /// Remembers what the session keeps of a call that the child grants.
    pub(crate) fn wish(&mut self, id: CallId, wish: Wish) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.names -= call.size();
        call.wish = Some(Box::new(wish));
        self.names += call.size();
        self.account();
    }

    /// Gives a call the id, token and stream of another request of its client.
    pub(crate) fn goes_on(&mut self, id: CallId, fresh: Call) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        self.names += fresh.size();
        self.names -= call.size();
        (call.stream, call.id, call.token) = (fresh.stream, fresh.id, fresh.token);
        call.said = fresh.said;
        self.account();
    }

    /// The number of the call with this client id; the latest, if there are several. An id written
    /// identically has precedence over one that is only equal in value.
    pub(crate) fn find(&self, id: &[u8]) -> Option<CallId> {
        let said = json::digest::id(id);
        let its = |call: &Call| call.said.unwrap_or_else(|| json::digest::id(&call.id));
        let calls = || self.calls.iter().rev().filter(|(_, call)| its(call) == said);
        let spelled = calls().find(|(_, call)| *call.id == *id);
        let call = spelled.or_else(|| calls().find(|(_, call)| message::same_id(&call.id, id)));
        call.map(|(number, _)| *number)
    }

    /// Removes a call that was answered or given up.
    pub(crate) fn end_call(&mut self, id: CallId, cx: &mut Context) -> Option<Call> {
        let mut call = self.calls.remove(&id)?;
        cx.timers.clear(&mut call.due, Wait::Call(self.id, id));
        cx.stats.calls -= usize::from(self.counts());
        self.names -= call.size();
        if let Some(token) = call.token.as_ref().filter(|_| call.task) {
            if self.task_tokens.len() == TASK_TOKENS {
                self.names -= self.task_tokens.remove(0).1.len();
            }
            self.names += token.len();
            self.task_tokens.push((id, token.clone()));
        }
        self.account();
        Some(call)
    }

    /// Whether this request, a client's or our own, is unanswered.
    pub(crate) fn is_in_flight(&self, id: CallId) -> bool {
        self.calls.contains(&id) || self.own.contains(&id)
    }

    /// The only unanswered request that satisfies `waits`, if there is exactly one.
    pub(crate) fn only(&self, waits: impl Fn(CallId) -> bool) -> Option<CallId> {
        let mut waiting = self.calls.keys().chain(self.own.keys()).filter(|id| waits(**id));
        waiting.next().copied().filter(|_| waiting.next().is_none())
    }

    /// The ids of all calls in flight, oldest first.
    pub(crate) fn call_ids(&self) -> Vec<CallId> {
        self.calls.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::config::Config;

    #[test]
    fn of_requests_that_nobody_waits_for_the_latest_are_remembered() {
        let mut cx = Context::new(Config::default());
        let mut child = Child::new(ChildId(1), Server::default(), Arc::default(), &cx);
        let awaited = OwnRequest::Subscribe(String::from("a:1"));
        let awaited_id = child.request(awaited.clone(), b"{}", &mut cx);
        let mut ask = |own: OwnRequest| child.request(own, b"{}", &mut cx);
        let (first, second) = (ask(OwnRequest::LogLevel), ask(OwnRequest::Unsubscribe));
        let last = (2..OWN).map(|_| ask(OwnRequest::Unsubscribe)).last().unwrap_or_default();
        assert_eq!(child.own.len(), OWN);
        assert_eq!(child.end_own(first, &mut cx), None);
        assert_eq!(child.end_own(second, &mut cx), Some(OwnRequest::Unsubscribe));
        assert_eq!(child.end_own(last, &mut cx), Some(OwnRequest::Unsubscribe));
        assert_eq!(child.end_own(awaited_id, &mut cx), Some(awaited));
    }
}
