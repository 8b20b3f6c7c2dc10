//! The way of log lines to standard error: a bounded queue, and a thread that writes while there
//! is something to write.
//!
//! A write to standard error may wait for ever: nobody reads the pipe, Ctrl-S stopped the terminal,
//! the disk hangs. Its non-blocking mode belongs to the open file, which other processes share, so
//! it is not ours to set. So a thread of its own waits, and the event loop never does. Lines that
//! find the queue full are dropped and counted, and the log says how many once there is room.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Style;
use crate::os::sys;

/// Bytes of lines that wait to be written. It holds what all children together may log in a second,
/// so a reader may pause that long without a loss.
pub(crate) const QUEUE: usize = 384 * 1024;
/// How long the thread waits for another line before it ends: an idle program has no such thread.
const LINGER: Duration = Duration::from_millis(100);
/// How long until a write is tried again that failed: a full disk has room again, a FIFO gets
/// another reader.
const RETRY: Duration = Duration::from_secs(1);
/// How long the program waits at its end until all lines are written.
const FLUSH: Duration = Duration::from_millis(500);
/// The thread needs little; the system's default is megabytes.
const STACK: usize = 64 * 1024;
/// What a pipe that is ready takes without waiting: `PIPE_BUF` of Linux.
const PIECE: usize = 4096;

/// Lines on their way to standard error.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line came, or was written.
    changed: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(super) style: Style,
    lines: VecDeque<Vec<u8>>,
    /// Bytes of the first line that are written.
    done: usize,
    /// Bytes of the lines, that of the thread included.
    held: usize,
    dropped: u64,
    /// Whether the thread runs.
    writing: bool,
}

impl State {
    pub(crate) const fn new() -> Self {
        let lines = VecDeque::new();
        Self { style: Style::PLAIN, lines, done: 0, held: 0, dropped: 0, writing: false }
    }

    /// Takes a line, or counts it if there is no room. Once lines were dropped, more are until half
    /// of the queue is free: a slow reader finds a gap that is counted once, not one between any
    /// two lines.
    pub(crate) fn push(&mut self, line: &[u8]) {
        if self.dropped > 0 && self.held <= QUEUE / 2 {
            self.write_dropped();
        }
        if self.dropped > 0 || self.held + line.len() > QUEUE {
            self.dropped += 1;
            return;
        }
        self.add(line.to_vec());
    }

    /// The next line to write, and how much of it is written.
    pub(crate) fn pop(&mut self) -> Option<(Vec<u8>, usize)> {
        if self.lines.is_empty() && self.dropped > 0 {
            self.write_dropped();
        }
        let line = self.lines.pop_front()?;
        Some((line, std::mem::take(&mut self.done)))
    }

    /// A line of so many bytes is written.
    pub(crate) fn written(&mut self, length: usize) {
        self.held -= length;
        if self.held == 0 {
            self.lines = VecDeque::new();
        }
    }

    fn write_dropped(&mut self) {
        let line = super::dropped(self.style, std::mem::take(&mut self.dropped));
        self.add(line.into_bytes());
    }

    fn add(&mut self, line: Vec<u8>) {
        self.held += line.len();
        self.lines.push_back(line);
    }

    fn has_more(&self) -> bool {
        self.held > 0 || self.dropped > 0
    }
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { state: Mutex::new(State::new()), changed: Condvar::new() }
    }

    pub(super) fn set_style(&self, style: Style) {
        self.state().style = style;
    }

    /// Takes a whole line. It never waits for whoever reads standard error.
    pub(super) fn write(&'static self, line: &[u8]) {
        let mut state = self.state();
        state.push(line);
        if state.writing {
            self.changed.notify_all();
            return;
        }
        state.writing = true;
        drop(state);
        let thread = thread::Builder::new().name("log".into()).stack_size(STACK);
        if thread.spawn(|| self.run()).is_err() {
            // The system has no room for a thread, and that may be what the line tells of.
            let mut state = self.state();
            state.writing = false;
            write_at_once(&mut state);
        }
    }

    /// Waits, not for long, until all is written.
    pub(super) fn flush(&self) {
        let state = self.state();
        let waits = |state: &mut State| state.writing && state.has_more();
        let state = self.changed.wait_timeout_while(state, FLUSH, waits);
        let (mut state, _) = state.unwrap_or_else(PoisonError::into_inner);
        if !state.writing {
            write_at_once(&mut state);
        }
    }

    /// The thread.
    fn run(&self) {
        while let Some((line, done)) = self.next() {
            write_all(&line[done..]);
            self.state().written(line.len());
            self.changed.notify_all();
        }
    }

    /// The next line; none if none comes for a while, and then the thread ends.
    fn next(&self) -> Option<(Vec<u8>, usize)> {
        let mut state = self.state();
        loop {
            if let Some(next) = state.pop() {
                return Some(next);
            }
            let waited = self.changed.wait_timeout(state, LINGER);
            let (next, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && !state.has_more() {
                state.writing = false;
                return None;
            }
        }
    }

    /// No panic leaves the state half changed, so one that poisoned the lock is no matter.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all of it, however long that takes: no line is torn.
fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match io::stderr().write(bytes) {
            Ok(count @ 1..) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares it has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                sys::is_stderr_writable(RETRY);
            }
            Ok(0) | Err(_) => thread::sleep(RETRY),
        }
    }
}

/// Writes what standard error takes without waiting. For a program that gets no thread.
fn write_at_once(state: &mut State) {
    while sys::is_stderr_writable(Duration::ZERO) {
        let Some((line, done)) = state.pop() else { return };
        let piece = &line[done..line.len().min(done + PIECE)];
        let count = io::stderr().write(piece).unwrap_or(0);
        if done + count == line.len() {
            state.written(line.len());
            continue;
        }
        state.lines.push_front(line);
        state.done = done + count;
        if count == 0 {
            return;
        }
    }
}
