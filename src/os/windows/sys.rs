//! Windows counterparts of descriptors, pipes and their calls. They run under Wine in CI and were
//! never tried on Windows.
//!
//! The reactor supports only sockets there. So each pipe of a child has a thread that copies its
//! bytes to and from a loopback socket.

use std::io::{self, IoSlice, PipeReader, PipeWriter};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
pub(crate) use std::os::windows::io::{AsSocket as AsFd, OwnedSocket as OwnedFd};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::net::{RecvFlags, SendFlags, recv, send};
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_USE_SYSTEM_PREFERRED_RNG, BCryptGenRandom,
};

/// The separators of directories in a path; a command name with one is a path.
pub(crate) const SEPARATORS: &[u8] = b"/\\";
/// The search path for commands if `PATH` is not set.
pub(crate) const PATH: &str = r"C:\Windows\System32";
/// How long the threads of the pipes may take to copy a child's last output.
const LAG: Duration = Duration::from_millis(50);
/// The extensions of programs if `PATHEXT` is not set. Scripts come after programs.
const ENDINGS: &str = ".COM;.EXE;.BAT;.CMD";

pub(crate) fn read(fd: &OwnedFd, into: &mut [u8]) -> rustix::io::Result<usize> {
    recv(fd, into, RecvFlags::empty()).map(|(count, _)| count)
}

pub(crate) fn write(fd: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    send(fd, bytes, SendFlags::empty())
}

/// Writes the first non-empty piece: one call writes one piece.
pub(crate) fn writev(fd: &OwnedFd, pieces: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    pieces.iter().find(|piece| !piece.is_empty()).map_or(Ok(0), |piece| write(fd, piece))
}

/// Bytes in a pipe that its reader has not read: unknown here.
pub(crate) fn unread(_: &OwnedFd) -> Option<u64> {
    None
}

/// The missing resource, if it is why a process could not be started.
pub(crate) fn shortage(error: &io::Error) -> Option<(&'static str, String)> {
    let is_memory = error.kind() == io::ErrorKind::OutOfMemory;
    is_memory.then(|| ("there is no memory for another process", "close other programs".into()))
}

/// The setting of the limit of open files.
pub(crate) const RAISE_FILES: &str = "it";

/// There is no such limit.
pub(crate) fn raise_open_files() {}

/// Whether standard error accepts bytes: unknown before a write.
pub(crate) fn is_stderr_writable(_: Duration) -> bool {
    true
}

/// Handles are not inherited unless they are passed explicitly.
pub(crate) fn close_on_exec(_: &OwnedFd) -> rustix::io::Result<()> {
    Ok(())
}

/// Creates a pipe that a child reads: the child's end, and ours in non-blocking mode.
pub(crate) fn pipe_to_child() -> io::Result<(PipeReader, OwnedFd)> {
    let (theirs, mut pipe) = io::pipe()?;
    let (ours, mut far) = pair()?;
    relay(move || io::copy(&mut far, &mut pipe))?;
    Ok((theirs, ours))
}

/// Creates a pipe that a child writes: the child's end, and ours in non-blocking mode.
pub(crate) fn pipe_from_child() -> io::Result<(PipeWriter, OwnedFd)> {
    let (mut pipe, theirs) = io::pipe()?;
    let (ours, mut far) = pair()?;
    relay(move || io::copy(&mut pipe, &mut far))?;
    Ok((theirs, ours))
}

/// Copies bytes until one side is closed; then the thread closes the other side.
fn relay(carry: impl FnOnce() -> io::Result<u64> + Send + 'static) -> io::Result<()> {
    let carry = move || {
        // An error means that one side is closed.
        let _ = carry();
    };
    thread::Builder::new().name("pipe".into()).spawn(carry).map(drop)
}

/// Creates two connected sockets: ours, non-blocking, and the thread's.
fn pair() -> io::Result<(OwnedFd, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let name = ours.local_addr()?;
    // Any process of this machine may connect first; its connection is dropped.
    let far = loop {
        let (far, peer) = listener.accept()?;
        if peer == name {
            break far;
        }
    };
    ours.set_nodelay(true)?;
    far.set_nodelay(true)?;
    ours.set_nonblocking(true)?;
    Ok((ours.into(), far))
}

/// Waits until a child's last output can be read.
pub(crate) async fn settle() {
    async_io::Timer::after(LAG).await;
}

/// Prepares a child's command; needed on Unix only.
pub(crate) fn prepare(_: &mut Command, _: &std::ffi::OsStr, _: u64) {}

/// There are no orphans: the job object holds them.
pub(crate) fn adopt_orphans() {}

/// There is no such signal.
pub(crate) fn ignores_hang_up() -> bool {
    false
}

/// No signal is blocked.
pub(crate) fn unblock_signals() {}

/// Creates a file; it is an error if there is one. Who may read it is up to its folder.
pub(crate) fn create_private(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::options().write(true).create_new(true).open(path)
}

/// Opens a file for reading.
pub(crate) fn open_file(path: &Path) -> io::Result<std::fs::File> {
    std::fs::File::open(path)
}

/// Handles are not inherited unless they are marked.
pub(crate) fn seal_descriptors() {}

/// The allocator does this by default.
pub(crate) fn give_memory_back() {}

/// The allocator does this by default.
pub(crate) fn trim_memory() {}

/// There is no such limit.
pub(crate) fn address_space() -> Option<usize> {
    None
}

/// There is no limit of open files.
pub(crate) fn open_files() -> usize {
    usize::MAX
}

/// The programs that a name may stand for: the name itself if it has an extension, then each of
/// `PATHEXT`, so that `npx` finds `npx.cmd`.
pub(crate) fn spellings(file: &Path) -> Vec<std::path::PathBuf> {
    let endings = std::env::var("PATHEXT").unwrap_or_else(|_| ENDINGS.into());
    let with = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        name.into()
    };
    let itself = file.extension().map(|_| file.to_owned());
    let endings = endings.split(';').filter(|ending| ending.starts_with('.'));
    itself.into_iter().chain(endings.map(with)).collect()
}

/// Whether a file is executable: the extension decides, so any may be.
pub(crate) fn is_runnable(_: &std::fs::Metadata) -> bool {
    true
}

/// Fills a buffer with random bytes of the system.
pub(crate) fn fill(bytes: &mut [u8]) {
    #![allow(unsafe_code, reason = "there is no safe call for it")]
    let length = u32::try_from(bytes.len()).expect("some hundred bytes are asked for");
    // SAFETY: without an algorithm the first argument is null; the buffer is writable and as long
    // as is said.
    let status = unsafe {
        BCryptGenRandom(
            std::ptr::null_mut(),
            bytes.as_mut_ptr(),
            length,
            BCRYPT_USE_SYSTEM_PREFERRED_RNG,
        )
    };
    assert!(status == 0, "the system gave no random bytes: {status:#x}");
}
