//! The engine under hyper 1.x, HTTP/1.1 and HTTP/2, on one thread: one `RefCell` owns the engine,
//! and tasks tell it what happens. What a child is, a process or not, is the caller's choice: it
//! gives a function that starts one.

pub mod children;
mod web;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;

use mcp_bridge::{Bridge, ChildId, Config, Endpoint, Exchange, Input, Instant, Output, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{LocalSet, spawn_local};

use children::{Running, Start};
use web::Order;

/// The engine and what its outputs concern. The queues' lengths are the engine's care: see
/// `Config::queue` and `Config::stdin`.
pub struct Hub {
    bridge: RefCell<Bridge>,
    exchanges: RefCell<BTreeMap<Exchange, UnboundedSender<Order>>>,
    children: RefCell<BTreeMap<ChildId, Running>>,
    start: Box<Start>,
    /// Told after each input: the clock and the end of the program look again.
    changed: Notify,
    origin: tokio::time::Instant,
}

impl Hub {
    /// Tells the engine what happened and does what it asks for. Nothing in here waits.
    fn tell(self: &Rc<Self>, input: Input<'_>) {
        self.handle(input);
        while let Some(output) = self.next() {
            self.carry_out(output);
        }
        self.changed.notify_waiters();
    }

    fn handle(&self, input: Input<'_>) {
        self.bridge.borrow_mut().handle(input, Instant::new(self.origin.elapsed()));
    }

    fn next(&self) -> Option<Output> {
        self.bridge.borrow_mut().poll_output()
    }

    fn carry_out(self: &Rc<Self>, output: Output) {
        // One that is gone has told that it is.
        let child = |id, order: &dyn Fn(&mut Running)| {
            self.children.borrow_mut().get_mut(&id).map(order);
        };
        let order = |exchange, order| {
            self.exchanges.borrow().get(&exchange).map(|orders| orders.send(order).is_ok());
        };
        match output {
            Output::Open { server, child, env, .. } => self.open(server, child, env),
            Output::Write { child: id, bytes } => {
                if let Some(child) = self.children.borrow().get(&id) {
                    child.write(bytes);
                }
            }
            Output::CloseStdin { child: id } => child(id, &Running::close_stdin),
            Output::Terminate { child: id } => child(id, &|child| child.end(false)),
            Output::Kill { child: id } => child(id, &|child| child.end(true)),
            Output::Pause { child: id } => child(id, &|child| child.pause(true)),
            Output::Resume { child: id } => child(id, &|child| child.pause(false)),
            Output::Respond { exchange, response } => order(exchange, Order::Head(response)),
            Output::Send { exchange, bytes } => order(exchange, Order::Piece(bytes)),
            Output::Finish { exchange } => order(exchange, Order::Finish),
            // A queue that ends without its last order breaks the response off.
            Output::Abort { exchange } => drop(self.exchanges.borrow_mut().remove(&exchange)),
            Output::Save { .. } | Output::Forget { .. } => {} // Only with `Config::persist`.
            Output::Notice(notice) => eprintln!("{notice}"),
        }
    }

    /// Gives the engine its time: the wait is cut short by every input.
    async fn keep_time(self: Rc<Self>) {
        loop {
            let changed = self.changed.notified();
            let due = self.bridge.borrow().poll_timeout();
            match due.and_then(|due| self.origin.checked_add(due.since_origin())) {
                Some(due) => tokio::select! {
                    () = tokio::time::sleep_until(due) => self.tell(Input::Tick),
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Drains, and ends when nothing is open any more.
    async fn shut_down(self: &Rc<Self>) {
        self.tell(Input::Shutdown);
        loop {
            let changed = self.changed.notified();
            if self.bridge.borrow().is_idle() {
                return;
            }
            changed.await;
        }
    }
}

/// Serves these servers at their paths on loopback, until a SIGTERM.
pub fn serve(port: u16, paths: &[(&str, Server)], start: Box<Start>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(port, paths, start))
}

async fn run(port: u16, paths: &[(&str, Server)], start: Box<Start>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let config = Config::default(); // It is for a listener on loopback.
    let hub = Rc::new(Hub {
        bridge: RefCell::new(Bridge::new(config).map_err(io::Error::other)?),
        exchanges: RefCell::default(),
        children: RefCell::default(),
        start,
        changed: Notify::new(),
        origin: tokio::time::Instant::now(),
    });
    let at = |&(path, server)| Endpoint { path, server, ..Endpoint::default() };
    hub.tell(Input::Servers { servers: &paths.iter().map(at).collect::<Vec<_>>() });
    spawn_local(Rc::clone(&hub).keep_time());
    let mut term = signal(SignalKind::terminate())?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                spawn_local(web::serve(Rc::clone(&hub), socket));
            },
            _ = term.recv() => break,
        }
    }
    hub.shut_down().await;
    Ok(())
}
