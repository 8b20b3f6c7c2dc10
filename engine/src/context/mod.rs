//! What sessions, shared children and streams work with: the limits, the time, the outputs, the
//! waits, the memory that peers have together, what is known of each command, and which exchange
//! belongs to whom. What more than one of them has to see or change belongs here; a decision of one
//! of them does not.

pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod carrier;
pub(crate) mod commands;
pub(crate) mod knowledge;
pub(crate) mod metrics;
pub(crate) mod owed;
pub(crate) mod refusals;
pub(crate) mod timers;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::api::admit::Refusal;
use crate::api::config::Config;
use crate::api::event::Notice;
use crate::api::handles::{Exchange, Pipe, Server};
use crate::api::head::Head;
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::api::response::{Body, Response};
use crate::api::stats::Stats;
use crate::context::breaker::Breaker;
use crate::context::budget::{Budget, MESSAGES};
use crate::context::carrier::Reply;
use crate::context::commands::Servers;
use crate::context::metrics::Counts;
use crate::context::owed::Owed;
use crate::context::refusals::Told;
use crate::context::timers::Timers;
use crate::http::admission::{self, Admitted, Asks};
use crate::http::cors;
use crate::http::fault::Fault;
use crate::table::Table;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) now: Instant,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    /// Of each exchange that still matters, the session's child and the stream's number.
    pub(crate) exchanges: Table<Exchange, (Pipe, u64)>,
    /// Exchanges that are over but for what their peers have not taken.
    pub(crate) owed: Owed,
    /// Of each call that waits for input, by what names it to its client: its child, and its
    /// number there.
    pub(crate) parks: Table<u128, (Pipe, u64)>,
    /// Shared children that take no new requests, until they are ended.
    pub(crate) spent: Vec<Pipe>,
    pub(crate) servers: Servers,
    /// Starts that failed.
    pub(crate) breaker: Breaker,
    /// Refusals that the operator was told of.
    told: Told,
    outputs: VecDeque<Output>,
    last_pipe: u64,
}

impl Context {
    pub(crate) fn new(mut config: Config) -> Self {
        config.message = config.message.min(config.budget / MESSAGES);
        Self {
            budget: Budget::new(config.budget, config.message),
            servers: Servers::one(&config.endpoint, config.eras),
            config,
            now: Instant::default(),
            timers: Timers::default(),
            stats: Stats::default(),
            counts: Counts::default(),
            exchanges: Table::default(),
            owed: Owed::default(),
            parks: Table::default(),
            spent: Vec::new(),
            breaker: Breaker::default(),
            told: Told::default(),
            outputs: VecDeque::new(),
            last_pipe: 0,
        }
    }

    /// Judges a head by the rules.
    pub(crate) fn admit<'a>(&self, head: &Head<'a>) -> Result<Admitted<'a>, Fault> {
        let path = self.servers.named(head.path);
        let named = Head { path: path.unwrap_or(head.path), ..*head };
        admission::admit(&named, path.is_some(), &self.config)
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

    /// Answers a request at once, and waits for the answer to be delivered.
    pub(crate) fn answer(&mut self, exchange: Exchange, origin: Option<&str>, response: Response) {
        if let Body::Whole(body) = &response.body {
            let share = self.budget.share_of(body.len());
            self.owed.add(exchange, share, self.now, self.config.stall);
        }
        self.respond(exchange, origin, response);
    }

    /// Sends a response; a page of the given origin may read it.
    pub(crate) fn respond(
        &mut self,
        exchange: Exchange,
        origin: Option<&str>,
        mut response: Response,
    ) {
        cors::expose(origin, &mut response);
        self.push(Output::Respond { exchange, response });
    }

    /// Refuses a request and counts it.
    pub(crate) fn refuse(
        &mut self,
        exchange: Exchange,
        origin: Option<&str>,
        fault: &Fault,
        id: Option<&[u8]>,
    ) {
        self.refused(fault);
        self.answer(exchange, origin, fault.response(id));
    }

    /// A client is kept off for its era, which the operator is told once.
    pub(crate) fn era_refused(&mut self, server: Server) {
        if self.servers.is_first_refusal(server) {
            let (endpoint, eras) = (self.servers.path(server).into(), self.servers.eras(server));
            self.notice(Notice::EraRefused { endpoint, eras });
        }
    }

    /// A number for another process.
    pub(crate) const fn fresh_pipe(&mut self) -> Pipe {
        self.last_pipe += 1;
        Pipe(self.last_pipe)
    }

    /// What is known by the number of a process that is gone goes on by that of another.
    pub(crate) fn rename(&mut self, old: Pipe, new: Pipe) {
        self.timers.rename(old, new);
        for (_, (pipe, _)) in self.exchanges.iter_mut().filter(|(_, (pipe, _))| *pipe == old) {
            *pipe = new;
        }
        for (_, (pipe, _)) in self.parks.iter_mut().filter(|(_, (pipe, _))| *pipe == old) {
            *pipe = new;
        }
        for pipe in self.spent.iter_mut().filter(|pipe| **pipe == old) {
            *pipe = new;
        }
    }

    /// The refusal of a request whose random bytes name something already. The operator is told.
    pub(crate) fn random_in_use(&mut self) -> Fault {
        let rule = "the random bytes of each request are fresh";
        self.notice(Notice::Misuse { rule });
        Fault::Random
    }

    /// The most bytes that the body of such a request may have.
    pub(crate) fn body_limit(&self, asks: Asks) -> usize {
        if asks == Asks::Post { self.config.message } else { 0 }
    }

    /// Counts a refusal, and tells the operator.
    pub(crate) fn refused(&mut self, fault: &Fault) {
        if let Some(notice) = self.count_refusal(fault) {
            self.notice(notice);
        }
        self.notice(refused(fault));
    }

    /// Counts the refusal of a head. The caller tells the operator.
    pub(crate) fn refusal(&mut self, fault: &Fault) -> Refusal {
        let event = self.count_refusal(fault).unwrap_or_else(|| refused(fault));
        Refusal { response: fault.response(None), event }
    }

    /// Counts a refusal. What the operator is told of it that is not told of each.
    fn count_refusal(&mut self, fault: &Fault) -> Option<Notice> {
        self.stats.refused += 1;
        self.counts.refusal(fault.status(), fault.label());
        self.told.refusal(fault, self.now)
    }

    /// All is said to an exchange, and its peer may not have all of it.
    pub(crate) fn owe(&mut self, reply: Reply) {
        // Who had taken everything is given the end of it now.
        let moved = if reply.waiting() == 0 { self.now } else { reply.moved };
        let exchange = reply.exchange;
        self.owed.add(exchange, reply.into_share(), moved, self.config.stall);
    }

    /// The peer of an exchange that is over gets no more of it.
    pub(crate) fn foreclose(&mut self, exchange: Exchange) {
        if self.owed.end(exchange) {
            self.push(Output::Abort { exchange });
        }
    }

    /// Breaks off the responses whose peers took nothing for too long.
    pub(crate) fn end_stalled(&mut self) {
        for exchange in self.owed.stalled(self.now, self.config.stall) {
            self.foreclose(exchange);
            self.notice(Notice::Undelivered { exchange });
        }
    }

    /// When the next wait is due.
    pub(crate) fn next_wait(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.owed.due()).min()
    }

    /// Whether nothing is left to be said, or to be delivered.
    pub(crate) fn is_idle(&self) -> bool {
        self.exchanges.is_empty() && self.owed.is_empty() && self.outputs.is_empty()
    }
}

/// What the operator is told of each refusal.
fn refused(fault: &Fault) -> Notice {
    Notice::Refused { status: fault.status(), reason: fault.told().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_was_long_once_is_given_back_when_it_is_empty() {
        let mut cx = Context::new(Config::default());
        for number in 0..100 {
            cx.push(Output::Kill { pipe: Pipe(number) });
        }
        for left in (0..100).rev() {
            assert!(cx.outputs.capacity() > 64);
            assert!(cx.pop().is_some());
            assert_eq!(cx.outputs.len(), left);
        }
        assert_eq!(cx.outputs.capacity(), 0);
        cx.push(Output::Kill { pipe: Pipe(0) });
        assert!(cx.pop().is_some() && cx.outputs.capacity() > 0);
    }
}
