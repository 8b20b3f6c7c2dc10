//! The limits and waits of a case.

use std::time::Duration;

use mcp_bridge::{Config, Rule};

use super::parts::duration;

/// Reads a line that changes a limit or a wait.
pub(super) fn configure(config: &mut Config, line: &str) -> Option<()> {
    let (name, value) = line.split_once(' ')?;
    let number = value.parse().ok();
    match name {
        "node" => config.node = Some(String::from(value)),
        "endpoint" => config.endpoint = String::from(value),
        "sse-endpoint" => config.sse_endpoint = Some(String::from(value)),
        "health" => config.health = (value != "none").then(|| String::from(value)),
        "eras" => config.eras = value.parse().ok()?,
        "metrics" => config.metrics = Some(String::from(value)),
        "prewarm" => config.prewarm = number?,
        "header-env" => {
            let (header, name) = value.split_once('=')?;
            config.header_env.push((String::from(header), String::from(name)));
        }
        "affinity" => config.affinity.push(String::from(value)),
        "remedy" => {
            let (name, text) = value.split_once(' ')?;
            let rule = Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == name)?;
            config.remedies.push((rule, String::from(text).into()));
        }
        "trace-context" => config.trace_context = value.parse().ok()?,
        "loopback" => config.loopback = value.parse().ok()?,
        "allow-host" => config.allow_hosts.push(String::from(value)),
        "allow-origin" => config.allow_origins.push(String::from(value)),
        "sessions" => config.sessions = number?,
        "starting" => config.starting = number?,
        "calls" => config.calls = number?,
        "parked" => config.parked = number?,
        "pool" => config.pool = number?,
        "subscriptions" => config.subscriptions = number?,
        "message" => config.message = number?,
        "budget" => config.budget = number?,
        "listeners" => config.listeners = number?,
        "replay" => config.replay = number?,
        "queue" => config.queue = number?,
        "stdin" => config.stdin = number?,
        "idle" => config.idle = or_none(value)?,
        "restart" => config.restart = value.parse().ok()?,
        "share" => config.share = value.parse().ok()?,
        "expiry" => config.expiry = or_none(value)?,
        "asleep" => config.asleep = number?,
        "sleep" => config.sleep = Some(duration(value)?),
        "spare" => config.spare = duration(value)?,
        "persist" => config.persist = value.parse().ok()?,
        "breaker-starts" => config.breaker_starts = value.parse().ok()?,
        "request" => config.request = Some(duration(value)?),
        "stall" => config.stall = duration(value)?,
        "start" => config.start = duration(value)?,
        "drain" => config.drain = duration(value)?,
        _ => return None,
    }
    Some(())
}

fn or_none(text: &str) -> Option<Option<Duration>> {
    if text == "none" { Some(None) } else { duration(text).map(Some) }
}
