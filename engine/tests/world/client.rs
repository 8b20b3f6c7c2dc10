//! What clients do: right things mostly, wrong things sometimes, everything at any moment.

use mcp_bridge::Input;

use super::World;
use super::law::Judged;
use super::model::{Ask, Call, SaidKind, Session, ToldKind, Version};
use super::text::{Holes, Part, Text, name, payload, plain, same_name};
use super::upward;

const METHODS: [&str; 13] = [
    "tools/call",
    "tools/call",
    "resources/subscribe",
    "resources/unsubscribe",
    "tools/list",
    "resources/read",
    "prompts/get",
    "completion/complete",
    "ping",
    "logging/setLevel",
    "tasks/list",
    "x/unknown \\u00e9",
    "tools\\/call",
];
const NOTIFICATIONS: [&str; 4] = [
    "notifications/initialized",
    "notifications/roots/list_changed",
    "notifications/progress",
    "notifications/x",
];

impl World<'_> {
    pub(super) fn initialize(&mut self) -> Judged {
        let nonce = self.next_nonce();
        let holes = self.names();
        let version = self.dice.pick(&Version::ALL);
        let info = payload(&mut self.dice, 'c', nonce, 0);
        let capabilities = self.dice.below(upward::CAPABILITIES.len());
        let (told, ..) = upward::CAPABILITIES[capabilities];
        let name = version.name();
        let opening = format!("{{\"protocolVersion\":\"{name}\",\"capabilities\":{told},");
        let params = plain(format!("{opening}\"clientInfo\":{info}"));
        let members = request("initialize", with_token(params, &holes));
        let text = Text::object(self.body_style(), members);
        let (session, call) = (self.sessions.len(), self.calls.len());
        let body = self.tells(session, ToldKind::Call(call), text, &holes);
        self.calls.push(self.new_call(session, "initialize", holes));
        self.sessions.push(self.new_session(call, version, capabilities));
        let heading = self.heading("POST", None);
        self.ask(Ask::Initialize, Some(session), vec![call], &heading, &body)
    }

    fn new_session(&self, call: usize, version: Version, capabilities: usize) -> Session {
        Session {
            call,
            exchange: self.exchanges.len(),
            child: None,
            id: None,
            version: None,
            asked_version: version,
            capabilities,
            open: false,
            over: false,
            over_settled: false,
            doomed: false,
            deleted: false,
            touched: self.clock(),
            asked: self.clock(),
            spare: self.has_spare(),
            blurred: false,
            gets: Vec::new(),
            events: std::collections::BTreeMap::new(),
            event_bytes: 0,
            queued: Vec::new(),
        }
    }

    fn new_call(&self, session: usize, method: &'static str, holes: Holes) -> Call {
        Call {
            session,
            exchange: self.exchanges.len(),
            method,
            holes,
            is_initialize: method == "initialize",
            child: None,
            asked: self.clock(),
            sent: self.clock(),
            uri: None,
            level: None,
            size: 0,
            rounds: 0,
            progress: 0,
            maybe: 0,
            exhausted: false,
            made: false,
            answer: None,
            delivered: false,
            failed: false,
            cancelled: false,
            unwanted: false,
            dropped: false,
            garbled: false,
            over: false,
        }
    }

    /// An id and perhaps a token.
    fn names(&mut self) -> Holes {
        let id = Some(name(&mut self.dice));
        let token = if self.dice.one_in(2) { Some(name(&mut self.dice)) } else { None };
        Holes { id, token, target: None }
    }

    /// Some bytes to fill a message up.
    pub(super) fn padding(&mut self) -> usize {
        if !self.swarm.large || !self.dice.one_in(4) {
            return 0;
        }
        self.dice.below(self.config.message.min(16_384) / 2)
    }

    /// A new call of this session and its bytes.
    fn new_request(&mut self, session: usize) -> (usize, Vec<u8>) {
        let mut holes = self.names();
        let (exchange, number) = (self.exchanges.len(), self.calls.len());
        let mut batch = self.calls.iter().rev().take_while(|call| call.exchange == exchange);
        if self.is_crossed(session) && batch.any(|call| call.holes.id == holes.id) {
            // What is answered in the child's place could not be told apart.
            holes.id = Some(format!("{}", 100 + number).into_bytes());
        }
        let method = self.dice.pick(&METHODS);
        let (nonce, padding) = (self.next_nonce(), self.padding());
        let arguments = payload(&mut self.dice, 'c', nonce, padding);
        let (about, uri, level) = self.about(method);
        let params = plain(format!("{{{about}\"arguments\":{arguments}"));
        let text = Text::object(self.body_style(), request(method, with_token(params, &holes)));
        let call = self.calls.len();
        let bytes = self.tells(session, ToldKind::Call(call), text, &holes);
        let made = self.new_call(session, method, holes);
        self.calls.push(Call { uri, level, size: bytes.len(), ..made });
        (call, bytes)
    }

    /// What a request of this method is about: the first members of its params.
    fn about(&mut self, method: &str) -> (String, Option<usize>, Option<&'static str>) {
        if upward::is_subscription(method) {
            let uri = self.dice.below(upward::URIS.len());
            return (format!("\"uri\":\"{}\",", upward::URIS[uri]), Some(uri), None);
        }
        if method == "logging/setLevel" {
            let level = self.dice.pick(&upward::LEVELS);
            return (format!("\"level\":\"{level}\","), None, Some(level));
        }
        (String::from("\"name\":\"t\","), None, None)
    }

    pub(super) fn call(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return self.initialize() };
        self.call_of(session)
    }

    pub(super) fn call_of(&mut self, session: usize) -> Judged {
        let (call, body) = self.new_request(session);
        let heading = self.heading("POST", Some(session));
        self.ask(Ask::Calls { batch: false }, Some(session), vec![call], &heading, &body)
    }

    fn new_notification(&mut self, session: usize) -> Vec<u8> {
        let method = self.dice.pick(&NOTIFICATIONS);
        let (nonce, padding) = (self.next_nonce(), self.padding());
        let rest = payload(&mut self.dice, 'c', nonce, padding);
        let params = plain(format!("{{\"progressToken\":1,\"progress\":1.10,\"x\":{rest}}}"));
        let text = Text::object(self.body_style(), notification(method, params));
        self.tells(session, ToldKind::Notification(method), text, &Holes::default())
    }

    pub(super) fn notify(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let body = self.new_notification(session);
        let heading = self.heading("POST", Some(session));
        self.ask(Ask::Tell, Some(session), Vec::new(), &heading, &body)
    }

    /// Cancels a call in flight, or what is none.
    pub(super) fn cancel(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let open: Vec<usize> = (0..self.calls.len())
            .filter(|call| self.calls[*call].session == session && self.calls[*call].in_flight())
            .filter(|call| !self.calls[*call].is_initialize)
            .collect();
        let target = if open.is_empty() || self.dice.one_in(6) {
            name(&mut self.dice)
        } else {
            let call = open[self.dice.below(open.len())];
            self.calls[call].holes.id.clone().unwrap_or_default()
        };
        for call in &mut self.calls {
            let meant = call.session == session && same_name(call.holes.id.as_deref(), &target);
            call.unwanted |= meant && !call.has_ended();
        }
        let nonce = self.next_nonce();
        let reason = payload(&mut self.dice, 'c', nonce, 0);
        let params = vec![
            Part::Text(format!("{{\"reason\":{reason},\"requestId\":").into_bytes()),
            Part::Target,
            Part::Text(b"}".to_vec()),
        ];
        let members = notification("notifications/cancelled", params);
        let text = Text::object(self.body_style(), members);
        let holes = Holes { target: Some(target.clone()), ..Holes::default() };
        let body = self.tells(session, ToldKind::Cancel { target }, text, &holes);
        let heading = self.heading("POST", Some(session));
        self.ask(Ask::Tell, Some(session), Vec::new(), &heading, &body)
    }

    /// A response to what the child asked, or to nothing.
    fn new_reply(&mut self, session: usize) -> Vec<u8> {
        let asks: Vec<usize> = (0..self.said.len())
            .filter(|said| self.said[*said].session == session)
            .filter(|said| matches!(self.said[*said].kind, SaidKind::Ask | SaidKind::Question(_)))
            .filter(|said| self.said[*said].seen.is_some())
            .filter(|said| !self.said[*said].replied || self.said.len() > 100)
            .collect();
        let known = !asks.is_empty() && !self.dice.one_in(8);
        // A call waits for the answer to its latest question.
        let last = asks.last().copied().filter(|_| self.dice.one_in(2));
        let said = match last {
            Some(last) => Some(last).filter(|_| known),
            None if known => Some(asks[self.dice.below(asks.len())]),
            None => None,
        };
        let id = said.map_or_else(|| name(&mut self.dice), |said| self.said[said].id.clone());
        let (nonce, padding) = (self.next_nonce(), self.padding());
        let result = payload(&mut self.dice, 'c', nonce, padding);
        let declines = self.dice.one_in(4);
        self.note_reply(said, Some(result.clone()).filter(|_| !declines));
        let outcome = if declines {
            ("error", plain(format!("{{\"code\":-32000,\"message\":\"no\",\"data\":{result}}}")))
        } else {
            ("result", plain(result))
        };
        let members = vec![("jsonrpc", plain("\"2.0\"")), ("id", vec![Part::Id]), outcome];
        let text = Text::object(self.body_style(), members);
        let holes = Holes { id: Some(id), ..Holes::default() };
        self.tells(session, ToldKind::Reply(said), text, &holes)
    }

    pub(super) fn reply(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let body = self.new_reply(session);
        let heading = self.heading("POST", Some(session));
        self.ask(Ask::Tell, Some(session), Vec::new(), &heading, &body)
    }

    /// Several messages in one body: right in a session of 2025-03-26, wrong elsewhere.
    pub(super) fn batch(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let heading = self.heading("POST", Some(session));
        if !self.sessions[session].version.is_some_and(Version::batches) {
            let body = b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]";
            let ask = Ask::Wrong { statuses: &[400], why: "a batch where none is known", code: "" };
            return self.ask(ask, Some(session), Vec::new(), &heading, body);
        }
        let mut calls = Vec::new();
        let mut pieces = Vec::new();
        let replies = self.dice.one_in(4);
        for _ in 0..=self.dice.below(4) {
            if replies {
                pieces.push(self.new_reply(session));
            } else if self.dice.one_in(4) {
                pieces.push(self.new_notification(session));
            } else {
                let (call, bytes) = self.new_request(session);
                calls.push(call);
                pieces.push(bytes);
            }
        }
        let body = [b"[ ", pieces.join(&b" ,\n"[..]).as_slice(), b"]\n"].concat();
        let ask = if calls.is_empty() { Ask::Tell } else { Ask::Calls { batch: true } };
        if body.len() > self.config.message {
            self.withdraw(&calls);
            return Ok(());
        }
        self.ask(ask, Some(session), calls, &heading, &body)
    }

    /// Takes back what was made up for a body that the driver would not pass on.
    fn withdraw(&mut self, calls: &[usize]) {
        for call in calls {
            self.calls[*call].failed = true;
        }
        let exchange = self.exchanges.len();
        for replies in self.upward.replies.values_mut() {
            replies.retain(|reply| reply.exchange != exchange);
        }
        for told in self.told.iter_mut().filter(|told| told.exchange == exchange) {
            told.exchange = usize::MAX;
        }
    }

    pub(super) fn get(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let heading = self.stream_heading(session);
        self.ask(Ask::Get, Some(session), Vec::new(), &heading, b"")
    }

    /// Asks for the rest of a stream by an event id: its own, another session's, or nonsense.
    pub(super) fn resume(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        let mut heading = self.stream_heading(session);
        let known = &self.sessions[session].events;
        let (id, ask) = if !known.is_empty() && !self.dice.one_in(5) {
            // Mostly a late one: that is what clients remember.
            let back = self.dice.below(known.len().min(8)) + 1;
            let (id, (stream, entry)) = self.nth_event(session, back);
            (id, Ask::Resume { stream, entry })
        } else {
            (self.odd_event(session), Ask::ResumeOdd)
        };
        heading.set("Last-Event-ID", Some(&id));
        self.ask(ask, Some(session), Vec::new(), &heading, b"")
    }

    /// The event that came so many before the end, over all streams of the session.
    fn nth_event(&self, session: usize, back: usize) -> (String, (usize, usize)) {
        let mut events: Vec<_> = self.sessions[session].events.iter().collect();
        let at = |place: &(usize, usize)| self.streams[place.0].log[place.1].order;
        events.sort_by_key(|(_, place)| at(place));
        let (id, place) = events[events.len() - back.min(events.len())];
        (String::from_utf8_lossy(id).into_owned(), *place)
    }

    /// An event id of another session, or one that nobody gave.
    fn odd_event(&mut self, session: usize) -> String {
        let own = &self.sessions[session].events;
        let foreign: Vec<&Vec<u8>> = self
            .sessions
            .iter()
            .flat_map(|other| other.events.keys())
            .filter(|id| self.is_foreign(session, id))
            .collect();
        if !foreign.is_empty() && self.dice.one_in(2) {
            let id = foreign[self.dice.below(foreign.len())];
            return String::from_utf8_lossy(id).into_owned();
        }
        let odd = ["99999999", "", "-1", "x", "18446744073709551616", "999-999", "0_0/999;a b"];
        let id = self.dice.pick(&odd);
        // The nonsense must not be an id after all.
        if own.contains_key(id.as_bytes()) { String::from("none") } else { id.to_string() }
    }

    /// Whether an event id of another session can't be the name of an event of this one, seen or
    /// not: ids number the streams of a session, and those are named like the calls.
    fn is_foreign(&self, session: usize, id: &[u8]) -> bool {
        let stream = String::from_utf8_lossy(id).split('-').next().map(str::parse::<usize>);
        let own = self.calls.iter().filter(|call| call.session == session).count();
        // Those that wait for a drain, and the engine's own requests, count too.
        matches!(stream, Some(Ok(stream)) if stream > own + super::LAZY + 2)
    }

    pub(super) fn delete(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        self.delete_session(session)
    }

    pub(super) fn delete_session(&mut self, session: usize) -> Judged {
        let heading = self.heading("DELETE", Some(session));
        self.sessions[session].deleted = true;
        self.ask(Ask::Delete, Some(session), Vec::new(), &heading, b"")
    }

    /// A client goes away, at any moment of its exchange.
    pub(super) fn leave(&mut self) -> Judged {
        let live: Vec<usize> =
            self.open.iter().copied().filter(|number| self.exchanges[*number].is_live()).collect();
        if live.is_empty() {
            return Ok(());
        }
        let number = live[self.dice.below(live.len())];
        self.lose(number)
    }

    pub(super) fn lose(&mut self, number: usize) -> Judged {
        self.exchanges[number].lost = true;
        self.forsake(number);
        if let Some(session) = self.exchanges[number].session {
            let session = &mut self.sessions[session];
            let opens = self.calls[session.call].answer.is_some();
            session.doomed |= session.exchange == number && !session.open && !opens;
            session.gets.retain(|get| *get != number);
        }
        match self.exchanges[number].handle {
            Some(exchange) => self.tell(Input::Lost { exchange }),
            None => Ok(()),
        }
    }
}

/// The members of a request.
fn request(method: &str, params: Vec<Part>) -> Vec<(&'static str, Vec<Part>)> {
    vec![
        ("jsonrpc", plain("\"2.0\"")),
        ("id", vec![Part::Id]),
        ("method", plain(format!("\"{method}\""))),
        ("params", params),
    ]
}

pub(super) fn notification(method: &str, params: Vec<Part>) -> Vec<(&'static str, Vec<Part>)> {
    vec![
        ("jsonrpc", plain("\"2.0\"")),
        ("method", plain(format!("\"{method}\""))),
        ("params", params),
    ]
}

/// Ends an open params object, with the token's place if there is a token.
fn with_token(mut params: Vec<Part>, holes: &Holes) -> Vec<Part> {
    if holes.token.is_some() {
        params.push(Part::Text(b",\"_meta\":{\"x\":1.0,\"progressToken\":".to_vec()));
        params.push(Part::Token);
        params.push(Part::Text(b"}".to_vec()));
    }
    params.push(Part::Text(b"}".to_vec()));
    params
}
