//! `story`: what goes into the engine, written as the transcripts write it; what they expect is
//! passed over, and so is every line that makes no sense. Whatever the story, each exchange ends
//! once, no order is for a child that is gone, nothing spins, nothing stays, and told again it
//! comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper_mcp_proxy::{Body, Bridge, Exchange, Exit, Head, Input, Instant, Output, Pipe};

use super::text::{Act, Amount, Case, Request};

/// No wait of a story comes due more often; then the clock jumps.
const TICKS: usize = 200;
/// No wait is longer.
const WAIT: Duration = Duration::from_secs(3600);

/// Each `case` is a story of its own.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for story in text.split("\ncase ") {
        let case = Case::loose(story);
        assert_eq!(tell(&case), tell(&case), "told again, it comes to something else");
    }
}

fn tell(case: &Case) -> Vec<String> {
    let mut teller = Teller {
        bridge: Bridge::new(case.config.clone()),
        now: Duration::ZERO,
        pipes: BTreeMap::new(),
        exchanges: BTreeMap::new(),
        unread: BTreeMap::new(),
        slow: BTreeSet::new(),
        deaf: BTreeSet::new(),
        done: Vec::new(),
    };
    for step in &case.steps {
        teller.act(&step.act);
    }
    teller.end();
    teller.done
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Asked,
    Streams,
    Over,
}

struct Teller {
    bridge: Bridge,
    now: Duration,
    /// The children that are there.
    pipes: BTreeMap<u64, Pipe>,
    /// Of each exchange its phase and the bytes that it was given and has not taken.
    exchanges: BTreeMap<u64, (Phase, usize)>,
    /// Of each child the bytes that it was given and has not read.
    unread: BTreeMap<u64, usize>,
    slow: BTreeSet<u64>,
    deaf: BTreeSet<u64>,
    done: Vec<String>,
}

impl Teller {
    fn act(&mut self, act: &Act) {
        let pipe = |number: &u64| self.pipes.get(number).copied();
        match act {
            Act::Request(request) => self.request(request),
            Act::Lost(number) => {
                if let Some((phase, left)) = self.exchanges.get_mut(number) {
                    (*phase, *left) = (Phase::Over, 0);
                }
                self.feed(Input::Lost { exchange: Exchange(*number) });
            }
            Act::Stops(number) => drop(self.slow.insert(*number)),
            Act::StopsReading(number) => drop(self.deaf.insert(*number)),
            Act::Taken(number, amount) => self.taken(*number, *amount),
            Act::Read(number, amount) => self.read(*number, *amount),
            Act::Servers(servers) => {
                let servers: Vec<_> = servers.iter().map(|(path, of)| (&**path, *of)).collect();
                self.feed(Input::Servers { servers: &servers });
            }
            Act::Shutdown => self.feed(Input::Shutdown),
            Act::Wait(time) => self.wait(*time),
            Act::Wants(number, _) => {
                if let Some(pipe) = pipe(number) {
                    self.done.push(self.bridge.wants(pipe).to_string());
                }
            }
            Act::Stat(..) => self.done.push(format!("{:?}", self.bridge.stats())),
            Act::Idle => self.done.push(self.bridge.is_idle().to_string()),
            Act::Opened(number, pid) => {
                if let Some(pipe) = pipe(number) {
                    self.feed(Input::Opened { pipe, pid: *pid });
                }
            }
            Act::Failed(number, reason) => {
                if let Some(pipe) = self.pipes.remove(number) {
                    self.feed(Input::OpenFailed { pipe, reason });
                }
            }
            Act::Stdout(number, bytes) => {
                if let Some(pipe) = pipe(number) {
                    self.feed(Input::Stdout { pipe, bytes });
                }
            }
            Act::StdoutClosed(number) => {
                if let Some(pipe) = pipe(number) {
                    self.feed(Input::StdoutClosed { pipe });
                }
            }
            Act::Exited(number, exit, stderr) => {
                if let Some(pipe) = self.pipes.remove(number) {
                    self.feed(Input::Exited { pipe, exit: *exit, stderr });
                }
            }
        }
    }

    fn request(&mut self, request: &Request) {
        let fields: Vec<(&str, &str)> =
            request.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let head = Head { method: &request.method, path: &request.path, fields: &fields };
        if self.exchanges.contains_key(&request.exchange) {
            return;
        }
        self.exchanges.insert(request.exchange, (Phase::Asked, 0));
        let exchange = Exchange(request.exchange);
        if let Err(response) = self.bridge.admit(&head) {
            return self.note(Output::Respond { exchange, response });
        }
        let random = u128::from(request.exchange).to_be_bytes();
        self.feed(Input::Request { exchange, head: &head, body: &request.body, random });
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time.min(WAIT);
        for _ in 0..TICKS {
            let Some(due) = self.bridge.poll_timeout().map(Instant::since_origin) else { break };
            if due > end {
                break;
            }
            self.now = self.now.max(due);
            self.feed(Input::Tick);
            let next = self.bridge.poll_timeout().map(Instant::since_origin);
            assert!(next.is_none_or(|next| next > self.now), "a wait is due again at once");
        }
        self.now = end;
        self.feed(Input::Tick);
    }

    /// Tells the engine something, and does what it wants until it wants nothing more.
    fn feed(&mut self, input: Input<'_>) {
        self.bridge.handle(input, Instant::new(self.now));
        loop {
            while let Some(output) = self.bridge.poll_output() {
                self.note(output);
            }
            let mut pipes = self.unread.iter();
            let reads = pipes.find(|(number, left)| **left > 0 && !self.deaf.contains(*number));
            if let Some(number) = reads.map(|(number, _)| *number) {
                self.read(number, Amount::All);
                continue;
            }
            let mut exchanges = self.exchanges.iter();
            let takes = exchanges.find(|(n, (_, left))| *left > 0 && !self.slow.contains(*n));
            match takes.map(|(number, _)| *number) {
                Some(number) => self.taken(number, Amount::All),
                None => return,
            }
        }
    }

    fn read(&mut self, number: u64, amount: Amount) {
        let bytes = take(self.unread.entry(number).or_default(), amount);
        if let Some(pipe) = self.pipes.get(&number).copied() {
            self.bridge.handle(Input::StdinTaken { pipe, bytes }, Instant::new(self.now));
        }
    }

    fn taken(&mut self, number: u64, amount: Amount) {
        let Some((_, left)) = self.exchanges.get_mut(&number) else { return };
        let bytes = take(left, amount);
        let input = Input::Taken { exchange: Exchange(number), bytes };
        self.bridge.handle(input, Instant::new(self.now));
    }

    /// Notes an output, and that it may come.
    fn note(&mut self, output: Output) {
        self.done.push(format!("{output:?}"));
        let is_there = |pipe: &Pipe| assert!(self.pipes.contains_key(&pipe.number()), "{pipe}");
        match &output {
            Output::Open { pipe, .. } => {
                let old = self.pipes.insert(pipe.number(), *pipe);
                assert!(old.is_none(), "{pipe} is opened while it is there");
                self.unread.remove(&pipe.number());
            }
            Output::Write { pipe, bytes } => {
                is_there(pipe);
                assert!(bytes.ends_with(b"\n"), "half a line");
                *self.unread.entry(pipe.number()).or_default() += bytes.len();
            }
            Output::CloseStdin { pipe } | Output::Terminate { pipe } | Output::Kill { pipe } => {
                is_there(pipe);
            }
            Output::Respond { exchange, response } => {
                for (name, value) in &response.fields {
                    assert!(value.bytes().all(|b| (0x20..=0x7e).contains(&b)), "{name}: {value}");
                }
                match &response.body {
                    Body::Whole(body) => {
                        self.step(exchange.0, Phase::Asked, Phase::Over, body.len());
                    }
                    Body::Stream => self.step(exchange.0, Phase::Asked, Phase::Streams, 0),
                }
            }
            Output::Send { exchange, bytes } => {
                self.step(exchange.0, Phase::Streams, Phase::Streams, bytes.len());
            }
            Output::Finish { exchange } => {
                self.step(exchange.0, Phase::Streams, Phase::Over, 0);
            }
            Output::Abort { exchange } => {
                let (phase, left) = self.exchanges.get_mut(&exchange.0).expect("an exchange");
                assert_ne!(*phase, Phase::Over, "{exchange:?} has ended before");
                (*phase, *left) = (Phase::Over, 0);
            }
            Output::Notice(_) => {}
        }
    }

    fn step(&mut self, number: u64, from: Phase, to: Phase, given: usize) {
        let (phase, left) = self.exchanges.get_mut(&number).expect("an exchange");
        assert_eq!(*phase, from, "exchange {number} can't become {to:?}");
        *phase = to;
        *left += given;
    }

    /// At a second shutdown everything ends, each request was answered, and nothing is held.
    fn end(&mut self) {
        self.slow.clear();
        self.deaf.clear();
        self.feed(Input::Shutdown);
        self.feed(Input::Shutdown);
        while let Some((_, pipe)) = self.pipes.pop_first() {
            self.feed(Input::Exited { pipe, exit: Exit::Signal(9), stderr: b"" });
        }
        let open = self.exchanges.iter().find(|(_, (phase, _))| *phase != Phase::Over);
        assert_eq!(open, None, "without an end");
        assert!(self.bridge.is_idle());
        assert_eq!(self.bridge.poll_timeout(), None);
        assert_eq!((self.bridge.buffered(), self.bridge.stats().calls), (0, 0));
    }
}

fn take(left: &mut usize, amount: Amount) -> usize {
    let bytes = match amount {
        Amount::All => *left,
        Amount::Bytes(bytes) => bytes.min(*left),
    };
    *left -= bytes;
    bytes
}
