//! The configuration of a run as the transcripts' settings, as far as it is not the default.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use mcp_bridge::{Config, Endpoint};

/// All that the command line can change.
pub(super) fn text(config: &Config) -> String {
    let default = Config::default();
    let mut text = Text::default();
    text.add("endpoint", &config.endpoint, config.endpoint == default.endpoint);
    let health = config.health.as_deref().unwrap_or("none");
    text.add("health", health, config.health == default.health);
    text.each("metrics", config.metrics.iter());
    text.add("eras", config.eras, config.eras == default.eras);
    text.each("node", config.node.iter());
    let pairs = config.header_env.iter().map(|(header, name)| format!("{header}={name}"));
    text.each("header-env", pairs);
    text.each("affinity", config.affinity.iter());
    text.add("trace-context", config.trace_context, config.trace_context);
    text.add("loopback", config.loopback, config.loopback);
    text.each("allow-host", config.allow_hosts.iter());
    text.each("allow-origin", config.allow_origins.iter());
    for (name, value, usual) in [
        ("sessions", config.sessions, default.sessions),
        ("pool", config.pool, default.pool),
        ("prewarm", config.prewarm, default.prewarm),
        ("message", config.message, default.message),
        ("budget", config.budget, default.budget),
    ] {
        text.add(name, value, value == usual);
    }
    let idle = config.idle.map_or_else(|| String::from("none"), millis);
    text.add("idle", idle, config.idle == default.idle);
    text.each("request", config.request.map(millis));
    text.add("drain", millis(config.drain), config.drain == default.drain);
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
    let Endpoint { tools, fault, .. } = one;
    tools.allow.into_iter().flatten().for_each(|pattern| term("allow", pattern.clone()));
    tools.deny.iter().for_each(|pattern| term("deny", pattern.clone()));
    fault.iter().for_each(|fault| term("fault", String::from(*fault)));
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
