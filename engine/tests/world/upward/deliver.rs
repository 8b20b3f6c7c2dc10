//! Laws of what a session-era client gets in the place of a child of 2026-07-28: the answer to its
//! `initialize`, what the bridge answers by itself, and what it is asked in each round.

use core::time::Duration;

use super::super::World;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::{Ask, Call, SaidKind};
use super::super::modern::server;
use super::super::text::nonce;
use super::{Crossing, OFFERS, Reply, is_subscription};

impl World<'_> {
    /// What is told of a child, if that is in this message.
    pub(in super::super) fn crossing_in(&self, data: &[u8]) -> Option<usize> {
        let result = json::member(data, "result")?;
        let child = nonce(json::member(result, "serverInfo")?, b'h')?;
        (child < self.children.len()).then_some(child)
    }

    /// The bridge answers `initialize` by what the child discovered of itself.
    pub(in super::super) fn crossed(&mut self, number: usize, child: usize, data: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(data);
        let asks = self.exchanges[number].ask == Ask::Initialize;
        require!(Translation, asks, "{number}: nobody asks who a server is: {shown}");
        let session = self.exchanges[number].session.unwrap_or_default();
        let call = self.sessions[session].call;
        let known = &self.calls[call];
        require!(Once, !known.delivered, "{number}: again: {shown}");
        let id = json::member(data, "id").map(<[u8]>::to_vec);
        require!(AnswerToAsker, id == known.holes.id, "{number}: another id: {shown}");
        require!(Prompt, self.modern.desks[child].ready, "{number}: nobody said yet {shown}");
        let bound = self.children[child].session;
        let own =
            bound == Some(session) || bound.is_none() && self.sessions[session].child.is_none();
        let used = self.modern.turns.iter().any(|turn| turn.child == Some(child));
        require!(OwnSession, own && !used, "{number}: it is another's child: {shown}");
        let result = json::member(data, "result").unwrap_or_default();
        let get = |name: &str| json::member(result, name).map(json::flat).unwrap_or_default();
        let version = format!("\"{}\"", self.sessions[session].asked_version.name());
        require!(
            Translation,
            get("protocolVersion") == version.as_bytes(),
            "not {version}: {shown}"
        );
        let (_, offered, _) = OFFERS[self.modern.desks[child].offers];
        require!(Translation, get("capabilities") == offered.as_bytes(), "not {offered}: {shown}");
        let named = server(child);
        require!(Translation, get("serverInfo") == named.as_bytes(), "not {named}: {shown}");
        self.calls[call].delivered = true;
        self.calls[call].made = true;
        let desk = &mut self.modern.desks[child];
        desk.shared = false;
        self.children[child].session = Some(session);
        self.sessions[session].child = Some(child);
        self.upward.crossings.insert(session, Crossing::default());
        let version = self.sessions[session].asked_version;
        self.set_open(session, Some(version));
        // Its client left too late, if it did.
        self.sessions[session].doomed = self.modern.desks[child].doomed;
        self.counts.upward.sessions += 1;
        Ok(())
    }

    /// A result that no child said: true if it is one of the bridge's own, and right.
    pub(in super::super) fn made_result(
        &mut self,
        number: usize,
        data: &[u8],
    ) -> Result<bool, Broken> {
        let Some(result) = json::member(data, "result") else { return Ok(false) };
        let shown = String::from_utf8_lossy(data);
        let id = json::member(data, "id").map(<[u8]>::to_vec);
        let mut calls = self.calls_on(number);
        calls.retain(|call| {
            let known = &self.calls[*call];
            let open = !known.delivered && !known.failed && known.holes.id == id;
            open && self.is_made_here(known)
        });
        // Of two calls with one id, it is for the one that can have a result.
        calls.sort_by_key(|call| !self.is_honoured(&self.calls[*call]));
        let call = calls.first().copied();
        require!(AnswerToAsker, call.is_some(), "{number}: an answer to nothing: {shown}");
        let call = call.unwrap_or_default();
        require!(Translation, result == b"{}", "{number}: nobody said {shown}");
        let known = &self.calls[call];
        let (session, method, level) = (known.session, known.method, known.level);
        let missing = method.starts_with("tasks/");
        require!(Translation, !missing, "{number}: {method} is no method: {shown}");
        require!(Listening, self.is_honoured(known), "{number}: it is not honoured: {shown}");
        let batch = self.exchanges[self.calls[call].exchange].calls.len() > 1;
        let crossing = self.upward.crossings.entry(session).or_default();
        if method == "logging/setLevel" {
            require!(Translation, level != Some("loud"), "{number}: no level: {shown}");
            crossing.level = level;
            // In a batch, it was told before.
            crossing.level_unsure = batch;
        }
        self.calls[call].delivered = true;
        self.calls[call].made = true;
        self.counts.upward.made += 1;
        Ok(true)
    }

    /// Whether a call that the bridge answers can have a result: a subscription only if the child
    /// takes it.
    fn is_honoured(&self, call: &Call) -> bool {
        let uri = call.uri.map(|uri| super::URIS[uri]).unwrap_or_default();
        let listens = &self.upward.crossings[&call.session].listens;
        let kept = |uris: &Vec<String>| uris.iter().any(|kept| kept == uri);
        let honoured = || listens.iter().any(|listen| listen.honoured.as_ref().is_some_and(kept));
        let unknown = call.method.starts_with("tasks/") || call.level == Some("loud");
        !unknown && (call.method != "resources/subscribe" || honoured())
    }

    /// The calls that this exchange carries, or that its stream carried first.
    pub(in super::super) fn calls_on(&self, number: usize) -> Vec<usize> {
        let stream = self.exchanges[number].stream;
        let first = stream.and_then(|stream| self.streams[stream].carriers.first().copied());
        let mut calls = self.exchanges[number].calls.clone();
        calls.extend(first.iter().flat_map(|first| self.exchanges[*first].calls.clone()));
        calls
    }

    /// What the client is asked has an id of the bridge's that it was never asked before.
    pub(in super::super) fn asked_upward(
        &mut self,
        number: usize,
        said: usize,
        data: &[u8],
    ) -> Judged {
        let shown = String::from_utf8_lossy(data);
        let id = json::member(data, "id").map(<[u8]>::to_vec).unwrap_or_default();
        let session = self.said[said].session;
        let crossing = self.upward.crossings.entry(session).or_default();
        let fresh = crossing.asked.insert(id.clone());
        require!(Rounds, fresh && id.first() == Some(&b'"'), "{number}: its id: {shown}");
        self.said[said].id = id;
        let expected = &self.said[said].expected;
        let method = |text: &[u8]| json::member(text, "method").map(<[u8]>::to_vec);
        require!(Rounds, method(data) == method(expected), "{number}: another method: {shown}");
        let params = |text| json::members(json::member(text, "params").unwrap_or_default());
        let by_url = contains(expected, b"\"mode\":\"url\"");
        let told: Vec<_> = params(data).unwrap_or_default();
        let named = told.iter().any(|(name, _)| name == "elicitationId");
        require!(Rounds, named == by_url, "{number}: by which id: {shown}");
        let told: Vec<_> = told.into_iter().filter(|(name, _)| name != "elicitationId").collect();
        let same = told == params(expected).unwrap_or_default();
        require!(Rounds, same, "{number}: another question: {shown}");
        self.counts.upward.asked += 1;
        Ok(())
    }

    /// The client is not to answer what it was asked: true if this message says so.
    pub(in super::super) fn withdrawn(
        &mut self,
        number: usize,
        data: &[u8],
    ) -> Result<bool, Broken> {
        if json::member(data, "method") != Some(b"\"notifications/cancelled\"") {
            return Ok(false);
        }
        let shown = String::from_utf8_lossy(data);
        let session = self.exchanges[number].session.unwrap_or_default();
        let id = json::member(data, "params").and_then(|params| json::member(params, "requestId"));
        let id = id.map(<[u8]>::to_vec).unwrap_or_default();
        let crossing = self.upward.crossings.entry(session).or_default();
        let asked = crossing.asked.contains(&id);
        let fresh = crossing.withdrawn.insert(id);
        require!(Rounds, fresh, "{number}: withdrawn before: {shown}");
        // What is kept for a client is bounded: a question may be dropped and its end not.
        let lost = self.said.iter().any(|said| {
            let question = matches!(said.kind, SaidKind::Question(_));
            question && said.session == session && said.heard.is_some() && said.seen.is_none()
        });
        require!(Rounds, asked || lost, "{number}: nobody asked: {shown}");
        self.counts.upward.withdrawn += 1;
        Ok(true)
    }

    /// The client answers what it was asked.
    pub(in super::super) fn note_reply(&mut self, said: Option<usize>, result: Option<String>) {
        let Some(said) = said else { return };
        if matches!(self.said[said].kind, SaidKind::Question(_)) {
            let exchange = self.exchanges.len();
            self.said[said].replied = true;
            self.upward.replies.entry(said).or_default().push(Reply { exchange, result });
        }
    }

    /// Whether an error for this call has a reason that only the bridge can have.
    pub(in super::super) fn has_upward_cause(&self, call: &Call) -> bool {
        if !self.is_crossed(call.session) || call.is_initialize {
            return false;
        }
        let crossing = &self.upward.crossings[&call.session];
        let number = self.calls.iter().position(|other| core::ptr::eq(other, call));
        let late = number.is_some_and(|number| self.is_late(number));
        let refused = || {
            let uri = call.uri.map(|uri| super::URIS[uri]).unwrap_or_default();
            let lacks = |uris: &Vec<String>| !uris.iter().any(|kept| kept == uri);
            let listens = &crossing.listens;
            // A later wish of the same client may have taken the resource off the list.
            let rival = self.calls.iter().filter(|other| {
                other.session == call.session && other.uri == call.uri && other.uri.is_some()
            });
            let known = self
                .calls
                .iter()
                .filter(|other| other.session == call.session && is_subscription(other.method));
            let known = known.count();
            listens.iter().any(|listen| listen.honoured.as_ref().is_none_or(lacks))
                || rival.count() > 1
                || known > self.config.subscriptions.min(self.config.calls)
        };
        let declined = || {
            let round = number.and_then(|number| self.upward.rounds.get(&number));
            round.is_some_and(|round| round.questions.iter().any(|(_, q)| self.is_declined_by(*q)))
        };
        let unknown = call.method.starts_with("tasks/");
        let level = call.method == "logging/setLevel" && call.level == Some("loud");
        let subscribes = is_subscription(call.method) && refused();
        let keeps = || call.child.is_some() && self.kept(call.session) > self.config.message;
        unknown || level || subscribes || late || call.exhausted || declined() || keeps()
    }

    /// At most so much is kept of calls that may have to be made again, or was in this step: one
    /// read may bring an answer after what has no room beside its call.
    pub(in super::super) fn kept(&self, session: usize) -> usize {
        let calls = self.calls.iter().enumerate();
        let had = |call: &Call| call.child.is_some() && !call.over;
        let open = calls.filter(|(_, call)| call.session == session && had(call));
        let size = |(number, call): (usize, &Call)| {
            let round = self.upward.rounds.get(&number);
            let questions = round.map(|round| round.questions.iter()).into_iter().flatten();
            let replies = questions.filter_map(|(_, of)| self.upward.replies.get(of)).flatten();
            let replies = replies.map(|reply| reply.result.as_ref().map_or(0, String::len));
            call.size + super::super::stream::EXTRA + replies.sum::<usize>()
        };
        open.map(size).sum()
    }

    /// The client answered with an error what only an answer lets go on.
    fn is_declined_by(&self, question: usize) -> bool {
        let replies = self.upward.replies.get(&question);
        let errors = replies.is_some_and(|all| all.iter().any(|reply| reply.result.is_none()));
        errors && !self.is_elicitation(question)
    }

    /// What can go on goes on: rounds that are answered, subscriptions that are known.
    pub(in super::super) fn judge_upward(&self) -> Judged {
        for (call, round) in &self.upward.rounds {
            let known = &self.calls[*call];
            let sure = self.is_only() && !self.is_ending(known.session) && !known.unwanted;
            // What nobody reads can't be seen.
            let exchange = &self.exchanges[known.exchange];
            let unseen = !exchange.is_live() || exchange.calls.len() > 1;
            let unseen = unseen && self.has_upward_cause(known);
            if !sure || !known.in_flight() || known.garbled || self.is_late(*call) || unseen {
                continue;
            }
            let is_told = |reply: &Reply| self.exchanges[reply.exchange].status == 202;
            let told = round.questions.iter().all(|(_, question)| {
                let replies = self.upward.replies.get(question);
                replies.is_some_and(|replies| replies.iter().any(is_told))
            });
            let due = round.since.after(Duration::from_secs(8)) <= self.seen;
            let waits = !told || round.questions.is_empty() && !due;
            require!(Rounds, waits, "call {call} has all that was asked, but does not go on");
        }
        for (session, crossing) in &self.upward.crossings {
            let listens = crossing.listens.iter().filter(|listen| !listen.over);
            let (open, fresh): (Vec<_>, Vec<_>) =
                listens.partition(|listen| listen.honoured.is_some());
            let once = open.len() < 2 && fresh.len() < 2 || self.is_ending(*session);
            require!(Listening, once, "session {session} listens by {open:?} and {fresh:?}");
            let waits = self.calls.iter().find(|call| {
                let open = !call.delivered && !call.failed && !call.over;
                open && call.session == *session && self.is_made_here(call)
            });
            let live = !self.is_ending(*session) && self.is_only();
            let Some(call) = waits.filter(|call| live && self.is_awaited_call(call)) else {
                continue;
            };
            let asked = is_subscription(call.method) && !fresh.is_empty();
            require!(EveryRequestEnds, asked, "nobody answers {call:?}");
        }
        Ok(())
    }

    /// Its client is there, and waits for it alone.
    fn is_awaited_call(&self, call: &Call) -> bool {
        let exchange = &self.exchanges[call.exchange];
        exchange.is_live() && exchange.calls.len() == 1
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
