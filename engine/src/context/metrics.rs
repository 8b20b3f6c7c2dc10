//! Metrics for operators, in the Prometheus text exposition format.

use alloc::string::String;
use core::fmt::Write;
use core::time::Duration;

use serde_json::Value;

use crate::api::stats::Stats;
use crate::codec::message::Message;
use crate::table::Table;

/// The outcome of a call that its client cancelled.
pub(crate) const CANCELLED: &str = "cancelled";

/// Counters by label. Each has few labels, and clients can't add any.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls that ended, by outcome.
    calls: Table<&'static str, u64>,
    /// Sessions and shared children that ended, by cause.
    ends: Table<&'static str, u64>,
    /// Refused requests, by status and reason.
    refused: Table<(u16, &'static str), u64>,
    /// The total time of children until their first answer, and their number.
    starting: Duration,
    started: u64,
}

impl Counts {
    pub(crate) fn call(&mut self, outcome: &'static str) {
        *self.calls.or_default(outcome) += 1;
    }

    /// Counts a call that ended with a response of the child.
    pub(crate) fn answer(&mut self, response: &Message<'_>) {
        self.call(if response.error().is_some() { "error" } else { "result" });
    }

    pub(crate) fn end(&mut self, cause: &'static str) {
        *self.ends.or_default(cause) += 1;
    }

    pub(crate) fn refusal(&mut self, status: u16, reason: &'static str) {
        *self.refused.or_default((status, reason)) += 1;
    }

    pub(crate) const fn start(&mut self, took: Duration) {
        self.starting = self.starting.saturating_add(took);
        self.started += 1;
    }

    /// Formats all metrics.
    pub(crate) fn text(&self, stats: &Stats, buffered: usize) -> String {
        let mut text = String::new();
        for (name, help, value) in [
            ("sessions", "Sessions that are open or starting.", stats.sessions),
            ("children", "Server processes that run, start or end.", stats.children),
            ("calls_in_flight", "Requests that wait for their answer.", stats.calls),
            ("buffered_bytes", "Bytes that are held for peers.", buffered),
        ] {
            single(&mut text, name, help, "gauge", value as u64);
        }
        for (name, help, value) in [
            ("sessions_opened_total", "Sessions that were opened.", stats.opened),
            ("failed_starts_total", "Servers that did not start.", stats.failed_starts),
            ("requests_total", "Requests that reached a server.", stats.requests),
            ("dropped_total", "Messages of servers that nobody could be given.", stats.dropped),
        ] {
            single(&mut text, name, help, "counter", value);
        }
        labelled(&mut text, "calls_total", "Calls that ended.", "outcome", &self.calls);
        labelled(&mut text, "ends_total", "Sessions and servers that ended.", "cause", &self.ends);
        header(&mut text, "refused_total", "Requests refused.", "counter");
        for ((status, reason), value) in self.refused.iter() {
            let name = "mcp_proxy_refused_total";
            let _ = writeln!(text, "{name}{{status=\"{status}\",reason=\"{reason}\"}} {value}");
        }
        header(&mut text, "start_seconds", "From a server's start to its first answer.", "summary");
        // Formats the number as JSON does: the standard library's float formatting adds 10 KB.
        let (sum, count) = (Value::from(self.starting.as_secs_f64()), self.started);
        let _ = writeln!(text, "mcp_proxy_start_seconds_sum {sum}");
        let _ = writeln!(text, "mcp_proxy_start_seconds_count {count}");
        text
    }
}

// Writing into a string can't fail.
fn header(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP mcp_proxy_{name} {help}\n# TYPE mcp_proxy_{name} {kind}");
}

fn single(text: &mut String, name: &str, help: &str, kind: &str, value: u64) {
    header(text, name, help, kind);
    let _ = writeln!(text, "mcp_proxy_{name} {value}");
}

fn labelled(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    values: &Table<&'static str, u64>,
) {
    header(text, name, help, "counter");
    for (of, value) in values.iter() {
        let _ = writeln!(text, "mcp_proxy_{name}{{{label}=\"{of}\"}} {value}");
    }
}
