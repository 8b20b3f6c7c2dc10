//! One child: one task that carries bytes between its pipes and the engine.
//!
//! It reads no more than the engine wants, and in each turn no more than a budget, so that a child
//! that floods takes neither memory nor the thread. When the child has ended, what is left of its
//! group is killed at once, what is left in its pipes is read, and then the engine is told.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use async_process::Child as Process;
use hyper_mcp_proxy::{Exit, Input, Instant, Pipe};

use crate::group::{self, Group};
use crate::hub::{Hub, SCRATCH};
use crate::reactor::{Source, WakerSlot};
use crate::stderr::Stderr;
use crate::stdin::Stdin;
use crate::sys::{self, OwnedFd, read};

/// Reads of a pipe in one turn, each of at most [`SCRATCH`] bytes.
const READS: usize = 4;
/// Reads of a pipe after the child's end. A pipe holds 64 KiB, or up to 1 MiB if the child made it
/// larger; what descendants outside the group add later is theirs to lose.
const LAST_READS: usize = 16;

/// What the engine and the tasks know of a child.
pub(crate) struct Child {
    pub(crate) pipe: Pipe,
    pid: u32,
    /// The name of its server, where there are several.
    name: Option<String>,
    /// The group that it leads.
    group: Option<Group>,
    /// Whether it waits in the hub until its output is wanted again.
    pub(crate) paused: Cell<bool>,
    exit: Cell<Option<Exit>>,
    stdin: RefCell<Stdin>,
    closing: Cell<bool>,
    waker: WakerSlot,
}

impl Child {
    pub(crate) fn new(pipe: Pipe, pid: u32, name: Option<String>, stdin: Stdin) -> Self {
        Self {
            pipe,
            pid,
            name,
            group: Group::of(pid),
            paused: Cell::new(false),
            exit: Cell::new(None),
            stdin: RefCell::new(stdin),
            closing: Cell::new(false),
            waker: WakerSlot::default(),
        }
    }

    /// Takes whole lines, at the time of the last wake: how many bytes are done with.
    pub(crate) fn write(&self, bytes: Vec<u8>, now: Instant) -> usize {
        let mut stdin = self.stdin.borrow_mut();
        let done = stdin.write(bytes, now);
        if stdin.waits() {
            self.waker.wake();
        }
        done
    }

    pub(crate) fn close_stdin(&self) {
        self.closing.set(true);
        self.waker.wake();
    }

    pub(crate) fn terminate(&self) {
        self.end(Group::terminate);
    }

    pub(crate) fn kill(&self) {
        self.end(Group::kill);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.exit.get().is_some()
    }

    /// It ended and was reaped just now. Its number can't have been given away yet: as long as the
    /// group has members it is in use, and if it has none the signal finds nobody.
    pub(crate) fn has_ended(&self, exit: Exit) {
        self.end(Group::kill);
        self.exit.set(Some(exit));
        self.waker.wake();
    }

    /// To the whole group, of which the child is the leader; never after it was reaped.
    fn end(&self, step: fn(&Group) -> std::io::Result<()>) {
        let Some(group) = self.group.as_ref().filter(|_| !self.is_gone()) else { return };
        if let Err(error) = step(group) {
            log::warn!(target: "proxy", "server {}: it can't be ended: {error}", self.pipe);
        }
    }
}

/// Waits for the end of a child and reaps it.
pub(crate) async fn watch(hub: Rc<Hub>, child: Rc<Child>, mut process: Process) {
    let exit = process.status().await.map_or(Exit::Unknown, group::exit);
    sys::settle().await;
    child.has_ended(exit);
    hub.reap_orphans(child.group.clone());
}

/// Our side of the pipes; each is dropped, and so closed, when it has no more use.
struct Pipes {
    hub: Rc<Hub>,
    child: Rc<Child>,
    stdout: Option<Source<OwnedFd>>,
    stderr: Option<Source<OwnedFd>>,
    complaints: Stderr,
}

/// Our ends of the pipes that a child writes: its standard output and error.
pub(crate) type Ends = [Source<OwnedFd>; 2];

/// Carries bytes until the child has ended.
pub(crate) async fn run(hub: Rc<Hub>, child: Rc<Child>, ends: Ends) {
    let [stdout, stderr] = ends;
    let mut pipes = Pipes {
        hub,
        child,
        stdout: Some(stdout),
        stderr: Some(stderr),
        complaints: Stderr::default(),
    };
    let exit = poll_fn(|cx| pipes.poll(cx)).await;
    pipes.finish(exit);
}

impl Pipes {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Exit> {
        self.child.waker.register(cx);
        if let Some(exit) = self.child.exit.get() {
            self.child.stdin.borrow_mut().close();
            self.read_last(cx);
            return Poll::Ready(exit);
        }
        self.poll_stdin(cx);
        self.poll_stdout(cx, READS, true);
        self.poll_stderr(cx, READS);
        Poll::Pending
    }

    fn poll_stdin(&self, cx: &Context<'_>) {
        let mut stdin = self.child.stdin.borrow_mut();
        let mut bytes = stdin.poll(cx);
        if self.child.closing.get() {
            bytes += stdin.close();
        }
        drop(stdin);
        if bytes > 0 {
            self.hub.feed(Input::StdinTaken { pipe: self.child.pipe, bytes });
        }
    }

    /// Reads what the child says: whether there may be more at once.
    fn poll_stdout(&mut self, cx: &Context<'_>, reads: usize, gently: bool) {
        for _ in 0..reads {
            let Some(stdout) = &self.stdout else { return };
            if gently && !self.hub.wants(&self.child) {
                return;
            }
            let mut scratch = self.hub.scratch.borrow_mut();
            match stdout.poll_read(cx, |fd| read(fd, &mut scratch[..])) {
                Poll::Ready(Ok(count @ 1..)) => {
                    if count < SCRATCH {
                        stdout.drained();
                    }
                    drop(scratch);
                    let scratch = self.hub.scratch();
                    let bytes = &scratch[..count];
                    self.hub.feed(Input::Stdout { pipe: self.child.pipe, bytes });
                }
                Poll::Ready(_) => {
                    drop(scratch);
                    self.stdout = None;
                    if gently {
                        self.hub.feed(Input::StdoutClosed { pipe: self.child.pipe });
                    }
                }
                Poll::Pending => return,
            }
        }
        self.hub.reactor.give_way(cx);
    }

    fn poll_stderr(&mut self, cx: &Context<'_>, reads: usize) {
        for _ in 0..reads {
            let Some(stderr) = &self.stderr else { return };
            let mut scratch = self.hub.scratch.borrow_mut();
            match stderr.poll_read(cx, |fd| read(fd, &mut scratch[..])) {
                Poll::Ready(Ok(count @ 1..)) => {
                    if count < SCRATCH {
                        stderr.drained();
                    }
                    let mut log = log_line(&self.child);
                    self.complaints.feed(&scratch[..count], self.hub.log_terms(), &mut log);
                }
                Poll::Ready(_) => self.stderr = None,
                Poll::Pending => return,
            }
        }
        self.hub.reactor.give_way(cx);
    }

    /// The child has ended: reads what it left in its pipes, of which the reactor may not have
    /// told yet.
    fn read_last(&mut self, cx: &Context<'_>) {
        self.stdout.iter().chain(&self.stderr).for_each(Source::retry);
        self.poll_stdout(cx, LAST_READS, false);
        self.poll_stderr(cx, LAST_READS);
        self.stdout = None;
        self.stderr = None;
    }

    fn finish(mut self, exit: Exit) {
        self.complaints.end(self.hub.log_terms(), &mut log_line(&self.child));
        self.hub.forget(&self.child, exit, self.complaints.tail());
    }
}

fn log_line(child: &Child) -> impl FnMut(&str) {
    let name = child.name.as_ref().map_or_else(String::new, |name| format!("{name} "));
    let (pipe, pid) = (child.pipe, child.pid);
    move |line| log::info!(target: "child", "{pipe} {name}pid {pid}: {line}")
}
