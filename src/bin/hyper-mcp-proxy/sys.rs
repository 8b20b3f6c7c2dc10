//! The only unsafe code of the program: what the standard library cannot say about processes and
//! memory.
#![allow(unsafe_code, reason = "see the argument at each use")]

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, IoSlice, PipeReader, PipeWriter};
pub(crate) use std::os::fd::{AsFd, OwnedFd};
use std::os::fd::{BorrowedFd, FromRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
pub(crate) use rustix::io::{read, write};
use rustix::process::{Resource, getrlimit};

/// What stands between two directories of a path, for a command that is named with one.
pub(crate) const SEPARATORS: &[u8] = b"/";
/// Where commands are looked for if nobody says.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A pipe that a child reads: its end, and ours in non-blocking mode.
pub(crate) fn pipe_to_child() -> io::Result<(PipeReader, OwnedFd)> {
    let (theirs, ours) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, ours.into()))
}

/// A pipe that a child writes: its end, and ours in non-blocking mode.
pub(crate) fn pipe_from_child() -> io::Result<(PipeWriter, OwnedFd)> {
    let (ours, theirs) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, ours.into()))
}

/// Writes pieces in one call.
pub(crate) fn writev(fd: &OwnedFd, pieces: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match pieces {
        // The plain call is the cheaper one, and one piece is the rule.
        [piece] => write(fd, piece),
        pieces => rustix::io::writev(fd, pieces),
    }
}

/// Waits until standard error takes something, at most that long: whether it does now.
pub(crate) fn stderr_takes(most: Duration) -> bool {
    let stderr = io::stderr();
    let mut waits = [PollFd::new(&stderr, PollFlags::OUT)];
    let most = Timespec::try_from(most).unwrap_or_default();
    // What is wrong with it, a write will tell.
    poll(&mut waits, Some(&most)).map_or(true, |ready| ready > 0)
}

/// What a child wrote before its end can be read at once.
pub(crate) async fn settle() {}

/// The name of its first argument, and a process group of its own.
pub(crate) fn prepare(command: &mut Command, name: &OsStr) {
    command.arg0(name).process_group(0);
}

/// Keeps a descriptor from children.
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "a flag of accept does it"))]
pub(crate) fn close_on_exec(fd: &OwnedFd) -> rustix::io::Result<()> {
    fcntl_setfd(fd, FdFlags::CLOEXEC)
}

/// The most descriptors that may be open at once.
pub(crate) fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The programs that a name may stand for.
pub(crate) fn spellings(file: &Path) -> Vec<PathBuf> {
    vec![file.to_owned()]
}

/// Whether a file can be run.
pub(crate) fn is_runnable(file: &Metadata) -> bool {
    file.permissions().mode() & 0o111 != 0
}

/// Makes the kernel end the child with `SIGKILL` when the thread that starts it ends. Call it, and
/// start the child, on the main thread: that lives as long as the process.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(command: &mut Command) {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

    let parent = getpid();
    let hook = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() == Some(parent) {
            return Ok(());
        }
        // The parent died before the signal was asked for.
        Err(io::Error::from(rustix::io::Errno::SRCH))
    };
    // SAFETY: between fork and exec only async-signal-safe things may be done. The hook makes two
    // plain system calls; it allocates nothing, takes no lock, and its errors are plain numbers.
    unsafe {
        command.pre_exec(hook);
    }
}

/// There is no such thing here; a child that reads its input still ends when the proxy does.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_: &mut Command) {}

/// Keeps descriptors that this process inherited from reaching its children.
pub(crate) fn seal_descriptors() {
    let Ok(entries) = std::fs::read_dir("/dev/fd") else { return };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.filter(|&number| number > 2).collect();
    for number in numbers {
        // SAFETY: the descriptor is borrowed for one fcntl call that changes nothing but its
        // close-on-exec flag. If it is closed by now (the listing's own is), the call fails with
        // EBADF: the process has one thread yet, so the number cannot stand for anything else.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
    }
}

/// Takes a descriptor that this process was given at its start. Call it once for each number, and
/// before anything else is opened, which might get that number.
pub(crate) fn take_descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is borrowed for one fcntl call, which fails with EBADF if there is
    // none.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open. Nothing in this process owns it: it was given, and nobody asked before.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Limits what a TCP socket takes beyond what is on its way to the peer, for it and, of a listener,
/// for the connections that are taken from it. Then the socket is writable again as the peer reads.
/// Without a limit it takes megabytes, and is writable again when a slow peer has read a third.
#[cfg(target_os = "linux")]
pub(crate) fn limit_unsent(socket: &impl AsFd, bytes: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    // From the kernel's tcp.h.
    const IPPROTO_TCP: i32 = 6;
    const TCP_NOTSENT_LOWAT: i32 = 25;
    unsafe extern "C" {
        fn setsockopt(socket: i32, level: i32, name: i32, value: *const u32, length: u32) -> i32;
    }
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the declaration is that of setsockopt(2); the descriptor is borrowed for the call,
    // and the value is a number of four bytes that lives as long.
    let done = unsafe { setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &raw const bytes, 4) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets large pieces of memory go back to the system when they are freed. glibc otherwise learns
/// from the first large message to keep as much, for ever.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_memory_back() {
    // From malloc.h; the threshold is its own default, which only stays so if it is set.
    const M_MMAP_THRESHOLD: i32 = -3;
    const THRESHOLD: i32 = 128 * 1024;
    unsafe extern "C" {
        fn mallopt(param: i32, value: i32) -> i32;
    }
    // SAFETY: the declaration is that of mallopt(3); it takes two plain numbers, and is called
    // while there is one thread.
    unsafe {
        mallopt(M_MMAP_THRESHOLD, THRESHOLD);
    }
}

/// Other allocators do it by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}
