//! The configuration of a run as the transcripts' settings, as far as it is not the default.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use mcp_bridge::{Config, Endpoint};

/// All that the command line can change; src/tests/args.rs goes through the flags.
pub(crate) fn text(config: &Config) -> String {
    let usual = Config::default();
    let Config { endpoint, sse_endpoint, health, metrics, eras, node, loopback, .. } = config;
    let Config { allow_hosts, allow_origins, header_env, affinity, trace_context, .. } = config;
    let Config { remedies, sessions, pool, prewarm, message, budget, .. } = config;
    let Config { idle, restart, share, expiry, sleep, request, drain, .. } = config;
    let mut text = Text::default();
    text.add("endpoint", endpoint, *endpoint == usual.endpoint);
    text.each("sse-endpoint", sse_endpoint);
    text.add("health", health.as_deref().unwrap_or("none"), *health == usual.health);
    text.each("metrics", metrics);
    text.add("eras", eras, *eras == usual.eras);
    text.each("node", node);
    let pairs = header_env.iter().map(|(header, name)| format!("{header}={name}"));
    text.each("header-env", pairs);
    text.each("affinity", affinity);
    text.add("trace-context", trace_context, *trace_context == usual.trace_context);
    text.add("loopback", loopback, *loopback == usual.loopback);
    text.each("allow-host", allow_hosts);
    text.each("allow-origin", allow_origins);
    text.each("remedy", remedies.iter().map(|(rule, text)| format!("{rule:?} {text}")));
    for (name, value, usual) in [
        ("sessions", sessions, usual.sessions),
        ("pool", pool, usual.pool),
        ("prewarm", prewarm, usual.prewarm),
        ("message", message, usual.message),
        ("budget", budget, usual.budget),
    ] {
        text.add(name, value, *value == usual);
    }
    text.add("restart", restart, *restart == usual.restart);
    text.add("share", share, *share == usual.share);
    for (name, value, usual) in [
        ("idle", idle, usual.idle),
        ("expiry", expiry, usual.expiry),
        ("sleep", sleep, usual.sleep),
        ("request", request, usual.request),
    ] {
        text.add(name, value.map_or_else(|| String::from("none"), millis), *value == usual);
    }
    text.add("drain", millis(*drain), *drain == usual.drain);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn add(&mut self, name: &str, value: impl Display, is_usual: bool) {
        if !is_usual {
            // Writing to a string can't fail.
            let _ = writeln!(self.0, "config {name} {value}");
        }
    }

    fn each(&mut self, name: &str, values: impl IntoIterator<Item: Display>) {
        for value in values {
            self.add(name, value, false);
        }
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// A server with its terms, as the transcripts write it.
pub(super) fn server(one: &Endpoint<'_>) -> String {
    let mut text = format!(" {}={}={}", one.server.0, one.path, one.eras);
    let mut term = |name: &str, value: String| {
        let value: String = value.chars().map(escaped).collect();
        // Writing to a string can't fail.
        let _ = write!(text, ";{name}={value}");
    };
    let limits = one.limits;
    limits.sessions.iter().for_each(|sessions| term("sessions", sessions.to_string()));
    for (name, time) in [("idle", limits.idle), ("request", limits.request), ("sleep", one.sleep)] {
        time.iter().for_each(|time| term(name, seconds(*time)));
    }
    if one.share {
        term("share", one.share.to_string());
    }
    let Endpoint { sse, tools, fault, name, .. } = one;
    sse.iter().for_each(|path| term("sse", String::from(*path)));
    tools.allow.into_iter().flatten().for_each(|pattern| term("allow", pattern.clone()));
    tools.deny.iter().for_each(|pattern| term("deny", pattern.clone()));
    fault.iter().for_each(|fault| term("fault", String::from(*fault)));
    name.iter().for_each(|name| term("name", String::from(*name)));
    text
}

fn seconds(time: Duration) -> String {
    format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
}

/// What would end a term or a line.
fn escaped(c: char) -> String {
    match c {
        ' ' | ';' | '%' | '@' | '\0'..='\x1f' => format!("%{:02X}", u32::from(c)),
        c => c.into(),
    }
}
