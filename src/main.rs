//! hyper-mcp-proxy: MCP clients speak Streamable HTTP to it, it speaks stdio to the MCP servers
//! that it starts.
//!
//! All that decides anything is in the library, which does no I/O. This is the driver around it:
//! one thread, one executor, one reactor. What can be wrong is found before anything listens.

#![deny(unsafe_code)]

mod access;
mod cli;
mod demo;
mod http;
mod hub;
mod limits;
mod logging;
mod os;
mod process;
mod reactor;
mod record;
mod sessions;
mod signals;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use cli::args::{self, Options};
use cli::exit::Exit;
use cli::launch::Found;
use http::listen;
use hub::{Door, Hub, Pages, Parts};
use limits::deadlines::Deadline;
use mcp_bridge::Config;
use os::sockets::{Address, Place, Sockets};
use os::sys::{self, OwnedFd};
use os::systemd;
use reactor::{Reactor, Source, Use};
use record::Recorder;
use sessions::Kept;
use smol::LocalExecutor;

/// Files that the program opens for itself: what it is built on panics without them.
const FILES: usize = 16;
/// How long the last answers may take to be sent when all else is done.
const FLUSH: Duration = Duration::from_secs(1);
/// Tasks that run before anybody looks at the descriptors again.
const RUNS: usize = 200;

fn main() -> ExitCode {
    let _flush = logging::FlushAtEnd;
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let done = if args.first().is_some_and(|first| first == args::DEMO_SERVER) {
        demo::run().map_err(|error| failure(1, format!("demo: {error}")))
    } else {
        args::parse(args, std::env::vars_os()).and_then(serve)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Print(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(Exit::Fail { code, reason }) => {
            // If nobody can read it, the status still tells.
            logging::say(&format!("hyper-mcp-proxy: {reason}"));
            ExitCode::from(code)
        }
    }
}

fn failure(code: u8, reason: String) -> Exit {
    Exit::Fail { code, reason }
}

/// Serves until a signal ends it.
fn serve(options: Options) -> Result<(), Exit> {
    let Options {
        place,
        is_placed,
        log_format,
        mut config,
        servers,
        file,
        record,
        sessions,
        strange,
        access,
        aside,
        mut pages,
    } = options;
    logging::start(log_format, (!access.is_on).then_some(access::TARGET));
    for name in strange {
        log::warn!(target: "proxy", "the variable {name} is ignored: no flag has that name; see --help");
    }
    log_panics();
    sys::raise_open_files();
    check_files()?;
    let broken =
        |what: &'static str| move |error: io::Error| failure(1, format!("{what}: {error}"));
    let passed =
        systemd::sockets().map_err(broken("the sockets of the service manager can't be used"))?;
    sys::seal_descriptors();
    sys::give_memory_back();
    sys::adopt_orphans();
    // Before there is a socket: whoever finds that may send one.
    let signals = signals::install(file.is_some()).map_err(broken("signals can't be watched"))?;
    let kept = sessions.map(Kept::open).transpose().map_err(|reason| failure(1, reason))?;
    let hands_over = !passed.is_empty() && kept.is_some();
    let sockets = listen_on(passed, &place, is_placed)?;
    let reactor = Reactor::new().map_err(broken("the reactor can't start"))?;
    let addresses = sockets.addresses();
    config.loopback = is_local(&addresses);
    let capacity = listen::capacity(config.sessions);
    let front = sources(&reactor, sockets.listeners)?;
    let (side, metrics) = beside(aside, &mut pages, &reactor)?;
    let recorder = record.map(|terms| recorder(&terms, &config)).transpose()?;
    let parts = Parts { recorder, access, pages };
    let hub = Hub::new(config, sockets.file, Rc::clone(&reactor), parts)
        .map_err(|error| failure(1, format!("the limits are invalid: {error}")))?;
    hub.hands_over.set(hands_over);
    let executor = Rc::clone(&hub.executor);
    announce(&addresses, &servers, &metrics);
    hub.serve(servers);
    let keeper = kept.map(|kept| kept.start(&hub)).transpose();
    let keeper = keeper.map_err(|reason| failure(1, reason))?;
    #[cfg(windows)] // Polled here, it needs no thread of its own.
    executor.spawn(async_process::driver()).detach();
    executor.spawn(signals::watch(Rc::clone(&hub), signals, file)).detach();
    hub.capacity.set(capacity);
    let accepting = executor.spawn(listen::accept(Rc::clone(&hub), front, Door::Front));
    executor.spawn(listen::accept(Rc::clone(&hub), side, Door::Side)).detach();
    systemd::notify("READY=1");
    let end = async {
        hub.drained().await;
        drop(accepting);
        hub.clean_up();
        flush(&hub).await;
        if let Some(keeper) = keeper {
            keeper.flush(&hub).await;
        }
    };
    reactor.run(&*hub, run_tasks(&executor, end));
    log::info!(target: "proxy", "ended");
    Ok(())
}

/// Whether there are files enough for the program itself.
fn check_files() -> Result<(), Exit> {
    let files = sys::open_files();
    if files < FILES {
        let reason = format!(
            "the limit of open files is {files}, and the program itself needs {FILES}; raise {}",
            sys::RAISE_FILES
        );
        return Err(failure(1, reason));
    }
    Ok(())
}

/// The sockets of the pages' own address, if they have one, and where the metrics are there.
fn beside(
    place: Option<Place>,
    pages: &mut Pages,
    reactor: &Rc<Reactor>,
) -> Result<(Vec<Source<OwnedFd>>, Vec<String>), Exit> {
    let Some(place) = place else { return Ok(Default::default()) };
    let sockets = Sockets::bind(&place).map_err(|error| {
        failure(1, format!("can't listen on {place}: {error}; see --metrics-listen"))
    })?;
    let addresses = sockets.addresses();
    pages.is_aside_local = !addresses.iter().any(Address::is_public);
    let urls = addresses.iter().filter_map(|address| match (address, &pages.metrics) {
        (Address::Inet(address), Some(path)) => Some(format!("http://{address}{path}")),
        _ => None,
    });
    let urls = urls.collect();
    Ok((sources(reactor, sockets.listeners)?, urls))
}

fn sources(reactor: &Rc<Reactor>, listeners: Vec<OwnedFd>) -> Result<Vec<Source<OwnedFd>>, Exit> {
    let sources = listeners.into_iter().map(|fd| Source::new(reactor, fd, Use::Socket));
    let sources: io::Result<_> = sources.collect();
    sources.map_err(|error| failure(1, format!("can't listen: {error}")))
}

/// The recorder of the run, and what its file is not.
fn recorder(terms: &record::Terms, config: &Config) -> Result<Recorder, Exit> {
    let file = terms.file.display();
    let recorder = Recorder::new(terms, config);
    let recorder =
        recorder.map_err(|error| failure(1, format!("--record: can't create {file}: {error}")))?;
    if terms.contents {
        log::warn!(
            target: "proxy",
            "the recording {file} has all contents of the messages of clients and servers (--record-contents)"
        );
    }
    Ok(recorder)
}

/// Runs the tasks that are awake until `end` comes. The executor can do that itself, with one
/// queue more for threads that share it: here is one thread.
async fn run_tasks(executor: &LocalExecutor<'_>, end: impl Future<Output = ()>) {
    let mut end = pin!(end);
    let mut next = pin!(executor.tick());
    poll_fn(|cx| {
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        for _ in 0..RUNS {
            if executor.try_tick() {
                continue;
            }
            // There is none: be woken when there is one.
            if next.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            next.set(executor.tick());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The sockets to listen on: those that were passed on, or else those at the place that was named.
fn listen_on(passed: Vec<OwnedFd>, place: &Place, is_placed: bool) -> Result<Sockets, Exit> {
    if passed.is_empty() {
        return Sockets::bind(place).map_err(|error| {
            failure(1, format!("can't listen on {place}: {error}; see {}", place.flags()))
        });
    }
    if is_placed {
        log::warn!(
            target: "proxy",
            "--host, --port and --unix are ignored: the service manager passed sockets"
        );
    }
    Sockets::inherit(passed).map_err(|error| {
        failure(1, format!("the sockets of the service manager can't be used: {error}"))
    })
}

/// Whether pages in a browser of this machine could be made to speak to it, and nobody from
/// elsewhere can.
fn is_local(addresses: &[Address]) -> bool {
    !addresses.iter().any(Address::is_public) && addresses.iter().any(Address::is_loopback)
}

/// Says where the endpoints and the metrics are, when nothing can keep them from being served.
fn announce(addresses: &[Address], servers: &Found, metrics: &[String]) {
    let paths: Vec<_> = servers.servers.iter().map(|server| &*server.path).collect();
    for address in addresses {
        match address {
            Address::Inet(address) => {
                let urls: Vec<_> =
                    paths.iter().map(|path| format!("http://{address}{path}")).collect();
                log::info!(target: "proxy", "listening on {}", urls.join(" and "));
            }
            Address::Unix(socket) => log::info!(
                target: "proxy",
                "listening on the Unix socket {socket}, endpoint {}",
                paths.join(" and ")
            ),
        }
    }
    for url in metrics {
        log::info!(target: "proxy", "metrics at {url}");
    }
    if addresses.iter().any(Address::is_public) {
        log::warn!(
            target: "proxy",
            "there is no authentication: whoever reaches this address can use the server"
        );
    }
}

/// Lets connections send what they have, for a while.
async fn flush(hub: &Rc<Hub>) {
    hub.deadlines.evict_idle();
    let deadline = Deadline::new(&hub.deadlines);
    deadline.set(hub.now().after(FLUSH));
    poll_fn(|cx| {
        if hub.connections.get() == 0 {
            return Poll::Ready(());
        }
        hub.closed.register(cx);
        deadline.poll(cx)
    })
    .await;
}

/// A panic is a fault of ours; it ends one task, and belongs into the log on one line.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!(target: "proxy", "fault: {panic}")));
}
