//! The effects of sessions, shared children and streams: the configuration, the time, the waits,
//! the memory budget, the counters, the outputs and their responses, and what is reported to the
//! bridge. No table of sessions, processes or servers belongs here: each has an owner, and the
//! bridge owns what spans them.

pub(crate) mod backlog;
pub(crate) mod budget;
pub(crate) mod carrier;
pub(crate) mod ids;
pub(crate) mod metrics;
pub(crate) mod report;
pub(crate) mod responses;
pub(crate) mod timers;

use alloc::collections::VecDeque;

use crate::api::config::Config;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange};
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::api::response::{Body, Response};
use crate::api::stats::Stats;
use crate::context::budget::{Budget, MESSAGES};
use crate::context::carrier::Reply;
use crate::context::metrics::Counts;
use crate::context::report::Report;
use crate::context::responses::Responses;
use crate::context::timers::Timers;
use crate::http::admission::Arrival;
use crate::http::cors;
use crate::http::fault::Fault;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    /// How many calls wait for input. Their number is limited as the memory is (`Config::parked`).
    pub(crate) parked: usize,
    pub(crate) now: Instant,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    outputs: VecDeque<Output>,
    /// The part of the outputs that ends later: responses on their way.
    pub(crate) responses: Responses,
    /// Outputs for the bridge. Empty between inputs.
    pub(crate) reports: VecDeque<Report>,
}

impl Context {
    pub(crate) fn new(mut config: Config) -> Self {
        config.message = config.message.min(config.budget / MESSAGES);
        Self {
            budget: Budget::new(config.budget, config.message),
            config,
            now: Instant::default(),
            timers: Timers::default(),
            stats: Stats::default(),
            counts: Counts::default(),
            responses: Responses::default(),
            parked: 0,
            reports: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() && self.outputs.capacity() > 64 {
            self.outputs = VecDeque::new();
        }
        output
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.push(Output::Notice(notice));
    }

    /// Answers a request at once, and waits for the response to be delivered.
    pub(crate) fn answer(&mut self, exchange: Exchange, origin: Option<&str>, response: Response) {
        if let Body::Whole(body) = &response.body {
            self.owe(Reply::answer(exchange, body.len(), self));
        }
        self.respond(exchange, origin, response);
    }

    /// Answers a request that was let in.
    pub(crate) fn answer_to(&mut self, from: Arrival<'_>, response: Response) {
        self.answer(from.exchange, from.head.origin, response);
    }

    /// Sends a response, readable by a page of the given origin.
    pub(crate) fn respond(
        &mut self,
        exchange: Exchange,
        origin: Option<&str>,
        mut response: Response,
    ) {
        cors::expose(origin, &mut response);
        self.push(Output::Respond { exchange, response });
    }

    /// Moves everything known under a gone process's number to another process's.
    pub(crate) fn rename(&mut self, old: ChildId, new: ChildId) {
        self.timers.rename(old, new);
        self.responses.rename(old, new);
    }

    /// Counts a refusal, and logs it as each one is.
    pub(crate) fn refused(&mut self, fault: &Fault) {
        let notice = self.count_refusal(fault);
        self.notice(notice);
    }

    /// Counts a refusal. Returns the notice that is logged for each.
    pub(crate) fn count_refusal(&mut self, fault: &Fault) -> Notice {
        self.stats.refused += 1;
        self.counts.refusal(fault.status(), fault.label());
        let reason = fault.logged(&self.config.remedies).into();
        Notice::Refused { status: fault.status(), reason }
    }

    /// When the next wait is due.
    pub(crate) fn next_wait(&self) -> Option<Instant> {
        match (self.timers.next(), self.responses.due()) {
            (Some(wait), Some(due)) => Some(wait.min(due)),
            (wait, due) => wait.or(due),
        }
    }

    /// Whether nothing is left to send or deliver.
    pub(crate) fn is_idle(&self) -> bool {
        self.responses.is_empty() && self.outputs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_was_long_once_is_given_back_when_it_is_empty() {
        let mut cx = Context::new(Config::default());
        for number in 0..100 {
            cx.push(Output::Kill { child: ChildId(number) });
        }
        for left in (0..100).rev() {
            assert!(cx.outputs.capacity() > 64);
            assert!(cx.pop().is_some());
            assert_eq!(cx.outputs.len(), left);
        }
        assert_eq!(cx.outputs.capacity(), 0);
        cx.push(Output::Kill { child: ChildId(0) });
        assert!(cx.pop().is_some() && cx.outputs.capacity() > 0);
    }
}
