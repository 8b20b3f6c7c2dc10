//! The tree of a child: all its descendants.
//!
//! While the child runs, its tree is below it. When it has exited, its orphans become children of
//! this process, the subreaper, and must be told apart from those of other children. An orphan
//! belongs to the child if it was seen below the child, if it has the child's mark, or if it is in
//! the child's session. An orphan with none of these may belong to any child that ran when it was
//! started, and is ended when none of those runs any more.
//!
//! The mark is a resource limit without effect: see [`Process::locks`]. Servers would see a
//! variable in the environment, and they are promised only the variables that the operator gives
//! them.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::RangeInclusive;

use crate::os::clone::Start;
use crate::os::sys::OwnedFd;
use crate::process::census;
pub(crate) use crate::process::census::Process;
use crate::process::cgroup::{Cgroup, Cgroups};

/// The marks of the children of a process without a mark are below this. Each is the first of this
/// many marks for its own children, because a child may be another proxy.
const MARKS: u64 = 1 << 62;
const STEP: u64 = 1 << 32;
/// Processes of one child that are remembered. Forgotten ones are still found by their mark.
const SEEN: usize = 4096;

/// The descendants of this process.
#[derive(Debug)]
pub(crate) struct Household {
    own: u32,
    /// Children that existed at the start, as when a shell has become this program. They are left
    /// alone.
    strangers: Vec<Process>,
    /// The mark given last, and the distance to the next one below it.
    last: Cell<u64>,
    step: u64,
    /// Where the system lets this process make cgroups.
    cgroups: Option<Cgroups>,
    /// Whether no process could be started in one.
    is_refused: Cell<bool>,
}

/// A household at one time, with its running children.
#[derive(Debug)]
pub(crate) struct Census<'a> {
    pub(crate) household: &'a Household,
    pub(crate) children: Vec<u32>,
}

impl Household {
    /// The household before the first child is started.
    pub(crate) fn new() -> Self {
        let own = std::process::id();
        let locks = Process::find(own).and_then(|own| own.locks());
        let (last, step) = locks.map_or((MARKS, STEP), |own| (own, 1));
        let (strangers, last) = (census::children(own), Cell::new(last));
        let cgroups = cgroups();
        Self { own, strangers, last, step, cgroups, is_refused: Cell::new(false) }
    }

    /// Returns a place, with a mark that no child of this process had before.
    pub(crate) fn place(&self) -> Place<'_> {
        let mark = self.last.get().saturating_sub(self.step);
        self.last.set(mark);
        let cgroups = self.cgroups.as_ref().filter(|_| !self.is_refused.get());
        Place { household: self, mark, cgroup: cgroups.and_then(|cgroups| cgroups.child(mark)) }
    }

    /// Leaves no cgroup behind, at the end of the program.
    pub(crate) fn leave(&self) {
        self.cgroups.iter().for_each(Cgroups::remove);
    }

    /// Whether everything below this process comes from its children. The first process of a
    /// container is given the orphans of the whole container.
    fn is_closed(&self) -> bool {
        self.strangers.is_empty() && self.own != 1
    }
}

/// The cgroups of the children. The log says whether there are.
fn cgroups() -> Option<Cgroups> {
    match Cgroups::new() {
        Ok(cgroups) => {
            log::debug!(target: "proxy", "each server's processes are in a cgroup of their own");
            Some(cgroups)
        }
        Err(error) => {
            log::debug!(target: "proxy", "servers' processes are found by a walk of their trees, as no cgroup can be made: {error}");
            None
        }
    }
}

/// Where a child is started: its mark, and the cgroup that it gets, if one could be made.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    household: &'a Household,
    mark: u64,
    cgroup: Option<Cgroup>,
}

impl Place<'_> {
    pub(crate) const fn mark(&self) -> u64 {
        self.mark
    }

    /// Starts a child in the cgroup, with these as its standard input, output and error; its
    /// number. `None` if there is no cgroup, or the system starts nothing there.
    pub(crate) fn start(&self, start: &Start<'_>, ends: &[OwnedFd; 3]) -> Option<io::Result<u32>> {
        let started = start.run(&self.cgroup.as_ref()?.open().ok()?, ends);
        if started.is_none() {
            self.household.is_refused.set(true);
            log::debug!(target: "proxy", "no process can be started in a cgroup: servers' processes are found by a walk of their trees");
        }
        started
    }
}

impl Census<'_> {
    /// The orphans of all children.
    fn orphans(&self) -> Vec<Process> {
        let mut orphans = census::children(self.household.own);
        orphans.retain(|orphan| {
            !self.children.contains(&orphan.pid()) && !self.household.strangers.contains(orphan)
        });
        orphans
    }

    /// Whether no running child can have started it.
    fn is_abandoned(&self, orphan: &Process) -> bool {
        let mut children = self.children.iter().filter_map(|pid| Process::find(*pid));
        self.household.is_closed() && !children.any(|child| child.start <= orphan.start)
    }
}

/// What is known of one child's tree.
#[derive(Debug)]
pub(crate) struct Tree {
    child: u32,
    /// Its mark, and those of its own children.
    marks: RangeInclusive<u64>,
    /// Processes seen below the child.
    seen: RefCell<Vec<Process>>,
    /// What its processes are in, unless they have left it.
    cgroup: Option<Cgroup>,
}

impl Tree {
    /// The tree of a child that was started there.
    pub(crate) fn new(child: u32, place: Place<'_>, household: &Household) -> Self {
        let Place { mark, cgroup, .. } = place;
        let marks = mark.saturating_sub(household.step - 1)..=mark;
        Self { child, marks, seen: RefCell::default(), cgroup }
    }

    pub(crate) const fn child(&self) -> u32 {
        self.child
    }

    /// Looks at the processes below the running child and in its cgroup, and remembers them.
    pub(crate) fn look(&self) {
        let mut seen = self.seen.borrow_mut();
        let mut below = census::below(self.child);
        below.extend(self.members());
        below.retain(|process| process.pid() != self.child && !seen.contains(process));
        let room = SEEN.saturating_sub(seen.len());
        seen.extend(below.into_iter().take(room));
    }

    /// Sends `SIGTERM` to the processes seen below the child, except to its group, which got it
    /// already.
    pub(crate) fn terminate(&self) {
        let seen = self.seen.borrow();
        let others = seen.iter().filter(|process| process.group != self.child);
        others.for_each(|process| process.terminate());
    }

    /// Kills the processes in its cgroup, and those seen below the child.
    pub(crate) fn kill(&self) {
        self.kill_cgroup();
        self.seen.borrow().iter().for_each(|process| process.kill());
    }

    pub(crate) fn kill_cgroup(&self) {
        self.cgroup.iter().for_each(Cgroup::kill);
    }

    /// Whether its cgroup is gone; it goes when there is no process in it.
    pub(crate) fn is_clear(&self) -> bool {
        self.cgroup.as_ref().is_none_or(Cgroup::remove)
    }

    fn members(&self) -> Vec<Process> {
        self.cgroup.as_ref().map(Cgroup::members).unwrap_or_default()
    }

    /// Its processes that run after the child has exited.
    pub(crate) fn left(&self, census: &Census<'_>) -> Vec<Process> {
        let trees = census.orphans().into_iter().map(|orphan| (orphan, orphan.tree()));
        let own = trees.filter(|(orphan, tree)| {
            let mut tree = tree.iter();
            tree.any(|process| self.has(process, census)) || census.is_abandoned(orphan)
        });
        let mut left: Vec<_> = own.flat_map(|(_, tree)| tree).collect();
        let members = self.members().into_iter().filter(|member| !left.contains(member));
        left.extend(members.collect::<Vec<_>>());
        left
    }

    fn has(&self, process: &Process, census: &Census<'_>) -> bool {
        let seen = self.seen.borrow();
        if seen.contains(process) {
            return true;
        }
        if let Some(mark) = process.locks() {
            return self.marks.contains(&mark);
        }
        // The number of a session is not reused while it has members; without members it may be
        // another child's by now.
        let is_own = process.session == self.child && !census.children.contains(&self.child);
        is_own || seen.iter().any(|seen| seen.session == process.session)
    }
}
