//! Sessions that share processes: a small world of its own. Clients of two kinds open sessions,
//! call, cancel, subscribe, want logs, answer questions, their own and others', leave and delete;
//! processes answer in any order, report, log, ask, and crash; the proxy is killed, and started
//! again from the records that were saved. Everything that a client or a process says of a call
//! names the client whose it is, so the judge sees who gets what.
//!
//! Every run comes of a seed. `SHARED_SEEDS` says how many are played.

mod client;
mod driver;
mod faults;
mod judge;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_bridge::{ChildId, Config, Exchange, Output, SessionNumber, sse};

use crate::stage::{self, Dice, Run, Stage, hold};
use faults::Fault;

/// One promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    /// Each request has one answer, and everything ends.
    Once,
    /// A process has one handshake, first, and no id twice.
    Handshake,
    /// Clients of one kind have one process.
    One,
    /// What is of one client's call reaches that client alone.
    Own,
    /// A process's question is answered by the client that it is of, or refused.
    Asked,
    /// Updates reach those that have subscribed, and no others; changes of lists reach all.
    Told,
    /// A process is subscribed to, and logs, what its sessions want, and no more. A record has it.
    Wants,
    /// A call is cancelled, or fails, because of its own client or its process. A session ends as
    /// its client deleted it or did not use it, or for want of room.
    Fate,
    /// A client that reads nothing, and so holds others up, loses all its calls at once.
    Held,
}

pub(super) type Judged = stage::Judged<Law>;

/// A client, and what the judge knows of its session.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// Whether it can be asked for roots.
    pub(super) roots: bool,
    pub(super) id: Option<String>,
    pub(super) initialized: bool,
    pub(super) deleted: bool,
    /// When its last request was let in.
    pub(super) used: Duration,
    pub(super) level: Option<&'static str>,
    pub(super) uris: BTreeSet<String>,
    /// Resources that it may be subscribed to, or not yet: the answer is under way, or lost.
    pub(super) unsure: BTreeSet<String>,
    /// Whether an answer to a wish for a level was lost.
    pub(super) level_unsure: bool,
    /// Its GET stream.
    pub(super) stream: Option<Exchange>,
    /// Questions that it was asked and has not answered.
    pub(super) asked: Vec<String>,
    /// Numbers of the notices to all that it got.
    pub(super) heard: BTreeSet<u64>,
    /// Its calls, and those that it may have cancelled.
    pub(super) calls: BTreeSet<u64>,
    pub(super) fated: BTreeSet<u64>,
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Initialize,
    Call(u64),
    Level(&'static str),
    Subscribe(String),
    Unsubscribe(String),
    Tell,
    Get,
    Delete,
}

pub(super) struct Asked {
    pub(super) client: usize,
    pub(super) ask: Ask,
    pub(super) answers: usize,
    pub(super) over: bool,
    /// Whether its client reads nothing of it, and what it has not read.
    pub(super) deaf: bool,
    pub(super) unread: usize,
    /// Whether it is a whole answer of a session that sleeps: then it holds nobody up.
    pub(super) apart: bool,
    pub(super) decoder: sse::Decoder,
}

/// A call at a process.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) id: String,
    pub(super) client: usize,
    pub(super) call: u64,
}

/// A process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) roots: bool,
    pub(super) lines: usize,
    /// Whether it is not read, so that it can't write.
    pub(super) paused: bool,
    pub(super) ids: BTreeSet<String>,
    pub(super) initialized: usize,
    /// Whether it has answered its handshake.
    pub(super) greeted: bool,
    pub(super) calls: Vec<At>,
    /// Cancelled calls on which it works on.
    pub(super) strays: Vec<At>,
    /// Other requests that it has to answer.
    pub(super) owes: Vec<(String, String)>,
    /// Questions that are open, with their clients.
    pub(super) questions: BTreeMap<String, usize>,
    pub(super) uris: BTreeSet<String>,
    pub(super) level: Option<String>,
}

pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) config: Config,
    /// The records of sessions.
    pub(super) saved: BTreeMap<SessionNumber, Vec<u8>>,
    /// Those that sleep, by the notices.
    pub(super) sleepers: BTreeSet<SessionNumber>,
    pub(super) clients: Vec<Client>,
    pub(super) processes: BTreeMap<ChildId, Process>,
    pub(super) asked: BTreeMap<Exchange, Asked>,
    /// The last number of a call, a question or a notice.
    pub(super) last: u64,
    fault: Option<Fault>,
    /// A client that has just lost a call, with enough unread to hold others up; and once its
    /// process is read again, so that it did.
    pub(super) behind: Option<usize>,
    pub(super) holder: Option<usize>,
    pub(super) counts: Counts,
}

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) shared: u64,
    pub(super) answers: u64,
    pub(super) progress: u64,
    pub(super) logs: u64,
    pub(super) asked: u64,
    pub(super) refused: u64,
    pub(super) updates: u64,
    pub(super) crashes: u64,
    pub(super) wakes: u64,
    pub(super) cancels: u64,
    pub(super) restarts: u64,
    pub(super) held: u64,
    pub(super) expired: u64,
    pub(super) crowded: u64,
}

impl Counts {
    const fn all(self) -> [u64; 14] {
        let Self { shared, answers, progress, logs, asked, refused, updates, .. } = self;
        let Self { crashes, wakes, cancels, restarts, held, expired, crowded, .. } = self;
        [
            shared, answers, progress, logs, asked, refused, updates, crashes, wakes, cancels,
            restarts, held, expired, crowded,
        ]
    }
}

fn play(seed: u64, fault: Option<Fault>) -> Result<Counts, (Law, String)> {
    let mut world = World::new(seed, fault);
    world.play().map(|()| world.counts)
}

impl Run for World {
    type Law = Law;
    const ONCE: Law = Law::Once;
    const STEPS: usize = 400;

    fn stage(&mut self) -> &mut Stage {
        &mut self.stage
    }

    fn left(&self) -> Vec<ChildId> {
        self.processes.keys().copied().collect()
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
        self.lose_unread();
        self.shut_down()?;
        let open = self.asked.values().filter(|asked| !asked.over && asked.ask != Ask::Delete);
        hold!(Once, open.count() == 0, "exchanges have no end");
        self.rests()
    }
}

impl World {
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

fn seeds() -> u64 {
    stage::seeds("SHARED_SEEDS")
}

#[test]
fn each_client_of_a_shared_process_has_what_is_its_own() {
    let mut seen = [0; 14];
    for seed in 1..=seeds() {
        match play(seed, None) {
            Ok(counts) => seen.iter_mut().zip(counts.all()).for_each(|(sum, more)| *sum += more),
            Err((law, how)) => panic!("seed {seed}: {law:?}: {how}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "something never happens: {seen:?}");
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
        let found = (1..=seeds().max(100)).find_map(|seed| play(seed, Some(fault)).err());
        let Some((broken, how)) = found else { panic!("{fault:?} is not found") };
        assert_eq!(broken, law, "{fault:?}: {how}");
    }
}

/// A queue that a few answers fill.
const SMALL: usize = 100;

/// The settings of a run: limits that are reached.
pub(super) fn config(dice: &mut Dice) -> Config {
    let seconds = Duration::from_secs;
    Config {
        share: true,
        queue: if dice.one_in(3) { SMALL } else { Config::default().queue },
        stall: seconds(2),
        sessions: 3 + dice.below(4) as usize,
        starting: 1 + dice.below(2) as usize,
        prewarm: dice.below(2) as usize,
        asleep: if dice.one_in(3) { 2 } else { Config::default().asleep },
        expiry: Some(seconds(30)).filter(|_| dice.one_in(3)),
        idle: Some(seconds(20)).filter(|_| !dice.one_in(3)),
        sleep: Some(seconds(10)).filter(|_| dice.one_in(3)),
        spare: seconds(3),
        start: seconds(5),
        breaker_starts: 3,
        breaker_wait: seconds(4),
        persist: true,
        ..Config::default()
    }
}
