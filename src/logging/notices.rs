//! What the engine tells the operator, as records of the log: a sentence, and its facts as fields.

use std::time::Duration;

use log::kv::Value;
use mcp_bridge::{Cause, ChildId, Level, Notice, SessionNumber};

use super::record;

/// The target of these records.
const TARGET: &str = "session";

/// A fact of a record.
enum Fact {
    Number(u64),
    Seconds(f64),
    Word(String),
    Truth(bool),
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<usize> for Fact {
    fn from(number: usize) -> Self {
        Self::Number(number as u64)
    }
}

impl From<Duration> for Fact {
    fn from(time: Duration) -> Self {
        Self::Seconds(time.as_secs_f64())
    }
}

impl From<String> for Fact {
    fn from(word: String) -> Self {
        Self::Word(word)
    }
}

/// Logs a notice. `server` gives the name of a child's server.
pub(crate) fn tell(notice: &Notice, server: impl Fn(ChildId) -> Option<String>) {
    let level = match notice.level() {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    if !log::log_enabled!(target: TARGET, level) {
        return;
    }
    let (child, pid, mut facts) = facts(notice);
    if let Some(child) = child {
        facts.extend(server(child).map(|name| ("server", name.into())));
        facts.push(("child", child.number().into()));
    }
    facts.extend(pid.map(|pid| ("pid", u64::from(pid).into())));
    let fields: Vec<(&str, Value<'_>)> = facts
        .iter()
        .map(|(name, fact)| match fact {
            Fact::Number(number) => (*name, Value::from(*number)),
            Fact::Seconds(seconds) => (*name, Value::from(*seconds)),
            Fact::Word(word) => (*name, Value::from(&**word)),
            Fact::Truth(truth) => (*name, Value::from(*truth)),
        })
        .collect();
    record(level, TARGET, &fields, format_args!("{notice}"));
    if let Notice::Noise { child: id, line, .. } = notice {
        // It may be an answer that was cut: only who asks for it sees it.
        log::trace!(target: "child", "{id}: not an MCP message: {line}");
    }
}

type Facts = Vec<(&'static str, Fact)>;

/// Whose notice it is, and what it tells beside that.
fn facts(notice: &Notice) -> (Option<ChildId>, Option<u32>, Facts) {
    match notice {
        Notice::SessionOpened { child, pid, version, start, .. }
        | Notice::WorkerOpened { child, pid, version, start } => {
            let facts =
                vec![("protocol", version.clone().into()), ("start_seconds", (*start).into())];
            (Some(*child), *pid, facts)
        }
        Notice::SessionAsleep { session, pid, cause, awake } => {
            let facts = vec![("cause", cause.to_string().into()), ("awake", Fact::Truth(*awake))];
            (Some(first_child(*session)), *pid, facts)
        }
        Notice::SessionWoken { session, child, pid, start } => {
            let (session, start) = (session.number().into(), (*start).into());
            (Some(*child), *pid, vec![("session", session), ("start_seconds", start)])
        }
        Notice::SessionEnded { session, pid, cause, opened, lived, calls, dropped } => {
            let facts = ended(*cause, *opened, *lived, [*calls, *dropped]);
            (Some(first_child(*session)), *pid, facts)
        }
        Notice::WorkerEnded { child, pid, cause, opened, lived, calls, dropped } => {
            (Some(*child), *pid, ended(*cause, *opened, *lived, [*calls, *dropped]))
        }
        Notice::ChildExited { child, pid, exit, asked, stderr } => {
            let mut facts = vec![("exit", exit.to_string().into()), ("asked", Fact::Truth(*asked))];
            if !stderr.is_empty() {
                facts.push(("stderr", stderr.clone().into()));
            }
            (Some(*child), *pid, facts)
        }
        Notice::Silent { child, pid, wait } => {
            (Some(*child), *pid, vec![("wait_seconds", (*wait).into())])
        }
        Notice::Stubborn { child, pid, signal } => {
            (Some(*child), *pid, vec![("signal", signal.to_string().into())])
        }
        Notice::SpawnFailed { child, reason } => {
            (Some(*child), None, vec![("reason", reason.clone().into())])
        }
        Notice::Noise { child, reason, .. } => {
            (Some(*child), None, vec![("reason", reason.to_string().into())])
        }
        Notice::Dropping { child } | Notice::Stalled { child } => (Some(*child), None, Vec::new()),
        other => (None, None, of_proxy(other)),
    }
}

/// The first child of a session, whose number it has.
const fn first_child(session: SessionNumber) -> ChildId {
    ChildId::from_number(session.number())
}

/// How a session or a shared child ended.
fn ended(cause: Cause, opened: bool, lived: Duration, [calls, dropped]: [u64; 2]) -> Facts {
    vec![
        ("cause", cause.to_string().into()),
        ("opened", Fact::Truth(opened)),
        ("lived_seconds", lived.into()),
        ("calls", calls.into()),
        ("dropped", dropped.into()),
    ]
}

/// What is not of one child.
fn of_proxy(notice: &Notice) -> Facts {
    match notice {
        Notice::Refused { status, reason } => {
            vec![("status", u64::from(*status).into()), ("reason", reason.clone().into())]
        }
        Notice::HostRefused { host } => vec![("host", host.clone().into())],
        Notice::OriginRefused { origin } => vec![("origin", origin.clone().into())],
        Notice::Full { limit, refused } => {
            vec![("limit", (*limit).into()), ("refused", (*refused).into())]
        }
        Notice::EraRefused { endpoint, .. } => vec![("path", endpoint.clone().into())],
        Notice::BreakerOpen { endpoint, wait, .. } => {
            vec![("path", endpoint.clone().into()), ("wait_seconds", (*wait).into())]
        }
        Notice::Draining { sessions, calls } => {
            vec![("sessions", (*sessions).into()), ("calls", (*calls).into())]
        }
        _ => Vec::new(),
    }
}
