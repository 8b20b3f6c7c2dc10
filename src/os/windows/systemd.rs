//! The service manager on Windows: not supported.

use std::io;

use crate::os::sys::OwnedFd;

/// There are no variables of a manager.
pub(crate) const VARIABLES: [&str; 0] = [];

/// No sockets are inherited.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    Ok(Vec::new())
}

/// No manager has started this program.
pub(crate) fn is_there() -> bool {
    false
}

/// There is no journal.
pub(crate) fn has_journal() -> bool {
    false
}

/// No manager is notified.
pub(crate) fn notify(_: &str) {}

/// No manager is notified.
pub(crate) fn notify_reload() {}
