//! Accepting connections, up to a limit. At the limit, the connection with the least progress is
//! closed.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_lite::future::yield_now;

use crate::http::connection;
use crate::hub::{Door, Hub};
use crate::limits::deadlines::Deadline;
use crate::os::sys::{self, OwnedFd};
use crate::reactor::turns::Turn;
use crate::reactor::{Source, Use};

/// The most connections at once. Each session has two or three; 1,024 is enough for the default 64
/// sessions and many idle connections, at some 6 KiB each.
const CONNECTIONS: usize = 1024;
/// Descriptors for other uses than connections and children: the listeners, logs, the reactor.
const RESERVED: usize = 32;
/// Descriptors of a child: its pipes, and one for its exit.
const PER_SESSION: usize = 4;
/// Connections of one client at once: a stream, a call, and one in reserve.
const PER_CLIENT: usize = 3;
/// Connections for the pages at an address of their own, when all others are in use.
const ASIDE: usize = 4;
/// Pause after the system is out of resources for accepting.
const PAUSE: Duration = Duration::from_millis(100);
/// Units of work for accepting a connection: a short turn accepts 16.
const ACCEPT: usize = 4;

/// The number of connections for this many sessions: [`CONNECTIONS`], or what the clients of all
/// sessions open if that is more, as far as there are descriptors; at least a quarter of all
/// descriptors.
pub(crate) fn capacity(sessions: usize) -> usize {
    let limit = sys::open_files();
    let own = RESERVED.saturating_add(sessions.saturating_mul(PER_SESSION));
    let room = limit.saturating_sub(own);
    let needed = sessions.saturating_mul(2);
    if room < needed {
        log::warn!(
            target: "proxy",
            "the limit of open files is {limit}, and --max-sessions {sessions} needs {}; raise {}",
            own.saturating_add(needed),
            sys::RAISE_FILES
        );
    }
    room.max(limit / 4).clamp(1, CONNECTIONS.max(sessions.saturating_mul(PER_CLIENT)))
}

/// Accepts connections of a listener until another process does.
pub(crate) async fn accept(hub: Rc<Hub>, listeners: Vec<Source<OwnedFd>>, door: Door) {
    let capacity = hub.capacity.get() + if door == Door::Side { ASIDE } else { 0 };
    let pause = Deadline::new(&hub.deadlines);
    let mut turn = Turn::new(&hub.reactor.turns);
    loop {
        make_room(&hub, capacity).await;
        let accepted = poll_fn(|cx| {
            ready!(turn.poll(cx));
            if door == Door::Front && hub.hands_over.get() && hub.leaving.get() {
                return Poll::Pending;
            }
            let accepted = poll_accept(&listeners, cx);
            match accepted.is_ready() {
                true => turn.spend(ACCEPT),
                false => turn.rest(),
            }
            accepted
        });
        let accepted = accepted.await;
        match accepted.and_then(|socket| Source::new(&hub.reactor, socket, Use::Socket)) {
            Ok(socket) => {
                hub.connections.set(hub.connections.get() + 1);
                hub.executor.spawn(connection::serve(Rc::clone(&hub), socket, door)).detach();
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(error) => {
                log::warn!(target: "proxy", "can't accept a connection: {error}");
                hub.deadlines.evict(hub.now());
                pause.set(hub.now().after(PAUSE));
                poll_fn(|cx| pause.poll(cx)).await;
            }
        }
    }
}

/// Waits until the number of connections is below the limit. If all have a request in flight, the
/// first that finishes one is closed.
async fn make_room(hub: &Hub, capacity: usize) {
    if hub.connections.get() >= capacity {
        // Connections that were just accepted become idle first.
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
            hub.crowded.set(!hub.deadlines.evict(hub.now()));
        }
        Poll::Pending
    })
    .await;
}

fn poll_accept(listeners: &[Source<OwnedFd>], cx: &Context<'_>) -> Poll<io::Result<OwnedFd>> {
    for listener in listeners {
        if let Poll::Ready(accepted) = listener.poll_read(cx, accept_one) {
            return Poll::Ready(accepted.map_err(io::Error::from));
        }
    }
    Poll::Pending
}

#[cfg(target_os = "linux")]
fn accept_one(listener: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    use rustix::net::{SocketFlags, accept_with};
    accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(not(target_os = "linux"))]
fn accept_one(listener: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::accept(listener)?;
    sys::close_on_exec(&socket)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    // They are TCP options: a Unix socket has none.
    let _ = crate::os::sockets::set_options(&socket);
    Ok(socket)
}

/// Whether an error concerns only one connection, which is gone by now.
fn is_peers_fault(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::NOTCONN,
        #[cfg(unix)]
        Errno::PROTO,
        #[cfg(unix)]
        Errno::PERM,
    ];
    gone.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
