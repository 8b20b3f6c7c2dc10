//! The only unsafe code of the program: what the standard library cannot say about processes and
//! memory.
#![allow(unsafe_code, reason = "see the argument at each use")]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::process::Command;

/// Makes the kernel end the child with `SIGKILL` when the thread that starts it ends. Call it, and
/// start the child, on the main thread: that lives as long as the process.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;

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
        let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
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
