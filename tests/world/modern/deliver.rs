//! Laws of what clients of the stateless era get: each answer, report and log message is of their
//! own request, under the names that they chose.

use hyper_mcp_proxy::Response;

use super::super::World;
use super::super::events::Block;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::model::Phase;
use super::super::text::nonce;
use super::{To, WordKind};

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
        let accepted = exchange.json || response.status >= 400;
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
            return self.modern_error(number, turn, data, status);
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

    /// The message is of this request, and of no other.
    fn require_own(&self, number: usize, turn: usize, word: usize, data: &[u8]) -> Judged {
        let known = &self.modern.words[word];
        let shown = String::from_utf8_lossy(data);
        let echo = nonce(data, b'm');
        let own = echo.is_none_or(|echo| echo == turn);
        require!(OwnCall, own, "{number} is request {turn}, and gets {shown}");
        require!(Prompt, known.heard.is_some(), "{number}: nobody said yet {shown}");
        let right = match known.to {
            To::Turn(of) | To::Maybe(of) => of == turn,
            To::Any => matches!(known.kind, WordKind::Log(of) if self.wants_log(turn, of)),
            To::Nobody => false,
        };
        if matches!(known.kind, WordKind::Log(_)) {
            require!(Attribution, right, "{number}: a log message of nobody's: {shown}");
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
        if known.text.fill(&turn.holes).trim_ascii() == data {
            return Ok(());
        }
        let named = known.text.read(data).is_none();
        require!(Names, named, "{number}: another id or token: {shown}");
        require!(BytesUnchanged, false, "{number}: changed: {shown}");
        Ok(())
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
        self.require_modern_cause(number, turn, status)?;
        self.modern.turns[turn].failed = true;
        self.counts.modern.errors += 1;
        Ok(())
    }

    /// An error has a cause, and a refusal for load a load.
    fn require_modern_cause(&self, number: usize, turn: usize, status: Option<u16>) -> Judged {
        let known = &self.modern.turns[turn];
        let Some(child) = known.child else {
            let failed = self.modern.failed_at.is_some_and(|at| at >= known.asked);
            let cause = known.crowded || failed || self.is_start_failing() || self.shutdowns > 0;
            // A start may be older than the request that waits for it.
            let late = self.modern.turns.iter().any(|other| {
                other.child.is_none() && other.asked.after(self.config.start) <= self.seen
            });
            require!(Cause, cause || late, "{number}: {status:?} without a reason");
            let told = status.is_none_or(|status| status >= 400);
            require!(Status, told, "{number}: {status:?} for what reached no child");
            return Ok(());
        };
        let cause = known.garbled || self.is_overdue(turn) || self.is_over(child);
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
