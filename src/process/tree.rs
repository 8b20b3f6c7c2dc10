//! The tree of a child: all processes that it has started, and that these have started.
//!
//! While the child runs, its tree is what is below it. When it has ended, what it left behind is
//! handed to this process, the subreaper, and has to be told from what other children left. It
//! belongs to the child if it was seen below it, if it has the child's mark, or if it is in the
//! child's session. What has none of these may belong to any child that ran when it was started,
//! and is ended when none of those runs any more.
//!
//! The mark is a limit that means nothing: see [`Process::locks`]. A variable in the environment
//! would be seen by servers, which are promised nothing but what the operator gives them.

use std::cell::{Cell, RefCell};
use std::ops::RangeInclusive;

use crate::process::census;
pub(crate) use crate::process::census::Process;

/// Below this are the marks of the children of a process that has no mark, each the first of so
/// many that its own children can have, for a child may be another proxy.
const MARKS: u64 = 1 << 62;
const STEP: u64 = 1 << 32;
/// Processes of one child that are remembered. What is forgotten still has its mark.
const SEEN: usize = 4096;

/// The processes that this one answers for.
#[derive(Debug)]
pub(crate) struct Household {
    own: u32,
    /// Children that were there at the start, as when a shell has become this program. They are
    /// none of our business.
    strangers: Vec<Process>,
    /// The last mark that was given, and how far the next one is below it.
    last: Cell<u64>,
    step: u64,
}

/// A household at one time: with the children that run.
#[derive(Debug)]
pub(crate) struct Census<'a> {
    pub(crate) household: &'a Household,
    pub(crate) children: Vec<u32>,
}

impl Household {
    /// As it is before the first child is started.
    pub(crate) fn new() -> Self {
        let own = std::process::id();
        let locks = Process::find(own).and_then(|own| own.locks());
        let (last, step) = locks.map_or((MARKS, STEP), |own| (own, 1));
        Self { own, strangers: census::children(own), last: Cell::new(last), step }
    }

    /// A mark that no child of this process had before.
    pub(crate) fn mark(&self) -> u64 {
        self.last.set(self.last.get().saturating_sub(self.step));
        self.last.get()
    }

    /// Whether all that is below this process comes from its children. The first process of a
    /// container is given the orphans of everything in it.
    fn is_closed(&self) -> bool {
        self.strangers.is_empty() && self.own != 1
    }
}

impl Census<'_> {
    /// What was left behind by children, of whichever.
    fn orphans(&self) -> Vec<Process> {
        let mut orphans = census::children(self.household.own);
        orphans.retain(|orphan| {
            !self.children.contains(&orphan.pid()) && !self.household.strangers.contains(orphan)
        });
        orphans
    }

    /// Whether no child that runs can have started it.
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
    /// What was seen below the child.
    seen: RefCell<Vec<Process>>,
}

impl Tree {
    /// That of a child which was started with this mark.
    pub(crate) fn new(child: u32, mark: u64, household: &Household) -> Self {
        let marks = mark.saturating_sub(household.step - 1)..=mark;
        Self { child, marks, seen: RefCell::default() }
    }

    pub(crate) const fn child(&self) -> u32 {
        self.child
    }

    /// Looks at what is below the child, which runs, and remembers it.
    pub(crate) fn look(&self) {
        let mut seen = self.seen.borrow_mut();
        let mut below = census::below(self.child);
        below.retain(|process| !seen.contains(process));
        let room = SEEN.saturating_sub(seen.len());
        seen.extend(below.into_iter().take(room));
    }

    /// Asks all that was seen below the child to end, but for its group, which was asked.
    pub(crate) fn terminate(&self) {
        let seen = self.seen.borrow();
        let others = seen.iter().filter(|process| process.group != self.child);
        others.for_each(|process| process.terminate());
    }

    /// Ends all that was seen below the child.
    pub(crate) fn kill(&self) {
        self.seen.borrow().iter().for_each(|process| process.kill());
    }

    /// What runs of it after the child has ended.
    pub(crate) fn left(&self, census: &Census<'_>) -> Vec<Process> {
        let trees = census.orphans().into_iter().map(|orphan| (orphan, orphan.tree()));
        let own = trees.filter(|(orphan, tree)| {
            let mut tree = tree.iter();
            tree.any(|process| self.has(process, census)) || census.is_abandoned(orphan)
        });
        own.flat_map(|(_, tree)| tree).collect()
    }

    fn has(&self, process: &Process, census: &Census<'_>) -> bool {
        let seen = self.seen.borrow();
        if seen.contains(process) {
            return true;
        }
        if let Some(mark) = process.locks() {
            return self.marks.contains(&mark);
        }
        // The number of a session is not given away while it has members; of one without, it may
        // be another child's by now.
        let is_own = process.session == self.child && !census.children.contains(&self.child);
        is_own || seen.iter().any(|seen| seen.session == process.session)
    }
}
