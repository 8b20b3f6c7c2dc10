//! The one owner of the engine: feeds it what happened, and at once carries out what it wants.
//!
//! Nothing waits for a peer in here. What an output concerns is put where its task finds it, and
//! the task is woken. A line for a child is written on the spot if it can be. Starting a
//! child is done on the spot, because it must happen on the main thread, and its outcome is told to
//! the engine after all other outputs.

mod children;
mod logged;
mod pages;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use mcp_bridge::{
    Admitted, Bridge, ChildId, Config, ConfigError, Exchange, Head, Input, Instant, Output, Server,
    SessionNumber,
};
use smol::LocalExecutor;

pub(crate) use pages::{Door, METRICS, Pages};

use crate::access::Access;
use crate::cli::launch;
use crate::http::heads::Heads;
use crate::http::mailbox::Mailbox;
use crate::limits::deadlines::Deadlines;
use crate::limits::uploads::Pool;
use crate::os::memory::HighWater;
use crate::os::random::Random;
use crate::os::sockets::SocketFile;
use crate::process::child::Child;
use crate::process::spawn::{Blame, Refusal};
use crate::process::stderr;
use crate::process::tree::{Household, Tree};
use crate::reactor::{Clock, Reactor, WakerSlot};
use crate::record::{Engine, Recorder};
use crate::sessions::keeper::Keeper;

/// The size of the one buffer that all reads go through.
pub(crate) const SCRATCH: usize = 64 * 1024;

/// Processes that are reaped in one turn.
const REAPED: usize = 1024;

/// How many of the largest requests may be on their way in at once.
const REQUESTS: usize = 8;

pub(crate) struct Hub {
    pub(crate) executor: Rc<LocalExecutor<'static>>,
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) head_limit: usize,
    /// Names of header fields whose values go to children.
    pub(crate) listed_fields: Rc<[String]>,
    /// Response heads.
    pub(crate) heads: RefCell<Heads>,
    /// Memory for heads and contents that are being read, in all connections.
    pub(crate) contents: Rc<Pool>,
    high_water: HighWater,
    /// What was logged of all children's standard errors.
    complaints: stderr::Total,
    /// Open connections.
    pub(crate) connections: Cell<usize>,
    /// Woken when a connection closes.
    pub(crate) closed: WakerSlot,
    /// Whether a new connection waits for one to close.
    pub(crate) crowded: Cell<bool>,
    access: Access,
    pages: Pages,
    /// The limits of buffered bytes and of sessions.
    limits: (usize, usize),
    /// The limit of connections.
    pub(crate) capacity: Cell<usize>,
    me: Weak<Self>,
    bridge: RefCell<Engine>,
    exchanges: RefCell<BTreeMap<u64, Rc<Mailbox>>>,
    children: RefCell<BTreeMap<u64, Rc<Child>>>,
    /// The names of the servers of sessions, if there are several, for the log.
    names: RefCell<BTreeMap<u64, String>>,
    household: Household,
    /// Trees of children that have ended, of which there may be something left.
    rests: RefCell<Vec<Rc<Tree>>>,
    /// Children that were started or not, of which the engine doesn't know yet.
    started: RefCell<VecDeque<(ChildId, Result<u32, Refusal>)>>,
    /// Keeps sessions over restarts, if the operator wants that.
    keeper: OnceCell<Rc<Keeper>>,
    random: RefCell<Random>,
    /// The servers that the engine may want to be started.
    servers: RefCell<BTreeMap<Server, Rc<launch::Server>>>,
    next_server: Cell<u32>,
    /// The paths of servers that take new sessions.
    paths: RefCell<Vec<String>>,
    /// The file of the Unix socket that it listens on.
    file: Option<SocketFile>,
    origin: std::time::Instant,
    /// What [`now`](Self::now) tells.
    now: Cell<Instant>,
    /// Whether another process takes the sockets over, and the sessions from their file.
    pub(crate) hands_over: Cell<bool>,
    /// Whether no further request should be made on a connection.
    pub(crate) leaving: Cell<bool>,
    draining: Cell<bool>,
    /// Woken when draining and idle.
    drained: WakerSlot,
}

/// What the hub has beside the engine's configuration.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) recorder: Option<Recorder>,
    pub(crate) access: Access,
    pub(crate) pages: Pages,
}

impl Hub {
    pub(crate) fn new(
        config: Config,
        file: Option<SocketFile>,
        reactor: Rc<Reactor>,
        Parts { recorder, access, pages }: Parts,
    ) -> Result<Rc<Self>, ConfigError> {
        // Half of the budget, or what one of the largest requests and some small ones need.
        let request = config.message.saturating_add(config.head);
        let most = request.saturating_mul(REQUESTS);
        let contents = most.min((config.budget / 2).max(request.saturating_add(request / 2)));
        let variables = config.header_env.iter().map(|(header, _)| header);
        let fields = variables.chain(&config.affinity).chain(&access.user);
        let listed_fields = fields.cloned().collect();
        let head_limit = config.head;
        let limits = (config.budget, config.sessions);
        let bridge = Bridge::new(config)?;
        Ok(Rc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            access,
            pages,
            limits,
            capacity: Cell::new(0),
            executor: Rc::new(LocalExecutor::new()),
            reactor,
            deadlines: Rc::default(),
            scratch: RefCell::new(vec![0; SCRATCH]),
            head_limit,
            listed_fields,
            heads: RefCell::default(),
            contents: Pool::new(contents, bridge.budget()),
            high_water: HighWater::default(),
            complaints: stderr::Total::default(),
            connections: Cell::new(0),
            closed: WakerSlot::default(),
            crowded: Cell::new(false),
            bridge: RefCell::new(Engine::new(bridge, recorder)),
            exchanges: RefCell::default(),
            children: RefCell::default(),
            names: RefCell::default(),
            household: Household::new(),
            rests: RefCell::default(),
            started: RefCell::default(),
            keeper: OnceCell::new(),
            random: RefCell::default(),
            servers: RefCell::default(),
            next_server: Cell::new(0),
            paths: RefCell::default(),
            file,
            origin: std::time::Instant::now(),
            now: Cell::default(),
            hands_over: Cell::default(),
            leaving: Cell::default(),
            draining: Cell::default(),
            drained: WakerSlot::default(),
        }))
    }

    /// The time at the last wake, or since a child was started, which takes long.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// The terms under which a child's standard error is logged now.
    pub(crate) fn log_terms(&self) -> stderr::Terms<'_> {
        stderr::Terms { now: self.now(), total: &self.complaints }
    }

    fn look_at_the_clock(&self) {
        self.now.set(Instant::new(self.origin.elapsed()));
    }

    /// These are the servers from now on: how many of them were not there before, or have other
    /// terms. One whose command is the same as before keeps its number, and with it what
    /// runs and what is known.
    pub(crate) fn serve(&self, found: launch::Found) -> usize {
        found.log();
        let mut known = self.servers.borrow_mut();
        let mut fresh = 0;
        let mut numbered = Vec::new();
        for server in found.servers {
            let same = known.iter().find(|(_, other)| other.is_same(&server));
            let was = same.map(|(_, other)| other.terms.clone());
            let number = same.map(|(number, _)| *number).unwrap_or_else(|| {
                server.log();
                Server(self.next_server.replace(self.next_server.get() + 1))
            });
            if was.as_ref() != Some(&server.terms) {
                fresh += 1;
                server.log_sharing();
            }
            let server = Rc::new(server);
            numbered.push((number, Rc::clone(&server)));
            known.insert(number, server);
        }
        drop(known);
        let paths: Vec<String> = numbered.iter().map(|(_, server)| server.path.clone()).collect();
        let before = self.paths.replace(paths);
        for path in before.iter().filter(|path| numbered.iter().all(|(_, now)| now.path != **path))
        {
            log::info!(
                target: "proxy",
                "{path} is no longer served: awake sessions go on until they end or fall asleep, sleeping ones end, new ones get 404"
            );
        }
        let servers = numbered.iter().map(|(number, server)| server.endpoint(*number));
        let servers: Vec<_> = servers.collect();
        self.feed(Input::Servers { servers: &servers });
        let bridge = self.bridge.borrow();
        self.servers.borrow_mut().retain(|number, _| bridge.serves(*number));
        fresh
    }

    /// Hands a whole request to the engine; its response comes to `mailbox`.
    pub(crate) fn request(
        &self,
        admitted: Admitted,
        mailbox: &Rc<Mailbox>,
        head: &Head<'_>,
        body: &[u8],
    ) -> Exchange {
        let exchange = admitted.exchange();
        let random = self.random.borrow_mut().draw();
        self.exchanges.borrow_mut().insert(exchange.number(), Rc::clone(mailbox));
        let head = &self.aliased(*head);
        self.feed(Input::Request { admitted, head, body, random });
        exchange
    }

    /// The peer of an exchange is gone, or is done with it. If it took all up to the last output,
    /// the engine knows; otherwise it reckons with what was not taken until it is told.
    pub(crate) fn lose(&self, exchange: Exchange, took_all: bool) {
        let known = self.exchanges.borrow_mut().remove(&exchange.number());
        let is_whole = known.is_some_and(|mailbox| mailbox.is_whole());
        self.feed(match is_whole && took_all {
            true => Input::Delivered { exchange },
            false => Input::Lost { exchange },
        });
    }

    /// Tells the engine what happened, and does what it wants.
    pub(crate) fn feed(&self, input: Input<'_>) {
        self.bridge.borrow_mut().handle(input, self.now());
        self.carry_out();
        while let Some((id, started)) = self.next_started() {
            let input = match &started {
                Ok(pid) => Input::Opened { child: id, pid: Some(*pid) },
                Err(Refusal { blame: Blame::Server, reason, public }) => {
                    Input::OpenFailed { child: id, reason, public }
                }
                Err(Refusal { blame: Blame::System, reason, public }) => {
                    Input::Exhausted { child: id, reason, public }
                }
            };
            self.bridge.borrow_mut().handle(input, self.now());
            self.carry_out();
        }
        self.high_water.record(self.bridge.borrow().buffered());
        if self.is_drained() {
            self.drained.wake();
        }
    }

    /// Whether it is to end and nothing is open any more.
    fn is_drained(&self) -> bool {
        self.draining.get()
            && self.rests.borrow().is_empty()
            && self.bridge.borrow().stats().children == 0
    }

    fn next_started(&self) -> Option<(ChildId, Result<u32, Refusal>)> {
        self.started.borrow_mut().pop_front()
    }

    fn next_output(&self) -> Option<Output> {
        self.bridge.borrow_mut().poll_output()
    }

    fn carry_out(&self) {
        while let Some(output) = self.next_output() {
            match output {
                Output::Open { server, child: id, env, .. } => self.open(server, id, env),
                Output::Write { child: id, bytes } => self.write(id, bytes),
                Output::Pause { child: id } => self.with_child(id, |child| child.pause(true)),
                Output::Resume { child: id } => self.with_child(id, |child| child.pause(false)),
                Output::CloseStdin { child: id } => self.with_child(id, Child::close_stdin),
                Output::Terminate { child: id } => self.with_child(id, Child::terminate),
                Output::Kill { child: id } => self.with_child(id, Child::kill),
                Output::Respond { exchange, response } => {
                    self.with_mailbox(exchange, |mailbox| mailbox.respond(response));
                }
                Output::Send { exchange, bytes } => {
                    self.with_mailbox(exchange, |mailbox| mailbox.send(bytes));
                }
                Output::Finish { exchange } => self.with_mailbox(exchange, Mailbox::finish),
                Output::Abort { exchange } => self.with_mailbox(exchange, Mailbox::abort),
                Output::Save { session, record } => self.save(session, record),
                Output::Forget { session } => {
                    self.keeper.get().iter().for_each(|keeper| keeper.forget(session));
                }
                Output::Notice(notice) => self.log(&notice),
            }
        }
    }

    fn write(&self, id: ChildId, bytes: Vec<u8>) {
        let mut done = 0;
        self.with_child(id, |child| done = child.write(bytes, self.now()));
        if done > 0 {
            let taken = Input::StdinTaken { child: id, bytes: done };
            self.bridge.borrow_mut().handle(taken, self.now());
        }
    }

    fn save(&self, session: SessionNumber, record: Vec<u8>) {
        let keeper = self.keeper.get();
        if !keeper.is_some_and(|keeper| keeper.save(session, record)) {
            self.bridge.borrow_mut().handle(Input::Saved { session }, self.now());
        }
    }

    /// Runs something of the engine that wants nothing done.
    pub(crate) fn with_engine<T>(&self, f: impl FnOnce(&mut Bridge) -> T) -> T {
        f(self.bridge.borrow_mut().bridge())
    }

    /// Keeps sessions there from now on.
    pub(crate) fn keep(&self, keeper: Rc<Keeper>) {
        self.keeper.get_or_init(|| keeper);
        self.carry_out();
    }

    fn with_mailbox(&self, exchange: Exchange, f: impl FnOnce(&Mailbox)) {
        if let Some(mailbox) = self.exchanges.borrow().get(&exchange.number()) {
            f(mailbox);
        }
    }

    fn with_child(&self, id: ChildId, f: impl FnOnce(&Child)) {
        if let Some(child) = self.children.borrow().get(&id.number()) {
            f(child);
        }
    }

    /// Leaves nothing behind in the file system, and a recording whole.
    pub(crate) fn clean_up(&self) {
        self.bridge.borrow_mut().end_recording();
        self.file.iter().for_each(SocketFile::remove);
        self.household.leave();
    }

    /// The operator wants the program to end. Idle connections stay until all else is done, so
    /// that a request on its way is told so.
    pub(crate) fn shut_down(&self) {
        self.leaving.set(true);
        self.draining.set(true);
        self.feed(Input::Shutdown);
    }

    /// Ends when the program was told to end and nothing is open any more.
    pub(crate) async fn drained(&self) {
        std::future::poll_fn(|cx| {
            self.drained.register(cx);
            match self.is_drained() {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

impl Clock for Hub {
    fn next(&self) -> Option<std::time::Instant> {
        let engine = self.bridge.borrow().poll_timeout();
        let table = self.deadlines.next();
        let next = match (engine, table) {
            (Some(engine), Some(table)) => engine.min(table),
            (engine, table) => engine.or(table)?,
        };
        self.origin.checked_add(next.since_origin())
    }

    fn fire(&self) {
        self.look_at_the_clock();
        let now = self.now();
        let due = self.bridge.borrow().poll_timeout().is_some_and(|at| at <= now);
        if due {
            self.feed(Input::Tick);
        }
        self.deadlines.fire(now);
    }
}
