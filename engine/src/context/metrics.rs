//! What is counted of each server, and of all requests: an output that is asked for. It decides
//! nothing.

use core::time::Duration;

use crate::api::cause::Cause;
use crate::api::handles::{Exit, Server};
use crate::api::stats::{Durations, OUTCOMES, ServerStats};
use crate::codec::message::Message;
use crate::table::Table;

/// The outcome of a call that its client cancelled.
pub(crate) const CANCELLED: &str = "cancelled";

/// Counters by label. Each has few labels, and clients can't add any.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    servers: Table<Server, Counted>,
    /// Refused requests, by status and reason.
    refused: Table<(u16, &'static str), u64>,
}

/// Why a session falls asleep.
const SLEEPS: [&str; 8] = [
    Cause::Idle.label(),
    Cause::Exited(Exit::Unknown).label(),
    Cause::StdoutClosed.label(),
    Cause::StdinClosed.label(),
    Cause::LineTooLong.label(),
    Cause::Memory.label(),
    Cause::Unused.label(),
    Cause::Room.label(),
];

/// What is counted of one server.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Calls that ended, by outcome.
    calls: Table<&'static str, u64>,
    /// Sessions and shared children that ended, by cause.
    ends: Table<&'static str, u64>,
    /// Sessions that fell asleep, by cause.
    sleeps: Table<&'static str, u64>,
    /// From a child's start to its first answer.
    starts: Durations,
    durations: Durations,
    pub(crate) opened: u64,
    pub(crate) woken: u64,
    pub(crate) shared: u64,
    pub(crate) failed_starts: u64,
    pub(crate) requests: u64,
}

impl Counts {
    pub(crate) fn of(&mut self, server: Server) -> &mut Counted {
        self.servers.or_default(server)
    }

    /// Forgets servers that are no more.
    pub(crate) fn retain(&mut self, keep: impl Fn(Server) -> bool) {
        self.servers.retain(|server, _| keep(*server));
    }

    pub(crate) fn refusal(&mut self, status: u16, reason: &'static str) {
        *self.refused.or_default((status, reason)) += 1;
    }

    pub(crate) fn refusals(&self, status: u16, reason: &'static str) -> u64 {
        self.refused.get(&(status, reason)).copied().unwrap_or_default()
    }

    /// The counters of a server; all of them are there from the start.
    pub(crate) fn stats(&self, server: Server) -> ServerStats {
        let none = Counted::default();
        let counted = self.servers.get(&server).unwrap_or(&none);
        let count = |table: &Table<&'static str, u64>, label: &'static str| {
            (label, table.get(label).copied().unwrap_or_default())
        };
        let outcomes = OUTCOMES.iter().map(|label| count(&counted.calls, label)).collect();
        let ends = Cause::LABELS.iter().map(|label| count(&counted.ends, label)).collect();
        let sleeps = SLEEPS.iter().map(|label| count(&counted.sleeps, label)).collect();
        ServerStats {
            server,
            sleeps,
            opened: counted.opened,
            woken: counted.woken,
            shared: counted.shared,
            failed_starts: counted.failed_starts,
            requests: counted.requests,
            outcomes,
            ends,
            starts: counted.starts,
            durations: counted.durations,
            ..ServerStats::default()
        }
    }
}

impl Counted {
    /// Counts a call that is over after this time.
    pub(crate) fn call(&mut self, outcome: &'static str, took: Duration) {
        *self.calls.or_default(outcome) += 1;
        self.durations.add(took);
    }

    /// Counts a call that ended with a response of the child.
    pub(crate) fn answer(&mut self, response: &Message<'_>, took: Duration) {
        self.call(if response.error().is_some() { "error" } else { "result" }, took);
    }

    pub(crate) fn sleep(&mut self, cause: &'static str) {
        *self.sleeps.or_default(cause) += 1;
    }

    pub(crate) fn end(&mut self, cause: &'static str) {
        *self.ends.or_default(cause) += 1;
    }

    pub(crate) fn start(&mut self, took: Duration) {
        self.starts.add(took);
    }
}
