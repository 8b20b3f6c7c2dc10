//! Processes as Linux shows them in `/proc`: who is below whom, and signals that hit nobody else.
//!
//! A process is known by its number and the time of its start: the system may give the number to
//! another one later. Where `/proc` is not there, nothing is found.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Processes that one look brings. More are found by the next look, when these are gone.
const LOOK: usize = 4096;
/// The process that the system itself has started.
const INIT: u32 = 1;

/// A process that runs, as it was when it was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
    parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// In clock ticks since the start of the system.
    pub(crate) start: u64,
}

/// It is the same process, wherever it is now.
impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

impl Process {
    /// The process of this number, if one runs.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let stat = String::from_utf8_lossy(&stat);
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
        // Only its first thread may have ended.
        if matches!(*fields.first()?, "Z" | "X") && tasks(pid).len() < 2 {
            return None;
        }
        let number = |n: usize| fields.get(n)?.parse().ok();
        let (parent, group, session) = (number(1)?, number(2)?, number(3)?);
        let start = fields.get(19)?.parse().ok()?;
        Some(Self { pid, parent, group, session, start })
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// The most file locks that it may ask to have. No system since Linux 2.4.25 counts locks: the
    /// number means nothing, goes with all that a process starts, and only root can raise it.
    pub(crate) fn locks(&self) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid)).ok()?;
        let locks = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
        match locks.split_ascii_whitespace().nth(1)? {
            "unlimited" => None,
            number => number.parse().ok(),
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
        // One that is stopped goes on, and ends.
        self.signal(Signal::CONT);
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal, and none to a process that has got its number meanwhile. It may be
    /// another user's, which can't be ended: whoever looks again finds it still there.
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| self.pid != INIT) else { return };
        let handle = pidfd_open(pid, PidfdFlags::empty());
        // What has both its number and its start is what the handle was opened for.
        if Self::find(self.pid).as_ref() != Some(self) {
            return;
        }
        let _ = match handle {
            Ok(handle) => pidfd_send_signal(handle, signal),
            // An older system, or no descriptor is free.
            Err(_) => kill_process(pid, signal),
        };
    }

    /// It, and all that run below it.
    pub(crate) fn tree(self) -> Vec<Self> {
        let mut tree = vec![self];
        tree.extend(below(self.pid));
        tree
    }
}

/// All that run below a process, parents first.
pub(crate) fn below(pid: u32) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = VecDeque::from([pid]);
    let everybody = (!Path::new("/proc/thread-self/children").exists()).then(everybody);
    while let Some(parent) = parents.pop_front().filter(|_| found.len() < LOOK) {
        for child in children_among(parent, everybody.as_deref()) {
            parents.push_back(child.pid);
            found.push(child);
        }
    }
    found
}

/// The processes that run whose parent a process is.
pub(crate) fn children(pid: u32) -> Vec<Process> {
    let is_listed = Path::new("/proc/thread-self/children").exists();
    children_among(pid, (!is_listed).then(everybody).as_deref())
}

/// Where the system does not list them, they are looked up among all processes.
fn children_among(parent: u32, everybody: Option<&[Process]>) -> Vec<Process> {
    match everybody {
        Some(all) => all.iter().filter(|process| process.parent == parent).copied().collect(),
        None => {
            let lists = tasks(parent).into_iter().filter_map(|task| {
                fs::read_to_string(format!("/proc/{parent}/task/{task}/children")).ok()
            });
            let lists: Vec<String> = lists.collect();
            let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
            pids.filter_map(|pid| Process::find(pid.parse().ok()?)).collect()
        }
    }
}

fn everybody() -> Vec<Process> {
    numbers("/proc").into_iter().filter_map(Process::find).collect()
}

/// The threads of a process.
fn tasks(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// The entries of a folder that are numbers.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
