//! The engine under plain threads and `std::net`. One mutex owns it. Each connection has a thread
//! that answers and one that notices its peer leave; each child has a thread that writes, one that
//! reads and one that waits for its end; one thread keeps the time, one takes signals.
//!
//! `cargo run --example threads -- 8080 COMMAND…` serves on `http://127.0.0.1:8080/mcp`; port 0
//! picks a free one. A child's standard error is that of this program.

mod http;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{env, thread};

use async_signal::{Signal as Received, Signals};
use mcp_bridge::{Body, Bridge, ChildId, Config, Exchange, Exit, Input, Instant, Output, Response};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// For what is over but for the peer's own end.
const FAREWELL: Duration = Duration::from_secs(1);
const PIECE: usize = 16 * 1024;

struct Shared {
    state: Mutex<State>,
    /// Whoever waits for the engine looks again after each input.
    changed: Condvar,
    origin: std::time::Instant,
    head_limit: usize,
    command: Vec<OsString>,
}

struct State {
    bridge: Bridge,
    exchanges: BTreeMap<Exchange, (Sender<Order>, TcpStream)>,
    children: BTreeMap<ChildId, Running>,
    connections: usize,
    draining: bool,
}

struct Running {
    /// None once it has ended: its number is not ours any more.
    group: Option<Pid>,
    stdin: Option<Sender<Vec<u8>>>,
    paused: bool,
}

/// What a connection is to send. The queue's length is the engine's care: see `Config::queue`.
enum Order {
    Head(Response),
    Piece(Vec<u8>),
    Finish,
}

impl Shared {
    fn new(config: Config, command: Vec<OsString>) -> Self {
        let head_limit = config.head;
        let state = State {
            bridge: Bridge::new(config).expect("a good configuration"),
            exchanges: BTreeMap::new(),
            children: BTreeMap::new(),
            connections: 0,
            draining: false,
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { state, changed, origin: std::time::Instant::now(), head_limit, command }
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
        self.changed.notify_all();
    }

    fn carry_out(self: &Arc<Self>, state: &mut State, output: Output) {
        let signal = |state: &State, id, signal| {
            if let Some(group) = state.children.get(&id).and_then(|child| child.group) {
                let _ = kill_process_group(group, signal);
            }
        };
        let pause = |state: &mut State, id, paused| {
            if let Some(child) = state.children.get_mut(&id) {
                child.paused = paused;
            }
        };
        // A receiver that is gone has told, or will tell, that it is.
        let order = |state: &State, exchange, order| {
            state.exchanges.get(&exchange).map(|(orders, _)| orders.send(order).is_ok());
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
            Output::Write { child: id, bytes } => {
                let stdin = state.children.get(&id).and_then(|child| child.stdin.as_ref());
                stdin.map(|stdin| stdin.send(bytes).is_ok());
            }
            Output::Pause { child: id } => pause(state, id, true),
            Output::Resume { child: id } => pause(state, id, false),
            Output::CloseStdin { child: id } => {
                state.children.get_mut(&id).map(|child| child.stdin.take());
            }
            Output::Terminate { child: id } => signal(state, id, Signal::TERM),
            Output::Kill { child: id } => signal(state, id, Signal::KILL),
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
            Output::Abort { exchange } => {
                if let Some((_, socket)) = state.exchanges.remove(&exchange) {
                    let _ = socket.shutdown(Shutdown::Both);
                }
            }
            // Only with `Config::persist`: a file of records, from which later runs restore.
            Output::Save { session, .. } => {
                state.bridge.handle(Input::Saved { session }, self.now());
            }
            Output::Forget { .. } => {}
            Output::Notice(notice) => eprintln!("{notice}"),
        }
    }

    /// Gives the engine its time: the wait is cut short by every input.
    fn keep_time(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            let wait = state.bridge.poll_timeout().map(|at| at.since(self.now()));
            if wait.is_some_and(|wait| wait.is_zero()) {
                self.feed(&mut state, Input::Tick);
                continue;
            }
            let wait = wait.unwrap_or(Duration::MAX);
            let woken = self.changed.wait_timeout(state, wait);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

// Children.
impl Shared {
    fn start(
        self: &Arc<Self>,
        id: ChildId,
        env: Vec<(String, String)>,
    ) -> io::Result<(Running, u32)> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).envs(env).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let group = Pid::from_child(&child);
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let ((lines, queue), (through, read)) = (channel(), channel());
        let [writer, reader, waiter] = [(); 3].map(|()| Arc::clone(self));
        let pid = child.id();
        thread::spawn(move || writer.write(id, stdin, queue));
        thread::spawn(move || reader.read(id, stdout, through));
        thread::spawn(move || waiter.wait(id, group, child, read));
        Ok((Running { group: Some(group), stdin: Some(lines), paused: false }, pid))
    }

    /// Ends, and closes the child's input, when the engine has closed the queue.
    fn write(self: &Arc<Self>, id: ChildId, mut stdin: ChildStdin, queue: Receiver<Vec<u8>>) {
        for lines in queue {
            for piece in lines.chunks(PIECE) {
                // What a child that closed its input is told is lost; its end tells the engine.
                let _ = stdin.write_all(piece);
                self.tell(Input::StdinTaken { child: id, bytes: piece.len() });
            }
        }
    }

    fn read(self: &Arc<Self>, id: ChildId, mut stdout: ChildStdout, _through: Sender<()>) {
        let mut buffer = [0; PIECE];
        loop {
            let must_wait = |state: &mut State| {
                state.children.get(&id).is_some_and(|child| child.paused && child.group.is_some())
            };
            drop(self.changed.wait_while(self.lock(), must_wait));
            match stdout.read(&mut buffer) {
                Ok(count @ 1..) => self.tell(Input::Stdout { child: id, bytes: &buffer[..count] }),
                _ => return self.tell(Input::StdoutClosed { child: id }),
            }
        }
    }

    fn wait(self: &Arc<Self>, id: ChildId, group: Pid, mut child: Child, read: Receiver<()>) {
        // It is not reaped by this: while it keeps its number, the rest of its group is ended.
        let _ = waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        if let Some(running) = self.lock().children.get_mut(&id) {
            let _ = kill_process_group(group, Signal::KILL);
            running.group = None;
        }
        self.changed.notify_all();
        let exit = match child.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            },
            Err(_) => Exit::Unknown,
        };
        // All that it wrote is told first; a process that left the group may hold its pipe open.
        let _ = read.recv_timeout(FAREWELL);
        let mut state = self.lock();
        state.children.remove(&id);
        self.feed(&mut state, Input::Exited { child: id, exit, stderr: b"" });
    }
}

// The program.
fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
    let (Some(port), command @ [_, ..]) = (port, &*args.collect::<Vec<_>>()) else {
        return Err(io::Error::other("usage: threads PORT COMMAND [ARGUMENT…]"));
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let config = Config::default(); // It is for a listener on loopback.
    eprintln!("listening on http://{}{}", listener.local_addr()?, config.endpoint);
    let shared = Arc::new(Shared::new(config, command.to_vec()));
    let signals = Signals::new([Received::Term, Received::Int])?;
    let [clock, acceptor, operator] = [(); 3].map(|()| Arc::clone(&shared));
    thread::spawn(move || clock.keep_time());
    thread::spawn(move || acceptor.accept(&listener));
    thread::spawn(move || {
        for _ in futures_lite::stream::block_on(signals) {
            operator.lock().draining = true;
            operator.tell(Input::Shutdown);
        }
    });
    let busy = |state: &mut State| !(state.draining && state.bridge.is_idle());
    let state = shared.changed.wait_while(shared.lock(), busy);
    // The last answers are on their way.
    let state = state.unwrap_or_else(PoisonError::into_inner);
    let sending = |state: &mut State| state.connections > 0;
    drop(shared.changed.wait_timeout_while(state, FAREWELL, sending));
    Ok(())
}
