//! State that lives in a shared child beyond a request: tasks named by its answers (MCP 2026-07-28,
//! tasks extension), and events that it delivers by itself (SEP-3415, webhooks). Requests about
//! them go to that child, and while they live the child is not idle.

use alloc::string::String;
use core::time::Duration;

use super::Worker;
use crate::api::instant::Instant;
use crate::codec::json::{self, Scanner};
use crate::codec::message::Message;
use crate::codec::object;
use crate::context::Context;
use crate::context::ids::StreamId;
use crate::table::Table;

/// Tasks of one child that are remembered: four times the default number of concurrent calls.
const TASKS: usize = 1024;
/// The longest task id that is remembered, in bytes: servers use a UUID.
const ID: usize = 256;
/// Overhead of a task beside its id.
const ENTRY: usize = 48;
/// The longest time, a day, for which such state keeps a child: its client is presumed dead then.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The state that lives in one child, with the latest end of each part.
#[derive(Debug, Default)]
pub(super) struct Kept {
    tasks: Table<String, Instant>,
    events: Option<Instant>,
}

/// The subject of a request, if it may live in a child.
#[derive(Debug)]
pub(crate) enum Subject {
    Task(String),
    Events,
}

impl Subject {
    pub(crate) fn of(message: &Message<'_>) -> Option<Self> {
        match &*message.method()? {
            "tasks/get" | "tasks/update" | "tasks/cancel" => {
                message.param("taskId").and_then(id).map(Self::Task)
            }
            "events/subscribe" | "events/unsubscribe" => Some(Self::Events),
            _ => None,
        }
    }
}

impl Kept {
    fn is_live(&self, now: Instant) -> bool {
        self.events.is_some_and(|until| until > now)
            || self.tasks.values().any(|until| *until > now)
    }

    pub(super) fn size(&self) -> usize {
        self.tasks.keys().map(|id| id.len() + ENTRY).sum()
    }

    fn add(&mut self, id: String, until: Instant) {
        if self.tasks.len() >= TASKS {
            let first = self.tasks.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(id, _)| id.clone()) {
                self.tasks.remove(&*first);
            }
        }
        self.tasks.insert(id, until);
    }

    /// Reads a result or notification about a task.
    fn told(&mut self, text: &[u8], is_new: bool, now: Instant) {
        let (mut kind, mut name, mut status, mut ttl) = (None, None, None, None);
        // It was scanned before.
        let _ = Scanner::new(text).members(|scanner, member| {
            let value = &text[scanner.value()?];
            match &**member {
                b"resultType" => kind = Some(value),
                b"taskId" => name = Some(value),
                b"status" => status = Some(value),
                b"ttlMs" => ttl = Some(value),
                _ => {}
            }
            Ok(())
        });
        let says = |value: Option<&[u8]>, word| {
            value.is_some_and(|value| json::is_text(value) && json::spells(value, word))
        };
        let Some(name) = name.and_then(id) else { return };
        if ["completed", "failed", "cancelled"].iter().any(|over| says(status, over)) {
            self.tasks.remove(&*name);
        } else if is_new && says(kind, "task") {
            let ttl = ttl.and_then(|ttl| core::str::from_utf8(ttl).ok()?.parse().ok());
            let ttl = ttl.map_or(LONGEST, |ttl| Duration::from_millis(ttl).min(LONGEST));
            self.add(name, now.after(ttl));
        }
    }
}

/// A task's id, if it is short enough to be remembered. Each byte may be an escape.
fn id(raw: &[u8]) -> Option<String> {
    let said = Some(raw).filter(|raw| raw.len() <= 6 * ID + 2).and_then(object::string)?;
    Some(said.into_owned()).filter(|id| id.len() <= ID)
}

impl Worker {
    /// Whether the subject of a request lives here.
    pub(crate) fn keeps(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Task(id) => self.kept.tasks.contains(&**id),
            Subject::Events => self.kept.events.is_some(),
        }
    }

    /// Whether it has no requests and no state that lives on.
    pub(crate) fn is_idle(&self, cx: &Context) -> bool {
        self.is_free() && !self.kept.is_live(cx.now)
    }

    /// Records the state that lives on, according to an answer of a child of 2026-07-28.
    pub(super) fn keep(&mut self, number: StreamId, message: &Message<'_>, cx: &Context) {
        let (Some(ask), Some(result)) = (self.asks.get(&number), message.result()) else {
            return;
        };
        match &*ask.method {
            "events/subscribe" => self.kept.events = Some(cx.now.after(LONGEST)),
            "tasks/get" => self.kept.told(result, false, cx.now),
            _ if ask.gets_tasks => self.kept.told(result, true, cx.now),
            _ => return,
        }
        self.tasks.hold(self.kept.size());
    }

    /// Records a notification about a task.
    pub(super) fn task_changed(&mut self, message: &Message<'_>, cx: &Context) {
        if message.calls("notifications/tasks") {
            self.kept.told(message.params().unwrap_or(b"{}"), false, cx.now);
            self.tasks.hold(self.kept.size());
        }
    }
}
