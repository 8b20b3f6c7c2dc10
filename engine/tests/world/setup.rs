//! What a case is like before it starts. Swarm testing: each case switches some kinds of event
//! off, so that the others come in numbers that an even mix would never show.

use core::time::Duration;

use mcp_bridge::{Config, Eras};

use super::dice::Dice;
use super::model::{Pace, Temper};

/// One kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request of the stateless era, and one that comes back.
    Modern,
    Retry,
    Initialize,
    Call,
    Notify,
    Cancel,
    Reply,
    Batch,
    Get,
    Resume,
    Delete,
    /// A client of the stateless era listens.
    Listen,
    /// A client goes away.
    Leave,
    /// A client reads.
    Take,
    WrongHead,
    WrongBody,
    WrongSession,
    /// What no request of the stateless era may be.
    WrongModern,
    /// A child does something of its temper.
    Act,
    /// A child answers a call.
    Answer,
    /// The driver tells a piece of stdout.
    Read,
    TakeStdin,
    /// The driver tells what it owes: opened, exited, stdout closed.
    Report,
    /// A child dies, closes stdout or writes without end.
    Break,
    /// An input for something that is gone.
    Stale,
    /// Milliseconds pass.
    Moment,
    /// Time passes up to the engine's next deadline.
    Due,
    /// Much time passes, with a tick at each deadline or only at the end.
    While,
    /// An input with a time that is past.
    Back,
    /// A tick that nobody asked for.
    Tick,
    Shutdown,
}

/// Each event with its weight. The first ones can't be switched off: without them nothing happens.
const EVENTS: [(Event, usize); 31] = [
    (Event::Modern, 14),
    (Event::Retry, 14),
    (Event::Call, 24),
    (Event::Initialize, 8),
    (Event::Answer, 20),
    (Event::Read, 20),
    (Event::Report, 6),
    (Event::Act, 24),
    (Event::Moment, 8),
    (Event::Notify, 6),
    (Event::Cancel, 8),
    (Event::Reply, 8),
    (Event::Batch, 8),
    (Event::Get, 8),
    (Event::Resume, 10),
    (Event::Delete, 2),
    (Event::Listen, 8),
    (Event::Leave, 6),
    (Event::Take, 8),
    (Event::WrongHead, 3),
    (Event::WrongBody, 3),
    (Event::WrongSession, 3),
    (Event::WrongModern, 4),
    (Event::TakeStdin, 6),
    (Event::Break, 2),
    (Event::Stale, 2),
    (Event::Due, 6),
    (Event::While, 3),
    (Event::Back, 2),
    (Event::Tick, 3),
    (Event::Shutdown, 1),
];
const ALWAYS: usize = 9;

/// Which clients a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clients {
    Session,
    Modern,
    Both,
}

/// Which eras the children of a case know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Session,
    Modern,
    /// Both: a process is of the era of its first request.
    Dual,
}

impl Clients {
    fn send(self, event: Event) -> bool {
        match event {
            Event::Modern | Event::Retry | Event::Listen => self != Self::Session,
            Event::Initialize | Event::Call => self != Self::Modern,
            _ => true,
        }
    }
}

/// How a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Clients leave and time passes.
    Leave,
    /// Clients delete their sessions.
    Delete,
    /// The operator ends the program, and waits.
    Drain,
    /// The operator ends the program twice.
    AtOnce,
}

/// What this case does, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    events: Vec<(Event, usize)>,
    total: usize,
    pub(crate) clients: Clients,
    pub(crate) command: Command,
    /// Which capabilities clients of the stateless era have.
    pub(crate) capabilities: (usize, usize),
    pub(crate) end: End,
    /// Several inputs may come before a drain.
    pub(crate) lazy: bool,
    /// Ticks may come late.
    pub(crate) sleepy: bool,
    /// What children of this case may be like: a mask.
    pub(crate) tempers: u8,
    /// One in so many readers is slow.
    pub(crate) slow: usize,
    /// The lengths of what is said.
    pub(crate) large: bool,
}

impl Swarm {
    pub(crate) fn draw(dice: &mut Dice<'_>) -> Self {
        let mut off = 0_u32;
        for _ in 0..3 {
            // Two draws: each event is off in one case of four.
            off = off << 8 | u32::from(dice.byte() & dice.byte());
        }
        let clients = dice.pick(&[Clients::Session, Clients::Modern, Clients::Both]);
        let command = match clients {
            Clients::Session => dice.pick(&[Command::Session, Command::Modern]),
            Clients::Both => dice.pick(&[Command::Session, Command::Dual, Command::Modern]),
            Clients::Modern => dice.pick(&[Command::Session, Command::Modern, Command::Dual]),
        };
        let capabilities = (dice.below(6), dice.below(6));
        let kept = |number: usize| {
            let on = number < ALWAYS || off >> (number - ALWAYS) & 1 == 0;
            on && clients.send(EVENTS[number].0)
        };
        let events: Vec<(Event, usize)> = EVENTS
            .iter()
            .enumerate()
            .filter(|(number, _)| kept(*number))
            .map(|(_, (event, weight))| {
                // Such children ask much.
                let asked = command == Command::Modern && *event == Event::Reply;
                (*event, if asked { 3 * weight } else { *weight })
            })
            .collect();
        let total = events.iter().map(|(_, weight)| weight).sum();
        Self {
            events,
            total,
            clients,
            command,
            capabilities,
            end: dice.pick(&[End::Leave, End::Delete, End::Drain, End::AtOnce]),
            lazy: dice.one_in(4),
            sleepy: dice.one_in(4),
            tempers: dice.byte(),
            slow: dice.pick(&[1000, 4, 2]),
            large: dice.one_in(4),
        }
    }

    pub(crate) fn next(&self, dice: &mut Dice<'_>) -> Event {
        let mut ticket = dice.below(self.total);
        for (event, weight) in &self.events {
            if ticket < *weight {
                return *event;
            }
            ticket -= weight;
        }
        Event::Moment
    }
}

/// The limits of a case: mostly small ones, so that they are met.
pub(crate) fn config(dice: &mut Dice<'_>) -> Config {
    let all = [Eras::Both, Eras::Both, Eras::Both, Eras::Auto, Eras::Auto, Eras::Auto];
    let eras = match dice.below(8) {
        0 => Eras::Sessions,
        1 => Eras::Modern,
        _ => dice.pick(&all),
    };
    let mut config = Config { eras, restart: false, ..Config::default() };
    if dice.one_in(8) {
        return config;
    }
    let seconds = Duration::from_secs;
    config.sessions = dice.pick(&[4, 2, 8]);
    config.pool = dice.pick(&[4, 2, 8, 1]);
    config.parked = dice.pick(&[4, 1, 2]);
    config.park = dice.pick(&[seconds(300), seconds(20)]);
    config.subscriptions = dice.pick(&[8, 1, 2]);
    config.starting = dice.pick(&[4, 1, 2]);
    config.calls = dice.pick(&[8, 2, 4, 32]);
    config.message = dice.pick(&[4096, 1024, 16384]);
    config.replay = dice.pick(&[16384, 2048, 4096]);
    config.listeners = if config.replay == 2048 { 1 } else { 8 };
    config.queue = dice.pick(&[8192, 1024, 512]);
    config.stdin = dice.pick(&[8192, 1024, 2048]);
    config.idle = dice.pick(&[Some(seconds(300)), Some(seconds(40)), None]);
    config.request = dice.pick(&[None, None, Some(seconds(20))]);
    config.stall = dice.pick(&[seconds(30), seconds(5)]);
    config.keep_ended = dice.pick(&[seconds(60), seconds(10)]);
    config.start = dice.pick(&[seconds(60), seconds(8)]);
    config.breaker_starts = dice.pick(&[5, 2]);
    // Messages of the largest size that have room at once; mostly more than there ever are.
    config.budget = config.message * dice.pick(&[100_000, 4, 6, 100_000]);
    config
}

/// What one child is like, within what the case allows.
pub(crate) fn temper(dice: &mut Dice<'_>, swarm: &Swarm) -> Temper {
    let has = |bit: u8| swarm.tempers >> bit & 1 == 1;
    let mut odd = |bit: u8, bound: usize| has(bit) && dice.one_in(bound);
    Temper {
        fails_to_open: odd(0, 4),
        mute: odd(0, 6),
        lies: odd(1, 2),
        chatty: !has(2),
        asks: !has(3),
        noisy: odd(4, 2),
        batches: odd(5, 1),
        crlf: odd(4, 3),
        bom: odd(4, 4),
        frail: odd(6, 2),
        greedy: odd(7, 3),
        ignores_eof: odd(6, 3),
        ignores_term: odd(6, 3),
        declines: odd(0, 5),
        prompt: !odd(1, 2),
        stdin: if !odd(7, 2) {
            Pace::Eager
        } else if dice.one_in(2) {
            Pace::Never
        } else {
            Pace::Lazy
        },
    }
}
