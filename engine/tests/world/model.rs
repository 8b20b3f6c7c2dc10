//! What the judge knows: who asked what, which child said what, and where it was seen. The model
//! is told each fact when the engine is told it, and never asks the engine.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mcp_bridge::{ChildId, Exchange as Handle, Exit, Instant};

use super::events::Reader;
use super::json;
use super::text::{Holes, Text};
use super::upward::Round;
use super::wait::Hold;

/// The revisions of the session era, and what the judge knows of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
}

impl Version {
    pub(crate) const ALL: [Self; 4] =
        [Self::V2025_11_25, Self::V2025_03_26, Self::V2025_06_18, Self::V2024_11_05];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    pub(crate) fn batches(self) -> bool {
        self == Self::V2025_03_26
    }

    pub(crate) fn resumes(self) -> bool {
        self >= Self::V2025_03_26
    }

    pub(crate) fn primes(self) -> bool {
        self >= Self::V2025_11_25
    }
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `initialize`; the call's number is the session's.
    Initialize,
    /// Requests, perhaps with other messages in a batch.
    Calls {
        batch: bool,
    },
    /// Notifications and responses only.
    Tell,
    /// A stream for what the child says by itself.
    Get,
    /// The rest of a stream, after this entry of its log.
    Resume {
        stream: usize,
        entry: usize,
    },
    /// A stream by an event id that names nothing of this session.
    ResumeOdd,
    Delete,
    Health,
    /// A request of the stateless era.
    Modern(usize),
    /// A subscription of the stateless era.
    Listen(usize),
    /// Something that must be refused with one of these.
    Wrong {
        statuses: &'static [u16],
        why: &'static str,
        /// The code that the refusal must have, if the judge knows it.
        code: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No head yet.
    Waiting,
    /// A stream is open.
    Streaming,
    /// The last output was seen.
    Done,
}

/// One HTTP exchange as its client and the driver see it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) session: Option<usize>,
    pub(crate) calls: Vec<usize>,
    /// What the client can use.
    pub(crate) json: bool,
    pub(crate) sse: bool,
    pub(crate) phase: Phase,
    /// The client left, and the engine was told.
    pub(crate) lost: bool,
    /// It left before the last drain, so that nothing may come any more.
    pub(crate) lost_settled: bool,
    pub(crate) asked: Instant,
    pub(crate) status: u16,
    pub(crate) reader: Reader,
    /// The stream that it carries, and how much of its log went by.
    pub(crate) stream: Option<usize>,
    pub(crate) cursor: usize,
    /// Bytes sent and not taken, and since when.
    pub(crate) untaken: usize,
    /// Whether that is an error of the bridge, perhaps.
    pub(crate) is_short: bool,
    /// Whether what was over was taken only when it could have been given up.
    pub(crate) was_late: bool,
    pub(crate) moved: Instant,
    pub(crate) sent: Instant,
    pub(crate) pace: Pace,
    /// Its last output came, or it was lost, before the last drain.
    pub(crate) over_settled: bool,
    /// The engine broke it off.
    pub(crate) aborted: bool,
    /// It resumes a stream that has ended, by its last known event: what it missed must come.
    pub(crate) owed: bool,
    /// The engine's name for it, if its head was let in.
    pub(crate) handle: Option<Handle>,
    /// The engine was told that its answer is with its client.
    pub(crate) delivered: bool,
    /// Which of the events on it was the first.
    pub(crate) blocks: usize,
    /// A later request of its session took, or may have taken, its place.
    pub(crate) rivalled: bool,
    /// A newer GET stream was asked for: what this one has not sent may go there.
    pub(crate) superseded: bool,
    /// The judge saw the session end before it was asked, or saw nothing that could end it.
    pub(crate) knew_over: bool,
    pub(crate) knew_alive: bool,
    /// Load that could justify a refusal when it was asked.
    pub(crate) crowded: bool,
}

/// When a peer takes what it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    #[default]
    Eager,
    Lazy,
    Never,
}

impl Exchange {
    /// What it has not sent may go to a later exchange.
    pub(crate) fn has_successor(&self) -> bool {
        self.rivalled || self.superseded
    }

    /// Outputs for it may come.
    pub(crate) fn is_live(&self) -> bool {
        self.phase != Phase::Done && !self.lost
    }

    /// It is given its whole content.
    pub(crate) fn gets(&mut self, body: &[u8]) {
        // A refusal by the head alone is between the driver and the peer.
        self.untaken = if self.handle.is_some() { body.len() } else { 0 };
        self.is_short = body.windows(8).any(|word| word == b"\"error\":");
    }

    /// It has bytes that its peer may still take, or will be lost with.
    pub(crate) fn lingers(&self) -> bool {
        !self.lost && self.untaken > 0
    }

    pub(crate) fn carries(&self) -> bool {
        self.phase == Phase::Streaming && !self.lost
    }
}

/// One request of a client, `initialize` included.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) session: usize,
    pub(crate) exchange: usize,
    pub(crate) method: &'static str,
    pub(crate) holes: Holes,
    pub(crate) is_initialize: bool,
    /// The id and the token that the child got.
    pub(crate) child: Option<Holes>,
    pub(crate) asked: Instant,
    /// When it was asked, or went on last.
    pub(crate) sent: Instant,
    /// The resource that it is about, and the level that it sets.
    pub(crate) uri: Option<usize>,
    pub(crate) level: Option<&'static str>,
    /// Bytes of its request.
    pub(crate) size: usize,
    /// How often it went on, and how far it came.
    pub(crate) rounds: u32,
    pub(crate) progress: u32,
    /// The same, if a message came out that need not have.
    pub(crate) maybe: u32,
    /// The child asked once more than it may.
    pub(crate) exhausted: bool,
    /// The bridge answered it in the child's place.
    pub(crate) made: bool,
    /// The child's message that answers it.
    pub(crate) answer: Option<usize>,
    pub(crate) delivered: bool,
    /// The engine ended it with an error.
    pub(crate) failed: bool,
    pub(crate) cancelled: bool,
    /// The client asked for that, perhaps of another call with the same id.
    pub(crate) unwanted: bool,
    /// The engine gave it up, and told the child.
    pub(crate) dropped: bool,
    /// The child wrote something for it that no JSON reader takes.
    pub(crate) garbled: bool,
    /// It ended before the last drain.
    pub(crate) over: bool,
}

impl Call {
    /// The child has it and owes an answer.
    pub(crate) fn in_flight(&self) -> bool {
        self.child.is_some() && !self.has_ended()
    }

    /// The number under which the child knows it.
    pub(crate) fn number(&self) -> usize {
        let id = self.child.as_ref().and_then(|child| child.id.as_deref());
        id.and_then(|id| core::str::from_utf8(id).ok()?.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.answer.is_some() || self.failed || self.cancelled || self.dropped || self.made
    }

    /// The exchange that asked owes nothing for it any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.delivered || self.failed || self.cancelled
    }

    /// The same, or perhaps: of several calls with one id the client may have cancelled another.
    pub(crate) fn may_be_settled(&self) -> bool {
        self.is_settled() || self.unwanted
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToldKind {
    Call(usize),
    Notification(&'static str),
    Cancel {
        target: Vec<u8>,
    },
    /// A response to this message of the child, if the judge knows one.
    Reply(Option<usize>),
}

/// One message of a client.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) session: usize,
    pub(crate) exchange: usize,
    pub(crate) kind: ToldKind,
    pub(crate) text: Text,
    pub(crate) id: Vec<u8>,
    pub(crate) seen: bool,
}

/// Where a child's message may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Nowhere: it is a lie, late, or noise.
    Never,
    /// With the exchange or the stream of this call.
    Call(usize),
    /// On this exchange and no other.
    Exchange(usize),
    /// On the next stream.
    Queue,
    /// On any stream of its session, or nowhere: the design leaves it open.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaidKind {
    Answer(usize),
    Progress(usize),
    /// A request of the child, with its id.
    Ask,
    /// Anything that names no call; list changes prefer the GET stream.
    Free {
        prefers_get: bool,
    },
    /// Of a child of the other era: what it asks the client of a call, and what it tells by a
    /// subscription of this id.
    Question(usize),
    Update(usize),
    Lie,
}

/// One message of a child.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) session: usize,
    pub(crate) kind: SaidKind,
    /// What the client must get.
    pub(crate) expected: Vec<u8>,
    pub(crate) route: Route,
    /// Its place among all that the engine was told, once its line feed was.
    pub(crate) heard: Option<usize>,
    /// The stream's entry, or none for a JSON body.
    pub(crate) seen: Option<Option<(usize, usize)>>,
    /// The id of a request of the child.
    pub(crate) id: Vec<u8>,
    /// A response of the client to it, or of the engine, reached the child.
    pub(crate) replied: bool,
    /// When the engine was told.
    pub(crate) at: Option<Instant>,
}

impl Said {
    pub(crate) fn is_ping(&self) -> bool {
        self.kind == SaidKind::Ask && json::member(&self.expected, "method") == Some(b"\"ping\"")
    }
}

/// What came out on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) session: usize,
    pub(crate) log: Vec<Entry>,
    pub(crate) is_get: bool,
    /// The exchanges that ever carried it.
    pub(crate) carriers: Vec<usize>,
    /// The last of the child's messages, in the order in which they were heard: of those that came
    /// at once, and of those that waited.
    pub(crate) last_heard: [usize; 2],
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: Option<Vec<u8>>,
    pub(crate) data: Vec<u8>,
    /// Its place among all events of the case.
    pub(crate) order: usize,
    /// Which carrier brought it first.
    pub(crate) carrier: usize,
    pub(crate) at: Instant,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().map(String::from_utf8_lossy);
        let data = String::from_utf8_lossy(&self.data);
        write!(f, "id {id:?} data {data} first on {} at {}", self.carrier, self.at)
    }
}

/// One session, from its `initialize` on.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) call: usize,
    pub(crate) exchange: usize,
    pub(crate) child: Option<usize>,
    pub(crate) id: Option<String>,
    pub(crate) version: Option<Version>,
    /// What its client asked for, and said of itself.
    pub(crate) asked_version: Version,
    pub(crate) capabilities: usize,
    pub(crate) open: bool,
    /// Its child was told to go, or is gone: it is over for everybody.
    pub(crate) over: bool,
    pub(crate) over_settled: bool,
    /// Something was told that ends it, now or soon.
    pub(crate) doomed: bool,
    pub(crate) deleted: bool,
    pub(crate) touched: Instant,
    pub(crate) asked: Instant,
    /// A child that was asked for its era waited for it.
    pub(crate) spare: bool,
    /// The engine may hold lines back, so the judge no longer knows what it read.
    pub(crate) blurred: bool,
    /// The exchanges that carry GET streams, the newest last.
    pub(crate) gets: Vec<usize>,
    pub(crate) events: BTreeMap<Vec<u8>, (usize, usize)>,
    /// Upper bound of what a replay could hold.
    pub(crate) event_bytes: usize,
    /// What the child said while there was no stream for it.
    pub(crate) queued: Vec<usize>,
}

impl Session {
    pub(crate) fn is_live(&self) -> bool {
        self.open && !self.over && !self.doomed
    }
}

/// How a child behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Temper {
    pub(crate) fails_to_open: bool,
    pub(crate) mute: bool,
    pub(crate) lies: bool,
    pub(crate) chatty: bool,
    pub(crate) asks: bool,
    pub(crate) noisy: bool,
    pub(crate) batches: bool,
    pub(crate) crlf: bool,
    pub(crate) bom: bool,
    pub(crate) frail: bool,
    pub(crate) greedy: bool,
    pub(crate) ignores_eof: bool,
    pub(crate) ignores_term: bool,
    /// How it reads.
    pub(crate) stdin: Pace,
    pub(crate) declines: bool,
    /// It says at once who it is.
    pub(crate) prompt: bool,
}

/// A line that a child wrote and the driver has not told, with the messages that it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) bytes: Vec<u8>,
    pub(crate) said: Vec<usize>,
    pub(crate) garbles: Option<usize>,
    /// Of a shared child: its messages, and what the line does beside them.
    pub(crate) words: Vec<usize>,
    pub(crate) garbles_turn: Option<usize>,
    pub(crate) opens: bool,
    pub(crate) greets: bool,
    pub(crate) declines: bool,
    pub(crate) denies: bool,
    pub(crate) asks: Vec<usize>,
    pub(crate) sends_away: Option<(usize, usize)>,
    pub(crate) subscribed: Option<(String, usize, bool)>,
    pub(crate) news: Vec<usize>,
    /// Of a child of the other era: what it asks of a call, and what it honours of a subscription.
    pub(crate) wants: Option<(usize, Round)>,
    pub(crate) listens: Option<(usize, Option<Vec<String>>)>,
}

/// One child process as the driver sees it.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) session: Option<usize>,
    pub(crate) temper: Temper,
    /// The driver told that it runs.
    pub(crate) opened: bool,
    pub(crate) backlog: usize,
    pub(crate) hold: Hold,
    pub(crate) close_stdin: Option<Instant>,
    pub(crate) terminate: Option<Instant>,
    pub(crate) kill: Option<Instant>,
    pub(crate) out: VecDeque<Line>,
    pub(crate) offset: usize,
    /// Bytes told since the last line feed.
    pub(crate) partial: usize,
    pub(crate) wrote: bool,
    pub(crate) out_closed: bool,
    pub(crate) out_closed_told: bool,
    /// And before that, that it closed its input.
    pub(crate) in_closed_told: bool,
    /// It is dead; the driver tells it later.
    pub(crate) dead: Option<Exit>,
    /// The driver told that it is gone.
    pub(crate) gone: bool,
    pub(crate) gone_settled: bool,
    pub(crate) todo: Vec<usize>,
    /// The engine asked by itself of which era it is, under this id.
    pub(crate) probe: Option<Vec<u8>>,
    pub(crate) ids: BTreeSet<Vec<u8>>,
}

impl Child {
    pub(crate) fn can_speak(&self) -> bool {
        self.opened && self.dead.is_none() && !self.gone && !self.out_closed
    }

    /// It was told to go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.close_stdin.is_some() || self.terminate.is_some() || self.kill.is_some()
    }
}
