//! Session-era clients before children that speak only 2026-07-28: what the judge knows of them.
//!
//! The clients, their sessions and their streams are those of the world; only the children differ,
//! and what the bridge makes of their words and does in their place. So the laws of streams, routes
//! and resumes hold as they are. A child's messages are written down as the client must see them,
//! and a discover result carries the mark `@h7@` of child 7, which names the child of a session
//! whose first request was the bridge's own.
//!
//! | file | its part |
//! |---|---|
//! | `child` | what these children say |
//! | `carry` | laws of the lines that they get |
//! | `deliver` | laws of what their clients get, and of what is answered in their place |

mod carry;
mod child;
mod deliver;

use std::collections::{BTreeMap, BTreeSet};

use mcp_bridge::Instant;

use super::World;
use super::model::{Call, Version};

/// What a session-era client can be asked: as it says it, as a child of 2026-07-28 is told it of a
/// client of 2025-11-25, and of an older one.
pub(super) const CAPABILITIES: [(&str, &str, &str); 4] = [
    ("{}", "{}", "{}"),
    ("{\"elicitation\":{}}", "{\"elicitation\":{}}", "{\"elicitation\":{}}"),
    (
        "{\"roots\":{\"listChanged\":true},\"sampling\":{},\"tasks\":{\"list\":{}}}",
        "{\"roots\":{},\"sampling\":{}}",
        "{\"roots\":{},\"sampling\":{}}",
    ),
    (
        "{\"elicitation\":{\"form\":{},\"url\":{}},\
         \"extensions\":{\"io.modelcontextprotocol/tasks\":{},\"x/y\":{}}}",
        "{\"elicitation\":{\"form\":{},\"url\":{}},\"extensions\":{\"x/y\":{}}}",
        "{\"elicitation\":{\"form\":{}},\"extensions\":{\"x/y\":{}}}",
    ),
];
/// What a child offers: as it says it, as a session-era client is told it, and what of it can be
/// listened to.
pub(super) const OFFERS: [(&str, &str, &[&str]); 3] = [
    ("{}", "{}", &[]),
    (
        "{\"tools\":{\"listChanged\":true},\
         \"extensions\":{\"io.modelcontextprotocol/tasks\":{},\"x/y\":{}}}",
        "{\"tools\":{\"listChanged\":true},\"extensions\":{\"x/y\":{}}}",
        &["toolsListChanged"],
    ),
    (
        "{\"prompts\":{\"listChanged\":false},\
         \"resources\":{\"subscribe\":true,\"listChanged\":true},\"logging\":{}}",
        "{\"prompts\":{\"listChanged\":false},\
         \"resources\":{\"subscribe\":true,\"listChanged\":true},\"logging\":{}}",
        &["resourcesListChanged"],
    ),
];
/// Resources that a client may subscribe to.
pub(super) const URIS: [&str; 3] = ["file:///a", "file:///b", "x:c"];
/// What begins the params of `logging/setLevel`; the last is no level.
pub(super) const LEVELS: [&str; 4] = ["info", "debug", "emergency", "loud"];
/// Rounds of one call: no client is asked for more.
pub(super) const ROUNDS: u32 = 10;

/// Methods that the bridge answers in the place of such a child.
pub(super) fn is_made(method: &str) -> bool {
    is_subscription(method)
        || matches!(method, "ping" | "logging/setLevel")
        || method.starts_with("tasks/")
}

pub(super) fn is_subscription(method: &str) -> bool {
    matches!(method, "resources/subscribe" | "resources/unsubscribe")
}

/// Notifications that have no meaning for such a child.
pub(super) fn is_dropped(method: &str) -> bool {
    let gone =
        ["notifications/initialized", "notifications/roots/list_changed", "notifications/progress"];
    gone.contains(&method)
}

/// A `subscriptions/listen` that the bridge made of a child.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) id: usize,
    pub(crate) uris: Vec<String>,
    pub(crate) lists: Vec<String>,
    /// The child began to write an answer.
    pub(crate) taken: bool,
    /// The child acknowledged it, and the engine heard it.
    pub(crate) honoured: Option<Vec<String>>,
    /// The child was told that it is not wanted, or ended it.
    pub(crate) over: bool,
    /// When it was written to the child.
    pub(crate) since: Instant,
    /// When the engine read that the child ended it.
    pub(crate) ended: Option<Instant>,
}

/// What a child asks of a call's client before it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// By key, the child's question.
    pub(crate) questions: Vec<(String, usize)>,
    /// As it is spelled.
    pub(crate) state: Option<String>,
    pub(crate) since: Instant,
}

/// What a client answered to a question.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) exchange: usize,
    /// Its result; an error has none.
    pub(crate) result: Option<String>,
}

/// What a session-era client said of itself to a child of the other era.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crossing {
    /// The level of log messages, if the judge knows which was told last.
    pub(crate) level: Option<&'static str>,
    pub(crate) level_unsure: bool,
    pub(crate) listens: Vec<Listen>,
    /// The ids of what its client was asked, and is not to answer any more.
    pub(crate) asked: BTreeSet<Vec<u8>>,
    pub(crate) withdrawn: BTreeSet<Vec<u8>>,
}

/// What the judge knows of such sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upward {
    /// By session.
    pub(crate) crossings: BTreeMap<usize, Crossing>,
    /// By call, what its client is asked now.
    pub(crate) rounds: BTreeMap<usize, Round>,
    /// By message of a child, the answers of its client.
    pub(crate) replies: BTreeMap<usize, Vec<Reply>>,
    /// By message of a child, how much progress it tells, and of which request.
    pub(crate) progress: BTreeMap<usize, (u32, Vec<u8>)>,
}

impl World<'_> {
    /// Whether this session's child speaks only the other era.
    pub(super) fn is_crossed(&self, session: usize) -> bool {
        self.upward.crossings.contains_key(&session)
    }

    /// Whether the bridge answers this call in its child's place.
    pub(super) fn is_made_here(&self, call: &Call) -> bool {
        self.is_crossed(call.session) && is_made(call.method) && !call.is_initialize
    }

    /// Whether this call waits for its client, or for its turn to go on.
    pub(super) fn is_asking(&self, call: &Call) -> bool {
        let mut open = self.upward.rounds.keys();
        open.any(|open| core::ptr::eq(&raw const self.calls[*open], call))
    }

    /// Some call of this session goes on by itself, now or soon.
    pub(super) fn goes_on(&self, session: usize) -> bool {
        self.upward
            .rounds
            .iter()
            .any(|(call, round)| self.calls[*call].session == session && round.questions.is_empty())
    }

    /// The capabilities that a child is told of this session's client.
    fn told_capabilities(&self, session: usize) -> &'static str {
        let (_, new, old) = CAPABILITIES[self.sessions[session].capabilities];
        if self.sessions[session].asked_version >= Version::V2025_11_25 { new } else { old }
    }
}
