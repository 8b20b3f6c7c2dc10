//! The file of a Unix socket: created for its user only, in place of one without a listener, and
//! removed at the end.

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::umask;

use crate::os::sys::OwnedFd;

/// Connections that may wait to be accepted; the system may have a lower limit.
const BACKLOG: i32 = 4096;
/// Permissions of the Unix socket: its own user. A reverse proxy under another user gets a socket
/// from the service manager, with the mode and the group that it needs.
const MODE: rustix::fs::RawMode = 0o600;
/// Attempts to lock a folder that another process has locked, and the pause between them: 2 s in
/// all, far longer than the creation of a socket.
const TURNS: u32 = 100;
const TURN: Duration = Duration::from_millis(20);

/// The file of a Unix socket that this process has created.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The identity of the file; none once it is removed, because its number may be reused.
    made: Cell<Option<(u64, u64)>>,
}

impl SocketFile {
    /// Removes the file, unless another file has replaced it.
    pub(crate) fn remove(&self) {
        let Some(made) = self.made.take() else { return };
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == made) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A failed start also removes its file.
impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

pub(crate) fn bind(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    // Absolute, so that it is the same file at the end.
    let path = std::path::absolute(path)?;
    let address = SocketAddrUnix::new(&path)?;
    let _held = hold_folder(&path);
    make_way(&path, &address)?;
    let socket = unix_socket()?;
    // The file is created with its mode: a later change could hit a file that has replaced it. No
    // other thread runs yet that would create files under this mask.
    let mask = umask(Mode::from_raw_mode(!MODE & 0o777));
    let bound = rustix::net::bind(&socket, &address);
    umask(mask);
    bound?;
    let found = std::fs::symlink_metadata(&path)?;
    let file = SocketFile { path, made: Cell::new(Some((found.dev(), found.ino()))) };
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, file))
}

/// Locks the socket's folder, so that of two processes that start at once, the second sees the
/// first one's socket listen. Some network file systems can't lock; there the race remains.
fn hold_folder(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    for _ in 0..TURNS {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => std::thread::sleep(TURN),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn unix_socket() -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// Removes the socket of a process that ended without removing it: one without a listener.
fn make_way(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let taken = |reason| Err(io::Error::new(io::ErrorKind::AddrInUse, reason));
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return taken("a file of that name exists and is not a socket");
        }
        Ok(_) => {}
    }
    match rustix::net::connect(unix_socket()?, address) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path),
        // It has a listener, though perhaps no room for another connection.
        Ok(()) | Err(Errno::AGAIN) => taken("another process listens on it"),
        Err(error) => Err(error.into()),
    }
}
