//! The service manager on Windows: none that is spoken to.

use std::io;

use crate::os::sys::OwnedFd;

/// What a manager would say in the environment.
pub(crate) const VARIABLES: [&str; 0] = [];

/// No sockets are passed on.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    Ok(Vec::new())
}

/// None has started this program.
pub(crate) fn is_there() -> bool {
    false
}

/// There is no journal.
pub(crate) fn has_journal() -> bool {
    false
}

/// There is nobody to tell.
pub(crate) fn tell(_: &str) {}

/// The same.
pub(crate) fn tell_of_reload() {}
