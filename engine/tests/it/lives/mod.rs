//! Sessions that outlive their processes, and the proxy: a small world of its own. Clients call,
//! processes crash, sessions sleep, wake, expire and make room, and the proxy is killed and started
//! again from the records that were saved. The judge knows who asked what and which process said
//! what, and holds the engine to the laws below; planted faults show that each of them is looked
//! after.
//!
//! Every run comes of a seed. `LIVES_SEEDS` says how many are played.

mod client;
mod driver;
mod faults;
mod judge;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mcp_bridge::{ChildId, Config, Exchange, Output, SessionNumber, sse};

use crate::stage::{self, Run, Stage, hold};

/// One promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    /// Each request has one answer.
    Once,
    /// A process first gets its handshake, and what its client has set before anything else.
    Handshake,
    /// A call is given to one process, once.
    NeverAgain,
    /// Nobody is answered by another session's process.
    Own,
    /// A client is told of a session that a later run knows.
    Saved,
    /// A session ends for the reasons that the design names, and for no other.
    Ends,
    /// Of those that are awake, and of those that sleep, there are no more than may be.
    Bounds,
    /// Those that are awake and those that sleep are all that have not ended.
    Accounts,
    /// No event id comes twice in a session, over all runs.
    EventIds,
}

pub(super) type Judged = stage::Judged<Law>;

/// A client, and what the judge knows of its session.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) id: Option<String>,
    /// The number of its session in this run.
    pub(super) number: Option<SessionNumber>,
    pub(super) initialized: bool,
    pub(super) level: bool,
    pub(super) uris: BTreeSet<String>,
    pub(super) ended: bool,
    /// What its client, or the embedder, did to end it.
    pub(super) deleted: bool,
    pub(super) revoked: bool,
    /// A process gave it another handshake.
    pub(super) changed: bool,
    /// The last request that was let in.
    pub(super) used: Duration,
    pub(super) events: BTreeSet<String>,
    /// The process that it has, or had last.
    pub(super) child: Option<ChildId>,
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Initialize,
    Call(u64),
    Set(Setting),
    Tell,
    Get,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Level,
    Subscribe(String),
}

pub(super) struct Asked {
    pub(super) client: usize,
    pub(super) ask: Ask,
    pub(super) answers: usize,
    pub(super) over: bool,
    pub(super) streams: bool,
    pub(super) decoder: sse::Decoder,
}

/// A process.
#[derive(Default)]
pub(super) struct Child {
    pub(super) client: Option<usize>,
    /// What it has been told, in its order, as far as the judge asks.
    pub(super) lines: usize,
    pub(super) initialized: bool,
    pub(super) level: bool,
    pub(super) uris: BTreeSet<String>,
    /// Whether it serves a session that was open before.
    pub(super) again: bool,
    /// What it is to answer.
    pub(super) owes: VecDeque<(Vec<u8>, String)>,
    pub(super) leaving: bool,
}

pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) config: Config,
    pub(super) clients: Vec<Client>,
    pub(super) children: BTreeMap<ChildId, Child>,
    pub(super) asked: BTreeMap<Exchange, Asked>,
    /// Calls by their number, with the process that each was given to.
    pub(super) given: BTreeMap<u64, ChildId>,
    pub(super) calls: u64,
    /// Records by the session's id, as they would be found after a loss of power.
    pub(super) saved: BTreeMap<String, (Vec<u8>, Duration)>,
    /// Saves that are not done yet.
    pub(super) saving: VecDeque<(SessionNumber, Vec<u8>)>,
    /// Sessions that sleep, by the notices: the engine may be further on than its notices are read.
    pub(super) sleepers: BTreeSet<SessionNumber>,
    fault: Option<faults::Fault>,
    pub(super) counts: Counts,
}

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sleeps: u64,
    pub(super) wakes: u64,
    pub(super) answers: u64,
    pub(super) crashed: u64,
    pub(super) restarts: u64,
    pub(super) expired: u64,
    pub(super) crowded: u64,
    pub(super) changed: u64,
    pub(super) failed: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.sleeps += other.sleeps;
        self.wakes += other.wakes;
        self.answers += other.answers;
        self.crashed += other.crashed;
        self.restarts += other.restarts;
        self.expired += other.expired;
        self.crowded += other.crowded;
        self.changed += other.changed;
        self.failed += other.failed;
    }

    fn all(self) -> [u64; 9] {
        let Self { sleeps, wakes, answers, crashed, restarts, expired, crowded, .. } = self;
        let (changed, failed) = (self.changed, self.failed);
        [sleeps, wakes, answers, crashed, restarts, expired, crowded, changed, failed]
    }
}

/// Plays a run.
fn play(seed: u64, fault: Option<faults::Fault>) -> Result<Counts, (Law, String)> {
    let mut world = World::new(seed, fault);
    world.play().map(|()| world.counts)
}

impl Run for World {
    type Law = Law;
    const ONCE: Law = Law::Once;
    const STEPS: usize = 300;

    fn stage(&mut self) -> &mut Stage {
        &mut self.stage
    }

    fn left(&self) -> Vec<ChildId> {
        self.children.keys().copied().collect()
    }

    fn spoil(&mut self, output: Output) -> Vec<Output> {
        match self.fault {
            Some(fault) => fault.spoil(self, output),
            None => vec![output],
        }
    }

    fn step(&mut self) -> Judged {
        self.happen()
    }

    fn carry_out(&mut self, output: Output) -> Judged {
        self.obey(output)
    }

    fn judge(&mut self) -> Judged {
        self.holds()
    }

    fn end(&mut self) -> Judged {
        while !self.saving.is_empty() {
            self.save();
        }
        self.shut_down()?;
        let open = self.asked.values().filter(|asked| !asked.over).count();
        hold!(Once, open == 0, "{open} exchanges have no end");
        self.rests()
    }
}

fn seeds() -> u64 {
    stage::seeds("LIVES_SEEDS")
}

#[test]
fn sessions_go_on_over_processes_and_runs() {
    let mut seen = Counts::default();
    for seed in 1..=seeds() {
        match play(seed, None) {
            Ok(counts) => seen.add(counts),
            Err((law, how)) => panic!("seed {seed}: {law:?}: {how}"),
        }
    }
    assert!(seen.all().iter().all(|count| *count > 0), "something never happens: {seen:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..=5 {
        assert_eq!(play(seed, None), play(seed, None));
    }
}

#[test]
fn planted_faults_are_found() {
    for (fault, law) in faults::ALL {
        let found = (1..=seeds().max(200)).find_map(|seed| play(seed, Some(fault)).err());
        let Some((broken, how)) = found else { panic!("{fault:?} is not found") };
        assert_eq!(broken, law, "{fault:?}: {how}");
    }
}
