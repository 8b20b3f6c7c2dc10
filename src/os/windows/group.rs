//! Process groups on Windows: a job object, which holds all descendants of a child. It runs
//! under Wine in CI and was never tried on Windows.
//!
//! There is no SIGTERM: the second step of the shutdown sequence is the third. Processes that a
//! child starts before it is put into the job, in its first instant, are not part of the job.
#![allow(unsafe_code, reason = "see the argument at each use")]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::{Command, ExitStatus};
use std::ptr::null;
use std::rc::Rc;

use mcp_bridge::Exit;
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_SET_QUOTA, PROCESS_TERMINATE};

use crate::hub::Hub;
use crate::os::sys;
use crate::process::child::Child;

/// A started child.
pub(crate) type Process = async_process::Child;

/// Starts a child with these as its standard input, output and error.
pub(crate) fn start(command: Command, ends: [OwnedHandle; 3]) -> io::Result<Process> {
    let [stdin, stdout, stderr] = ends;
    // Those of a command that it is made from are not kept: it would inherit ours.
    let mut command = async_process::Command::from(command);
    command.stdin(stdin).stdout(stdout).stderr(stderr).spawn()
}

/// Watches for the exit of a child.
pub(crate) fn watch(hub: Rc<Hub>, child: Rc<Child>, mut process: Process) {
    let executor = Rc::clone(&hub.executor);
    let watch = async move {
        let exit = process.status().await.map_or(Exit::Unknown, exit);
        sys::settle().await;
        hub.has_ended(&child, exit);
    };
    executor.spawn(watch).detach();
}

/// Each child is watched separately.
pub(crate) fn ended() -> Option<(u32, Exit)> {
    None
}

/// The exit status of processes that are ended with their job.
const ENDED: u32 = 1;

/// The job of a child. When its last handle is closed, its processes are ended, and so they are
/// when the proxy itself dies.
#[derive(Clone, Debug)]
pub(crate) struct Group(Rc<OwnedHandle>);

impl Group {
    /// Puts the child with this id, which is not reaped, into a job of its own.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        job(pid)
            .inspect_err(
                |error| log::warn!(target: "proxy", "pid {pid} can't be put into a job: {error}"),
            )
            .ok()
    }

    /// Ends all its processes: there is no softer way.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        self.kill()
    }

    /// Ends all its processes.
    pub(crate) fn kill(&self) -> io::Result<()> {
        // SAFETY: the handle is that of a job and open, as it is owned.
        done(unsafe { TerminateJobObject(self.0.as_raw_handle(), ENDED) })
    }

    /// Ends the rest of its processes.
    pub(crate) fn kill_group(&self) -> io::Result<()> {
        self.kill()
    }
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn owned(handle: *mut std::ffi::c_void) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened for us, and nobody else closes it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn job(pid: u32) -> io::Result<Group> {
    // SAFETY: both arguments may be null: default security, no name.
    let job = owned(unsafe { CreateJobObjectW(null(), null()) })?;
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    let size = size_of_val(&limits) as u32;
    // SAFETY: the class says that the pointer is to such a structure, and it is, of that size.
    done(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size,
        )
    })?;
    // SAFETY: plain numbers. The id is the child's: it is not reaped, so that nobody else has it.
    let child = owned(unsafe { OpenProcess(PROCESS_SET_QUOTA | PROCESS_TERMINATE, 0, pid) })?;
    // SAFETY: both handles are open, as they are owned.
    done(unsafe { AssignProcessToJobObject(job.as_raw_handle(), child.as_raw_handle()) })?;
    Ok(Group(Rc::new(job)))
}

/// The exit of a child, from its status.
fn exit(status: ExitStatus) -> Exit {
    status.code().map_or(Exit::Unknown, Exit::Code)
}
