//! The protocol revisions, and what each changes for a bridge, as a table.

use alloc::string::String;

use crate::codec::json;
use crate::codec::object;

/// What a protocol revision requires of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Events have ids and are kept to be resumed.
    pub(crate) ids: bool,
    /// Streams begin with a priming event.
    pub(crate) primed: bool,
}

/// A revision of MCP and its rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// As it is spelled on the wire.
    pub(crate) name: &'static str,
    /// JSON-RPC batches may be sent and must be understood (2025-03-26 "Batching").
    pub(crate) batch: bool,
    /// Streams begin with a priming event (2025-11-25 "Sending Messages to the Server", 6); older
    /// clients can't read its empty data.
    pub(crate) primed: bool,
}

/// Oldest first. 2024-11-05 has no Streamable HTTP; a session that negotiates it is served like
/// one of 2025-03-26 without batches.
const TABLE: [Version; 5] = [
    Version { name: "2024-11-05", batch: false, primed: false },
    Version { name: "2025-03-26", batch: true, primed: false },
    Version { name: "2025-06-18", batch: false, primed: false },
    Version { name: "2025-11-25", batch: false, primed: true },
    Version { name: "2026-07-28", batch: false, primed: false },
];

/// The newest revision that has sessions.
pub(crate) const NEWEST_SESSION: &str = SESSIONS[SESSIONS.len() - 1].name;
/// The revision without sessions.
pub(crate) const STATELESS: &str = TABLE[SESSIONS.len()].name;

/// Those that have sessions.
const SESSIONS: &[Version] = TABLE.split_at(TABLE.len() - 1).0;

/// The revisions that a client may use, newest first, as a JSON array.
pub(crate) fn supported(with_sessions: bool) -> String {
    let sessions = if with_sessions { SESSIONS } else { &[] };
    let older = sessions.iter().rev().map(|version| alloc::format!(",\"{}\"", version.name));
    [alloc::format!("[\"{STATELESS}\"")]
        .into_iter()
        .chain(older)
        .chain([String::from("]")])
        .collect()
}

impl Version {
    /// How its streams are written.
    pub(crate) const fn style(&self) -> Style {
        Style { ids: true, primed: self.primed }
    }

    /// The revision of that name, if the bridge knows it and it has sessions.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SESSIONS.iter().find(|version| version.name == name)
    }

    /// What a session is served by when its child chose this version: the newest rules for a
    /// version that the bridge does not know.
    pub(crate) fn chosen(name: &str) -> &'static Self {
        Self::named(name).unwrap_or(&SESSIONS[SESSIONS.len() - 1])
    }
}

/// The version that a result of `initialize` names; empty if it names none.
pub(crate) fn named_by(result: &[u8]) -> String {
    let span = json::member(result, &(0..result.len()), "protocolVersion");
    span.and_then(|span| object::string(&result[span])).unwrap_or_default().into_owned()
}
