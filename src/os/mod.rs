//! What the standard library has no call for: system calls, random bytes, sockets that are passed
//! on, the service manager, Windows. Unsafe code is allowed here alone, with its reason.

pub(crate) mod memory;
pub(crate) mod random;
pub(crate) mod sockets;
#[cfg_attr(windows, path = "windows/sys.rs")]
pub(crate) mod sys;
#[cfg_attr(windows, path = "windows/systemd.rs")]
pub(crate) mod systemd;
