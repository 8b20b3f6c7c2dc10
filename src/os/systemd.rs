//! The service manager, by systemd's protocols: the sockets that it passes on, and notifications of
//! the program's state. Without a manager, all of this is a no-op.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::os::sys::{self, OwnedFd};

/// The first inherited descriptor (sd_listen_fds(3)).
const FIRST: i32 = 3;
/// The most inherited sockets that are used. A unit has one or two.
const SOCKETS: i32 = 16;
/// How long the manager may take to read a notification.
const PATIENCE: Duration = Duration::from_secs(1);

/// The manager's environment variables. They are meant for this process only.
pub(crate) const VARIABLES: [&str; 6] = [
    "JOURNAL_STREAM",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
];

/// Returns the inherited sockets, if any. Call it once, before any descriptor is opened.
pub(crate) fn sockets() -> io::Result<Vec<OwnedFd>> {
    let variable = |name| env::var(name).ok();
    let count = count(variable("LISTEN_PID"), variable("LISTEN_FDS"), std::process::id());
    let count = count.map_err(io::Error::other)?;
    (FIRST..FIRST + count).map(sys::adopt_descriptor).collect()
}

/// The number of sockets according to the variables.
pub(crate) fn count(pid: Option<String>, fds: Option<String>, own: u32) -> Result<i32, String> {
    // A parent process may have left the variables in place.
    if pid.and_then(|pid| pid.parse().ok()) != Some(own) {
        return Ok(0);
    }
    let count = fds.as_deref().unwrap_or("0").parse().ok();
    let count = count.filter(|count| (0..=SOCKETS).contains(count));
    count.ok_or_else(|| format!("LISTEN_FDS is not a number up to {SOCKETS}: {fds:?}"))
}

/// Whether a service manager has started this program.
pub(crate) fn is_there() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some_and(|name| !name.is_empty())
}

/// Whether standard error goes to the journal: the variable has the device and inode of that stream
/// (systemd.exec(5)).
pub(crate) fn has_journal() -> bool {
    let stream = env::var("JOURNAL_STREAM").ok();
    let named = stream.as_deref().and_then(|stream| stream.split_once(':'));
    let Some((device, inode)) = named else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|own| {
        device.parse() == Ok(i128::from(own.st_dev)) && inode.parse() == Ok(i128::from(own.st_ino))
    })
}

/// Notifies the manager of a state (sd_notify(3)), such as `READY=1`.
pub(crate) fn notify(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&name, state) {
        log::warn!(target: "proxy", "can't send {state:?} to the service manager: {error}");
    }
}

/// Notifies the manager of a reload; `READY=1` ends it.
pub(crate) fn notify_reload() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(state.as_bytes(), &address(name)?).map(drop)
}

/// The address of a path, or after `@` of a name in Linux's abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
