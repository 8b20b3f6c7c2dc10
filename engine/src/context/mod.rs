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
pub(crate) mod refusals;
pub(crate) mod report;
pub(crate) mod responses;
pub(crate) mod timers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use crate::api::admit::Refusal;
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
use crate::context::ids::CallId;
use crate::context::metrics::Counts;
use crate::context::refusals::RefusalLog;
use crate::context::report::Report;
use crate::context::responses::Responses;
use crate::context::timers::Timers;
use crate::http::admission::{self, Admitted, Asks};
use crate::http::cors;
use crate::http::fault::Fault;
use crate::table::Table;

/// Where a call is that waits for input.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) child: ChildId,
    /// Its number at the child.
    pub(crate) call: CallId,
    /// The path where it was made: at another it is unknown.
    pub(crate) path: Arc<str>,
}

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) budget: Budget,
    pub(crate) now: Instant,
    pub(crate) timers: Timers,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    pub(crate) responses: Responses,
    /// The calls that wait for input, by the `requestState` sent to each client.
    pub(crate) parks: Table<u128, Parked>,
    /// Empty between inputs.
    pub(crate) reports: VecDeque<Report>,
    pub(crate) servers: Servers,
    /// Refusals that were logged.
    refusal_log: RefusalLog,
    outputs: VecDeque<Output>,
    last_child: u64,
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
            parks: Table::default(),
            reports: VecDeque::new(),
            refusal_log: RefusalLog::default(),
            outputs: VecDeque::new(),
            last_child: 0,
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

    /// Refuses a request and counts the refusal.
    pub(crate) fn refuse(
        &mut self,
        exchange: Exchange,
        origin: Option<&str>,
        fault: &Fault,
        id: Option<&[u8]>,
    ) {
        self.refused(fault);
        self.answer(exchange, origin, fault.response(id, &self.config.remedies));
    }

    /// Logs, once per server, that a client was refused for its era.
    pub(crate) fn era_refused(&mut self, server: Server) {
        if self.servers.is_first_refusal(server) {
            let (endpoint, eras) = (self.servers.path(server).into(), self.servers.eras(server));
            self.notice(Notice::EraRefused { endpoint, eras });
        }
    }

    /// Returns the number of a new process.
    pub(crate) const fn fresh_child(&mut self) -> ChildId {
        self.last_child += 1;
        ChildId(self.last_child)
    }

    /// Moves everything known under a gone process's number to another process's.
    pub(crate) fn rename(&mut self, old: ChildId, new: ChildId) {
        self.timers.rename(old, new);
        self.responses.rename(old, new);
        for (_, parked) in self.parks.iter_mut().filter(|(_, parked)| parked.child == old) {
            parked.child = new;
        }
    }

    /// The refusal of a request whose random bytes are already in use. It is logged.
    pub(crate) fn random_in_use(&mut self) -> Fault {
        let rule = "the random bytes of a request are fresh; one is refused";
        self.notice(Notice::Misuse { rule });
        Fault::Random
    }

    /// The largest allowed body of such a request, in bytes.
    pub(crate) fn body_limit(&self, asks: Asks) -> usize {
        if asks == Asks::Post { self.config.message } else { 0 }
    }

    /// The notice that is logged for each refusal.
    fn refusal_notice(&self, fault: &Fault) -> Notice {
        let reason = fault.logged(&self.config.remedies).into();
        Notice::Refused { status: fault.status(), reason }
    }

    /// Counts and logs a refusal.
    pub(crate) fn refused(&mut self, fault: &Fault) {
        if let Some(notice) = self.count_refusal(fault) {
            self.notice(notice);
        }
        self.notice(self.refusal_notice(fault));
    }

    /// Counts the refusal of a head. The caller logs it.
    pub(crate) fn refusal(&mut self, fault: &Fault) -> Refusal {
        let event = self.count_refusal(fault).unwrap_or_else(|| self.refusal_notice(fault));
        Refusal { response: fault.response(None, &self.config.remedies), event }
    }

    /// Counts a refusal. Returns a notice that is logged beside the line for each refusal, if it is
    /// due.
    fn count_refusal(&mut self, fault: &Fault) -> Option<Notice> {
        self.stats.refused += 1;
        self.counts.refusal(fault.status(), fault.label());
        self.refusal_log.refusal(fault, self.now)
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
