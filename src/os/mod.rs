//! Operating system interfaces without a call in the standard library: system calls, random bytes,
//! inherited sockets, the service manager, Windows. Unsafe code is allowed only here, with its
//! reason.

#[cfg(target_os = "linux")]
pub(crate) mod clone;
pub(crate) mod memory;
#[cfg_attr(windows, path = "windows/private.rs")]
pub(crate) mod private;
pub(crate) mod random;
pub(crate) mod sockets;
#[cfg_attr(windows, path = "windows/sys.rs")]
pub(crate) mod sys;
#[cfg_attr(windows, path = "windows/systemd.rs")]
pub(crate) mod systemd;
