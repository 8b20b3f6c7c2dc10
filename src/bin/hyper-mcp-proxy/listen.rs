//! Listening: addresses found once, before anything runs; then connections, as many as there is
//! room for. When there is none, the connection that has been idle longest makes way.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::yield_now;
use rustix::net::sockopt;

use crate::connection;
use crate::deadlines::Deadline;
use crate::hub::Hub;
use crate::reactor::{Source, Use};

/// The most connections at once. Each session has two or three; 1,024 is room for the default 64
/// sessions and a crowd of idle ones, at some 6 KiB each.
const CONNECTIONS: usize = 1024;
/// Descriptors that are not for connections or children: the listeners, logs, the reactor.
const RESERVED: usize = 32;
/// Descriptors of a child.
const PER_SESSION: usize = 3;
/// The pause after the system has nothing left to accept with.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections taken in one turn.
const ACCEPTS: usize = 16;

/// How long a silent peer is believed to be there (TCP keep-alive), and how long unacknowledged
/// bytes may wait (RFC 5482).
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: u32 = 60_000;

/// Binds all addresses of a host; port 0 becomes the same port on each.
pub(crate) fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let name = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let addresses: Vec<SocketAddr> = (name, port).to_socket_addrs()?.collect();
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut address in addresses {
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            // A machine without IPv6 still has a name with an IPv6 address.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => failure = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() {
        return Err(failure);
    }
    listeners.iter().try_for_each(prepare)?;
    Ok(listeners)
}

/// Options that connections inherit where the system lets them.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    set_options(listener)
}

fn set_options(socket: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_keepalive(&socket, true)?;
    sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(&socket, PROBE)?;
    sockopt::set_tcp_keepcnt(&socket, PROBES)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED)?;
    Ok(())
}

/// How many connections there is room for beside so many sessions; at least a quarter of all that
/// can be open.
pub(crate) fn capacity(sessions: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let room = limit.saturating_sub(RESERVED + sessions.saturating_mul(PER_SESSION));
    if room < 2 * sessions {
        log::warn!(
            target: "proxy",
            "the limit of open files, {limit}, is low for {sessions} sessions"
        );
    }
    room.max(limit / 4).clamp(1, CONNECTIONS)
}

/// Takes connections for ever.
pub(crate) async fn accept(hub: Rc<Hub>, listeners: Vec<Source<TcpListener>>, capacity: usize) {
    let pause = Deadline::new(&hub.deadlines);
    loop {
        make_room(&hub, capacity).await;
        let accepted = poll_fn(|cx| poll_accept(&listeners, cx)).await;
        match accepted.and_then(|socket| Source::new(&hub.reactor, socket, Use::Socket)) {
            Ok(socket) => {
                hub.connections.set(hub.connections.get() + 1);
                hub.executor.spawn(connection::serve(Rc::clone(&hub), socket)).detach();
                if hub.connections.get().is_multiple_of(ACCEPTS) {
                    yield_now().await;
                }
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                log::warn!(target: "proxy", "can't take a connection: {error}");
                hub.deadlines.evict();
                pause.set(hub.now().after(PAUSE));
                poll_fn(|cx| pause.poll(cx)).await;
            }
        }
    }
}

/// Waits until there are fewer connections than there may be. If none is idle, the next that
/// becomes so will leave.
async fn make_room(hub: &Hub, capacity: usize) {
    if hub.connections.get() >= capacity {
        // Those that were just taken become idle first.
        yield_now().await;
    }
    let mut asked = false;
    poll_fn(|cx| {
        if hub.connections.get() < capacity {
            hub.crowded.set(false);
            return Poll::Ready(());
        }
        hub.closed.register(cx);
        if !std::mem::replace(&mut asked, true) {
            hub.crowded.set(!hub.deadlines.evict());
        }
        Poll::Pending
    })
    .await;
}

fn poll_accept(listeners: &[Source<TcpListener>], cx: &Context<'_>) -> Poll<io::Result<TcpStream>> {
    for listener in listeners {
        if let Poll::Ready(accepted) = listener.poll_read(cx, accept_one) {
            return Poll::Ready(accepted.map_err(io::Error::from));
        }
    }
    Poll::Pending
}

#[cfg(target_os = "linux")]
fn accept_one(listener: &TcpListener) -> rustix::io::Result<TcpStream> {
    use rustix::net::{SocketFlags, accept_with};
    accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).map(TcpStream::from)
}

#[cfg(not(target_os = "linux"))]
fn accept_one(listener: &TcpListener) -> rustix::io::Result<TcpStream> {
    let socket = TcpStream::from(rustix::net::accept(listener)?);
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    let _ = set_options(&socket);
    Ok(socket)
}

/// Whether an error concerns one connection only, which is gone by now.
fn is_peers_fault(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::CONNABORTED, Errno::CONNRESET, Errno::PROTO, Errno::PERM, Errno::NOTCONN];
    gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
