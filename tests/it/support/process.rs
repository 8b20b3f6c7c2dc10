//! What the system knows of processes, from `/proc`: all by pid, and signals only to those that a
//! test started.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The state, the parent and the group of a process.
fn stat(pid: u32) -> Option<(char, u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn all() -> impl Iterator<Item = (u32, (char, u32, u32))> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?)))
}

/// Whether it runs: it is there and no zombie.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, ..)| !"ZX".contains(state))
}

/// Children of a process that run, and those that are zombies.
pub(crate) fn children(of: u32) -> (Vec<u32>, Vec<u32>) {
    let children = all().filter(|(_, (_, parent, _))| *parent == of);
    let (dead, alive): (Vec<_>, Vec<_>) =
        children.partition(|(_, (state, ..))| "ZX".contains(*state));
    let pids = |list: Vec<(u32, _)>| list.into_iter().map(|(pid, _)| pid).collect();
    (pids(alive), pids(dead))
}

/// Processes of a group that run.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let members = all().filter(|(_, (state, _, group))| *group == leader && !"ZX".contains(*state));
    members.map(|(pid, _)| pid).collect()
}

/// Open descriptors, threads, and resident memory in KiB. The threads that write the log and the
/// file of sessions come and go, and are not counted.
pub(crate) fn usage(pid: u32) -> (usize, usize, usize) {
    let list = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).unwrap().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let threads = list("task")
        .filter_map(name)
        .filter(|name| name != "log\n" && !name.starts_with("blocking-"));
    (list("fd").count(), threads.count(), memory(pid, "VmRSS:"))
}

/// A line of `/proc/PID/status` in KiB.
pub(crate) fn memory(pid: u32, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Seconds of processor time that a process has used.
pub(crate) fn busy(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |n: usize| fields[n].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// Signals one process that a test started.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits until it is so; the time that it took.
#[track_caller]
pub(crate) fn until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < most, "{what}: not within {most:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}
