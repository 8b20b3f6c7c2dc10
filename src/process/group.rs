//! A child and its process group, the signals to both, and exit statuses.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::rc::Rc;

use mcp_bridge::Exit;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpgid, kill_process, kill_process_group, wait};

use crate::hub::Hub;
use crate::os::sys::OwnedFd;
use crate::process::child::Child;

/// A started child, by its number. [`ended`] reports its exit.
#[derive(Debug)]
pub(crate) struct Process(pub(super) u32);

impl Process {
    pub(crate) const fn id(&self) -> u32 {
        self.0
    }
}

/// Starts a child with these as its standard input, output and error.
pub(crate) fn start(mut command: Command, ends: [OwnedFd; 3]) -> io::Result<Process> {
    let [stdin, stdout, stderr] = ends;
    command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().map(|child| Process(child.id()))
}

/// Watches for the exit of a child: here one signal reports the exits of all.
pub(crate) fn watch(_: Rc<Hub>, _: Rc<Child>, _: Process) {}

/// Reaps a child of this process that has exited, whichever it is: orphans of children are reaped
/// as well, where this process is their subreaper or the first process of a container.
pub(crate) fn ended() -> Option<(u32, Exit)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let exit = exit(ExitStatus::from_raw(status.as_raw()));
                return Some((pid.as_raw_nonzero().get().unsigned_abs(), exit));
            }
            Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// A started child, and the process group that it leads.
#[derive(Clone, Debug)]
pub(crate) struct Group(Pid);

impl Group {
    /// The group led by the child with this id.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|pid| !pid.is_init()).map(Self)
    }

    /// Sends `SIGTERM` to the group.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        done(kill_process_group(self.0, Signal::TERM))?;
        // The child may have moved to another group.
        match getpgid(Some(self.0)) {
            Ok(group) if group != self.0 => done(kill_process(self.0, Signal::TERM)),
            _ => Ok(()),
        }
    }

    /// Sends `SIGKILL` to the group, and to the child in any group.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let group = self.kill_group();
        done(kill_process(self.0, Signal::KILL))?;
        group
    }

    /// Kills the rest of the group after the child itself was reaped.
    pub(crate) fn kill_group(&self) -> io::Result<()> {
        done(kill_process_group(self.0, Signal::KILL))
    }
}

fn done(sent: rustix::io::Result<()>) -> io::Result<()> {
    match sent {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The exit of a child, from its status.
fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
