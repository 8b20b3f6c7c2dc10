//! The laws of waiting: nobody waits longer than `Config` says, and of starts that are refused.

use core::time::Duration;

use mcp_bridge::{Instant, Response};

use super::World;
use super::law::{Broken, Judged, Law, require};
use super::model::{Ask, Exchange, Phase, Version};

/// How long a child was not read: pauses add up, and the time between them takes away from them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hold {
    sum: Duration,
    since: Instant,
    paused: bool,
}

impl Hold {
    pub(super) fn turn(&mut self, pauses: bool, now: Instant) {
        self.sum = self.so_far(now);
        (self.since, self.paused) = (now, pauses);
    }

    fn so_far(&self, now: Instant) -> Duration {
        let last = now.since(self.since);
        if self.paused { self.sum + last } else { self.sum.saturating_sub(last) }
    }
}

impl World<'_> {
    /// Whether others have waited for `stall` by now because this one reads slowly what a shared
    /// child writes.
    pub(super) fn keeps_waiting(&self, number: usize, now: Instant) -> bool {
        let turn = self.turn_of(number);
        let listening = self.listening_of(number);
        let child = turn.and_then(|turn| self.modern.turns[turn].child);
        let child = child.or_else(|| self.modern.listenings[listening?].child);
        let is_long = |hold: &Hold| hold.paused && hold.so_far(now) >= self.config.stall;
        let long = match child {
            Some(child) => is_long(&self.children[child].hold),
            // What the engine answers counts at a child that could have answered it.
            None => turn.is_some() && self.children.iter().any(|child| is_long(&child.hold)),
        };
        long && self.exchanges[number].untaken > 0
    }

    /// The answer to `initialize`. Each client here says something of its own, so what refuses a
    /// session is what no client can have caused.
    pub(super) fn judge_opening(
        &mut self,
        number: usize,
        response: &Response,
        body: &[u8],
    ) -> Judged {
        let refused = String::from_utf8_lossy(body).contains("failed at its last starts");
        let (count, limit) = (self.blameless, self.config.breaker_starts);
        require!(Breaker, !refused || count >= limit, "refused after {count} of {limit} failures");
        self.opened(number, response, body)
    }

    /// Nothing that the engine promised for this moment is still to come.
    pub(super) fn judge_waits(&self) -> Judged {
        for number in &self.open {
            let exchange = &self.exchanges[*number];
            if exchange.is_live() {
                self.judge_silence(*number, exchange)?;
                self.judge_patience(*number, exchange)?;
            }
        }
        self.judge_spares()
    }

    /// A silent call became a stream, a silent stream got a comment.
    fn judge_silence(&self, number: usize, exchange: &Exchange) -> Judged {
        let seen = self.seen;
        if exchange.phase == Phase::Streaming {
            let due = exchange.sent.after(self.config.keep_alive);
            let quiet = exchange.untaken > 0 || due > seen;
            require!(SignOfLife, quiet, "{number} is silent since {}", exchange.sent);
            return Ok(());
        }
        let Some(session) = exchange.session else { return Ok(()) };
        if !matches!(exchange.ask, Ask::Calls { .. }) || !exchange.sse {
            return Ok(());
        }
        let primes = self.sessions[session].version.is_some_and(Version::primes);
        let wait = if primes { self.config.promote_primed } else { self.config.promote };
        let late = exchange.asked.after(wait) <= seen;
        require!(SignOfLife, !late, "{number} waits since {} without a head", exchange.asked);
        Ok(())
    }

    /// Nobody waits longer than `Config` says.
    fn judge_patience(&self, number: usize, exchange: &Exchange) -> Judged {
        let seen = self.seen;
        let stalled = exchange.phase == Phase::Streaming
            && exchange.untaken > 0
            && exchange.moved.after(self.config.stall) <= seen;
        require!(Stall, !stalled, "{number} took nothing since {}", exchange.moved);
        if exchange.ask == Ask::Initialize {
            let declined = exchange.calls.iter().any(|call| self.is_declined(*call));
            let probe = if declined { self.config.probe } else { Duration::ZERO };
            let late = exchange.asked.after(self.config.start + probe) <= seen;
            require!(EveryRequestEnds, !late, "{number}: initialize since {}", exchange.asked);
        }
        if let Some(turn) = self.turn_of(number) {
            return self.judge_modern_patience(number, turn);
        }
        let Some(limit) = self.config.request else { return Ok(()) };
        // The answers to a batch may wait for the last of them.
        let calls = || exchange.calls.iter().map(|call| &self.calls[*call]);
        let last = calls().map(|call| call.sent).max().unwrap_or_default();
        for call in calls().filter(|call| !call.has_ended() && !call.is_initialize) {
            let late = last.after(limit) <= seen;
            require!(EveryRequestEnds, !late, "{number} runs since {}", call.asked);
        }
        Ok(())
    }
}
