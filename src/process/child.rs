//! One child process: one task that carries bytes between its pipes and the engine.
//!
//! It reads no more than the engine wants, and only during its turn, so that a child that floods
//! takes neither memory nor the thread. When the child has exited, the rest of its process group is
//! killed at once, the rest of its pipes is read, and then the exit is reported to the engine.
//! Processes outside the group are left to [`rest`](crate::process::rest).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use mcp_bridge::{ChildId, Exit, Input, Instant};

use crate::hub::Hub;
use crate::os::sys::OwnedFd;
use crate::process::group::Group;
use crate::process::line_reader::LineReader;
use crate::process::stderr::Stderr;
use crate::process::stdin::Stdin;
use crate::process::tree::Tree;
use crate::reactor::turns::{self, Turn};
use crate::reactor::{Source, WakerSlot};

/// Bytes read of a pipe after the child's exit. A pipe holds 64 KiB, or up to 1 MiB if the child
/// enlarged it; what descendants outside the group add later may be lost.
const LAST: usize = 1024 * 1024;

/// A child, as the engine's side and the tasks see it.
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pid: u32,
    /// The name of its server, if there are several.
    name: Option<String>,
    /// The process group that it leads.
    group: Option<Group>,
    pub(crate) tree: Rc<Tree>,
    /// Whether its output is not to be read now.
    paused: Cell<bool>,
    exit: Cell<Option<Exit>>,
    stdin: RefCell<Stdin>,
    closing: Cell<bool>,
    waker: WakerSlot,
}

impl Child {
    pub(crate) fn new(id: ChildId, tree: Tree, name: Option<String>, stdin: Stdin) -> Self {
        let pid = tree.child();
        Self {
            id,
            pid,
            name,
            group: Group::of(pid),
            tree: Rc::new(tree),
            paused: Cell::new(false),
            exit: Cell::new(None),
            stdin: RefCell::new(stdin),
            closing: Cell::new(false),
            waker: WakerSlot::default(),
        }
    }

    /// Writes whole lines, at the time of the last wake. Returns the bytes done with.
    pub(crate) fn write(&self, bytes: Vec<u8>, now: Instant) -> usize {
        let mut stdin = self.stdin.borrow_mut();
        let done = stdin.write(bytes, now);
        if stdin.is_due() {
            self.waker.wake();
        }
        done
    }

    /// The name of its server, if there are several.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn close_stdin(&self) {
        // While it runs, the processes that it has started are found below it.
        self.tree.look();
        self.closing.set(true);
        self.waker.wake();
    }

    pub(crate) fn terminate(&self) {
        self.tree.look();
        self.end(Group::terminate);
        self.tree.terminate();
    }

    pub(crate) fn kill(&self) {
        self.tree.look();
        self.end(Group::kill);
        self.tree.kill();
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.set(paused);
        self.waker.wake();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.exit.get().is_some()
    }

    /// Handles its exit; it was reaped just now. Its number can't have been reused yet: while the
    /// group has members, the number is in use, and without members the signal reaches no process.
    pub(crate) fn has_ended(&self, exit: Exit) {
        self.end(Group::kill_group);
        self.exit.set(Some(exit));
        self.waker.wake();
    }

    /// Signals the whole group, of which the child is the leader; never after it was reaped.
    fn end(&self, step: fn(&Group) -> std::io::Result<()>) {
        let Some(group) = self.group.as_ref().filter(|_| !self.is_gone()) else { return };
        if let Err(error) = step(group) {
            log::warn!(target: "proxy", "child {} can't be ended: {error}", self.id);
        }
    }
}

/// Our side of the pipes.
struct Pipes {
    hub: Rc<Hub>,
    child: Rc<Child>,
    turn: Turn,
    stdout: LineReader,
    stderr: LineReader,
    complaints: Stderr,
    /// Bytes that may still be read of each pipe, once the child has exited.
    left: Option<[usize; 2]>,
}

/// Our ends of the pipes that a child writes: its standard output and error.
pub(crate) type Ends = [Source<OwnedFd>; 2];

/// Carries bytes until the child has exited.
pub(crate) async fn run(hub: Rc<Hub>, child: Rc<Child>, ends: Ends) {
    let [stdout, stderr] = ends.map(LineReader::new);
    let turn = Turn::new(&hub.reactor.turns);
    let complaints = Stderr::default();
    let mut pipes = Pipes { hub, child, turn, stdout, stderr, complaints, left: None };
    let exit = poll_fn(|cx| pipes.poll(cx)).await;
    pipes.finish(exit);
}

impl Pipes {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Exit> {
        self.child.waker.register(cx);
        let exit = self.child.exit.get();
        if exit.is_some() && self.left.is_none() {
            self.child.stdin.borrow_mut().close();
            // The reactor may not have reported the last bytes in the child's pipes yet.
            self.stdout.retry();
            self.stderr.retry();
            self.left = Some([LAST; 2]);
        }
        while self.turn.poll(cx).is_ready() {
            let units = self.poll_stdin(cx) + self.poll_stdout(cx) + self.poll_stderr(cx);
            if units == 0 {
                self.turn.rest();
                return exit.map_or(Poll::Pending, Poll::Ready);
            }
            self.turn.spend(units);
        }
        Poll::Pending
    }

    fn poll_stdin(&self, cx: &Context<'_>) -> usize {
        let mut stdin = self.child.stdin.borrow_mut();
        let mut bytes = stdin.poll(cx);
        let lost = stdin.take_lost();
        if self.child.closing.get() {
            bytes += stdin.close();
        }
        drop(stdin);
        let id = self.child.id;
        if bytes > 0 {
            self.hub.feed(Input::StdinTaken { child: id, bytes });
        }
        if lost {
            self.hub.feed(Input::StdinClosed { child: id });
        }
        if bytes > 0 || lost { turns::units(bytes) } else { 0 }
    }

    fn poll_stdout(&mut self, cx: &Context<'_>) -> usize {
        let Self { hub, child, left, .. } = self;
        let may = match left {
            Some([left, _]) => *left > 0,
            None => !child.paused.get(),
        };
        if !may {
            return 0;
        }
        let id = child.id;
        self.stdout.poll(cx, &hub.scratch, |bytes| match (bytes, left) {
            ([], None) => hub.feed(Input::StdoutClosed { child: id }),
            ([], Some(_)) => {}
            (_, left) => {
                count(left, 0, bytes);
                hub.feed(Input::Stdout { child: id, bytes });
            }
        })
    }

    fn poll_stderr(&mut self, cx: &Context<'_>) -> usize {
        let Self { hub, child, left, complaints, .. } = self;
        if left.is_some_and(|[_, left]| left == 0) {
            return 0;
        }
        self.stderr.poll(cx, &hub.scratch, |bytes| {
            count(left, 1, bytes);
            complaints.feed(bytes, hub.log_terms(), &mut log_line(child));
        })
    }

    fn finish(mut self, exit: Exit) {
        if self.child.stdin.borrow().is_unread() {
            self.hub.feed(Input::Unread { child: self.child.id });
        }
        self.complaints.end(self.hub.log_terms(), &mut log_line(&self.child));
        self.hub.forget(&self.child, exit, self.complaints.tail());
    }
}

/// Subtracts bytes read of a pipe from those that may still be read after the exit.
fn count(left: &mut Option<[usize; 2]>, pipe: usize, bytes: &[u8]) {
    if let Some(left) = left {
        left[pipe] = left[pipe].saturating_sub(bytes.len());
    }
}

fn log_line(child: &Child) -> impl FnMut(&str) {
    let name = child.name.as_ref().map_or_else(String::new, |name| format!("{name} "));
    let (id, pid) = (child.id, child.pid);
    move |line| log::info!(target: "child", "{id} {name}pid {pid}: {line}")
}
