//! A good driver for stories: every output is taken at once, every wait is told when it is due, and
//! whoever is not said to be slow takes all that it is given. It keeps the book of who was given
//! what, and knows what may not come at all: each exchange is answered once, and no order is for a
//! child that is gone.

// By its path, because another crate includes this file by its own.
#[path = "driver/outputs.rs"]
mod outputs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_bridge::{Bridge, Config, Endpoint, Exchange, Exit, Head, Input, Instant};
use mcp_bridge::{ChildId, Output, Refusal, RestoreError, SessionNumber};

use super::terms::Terms;
use super::text::{Act, Amount, Request};

/// So many waits are told one by one while time passes; then the clock jumps.
const TICKS: usize = 1000;

/// What the random bytes of a request are in a recording, beside its number.
const RECORDED: u64 = 0x1000_0000;

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asked,
    Streams,
    Over,
}

pub(crate) struct Driver {
    pub(crate) bridge: Bridge,
    /// Whether heads are judged before their bodies are there. If not, the engine's second
    /// judgement is all there is.
    pub(crate) admits: bool,
    /// A path at which every request is let in.
    health: Option<String>,
    /// The most of a child's output that is told at once.
    pub(crate) piece: usize,
    /// Whether peers and children take nothing by themselves: a recording tells what they took.
    pub(crate) is_played: bool,
    /// What the engine wanted done since this was last emptied.
    pub(crate) done: Vec<Output>,
    now: Duration,
    pipes: BTreeMap<u64, ChildId>,
    gone: BTreeSet<u64>,
    /// The engine's names for exchanges that were let in, by the story's numbers.
    names: BTreeMap<u64, Exchange>,
    delivered: BTreeSet<Exchange>,
    /// Of each exchange its phase and the bytes that it was given and has not taken.
    exchanges: BTreeMap<u64, (Phase, usize)>,
    /// Of each child the bytes that it was given and has not read.
    unread: BTreeMap<u64, usize>,
    /// Children of which it was told that nobody reads what they write.
    drops: BTreeSet<u64>,
    /// Children that are not to be read now.
    paused: BTreeSet<ChildId>,
    /// What came of each record.
    pub(crate) restored: Vec<Result<SessionNumber, RestoreError>>,
    slow: BTreeSet<u64>,
    deaf: BTreeSet<u64>,
}

impl Driver {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            health: config.health.clone(),
            bridge: Bridge::new(config).expect("a good configuration"),
            admits: true,
            piece: usize::MAX,
            is_played: false,
            done: Vec::new(),
            now: Duration::ZERO,
            pipes: BTreeMap::new(),
            gone: BTreeSet::new(),
            names: BTreeMap::new(),
            delivered: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            unread: BTreeMap::new(),
            drops: BTreeSet::new(),
            paused: BTreeSet::new(),
            restored: Vec::new(),
            slow: BTreeSet::new(),
            deaf: BTreeSet::new(),
        }
    }

    /// A child that was opened.
    pub(crate) fn child(&self, number: u64) -> Result<ChildId, String> {
        self.pipes.get(&number).copied().ok_or_else(|| format!("#{number} was never opened"))
    }

    /// Whether it can happen as things stand.
    pub(crate) fn can(&self, act: &Act) -> bool {
        let is_there =
            |number: &u64| self.pipes.contains_key(number) && !self.gone.contains(number);
        let enough = |amount: &Amount, left: usize| match amount {
            Amount::All => true,
            Amount::Bytes(bytes) => *bytes <= left,
        };
        match act {
            Act::Request(request) => !self.exchanges.contains_key(&request.exchange),
            Act::Delivered(number) => {
                self.exchanges.get(number).is_some_and(|(phase, _)| *phase == Phase::Over)
            }
            Act::Taken(number, amount) => {
                self.exchanges.get(number).is_some_and(|(_, left)| enough(amount, *left))
            }
            Act::Read(number, amount) => {
                is_there(number) && enough(amount, self.unread.get(number).copied().unwrap_or(0))
            }
            Act::Opened(number, _)
            | Act::Failed(number, _)
            | Act::Exhausted(number, _)
            | Act::Unread(number)
            | Act::Stdout(number, _)
            | Act::StdoutClosed(number)
            | Act::StdinClosed(number)
            | Act::Exited(number, ..)
            | Act::Wants(number, _) => is_there(number),
            Act::Lost(_)
            | Act::Stops(_)
            | Act::StopsReading(_)
            | Act::Servers(_)
            | Act::Saved(_)
            | Act::End(_)
            | Act::Restore(..)
            | Act::Shutdown
            | Act::Wait(_)
            | Act::At(_)
            | Act::Tick
            | Act::Stat(..)
            | Act::Idle => true,
        }
    }

    /// Lets something happen. What is only asked of the engine is not asked here.
    #[expect(clippy::too_many_lines, reason = "an arm for each act")]
    pub(crate) fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Request(request) => self.request(request),
            Act::Lost(number) => {
                if let Some(exchange) = self.exchanges.get_mut(number) {
                    *exchange = (Phase::Over, 0);
                }
                match self.names.get(number).copied() {
                    Some(exchange) => self.tell(Input::Lost { exchange }),
                    None => Ok(()),
                }
            }
            Act::Stops(number) => {
                self.slow.insert(*number);
                Ok(())
            }
            Act::StopsReading(number) => {
                self.deaf.insert(*number);
                Ok(())
            }
            Act::Taken(number, amount) => {
                self.taken(*number, *amount)?;
                self.oblige()
            }
            Act::Read(number, amount) => {
                self.read(*number, *amount)?;
                self.oblige()
            }
            Act::Servers(servers) => {
                let terms = servers.iter().map(|(.., terms)| Terms::read(terms));
                let terms = terms.collect::<Result<Vec<_>, _>>()?;
                let servers = servers.iter().zip(&terms).map(|((path, server, eras, _), terms)| {
                    terms.at(Endpoint { path, server: *server, eras: *eras, ..Endpoint::default() })
                });
                self.tell(Input::Servers { servers: &servers.collect::<Vec<_>>() })
            }
            Act::Saved(number) => {
                self.tell(Input::Saved { session: SessionNumber::from_number(*number) })
            }
            Act::End(number) => {
                self.tell(Input::End { session: SessionNumber::from_number(*number) })
            }
            Act::Restore(age, record) => {
                let restored = self.bridge.restore(record, *age, Instant::new(self.now));
                self.restored.push(restored);
                Ok(())
            }
            Act::Shutdown => self.tell(Input::Shutdown),
            Act::Wait(time) => self.wait(*time),
            Act::At(time) => {
                self.now = self.now.max(*time);
                Ok(())
            }
            Act::Tick => self.tell(Input::Tick),
            Act::Delivered(number) => self.delivered(*number),
            Act::Opened(number, pid) => {
                let child = self.child(*number)?;
                self.tell(Input::Opened { child, pid: Some(*pid) })
            }
            Act::Failed(number, reason) => {
                let child = self.leaves(*number)?;
                let (reason, public) = reason.split_once(" | ").unwrap_or((reason, reason));
                self.tell(Input::OpenFailed { child, reason, public })
            }
            Act::Exhausted(number, reason) => {
                let child = self.leaves(*number)?;
                let (reason, public) = reason.split_once(" | ").unwrap_or((reason, reason));
                self.tell(Input::Exhausted { child, reason, public })
            }
            Act::Unread(number) => {
                let child = self.child(*number)?;
                self.tell(Input::Unread { child })
            }
            Act::Stdout(number, bytes) => {
                let child = self.child(*number)?;
                let mut pieces = bytes.chunks(self.piece);
                pieces.try_for_each(|bytes| self.tell(Input::Stdout { child, bytes }))
            }
            Act::StdoutClosed(number) => {
                let child = self.child(*number)?;
                self.tell(Input::StdoutClosed { child })
            }
            Act::StdinClosed(number) => {
                let child = self.child(*number)?;
                self.tell(Input::StdinClosed { child })
            }
            Act::Exited(number, exit, stderr) => {
                let child = self.leaves(*number)?;
                self.tell(Input::Exited { child, exit: *exit, stderr })
            }
            Act::Wants(..) | Act::Stat(..) | Act::Idle => Ok(()),
        }
    }

    /// A child is no more.
    fn leaves(&mut self, number: u64) -> Result<ChildId, String> {
        self.gone.insert(number);
        self.unread.remove(&number);
        self.child(number)
    }

    fn request(&mut self, request: &Request) -> Result<(), String> {
        let fields = request.fields.iter();
        let fields: Vec<_> = fields.map(|(name, value)| (&**name, value.as_bytes())).collect();
        let (method, path) = (&*request.method, &*request.path);
        let head = Head { method, path, authority: None, fields: &fields };
        if self.exchanges.insert(request.exchange, (Phase::Asked, 0)).is_some() {
            return Err(format!("exchange {} was there before", request.exchange));
        }
        // The other head is let in for everybody.
        let other = self.health.clone().filter(|_| !self.admits);
        let other = other.as_deref();
        let other = other.map(|path| Head { method: "GET", path, authority: None, fields: &[] });
        let shown = other.as_ref().unwrap_or(&head);
        let admitted = match self.bridge.admit(shown) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let Refusal { response, event } = *refusal;
                self.done.push(Output::Notice(event));
                self.responds(request.exchange, &response)?;
                let exchange = Exchange::from_number(request.exchange);
                self.done.push(Output::Respond { exchange, response });
                return self.oblige();
            }
        };
        self.names.insert(request.exchange, admitted.exchange());
        let usual = if self.is_played { RECORDED } else { 0 } + request.exchange;
        let random = request.random.map_or(usual, u64::from);
        let random = u128::from(random).to_be_bytes();
        self.tell(Input::Request { admitted, head: &head, body: &request.body, random })
    }

    /// An output with the story's number for its exchange.
    fn renamed(&self, mut output: Output) -> Result<Output, String> {
        if let Output::Respond { exchange, .. }
        | Output::Send { exchange, .. }
        | Output::Finish { exchange }
        | Output::Abort { exchange } = &mut output
        {
            let mut names = self.names.iter();
            let name = names.find(|(_, name)| *name == exchange).ok_or("no such exchange")?;
            *exchange = Exchange::from_number(*name.0);
        }
        Ok(output)
    }

    fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        for _ in 0..TICKS {
            let Some(due) = self.due().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.tell(Input::Tick)?;
            if self.due().is_some_and(|next| next <= self.now) {
                return Err(String::from("a wait is due again at once"));
            }
        }
        self.now = end;
        self.tell(Input::Tick)
    }

    fn due(&self) -> Option<Duration> {
        self.bridge.poll_timeout().map(Instant::since_origin)
    }

    /// Tells the engine something, and does what it wants until it wants nothing more.
    fn tell(&mut self, input: Input<'_>) -> Result<(), String> {
        self.bridge.handle(input, Instant::new(self.now));
        self.oblige()
    }

    fn oblige(&mut self) -> Result<(), String> {
        loop {
            self.take_outputs()?;
            if self.is_played {
                return Ok(());
            }
            let mut pipes = self.unread.iter();
            let reads = pipes.find(|(number, left)| **left > 0 && !self.deaf.contains(*number));
            if let Some(number) = reads.map(|(number, _)| *number) {
                self.read(number, Amount::All)?;
                continue;
            }
            let mut exchanges = self.exchanges.iter();
            let takes = exchanges.find(|(n, (_, left))| *left > 0 && !self.slow.contains(*n));
            if let Some(number) = takes.map(|(number, _)| *number) {
                self.taken(number, Amount::All)?;
                continue;
            }
            let mut over = self.exchanges.iter().filter(|(_, state)| **state == (Phase::Over, 0));
            let delivered = over.find_map(|(number, _)| {
                let name = self.names.get(number)?;
                (!self.delivered.contains(name)).then_some(*number)
            });
            match delivered {
                Some(number) => self.deliver(number),
                None => return Ok(()),
            }
        }
    }

    /// Tells that all of a response is taken, if the engine has let its request in.
    fn deliver(&mut self, number: u64) {
        if let Some(exchange) = self.names.get(&number).copied() {
            self.delivered.insert(exchange);
            self.bridge.handle(Input::Delivered { exchange }, Instant::new(self.now));
        }
    }

    fn delivered(&mut self, number: u64) -> Result<(), String> {
        match self.exchanges.get_mut(&number) {
            Some((Phase::Over, left)) => *left = 0,
            _ => return Err(format!("the response of exchange {number} is not whole")),
        }
        self.deliver(number);
        self.oblige()
    }

    /// What an output gives is held until its peer has taken it.
    fn take_outputs(&mut self) -> Result<(), String> {
        let held = self.bridge.buffered();
        while let Some(output) = self.bridge.poll_output() {
            let turns = match &output {
                Output::Pause { child } => self.paused.insert(*child),
                Output::Resume { child } => self.paused.remove(child),
                _ => {
                    self.note(self.renamed(output)?)?;
                    continue;
                }
            };
            // A story asks whether a child is read, not when that was told.
            expect("pauses and resumes by turns", true, turns)?;
        }
        expect("bytes held when the driver has all outputs", held, self.bridge.buffered())
    }

    /// Whether this child may be read.
    pub(crate) fn wants(&self, number: u64) -> Result<bool, String> {
        Ok(!self.paused.contains(&self.child(number)?))
    }

    fn read(&mut self, number: u64, amount: Amount) -> Result<(), String> {
        let child = self.child(number)?;
        let bytes = take(self.unread.entry(number).or_default(), amount)?;
        self.bridge.handle(Input::StdinTaken { child, bytes }, Instant::new(self.now));
        Ok(())
    }

    fn taken(&mut self, number: u64, amount: Amount) -> Result<(), String> {
        let (_, left) = self.exchanges.get_mut(&number).ok_or("no such exchange")?;
        let bytes = take(left, amount)?;
        if let Some(exchange) = self.names.get(&number).copied() {
            self.bridge.handle(Input::Taken { exchange, bytes }, Instant::new(self.now));
        }
        Ok(())
    }

    /// After every story: at a second shutdown everything ends, each request was answered, and the
    /// engine holds nothing more.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.slow.clear();
        self.deaf.clear();
        self.is_played = false;
        self.tell(Input::Shutdown)?;
        self.tell(Input::Shutdown)?;
        let there = self.pipes.keys().copied().filter(|number| !self.gone.contains(number));
        for number in there.collect::<Vec<_>>() {
            let child = self.leaves(number)?;
            self.tell(Input::Exited { child, exit: Exit::Signal(9), stderr: b"" })?;
        }
        let open: Vec<_> =
            self.exchanges.iter().filter(|(_, (phase, _))| *phase != Phase::Over).collect();
        expect("exchanges without an end", &Vec::new(), &open)?;
        expect("is idle at the end", true, self.bridge.is_idle())?;
        expect("waits at the end", None, self.bridge.poll_timeout())?;
        expect("bytes held at the end", 0, self.bridge.buffered())?;
        expect("calls at the end", 0, self.bridge.stats().calls)
    }
}

fn take(left: &mut usize, amount: Amount) -> Result<usize, String> {
    let bytes = match amount {
        Amount::All => *left,
        Amount::Bytes(bytes) => bytes,
    };
    *left = left.checked_sub(bytes).ok_or_else(|| format!("only {left} bytes are there"))?;
    Ok(bytes)
}

pub(crate) fn expect<T: PartialEq + std::fmt::Debug>(
    what: &str,
    wanted: T,
    is: T,
) -> Result<(), String> {
    if wanted == is { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, is {is:?}")) }
}
