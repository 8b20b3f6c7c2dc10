//! Processes as Linux lists them in `/proc`: the tree of parents and children, and signals that
//! can't hit another process.
//!
//! A process is identified by its number and its start time: the system may reuse the number.
//! Without `/proc`, no process is found.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Most processes found by one look. Further ones are found by the next look, when these are gone.
const LOOK: usize = 4096;
/// The first process of the system.
const INIT: u32 = 1;

/// A running process, at the time of the look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
    parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// In clock ticks since the start of the system.
    pub(crate) start: u64,
}

/// Equal if it is the same process, even with another parent.
impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }
}

impl Process {
    /// The process with this number, if one runs.
    pub(crate) fn find(pid: u32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain any characters.
        let stat = String::from_utf8_lossy(&stat);
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 2..)?.split(' ').collect();
        // It may only be the first thread that has ended.
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

    /// The process's limit of file locks. No system since Linux 2.4.25 counts locks: the number has
    /// no effect, every descendant inherits it, and only root can raise it.
    pub(crate) fn locks(&self) -> Option<u64> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid)).ok()?;
        let locks = limits.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
        match locks.split_ascii_whitespace().nth(1)? {
            "unlimited" => None,
            number => number.parse().ok(),
        }
    }

    /// Sends the process `SIGTERM`.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
        // A stopped process continues, so that it can end.
        self.signal(Signal::CONT);
    }

    /// Sends the process `SIGKILL`.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends the process a signal, but never another process with the same number. The process may
    /// be another user's, which can't be signalled: the next look then finds it again.
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| self.pid != INIT) else { return };
        let handle = pidfd_open(pid, PidfdFlags::empty());
        // If number and start time match now, the handle is for this process.
        if Self::find(self.pid).as_ref() != Some(self) {
            return;
        }
        let _ = match handle {
            Ok(handle) => pidfd_send_signal(handle, signal),
            // An older system, or no descriptor is free.
            Err(_) => kill_process(pid, signal),
        };
    }

    /// The process and all its descendants.
    pub(crate) fn tree(self) -> Vec<Self> {
        let mut tree = vec![self];
        tree.extend(below(self.pid));
        tree
    }
}

/// All descendants of a process, parents first.
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

/// The running children of a process.
pub(crate) fn children(pid: u32) -> Vec<Process> {
    let is_listed = Path::new("/proc/thread-self/children").exists();
    children_among(pid, (!is_listed).then(everybody).as_deref())
}

/// Where the system does not list children, searches all processes for them.
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
