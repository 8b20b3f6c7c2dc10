//! How a client asks: the head, the body, and what the judge expects of the answer by what it
//! knows at that moment.

use mcp_bridge::{Head, Input, Instant};

use super::World;
use super::law::Judged;
use super::model::{Ask, Exchange, Pace, Phase, Session, Told, ToldKind, Version};
use super::stream::EXTRA;
use super::text::{Holes, Style, Text};

/// `Accept` as clients write it, and whether JSON and SSE can be used then.
const ACCEPTS: [(Option<&str>, bool, bool); 11] = [
    (Some("application/json, text/event-stream"), true, true),
    (None, true, true),
    (Some("*/*"), true, true),
    (Some("application/json"), true, false),
    (Some("text/event-stream"), false, true),
    (Some("TEXT/EVENT-STREAM , Application/JSON"), true, true),
    (Some("application/*;q=0.5"), true, false),
    (Some("text/*;q=0.1,application/json;q=0.9"), true, true),
    (Some("application/json;q=0, text/event-stream"), false, true),
    (Some("text/event-stream;q=0.000, */*;q=0.1"), true, false),
    (Some("text/html, */*;q=0.8"), true, true),
];

/// A request line and fields that can still be changed.
#[derive(Clone, Debug)]
pub(crate) struct Heading {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) json: bool,
    pub(crate) sse: bool,
}

impl Heading {
    /// Sets a field, or takes it away.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.fields.push((name.to_string(), value.to_string()));
        }
    }
}

impl World<'_> {
    /// A right head for this session.
    pub(super) fn heading(&mut self, method: &'static str, session: Option<usize>) -> Heading {
        let plain = !self.dice.one_in(2);
        let (accept, json, sse) = if plain { ACCEPTS[0] } else { self.dice.pick(&ACCEPTS) };
        let path = self.config.endpoint.clone();
        let mut heading = Heading { method, path, fields: Vec::new(), json, sse };
        heading.set("Accept", accept);
        heading.set("Host", Some(self.dice.pick(&["127.0.0.1:8080", "localhost", "[::1]:3000"])));
        if method == "POST" {
            let kinds = ["application/json", "application/json; charset=utf-8", "Application/JSON"];
            heading.set("Content-Type", Some(self.dice.pick(&kinds)));
        }
        if self.dice.one_in(4) {
            heading.set("origin", Some("http://localhost:6274"));
        }
        if let Some(session) = session.map(|session| &self.sessions[session]) {
            heading.set("mcp-session-id", session.id.as_deref());
            let version = session.version.filter(|version| *version >= Version::V2025_06_18);
            if !self.dice.one_in(3) {
                heading.set("MCP-Protocol-Version", version.map(Version::name));
            }
        }
        heading
    }

    /// A GET needs a client that takes streams.
    pub(super) fn stream_heading(&mut self, session: usize) -> Heading {
        let mut heading = self.heading("GET", Some(session));
        if !heading.sse {
            heading.set("Accept", Some("text/event-stream"));
            (heading.json, heading.sse) = (false, true);
        }
        heading
    }

    /// Sends a request. The calls and messages that are in it name the exchange that comes next.
    pub(super) fn ask(
        &mut self,
        ask: Ask,
        session: Option<usize>,
        calls: Vec<usize>,
        heading: &Heading,
        body: &[u8],
    ) -> Judged {
        let number = self.exchanges.len();
        let exchange = self.new_exchange(ask, session, calls, heading, body.len());
        self.note(|| {
            let body = String::from_utf8_lossy(body);
            format!("-> {number} {} {:?} {}", heading.method, heading.fields, body)
        });
        self.displace(&exchange);
        self.exchanges.push(exchange);
        self.open.push(number);
        let fields = heading.fields.iter();
        let fields: Vec<_> = fields.map(|(name, value)| (&**name, value.as_bytes())).collect();
        let (method, path) = (heading.method, &*heading.path);
        let head = Head { method, path, authority: None, fields: &fields };
        match self.subject.admit(&head) {
            Err(refusal) => {
                self.hard.notice(&refusal.event)?;
                self.respond(number, refusal.response)
            }
            Ok(admitted) => {
                self.exchanges[number].handle = Some(admitted.exchange());
                self.handles.insert(admitted.exchange(), number);
                let random = random(number);
                self.tell(Input::Request { admitted, head: &head, body, random })
            }
        }
    }

    fn new_exchange(
        &mut self,
        ask: Ask,
        session: Option<usize>,
        calls: Vec<usize>,
        heading: &Heading,
        length: usize,
    ) -> Exchange {
        let known = session.map(|session| &self.sessions[session]);
        let steady = self.is_first() && self.shutdowns == 0;
        let wakes = self.config.idle.is_some_and(|idle| {
            known.is_some_and(|session| session.touched.after(idle) <= self.seen.max(self.now))
        });
        let pace = match self.dice.one_in(self.swarm.slow) {
            false => Pace::Eager,
            true if self.dice.one_in(3) => Pace::Never,
            true => Pace::Lazy,
        };
        Exchange {
            session,
            json: heading.json,
            sse: heading.sse,
            phase: Phase::Waiting,
            lost: false,
            lost_settled: false,
            asked: self.now.max(self.seen),
            status: 0,
            reader: super::events::Reader::default(),
            stream: None,
            cursor: 0,
            untaken: 0,
            is_short: false,
            was_late: false,
            aborted: false,
            owed: false,
            moved: self.seen,
            sent: self.seen,
            pace,
            handle: None,
            delivered: false,
            over_settled: false,
            blocks: 0,
            rivalled: false,
            superseded: false,
            knew_over: known.is_some_and(|session| session.over_settled),
            knew_alive: steady && !wakes && known.is_some_and(|session| session.is_live()),
            crowded: !steady || self.is_crowded(&ask, session, calls.len(), length),
            ask,
            calls,
        }
    }

    /// Whether a limit could be met by this request.
    fn is_crowded(&self, ask: &Ask, session: Option<usize>, calls: usize, length: usize) -> bool {
        let clock = self.clock();
        if *ask == Ask::Initialize {
            // The session that asks is one of those that wait for their child.
            let late = |session: &Session| session.asked.after(self.config.start) <= clock;
            let fails = self
                .sessions
                .iter()
                .any(|session| !session.open && !session.over && (session.doomed || late(session)));
            return self.is_full()
                || fails
                || self.is_start_failing()
                || self.failed_starts >= self.config.breaker_starts
                || self.seen < self.breaker;
        }
        let Some(session) = session else { return false };
        let Some(child) = self.sessions[session].child else { return true };
        let busy = self.calls.iter().enumerate().filter(|(_, call)| {
            call.session == session && call.child.is_some() && call.answer.is_none() && !call.failed
        });
        let busy: Vec<usize> = busy.map(|(call, _)| call).collect();
        // The engine cancels a call whose time is up before it reads the request.
        let late = busy.iter().filter(|call| self.is_late(**call)).count();
        // And it answers the pings for which the client's time is up.
        let pings = self.said.iter().filter(|said| {
            said.session == session && said.is_ping() && !said.replied && said.is_late(clock)
        });
        let backlog = self.children[child].backlog + (late + pings.count()) * EXTRA;
        let keeps = self.goes_on(session)
            || self.is_crossed(session) && self.kept(session) + length > self.config.message;
        keeps
            || busy.len() + calls > self.config.calls
            || backlog > 0 && backlog + length + EXTRA > self.config.stdin
    }

    /// Whether a new session would be one too many, itself counted: sessions that are open or wait
    /// for their child, or children, of which as many again may be on their way out.
    fn is_full(&self) -> bool {
        let owned = self.children.iter().filter(|child| !child.gone && child.session.is_some());
        let leaving = self.children.iter().filter(|child| !child.gone && child.is_leaving());
        let waits = self.sessions.iter().filter(|session| session.child.is_none() && !session.over);
        let live = owned.filter(|child| !child.is_leaving()).count() + waits.count();
        live > self.config.sessions || live + leaving.count() > 2 * self.config.sessions
    }

    /// Writes down a message of a client that goes with the next exchange.
    pub(super) fn tells(
        &mut self,
        session: usize,
        kind: ToldKind,
        text: Text,
        holes: &Holes,
    ) -> Vec<u8> {
        let bytes = text.fill(holes);
        let exchange = self.exchanges.len();
        let id = holes.id.clone().unwrap_or_default();
        self.told.push(Told { session, exchange, kind, text, id, seen: false });
        bytes
    }

    /// The nonce of the client's next message.
    pub(super) fn next_nonce(&self) -> usize {
        self.told.len()
    }

    pub(super) fn body_style(&mut self) -> Style {
        if self.dice.one_in(2) { self.dice.pick(&super::text::BODY_STYLES) } else { Style::Compact }
    }

    /// A session that a client knows of; mostly one that should work.
    pub(super) fn a_session(&mut self) -> Option<usize> {
        let known: Vec<usize> = (0..self.sessions.len())
            .filter(|number| self.sessions[*number].id.is_some())
            .filter(|number| !self.sessions[*number].over || self.sessions.len() > 6)
            .collect();
        if known.is_empty() { None } else { Some(known[self.dice.below(known.len())]) }
    }

    /// The latest that the engine may think it is.
    pub(super) fn clock(&self) -> Instant {
        self.now.max(self.seen)
    }
}

/// Fresh for each exchange, and the same in each run of the case.
fn random(number: usize) -> [u8; 16] {
    let mut random = [0; 16];
    let seed = super::dice::case(number as u64, 16);
    random.copy_from_slice(&seed);
    random
}
