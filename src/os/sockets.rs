//! Listening sockets: on addresses that are resolved once, at the start, on a Unix socket for its
//! own user only, or on the sockets opened by the service manager.

#[cfg_attr(windows, path = "windows/file.rs")]
mod file;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{SocketType, getsockname, listen, sockopt};

use crate::os::sys::{AsFd, OwnedFd};
pub(crate) use file::SocketFile;

/// Silence after which a TCP peer is checked (keep-alive), and the longest wait of unacknowledged
/// bytes (RFC 5482): with a stream's comments every 15 s, a peer that is cut off is detected within
/// a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: u32 = 40_000;
/// Bytes of an answer that the system buffers beyond those in transit. A fast network takes them in
/// a tenth of a millisecond, and a peer that reads 8 KiB a second makes room for more before it
/// counts as stalled.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Connections that may wait to be accepted; the system may have a lower limit. The standard
/// library requests 128, and in a larger burst a client is ignored and tries again after a second.
const BACKLOG: i32 = 4096;

/// The place to listen, as the operator named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Place {
    /// The flags that change the place.
    pub(crate) const fn flags(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "--host and --port",
            Self::Unix(_) => "--unix",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}, port {port}"),
            Self::Unix(path) => write!(f, "the Unix socket {}", path.display()),
        }
    }
}

/// Listening sockets, in non-blocking mode, and the file of one that this process removes.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<OwnedFd>,
    pub(crate) file: Option<SocketFile>,
}

impl Sockets {
    /// Opens the sockets of a place.
    pub(crate) fn bind(place: &Place) -> io::Result<Self> {
        let sockets = match place {
            Place::Tcp { host, port } => Self { listeners: bind_tcp(host, *port)?, file: None },
            Place::Unix(path) => {
                let (listener, file) = file::bind(path)?;
                Self { listeners: vec![listener], file: Some(file) }
            }
        };
        for listener in &sockets.listeners {
            listen(listener, BACKLOG)?;
        }
        Ok(sockets)
    }

    /// Takes inherited sockets. The process that opened them also removes them.
    pub(crate) fn inherit(listeners: Vec<OwnedFd>) -> io::Result<Self> {
        for (number, listener) in listeners.iter().enumerate() {
            let listens =
                sockopt::socket_type(listener) == Ok(SocketType::STREAM) && is_listening(listener);
            if !listens {
                let number = number + 1;
                let reason = format!("socket {number} of them is not a listening stream socket");
                return Err(io::Error::other(reason));
            }
            ioctl_fionbio(listener, true)?;
            if matches!(address(listener), Some(Address::Inet(_))) {
                set_options(listener)?;
            }
        }
        Ok(Self { listeners, file: None })
    }

    /// The addresses of the sockets.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.listeners.iter().filter_map(address).collect()
    }
}

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Inet(SocketAddr),
    #[cfg_attr(windows, allow(dead_code, reason = "there are none"))]
    Unix(String),
}

impl Address {
    /// Whether other machines may reach it.
    pub(crate) fn is_public(&self) -> bool {
        self.ip().is_some_and(|ip| !ip.is_loopback())
    }

    /// Whether a page in a browser on this machine may reach it, under any name.
    pub(crate) fn is_loopback(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_loopback())
    }

    fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(socket: &OwnedFd) -> bool {
    sockopt::socket_acceptconn(socket) == Ok(true)
}

/// This system can't report it.
#[cfg(target_vendor = "apple")]
fn is_listening(_: &OwnedFd) -> bool {
    true
}

#[cfg(windows)]
fn address(listener: &OwnedFd) -> Option<Address> {
    SocketAddr::try_from(getsockname(listener).ok()?).ok().map(Address::Inet)
}

#[cfg(unix)]
fn address(listener: &OwnedFd) -> Option<Address> {
    let any = getsockname(listener).ok()?;
    if any.address_family() != rustix::net::AddressFamily::UNIX {
        return SocketAddr::try_from(any).ok().map(Address::Inet);
    }
    let unix = rustix::net::SocketAddrUnix::try_from(any).ok()?;
    let path = unix.path_bytes().map(|path| String::from_utf8_lossy(path).into_owned());
    Some(Address::Unix(path.unwrap_or_else(|| String::from("without a path"))))
}

/// The addresses of a host. A name that clients use for either loopback address is both, whatever
/// the system resolves it to (RFC 6761, section 6.3).
fn resolve(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if name.eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(both.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
    }
    Ok((name, port).to_socket_addrs()?.collect())
}

/// Whether a machine lacks such an address, or the protocol.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Binds all addresses of a host; port 0 becomes the same port on each.
fn bind_tcp(host: &str, port: u16) -> io::Result<Vec<OwnedFd>> {
    let name = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addresses = resolve(name, port)?;
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut address in addresses {
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 may still have a name with an IPv6 address.
            Err(error) if is_missing(&error) => failure = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() {
        return Err(failure);
    }
    let prepared = listeners.into_iter().map(|listener| {
        listener.set_nonblocking(true)?;
        set_options(&listener)?;
        Ok(listener.into())
    });
    prepared.collect()
}

/// Sets TCP options, which connections inherit from their listener where the system supports it.
pub(crate) fn set_options(socket: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    for finer in [
        sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE),
        sockopt::set_tcp_keepintvl(&socket, PROBE),
        sockopt::set_tcp_keepcnt(&socket, PROBES),
    ] {
        // Not every system has these options.
        if finer != Err(Errno::NOPROTOOPT) {
            finer?;
        }
    }
    #[cfg(target_os = "linux")]
    {
        sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED)?;
        crate::os::sys::limit_unsent(&socket, UNSENT)?;
    }
    Ok(())
}
