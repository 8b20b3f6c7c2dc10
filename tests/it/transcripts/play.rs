//! Plays a case to an engine as a good driver would: every output is taken at once, every wait is
//! told when it is due, and whoever is not said to be slow takes all that it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use hyper_mcp_proxy::{Body, Bridge, Exchange, Exit, Head, Input, Instant, Output, Pipe};

use super::item::{Item, same};
use super::text::{Act, Amount, Case, Request, Step};

/// How the children's output is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    AsWritten,
    Bytes,
    /// Pieces that follow each other with nothing between them but outputs come as one.
    Merged,
}

/// No wait of a case comes due more often.
const TICKS: usize = 1000;

/// Plays it, whatever is done; how many bytes `Debug` takes to show what the engine holds then.
pub(super) fn held(case: &Case) -> Result<usize, String> {
    let mut player = Player::new(case, Cut::AsWritten);
    for step in &case.steps {
        player.act(&step.act)?;
        player.done.clear();
    }
    Ok(format!("{:?}", player.bridge).len())
}

/// Plays it; what differs from the transcript, if anything does.
pub(super) fn play(case: &Case, cut: Cut) -> Result<(), String> {
    let mut player = Player::new(case, cut);
    let steps: Vec<Step> = case.steps.iter().map(Step::copy).collect();
    for step in if cut == Cut::Merged { merged(steps) } else { steps } {
        let place = format!("line {}", step.line);
        player.act(&step.act).map_err(|wrong| format!("{place}: {wrong}"))?;
        let done = std::mem::take(&mut player.done);
        if !same(&step.wanted, &done) {
            return Err(format!(
                "{place}: wanted\n{}but done\n{}",
                text(&step.wanted),
                text(&done)
            ));
        }
    }
    player.end()
}

fn text(items: &[Item]) -> String {
    items.iter().fold(String::new(), |mut text, item| {
        let _ = write!(text, "{item}");
        text
    })
}

impl Step {
    fn copy(&self) -> Self {
        Self { line: self.line, act: self.act.clone(), wanted: self.wanted.clone() }
    }
}

fn merged(steps: Vec<Step>) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::new();
    for step in steps {
        if let (Some(Step { act: Act::Stdout(last, all), wanted, .. }), Act::Stdout(pipe, bytes)) =
            (merged.last_mut(), &step.act)
            && last == pipe
        {
            all.extend_from_slice(bytes);
            wanted.extend(step.wanted);
        } else {
            merged.push(step);
        }
    }
    merged
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asked,
    Streams,
    Over,
}

struct Player {
    bridge: Bridge,
    cut: Cut,
    now: Duration,
    pipes: BTreeMap<u64, Pipe>,
    gone: BTreeSet<u64>,
    /// Of each exchange its phase and the bytes that it was given and has not taken.
    exchanges: BTreeMap<u64, (Phase, usize)>,
    /// Of each child the bytes that it was given and has not read.
    unread: BTreeMap<u64, usize>,
    slow: BTreeSet<u64>,
    slow_pipes: BTreeSet<u64>,
    done: Vec<Item>,
}

impl Player {
    fn new(case: &Case, cut: Cut) -> Self {
        Self {
            bridge: Bridge::new(case.config.clone()),
            cut,
            now: Duration::ZERO,
            pipes: BTreeMap::new(),
            gone: BTreeSet::new(),
            exchanges: BTreeMap::new(),
            unread: BTreeMap::new(),
            slow: BTreeSet::new(),
            slow_pipes: BTreeSet::new(),
            done: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) -> Result<(), String> {
        match act {
            Act::Request(request) => return self.request(request),
            Act::Lost(exchange) => {
                if let Some((phase, _)) = self.exchanges.get_mut(exchange) {
                    *phase = Phase::Over;
                }
                self.tell(Input::Lost { exchange: Exchange(*exchange) })?;
            }
            Act::Stops(exchange) => drop(self.slow.insert(*exchange)),
            Act::Taken(exchange, amount) => self.taken(*exchange, *amount)?,
            Act::StopsReading(pipe) => drop(self.slow_pipes.insert(*pipe)),
            Act::Read(pipe, amount) => self.read(*pipe, *amount)?,
            Act::Servers(servers) => {
                let servers: Vec<_> = servers.iter().map(|(path, of)| (&**path, *of)).collect();
                self.tell(Input::Servers { servers: &servers })?;
            }
            Act::Shutdown => self.tell(Input::Shutdown)?,
            Act::Wait(time) => self.wait(*time)?,
            Act::Wants(pipe, wanted) => {
                let wants = self.bridge.wants(self.pipe(*pipe)?);
                return expect("whether the child may be read", *wanted, wants);
            }
            Act::Stat(name, wanted) => return expect(name, *wanted, self.stat(name)?),
            Act::Idle => return expect("is idle", true, self.bridge.is_idle()),
            Act::Opened(number, pid) => {
                let pipe = self.pipe(*number)?;
                self.tell(Input::Opened { pipe, pid: *pid })?;
            }
            Act::Failed(number, reason) => {
                let pipe = self.pipe(*number)?;
                self.gone.insert(*number);
                self.tell(Input::OpenFailed { pipe, reason })?;
            }
            Act::Stdout(number, bytes) => {
                let pipe = self.pipe(*number)?;
                let size = if self.cut == Cut::Bytes { 1 } else { bytes.len().max(1) };
                for bytes in bytes.chunks(size) {
                    self.tell(Input::Stdout { pipe, bytes })?;
                }
            }
            Act::StdoutClosed(number) => {
                let pipe = self.pipe(*number)?;
                self.tell(Input::StdoutClosed { pipe })?;
            }
            Act::Exited(number, exit, stderr) => {
                let pipe = self.pipe(*number)?;
                self.gone.insert(*number);
                self.tell(Input::Exited { pipe, exit: *exit, stderr })?;
            }
        }
        Ok(())
    }

    fn pipe(&self, number: u64) -> Result<Pipe, String> {
        self.pipes.get(&number).copied().ok_or_else(|| format!("#{number} was never opened"))
    }

    fn stat(&self, name: &str) -> Result<u64, String> {
        let stats = self.bridge.stats();
        Ok(match name {
            "sessions" => stats.sessions as u64,
            "children" => stats.children as u64,
            "calls" => stats.calls as u64,
            "opened" => stats.opened,
            "failed-starts" => stats.failed_starts,
            "requests" => stats.requests,
            "dropped" => stats.dropped,
            "refused" => stats.refused,
            "buffered" => self.bridge.buffered() as u64,
            _ => return Err(format!("no counter {name}")),
        })
    }

    /// Sends a request as the driver does: its head is judged before its body is read. Where the
    /// cuts are not as written, the engine's second judgement is all there is.
    fn request(&mut self, request: &Request) -> Result<(), String> {
        let fields: Vec<(&str, &str)> =
            request.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let head = Head { method: &request.method, path: &request.path, fields: &fields };
        let exchange = Exchange(request.exchange);
        if self.exchanges.insert(request.exchange, (Phase::Asked, 0)).is_some() {
            return Err(format!("exchange {} was there before", request.exchange));
        }
        if self.cut == Cut::AsWritten
            && let Err(response) = self.bridge.admit(&head)
        {
            return self.note(Output::Respond { exchange, response });
        }
        let random = u128::from(request.exchange).to_be_bytes();
        self.tell(Input::Request { exchange, head: &head, body: &request.body, random })
    }

    fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        for _ in 0..TICKS {
            match self.bridge.poll_timeout().map(Instant::since_origin) {
                Some(due) if due <= end => {
                    self.now = self.now.max(due);
                    self.tell(Input::Tick)?;
                }
                _ => {
                    self.now = end;
                    return Ok(());
                }
            }
        }
        Err(format!("more than {TICKS} waits come due in {time:?}"))
    }

    /// Tells the engine something, and does what it wants until it wants nothing more.
    fn tell(&mut self, input: Input<'_>) -> Result<(), String> {
        self.bridge.handle(input, Instant::new(self.now));
        self.drain()
    }

    fn drain(&mut self) -> Result<(), String> {
        while let Some(output) = self.bridge.poll_output() {
            self.note(output)?;
        }
        let quick = |slow: &BTreeSet<u64>, number: &u64, left: usize| {
            (left > 0 && !slow.contains(number)).then_some(*number)
        };
        let mut pipes = self.unread.iter();
        if let Some(pipe) = pipes.find_map(|(n, left)| quick(&self.slow_pipes, n, *left)) {
            return self.read(pipe, Amount::All);
        }
        let mut exchanges = self.exchanges.iter();
        match exchanges.find_map(|(number, (_, left))| quick(&self.slow, number, *left)) {
            Some(exchange) => self.taken(exchange, Amount::All),
            None => Ok(()),
        }
    }

    fn read(&mut self, number: u64, amount: Amount) -> Result<(), String> {
        let pipe = self.pipe(number)?;
        let bytes = take(self.unread.entry(number).or_default(), amount)?;
        self.tell(Input::StdinTaken { pipe, bytes })
    }

    fn taken(&mut self, number: u64, amount: Amount) -> Result<(), String> {
        let (_, left) = self.exchanges.get_mut(&number).ok_or("no such exchange")?;
        let bytes = take(left, amount)?;
        self.tell(Input::Taken { exchange: Exchange(number), bytes })
    }

    /// Notes an output, and whether it may come at all: nothing is for who is gone, and each
    /// exchange is answered once.
    fn note(&mut self, output: Output) -> Result<(), String> {
        match &output {
            Output::Open { pipe, .. } => {
                // A child that is gone may be started again under its number.
                let gone = self.gone.remove(&pipe.number());
                if self.pipes.insert(pipe.number(), *pipe).is_some() && !gone {
                    return Err(format!("{pipe} is opened while it is there"));
                }
                self.unread.remove(&pipe.number());
            }
            Output::Write { pipe, .. }
            | Output::CloseStdin { pipe }
            | Output::Terminate { pipe }
            | Output::Kill { pipe }
                if self.gone.contains(&pipe.number()) =>
            {
                return Err(format!("{output:?} is for a child that is gone"));
            }
            Output::Write { pipe, bytes } => {
                *self.unread.entry(pipe.number()).or_default() += bytes.len();
            }
            Output::Respond { exchange, response } => {
                let (phase, given) = match &response.body {
                    Body::Whole(body) => (Phase::Over, body.len()),
                    Body::Stream => (Phase::Streams, 0),
                };
                self.step(exchange.0, Phase::Asked, phase, given)?;
            }
            Output::Send { exchange, bytes } => {
                self.step(exchange.0, Phase::Streams, Phase::Streams, bytes.len())?;
            }
            Output::Finish { exchange } | Output::Abort { exchange } => {
                // What is broken off may not have been answered at all.
                let broken = matches!(output, Output::Abort { .. });
                let (phase, _) = self.exchanges.get(&exchange.0).copied().ok_or("no exchange")?;
                let from = if broken && phase == Phase::Asked { phase } else { Phase::Streams };
                self.step(exchange.0, from, Phase::Over, 0)?;
                if broken {
                    self.exchanges.insert(exchange.0, (Phase::Over, 0));
                }
            }
            Output::CloseStdin { .. }
            | Output::Terminate { .. }
            | Output::Kill { .. }
            | Output::Notice(_) => {}
        }
        self.done.push(Item::from(output));
        Ok(())
    }

    fn step(&mut self, number: u64, from: Phase, to: Phase, given: usize) -> Result<(), String> {
        let (phase, left) = self.exchanges.get_mut(&number).ok_or("no such exchange")?;
        if *phase != from {
            return Err(format!("exchange {number} is {phase:?}, so it can't become {to:?}"));
        }
        *phase = to;
        *left += given;
        Ok(())
    }

    /// After every case: at a second shutdown everything ends, each request was answered, and the
    /// engine holds nothing more.
    fn end(&mut self) -> Result<(), String> {
        self.slow.clear();
        self.slow_pipes.clear();
        self.tell(Input::Shutdown)?;
        self.tell(Input::Shutdown)?;
        for (number, pipe) in self.pipes.clone() {
            if !self.gone.contains(&number) {
                self.gone.insert(number);
                self.tell(Input::Exited { pipe, exit: Exit::Signal(9), stderr: b"" })?;
            }
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

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, is: T) -> Result<(), String> {
    if wanted == is { Ok(()) } else { Err(format!("{what}: wanted {wanted:?}, is {is:?}")) }
}
