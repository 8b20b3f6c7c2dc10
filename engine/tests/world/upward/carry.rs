//! Laws of the lines that a child of 2026-07-28 gets of a session: each request says what the
//! session's client said once, a further round brings what it answered, and one subscription is
//! kept for all that it wants to hear of.

use core::time::Duration;

use super::super::World;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::{Ask, Call, Exchange, ToldKind};
use super::super::modern::without;
use super::super::text::{Holes, nonce};
use super::{Listen, OFFERS, ROUNDS, is_dropped, is_made};

/// The reserved members of `_meta`, without their prefix.
const PREFIX: &str = "io.modelcontextprotocol/";
/// How long a child waits that asks only for another call, at least, and how often that doubles.
const PACE: Duration = Duration::from_millis(250);
const DOUBLINGS: u32 = 5;

impl World<'_> {
    /// A line that such a child gets.
    pub(in super::super) fn read_upward(
        &mut self,
        child: usize,
        session: usize,
        line: &[u8],
    ) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let method = json::member(line, "method").and_then(json::unquote);
        match method.as_deref() {
            Some("subscriptions/listen") => return self.read_listen(child, session, line),
            Some("notifications/cancelled") => return self.read_upward_cancel(session, line),
            None if nonce(line, b'c').is_none() => return self.read_reply_made(child, line),
            _ => {}
        }
        let said = nonce(line, b'c').filter(|said| *said < self.told.len());
        require!(StdinLines, said.is_some(), "nobody said {shown}");
        let said = said.unwrap_or_default();
        let own = self.told[said].session == session;
        require!(OwnSession, own, "session {session}'s child gets another's {shown}");
        match self.told[said].kind.clone() {
            ToldKind::Call(call) => self.read_upward_call(child, call, said, line),
            ToldKind::Notification(method) => {
                require!(StdinLines, !self.told[said].seen, "a second time: {shown}");
                require!(Translation, !is_dropped(method), "it has no meaning here: {shown}");
                let same = self.told[said].text.read(line).is_some();
                require!(StdinLines, same, "changed: {shown}");
                self.told[said].seen = true;
                self.in_turn(session, said)
            }
            ToldKind::Cancel { .. } | ToldKind::Reply(_) => {
                require!(Translation, false, "of the other era: {shown}");
                Ok(())
            }
        }
    }

    /// A call, for the first time or in a further round.
    fn read_upward_call(&mut self, child: usize, call: usize, said: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let known = &self.calls[call];
        require!(Translation, !is_made(known.method), "{process}: not this child's: {shown}");
        let own = self.told[said].text.fill(&known.holes);
        let method = |text: &[u8]| json::member(text, "method").and_then(json::unquote);
        require!(Translation, method(line) == method(&own), "{process}: another method: {shown}");
        let own = json::member(&own, "params").map(<[u8]>::to_vec).unwrap_or_default();
        let params = json::member(line, "params").unwrap_or_default();
        let added = ["_meta", "inputResponses", "requestState"];
        let kept = without(&own, |name| name == "_meta");
        let same = kept == without(params, |name| added.contains(&name));
        require!(Translation, same, "{process}: params changed: {shown}");
        let own = json::member(&own, "_meta").unwrap_or_default();
        let meta = json::member(params, "_meta").unwrap_or_default();
        let is_added = |name: &str| name.starts_with(PREFIX) || name == "progressToken";
        let same = without(own, |name| name == "progressToken") == without(meta, is_added);
        require!(Translation, same, "{process}: metadata changed: {shown}");
        self.require_stamped(known.session, meta, true, &shown)?;
        let token = json::member(meta, "progressToken").map(<[u8]>::to_vec);
        let id = json::member(line, "id").map(<[u8]>::to_vec);
        let holes = Holes { id, token, target: None };
        if core::mem::replace(&mut self.told[said].seen, true) {
            self.read_round(child, call, params, &shown)?;
        } else {
            let first = without(params, |name| !added[1..].contains(&name)).is_empty();
            require!(Rounds, first, "{process}: answers that nobody asked for: {shown}");
            self.in_turn(self.calls[call].session, said)?;
        }
        self.calls[call].sent = self.seen;
        self.read_call(child, call, holes)
    }

    /// A request says who asks and what its client can be asked.
    fn require_stamped(&self, session: usize, meta: &[u8], asks: bool, shown: &str) -> Judged {
        let get = |name: &str| {
            let value = json::member(meta, &format!("{PREFIX}{name}"));
            value.map(|value| String::from_utf8_lossy(&json::flat(value)).into_owned())
        };
        let version = get("protocolVersion");
        require!(Translation, version.as_deref() == Some("\"2026-07-28\""), "version: {shown}");
        let told = self.told_capabilities(session);
        let same = get("clientCapabilities").as_deref() == Some(told);
        require!(Translation, same, "{told} are its client's capabilities: {shown}");
        let hello = self.told.iter().find(|told| told.session == session);
        let hello =
            hello.map(|hello| hello.text.fill(&self.calls[self.sessions[session].call].holes));
        let hello = hello.unwrap_or_default();
        let params = json::member(&hello, "params").unwrap_or_default();
        let info = json::member(params, "clientInfo").map(json::flat);
        let info = info.map(|info| String::from_utf8_lossy(&info).into_owned());
        require!(Translation, get("clientInfo") == info, "another client: {shown}");
        let crossing = &self.upward.crossings[&session];
        let mut calls = self.calls.iter().filter(|call| call.session == session);
        let sets = |call: &Call| call.method == "logging/setLevel";
        let open = calls.any(|call| sets(call) && !call.delivered && !call.failed);
        if asks && !open && !crossing.level_unsure {
            let level = crossing.level.map(|level| format!("\"{level}\""));
            require!(Translation, get("logLevel") == level, "{level:?} is its level: {shown}");
        }
        Ok(())
    }

    /// A further round brings what the client answered, and the state as it was.
    fn read_round(&mut self, child: usize, call: usize, params: &[u8], shown: &str) -> Judged {
        let process = self.children[child].id;
        let round = self.upward.rounds.remove(&call);
        require!(Rounds, round.is_some(), "{process} asked for nothing: {shown}");
        let Some(round) = round else { return Ok(()) };
        let known = &mut self.calls[call];
        require!(Rounds, known.in_flight(), "{process}: the call is over: {shown}");
        known.rounds += 1;
        require!(Rounds, known.rounds <= ROUNDS, "{process}: round {}: {shown}", known.rounds);
        let state = json::member(params, "requestState").map(String::from_utf8_lossy);
        require!(
            Rounds,
            state.as_deref() == round.state.as_deref(),
            "{process}: its state: {shown}"
        );
        let answers = json::member(params, "inputResponses");
        let answers = json::members(answers.unwrap_or(b"{}")).unwrap_or_default();
        let asked: Vec<&String> = round.questions.iter().map(|(key, _)| key).collect();
        let told: Vec<&String> = answers.iter().map(|(key, _)| key).collect();
        require!(Rounds, asked == told, "{process} asked for {asked:?}: {shown}");
        let withdrawn = &self.upward.crossings[&self.calls[call].session].withdrawn;
        for ((_, question), (key, answer)) in round.questions.iter().zip(&answers) {
            let over = withdrawn.contains(&self.said[*question].id);
            require!(Rounds, !over, "{process}: {key} was withdrawn: {shown}");
            let replies = self.upward.replies.get(question).cloned().unwrap_or_default();
            let given = |result: &Option<String>| match result {
                Some(result) => json::flat(result.as_bytes()) == json::flat(answer),
                None => self.is_elicitation(*question) && *answer == b"{\"action\":\"cancel\"}",
            };
            let own = replies.iter().any(|reply| given(&reply.result));
            require!(Rounds, own, "{process}: the client did not answer so to {key}: {shown}");
            self.counts.upward.answered += 1;
        }
        if round.questions.is_empty() {
            let doublings = (self.calls[call].rounds - 1).min(DOUBLINGS);
            let early = round.since.after(PACE * (1 << doublings)) > self.seen;
            require!(Rounds, !early, "{process} is called again too soon: {shown}");
        }
        self.counts.upward.rounds += 1;
        Ok(())
    }

    pub(super) fn is_elicitation(&self, question: usize) -> bool {
        json::member(&self.said[question].expected, "method") == Some(b"\"elicitation/create\"")
    }

    /// A subscription for all that the session wants to hear of, in the place of the one before.
    fn read_listen(&mut self, child: usize, session: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line).into_owned();
        let process = self.children[child].id;
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        let number = core::str::from_utf8(&id).ok().and_then(|id| id.parse::<usize>().ok());
        require!(StdinIds, number.is_some(), "{process}: the id is no integer: {shown}");
        require!(StdinIds, self.children[child].ids.insert(id), "{process}: an id twice: {shown}");
        let params = json::member(line, "params").unwrap_or_default();
        let meta = json::member(params, "_meta").unwrap_or_default();
        self.require_stamped(session, meta, false, &shown)?;
        let filter = json::member(params, "notifications").unwrap_or_default();
        let named = json::member(filter, "resourceSubscriptions").unwrap_or(b"[]");
        let uris = json::elements(named).unwrap_or_default();
        let uris: Vec<String> = uris.into_iter().filter_map(json::unquote).collect();
        let lists = without(filter, |name| name == "resourceSubscriptions");
        let mut lists: Vec<String> = lists.into_iter().map(|(name, _)| name).collect();
        lists.sort();
        let (_, _, offered) = OFFERS[self.modern.desks[child].offers];
        require!(Listening, lists == offered, "{process} offers {offered:?}: {shown}");
        self.require_wanted(session, &uris, &shown)?;
        let now = self.seen;
        let waits = |call: &&mut Call| call.session == session && call.uri.is_some();
        // Who waits for one before it waits for this one.
        self.calls.iter_mut().filter(waits).for_each(|call| call.sent = now);
        let crossing = self.upward.crossings.entry(session).or_default();
        let open = crossing.listens.iter().find(|old| old.honoured.is_none() && !old.over);
        require!(Listening, open.is_none(), "{process}: {open:?} is not over: {shown}");
        let id = number.unwrap_or_default();
        let (taken, honoured, over, since, ended) = (false, None, false, now, None);
        crossing.listens.push(Listen { id, uris, lists, taken, honoured, over, since, ended });
        self.counts.upward.listens += 1;
        Ok(())
    }

    /// The child is asked for each resource that the client subscribed to, and for no other.
    fn require_wanted(&self, session: usize, uris: &[String], shown: &str) -> Judged {
        let odd = uris.iter().find(|uri| !super::URIS.contains(&uri.as_str()));
        require!(Listening, odd.is_none(), "nobody wants {odd:?}: {shown}");
        for (number, uri) in super::URIS.iter().enumerate() {
            let mut wanted = (false, false);
            let calls = self.calls.iter().filter(|call| call.session == session);
            for call in calls.filter(|call| call.uri == Some(number)) {
                let adds = call.method == "resources/subscribe";
                // What is not answered may be known to the bridge, or not yet; what was refused
                // may have been taken back, which the answer to a batch says when all are done.
                // One that is being sent has no exchange yet.
                let exchange = self.exchanges.get(call.exchange);
                let held = |exchange: &Exchange| exchange.ask == (Ask::Calls { batch: true });
                let unsure = |exchange: &Exchange| held(exchange) || !exchange.is_live();
                let open = call.failed || exchange.is_some_and(unsure);
                wanted = match (call.delivered, adds && !open) {
                    (true, _) => (adds, adds),
                    (false, true) => (wanted.0, true),
                    (false, false) => (false, wanted.1 || adds),
                };
            }
            let named = uris.iter().any(|named| named == uri);
            let right = named && wanted.1 || !named && !wanted.0;
            require!(Listening, right, "{uri} is wanted: {wanted:?}: {shown}");
        }
        Ok(())
    }

    /// A cancellation names a request that the child has not answered, for a reason.
    fn read_upward_cancel(&mut self, session: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let params = json::member(line, "params").unwrap_or_default();
        let target = json::member(params, "requestId").map(<[u8]>::to_vec);
        let number = target.as_deref().and_then(|id| core::str::from_utf8(id).ok()?.parse().ok());
        let only = self.is_only();
        let crossing = self.upward.crossings.entry(session).or_default();
        if let Some(listen) = crossing.listens.iter_mut().find(|of| Some(of.id) == number) {
            // If its time was up, it was cancelled before its end was read.
            let due = self.config.request.map(|limit| listen.since.after(limit));
            let late = due.zip(listen.ended.take()).is_some_and(|(due, ended)| due <= ended);
            let over = listen.over && only && !late;
            require!(Cancel, !over, "a subscription that is over: {shown}");
            listen.over = true;
            return Ok(());
        }
        let found = self.calls.iter().position(|call| {
            let id = call.child.as_ref().map(|child| &child.id);
            call.session == session && id == Some(&target)
        });
        require!(Cancel, found.is_some(), "a cancellation of nothing: {shown}");
        let call = found.unwrap_or_default();
        // If its time was up, it was cancelled before its answer was read.
        let sure = only && !self.is_late(call);
        let waits = self.upward.rounds.contains_key(&call) && sure;
        require!(Cancel, !waits, "the child has answered it: {shown}");
        let late = self.is_late(call);
        let known = &mut self.calls[call];
        require!(Cancel, !known.over, "it is over: {shown}");
        let cause = late || known.unwanted;
        require!(Cancel, cause, "without a cause: {shown}");
        known.cancelled |= !known.delivered && known.unwanted;
        known.dropped |= !known.unwanted;
        self.counts.cancels += 1;
        Ok(())
    }

    /// The call ran for as long as any may.
    pub(in super::super) fn is_late(&self, call: usize) -> bool {
        let limit = self.config.request;
        limit.is_some_and(|limit| self.calls[call].sent.after(limit) <= self.clock())
    }
}
