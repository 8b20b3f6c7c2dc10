//! The page of metrics, in the Prometheus text exposition format.
//!
//! Every metric and every label is there from the start, so that a rate of what has not happened
//! yet is zero and not missing.

use std::fmt::{Display, Write};
use std::time::Duration;

use mcp_bridge::{Durations, ServerStats, Stats};
use serde_json::Value;

/// The start of every name.
const PREFIX: &str = "mcp_proxy_";

/// What the driver knows by itself.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) buffered: usize,
    pub(crate) budget: usize,
    pub(crate) max_sessions: usize,
    pub(crate) connections: usize,
    pub(crate) max_connections: usize,
    pub(crate) is_draining: bool,
    pub(crate) uptime: Duration,
}

/// The page. Each server comes with its name.
pub(crate) fn text(
    gauges: &Gauges,
    stats: &Stats,
    servers: &[(String, ServerStats)],
    refusals: impl Iterator<Item = (u16, &'static str, u64)>,
) -> String {
    let mut page = Page(String::new());
    page.head("build_info", "gauge", "The version of the program.");
    page.value("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauges(gauges);
    page.of_servers(servers);
    page.head("dropped_total", "counter", "Messages of servers that no client read.");
    page.value("dropped_total", &[], stats.dropped);
    page.head("refused_total", "counter", "Requests that were refused.");
    for (status, reason, count) in refusals {
        page.value("refused_total", &[("status", &status.to_string()), ("reason", reason)], count);
    }
    page.0
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(PREFIX);
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            for c in value.chars() {
                match c {
                    '\n' => self.0.push_str("\\n"),
                    '"' | '\\' => self.0.extend(['\\', c]),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    fn gauges(&mut self, gauges: &Gauges) {
        let draining = usize::from(gauges.is_draining);
        for (name, help, value) in [
            ("max_sessions", "The limit of sessions (--max-sessions).", gauges.max_sessions),
            ("connections", "Connections that are open.", gauges.connections),
            ("max_connections", "The limit of connections.", gauges.max_connections),
            ("buffered_bytes", "Bytes that are held for peers.", gauges.buffered),
            ("max_buffered_bytes", "The limit of these bytes (--max-memory).", gauges.budget),
            ("draining", "Whether the program is shutting down.", draining),
        ] {
            self.head(name, "gauge", help);
            self.value(name, &[], value);
        }
        self.head("uptime_seconds", "gauge", "Seconds since the program started.");
        self.value("uptime_seconds", &[], seconds(gauges.uptime));
    }

    fn of_servers(&mut self, servers: &[(String, ServerStats)]) {
        type One = fn(&ServerStats) -> u64;
        let all: [(&str, &str, &str, One); 11] = [
            ("sessions", "gauge", "Sessions, open or starting.", |s| s.sessions as u64),
            ("sessions_asleep", "gauge", "Sessions without a process.", |s| s.asleep as u64),
            ("children", "gauge", "Child processes that start, run or end.", |s| s.children as u64),
            ("calls_in_flight", "gauge", "Requests without an answer yet.", |s| s.calls as u64),
            (
                "server_failing",
                "gauge",
                "Whether starts are refused because earlier ones failed.",
                |s| u64::from(s.fails),
            ),
            ("sessions_opened_total", "counter", "Sessions that were opened.", |s| s.opened),
            ("sessions_woken_total", "counter", "Sessions that woke from sleep.", |s| s.woken),
            (
                "sessions_shared_total",
                "counter",
                "Sessions that opened or woke at a process in use.",
                |s| s.shared,
            ),
            ("failed_starts_total", "counter", "Starts that failed.", |s| s.failed_starts),
            ("requests_total", "counter", "Requests that reached a server.", |s| s.requests),
            ("starts_total", "counter", "Starts that succeeded.", |s| count(&s.starts)),
        ];
        for (name, kind, help, of) in all {
            self.head(name, kind, help);
            for (server, stats) in servers {
                self.value(name, &[("server", server)], of(stats));
            }
        }
        self.head("calls_total", "counter", "Calls that ended, by outcome.");
        for (server, stats) in servers {
            for (outcome, count) in &stats.outcomes {
                self.value("calls_total", &[("server", server), ("outcome", outcome)], count);
            }
        }
        self.head("sleeps_total", "counter", "Sessions that fell asleep, by cause.");
        for (server, stats) in servers {
            for (cause, count) in &stats.sleeps {
                self.value("sleeps_total", &[("server", server), ("cause", cause)], count);
            }
        }
        self.head("ends_total", "counter", "Sessions and shared processes that ended, by cause.");
        for (server, stats) in servers {
            for (cause, count) in &stats.ends {
                self.value("ends_total", &[("server", server), ("cause", cause)], count);
            }
        }
        let help = "Seconds from a request to its answer, or to the end of the wait for it.";
        self.histogram("call_seconds", help, servers, |stats| &stats.durations);
        let help = "Seconds from the start of a child process to its first answer.";
        self.histogram("start_seconds", help, servers, |stats| &stats.starts);
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        servers: &[(String, ServerStats)],
        of: fn(&ServerStats) -> &Durations,
    ) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (server, stats) in servers {
            let durations = of(stats);
            let mut sum = 0;
            let bounds = Durations::bounds().map(seconds);
            let bounds = bounds.into_iter().chain([String::from("+Inf")]);
            for (bound, count) in bounds.zip(durations.counts) {
                sum += count;
                self.value(&bucket, &[("server", server), ("le", &bound)], sum);
            }
            let labels = [("server", &**server)];
            self.value(&format!("{name}_sum"), &labels, seconds(durations.sum));
            self.value(&format!("{name}_count"), &labels, sum);
        }
    }
}

fn count(durations: &Durations) -> u64 {
    durations.counts.iter().sum()
}

/// Formats the number as JSON does: the standard library's float formatting adds 10 KB.
fn seconds(time: Duration) -> String {
    Value::from(time.as_secs_f64()).to_string()
}
