//! Laws of the lines that shared children get: a client's request as it is, under ids and tokens
//! of the engine's own, and cancellations of what nobody waits for.

use super::super::World;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::text::nonce;

/// Begins what clients send that must be refused.
pub(super) const REFUSED: &[u8] = b"@z";

impl World<'_> {
    /// A line that a shared child gets.
    pub(in super::super) fn read_shared(&mut self, child: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let refused = line.windows(REFUSED.len()).any(|window| window == REFUSED);
        require!(Refusal, !refused, "a child gets what was refused: {shown}");
        let pipe = self.children[child].pipe;
        let private = self.children[child].session.is_some();
        require!(OwnCall, !private, "{pipe} is a session's, and gets {shown}");
        if !core::mem::replace(&mut self.modern.desks[child].shared, true) {
            self.modern.desks[child].began = self.seen;
        }
        if let Some(turn) = nonce(line, b'm') {
            return self.read_turn(child, turn, line);
        }
        let method = json::member(line, "method").and_then(json::unquote);
        match method.as_deref() {
            Some("notifications/cancelled") => self.read_shared_cancel(child, line),
            Some("server/discover") => self.read_discover(child, line),
            Some("initialize") => self.read_hello(child, line),
            None if self.modern.desks[child].greeted => {
                // What it asked can't be asked of anybody.
                let declines = json::member(line, "error").is_some();
                require!(StdinLines, declines, "{pipe}: nobody answered {shown}");
                Ok(())
            }
            _ => {
                require!(StdinLines, false, "{pipe}: nobody said {shown}");
                Ok(())
            }
        }
    }

    /// A client's request.
    fn read_turn(&mut self, child: usize, number: usize, line: &[u8]) -> Judged {
        let (shown, pipe) = (String::from_utf8_lossy(line), self.children[child].pipe);
        require!(StdinLines, number < self.modern.turns.len(), "{pipe}: nobody said {shown}");
        let turn = &self.modern.turns[number];
        require!(StdinLines, turn.child.is_none(), "{pipe}: a second time: {shown}");
        let left = self.exchanges[turn.exchange].lost_settled;
        require!(NothingAfterLoss, !left, "{pipe}: its client is gone: {shown}");
        require!(Refusal, !turn.is_over(), "{pipe}: it was answered already: {shown}");
        let ready = self.modern.desks[child].ready;
        require!(StdinLines, ready, "{pipe} was not asked for its era: {shown}");
        let holes = turn.text.read(line);
        require!(StdinLines, holes.is_some(), "{pipe}: changed: {shown}");
        let holes = holes.unwrap_or_default();
        let asked = turn.holes.token.is_some();
        self.new_id(child, holes.id.clone().unwrap_or_default())?;
        let right = holes.token.is_some() == asked;
        require!(StdinIds, right, "{pipe}: a token too many or too few: {shown}");
        let whole = holes.token.as_ref().is_none_or(|token| token.iter().all(u8::is_ascii_digit));
        require!(StdinIds, whole, "{pipe}: a client's own token: {shown}");
        let rival = self.modern.turns.iter().find(|rival| {
            rival.child == Some(child)
                && rival.in_flight()
                && holes.token.is_some()
                && rival.given.token == holes.token
        });
        require!(StdinIds, rival.is_none(), "{pipe}: two requests share a token: {shown}");
        let now = self.seen;
        let turn = &mut self.modern.turns[number];
        turn.child = Some(child);
        turn.given = holes;
        turn.sent = now;
        self.modern.desks[child].todo.push(number);
        Ok(())
    }

    /// Each request that a child gets has an integer id of its own.
    fn new_id(&mut self, child: usize, id: Vec<u8>) -> Judged {
        let pipe = self.children[child].pipe;
        let shown = String::from_utf8_lossy(&id).into_owned();
        let whole = !id.is_empty() && id.iter().all(u8::is_ascii_digit);
        require!(StdinIds, whole, "{pipe}: the id {shown} is no integer");
        let fresh = self.children[child].ids.insert(id);
        require!(StdinIds, fresh, "{pipe}: id {shown} twice");
        Ok(())
    }

    /// The engine asks for the era: first of all, and once.
    fn read_discover(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, pipe) = (String::from_utf8_lossy(line), self.children[child].pipe);
        let first = self.children[child].ids.is_empty();
        require!(StdinLines, first, "{pipe}: not the first request: {shown}");
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        self.new_id(child, id.clone())?;
        self.modern.desks[child].discover = Some(id);
        Ok(())
    }

    /// The engine makes the handshake of the session era: with a child that did not say that it
    /// speaks the stateless one.
    fn read_hello(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, pipe) = (String::from_utf8_lossy(line), self.children[child].pipe);
        let ready = self.modern.desks[child].was_ready;
        require!(StdinLines, !ready, "{pipe} told its era: {shown}");
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        self.new_id(child, id.clone())?;
        self.modern.desks[child].hello = Some(id);
        self.modern.desks[child].greeted = true;
        Ok(())
    }

    /// A cancellation names a request that nobody waits for any more, once.
    fn read_shared_cancel(&mut self, child: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let params = json::member(line, "params").unwrap_or_default();
        let target = json::member(params, "requestId").map(<[u8]>::to_vec);
        let found = (0..self.modern.turns.len()).rev().find(|turn| {
            let turn = &self.modern.turns[*turn];
            turn.child == Some(child) && turn.given.id == target
        });
        require!(Cancel, found.is_some(), "a cancellation of nothing: {shown}");
        let number = found.unwrap_or_default();
        let overdue = self.is_overdue(number);
        let turn = &self.modern.turns[number];
        require!(Cancel, !turn.cancelled, "a second time: {shown}");
        let answered = turn.answer.is_some() || turn.garbled;
        require!(Cancel, !answered || overdue || turn.aborted, "it was answered: {shown}");
        let exchange = &self.exchanges[turn.exchange];
        let cause = exchange.lost || turn.aborted || overdue;
        require!(Cancel, cause, "without a cause: {shown}");
        self.modern.turns[number].cancelled = true;
        self.counts.cancels += 1;
        Ok(())
    }
}
