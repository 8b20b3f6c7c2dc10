//! The only unsafe code of the program: process and memory calls that the standard library lacks.
#![allow(unsafe_code, reason = "see the argument at each use")]

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, IoSlice, PipeReader, PipeWriter};
pub(crate) use std::os::fd::{AsFd, OwnedFd};
use std::os::fd::{BorrowedFd, FromRawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio, ioctl_fionread};
pub(crate) use rustix::io::{read, write};
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getrlimit, setrlimit, setsid};
#[cfg(target_os = "linux")]
use rustix::process::{getppid, set_parent_process_death_signal};

/// The separators of directories in a path; a command name with one is a path.
pub(crate) const SEPARATORS: &[u8] = b"/";
/// The search path for commands if `PATH` is not set.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Creates a pipe that a child reads: the child's end, and ours in non-blocking mode.
pub(crate) fn pipe_to_child() -> io::Result<(PipeReader, OwnedFd)> {
    let (theirs, ours) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, ours.into()))
}

/// Creates a pipe that a child writes: the child's end, and ours in non-blocking mode.
pub(crate) fn pipe_from_child() -> io::Result<(PipeWriter, OwnedFd)> {
    let (ours, theirs) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    Ok((theirs, ours.into()))
}

/// Writes several pieces in one call.
pub(crate) fn writev(fd: &OwnedFd, pieces: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    match pieces {
        // The plain call is cheaper, and usually there is one piece.
        [piece] => write(fd, piece),
        pieces => rustix::io::writev(fd, pieces),
    }
}

/// Bytes in a pipe that its reader has not read.
pub(crate) fn unread(pipe: &OwnedFd) -> Option<u64> {
    ioctl_fionread(pipe).ok()
}

/// The missing resource, if it is why a process could not be started, and the limit to raise.
pub(crate) fn shortage(error: &io::Error) -> Option<(&'static str, String)> {
    let code = error.raw_os_error()?;
    let is = |errno: Errno| errno.raw_os_error() == code;
    Some(if is(Errno::MFILE) {
        let remedy = format!("it may have {}; raise {RAISE_FILES}", open_files());
        ("the proxy is out of descriptors", remedy)
    } else if is(Errno::NFILE) {
        ("the system is out of descriptors", "raise fs.file-max".into())
    } else if is(Errno::AGAIN) {
        let remedy = "raise ulimit -u, TasksMax= or the container's limit".into();
        ("the proxy is out of processes", remedy)
    } else if is(Errno::NOMEM) {
        let remedy = "raise MemoryMax= or the container's limit".into();
        ("there is no memory for another process", remedy)
    } else {
        return None;
    })
}

/// Waits until standard error accepts bytes, at most this long. Returns whether it does now.
pub(crate) fn is_stderr_writable(most: Duration) -> bool {
    let stderr = io::stderr();
    let mut waits = [PollFd::new(&stderr, PollFlags::OUT)];
    let most = Timespec::try_from(most).unwrap_or_default();
    // A write will report the error.
    poll(&mut waits, Some(&most)).map_or(true, |ready| ready > 0)
}

/// Prepares a child's command: the name of its first argument, and a session of its own, with a
/// process group of its own and no terminal, because reading from one would stop the child
/// unnoticed. The child and its descendants have its mark: see [`tree`](crate::process::tree).
///
/// Where the system supports it, the child gets `SIGKILL` when the thread that started it ends.
/// Call this, and start the child, on the main thread: that thread lives as long as the process.
pub(crate) fn prepare(command: &mut Command, name: &OsStr, mark: u64) {
    command.arg0(name);
    // SAFETY: between fork and exec only async-signal-safe things may be done, see `hook`.
    unsafe {
        command.pre_exec(hook(mark));
    }
}

/// What a new process does before it becomes the child's program. It is async-signal-safe: it makes
/// plain system calls, allocates nothing, takes no lock, and its errors are plain numbers.
pub(super) fn hook(mark: u64) -> impl Fn() -> io::Result<()> + Send + Sync {
    let (parent, files) = (getpid(), INHERITED_FILES.get());
    move || {
        if let Some(files) = files {
            setrlimit(Resource::Nofile, *files)?;
        }
        setsid()?;
        set_mark(mark);
        die_with(parent)
    }
}

/// Gives this process and its descendants a mark.
#[cfg(target_os = "linux")]
fn set_mark(mark: u64) {
    let limit = Rlimit { current: Some(mark), maximum: Some(mark) };
    // Without a mark the process is still identified by its session.
    let _ = setrlimit(Resource::Locks, limit);
}

#[cfg(not(target_os = "linux"))]
fn set_mark(_: u64) {}

/// Makes the kernel kill this process when its parent's thread ends.
#[cfg(target_os = "linux")]
fn die_with(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) {
        return Ok(());
    }
    // The parent died before the call.
    Err(io::Error::from(Errno::SRCH))
}

/// Not supported here; a child that reads its input still ends when the proxy does.
#[cfg(not(target_os = "linux"))]
fn die_with(_: Pid) -> io::Result<()> {
    Ok(())
}

/// Makes this process the subreaper: it becomes the parent of its children's orphans.
#[cfg(target_os = "linux")]
pub(crate) fn adopt_orphans() {
    if let Err(error) = rustix::process::set_child_subreaper(Some(getpid())) {
        log::warn!(target: "proxy", "processes that servers leave behind can't be ended: {error}");
    }
}

/// Here the kernel gives orphans to the first process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn adopt_orphans() {}

/// Whether SIGHUP was ignored when this program was started. Call it before a handler is set.
pub(crate) fn ignores_hang_up() -> bool {
    const IGNORE: usize = 1;
    unsafe extern "C" {
        fn signal(number: i32, handler: usize) -> usize;
    }
    // SAFETY: the declaration is that of signal(2), with a handler as a plain number: `SIG_IGN` is
    // 1 on all systems, and what it gives back is what was there.
    unsafe {
        let before = signal(Signal::HUP.as_raw(), IGNORE);
        if before != IGNORE {
            signal(Signal::HUP.as_raw(), before);
        }
        before == IGNORE
    }
}

/// Unblocks all signals: the parent process may have left some blocked.
pub(crate) fn unblock_signals() {
    /// As large as the set of any system: 128 bytes on Linux.
    #[repr(C, align(16))]
    struct Set([u64; 16]);
    unsafe extern "C" {
        fn sigemptyset(set: *mut Set) -> i32;
        fn sigprocmask(how: i32, set: *const Set, old: *mut Set) -> i32;
    }
    let is_linux = cfg!(any(target_os = "linux", target_os = "android"));
    let is_mips = cfg!(any(target_arch = "mips", target_arch = "mips64"));
    let set_mask = if is_linux && !is_mips { 2 } else { 3 };
    let mut set = Set([0; 16]);
    // SAFETY: the declarations are those of sigemptyset(3) and sigprocmask(2), the set is at least
    // as large as the system's, and the old one may be null. There is one thread yet.
    unsafe {
        sigemptyset(&raw mut set);
        sigprocmask(set_mask, &raw const set, std::ptr::null_mut());
    }
}

/// Opens a file for reading, without waiting: a pipe may have no writer, and a device no data.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Creates a file that only this user may read and write; it is an error if there is one.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Marks a descriptor as not inherited by children.
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "a flag of accept does it"))]
pub(crate) fn close_on_exec(fd: &OwnedFd) -> rustix::io::Result<()> {
    fcntl_setfd(fd, FdFlags::CLOEXEC)
}

/// The settings of the limit of open files.
pub(crate) const RAISE_FILES: &str = "ulimit -n or LimitNOFILE=";

/// Raises the limit of open files to the hard limit. Children get the old limit: some programs loop
/// over all descriptors up to it, or can't use high ones.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    // If the system refuses, the limit stays.
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        let _ = INHERITED_FILES.set(limit);
    }
}

/// The limit of open files at the start of this process, if it was raised.
static INHERITED_FILES: OnceLock<Rlimit> = OnceLock::new();

/// The most descriptors that may be open at once.
pub(crate) fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The file names that a command name may stand for.
pub(crate) fn spellings(file: &Path) -> Vec<PathBuf> {
    vec![file.to_owned()]
}

/// Whether a file is executable.
pub(crate) fn is_runnable(file: &Metadata) -> bool {
    file.permissions().mode() & 0o111 != 0
}

/// Marks inherited descriptors of this process as not inherited by children.
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

/// Takes ownership of a descriptor inherited at the start. Call it once for each number, before
/// anything else is opened, which might get that number.
pub(crate) fn adopt_descriptor(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is borrowed for one fcntl call, which fails with EBADF if there is
    // none.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open. Nothing in this process owns it: it was given, and nobody asked before.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Limits the bytes that a TCP socket buffers beyond those in transit, for the socket and, of a
/// listener, for its accepted connections. The socket then becomes writable as the peer reads.
/// Without the limit it buffers megabytes, and becomes writable only when a slow peer has read a
/// third.
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

/// Makes large allocations return to the system when they are freed. By default, glibc raises its
/// threshold after the first large message, and keeps that much memory.
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

/// The limit of this process's address space, if there is one.
pub(crate) fn address_space() -> Option<usize> {
    getrlimit(Resource::As).current.and_then(|limit| usize::try_from(limit).ok())
}

/// Returns the memory of small freed pieces to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn trim_memory() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: the declaration is that of malloc_trim(3), which touches free memory alone.
    unsafe {
        malloc_trim(0);
    }
}

/// Other allocators do so by default.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}

/// Other allocators do so by default.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn trim_memory() {}
