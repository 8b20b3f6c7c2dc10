//! What the engine tells the operator, as records of the log: a sentence, and its facts as fields.

use std::time::Duration;

use log::kv::Value;
use mcp_bridge::{Cause, ChildId, Level, Notice, SessionNumber};

use super::{record, remedies};

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

/// Whom a notice is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whose {
    pub(crate) session: Option<SessionNumber>,
    pub(crate) child: Option<ChildId>,
}

impl Whose {
    const fn session(session: SessionNumber) -> Self {
        Self { session: Some(session), child: None }
    }

    const fn child(child: ChildId) -> Self {
        Self { session: None, child: Some(child) }
    }

    const fn and(self, child: ChildId) -> Self {
        Self { child: Some(child), ..self }
    }
}

/// Logs a notice. `server` gives the name of the server.
pub(crate) fn log(notice: &Notice, server: impl Fn(Whose) -> Option<String>) {
    let level = match notice.level() {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    if !log::log_enabled!(target: TARGET, level) {
        return;
    }
    let (whose, pid, mut facts) = facts(notice);
    facts.extend(server(whose).map(|name| ("server", name.into())));
    facts.extend(whose.session.map(|session| ("session", session.number().into())));
    facts.extend(whose.child.map(|child| ("child", child.number().into())));
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
    match notice.rule().and_then(remedies::flag) {
        Some(flag) => record(level, TARGET, &fields, format_args!("{notice}; {flag}")),
        None => record(level, TARGET, &fields, format_args!("{notice}")),
    }
    if let Notice::MalformedLine { child: id, line, .. } = notice {
        // It may be an answer that was cut: only who asks for it sees it.
        log::trace!(target: "child", "{id}: not an MCP message: {line}");
    }
}

type Facts = Vec<(&'static str, Fact)>;

/// Whose notice it is, and what it tells beside that.
fn facts(notice: &Notice) -> (Whose, Option<u32>, Facts) {
    match notice {
        Notice::SessionOpened { session, child, pid, version, start } => {
            (Whose::session(*session).and(*child), *pid, opened(version, *start))
        }
        Notice::SharedChildReady { child, pid, version, start } => {
            (Whose::child(*child), *pid, opened(version, *start))
        }
        Notice::SessionAsleep { session, pid, cause, awake } => {
            let facts = vec![("cause", cause.to_string().into()), ("awake", Fact::Truth(*awake))];
            (Whose::session(*session), *pid, facts)
        }
        Notice::SessionWoken { session, child, pid, start } => {
            let whose = Whose::session(*session).and(*child);
            (whose, *pid, vec![("start_seconds", (*start).into())])
        }
        Notice::SessionShares { session, child, others } => {
            let whose = Whose::session(*session).and(*child);
            (whose, None, vec![("others", (*others as u64).into())])
        }
        Notice::SessionEnded { session, pid, cause, opened, lived, calls, dropped } => {
            let facts = ended(*cause, *opened, *lived, [*calls, *dropped]);
            (Whose::session(*session), *pid, facts)
        }
        Notice::SharedChildEnded { child, pid, cause, opened, lived, calls, dropped } => {
            (Whose::child(*child), *pid, ended(*cause, *opened, *lived, [*calls, *dropped]))
        }
        Notice::ChildExited { child, pid, exit, asked, stderr } => {
            let mut facts = vec![("exit", exit.to_string().into()), ("asked", Fact::Truth(*asked))];
            if !stderr.is_empty() {
                facts.push(("stderr", stderr.clone().into()));
            }
            (Whose::child(*child), *pid, facts)
        }
        Notice::Silent { child, pid, wait } => {
            (Whose::child(*child), *pid, vec![("wait_seconds", (*wait).into())])
        }
        Notice::StillRunning { child, pid, signal } => {
            (Whose::child(*child), *pid, vec![("signal", signal.to_string().into())])
        }
        Notice::SpawnFailed { child, reason } => {
            (Whose::child(*child), None, vec![("reason", reason.clone().into())])
        }
        Notice::MalformedLine { child, reason, .. } => {
            (Whose::child(*child), None, vec![("reason", reason.to_string().into())])
        }
        Notice::Dropping { child } | Notice::Stalled { child } => {
            (Whose::child(*child), None, Vec::new())
        }
        other => (Whose::default(), None, of_proxy(other)),
    }
}

fn opened(version: &str, start: Duration) -> Facts {
    vec![("protocol", String::from(version).into()), ("start_seconds", start.into())]
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
