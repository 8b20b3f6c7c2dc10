//! The stateless era (2026-07-28): requests of any client, on shared children.
//!
//! A `Worker` is one shared child with its requests. A modern child gets them unchanged, except for
//! the ids; for a session-era child the worker performs the handshake and translates. A request
//! whose exchange is lost is cancelled at the child.

mod child_side;
mod kept;
mod life;
mod listen;
mod park;
mod probe;
mod sharing;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::instant::Instant;
use crate::api::limits;
use crate::child::lease::Lease;
use crate::child::{Call, Child, OwnRequest};
use crate::codec::message::Message;
use crate::codec::meta::{CLIENT, LogLevel};
use crate::codec::object;
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::codec::version::Style;
use crate::context::Context;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::budget::{self, Share};
use crate::context::carrier::Reply;
use crate::context::ids::{CallId, StreamId};
use crate::dialect::description::Description;
use crate::dialect::downward::{self, Question};
use crate::front::stateless::kept::Kept;
pub(crate) use crate::front::stateless::kept::Subject;
use crate::front::stateless::listen::Listens;
pub(crate) use crate::front::stateless::listen::Uris;
use crate::front::stateless::park::Park;
pub(crate) use crate::front::stateless::probe::AfterExit;
pub(crate) use crate::front::stateless::sharing::Beside;
use crate::http::admission::Arrival;
use crate::http::fault::Fault;
use crate::http::metadata::{Metadata, can_be_asked, may_get_tasks};
use crate::http::owner::Owner;
use crate::stream::set::{Behind, Streams};
use crate::table::Table;

/// The start phase of a worker's child, and the era that it speaks.
#[derive(Debug)]
enum Mode {
    /// The bridge's `server/discover` is in flight.
    Probing,
    /// The same, and the child has answered the bridge's `ping` meanwhile.
    Awake,
    /// The process that did not answer is in its shutdown sequence; another will replace it.
    Leaving,
    /// The child is of the session era, and waits for a session.
    AwaitingSession,
    /// The bridge's `initialize` is in flight.
    Opening,
    /// The child speaks the stateless era.
    Stateless,
    /// The child speaks the session era, and answered `initialize` with this.
    Session(Description),
}

/// An incoming request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) metadata: &'a Metadata<'a>,
    pub(crate) from: Arrival<'a>,
    /// The path where it is made.
    pub(crate) path: &'a Arc<str>,
    /// The resources that a `subscriptions/listen` names.
    pub(crate) uris: &'a Uris,
}

/// Where one more request has room.
#[derive(Debug)]
pub(crate) enum Room {
    /// At this child.
    Here,
    /// At no child now: another child would not help.
    Later(Fault),
    /// At another child.
    Elsewhere(Fault),
}

/// Overhead of a request beside its id and token.
const REQUEST: usize = 128;

/// A request whose client waits for the answer. The key of its table is the stream number.
#[derive(Debug)]
struct ClientRequest {
    id: Spelling,
    method: String,
    /// The request's text, kept while it waits for the child.
    text: budget::Kept,
    /// A digest of the request, if its client may be asked for input and must then repeat it.
    digest: u64,
    log_level: Option<LogLevel>,
    may_ask: bool,
    /// Whether the answer may be a task.
    gets_tasks: bool,
    /// The id of the call at the child, once it was sent.
    call: Option<CallId>,
    /// The `requestState` of this call, if it has to wait for input.
    secret: u128,
    /// The path where it was made.
    path: Arc<str>,
    since: Instant,
    _share: Share,
}

/// One shared child.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) child: Box<Child>,
    /// The capabilities that it was opened with, in canonical form.
    key: Vec<u8>,
    owner: Owner,
    capabilities: Vec<u8>,
    /// Whether its requests may go to a child of the session era.
    crosses: bool,
    client: Option<Vec<u8>>,
    mode: Mode,
    /// When its process was started and probed.
    asked: Instant,
    pub(crate) streams: Streams,
    asks: Table<StreamId, ClientRequest>,
    parks: Table<CallId, Park>,
    listens: Listens,
    kept: Kept,
    /// Counts the bytes of remembered tasks.
    tasks: Share,
    log_level: Option<LogLevel>,
    /// Requests that the child sent before it had a call whose client can answer; the first such
    /// call gets them.
    held: Vec<(Box<[u8]>, Question)>,
    /// Requests that the child got; a call repeated by its client counts once.
    carried: u64,
    /// How many of them may be asked for input.
    carried_asking: u64,
    /// Whether it accepts no new requests, because its state concerns one client.
    spent: bool,
    /// Whether a question of its child may be of a call that was given up, or of the only client
    /// that the child serves.
    may_cross: bool,
    pub(crate) lease: Lease,
    served: u64,
    /// Counts what its clients declared of themselves.
    share: Share,
}

impl Worker {
    pub(crate) fn new(
        child: Box<Child>,
        metadata: &Metadata<'_>,
        key: Vec<u8>,
        owner: Owner,
        cx: &Context,
    ) -> Self {
        let (id, crosses) = (child.id, child.terms.eras.shares());
        let lease = Lease::new(&child, cx.now);
        let mut worker = Self {
            child,
            key,
            owner,
            capabilities: metadata.capabilities.to_vec(),
            crosses,
            client: None,
            mode: Mode::Probing,
            asked: cx.now,
            streams: Streams::new(id, 0, Style { ids: false, primed: false }, cx),
            asks: Table::default(),
            parks: Table::default(),
            listens: Listens::default(),
            kept: Kept::default(),
            tasks: cx.budget.share(),
            log_level: None,
            held: Vec::new(),
            carried: 0,
            carried_asking: 0,
            spent: false,
            may_cross: false,
            lease,
            served: 0,
            share: cx.budget.share(),
        };
        worker.account();
        worker
    }

    /// Bytes that describe its clients, its child and the questions that wait.
    fn size(&self) -> usize {
        let client = self.client.as_ref().map_or(0, Vec::len);
        let server = match &self.mode {
            Mode::Session(description) => description.text().len(),
            _ => 0,
        };
        let held = self.held.iter().map(|(id, question)| id.len() + question.params.len());
        let own = self.key.len() + self.capabilities.len() + self.owner.size();
        own + client + server + held.sum::<usize>()
    }

    fn account(&mut self) {
        self.share.hold(self.size());
    }

    pub(crate) const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether a child that accepts no new requests has nothing left to do.
    pub(crate) fn is_done(&self) -> bool {
        !self.is_busy() && self.parks.is_empty()
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.mode, Mode::Stateless | Mode::Session(_))
    }

    /// Whether its child may be read. While some clients are behind, the others still have room.
    pub(crate) const fn wants(&self, queue: usize) -> bool {
        self.streams.wants(queue.saturating_mul(2))
    }

    /// The reader that keeps its child from being read for longest while other calls wait.
    pub(crate) fn holder(&self, queue: usize) -> Option<Behind> {
        let behind = self.streams.farthest_behind(queue.saturating_mul(2))?;
        let others = |number: &StreamId| *number != behind.number && !self.listens.has(*number);
        self.asks.keys().any(others).then_some(behind)
    }

    /// Whether it has no requests.
    pub(crate) fn is_free(&self) -> bool {
        self.asks.is_empty() && self.parks.is_empty()
    }

    /// Whether a client waits for an answer of the child.
    pub(crate) fn is_busy(&self) -> bool {
        self.asks.iter().any(|(number, _)| !self.listens.has(*number))
    }

    /// Where a request that fits has room.
    pub(crate) fn room(&self, message: &Message<'_>, uris: &Uris, cx: &Context) -> Room {
        // A call that waits for input keeps its place, so that its client can return.
        let calls = self.asks.len().saturating_sub(self.listens.len()) + self.parks.len();
        if calls >= cx.config.calls {
            return Room::Elsewhere(Fault::Calls(cx.config.calls));
        }
        // A child that is merely slow to read its input is not given a second process.
        if self.is_ready() && self.child.is_stalled(cx) {
            return Room::Elsewhere(Fault::Stdin);
        }
        let fits = if self.is_ready() {
            self.child.accepts(message.size(), cx.config.stdin)
        } else {
            // Requests that wait for the child's era are not in its queue yet; the bridge's own
            // probe may be.
            let waiting: usize = self.asks.values().map(|ask| ask.text.len()).sum();
            waiting == 0 || waiting + message.size() <= cx.config.stdin
        };
        match fits {
            true if message.calls("subscriptions/listen") => self.room_to_listen(uris, cx),
            true => Room::Here,
            false => Room::Later(Fault::Stdin),
        }
    }

    /// Handles a client's request.
    pub(crate) fn request(&mut self, request: &Request<'_>, cx: &mut Context) -> Result<(), Fault> {
        let message = request.message;
        if let Room::Later(fault) | Room::Elsewhere(fault) = self.room(message, request.uris, cx) {
            return Err(fault);
        }
        if self.client.is_none() {
            let client = message.meta(CLIENT);
            let client = client.filter(|text| text.len() <= limits::REMEMBERED);
            self.client = client.map(<[u8]>::to_vec);
            self.account();
        }
        let digest = if self.may_ask(request.metadata) { downward::digest(message) } else { 0 };
        let number = self.open(request, digest, cx);
        if self.is_ready() {
            self.dispatch(number, message, cx);
        }
        Ok(())
    }

    /// Whether the client of a request may be asked for input before its answer.
    fn may_ask(&self, metadata: &Metadata<'_>) -> bool {
        !matches!(self.mode, Mode::Stateless)
            && metadata.may_ask()
            && can_be_asked(metadata.capabilities)
    }

    /// Records a request, with its digest, and opens the stream for its answer.
    fn open(&mut self, request: &Request<'_>, digest: u64, cx: &mut Context) -> StreamId {
        let Request { message, metadata, from, path, .. } = *request;
        self.lease.touch(cx);
        self.served += 1;
        let reply = Reply::new(from, cx);
        let number = self.streams.open(reply, 1, false, cx);
        if self.may_promote() {
            self.streams.promote_after(number, cx.config.promote, cx);
        }
        let text = if self.is_ready() { Vec::new() } else { message.copied() };
        let id = message.id().unwrap_or_default();
        let names = REQUEST + id.len() + metadata.method.len();
        let ask = ClientRequest {
            since: cx.now,
            id: id.into(),
            method: metadata.method.clone().into_owned(),
            text: cx.budget.keep(text),
            digest,
            log_level: metadata.log_level,
            may_ask: metadata.may_ask(),
            gets_tasks: may_get_tasks(metadata.capabilities),
            call: None,
            secret: from.random,
            path: Arc::clone(path),
            _share: cx.budget.share_of(names),
        };
        self.asks.insert(number, ask);
        number
    }

    /// Whether a request may become an event stream. One that may still be refused for its era may
    /// not: the HTTP status is the refusal.
    const fn may_promote(&self) -> bool {
        self.crosses || self.is_ready()
    }

    /// Sends the requests that waited for the child.
    fn send_waiting(&mut self, cx: &mut Context) {
        let waiting: Vec<StreamId> = self.asks.keys().copied().collect();
        for number in waiting {
            if !self.crosses {
                self.streams.promote_after(number, cx.config.promote, cx);
            }
            let Some(ask) = self.asks.get_mut(&number) else { continue };
            let text = core::mem::take(&mut ask.text);
            if self.needs_input_first(number) {
                self.request_input_first(number, cx);
                continue;
            }
            if let Ok(message) = Message::parse(&text) {
                self.dispatch(number, &message, cx);
            }
        }
    }

    /// Sends a request to the child, which is ready for it, or answers it.
    fn dispatch(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        if matches!(self.mode, Mode::Stateless) {
            let mut line = Vec::new();
            let id = self.child.next_id();
            self.child.call(message, number, &mut line, cx);
            self.child.write(line, cx);
            // `server/discover` has the same answer for all clients.
            self.carried += u64::from(!message.calls("server/discover"));
            self.called(number, id);
            if message.calls("subscriptions/listen") {
                self.listens.add(number);
            }
            return;
        }
        self.dispatch_downward(number, message, cx);
    }

    fn called(&mut self, number: StreamId, id: CallId) {
        if let Some(ask) = self.asks.get_mut(&number) {
            ask.call = Some(id);
        }
    }

    fn dispatch_downward(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        let Mode::Session(description) = &self.mode else { return };
        let method = message.method().unwrap_or_default();
        match &*method {
            "server/discover" => {
                let result = downward::discover(description, self.child.terms.eras);
                self.answer_result(number, &result, cx);
            }
            "subscriptions/listen" => self.listen(number, message, cx),
            _ if method.starts_with("tasks/") => {
                self.fail(number, &Fault::MethodNotFound(method.into_owned()), cx);
            }
            _ if message.param("requestState").is_some() => {
                self.fail(number, &Fault::RequestState, cx);
            }
            _ => self.call_downward(number, message, cx),
        }
    }

    /// Sends a call to a session-era child.
    fn call_downward(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        if self.needs_input_first(number) {
            return self.request_input_first(number, cx);
        }
        self.carried += 1;
        self.carried_asking += u64::from(self.asks.get(&number).is_some_and(|ask| ask.may_ask));
        self.set_log_level(number, cx);
        let mut digits = itoa::Buffer::new();
        let own = self.child.next_id().digits(&mut digits);
        let line = downward::request(message, own);
        let id = self.child.enter(Call::of(message, number), cx);
        self.child.send(line, cx);
        self.called(number, id);
    }

    /// Sets the child's log level to that of a request, or keeps that of another request which asks
    /// for more. The level is the process's, so messages below a request's own level are filtered
    /// from the child's output.
    fn set_log_level(&mut self, number: StreamId, cx: &mut Context) {
        let Mode::Session(description) = &self.mode else { return };
        if self.asks.get(&number).is_none_or(|ask| ask.log_level.is_none()) {
            return;
        }
        let least = self.asks.values().filter_map(|ask| ask.log_level).min();
        let Some(level) = least.filter(|level| Some(*level) != self.log_level) else { return };
        if description.logging {
            self.log_level = Some(level);
            let params = [b"{\"level\":", &object::quoted(level.name())[..], b"}"].concat();
            self.child.request(OwnRequest::LogLevel, &params, cx);
        }
    }

    /// Answers a request with a result.
    fn answer_result(&mut self, number: StreamId, result: &[u8], cx: &mut Context) {
        let Some(ask) = self.asks.remove(&number) else { return };
        let data = rpc::response(&ask.id, "result", result);
        self.streams.answer(number, data, 200, cx);
        self.lease.touch(cx);
    }

    /// Answers a request with an error of the bridge.
    fn fail(&mut self, number: StreamId, fault: &Fault, cx: &mut Context) {
        let Some(ask) = self.asks.remove(&number) else { return };
        self.child.count_end(fault.outcome(), ask.since, cx);
        // A request that reached no child did not fail there.
        let response = match ask.call {
            None if !self.is_ready() || matches!(fault, Fault::Ended(_) | Fault::Lost(_)) => {
                fault.failed_start(Some(&ask.id), &cx.config.remedies)
            }
            _ => fault.response(Some(&ask.id), &cx.config.remedies),
        };
        self.streams.fail(number, response, cx);
        self.lease.touch(cx);
    }
}

#[cfg(debug_assertions)]
impl Worker {
    /// Compares what it counts with what it has, its child's part apart.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        walk.meet("shared child", &self.share, self.size());
        walk.meet("tasks", &self.tasks, self.kept.size());
        self.streams.walk(walk);
        self.listens.walk(walk);
        self.parks.values().for_each(|park| park.walk(walk));
        for ask in self.asks.values() {
            walk.meet("request", &ask._share, REQUEST + ask.id.len() + ask.method.len());
            walk.meet_kept("request", &ask.text);
        }
    }
}
