//! One child: its input and output, the calls it has in flight, and the ladder by which it ends.
//!
//! Every child that was opened ends by the ladder (MCP "Lifecycle, Shutdown"): its standard input
//! is closed; if it is still there after a grace, its group gets `SIGTERM`; after another,
//! `SIGKILL`. Only its exit, or its failure to start, takes it off the books.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::context::Context;
use crate::io::{Output, Pipe};
use crate::lines::Lines;
use crate::message::{self, Message, Splice};
use crate::notice::Notice;
use crate::table::Table;
use crate::time::{Deadline, Instant, Wait};

/// Tokens kept for tasks, whose progress goes on after their call is answered (MCP 2025-11-25
/// "Tasks, Task Progress Notifications").
const TASK_TOKENS: usize = 64;

/// A request that the child has not answered.
#[derive(Debug)]
pub(crate) struct Call {
    /// The stream on which the answer goes out.
    pub(crate) stream: u64,
    /// The id as its client spelled it.
    pub(crate) id: Box<[u8]>,
    /// The progress token as its client spelled it.
    pub(crate) token: Option<Box<[u8]>>,
    /// Whether the request asked for a task.
    pub(crate) task: bool,
    pub(crate) cancelled: bool,
    due: Deadline,
}

/// How far a child is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for its turn to start.
    Queued,
    Running,
    /// Its standard input is closed.
    Closing,
    /// It got `SIGTERM`.
    Terminating,
    /// It got `SIGKILL`.
    Killed,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pipe: Pipe,
    pub(crate) pid: u32,
    pub(crate) stage: Stage,
    pub(crate) lines: Lines,
    pub(crate) calls: Table<Call>,
    /// Bytes that its standard input has not taken.
    queued: usize,
    /// Lines that wait for its start.
    waiting: Vec<u8>,
    last_id: u64,
    task_tokens: Vec<(u64, Box<[u8]>)>,
    due: Deadline,
}

impl Child {
    pub(crate) fn new(pipe: Pipe, limit: usize) -> Self {
        Self {
            pipe,
            pid: 0,
            stage: Stage::Queued,
            lines: Lines::new(limit),
            calls: Table::default(),
            queued: 0,
            waiting: Vec::new(),
            last_id: 0,
            task_tokens: Vec::new(),
            due: Deadline::default(),
        }
    }

    /// Starts the process, and gives it what waited for it.
    pub(crate) fn open(&mut self, cx: &mut Context) {
        self.stage = Stage::Running;
        cx.push(Output::Open { pipe: self.pipe });
        let bytes = core::mem::take(&mut self.waiting);
        if !bytes.is_empty() {
            cx.push(Output::Write { pipe: self.pipe, bytes });
        }
    }

    /// Whether a message of that size can be written now. Into an empty queue any can.
    pub(crate) fn accepts(&self, bytes: usize, limit: usize) -> bool {
        self.queued == 0 || self.queued + bytes <= limit
    }

    /// Writes whole lines.
    pub(crate) fn write(&mut self, bytes: Vec<u8>, cx: &mut Context) {
        self.queued += bytes.len();
        match self.stage {
            Stage::Queued => self.waiting.extend_from_slice(&bytes),
            _ => cx.push(Output::Write { pipe: self.pipe, bytes }),
        }
    }

    pub(crate) fn taken(&mut self, bytes: usize) {
        self.queued = self.queued.saturating_sub(bytes);
    }

    pub(crate) fn buffered(&self) -> usize {
        self.lines.buffered() + self.waiting.len()
    }

    /// Writes the line of a client's request with an id, and a token, of our own.
    pub(crate) fn call(
        &mut self,
        request: &Message<'_>,
        stream: u64,
        line: &mut Vec<u8>,
        cx: &mut Context,
    ) {
        self.last_id += 1;
        let id = self.last_id;
        let mut digits = [0; 20];
        let own = decimal(id, &mut digits);
        let token = request.token().filter(|token| is_token(token));
        request
            .splice(&Splice { id: Some(own), token: token.map(|_| own), request_id: None }, line);
        line.push(b'\n');
        let mut call = Call {
            stream,
            id: request.id().unwrap_or_default().into(),
            token: token.map(Into::into),
            task: request.params().is_some_and(asks_for_a_task),
            cancelled: false,
            due: Deadline::default(),
        };
        if let Some(limit) = cx.config.request {
            cx.timers.set(&mut call.due, cx.now.after(limit), Wait::Call(self.pipe, id));
        }
        cx.stats.requests += 1;
        cx.stats.calls += 1;
        self.calls.push(id, call);
    }

    /// Marks the call that a client cancels, and gives its id. The latest one, if several have the
    /// same id.
    pub(crate) fn cancel(&mut self, id: &[u8], cx: &mut Context) -> Option<u64> {
        let number = self
            .calls
            .iter()
            .rev()
            .find(|(_, call)| !call.cancelled && message::same_id(&call.id, id))
            .map(|(number, _)| number)?;
        let call = self.calls.get_mut(number)?;
        call.cancelled = true;
        let when = cx.now.after(cx.config.cancel);
        cx.timers.set(&mut call.due, when, Wait::Call(self.pipe, number));
        Some(number)
    }

    /// Takes a call off the table: it is answered, or given up.
    pub(crate) fn end_call(&mut self, id: u64, cx: &mut Context) -> Option<Call> {
        let mut call = self.calls.remove(id)?;
        cx.timers.clear(&mut call.due, Wait::Call(self.pipe, id));
        cx.stats.calls -= 1;
        if let Some(token) = call.token.as_ref().filter(|_| call.task) {
            if self.task_tokens.len() == TASK_TOKENS {
                self.task_tokens.remove(0);
            }
            self.task_tokens.push((id, token.clone()));
        }
        Some(call)
    }

    /// The token of a task whose call was answered.
    pub(crate) fn task_token(&self, id: u64) -> Option<&[u8]> {
        self.task_tokens.iter().find(|(task, _)| *task == id).map(|(_, token)| &**token)
    }

    /// The ids of all calls in flight, oldest first.
    pub(crate) fn call_ids(&self) -> Vec<u64> {
        self.calls.iter().map(|(id, _)| id).collect()
    }

    /// Steps onto the ladder. False if the process was never asked for: then it is gone already.
    pub(crate) fn end(&mut self, cx: &mut Context) -> bool {
        match self.stage {
            Stage::Queued => return false,
            Stage::Running => {
                self.stage = Stage::Closing;
                cx.push(Output::CloseStdin { pipe: self.pipe });
                self.wait(cx.now.after(cx.config.term_grace), cx);
            }
            Stage::Closing | Stage::Terminating | Stage::Killed => {}
        }
        // What it still writes is read and thrown away.
        self.lines = Lines::new(0);
        true
    }

    fn wait(&mut self, until: Instant, cx: &mut Context) {
        cx.timers.set(&mut self.due, until, Wait::Ladder(self.pipe));
    }

    /// The next step of the ladder is due.
    pub(crate) fn climb(&mut self, cx: &mut Context) {
        self.due.spend();
        match self.stage {
            Stage::Closing => {
                self.stage = Stage::Terminating;
                self.stubborn("SIGTERM", cx);
                cx.push(Output::Terminate { pipe: self.pipe });
                self.wait(cx.now.after(cx.config.kill_grace), cx);
            }
            Stage::Terminating => self.kill(cx),
            Stage::Queued | Stage::Running | Stage::Killed => {}
        }
    }

    /// The last step, at once.
    pub(crate) fn kill(&mut self, cx: &mut Context) {
        if !matches!(self.stage, Stage::Queued | Stage::Killed) {
            self.stage = Stage::Killed;
            self.stubborn("SIGKILL", cx);
            cx.timers.clear(&mut self.due, Wait::Ladder(self.pipe));
            cx.push(Output::Kill { pipe: self.pipe });
        }
    }

    fn stubborn(&self, signal: &'static str, cx: &mut Context) {
        cx.notice(Notice::Stubborn { pipe: self.pipe, pid: self.pid, signal });
    }

    /// It is gone: drops what it waited for.
    pub(crate) fn gone(mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.due, Wait::Ladder(self.pipe));
        debug_assert!(self.calls.is_empty());
    }
}

/// The number that a message of the child names, if it is one that we could have given.
pub(crate) fn own_id(raw: &[u8]) -> Option<u64> {
    if raw.first() == Some(&b'0') {
        return None;
    }
    core::str::from_utf8(raw).ok().filter(|text| text.as_bytes()[0].is_ascii_digit())?.parse().ok()
}

/// A progress token is a string or a number (MCP "Progress").
fn is_token(raw: &[u8]) -> bool {
    matches!(raw.first(), Some(b'"' | b'-' | b'0'..=b'9'))
}

/// Whether a request's params augment it with a task (MCP 2025-11-25 "Tasks").
fn asks_for_a_task(params: &[u8]) -> bool {
    // The look inside costs a scan, so it is taken only where the word stands at all.
    params.first() == Some(&b'{')
        && params.windows(6).any(|word| word == b"\"task\"")
        && crate::json::member(params, &(0..params.len()), "task").is_some()
}

/// A number in decimal digits.
pub(crate) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[at..];
        }
    }
}
