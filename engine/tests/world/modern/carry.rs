//! Laws of the lines that shared children get: a client's request as it is, under ids and tokens
//! of the engine's own, and cancellations of what nobody waits for.

use mcp_bridge::Instant;

use super::super::World;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::text::{Holes, nonce};
use super::asking::may_ask;
use super::client::{CAPABILITIES, LEVELS, TASKS};

/// Begins what clients send that must be refused.
pub(super) const REFUSED: &[u8] = b"@z";

/// What a request of this era says of itself; all else under its prefix is an extension's.
const REQUEST: [&str; 4] = ["protocolVersion", "clientInfo", "clientCapabilities", "logLevel"];

impl World<'_> {
    /// A line that a shared child gets.
    pub(in super::super) fn read_shared(&mut self, child: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        // A child of the stateless era may have asked for anything: its states are its own.
        let asked_here = self.modern.desks[child].session_era;
        let refused = asked_here && line.windows(REFUSED.len()).any(|window| window == REFUSED);
        require!(Refusal, !refused, "a child gets what was refused: {shown}");
        let process = self.children[child].id;
        let private = self.children[child].session.is_some();
        require!(OwnCall, !private, "{process} is a session's, and gets {shown}");
        if !core::mem::replace(&mut self.modern.desks[child].shared, true) {
            self.modern.desks[child].began = self.seen;
        }
        if let Some(turn) = nonce(line, b't') {
            return self.read_turn(child, turn, line);
        }
        if let Some(listening) = nonce(line, b'l') {
            return self.read_listening(child, listening, line);
        }
        let method = json::member(line, "method").and_then(json::unquote);
        match method.as_deref() {
            Some("resources/subscribe") => self.read_subscription(child, line, true),
            Some("resources/unsubscribe") => self.read_subscription(child, line, false),
            Some("notifications/cancelled") => self.read_shared_cancel(child, line),
            Some("server/discover") => self.read_discover(child, line),
            Some("ping") => self.read_ping(child, line),
            Some("initialize") => self.read_hello(child, line),
            Some("notifications/initialized") => {
                let desk = &mut self.modern.desks[child];
                let right = desk.session_era && !core::mem::replace(&mut desk.initialized, true);
                require!(StdinLines, right, "{process}: out of place: {shown}");
                Ok(())
            }
            Some("logging/setLevel") => self.read_level(child, line),
            None if self.may_question(child) => self.read_reply(child, line),
            _ => {
                require!(StdinLines, false, "{process}: nobody said {shown}");
                Ok(())
            }
        }
    }

    /// Until its era is known, any child may make requests; then only one of the session era.
    fn may_question(&self, child: usize) -> bool {
        let desk = &self.modern.desks[child];
        desk.session_era || !desk.was_ready
    }

    /// The engine has a child of the session era log as some client wishes.
    fn read_level(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let offers = self.modern.desks[child].logs;
        require!(StdinLines, offers, "{process} keeps no log levels: {shown}");
        let params = json::member(line, "params").unwrap_or_default();
        let level = json::member(params, "level").and_then(json::unquote);
        let level = level.and_then(|level| LEVELS.iter().position(|known| *known == level));
        require!(StdinLines, level.is_some(), "{process}: no level: {shown}");
        self.modern.desks[child].level = level;
        let id = json::member(line, "id").unwrap_or_default().to_vec();
        self.modern.desks[child].own.push(String::from_utf8_lossy(&id).into_owned());
        self.new_id(child, id)
    }

    /// A client's request.
    fn read_turn(&mut self, child: usize, number: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        require!(StdinLines, number < self.modern.turns.len(), "{process}: nobody said {shown}");
        let turn = &self.modern.turns[number];
        require!(StdinLines, turn.child.is_none(), "{process}: a second time: {shown}");
        let left = self.exchanges[turn.exchange].lost_settled;
        require!(NothingAfterLoss, !left, "{process}: its client is gone: {shown}");
        require!(Refusal, !turn.is_over(), "{process}: it was answered already: {shown}");
        let ready = self.modern.desks[child].ready;
        require!(StdinLines, ready, "{process} was not asked for its era: {shown}");
        require!(
            Sharing,
            !self.is_spent(child, turn.root),
            "{process} is another client's: {shown}"
        );
        let can = !CAPABILITIES[turn.capabilities].2.is_empty();
        let asks = self.modern.desks[child].session_era && can && may_ask(turn.method);
        let back = turn.retries.and_then(|retry| retry.park);
        // A call that is made again is at home here: what its child asks then is refused.
        let back = back.is_some_and(|park| self.modern.parks[park].child == child);
        let several = asks && !back && self.is_of_several(child, number);
        require!(Sharing, !several, "{process} asks late, and had another call: {shown}");
        let asked = turn.holes.token.is_some();
        let holes = match self.modern.desks[child].session_era {
            false => turn.text.read(line),
            true => self.read_downward(child, number, line)?,
        };
        require!(StdinLines, holes.is_some(), "{process}: changed: {shown}");
        let holes = holes.unwrap_or_default();
        self.new_id(child, holes.id.clone().unwrap_or_default())?;
        let right = holes.token.is_some() == asked;
        require!(StdinIds, right, "{process}: a token too many or too few: {shown}");
        let whole = holes.token.as_ref().is_none_or(|token| token.iter().all(u8::is_ascii_digit));
        require!(StdinIds, whole, "{process}: a client's own token: {shown}");
        let rival = self.modern.turns.iter().find(|rival| {
            rival.child == Some(child)
                && rival.in_flight()
                && holes.token.is_some()
                && rival.given.token == holes.token
        });
        require!(StdinIds, rival.is_none(), "{process}: two requests share a token: {shown}");
        let now = self.seen;
        let turn = &mut self.modern.turns[number];
        turn.child = Some(child);
        turn.given = holes;
        turn.sent = now;
        self.modern.desks[child].todo.push(number);
        Ok(())
    }

    /// Whether a child of the session era may still be at work for another call than this, which
    /// was given up, or knows the roots of its client.
    fn is_spent(&self, child: usize, root: usize) -> bool {
        let desk = &self.modern.desks[child];
        let can = CAPABILITIES.iter().any(|(_, class, can)| {
            desk.session_era && Some(*class) == desk.class && !can.is_empty()
        });
        let mut turns = self.modern.turns.iter();
        let left = turns.any(|turn| {
            turn.child == Some(child) && turn.cancelled && may_ask(turn.method) && turn.root != root
        });
        let roots = self.modern.questions.iter().any(|asked| {
            let park = asked.park.map(|park| self.modern.parks[park].turn);
            let of = park.map(|turn| self.modern.turns[turn].root);
            asked.child == child && asked.method == "roots/list" && of.is_some_and(|of| of != root)
        });
        can && (left || roots)
    }

    /// A request as a child of the session era gets it: without what that era does not know.
    fn read_downward(
        &self,
        child: usize,
        number: usize,
        line: &[u8],
    ) -> Result<Option<Holes>, Broken> {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let turn = &self.modern.turns[number];
        let (_, class, _) = CAPABILITIES[turn.capabilities];
        let same = self.modern.desks[child].class == Some(class);
        require!(Sharing, same, "{process} has other clients: {shown}");
        let state = turn.retries.is_none_or(|retry| retry.good);
        require!(State, state, "{process}: by a state that is not good: {shown}");
        let method = json::member(line, "method").and_then(json::unquote);
        require!(Translation, method.as_deref() == Some(turn.method), "{process}: {shown}");
        let own = turn.text.fill(&turn.holes);
        let own = json::member(&own, "params").map(<[u8]>::to_vec).unwrap_or_default();
        let params = json::member(line, "params").unwrap_or_default();
        let added = ["_meta", "inputResponses", "requestState"];
        let kept = without(&own, |name| added.contains(&name));
        let rest = without(params, |name| name == "_meta");
        require!(Translation, kept == rest, "{process}: params changed: {shown}");
        let reserved = |name: &str| {
            name == "progressToken"
                || name
                    .strip_prefix("io.modelcontextprotocol/")
                    .is_some_and(|n| REQUEST.contains(&n))
        };
        let own = without(json::member(&own, "_meta").unwrap_or_default(), reserved);
        let meta = json::member(params, "_meta").unwrap_or_default();
        let rest = without(meta, |name| name == "progressToken");
        require!(Translation, own == rest, "{process}: metadata changed: {shown}");
        let id = json::member(line, "id").map(<[u8]>::to_vec);
        let token = json::member(meta, "progressToken").map(<[u8]>::to_vec);
        Ok(Some(Holes { id, token, target: None }))
    }

    /// Each request that a child gets has an integer id of its own.
    pub(super) fn new_id(&mut self, child: usize, id: Vec<u8>) -> Judged {
        let process = self.children[child].id;
        let shown = String::from_utf8_lossy(&id).into_owned();
        let whole = !id.is_empty() && id.iter().all(u8::is_ascii_digit);
        require!(StdinIds, whole, "{process}: the id {shown} is no integer");
        let fresh = self.children[child].ids.insert(id);
        require!(StdinIds, fresh, "{process}: id {shown} twice");
        Ok(())
    }

    /// The engine asks for the era: first of all, and once.
    fn read_discover(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let first = self.children[child].ids.is_empty();
        require!(StdinLines, first, "{process}: not the first request: {shown}");
        self.judge_probe(child)?;
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        self.new_id(child, id.clone())?;
        self.modern.desks[child].discover = Some(id);
        self.modern.desks[child].probed = true;
        Ok(())
    }

    /// The engine asks whether a child runs that has not told its era in time.
    fn read_ping(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let desk = &self.modern.desks[child];
        let late = desk.began.after(self.config.probe) <= self.seen;
        let waits = desk.probed && !desk.was_ready && late;
        require!(StdinLines, waits, "{process}: it is not waited for: {shown}");
        let id = json::member(line, "id").unwrap_or_default().to_vec();
        self.modern.desks[child].own.push(String::from_utf8_lossy(&id).into_owned());
        self.new_id(child, id)
    }

    /// A process that did not answer the engine's question for its era, and gives way to another.
    pub(in super::super) fn gives_way(&self, child: usize) -> bool {
        let (known, desk) = (&self.children[child], &self.modern.desks[child]);
        let silent = desk.probed && !desk.denied && !desk.was_ready;
        silent && known.is_leaving() && !known.gone && !desk.stayed && self.shutdowns == 0
    }

    /// Whether a child still runs when `start` has passed since it was told to end. No request
    /// waits for it then.
    pub(super) fn stays(&self, child: usize, now: Instant) -> bool {
        let told = self.children[child].close_stdin;
        told.is_some_and(|at| at.after(self.config.start) <= now)
    }

    /// The engine makes the handshake of the session era: with a child that did not say that it
    /// speaks the stateless one.
    fn read_hello(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let ready = self.modern.desks[child].was_ready;
        require!(StdinLines, !ready, "{process} told its era: {shown}");
        let desk = &self.modern.desks[child];
        let open = desk.probed && !desk.denied;
        let shares = self.shares();
        require!(Eras, shares, "{process}: clients share a process of the session era: {shown}");
        require!(Handshake, !open, "{process} may still answer the probe: {shown}");
        let params = json::member(line, "params").unwrap_or_default();
        let told = json::flat(json::member(params, "capabilities").unwrap_or_default());
        let class = CAPABILITIES.iter().find(|(text, ..)| {
            without(text.replace(TASKS, "").as_bytes(), |_| false) == without(&told, |_| false)
        });
        require!(Sharing, class.is_some(), "{process}: nobody's capabilities: {shown}");
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        self.new_id(child, id.clone())?;
        let desk = &mut self.modern.desks[child];
        desk.hello = Some(id);
        desk.class = class.map(|(_, class, _)| *class);
        Ok(())
    }

    /// A cancellation names a request that nobody waits for any more, once.
    fn read_shared_cancel(&mut self, child: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let params = json::member(line, "params").unwrap_or_default();
        let target = json::member(params, "requestId").map(<[u8]>::to_vec);
        if self.read_unlisten(child, target.as_ref())? {
            return Ok(());
        }
        let found = (0..self.modern.turns.len()).rev().find(|turn| {
            let turn = &self.modern.turns[*turn];
            turn.child == Some(child) && turn.given.id == target
        });
        let late = self.modern.parks.iter().any(|park| {
            Some(park.turn) == found && park.since.after(self.config.park) <= self.seen
        });
        require!(Cancel, found.is_some(), "a cancellation of nothing: {shown}");
        let number = found.unwrap_or_default();
        let overdue = self.is_overdue(number);
        let turn = &self.modern.turns[number];
        require!(Cancel, !turn.cancelled, "a second time: {shown}");
        let answered = turn.answer.is_some() || turn.garbled || turn.sent_away;
        let unsure = overdue || turn.aborted;
        require!(Cancel, !answered || unsure, "it was answered: {shown}");
        let exchange = &self.exchanges[turn.exchange];
        let waits = exchange.lost && !turn.moved;
        let cause = waits || turn.aborted || overdue || late;
        require!(Cancel, cause, "without a cause: {shown}");
        self.modern.turns[number].cancelled = true;
        self.counts.cancels += 1;
        Ok(())
    }
}

/// The members of an object but those of these names, in one spelling.
pub(in super::super) fn without(
    object: &[u8],
    meant: impl Fn(&str) -> bool,
) -> Vec<(String, Vec<u8>)> {
    let members = json::members(object).unwrap_or_default().into_iter();
    let members = members.filter(|(name, _)| !meant(name));
    members.map(|(name, value)| (name, json::flat(value))).collect()
}
