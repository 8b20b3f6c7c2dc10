//! What clients of 2026-07-28 send: each request says who asks, and its head repeats what its
//! body says.

use super::super::World;
use super::super::ask::Heading;
use super::super::law::Judged;
use super::super::model::Ask;
use super::super::text::{Holes, Part, Text, name, payload, plain};
use super::{Retry, Turn};

pub(super) const VERSION: &str = "2026-07-28";

/// Methods, with the member of `params` that `Mcp-Name` repeats.
const METHODS: [(&str, Option<&str>); 9] = [
    ("tools/call", Some("name")),
    ("tools/call", Some("name")),
    ("tools/list", None),
    ("resources/read", Some("uri")),
    ("prompts/get", Some("name")),
    ("completion/complete", None),
    ("server/discover", None),
    ("x/unknown", None),
    ("tasks/get", Some("taskId")),
];
/// Names as the body and as the head spell them.
const NAMES: [(&str, &str); 4] =
    [("t", "t"), ("a b", "a b"), ("\\u00e9", "=?base64?w6k=?="), (" t", "=?base64?IHQ=?=")];
/// What a client can be asked: as it is spelled, which spellings are the same, and for what.
pub(super) const CAPABILITIES: [(&str, usize, &[&str]); 6] = [
    ("{}", 0, &[]),
    ("{ \"x\" : {} }", 1, &[]),
    ("{\"elicitation\":{}}", 2, &["elicitation"]),
    ("{\"sampling\":{},\"roots\":{}}", 3, &["sampling", "roots"]),
    ("{\"roots\":{}, \"sampling\":{}}", 3, &["sampling", "roots"]),
    (
        "{\"elicitation\":{\"form\":{},\"url\":{}},\
         \"extensions\":{\"x/y\":{},\"io.modelcontextprotocol/tasks\":{}}}",
        4,
        &["elicitation"],
    ),
];
/// What of them needs this era.
pub(super) const TASKS: &str = ",\"io.modelcontextprotocol/tasks\":{}";
/// Least severe first.
pub(super) const LEVELS: [&str; 4] = ["debug", "info", "warning", "emergency"];

/// A request before it is written.
pub(super) struct Plan {
    pub(super) method: &'static str,
    /// What `Mcp-Name` repeats, as the head spells it.
    pub(super) shown: Option<&'static str>,
    /// The members of `params` that make the call what it is.
    pub(super) call: String,
    /// Further members.
    pub(super) more: String,
    pub(super) capabilities: usize,
    /// The request that made the call first.
    pub(super) root: usize,
    pub(super) retries: Option<Retry>,
}

impl World<'_> {
    /// A request of a client of the stateless era.
    pub(in super::super) fn modern_call(&mut self) -> Judged {
        let (method, named) = self.dice.pick(&METHODS);
        let (said, shown) = self.dice.pick(&NAMES);
        let root = self.modern.turns.len();
        let padding = self.padding();
        let arguments = payload(&mut self.dice, 'm', root, padding);
        let named = named.map(|member| format!("\"{member}\":\"{said}\","));
        let shown = Some(shown).filter(|_| named.is_some());
        let call = format!("{}\"arguments\":{arguments}", named.unwrap_or_default());
        let capabilities = self.capabilities();
        let (more, retries) = (String::new(), None);
        self.send_plan(Plan { method, shown, call, more, capabilities, root, retries })
    }

    pub(super) fn capabilities(&mut self) -> usize {
        let all = [self.swarm.capabilities.0, self.swarm.capabilities.1];
        self.dice.pick(&all) % CAPABILITIES.len()
    }

    pub(super) fn send_plan(&mut self, plan: Plan) -> Judged {
        let mut heading = self.modern_heading(plan.method);
        heading.set("Mcp-Name", plan.shown);
        let turn = self.new_turn(plan);
        self.send_turn(turn, &heading)
    }

    /// The head that goes with a request of this method.
    pub(super) fn modern_heading(&mut self, method: &str) -> Heading {
        let mut heading = self.heading("POST", None);
        heading.set("MCP-Protocol-Version", Some(VERSION));
        heading.set("Mcp-Method", Some(method));
        if self.dice.one_in(8) {
            // Of another era, and without a meaning here.
            heading.set("Mcp-Session-Id", Some("0123456789abcdef0123456789abcdef"));
            heading.set("Last-Event-ID", Some("1-1"));
        }
        heading
    }

    fn new_turn(&mut self, plan: Plan) -> Turn {
        let Plan { method, shown, call, more, capabilities, root, retries } = plan;
        let number = self.modern.turns.len();
        let id = Some(name(&mut self.dice));
        let token = if self.dice.one_in(2) { Some(name(&mut self.dice)) } else { None };
        let holes = Holes { id, token, target: None };
        let level = if self.dice.one_in(3) { Some(self.dice.below(LEVELS.len())) } else { None };
        let mut params = plain(format!("{{{call}{more},\"_meta\":{{"));
        params.extend(self.meta(number, capabilities, level, &holes));
        params.extend(plain("}}"));
        let members = vec![
            ("jsonrpc", plain("\"2.0\"")),
            ("id", vec![Part::Id]),
            ("method", plain(format!("\"{method}\""))),
            ("params", params),
        ];
        let text = Text::object(self.body_style(), members);
        let now = self.clock();
        Turn {
            exchange: self.exchanges.len(),
            method,
            shown,
            call,
            capabilities,
            root,
            retries,
            holes,
            level,
            text,
            asked: now,
            crowded: false,
            child: None,
            sent: now,
            given: Holes::default(),
            answer: None,
            garbled: false,
            sent_away: false,
            parking: false,
            early: None,
            lacks: false,
            moved: false,
            cancelled: false,
            aborted: false,
            answered: false,
            failed: false,
            last_heard: 0,
        }
    }

    /// What each request says of itself.
    fn meta(
        &mut self,
        number: usize,
        capabilities: usize,
        level: Option<usize>,
        holes: &Holes,
    ) -> Vec<Part> {
        let (capabilities, ..) = CAPABILITIES[capabilities];
        let mut meta = format!(
            "\"io.modelcontextprotocol/protocolVersion\":\"{VERSION}\",\
             \"io.modelcontextprotocol/related-task\":{{}},\
             \"io.modelcontextprotocol/clientCapabilities\":{capabilities},\"x\":\"@t{number}@\""
        );
        if !self.dice.one_in(4) {
            meta.push_str(
                ",\"io.modelcontextprotocol/clientInfo\":{\"name\":\"w\",\"version\":\"1\"}",
            );
        }
        if let Some(level) = level {
            let level = LEVELS[level];
            meta.push_str(&format!(",\"io.modelcontextprotocol/logLevel\":\"{level}\""));
        }
        let mut parts = plain(meta);
        if holes.token.is_some() {
            parts.extend(plain(",\"progressToken\":"));
            parts.push(Part::Token);
        }
        parts
    }

    /// Sends a request; too long a one is not sent.
    fn send_turn(&mut self, mut turn: Turn, heading: &Heading) -> Judged {
        let body = turn.text.fill(&turn.holes);
        if body.len() > self.config.message {
            return Ok(());
        }
        turn.crowded = self.is_turn_crowded(body.len());
        self.use_state(&mut turn);
        let number = self.modern.turns.len();
        self.modern.turns.push(turn);
        self.ask(Ask::Modern(number), None, Vec::new(), heading, &body)
    }

    /// Whether a limit could be met by this request.
    pub(super) fn is_turn_crowded(&self, length: usize) -> bool {
        let unsure = self.is_start_queued()
            || !self.is_first()
            || self.shutdowns > 0
            || self.seen < self.breaker;
        let waits = self.modern.turns.iter().filter(|turn| self.waits(turn)).count();
        let mut workers = 0;
        let mut full = false;
        let alive = self.children.iter().filter(|child| !child.gone).count();
        let running = |number: usize| {
            let turns = self.modern.turns.iter();
            turns.filter(|turn| turn.child == Some(number) && turn.in_flight()).count()
        };
        for (number, desk) in self.modern.desks.iter().enumerate() {
            let child = &self.children[number];
            let leaves = child.is_leaving() && !self.gives_way(number);
            if child.gone || leaves || child.session.is_some() {
                continue;
            }
            workers += 1;
            let backlog = child.backlog > 0 && child.backlog + length > self.config.stdin;
            full |= desk.doomed || backlog || running(number) >= self.config.calls;
        }
        let most = 2 * (self.config.sessions + self.config.pool);
        let listens = self.modern.listenings.len();
        let listens = || (0..listens).filter(|listening| self.listens(*listening));
        let fresh = |number: &usize| self.modern.listenings[*number].honoured.is_none();
        let waits = waits + listens().filter(fresh).count();
        let listens = listens().count();
        full |= listens + self.modern.turns.iter().filter(|turn| turn.in_flight()).count()
            >= self.config.calls
            && listens > 0;
        // A session's child that waits for its turn to start was not seen yet.
        let starts = self.open.iter().map(|number| &self.exchanges[*number]);
        let starts = starts.filter(|start| start.ask == Ask::Initialize && start.is_live()).count();
        unsure || full || waits > 0 || workers >= self.config.pool || alive + starts >= most
    }

    /// Whether a request waits for a child.
    pub(super) fn waits(&self, turn: &Turn) -> bool {
        turn.child.is_none() && !turn.is_over() && self.exchanges[turn.exchange].is_live()
    }
}
