//! What the small worlds of sessions have in common: an engine with a clock, draws and a record of
//! what happened last; and a run of steps, each of which ends when the engine wants no more.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use mcp_bridge::{Bridge, ChildId, Config, Exchange, Exit, Head, Input, Instant, Output, sse};

/// Outputs of one drain, and waits of one stretch of time.
const MANY: usize = 10_000;
/// Most lines that are printed of a run that broke a law.
const LOG: usize = 40;
/// The longest event.
const EVENT: usize = 1 << 16;

/// A law that was broken, and how.
pub(crate) type Judged<Law> = Result<(), (Law, String)>;

/// Ends a function with the law that does not hold.
macro_rules! hold {
    ($law:ident, $holds:expr, $($how:tt)+) => {
        if !$holds {
            return Err((Law::$law, format!($($how)+)));
        }
    };
}
pub(crate) use hold;

/// Draws, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }

    /// A place in a list of this length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        self.below(length.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

pub(crate) const fn at(now: Duration) -> Instant {
    Instant::new(now)
}

/// The decoder of a response that is a stream.
pub(crate) fn decoder() -> sse::Decoder {
    sse::Decoder::new(EVENT)
}

/// An input or an output as it is printed, shortened.
fn brief(what: &impl Debug) -> String {
    let bytes = format!("{what:?}");
    bytes.chars().take(160).collect()
}

/// The engine, and what surrounds it.
pub(crate) struct Stage {
    pub(crate) dice: Dice,
    pub(crate) bridge: Bridge,
    pub(crate) now: Duration,
    random: u64,
    /// The last that happened.
    log: VecDeque<String>,
}

impl Stage {
    pub(crate) fn new(dice: Dice, config: Config) -> Self {
        let bridge = Bridge::new(config).expect("a good configuration");
        Self { dice, bridge, now: Duration::from_secs(1), random: 0, log: VecDeque::new() }
    }

    fn note(&mut self, what: &str) {
        if self.log.len() >= LOG {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:?} {what}", self.now));
    }

    pub(crate) fn tell(&mut self, input: Input<'_>) {
        if !matches!(input, Input::Tick | Input::Taken { .. } | Input::StdinTaken { .. }) {
            self.note(&format!("-> {}", brief(&input)));
        }
        self.bridge.handle(input, at(self.now));
    }

    /// A client sends a request in a session, or without one where the id is empty.
    pub(crate) fn request(&mut self, session: &str, method: &str, body: &str) -> Exchange {
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("Host", b"localhost"),
            ("Content-Type", b"application/json"),
            ("Accept", b"application/json, text/event-stream"),
        ];
        if !session.is_empty() {
            fields.push(("Mcp-Session-Id", session.as_bytes()));
        }
        let head = Head { method, path: "/mcp", authority: None, fields: &fields };
        let admitted = self.bridge.admit(&head).expect("it is let in");
        let exchange = admitted.exchange();
        self.random += 1;
        let random = (u128::from(self.random) << 64 | 0x5eed).to_be_bytes();
        self.tell(Input::Request { admitted, head: &head, body: body.as_bytes(), random });
        exchange
    }
}

/// A world that is played in steps.
pub(crate) trait Run: Sized {
    type Law: Debug;
    /// The law of a run whose outputs have no end, or which leaves something.
    const ONCE: Self::Law;
    /// Steps of one run.
    const STEPS: usize;

    fn stage(&mut self) -> &mut Stage;
    /// Processes that have not ended.
    fn left(&self) -> Vec<ChildId>;
    /// What is done in place of this output: a planted fault, if there is one.
    fn spoil(&mut self, output: Output) -> Vec<Output>;
    fn step(&mut self) -> Judged<Self::Law>;
    fn carry_out(&mut self, output: Output) -> Judged<Self::Law>;
    /// The laws of the state after each step.
    fn judge(&mut self) -> Judged<Self::Law>;
    fn end(&mut self) -> Judged<Self::Law>;

    fn tell(&mut self, input: Input<'_>) {
        self.stage().tell(input);
    }

    fn drain(&mut self) -> Judged<Self::Law> {
        for _ in 0..MANY {
            let Some(output) = self.stage().bridge.poll_output() else { return Ok(()) };
            for output in self.spoil(output) {
                self.stage().note(&format!("<- {}", brief(&output)));
                self.carry_out(output)?;
            }
        }
        Err((Self::ONCE, format!("more than {MANY} outputs")))
    }

    /// Time passes, with a tick at each wait.
    fn pass(&mut self, millis: u64) -> Judged<Self::Law> {
        let stage = self.stage();
        let end = stage.now + Duration::from_millis(1 + stage.dice.below(millis));
        for _ in 0..MANY {
            let stage = self.stage();
            let due = stage.bridge.poll_timeout().map(Instant::since_origin);
            let Some(due) = due.filter(|due| *due <= end) else { break };
            stage.now = stage.now.max(due);
            self.tell(Input::Tick);
            self.drain()?;
        }
        self.stage().now = end;
        self.tell(Input::Tick);
        Ok(())
    }

    /// The engine is shut down, and every process ends.
    fn shut_down(&mut self) -> Judged<Self::Law> {
        self.drain()?;
        for _ in 0..2 {
            self.tell(Input::Shutdown);
            self.drain()?;
        }
        for child in self.left() {
            self.tell(Input::Exited { child, exit: Exit::Signal(9), stderr: b"" });
        }
        self.drain()
    }

    /// Nothing is left of what was.
    fn rests(&mut self) -> Judged<Self::Law> {
        let bridge = &self.stage().bridge;
        match (bridge.is_idle(), bridge.buffered()) {
            (true, 0) => Ok(()),
            (false, _) => Err((Self::ONCE, String::from("it is not idle at the end"))),
            (true, bytes) => Err((Self::ONCE, format!("{bytes} bytes are left"))),
        }
    }

    /// Plays a run; a law that was broken comes with what happened before.
    fn play(&mut self) -> Judged<Self::Law> {
        self.live().map_err(|(law, how)| {
            let log = Vec::from(self.stage().log.clone()).join("\n");
            (law, format!("{how}; before that\n{log}"))
        })
    }

    fn live(&mut self) -> Judged<Self::Law> {
        for _ in 0..Self::STEPS {
            self.step()?;
            self.drain()?;
            self.judge()?;
        }
        self.end()
    }
}

/// The resources that a text names.
pub(crate) fn uris(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text).into_owned();
    let pieces = text.split('"').filter(|piece| piece.starts_with("a:"));
    pieces.map(String::from).collect()
}

/// Whether a text has these words.
pub(crate) fn says(text: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(text).contains(words)
}

/// How many seeds are played: the variable with this name, or so many.
pub(crate) fn seeds(name: &str) -> u64 {
    let seeds = std::env::var(name).ok().and_then(|text| text.parse().ok());
    seeds.unwrap_or(300)
}
