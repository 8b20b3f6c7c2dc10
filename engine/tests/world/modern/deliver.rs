//! Laws of what clients of the stateless era get: each answer, report and log message is of their
//! own request, under the names that they chose.

use mcp_bridge::Response;

use super::super::World;
use super::super::events::Block;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::Phase;
use super::super::text::{Holes, nonce};
use super::asking::{may_ask, server};
use super::carry::without;
use super::client::CAPABILITIES;
use super::{To, Turn, Word, WordKind};

impl World<'_> {
    /// A whole response to a request.
    pub(in super::super) fn modern_whole(
        &mut self,
        number: usize,
        turn: usize,
        response: &Response,
        body: &[u8],
    ) -> Judged {
        let exchange = &self.exchanges[number];
        let refuses = json::member(body, "error").is_some();
        let accepted = exchange.json || response.status >= 400 || refuses;
        require!(Accept, accepted, "{number}: JSON, which the client does not accept");
        self.modern_message(number, turn, body, Some(response.status))?;
        let over = self.modern.turns[turn].is_over();
        require!(EveryRequestEnds, over, "{number} ends without an answer");
        Ok(())
    }

    /// The head of a stream.
    pub(in super::super) fn modern_stream(&mut self, number: usize, status: u16) -> Judged {
        let now = self.seen;
        let exchange = &mut self.exchanges[number];
        require!(Status, status == 200, "{number}: a stream with {status}");
        require!(Accept, exchange.sse, "{number}: a stream, which the client does not accept");
        exchange.phase = Phase::Streaming;
        exchange.sent = now;
        exchange.moved = now;
        self.counts.streams += 1;
        Ok(())
    }

    /// An event of a stream. None is numbered, and none primes: there is nothing to resume.
    pub(in super::super) fn modern_event(
        &mut self,
        number: usize,
        turn: usize,
        block: &Block,
    ) -> Judged {
        let bare = block.id.is_none() && block.retry.is_none();
        require!(Events, bare, "{number}: an event to be resumed from: {block:?}");
        let data = block.data.clone().unwrap_or_default();
        require!(Events, !data.is_empty(), "{number}: an event of nothing");
        let over = self.modern.turns[turn].is_over();
        require!(EndsOnce, !over, "{number}: more after the answer: {block:?}");
        self.modern_message(number, turn, &data, None)
    }

    /// One message that a client gets; with the status, if it is the whole response.
    fn modern_message(
        &mut self,
        number: usize,
        turn: usize,
        data: &[u8],
        status: Option<u16>,
    ) -> Judged {
        let Some(word) = nonce(data, b'w') else {
            return self.modern_made(number, turn, data, status);
        };
        let shown = String::from_utf8_lossy(data).into_owned();
        require!(BytesUnchanged, word < self.modern.words.len(), "{number}: nobody said {shown}");
        self.require_own(number, turn, word, data)?;
        let known = &self.modern.words[word];
        require!(Once, !known.seen, "{number}: again: {shown}");
        let heard = known.heard.unwrap_or_default();
        let last = self.modern.turns[turn].last_heard;
        require!(Order, heard > last, "{number}: too late on its stream: {shown}");
        let kind = known.kind;
        let answers = matches!(kind, WordKind::Answer(_));
        require!(EveryRequestEnds, answers || status.is_none(), "{number}: no answer: {shown}");
        self.require_spelled(number, turn, word, data)?;
        if let Some(status) = status {
            let expected = status_of(data);
            require!(Status, status == expected, "{number}: {status}, not {expected}: {shown}");
        }
        self.modern.words[word].seen = true;
        let turn = &mut self.modern.turns[turn];
        turn.last_heard = heard;
        turn.answered |= answers;
        let counts = &mut self.counts.modern;
        match kind {
            WordKind::Answer(_) => counts.answers += 1,
            WordKind::Progress(_) => counts.progress += 1,
            WordKind::Log(_) | WordKind::Lie => counts.logs += 1,
        }
        Ok(())
    }

    /// A message that is not a child's: the engine asks, tells of a child, or fails.
    fn modern_made(
        &mut self,
        number: usize,
        turn: usize,
        data: &[u8],
        status: Option<u16>,
    ) -> Judged {
        let Some(result) = json::member(data, "result").map(<[u8]>::to_vec) else {
            return self.modern_error(number, turn, data, status);
        };
        let shown = String::from_utf8_lossy(data);
        let known = &self.modern.turns[turn];
        let id = json::member(data, "id").map(<[u8]>::to_vec);
        require!(Names, id == known.holes.id, "{number}: another id: {shown}");
        let right = status.is_none_or(|status| status == 200);
        require!(Status, right, "{number}: {status:?} with a result");
        let kind = json::member(&result, "resultType").and_then(json::unquote);
        let asks = kind.as_deref() == Some("input_required");
        let discovers = known.method == "server/discover";
        require!(EveryRequestEnds, asks || discovers, "{number}: no child said {shown}");
        if asks {
            self.asked_back(number, turn, &result)?;
        } else {
            self.discovered(number, turn, &result)?;
        }
        self.modern.turns[turn].answered = true;
        Ok(())
    }

    /// What the engine tells of a child of the session era.
    fn discovered(&self, number: usize, turn: usize, result: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(result);
        let child = nonce(result, b'h').filter(|child| *child < self.modern.desks.len());
        require!(Translation, child.is_some(), "{number}: of no child: {shown}");
        let child = child.unwrap_or_default();
        let (_, class, _) = CAPABILITIES[self.modern.turns[turn].capabilities];
        let same = self.modern.desks[child].class == Some(class);
        require!(Sharing, same, "{number}: of others' child: {shown}");
        let get = |name: &str| json::member(result, name).unwrap_or_default();
        let versions = get("supportedVersions");
        let versions = json::elements(versions).unwrap_or_default();
        let speaks = versions.iter().any(|version| *version == b"\"2026-07-28\"");
        require!(Translation, speaks, "{number}: it can't be spoken to: {shown}");
        let capabilities = json::members(get("capabilities"));
        let kept = capabilities.is_some_and(|all| all.iter().all(|(name, _)| name != "tasks"));
        require!(Translation, kept, "{number}: capabilities: {shown}");
        self.require_cached(number, result)?;
        self.require_server(number, result, child)
    }

    /// What may be kept says for how long.
    fn require_cached(&self, number: usize, result: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(result);
        let ttl = json::member(result, "ttlMs").unwrap_or_default();
        let whole = !ttl.is_empty() && ttl.iter().all(u8::is_ascii_digit);
        let scope = json::member(result, "cacheScope").unwrap_or_default();
        let known = matches!(scope, b"\"private\"" | b"\"public\"");
        require!(Translation, whole && known, "{number}: for how long is {shown}");
        Ok(())
    }

    /// The server says who it is.
    fn require_server(&self, number: usize, result: &[u8], child: usize) -> Judged {
        let shown = String::from_utf8_lossy(result);
        let meta = json::member(result, "_meta").unwrap_or_default();
        let named = json::member(meta, "io.modelcontextprotocol/serverInfo").unwrap_or_default();
        let same = named == server(child).as_bytes();
        require!(Translation, same, "{number}: another server: {shown}");
        Ok(())
    }

    /// The message is of this request, and of no other.
    fn require_own(&self, number: usize, turn: usize, word: usize, data: &[u8]) -> Judged {
        let known = &self.modern.words[word];
        let shown = String::from_utf8_lossy(data);
        let echo = nonce(data, b'm');
        let own = echo.is_none_or(|echo| echo == self.modern.turns[turn].root);
        require!(OwnCall, own, "{number} is request {turn}, and gets {shown}");
        require!(Prompt, known.heard.is_some(), "{number}: nobody said yet {shown}");
        let right = match known.to {
            To::Turn(of) | To::Maybe(of) => of == turn,
            To::Any => matches!(known.kind, WordKind::Log(of) if self.wants_log(turn, of)),
            To::Park(of) => {
                self.modern.turns[turn].retries.is_some_and(|r| r.good && r.park == Some(of))
            }
            To::Nobody => false,
        };
        if matches!(known.kind, WordKind::Log(_)) {
            require!(Attribution, right, "{number}: a log message of nobody's: {shown}");
            let carried = self.carried(known.child);
            require!(Attribution, carried <= 1, "{number}: perhaps of an earlier call: {shown}");
        }
        require!(OwnCall, right, "{number}: it is {:?} of {:?}: {shown}", known.kind, known.to);
        Ok(())
    }

    fn wants_log(&self, turn: usize, level: usize) -> bool {
        self.modern.turns[turn].level.is_some_and(|wanted| level >= wanted)
    }

    /// Nothing is changed but the names, and those are as the client spelled them.
    fn require_spelled(&self, number: usize, turn: usize, word: usize, data: &[u8]) -> Judged {
        let known = &self.modern.words[word];
        let shown = String::from_utf8_lossy(data);
        let turn = &self.modern.turns[turn];
        if turn.method == "server/discover" && matches!(known.kind, WordKind::Answer(_)) {
            // The versions in it are the engine's to tell.
            let id = json::member(data, "id").map(<[u8]>::to_vec);
            require!(Names, id == turn.holes.id, "{number}: another id: {shown}");
            return Ok(());
        }
        let answers = matches!(known.kind, WordKind::Answer(_));
        if self.modern.desks[known.child].session_era && answers {
            return self.require_downward(number, turn, known, data);
        }
        if known.text.fill(&turn.holes).trim_ascii() == data {
            return Ok(());
        }
        let named = known.text.read(data).is_none();
        require!(Names, named, "{number}: another id or token: {shown}");
        require!(BytesUnchanged, false, "{number}: changed: {shown}");
        Ok(())
    }

    /// An answer of a session-era child, with what the stateless era asks for.
    fn require_downward(&self, number: usize, turn: &Turn, word: &Word, data: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(data);
        let id = json::member(data, "id").map(<[u8]>::to_vec);
        require!(Names, id == turn.holes.id, "{number}: another id: {shown}");
        let said = word.text.fill(&turn.holes);
        if let Some(error) = json::member(&said, "error") {
            let told = json::member(data, "error").unwrap_or_default();
            let same = without(error, |name| name == "code") == without(told, |n| n == "code");
            require!(Translation, same, "{number}: another error: {shown}");
            let code = match json::member(error, "code").unwrap_or_default() {
                b"-32002" => b"-32602",
                code => code,
            };
            let same = json::member(told, "code") == Some(code);
            require!(Translation, same, "{number}: another code: {shown}");
            return Ok(());
        }
        let (said, told) = (json::member(&said, "result"), json::member(data, "result"));
        let (said, told) = (said.unwrap_or_default(), told.unwrap_or_default());
        let added = ["resultType", "ttlMs", "cacheScope", "_meta"];
        let kept = without(said, |name| name == "_meta");
        let same = kept == without(told, |name| added.contains(&name));
        require!(Translation, same, "{number}: another result: {shown}");
        let complete = json::member(told, "resultType") == Some(b"\"complete\"");
        require!(Translation, complete, "{number}: no resultType: {shown}");
        if turn.method.ends_with("/list") || turn.method == "resources/read" {
            self.require_cached(number, told)?;
        }
        let meta = |result| {
            without(json::member(result, "_meta").unwrap_or_default(), |name| {
                name == "io.modelcontextprotocol/serverInfo"
            })
        };
        require!(Translation, meta(said) == meta(told), "{number}: metadata changed: {shown}");
        self.require_server(number, told, word.child)
    }

    /// An error of the engine's own.
    fn modern_error(
        &mut self,
        number: usize,
        turn: usize,
        data: &[u8],
        status: Option<u16>,
    ) -> Judged {
        let shown = String::from_utf8_lossy(data);
        let id = self.judge_error(data)?;
        let early = status.is_some_and(|status| status >= 400) && self.shutdowns > 0;
        let known = &self.modern.turns[turn];
        let right = id == known.holes.id || early && id.is_none_or(|id| id == b"null");
        require!(Names, right, "{number}: an error for another id: {shown}");
        require!(EndsOnce, !known.is_over(), "{number}: an error after the answer: {shown}");
        let code = json::member(data, "error").and_then(|error| json::member(error, "code"));
        if self.is_refused(number, code.unwrap_or_default(), status)? {
            self.modern.turns[turn].failed = true;
            self.counts.modern.refused += 1;
            return Ok(());
        }
        if self.is_told_off(number, turn, code.unwrap_or_default(), status)? {
            self.modern.turns[turn].failed = true;
            return Ok(());
        }
        // After a shutdown nobody comes back.
        if status == Some(503) && self.shutdowns == 0 {
            self.give_state_back(turn);
        }
        self.require_modern_cause(number, turn, status)?;
        self.modern.turns[turn].failed = true;
        self.counts.modern.errors += 1;
        Ok(())
    }

    /// An error that the client brought about: true if it is one, and is right.
    fn is_told_off(
        &self,
        number: usize,
        turn: usize,
        code: &[u8],
        status: Option<u16>,
    ) -> Result<bool, Broken> {
        let known = &self.modern.turns[turn];
        let expected = match code {
            b"-32602" => {
                let good = known.retries.is_none_or(|retry| retry.good);
                let park = known.retries.and_then(|retry| retry.park);
                let early = park.and_then(|park| self.modern.parks[park].early);
                // An answer that came too early is kept if it is short.
                let dropped = early.is_some_and(|word| self.is_long(word));
                let unsure = !self.is_only() || known.crowded || dropped;
                require!(State, !good || unsure, "{number}: its state is good");
                200
            }
            b"-32601" => {
                let unknown = known.method == "tasks/get";
                require!(Cause, unknown, "{number}: {} is a method", known.method);
                404
            }
            b"-32021" => {
                let back = known.retries.and_then(|retry| retry.park);
                let back = back.is_some_and(|park| self.modern.parks[park].lacks);
                require!(Cause, back || known.lacks, "{number}: it lacks nothing");
                400
            }
            _ => return Ok(false),
        };
        let right = status.is_none_or(|status| status == expected);
        require!(Status, right, "{number}: {status:?}, not {expected}");
        Ok(true)
    }

    /// A child's answer may be longer than what is kept for a client that has to come back.
    fn is_long(&self, word: usize) -> bool {
        let length = self.modern.words[word].text.fill(&Holes::default()).len();
        length + super::super::stream::EXTRA > self.config.replay
    }

    /// An error has a cause, and a refusal for load a load.
    fn require_modern_cause(&self, number: usize, turn: usize, status: Option<u16>) -> Judged {
        let known = &self.modern.turns[turn];
        let Some(child) = known.child else {
            let failed = self.modern.failed_at.is_some_and(|at| at >= known.asked);
            // Starts that fail in the step of a request come before it.
            let broken = status == Some(503) && self.seen < self.breaker;
            let failed = failed || broken || self.is_start_failing();
            let cause = known.crowded || self.pressed || failed || self.shutdowns > 0;
            // A start may be older than the request that waits for it.
            let late = self.modern.turns.iter().any(|other| {
                other.child.is_none() && other.asked.after(self.config.start) <= self.seen
            });
            // One that is asked before its child gets it waits for its client.
            let full = may_ask(known.method) && self.are_parks_full();
            // One that came back waits for what else its child asks, and the child may end by then.
            let back = known.retries.filter(|retry| retry.good).and_then(|retry| retry.park);
            let left = back.is_some_and(|park| self.is_over(self.modern.parks[park].child));
            let cause = cause || full || left;
            require!(Cause, cause || late, "{number}: {status:?} without a reason");
            let told = status.is_none_or(|status| status >= 400);
            require!(Status, told, "{number}: {status:?} for what reached no child");
            return Ok(());
        };
        // Where calls wait, no more may than the limit says.
        let full = known.sent_away && self.are_parks_full();
        let cause = known.garbled || self.is_overdue(turn) || self.is_over(child) || full;
        require!(Cause, cause, "{number}: an error without a cause");
        Ok(())
    }
}

/// The status that goes with an answer that is the whole response.
fn status_of(data: &[u8]) -> u16 {
    let error = json::member(data, "error").unwrap_or_default();
    match json::member(error, "code").unwrap_or_default() {
        b"-32020" | b"-32021" | b"-32022" => 400,
        b"-32601" => 404,
        _ => 200,
    }
}
