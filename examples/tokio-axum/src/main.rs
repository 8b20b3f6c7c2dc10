//! The engine under tokio, as an axum service. One mutex owns it, held only while the engine
//! thinks; each child has a task that writes and one that reads and waits for its end.
//!
//! `cargo run -- 8080 COMMAND…` in this folder serves on `http://127.0.0.1:8080/mcp`; port 0
//! picks a free one. [`web`] has the service itself, to be mounted among others.

mod children;
mod web;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::serve::ListenerExt;
use mcp_bridge::{Body, Bridge, ChildId, Config, Exchange, Input, Instant, Output};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep_until;

use children::Running;
use web::Order;

/// The engine and what its outputs concern.
pub struct Hub {
    state: Mutex<State>,
    /// Told after each input: the clock looks again.
    changed: Notify,
    /// Told after each input as well: readers of children, whom the engine may hold back, and
    /// the end of the program look again.
    progressed: Notify,
    origin: tokio::time::Instant,
    command: Vec<OsString>,
}

struct State {
    bridge: Bridge,
    /// The queues' lengths are the engine's care: see `Config::queue` and `Config::stdin`.
    exchanges: BTreeMap<Exchange, UnboundedSender<Order>>,
    children: BTreeMap<ChildId, Running>,
    draining: bool,
}

impl Hub {
    pub fn new(config: Config, command: Vec<OsString>) -> Arc<Self> {
        let state = Mutex::new(State {
            bridge: Bridge::new(config).expect("a good configuration"),
            exchanges: BTreeMap::new(),
            children: BTreeMap::new(),
            draining: false,
        });
        let origin = tokio::time::Instant::now();
        let hub =
            Self { state, changed: Notify::new(), progressed: Notify::new(), origin, command };
        let hub = Arc::new(hub);
        tokio::spawn(Arc::clone(&hub).keep_time());
        hub
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant::new(self.origin.elapsed())
    }

    fn tell(self: &Arc<Self>, input: Input<'_>) {
        self.feed(&mut self.lock(), input);
    }

    /// Tells the engine what happened and does what it asks for. Nothing in here waits.
    fn feed(self: &Arc<Self>, state: &mut State, input: Input<'_>) {
        state.bridge.handle(input, self.now());
        while let Some(output) = state.bridge.poll_output() {
            self.carry_out(state, output);
        }
        self.changed.notify_one();
        self.progressed.notify_waiters();
    }

    fn carry_out(self: &Arc<Self>, state: &mut State, output: Output) {
        // A receiver that is gone has told, or will tell, that it is.
        let order = |state: &State, exchange, order| {
            state.exchanges.get(&exchange).map(|orders| orders.send(order).is_ok());
        };
        match output {
            Output::Open { child: id, env, .. } => match self.start(id, env) {
                Ok((running, pid)) => {
                    state.children.insert(id, running);
                    state.bridge.handle(Input::Opened { child: id, pid: Some(pid) }, self.now());
                }
                Err(error) => {
                    let (reason, public) = (&*error.to_string(), "the system refused its program");
                    let failed = Input::OpenFailed { child: id, reason, public };
                    state.bridge.handle(failed, self.now());
                }
            },
            Output::Write { child: id, bytes } => child(state, id, |child| child.write(bytes)),
            Output::Pause { child: id } => child(state, id, |child| child.paused = true),
            Output::Resume { child: id } => child(state, id, |child| child.paused = false),
            Output::CloseStdin { child: id } => child(state, id, Running::close_stdin),
            Output::Terminate { child: id } => child(state, id, |child| child.terminate()),
            Output::Kill { child: id } => child(state, id, |child| child.kill()),
            Output::Respond { exchange, response } => {
                let is_last = matches!(response.body, Body::Whole(_));
                order(state, exchange, Order::Head(response));
                if is_last {
                    state.exchanges.remove(&exchange);
                }
            }
            Output::Send { exchange, bytes } => order(state, exchange, Order::Piece(bytes)),
            Output::Finish { exchange } => {
                order(state, exchange, Order::Finish);
                state.exchanges.remove(&exchange);
            }
            // A queue that ends without its last order breaks the response off.
            Output::Abort { exchange } => drop(state.exchanges.remove(&exchange)),
            // Only with `Config::persist`: a file of records, from which later runs restore.
            Output::Save { session, .. } => {
                state.bridge.handle(Input::Saved { session }, self.now());
            }
            Output::Forget { .. } => {}
            Output::Notice(notice) => eprintln!("{notice}"),
        }
    }

    /// Gives the engine its time: the wait is cut short by every input.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let due = self.lock().bridge.poll_timeout();
            match due.and_then(|due| self.origin.checked_add(due.since_origin())) {
                Some(due) => tokio::select! {
                    () = sleep_until(due) => self.tell(Input::Tick),
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// Waits until this holds; it is tried anew after each input.
    async fn until(&self, mut holds: impl FnMut(&State) -> bool) {
        loop {
            let progressed = self.progressed.notified();
            if holds(&self.lock()) {
                return;
            }
            progressed.await;
        }
    }

    pub fn shut_down(self: &Arc<Self>) {
        self.lock().draining = true;
        self.tell(Input::Shutdown);
    }

    /// Ends when it was told to shut down and nothing is open any more.
    pub async fn drained(self: Arc<Self>) {
        self.until(|state| state.draining && state.bridge.is_idle()).await;
    }
}

fn child(state: &mut State, id: ChildId, order: impl FnOnce(&mut Running)) {
    if let Some(child) = state.children.get_mut(&id) {
        order(child);
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let port = args.next().and_then(|port| port.to_str()?.parse::<u16>().ok());
    let (Some(port), command @ [_, ..]) = (port, &*args.collect::<Vec<_>>()) else {
        return Err(io::Error::other("usage: tokio-axum PORT COMMAND [ARGUMENT…]"));
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let config = Config::default(); // It is for a listener on loopback.
    eprintln!("listening on http://{}{}", listener.local_addr()?, config.endpoint);
    let hub = Hub::new(config, command.to_vec());
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let operator = Arc::clone(&hub);
    tokio::spawn(async move {
        while tokio::select! { got = term.recv() => got, got = int.recv() => got }.is_some() {
            operator.shut_down();
        }
    });
    // A peer that reads no more would keep its connection: hyper has no limit for that.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
        let _ = set_tcp_user_timeout(socket, 30_000);
    });
    let app = web::service(Arc::clone(&hub));
    axum::serve(listener, app).with_graceful_shutdown(hub.drained()).await
}
