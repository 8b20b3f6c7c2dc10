//! Requests: what each one does, and in which session.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::slice::from_ref;

use super::{Bridge, Place, Seat};
use crate::api::cause::Cause;
use crate::api::eras::Eras;
use crate::api::handles::{Exchange, Server};
use crate::api::head::Head;
use crate::api::response;
use crate::child::origin::Origin;
use crate::codec::message::{self, Malformed, Message};
use crate::context::budget::affords;
use crate::front::session::{Post, Session};
use crate::http::admission::{self, Admitted, Arrival, Operation, Transport};
use crate::http::cors;
use crate::http::fault::Fault;
use crate::http::field::Text;
use crate::http::metadata::{Era, era, is_stateless_head, mismatch};
use crate::http::session_id;
use crate::http::trace::Trace;

/// Overhead of a request beside its content: its id and token, and the table entries.
pub(super) const NAMES: usize = 1024;

impl Bridge {
    pub(super) fn request(
        &mut self,
        exchange: Exchange,
        head: &Head<'_>,
        body: &[u8],
        random: [u8; 16],
    ) {
        let judged = self.judge(head);
        let admitted = match &judged {
            Ok(admitted) => admitted,
            Err(fault) => return self.refuse(exchange, None, fault, None),
        };
        let from = Arrival { exchange, head: admitted, random: u128::from_be_bytes(random) };
        let limit = self.body_limit(admitted.operation);
        let result = match (admitted.repeated, admitted.operation) {
            _ if body.len() > limit && limit == 0 => Err(Fault::Content),
            _ if body.len() > limit => Err(Fault::TooLong(limit)),
            (_, Operation::Post) => return self.post(from, body),
            (Some(name), _) => Err(Fault::Repeated(name)),
            (None, _) => self.without_body(from),
        };
        if let Err(fault) = result {
            self.refuse(exchange, admitted.origin, &fault, None);
        }
    }

    /// Handles a request without content.
    fn without_body(&mut self, from: Arrival<'_>) -> Result<(), Fault> {
        let Arrival { exchange, head: admitted, .. } = from;
        match admitted.operation {
            // Its reader connects again by itself, and its client would not send `initialize`:
            // this ends it (WHATWG HTML, "Server-sent events, Processing model").
            Operation::Get
                if admitted.transport == Transport::Sse
                    && admitted.last_event_id.is_some_and(|id| !id.is_empty()) =>
            {
                self.cx.answer_to(from, response::empty(204));
                Ok(())
            }
            Operation::Get if admitted.transport == Transport::Sse => self.await_initialize(from),
            // Clients send this to find out whether there is a GET stream.
            Operation::Get if admitted.session.is_none() => Err(Fault::Method("POST, OPTIONS")),
            Operation::Health => {
                let response = self.health();
                self.cx.answer(exchange, None, response);
                Ok(())
            }
            // The driver has the page.
            Operation::Metrics => Err(Fault::NotFound),
            Operation::Options => {
                let response = cors::options(admitted);
                self.cx.answer(exchange, None, response);
                Ok(())
            }
            Operation::Get => self.get(from),
            Operation::Delete => self.delete(from),
            // A POST has content.
            Operation::Post => Ok(()),
        }
    }

    fn post(&mut self, from: Arrival<'_>, body: &[u8]) {
        let Arrival { exchange, head, .. } = from;
        // `initialize` has no session yet: a copy is kept beside the line for the child.
        let copies = if head.session.is_none() { 2 } else { 1 };
        let room = self.has_room(copies * body.len() + NAMES);
        let (result, id) = match message::batch_of(body, self.cx.config.calls) {
            // The refusal of a request names its id.
            _ if room.is_err() => (room, id_of(body)),
            None => self.post_one(from, body),
            Some(texts) => (self.post_batch(from, texts), None),
        };
        if let Err(fault) = result {
            self.refuse(exchange, head.origin, &fault, id);
        }
    }

    /// Handles a message that came alone. Returns the outcome and the id that a refusal names.
    fn post_one<'a>(
        &mut self,
        from: Arrival<'_>,
        text: &'a [u8],
    ) -> (Result<(), Fault>, Option<&'a [u8]>) {
        let head = from.head;
        let parsed = read(text);
        let one = match &parsed {
            Ok(one) => one,
            Err(malformed) => {
                let id = match malformed {
                    Malformed::Invalid(_, id) => *id,
                    Malformed::Parse(_) => None,
                };
                return (Err(Fault::from(malformed)), id);
            }
        };
        // Only a request's id is returned to the client: a response's id is the child's.
        let id = one.id().filter(|_| one.is_request());
        let traced = if head.traced { traced(one, text, head) } else { None };
        let reparsed = traced.as_deref().map(read);
        let one = match &reparsed {
            None => one,
            Some(Ok(one)) => one,
            Some(Err(malformed)) => return (Err(Fault::from(malformed)), id),
        };
        let result = match (era(one, head), head.repeated) {
            (Era::Stateless, Some(name)) => Err(repeated(name)),
            (Era::Session, Some(name)) => Err(Fault::Repeated(name)),
            (Era::Stateless, None) => self.stateless(from, one),
            (Era::Session, None) => {
                let messages = from_ref(one);
                self.deliver(&Post { messages, batch: false, from })
            }
        };
        (result, id)
    }

    /// Handles a batch. Apart, so that a message that comes alone pays nothing for it.
    #[inline(never)]
    fn post_batch(
        &mut self,
        from: Arrival<'_>,
        texts: Result<Vec<&[u8]>, Malformed<'_>>,
    ) -> Result<(), Fault> {
        let head = from.head;
        let texts = texts.map_err(|malformed| Fault::from(&malformed))?;
        if let Some(name) = head.repeated {
            return Err(Fault::Repeated(name));
        }
        if texts.len() > self.cx.config.calls {
            return Err(Fault::BatchTooLong(self.cx.config.calls));
        }
        let texts: Vec<_> = texts.into_iter().map(|text| with_trace(text, head)).collect();
        let messages = texts.iter().map(|text| read(text)).collect::<Result<Vec<_>, _>>();
        let messages = messages.map_err(|malformed| Fault::from(&malformed))?;
        self.deliver(&Post { messages: &messages, batch: true, from })
    }

    /// Delivers the messages of a POST to their session, or opens one.
    fn deliver(&mut self, post: &Post<'_>) -> Result<(), Fault> {
        let Post { messages, batch, from } = *post;
        let head = from.head;
        if batch && messages.iter().any(|message| era(message, head) == Era::Stateless) {
            return Err(Fault::Batch);
        }
        let opens = |m: &Message<'_>| m.is_request() && m.calls("initialize");
        if head.session.is_none() && messages.iter().any(opens) {
            if is_stateless_head(head) {
                let version = head.version.map(Text::decoded);
                return Err(mismatch("MCP-Protocol-Version", version, "initialize"));
            }
            return match messages {
                [initialize] if !batch => self.initialize(from, initialize),
                _ => Err(Fault::BatchedInitialize),
            };
        }
        let pipe = match self.find(head)? {
            Place::Awake(pipe) => pipe,
            Place::Asleep(number) => {
                let Some(pipe) = self.post_asleep(number, post)? else { return Ok(()) };
                pipe
            }
        };
        let draining = self.draining && messages.iter().any(|m| m.is_request());
        let session = self.seats.session_mut(pipe).ok_or(Fault::SessionUnknown)?;
        session.check(head, &mut self.cx)?;
        if !session.is_known_to_client() {
            return self.begin(pipe, post);
        }
        if draining {
            return Err(Fault::Draining);
        }
        if let Some(host) = session.child.host() {
            self.accept_lines(host, messages)?;
            let session = self.seats.session_mut(pipe).ok_or(Fault::SessionUnknown)?;
            return session.post(post, &mut self.cx);
        }
        session.post(post, &mut self.cx)
    }

    /// The session of a GET or DELETE. The stateless era has no sessions to get or delete.
    fn find_standing(&mut self, head: &Admitted<'_>) -> Result<Place, Fault> {
        let session_era = head.version.is_some() && !is_stateless_head(head);
        if is_stateless_head(head) || head.session.is_none() && !session_era {
            return Err(Fault::Method("POST, OPTIONS"));
        }
        self.find(head)
    }

    fn find(&mut self, head: &Admitted<'_>) -> Result<Place, Fault> {
        let Some(text) = head.session else {
            self.servers.at(head.path).map_or(Ok(()), |at| self.may_have_sessions(at))?;
            return Err(Fault::SessionMissing);
        };
        self.session_of(text, head.path).ok_or_else(|| head.transport.unknown())
    }

    /// The session of this id, if it was opened at this path: at another it does not exist.
    fn session_of(&self, id: Text<'_>, path: &str) -> Option<Place> {
        let id = session_id::parse(id.bytes(), &self.cx.config)?;
        let place = self.ids.get(&id).copied()?;
        let opened_at = match place {
            Place::Awake(pipe) => match self.seats.get(pipe)? {
                Seat::Session(session) => &session.lasting.path,
                _ => return None,
            },
            Place::Asleep(number) => &self.sleepers.get(number)?.lasting.path,
        };
        (**opened_at == *path).then_some(place)
    }

    /// Whether the policy allows sessions.
    fn may_have_sessions(&mut self, server: Server) -> Result<(), Fault> {
        if self.servers.eras(server) != Eras::Modern {
            return Ok(());
        }
        self.era_refused(server);
        Err(Fault::NoSessions)
    }

    fn initialize(&mut self, from: Arrival<'_>, request: &Message<'_>) -> Result<(), Fault> {
        let Arrival { head, random: id, .. } = from;
        if head.accept.nothing() {
            return Err(Fault::NotAcceptable);
        }
        let server = self.servers.at(head.path).ok_or(Fault::NotFound)?;
        let owner = self.owner_of(server, head)?;
        let hello = request.params().unwrap_or_default();
        self.may_open(server, Origin::new(&owner.env, hello), id)?;
        let child = self.child_for(server, owner, hello, from.exchange);
        let path = self.servers.kept_path(head.path);
        let mut session = Session::new(child, id, path, &self.cx);
        session.initialize(request, from, &mut self.cx);
        self.seats.insert(Seat::Session(Box::new(session)));
        Ok(())
    }

    /// Whether another session of this server may open now, with this id.
    pub(super) fn may_open(
        &mut self,
        server: Server,
        origin: Origin,
        id: u128,
    ) -> Result<(), Fault> {
        self.may_have_sessions(server)?;
        self.may_start(server, origin)?;
        if self.has_session(id) {
            return Err(self.random_in_use());
        }
        self.make_room(server)
    }

    fn get(&mut self, from: Arrival<'_>) -> Result<(), Fault> {
        let head = from.head;
        let place = self.find_standing(head)?;
        // Kept events may be sent again.
        let kept = match place {
            Place::Awake(pipe) => self.seats.session_mut(pipe).map(|one| one.streams.kept()),
            Place::Asleep(number) => self.sleepers.get(number).map(|one| one.streams.kept()),
        };
        let again = if head.last_event_id.is_some() { kept.unwrap_or_default() } else { 0 };
        self.has_room(again)?;
        match place {
            Place::Awake(pipe) => {
                let session = self.seats.session_mut(pipe).ok_or(Fault::SessionUnknown)?;
                session.check(head, &mut self.cx)?;
                session.listen(from, &mut self.cx)
            }
            Place::Asleep(number) => {
                let asleep = self.sleepers.get_mut(number).ok_or(Fault::SessionUnknown)?;
                asleep.check(from, &mut self.cx)?;
                if self.draining {
                    return Err(Fault::Draining);
                }
                asleep.listen(from, &mut self.cx)
            }
        }
    }

    /// Judges a request head.
    pub(super) fn judge<'a>(&self, head: &Head<'a>) -> Result<Admitted<'a>, Fault> {
        let (path, session) = head.place();
        let named = self.servers.named(path);
        let head = Head { path: named.map_or(path, |(path, _)| path), ..*head };
        admission::admit(&head, named.map(|(_, transport)| transport), session, &self.cx.config)
    }

    /// The largest allowed body of such a request, in bytes.
    pub(super) fn body_limit(&self, asks: Operation) -> usize {
        if asks == Operation::Post { self.cx.config.message } else { 0 }
    }

    /// Whether a session has this id, or will have it once its child has answered.
    pub(super) fn has_session(&self, id: u128) -> bool {
        self.ids.contains(&id) || self.seats.sessions().any(|session| session.lasting.id == id)
    }

    /// Whether that many more bytes may be kept.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), Fault> {
        if self.cx.budget.has_room(bytes) && affords(bytes) { Ok(()) } else { Err(Fault::Memory) }
    }

    fn delete(&mut self, from: Arrival<'_>) -> Result<(), Fault> {
        let head = from.head;
        match self.find_standing(head)? {
            Place::Awake(pipe) => {
                let session = self.seats.session_mut(pipe).ok_or(Fault::SessionUnknown)?;
                session.check(head, &mut self.cx)?;
                self.cx.answer_to(from, response::empty(200));
                self.end(pipe, Cause::Deleted, None);
            }
            Place::Asleep(number) => {
                let asleep = self.sleepers.get_mut(number).ok_or(Fault::SessionUnknown)?;
                asleep.check(from, &mut self.cx)?;
                self.cx.answer_to(from, response::empty(200));
                self.end_asleep(number, Cause::Deleted);
            }
        }
        Ok(())
    }
}

/// Reads a client's message, or says why a child can't get it.
fn read(text: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    let mut parsed = Message::parse(text);
    if let Ok(message) = &parsed
        && let Some(reason) = message.token_fault()
    {
        parsed = Err(Malformed::Invalid(reason, message.id()));
    }
    parsed
}

/// A message of a batch, with the trace context of the batch's head.
fn with_trace<'a>(text: &'a [u8], head: &Admitted<'_>) -> Cow<'a, [u8]> {
    let message = if head.traced { read(text).ok() } else { None };
    let traced = message.and_then(|message| traced(&message, text, head));
    traced.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The text of a client's request or notification with the trace context of its head.
fn traced(message: &Message<'_>, text: &[u8], head: &Admitted<'_>) -> Option<Vec<u8>> {
    if !message.is_response() { Trace::read(head.fields).carried(text) } else { None }
}

/// A field that must agree with the body is repeated (MCP 2026-07-28 "Server Validation").
fn repeated(name: &str) -> Fault {
    Fault::HeaderMismatch(format!("the {name} header is repeated; send it once"))
}

/// The id of a request, if the body is one.
fn id_of(body: &[u8]) -> Option<&[u8]> {
    let request = Message::parse(body).ok().filter(Message::is_request)?;
    request.id()
}
