//! What the demo sends, and who waits for what: each message leaves as one whole line, and a call
//! that waits wakes up when it is cancelled, answered, or its time is over.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Fault;

/// Log levels of RFC 5424 as MCP spells them, the least important first.
pub(super) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How long the demo waits for the client's user: five minutes for somebody to type.
const ANSWER: Duration = Duration::from_secs(300);

/// What the threads of the demo share.
#[derive(Default)]
pub(super) struct State {
    /// What the client declared in `initialize`.
    pub(super) capabilities: Value,
    /// Index in [`LEVELS`] of what is still sent.
    pub(super) level: usize,
    /// Whether the tool `extra` is listed.
    pub(super) extra: bool,
    /// Whether the client wants to hear of `demo://clock`.
    pub(super) subscribed: bool,
    /// Whether the thread that tells it runs.
    pub(super) ticking: bool,
    /// Ids of the calls that run on a thread, and whether they were cancelled.
    calls: BTreeMap<String, bool>,
    /// How many requests the demo has sent.
    asked: u64,
    /// Ids of the requests that wait for the client, and the answer.
    answers: BTreeMap<String, Option<Value>>,
}

pub(super) struct Link {
    output: Mutex<Box<dyn Write + Send>>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Link {
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        let state = Mutex::default();
        Self { output: Mutex::new(output), state, changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, mut line: String) {
        line.push('\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that does not read any more ends the input too, and with it the program.
        let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
    }

    pub(super) fn answer(&self, id: &Value, result: &str) {
        self.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    pub(super) fn refuse(&self, id: &Value, (code, message): &Fault) {
        let message = quote(message);
        self.send(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message}}}}}"#
        ));
    }

    /// A notification with these params as JSON text.
    pub(super) fn notify(&self, method: &str, params: &str) {
        self.send(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#
        ));
    }

    /// The client's answer to a request of the demo.
    pub(super) fn answered(&self, message: &Value) {
        if let Some(answer) = self.state().answers.get_mut(&message["id"].to_string()) {
            *answer = Some(message.clone());
            self.changed.notify_all();
        }
    }

    /// The client no longer wants this call.
    pub(super) fn cancelled(&self, id: &Value) {
        if let Some(cancelled) = self.state().calls.get_mut(&id.to_string()) {
            *cancelled = true;
            self.changed.notify_all();
        }
    }

    /// Waits until `done` or for so long; true if it was `done`.
    fn wait(&self, time: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        let (until, mut state) = (Instant::now() + time, self.state());
        while !done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.changed.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

/// One `tools/call` that is being answered.
pub(super) struct Call {
    pub(super) link: Arc<Link>,
    id: Value,
    token: Value,
}

impl Call {
    pub(super) fn new(link: &Arc<Link>, id: &Value, params: &Value) -> Self {
        let token = params["_meta"]["progressToken"].clone();
        Self { link: Arc::clone(link), id: id.clone(), token }
    }

    /// Enters the call among those that can be cancelled; false if there are `most` already.
    pub(super) fn begin(&self, most: usize) -> bool {
        let calls = &mut self.link.state().calls;
        let room = calls.len() < most;
        if room {
            calls.insert(self.id.to_string(), false);
        }
        room
    }

    /// Answers the call unless it was cancelled.
    pub(super) fn end(&self, result: &str) {
        let cancelled = self.link.state().calls.remove(&self.id.to_string());
        if cancelled != Some(true) {
            self.link.answer(&self.id, result);
        }
    }

    /// Waits so long; false at once when the call is cancelled.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let id = self.id.to_string();
        !self.link.wait(time, |state| state.calls.get(&id) == Some(&true))
    }

    /// Tells how far the call is, if the caller asked to hear it.
    pub(super) fn progress(&self, done: u64, total: u64) {
        if !self.token.is_null() {
            let message = format!("step {done} of {total}");
            let steps = format!(r#""progress":{done},"total":{total},"message":"{message}""#);
            self.link.notify("progress", &format!(r#"{{"progressToken":{},{steps}}}"#, self.token));
        }
    }

    /// Sends the client a request and waits for its answer; none if it was cancelled or too late.
    pub(super) fn request(&self, method: &str, params: &str) -> Option<Value> {
        let (call, ask) = (self.id.to_string(), self.new_id());
        self.link.send(format!(
            r#"{{"jsonrpc":"2.0","id":{ask},"method":"{method}","params":{params}}}"#
        ));
        self.link.wait(ANSWER, |state| {
            state.calls.get(&call) == Some(&true)
                || matches!(state.answers.get(&ask), Some(Some(_)))
        });
        let answer = self.link.state().answers.remove(&ask).flatten();
        if answer.is_none() {
            self.link.notify("cancelled", &format!(r#"{{"requestId":{ask}}}"#));
        }
        answer
    }

    fn new_id(&self) -> String {
        let mut state = self.link.state();
        state.asked += 1;
        let id = format!("\"ask-{}\"", state.asked);
        state.answers.insert(id.clone(), None);
        id
    }
}

/// A string as JSON.
pub(super) fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
