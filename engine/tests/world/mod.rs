//! The simulated world: clients, children and a driver around one engine, with a virtual clock.
//!
//! Every choice is drawn from a finite byte string (`dice`), so a failing case can be made smaller
//! by taking bytes away, and a fuzzer can breed cases. Two judges look at each output and at the
//! state after each step. The first (`hard`) sees the wire alone and knows what may never happen.
//! The second knows what was asked and said (`model`), predicts what must come of it, and may be
//! unsure. Both are written from the design and the specification, not from the engine: they parse
//! what comes out with readers of their own (`json`, `events`).
//!
//! | file | its part |
//! |---|---|
//! | `hard` | the hard laws: read these first |
//! | `law` | the names of all laws |
//! | `rough` | limits at their ends, and a driver that errs: the hard laws alone |
//! | `setup` | limits and temper of a case; swarm: some kinds of event are switched off |
//! | `client`, `wrong`, `ask` | what clients send, and what they may expect |
//! | `child` | what children say |
//! | `driver` | tells the engine what happened, late or early, within the contract of `Input` |
//! | `route` | where what a child says must come out |
//! | `carry`, `deliver` | laws of single outputs: towards children, towards clients |
//! | `settle`, `wait` | laws of the state after each step, and after each tick |
//! | `wind` | the end: everybody leaves, and nothing may be left |
//! | `subject` | the engine, with a place to plant faults |
//! | `modern` | the same for clients of 2026-07-28 and the children that they share |
//! | `upward` | sessions before children that speak only 2026-07-28 |

mod ask;
mod carry;
mod child;
mod client;
mod deliver;
pub(crate) mod dice;
mod driver;
mod events;
mod hard;
pub(crate) mod json;
pub(crate) mod law;
mod model;
mod modern;
pub(crate) mod rough;
mod route;
mod settle;
mod setup;
mod stream;
pub(crate) mod subject;
mod text;
mod upward;
mod wait;
mod wind;
mod wrong;

use std::collections::BTreeMap;

use mcp_bridge::{ChildId, Config, Exchange as Handle, Instant};

use dice::Dice;
use hard::Hard;
use law::{Broken, Judged, Law, require};
use model::{Call, Child, Exchange, Said, Session, Stream, Told};
use modern::Modern;
use setup::{Command, Event, Swarm};
use subject::{Fault, Subject};
use upward::Upward;

/// Steps of one case. The bytes end it before that, unless each step needs only one.
const STEPS: usize = 1000;
/// Outputs that one drain may bring. The small limits of a case allow far fewer.
const DRAIN: usize = 5000;

/// Inputs that a lazy driver may tell before it drains.
const LAZY: usize = 6;

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Events that the engine was told.
    pub(crate) events: usize,
    /// A number for all that came out.
    pub(crate) digest: u64,
    /// What happened, so that a test can show that the world is not asleep.
    pub(crate) counts: Counts,
}

/// What a case has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sessions: usize,
    pub(crate) answers: usize,
    pub(crate) errors: usize,
    pub(crate) streams: usize,
    pub(crate) replays: usize,
    pub(crate) routed: usize,
    pub(crate) cancels: usize,
    pub(crate) kills: usize,
    pub(crate) aborts: usize,
    pub(crate) refusals: usize,
    /// Pings that the bridge answered.
    pub(crate) pongs: usize,
    pub(crate) modern: ModernCounts,
    pub(crate) upward: UpwardCounts,
}

/// What a case has seen of the stateless era.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModernCounts {
    pub(crate) answers: usize,
    pub(crate) progress: usize,
    pub(crate) logs: usize,
    pub(crate) errors: usize,
    /// Calls that waited for their client, and answers that their children got.
    pub(crate) parks: usize,
    pub(crate) answered: usize,
    /// Subscriptions that began and ended, and what was told by them.
    pub(crate) listens: usize,
    pub(crate) news: usize,
    pub(crate) ends: usize,
    /// Requests that were refused for their era, and sessions in the process that was asked.
    pub(crate) refused: usize,
    pub(crate) fallbacks: usize,
}

/// What a case has seen of sessions before children of the other era.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UpwardCounts {
    pub(crate) sessions: usize,
    /// Calls that went on, what their clients were asked, and answers that their children got.
    pub(crate) rounds: usize,
    pub(crate) asked: usize,
    pub(crate) answered: usize,
    /// Questions that no answer is wanted to any more.
    pub(crate) withdrawn: usize,
    /// Answers of the bridge, and its subscriptions.
    pub(crate) made: usize,
    pub(crate) listens: usize,
}

impl Counts {
    /// Whether each kind of thing happened.
    pub(crate) fn is_awake(&self) -> bool {
        let kinds = [
            self.sessions,
            self.answers,
            self.errors,
            self.streams,
            self.replays,
            self.routed,
            self.cancels,
            self.kills,
            self.aborts,
            self.refusals,
            self.modern.answers,
            self.modern.progress,
            self.modern.logs,
            self.modern.errors,
            self.modern.parks,
            self.modern.answered,
            self.modern.listens,
            self.modern.news,
            self.modern.ends,
            self.modern.refused,
            self.modern.fallbacks,
            self.pongs,
            self.upward.sessions,
            self.upward.rounds,
            self.upward.asked,
            self.upward.answered,
            self.upward.withdrawn,
            self.upward.made,
            self.upward.listens,
        ];
        kinds.into_iter().all(|count| count > 0)
    }

    /// Adds what another case has seen.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.answers += other.answers;
        self.errors += other.errors;
        self.streams += other.streams;
        self.replays += other.replays;
        self.routed += other.routed;
        self.cancels += other.cancels;
        self.kills += other.kills;
        self.aborts += other.aborts;
        self.refusals += other.refusals;
        self.pongs += other.pongs;
        self.modern.answers += other.modern.answers;
        self.modern.progress += other.modern.progress;
        self.modern.logs += other.modern.logs;
        self.modern.errors += other.modern.errors;
        self.modern.parks += other.modern.parks;
        self.modern.answered += other.modern.answered;
        self.modern.listens += other.modern.listens;
        self.modern.news += other.modern.news;
        self.modern.ends += other.modern.ends;
        self.modern.refused += other.modern.refused;
        self.modern.fallbacks += other.modern.fallbacks;
        self.upward.sessions += other.upward.sessions;
        self.upward.rounds += other.upward.rounds;
        self.upward.asked += other.upward.asked;
        self.upward.answered += other.upward.answered;
        self.upward.withdrawn += other.upward.withdrawn;
        self.upward.made += other.upward.made;
        self.upward.listens += other.upward.listens;
    }
}

/// Everything around the engine, the judge included.
pub(crate) struct World<'a> {
    dice: Dice<'a>,
    swarm: Swarm,
    config: Config,
    subject: Subject<'a>,
    hard: Hard,
    /// The driver's clock, and the latest that the engine was told.
    now: Instant,
    seen: Instant,
    exchanges: Vec<Exchange>,
    sessions: Vec<Session>,
    calls: Vec<Call>,
    told: Vec<Told>,
    said: Vec<Said>,
    streams: Vec<Stream>,
    children: Vec<Child>,
    modern: Modern,
    upward: Upward,
    pipes: BTreeMap<ChildId, usize>,
    handles: BTreeMap<Handle, usize>,
    /// Exchanges that may still change; the others are only history.
    open: Vec<usize>,
    /// Messages of children that were told since the last drain.
    fresh: Vec<usize>,
    shutdown: Option<Instant>,
    shutdowns: usize,
    /// Starts that failed, for the breaker.
    failed_starts: u32,
    breaker: Instant,
    /// Starts that failed and that no client can have caused.
    blameless: u32,
    /// Inputs since the last drain.
    pending: usize,
    /// Whether a timer was due when one of these inputs was told: the engine runs the timer first.
    crossed: bool,
    /// Bytes of stdout since the last drain.
    piece: usize,
    ticked: bool,
    /// What the reads brought by which more is held than the budget lets in, with the fields of
    /// events.
    brought: usize,
    /// Whether so much was held that something may have had to give way.
    pressed: bool,
    heard: usize,
    events: usize,
    counts: Counts,
    trace: Option<Vec<String>>,
}

/// Plays a case to its end.
pub(crate) fn run(bytes: &[u8]) -> Result<Report, Broken> {
    World::new(bytes, None, false).play().0
}

/// The same with a spoilt engine.
pub(crate) fn run_spoilt(bytes: &[u8], fault: &mut dyn Fault) -> Result<Report, Broken> {
    World::new(bytes, Some(fault), false).play().0
}

/// Plays a case and writes down what went in and what came out.
pub(crate) fn trace(
    bytes: &[u8],
    fault: Option<&mut dyn Fault>,
) -> (Result<Report, Broken>, Vec<String>) {
    let fault = fault.map(|fault| fault as &mut dyn Fault);
    World::new(bytes, fault, true).play()
}

/// Plays a case twice: the engine must do the same again.
pub(crate) fn run_twice(bytes: &[u8]) -> Result<Report, Broken> {
    let first = run(bytes)?;
    let second = run(bytes)?;
    require_same(first, second)?;
    Ok(first)
}

/// The law that two runs of one case must keep.
pub(crate) fn require_same(first: Report, second: Report) -> Judged {
    require!(Same, first == second, "{first:?}, then {second:?}");
    Ok(())
}

impl<'a> World<'a> {
    fn new(bytes: &'a [u8], fault: Option<&'a mut dyn Fault>, trace: bool) -> Self {
        let mut dice = Dice::new(bytes);
        let swarm = Swarm::draw(&mut dice);
        let config = setup::config(&mut dice);
        let start = Instant::new(core::time::Duration::from_secs(1000));
        Self {
            dice,
            subject: Subject::new(config.clone(), fault),
            hard: Hard::new(&config, swarm.command == Command::Modern),
            swarm,
            config,
            now: start,
            seen: Instant::default(),
            exchanges: Vec::new(),
            sessions: Vec::new(),
            calls: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
            streams: Vec::new(),
            children: Vec::new(),
            modern: Modern::default(),
            upward: Upward::default(),
            pipes: BTreeMap::new(),
            handles: BTreeMap::new(),
            open: Vec::new(),
            fresh: Vec::new(),
            shutdown: None,
            shutdowns: 0,
            failed_starts: 0,
            blameless: 0,
            breaker: Instant::default(),
            pending: 0,
            crossed: false,
            piece: 0,
            ticked: false,
            brought: 0,
            pressed: false,
            heard: 0,
            events: 0,
            counts: Counts::default(),
            trace: trace.then(Vec::new),
        }
    }

    fn play(mut self) -> (Result<Report, Broken>, Vec<String>) {
        let judged = self.live().and_then(|()| self.wind_down());
        // Where memory was short, no more can be foretold than that nobody is hurt by it.
        let judged = match judged {
            Err(broken) if self.pressed && broken.law.foretells() => Ok(()),
            judged => judged,
        };
        let report =
            Report { events: self.events, digest: self.subject.digest(), counts: self.counts };
        (judged.map(|()| report), self.trace.unwrap_or_default())
    }

    fn live(&mut self) -> Judged {
        self.tick()?;
        self.drain()?;
        for _ in 0..STEPS {
            if self.dice.is_empty() {
                break;
            }
            self.step()?;
            if self.swarm.lazy && self.pending < LAZY && self.dice.one_in(2) {
                continue;
            }
            self.drain()?;
            self.oblige()?;
        }
        self.drain()
    }

    /// One event of those that the case has switched on.
    fn step(&mut self) -> Judged {
        let event = self.swarm.next(&mut self.dice);
        if matches!(event, Event::Moment | Event::Due | Event::While | Event::Back) {
            // A batch of inputs is of one moment, so that the judge knows when what came of it.
            self.drain()?;
            self.oblige()?;
        }
        match event {
            Event::Modern => self.modern_call(),
            Event::Retry => self.retry(),
            Event::Listen => self.listen(),
            Event::Initialize => self.initialize(),
            Event::Call => self.call(),
            Event::Notify => self.notify(),
            Event::Cancel => self.cancel(),
            Event::Reply => self.reply(),
            Event::Batch => self.batch(),
            Event::Get => self.get(),
            Event::Resume => self.resume(),
            Event::Delete => self.delete(),
            Event::Leave => self.leave(),
            Event::Take => self.take_some(),
            Event::WrongHead => self.wrong_head(),
            Event::WrongBody => self.wrong_body(),
            Event::WrongSession => self.wrong_session(),
            Event::WrongModern => self.wrong_modern(),
            Event::Act => self.act(),
            Event::Answer => self.answer_one(),
            Event::Read => self.read_some(),
            Event::TakeStdin => self.take_stdin(),
            Event::Report => self.report(),
            Event::Break => self.break_child(),
            Event::Stale => self.stale(),
            Event::Moment => self.moment(),
            Event::Due => self.until_due(),
            Event::While => self.while_passes(),
            Event::Back => self.back(),
            Event::Tick => self.tick(),
            Event::Shutdown => self.shut_down(),
        }
    }

    /// Whether the next input is the first since the last drain, and no timer runs before it.
    fn is_first(&self) -> bool {
        self.pending == 0 && !self.subject.is_due(self.clock())
    }

    /// Whether what the engine did since the last drain is the work of one input or of timers.
    fn is_only(&self) -> bool {
        self.pending < 2 && !self.crossed
    }

    /// Writes a line of the trace, if one is kept.
    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", self.now, line()));
        }
    }
}
