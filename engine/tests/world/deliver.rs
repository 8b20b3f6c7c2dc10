//! What clients get, judged as it comes: heads, bodies, the ends of exchanges, and each message
//! in them. Streams are taken apart in `stream`.

use mcp_bridge::{Body, Eras, Response};

use super::World;
use super::json;
use super::law::{Broken, Judged, Law, require};
use super::model::{Ask, Call, Phase, Route, SaidKind, Version};
use super::modern::KIND;
use super::text::nonce;

/// Codes that the specification leaves to older implementations: none is to be minted.
const RESERVED: core::ops::RangeInclusive<i64> = -32_019..=-32_000;
/// Fields that are the driver's.
const DRIVERS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "date"];

impl World<'_> {
    pub(super) fn respond(&mut self, number: usize, response: Response) -> Judged {
        self.exchanges[number].status = response.status;
        self.judge_fields(number, &response)?;
        match &response.body {
            Body::Stream => self.open_stream(number, &response),
            Body::Whole(body) => {
                let exchange = &mut self.exchanges[number];
                exchange.phase = Phase::Done;
                exchange.gets(body);
                exchange.moved = self.seen;
                self.whole(number, &response, body)
            }
        }
    }

    fn judge_fields(&self, number: usize, response: &Response) -> Judged {
        let status = response.status;
        let get = |name: &str| {
            response.fields.iter().find(|(other, _)| *other == name).map(|(_, value)| &**value)
        };
        for (name, value) in response.fields.iter() {
            let token =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            require!(Head, !name.is_empty() && name.bytes().all(token), "field {name:?}");
            require!(Head, !DRIVERS.contains(name), "{name} is the driver's");
            let visible = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
            require!(Head, visible, "{name} is {value:?}");
            let once = response.fields.iter().filter(|(other, _)| other == name).count() == 1;
            require!(Head, once, "{name} comes twice");
        }
        let kind = get("content-type").unwrap_or_default();
        match &response.body {
            Body::Stream => {
                require!(Head, kind == "text/event-stream", "{number}: a stream of {kind:?}");
                let cached = get("cache-control").unwrap_or_default();
                let right = cached.contains("no-cache") && cached.contains("no-transform");
                require!(Head, right, "{number}: cache-control is {cached:?}");
                let accel = get("x-accel-buffering");
                require!(Head, accel == Some("no"), "{number}: x-accel-buffering is {accel:?}");
            }
            Body::Whole(body) if !body.is_empty() => {
                require!(Head, kind == "application/json", "{number}: content of {kind:?}");
            }
            Body::Whole(_) => {}
        }
        require!(Head, status != 405 || get("allow").is_some(), "{number}: 405 without Allow");
        let retry = get("retry-after");
        let health = self.exchanges[number].ask == Ask::Health;
        let told = status != 503 || retry.is_some() || health;
        require!(Head, told, "{number}: 503 without Retry-After");
        let opens = status == 200 && self.exchanges[number].ask == Ask::Initialize;
        let named = get("mcp-session-id");
        require!(Head, named.is_none() || opens, "{number}: a session id where none belongs");
        Ok(())
    }

    /// A whole response: its status fits, and so does its content.
    fn whole(&mut self, number: usize, response: &Response, body: &[u8]) -> Judged {
        let (status, ask) = (response.status, self.exchanges[number].ask.clone());
        self.judge_status(number, status)?;
        match ask {
            Ask::Initialize => self.judge_opening(number, response, body),
            Ask::Calls { .. } if status == 200 => self.answered(number, body),
            Ask::Calls { .. } => self.refused(number, body),
            Ask::Tell | Ask::Delete if (200..300).contains(&status) => {
                require!(Status, body.is_empty(), "{number}: {status} with content");
                Ok(())
            }
            Ask::Health => Ok(()),
            Ask::Modern(turn) => self.modern_whole(number, turn, response, body),
            Ask::Listen(listening) => self.listen_whole(number, listening, status, body),
            Ask::Resume { .. } if status == 204 => {
                let right = body.is_empty() && self.nothing_is_left(number, Call::may_be_settled);
                require!(Resume, right, "{number}: {status}, but something is left");
                Ok(())
            }
            Ask::Get | Ask::Resume { .. } | Ask::ResumeOdd if status < 300 => {
                require!(Status, false, "{number}: no stream for a GET");
                Ok(())
            }
            _ => self.refused(number, body),
        }
    }

    /// The status of a whole response is one that the judge expects.
    fn judge_status(&self, number: usize, status: u16) -> Judged {
        let exchange = &self.exchanges[number];
        let draining = status == 503 && (self.shutdowns > 0 || self.pressed);
        if let Ask::Wrong { statuses, why, .. } = exchange.ask {
            let gone = status == 404 && exchange.session.is_some() && !exchange.knew_alive;
            let era = status == 400 && self.may_refuse_for_era(why);
            let right = statuses.contains(&status) || draining || gone || era;
            require!(Status, right, "{number}: {status} for {why}");
            return Ok(());
        }
        if matches!(exchange.ask, Ask::Modern(_) | Ask::Listen(_)) {
            return Ok(());
        }
        if exchange.ask == Ask::Health {
            let told = matches!(status, 200 | 503);
            require!(Status, told, "{number}: {status} for a health check");
            return Ok(());
        }
        // A batch that could never be accepted may be judged before its session is.
        let told = self.told.iter().filter(|told| told.exchange == number).count();
        let too_many = status == 400 && told > self.config.calls;
        if exchange.knew_over {
            let right = status == 404 || draining || too_many;
            require!(Gone, right, "{number}: {status} in a session that is over");
        }
        let alive = exchange.knew_alive && status == 404;
        require!(Status, !alive, "{number}: 404 in a session that is alive");
        let right = match exchange.ask {
            Ask::Initialize => {
                let call = exchange.calls.first().copied();
                let lets = self.config.eras != Eras::Modern;
                let told = status == 200 || call.is_some_and(|call| self.is_declined(call));
                lets && told || status >= 500 || !lets && status == 400
            }
            Ask::Calls { .. } => {
                matches!(status, 200 | 404 | 500..=504)
                    || too_many
                    || status == 202 && self.is_cancelled(number)
            }
            Ask::Tell => {
                matches!(status, 202 | 404 | 503)
                    || too_many
                    || status == 400 && self.is_odd(number)
                    || status == 400 && exchange.session.is_none() && self.may_refuse_for_era(KIND)
            }
            Ask::Get => matches!(status, 404 | 409 | 503),
            Ask::Resume { .. } => matches!(status, 204 | 400 | 404 | 409 | 503),
            Ask::ResumeOdd => matches!(status, 400 | 404 | 409 | 503),
            Ask::Delete => matches!(status, 200 | 202 | 204 | 404 | 503),
            Ask::Health | Ask::Modern(_) | Ask::Listen(_) | Ask::Wrong { .. } => true,
        };
        require!(Status, right, "{number}: {status} for {:?}", exchange.ask);
        self.judge_load(number, status)
    }

    /// A refusal for load needs a load.
    fn judge_load(&self, number: usize, status: u16) -> Judged {
        let exchange = &self.exchanges[number];
        let taken = self.told.iter().any(|told| told.exchange == number && told.seen);
        if status != 503 || taken || exchange.crowded || self.pressed || self.shutdowns > 0 {
            return Ok(());
        }
        let ended = exchange.session.is_some_and(|session| self.is_ending(session));
        require!(Status, ended, "{number}: 503 without a reason");
        Ok(())
    }

    /// The child answered `initialize` with an error.
    pub(super) fn is_declined(&self, call: usize) -> bool {
        let call = &self.calls[call];
        let answer = call.answer.filter(|_| call.is_initialize);
        answer.is_some_and(|said| json::member(&self.said[said].expected, "error").is_some())
    }

    fn is_cancelled(&self, number: usize) -> bool {
        self.exchanges[number].calls.iter().any(|call| self.calls[*call].unwanted)
    }

    /// The session ended, or will, by something that the engine was told.
    pub(super) fn is_ending(&self, session: usize) -> bool {
        let known = &self.sessions[session];
        let late = !known.open && known.asked.after(self.config.start) <= self.seen;
        known.over || known.doomed || known.deleted || late || self.shutdowns > 0
    }

    /// The answer to `initialize` makes a session, or there is none.
    pub(super) fn opened(&mut self, number: usize, response: &Response, body: &[u8]) -> Judged {
        let Some(session) = self.exchanges[number].session else { return Ok(()) };
        let id = response.fields.iter().find(|(name, _)| *name == "mcp-session-id");
        let id = id.map(|(_, value)| value.to_string());
        let call = self.sessions[session].call;
        if self.crossing_in(body).is_some() {
            require!(Head, id.is_some(), "{number}: a session without an id");
            self.sessions[session].id = id;
            self.deliver(number, body, None)?;
            return self.require_fresh_id(session);
        }
        let Some(said) = self.calls[call].answer.filter(|_| nonce(body, b's').is_some()) else {
            require!(Head, id.is_none(), "{number}: a session id without an answer");
            self.sessions[session].over = true;
            return self.refused(number, body);
        };
        let declined = json::member(&self.said[said].expected, "error").is_some();
        require!(
            Head,
            declined == id.is_none(),
            "{number}: the session id does not fit the answer"
        );
        self.deliver(number, body, None)?;
        match id {
            Some(id) => self.open_session(session, id, said),
            None => self.declined(session),
        }
        self.require_fresh_id(session)
    }

    /// The version that the child chose in this answer.
    pub(super) fn version_in(&self, said: usize) -> Option<Version> {
        let result = json::member(&self.said[said].expected, "result")?;
        let version = json::member(result, "protocolVersion").and_then(json::unquote)?;
        Version::ALL.into_iter().find(|known| version == known.name())
    }

    pub(super) fn open_session(&mut self, session: usize, id: String, said: usize) {
        let version = self.version_in(said);
        self.sessions[session].id = Some(id);
        self.set_open(session, version);
    }

    pub(super) fn set_open(&mut self, session: usize, version: Option<Version>) {
        let known = &mut self.sessions[session];
        known.version = version;
        known.open = true;
        known.touched = self.seen;
        self.failed_starts = 0;
        self.counts.sessions += 1;
    }

    pub(super) fn require_fresh_id(&self, session: usize) -> Judged {
        let Some(id) = &self.sessions[session].id else { return Ok(()) };
        let visible = id.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        require!(Head, visible && id.len() >= 22, "the session id {id:?} is too weak");
        let twice = self.sessions.iter().filter(|other| other.id.as_ref() == Some(id)).count() > 1;
        require!(Head, !twice, "the session id {id} is given twice");
        Ok(())
    }

    /// A JSON body with all the answers.
    fn answered(&mut self, number: usize, body: &[u8]) -> Judged {
        let exchange = &self.exchanges[number];
        require!(Accept, exchange.json, "{number}: JSON, which the client does not accept");
        let batch = exchange.ask == Ask::Calls { batch: true };
        let calls = exchange.calls.clone();
        if let Some(pieces) = json::elements(body).filter(|_| batch) {
            for piece in pieces {
                self.deliver(number, piece, None)?;
            }
        } else {
            self.deliver(number, body, None)?;
        }
        for call in calls {
            let settled = self.calls[call].may_be_settled();
            require!(
                EveryRequestEnds,
                settled,
                "{number} is done without an answer to call {call}"
            );
        }
        Ok(())
    }

    /// A refusal: an error of the engine's own, and nothing reached a child.
    fn refused(&mut self, number: usize, body: &[u8]) -> Judged {
        let calls = self.exchanges[number].calls.clone();
        self.counts.refusals += 1;
        let cancelled = calls.iter().all(|call| self.calls[*call].unwanted) && !calls.is_empty();
        // A cancelled call ends without a response.
        let silent = cancelled && body.is_empty();
        if !silent {
            let id = self.judge_error(body)?;
            self.judge_error_id(number, &calls, id.as_deref())?;
            self.judge_refusal(number, body, id.as_deref())?;
        }
        for call in calls {
            if self.calls[call].child.is_some() && !silent {
                self.require_cause(call)?;
            }
            self.calls[call].failed = true;
        }
        let reached = self.told.iter().any(|told| told.exchange == number && told.seen);
        let may = !self.exchanges[number].calls.is_empty();
        require!(Refusal, !reached || may, "{number} was refused, but it reached the child");
        Ok(())
    }

    fn judge_error_id(&self, number: usize, calls: &[usize], id: Option<&[u8]>) -> Judged {
        let [call] = calls else { return Ok(()) };
        if self.exchanges[number].ask == (Ask::Calls { batch: true }) {
            return Ok(());
        }
        let asked = self.calls[*call].holes.id.as_deref();
        // Before the body is read, the id is not known.
        let early = self.exchanges[number].status == 404 || self.shutdowns > 0;
        let right = id == asked || early && id.is_none_or(|id| id == b"null");
        require!(Refusal, right, "{number}: an error for another id than {asked:?}: {id:?}");
        Ok(())
    }

    /// An error as the engine writes it; gives its id.
    pub(super) fn judge_error(&self, body: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let shown = String::from_utf8_lossy(body);
        require!(Refusal, json::valid(body), "no JSON: {shown:?}");
        let version = json::member(body, "jsonrpc").unwrap_or_default();
        require!(Refusal, version == b"\"2.0\"", "no JSON-RPC: {shown}");
        let error = json::member(body, "error").unwrap_or_default();
        let code = json::member(error, "code").map(String::from_utf8_lossy);
        let code = code.and_then(|code| code.parse::<i64>().ok());
        require!(Refusal, code.is_some(), "no code: {shown}");
        let reserved = code.is_some_and(|code| RESERVED.contains(&code));
        require!(Refusal, !reserved, "a code that is not ours: {shown}");
        let message = json::member(error, "message").and_then(json::unquote);
        require!(Refusal, message.is_some_and(|text| !text.is_empty()), "no reason: {shown}");
        Ok(json::member(body, "id").map(<[u8]>::to_vec))
    }

    /// One message that a client gets: of its child, or an error of the engine's.
    pub(super) fn deliver(
        &mut self,
        number: usize,
        data: &[u8],
        place: Option<(usize, usize)>,
    ) -> Judged {
        let Some(said) = nonce(data, b's') else {
            if let Some(child) = self.crossing_in(data) {
                return self.crossed(number, child, data);
            }
            let crossed = self.exchanges[number].session.is_some_and(|s| self.is_crossed(s));
            if crossed && (self.withdrawn(number, data)? || self.made_result(number, data)?) {
                return Ok(());
            }
            return self.deliver_error(number, data);
        };
        let shown = String::from_utf8_lossy(data).into_owned();
        require!(BytesUnchanged, said < self.said.len(), "{number}: no child said {shown}");
        let message = &self.said[said];
        require!(Prompt, message.heard.is_some(), "{number}: nobody said yet {shown}");
        let kind = message.kind;
        self.judge_route(number, said, place, &shown)?;
        let expected = &self.said[said].expected;
        let same = match kind {
            SaidKind::Question(_) => true,
            _ if self.is_crossed(self.said[said].session) => json::same_members(expected, data),
            _ => expected == data,
        };
        if !same && matches!(kind, SaidKind::Progress(_)) {
            require!(
                Progress,
                false,
                "{number}: {shown}, not {}",
                String::from_utf8_lossy(expected)
            );
        }
        require!(
            BytesUnchanged,
            same,
            "{number}: {shown}, not {}",
            String::from_utf8_lossy(expected)
        );
        if matches!(kind, SaidKind::Question(_)) {
            self.asked_upward(number, said, data)?;
        }
        self.said[said].seen = Some(place);
        if let SaidKind::Answer(call) = kind {
            self.calls[call].delivered = true;
            self.counts.answers += 1;
        }
        Ok(())
    }

    /// The message comes out where it may.
    fn judge_route(
        &mut self,
        number: usize,
        said: usize,
        place: Option<(usize, usize)>,
        shown: &str,
    ) -> Judged {
        let message = &self.said[said];
        let stream = place.map(|(stream, _)| stream);
        let of_call = |call: &Call| {
            call.exchange == number
                || stream.is_some() && self.exchanges[call.exchange].stream == stream
        };
        match (message.route, message.kind) {
            (Route::Never, SaidKind::Progress(_)) => {
                require!(Progress, false, "{number}: progress of no call in flight: {shown}");
            }
            (Route::Never, _) => {
                require!(
                    AnswerToAsker,
                    false,
                    "{number}: answers nothing ({:?}): {shown}",
                    message.kind
                );
            }
            (Route::Call(call), SaidKind::Answer(_)) => {
                let right = of_call(&self.calls[call]);
                require!(AnswerToAsker, right, "{number}: another's answer: {shown}");
            }
            (Route::Call(call), _) => {
                let right = of_call(&self.calls[call]);
                require!(Progress, right, "{number}: progress of another call: {shown}");
            }
            (Route::Exchange(right), _) => {
                self.counts.routed += 1;
                // What waited for a reader goes on to who takes its place.
                let right = right == number || self.exchanges[right].has_successor();
                require!(Route, right, "{number}: meant for another stream: {shown}");
            }
            (Route::Queue, _) => {
                require!(Route, place.is_some(), "{number}: in a JSON body: {shown}");
            }
            (Route::Any, _) => {}
        }
        Ok(())
    }

    /// An error that the engine made up: for a call of this exchange that is in flight.
    fn deliver_error(&mut self, number: usize, data: &[u8]) -> Judged {
        let id = self.judge_error(data)?.unwrap_or_default();
        let mut calls = self.calls_on(number);
        // Of two calls with one id, the error is for the one that has a reason to fail.
        calls.sort_by_key(|call| {
            let call = &self.calls[*call];
            let made = self.is_made_here(call) && self.has_upward_cause(call);
            let ended = call.garbled || call.cancelled || call.dropped;
            // An answer that nobody was there to read may be forgotten by now.
            (!made, !self.may_fail(call), !ended, call.answer.is_some())
        });
        let call = calls.into_iter().find(|call| {
            let call = &self.calls[*call];
            call.holes.id.as_ref() == Some(&id) && !call.delivered && !call.failed
        });
        let shown = String::from_utf8_lossy(data);
        let Some(call) = call else {
            require!(AnswerToAsker, false, "{number}: an error for nothing: {shown}");
            return Ok(());
        };
        self.require_cause(call)?;
        self.calls[call].failed = true;
        self.counts.errors += 1;
        Ok(())
    }

    fn require_cause(&self, call: usize) -> Judged {
        let call = &self.calls[call];
        require!(Cause, self.may_fail(call), "an error without a cause: {call:?}");
        Ok(())
    }

    /// Whether the engine has a reason to answer a call with an error.
    fn may_fail(&self, call: &Call) -> bool {
        let late = self.config.request.is_some_and(|limit| call.sent.after(limit) <= self.seen);
        let cause =
            late || self.has_upward_cause(call) || call.garbled || self.is_ending(call.session);
        let exchange = &self.exchanges[call.exchange];
        let refused = call.child.is_none() && exchange.crowded;
        // Answers to a batch are held for who takes only JSON, as long as one message may be.
        let held = exchange.calls.iter().filter_map(|call| self.calls[*call].answer);
        let held: usize = held.map(|said| self.said[said].expected.len()).sum();
        let batch = exchange.ask == (Ask::Calls { batch: true }) && !exchange.sse;
        let outgrown = batch && call.answer.is_some() && held > self.config.message;
        cause || refused || outgrown
    }
}
