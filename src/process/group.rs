//! A child and its process group, the signals to both, and how children ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::rc::Rc;

use mcp_bridge::Exit;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpgid, kill_process, kill_process_group, wait};

use crate::hub::Hub;
use crate::process::child::Child;

/// A child that was started. [`ended`] tells of its end.
pub(crate) type Process = std::process::Child;

/// Starts a child.
pub(crate) fn start(mut command: Command) -> io::Result<Process> {
    command.spawn()
}

/// Waits for the end of a child: here one signal tells of the end of all.
pub(crate) fn watch(_: Rc<Hub>, _: Rc<Child>, _: Process) {}

/// A child of this process that has ended and is reaped now, whoever it is: what children leave
/// behind is ours to reap too, where we are their subreaper or the first process of a container.
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

/// A child that was started, and the process group that it leads.
#[derive(Clone, Debug)]
pub(crate) struct Group(Pid);

impl Group {
    /// The group that the child of this id leads.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|pid| !pid.is_init()).map(Self)
    }

    /// Asks all of it to end.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        done(kill_process_group(self.0, Signal::TERM))?;
        // The child may have gone to another group.
        match getpgid(Some(self.0)) {
            Ok(group) if group != self.0 => done(kill_process(self.0, Signal::TERM)),
            _ => Ok(()),
        }
    }

    /// Ends all of it, and the child wherever it is.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let group = self.kill_group();
        done(kill_process(self.0, Signal::KILL))?;
        group
    }

    /// Ends what is left of the group when the child itself was reaped.
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

/// How a child ended.
fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
