//! Unix sockets on Windows: not supported.

use std::io;
use std::path::Path;

use crate::os::sys::OwnedFd;

/// The file of a socket; there is none.
#[derive(Debug)]
pub(crate) struct SocketFile;

impl SocketFile {
    pub(crate) fn remove(&self) {}
}

pub(crate) fn bind(_: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no Unix sockets on this system"))
}
