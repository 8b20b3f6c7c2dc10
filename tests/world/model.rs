//! What the judge knows: who asked what, which child said what, and where it was seen. The model
//! is told each fact when the engine is told it, and never asks the engine.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hyper_mcp_proxy::{Exit, Instant, Pipe};

use super::events::Reader;
use super::text::{Holes, Text};

/// The revisions of the session era, and what the judge knows of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
}

impl Version {
    pub const ALL: [Self; 4] =
        [Self::V2025_11_25, Self::V2025_03_26, Self::V2025_06_18, Self::V2024_11_05];

    pub const fn name(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
        }
    }

    pub fn batches(self) -> bool {
        self == Self::V2025_03_26
    }

    pub fn resumes(self) -> bool {
        self >= Self::V2025_03_26
    }

    pub fn primes(self) -> bool {
        self >= Self::V2025_11_25
    }
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
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
    ResumeOdd {
        foreign: bool,
    },
    Delete,
    Health,
    /// Something that must be refused with one of these.
    Wrong {
        statuses: &'static [u16],
        why: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No head yet.
    Waiting,
    /// A stream is open.
    Streaming,
    /// The last output was seen.
    Done,
}

/// One HTTP exchange as its client and the driver see it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub ask: Ask,
    pub session: Option<usize>,
    pub calls: Vec<usize>,
    /// What the client can use.
    pub json: bool,
    pub sse: bool,
    pub phase: Phase,
    /// The client left, and the engine was told.
    pub lost: bool,
    /// It left before the last drain, so that nothing may come any more.
    pub lost_settled: bool,
    pub asked: Instant,
    pub status: u16,
    pub reader: Reader,
    /// The stream that it carries, and how much of its log went by.
    pub stream: Option<usize>,
    pub cursor: usize,
    /// Bytes sent and not taken, and since when.
    pub untaken: usize,
    pub moved: Instant,
    pub sent: Instant,
    pub pace: Pace,
    /// Its last output came, or it was lost, before the last drain.
    pub over_settled: bool,
    /// The engine knows of it: its head was let in.
    pub known: bool,
    /// Which of the events on it was the first.
    pub blocks: usize,
    /// A later request of its session took, or may have taken, its place.
    pub rivalled: bool,
    /// The judge saw the session end before it was asked, or saw nothing that could end it.
    pub knew_over: bool,
    pub knew_alive: bool,
    /// Load that could justify a refusal when it was asked.
    pub crowded: bool,
}

/// When a peer takes what it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Eager,
    Lazy,
    Never,
}

impl Exchange {
    /// Outputs for it may come.
    pub fn is_live(&self) -> bool {
        self.phase != Phase::Done && !self.lost
    }

    /// It has bytes that its peer may still take, or will be lost with.
    pub fn lingers(&self) -> bool {
        !self.lost && self.untaken > 0
    }

    pub fn carries(&self) -> bool {
        self.phase == Phase::Streaming && !self.lost
    }
}

/// One request of a client, `initialize` included.
#[derive(Clone, Debug)]
pub struct Call {
    pub session: usize,
    pub exchange: usize,
    pub holes: Holes,
    pub is_initialize: bool,
    /// The id and the token that the child got.
    pub child: Option<Holes>,
    pub asked: Instant,
    /// The child's message that answers it.
    pub answer: Option<usize>,
    pub delivered: bool,
    /// The engine ended it with an error.
    pub failed: bool,
    pub cancelled: bool,
    /// The client asked for that, perhaps of another call with the same id.
    pub unwanted: bool,
    /// The engine gave it up, and told the child.
    pub dropped: bool,
    /// The child wrote something for it that no JSON reader takes.
    pub garbled: bool,
    /// It ended before the last drain.
    pub over: bool,
}

impl Call {
    /// The child has it and owes an answer.
    pub fn in_flight(&self) -> bool {
        self.child.is_some() && !self.has_ended()
    }

    pub fn has_ended(&self) -> bool {
        self.answer.is_some() || self.failed || self.cancelled || self.dropped
    }

    /// The exchange that asked owes nothing for it any more.
    pub fn is_settled(&self) -> bool {
        self.delivered || self.failed || self.cancelled
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToldKind {
    Call(usize),
    Notification,
    Cancel {
        target: Vec<u8>,
    },
    /// A response to this message of the child, if the judge knows one.
    Reply(Option<usize>),
}

/// One message of a client.
#[derive(Clone, Debug)]
pub struct Told {
    pub session: usize,
    pub exchange: usize,
    pub kind: ToldKind,
    pub text: Text,
    pub id: Vec<u8>,
    pub seen: bool,
}

/// Where a child's message may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
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
pub enum SaidKind {
    Answer(usize),
    Progress(usize),
    /// A request of the child, with its id.
    Ask,
    /// Anything that names no call; list changes prefer the GET stream.
    Free {
        prefers_get: bool,
    },
    Lie,
}

/// One message of a child.
#[derive(Clone, Debug)]
pub struct Said {
    pub session: usize,
    pub kind: SaidKind,
    /// What the client must get.
    pub expected: Vec<u8>,
    pub route: Route,
    /// Its place among all that the engine was told, once its line feed was.
    pub heard: Option<usize>,
    /// The stream's entry, or none for a JSON body.
    pub seen: Option<Option<(usize, usize)>>,
    /// The id of a request of the child.
    pub id: Vec<u8>,
    /// A response of the client to it reached the child.
    pub replied: bool,
}

/// What came out on one stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub session: usize,
    /// GET streams of a session share a log; this tells them apart.
    pub log: Vec<Entry>,
    pub is_get: bool,
    /// The exchanges that ever carried it.
    pub carriers: Vec<usize>,
    /// The last of the child's messages, in the order in which they were heard.
    pub last_heard: usize,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: Option<Vec<u8>>,
    pub data: Vec<u8>,
    /// Its place among all events of the case.
    pub order: usize,
    /// Which carrier brought it first.
    pub carrier: usize,
    pub at: Instant,
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
pub struct Session {
    pub call: usize,
    pub exchange: usize,
    pub child: Option<usize>,
    pub id: Option<String>,
    pub version: Option<Version>,
    pub open: bool,
    /// Its child was told to go, or is gone: it is over for everybody.
    pub over: bool,
    pub over_settled: bool,
    /// Something was told that ends it, now or soon.
    pub doomed: bool,
    pub deleted: bool,
    pub touched: Instant,
    pub asked: Instant,
    /// The engine may hold lines back, so the judge no longer knows what it read.
    pub blurred: bool,
    /// The open stream of GET.
    pub get: Option<usize>,
    /// The shared log of its GET streams.
    pub get_stream: Option<usize>,
    pub events: BTreeMap<Vec<u8>, (usize, usize)>,
    /// Upper bound of what a replay could hold.
    pub event_bytes: usize,
    /// What the child said while there was no stream for it.
    pub queued: Vec<usize>,
}

impl Session {
    pub fn is_live(&self) -> bool {
        self.open && !self.over && !self.doomed
    }
}

/// How a child behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Temper {
    pub fails_to_open: bool,
    pub mute: bool,
    pub lies: bool,
    pub chatty: bool,
    pub asks: bool,
    pub noisy: bool,
    pub batches: bool,
    pub crlf: bool,
    pub bom: bool,
    pub frail: bool,
    pub greedy: bool,
    pub ignores_eof: bool,
    pub ignores_term: bool,
    /// How it reads.
    pub stdin: Pace,
    pub declines: bool,
}

/// A line that a child wrote and the driver has not told, with the messages that it is.
#[derive(Clone, Debug)]
pub struct Line {
    pub bytes: Vec<u8>,
    pub said: Vec<usize>,
    pub garbles: Option<usize>,
}

/// One child process as the driver sees it.
#[derive(Clone, Debug)]
pub struct Child {
    pub pipe: Pipe,
    pub session: Option<usize>,
    pub temper: Temper,
    /// The driver told that it runs.
    pub opened: bool,
    pub backlog: usize,
    pub close_stdin: Option<Instant>,
    pub terminate: Option<Instant>,
    pub kill: Option<Instant>,
    pub out: VecDeque<Line>,
    pub offset: usize,
    /// Bytes told since the last line feed.
    pub partial: usize,
    pub wrote: bool,
    pub out_closed: bool,
    pub out_closed_told: bool,
    /// It is dead; the driver tells it later.
    pub dead: Option<Exit>,
    /// The driver told that it is gone.
    pub gone: bool,
    pub gone_settled: bool,
    pub todo: Vec<usize>,
    /// The engine asked by itself of which era it is, under this id.
    pub probe: Option<Vec<u8>>,
    pub ids: BTreeSet<Vec<u8>>,
}

impl Child {
    pub fn can_speak(&self) -> bool {
        self.opened && self.dead.is_none() && !self.gone && !self.out_closed
    }

    /// It was told to go.
    pub fn is_leaving(&self) -> bool {
        self.close_stdin.is_some() || self.terminate.is_some() || self.kill.is_some()
    }
}
