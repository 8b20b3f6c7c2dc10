//! State shared by sessions, shared children and streams: the limits, the time, the outputs, the
//! waits, the memory budget, what is known of each command, and the owner of each exchange. State
//! that more than one of them reads or changes belongs here; decisions of one of them do not.

pub(crate) mod backlog;
pub(crate) mod budget;
pub(crate) mod carrier;
pub(crate) mod commands;
pub(crate) mod ids;
pub(crate) mod knowledge;
pub(crate) mod metrics;
pub(crate) mod offer;
pub(crate) mod report;
pub(crate) mod responses;
pub(crate) mod timers;

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::api::config::Config;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange, Server};
use crate::api::head::Head;
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::api::response::{Body, Response};
use crate::api::stats::Stats;
use crate::context::budget::{Budget, MESSAGES};
use crate::context::carrier::Reply;
use crate::context::commands::Servers;
use crate::context::metrics::Counts;
use crate::context::report::Report;
use crate::context::responses::Responses;
use crate::context::timers::Timers;
use crate::http::admission::{self, Admitted};
use crate::http::cors;
use crate::http::fault::Fault;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) now: Instant,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    pub(crate) responses: Responses,
    /// How many calls wait for input, of those that may (`Config::parked`).
    pub(crate) parked: usize,
    /// Empty between inputs.
    pub(crate) reports: VecDeque<Report>,
    pub(crate) servers: Servers,
    outputs: VecDeque<Output>,
}

impl Context {
    /// How long a session or shared process of a server may be unused.
    pub(crate) fn idle_limit(&self, server: Server) -> Option<Duration> {
        let own = self.servers.limits(server).idle;
        own.map_or(self.config.idle, |idle| Some(idle).filter(|idle| !idle.is_zero()))
    }

    /// How long a call to a server may run.
    pub(crate) fn request_limit(&self, server: Server) -> Option<Duration> {
        let own = self.servers.limits(server).request;
        own.map_or(self.config.request, |wait| Some(wait).filter(|wait| !wait.is_zero()))
    }

    pub(crate) fn new(mut config: Config) -> Self {
        config.message = config.message.min(config.budget / MESSAGES);
        Self {
            budget: Budget::new(config.budget, config.message),
            servers: Servers::one(&config),
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

    /// Checks a request head.
    pub(crate) fn admit<'a>(&self, head: &Head<'a>) -> Result<Admitted<'a>, Fault> {
        let (path, session) = head.place();
        let named = self.servers.named(path);
        let head = Head { path: named.map_or(path, |(path, _)| path), ..*head };
        admission::admit(&head, named.map(|(_, transport)| transport), session, &self.config)
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
