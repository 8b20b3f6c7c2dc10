//! Ends the processes that a child left behind: first by `SIGTERM`, then by `SIGKILL`. The program
//! does not exit before that.

use std::rc::Rc;
use std::time::Duration;

use mcp_bridge::ChildId;

use crate::hub::Hub;
use crate::limits::deadlines::Deadline;
use crate::process::tree::{Process, Tree};

/// How long these processes have to end after `SIGTERM`: a browser closes its profile meanwhile.
const GRACE: Duration = Duration::from_secs(1);
/// Interval between two looks for processes that are left.
const LOOK: Duration = Duration::from_millis(50);
/// Looks in a row, while each finds a process to kill: processes that multiply are killed faster
/// than they can.
const ROUNDS: usize = 8;
/// How long this is tried. Processes left then are another user's, or hang in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interval and number of the checks for killed processes when the program exits at once.
const BURIAL: Duration = Duration::from_millis(2);
const BURIALS: usize = 50;
/// Process ids in a line of the log.
const NAMED: usize = 16;

/// Ends what is left of a child that has exited.
pub(crate) async fn end(hub: &Hub, id: ChildId, tree: &Tree) {
    let left = tree.left(&hub.census());
    if left.is_empty() && tree.is_clear() {
        return;
    }
    if !left.is_empty() {
        log::info!(target: "proxy", "child {id} exited and left processes behind, which are ended: {}", names(&left));
    }
    left.iter().for_each(Process::terminate);
    let (start, deadline) = (hub.now(), Deadline::new(&hub.deadlines));
    loop {
        deadline.set(hub.now().after(LOOK));
        std::future::poll_fn(|cx| deadline.poll(cx)).await;
        let mut left = tree.left(&hub.census());
        if hub.now().since(start) >= GRACE {
            left = kill(hub, tree, left);
        }
        if left.is_empty() && tree.is_clear() {
            return;
        }
        if hub.now().since(start) >= PATIENCE {
            log::warn!(
                target: "proxy",
                "child {id} exited and left processes behind, which can't be ended: {}",
                names(&left)
            );
            return;
        }
    }
}

/// Kills the processes that are left, and those that they started meanwhile. Returns those left
/// now.
fn kill(hub: &Hub, tree: &Tree, mut left: Vec<Process>) -> Vec<Process> {
    tree.kill_cgroup();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        left.iter().for_each(Process::kill);
        left = tree.left(&hub.census());
    }
    left
}

/// Kills what is left of these trees, whose children were killed, and waits briefly for their end.
pub(crate) fn kill_all(hub: &Hub, trees: &[Rc<Tree>]) {
    for _ in 0..BURIALS {
        hub.reap();
        let census = hub.census();
        trees.iter().for_each(|tree| tree.kill_cgroup());
        let left: Vec<_> = trees.iter().flat_map(|tree| tree.left(&census)).collect();
        let is_clear = trees.iter().all(|tree| tree.is_clear());
        if left.is_empty() && census.children.is_empty() && is_clear {
            return;
        }
        left.iter().for_each(Process::kill);
        std::thread::sleep(BURIAL);
    }
}

fn names(left: &[Process]) -> String {
    let pids: Vec<_> = left.iter().take(NAMED).map(|process| process.pid().to_string()).collect();
    let more = if left.len() > NAMED { " and more" } else { "" };
    format!("pid {}{more}", pids.join(", "))
}
