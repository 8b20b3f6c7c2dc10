//! Which exchange is of which session: what a fault must know to give to one what is another's.

use std::collections::{BTreeMap, BTreeSet};

use mcp_bridge::{Body, Exchange, Input, Output};

/// Knows which exchange is of which session, and which streams are open.
#[derive(Default)]
pub(super) struct Map {
    pub(super) sessions: BTreeMap<Exchange, String>,
    streams: BTreeSet<Exchange>,
    heads: BTreeSet<Exchange>,
}

impl Map {
    pub(super) fn learn(&mut self, input: &Input<'_>) {
        if let Input::Request { admitted, head, .. } = input
            && let Some((_, id)) =
                head.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"))
        {
            self.sessions.insert(admitted.exchange(), String::from_utf8_lossy(id).into_owned());
        }
        if let Input::Lost { exchange } = input {
            self.streams.remove(exchange);
        }
    }

    pub(super) fn follow(&mut self, output: &Output) {
        if let Output::Respond { exchange, .. } = output {
            self.heads.insert(*exchange);
        }
        match output {
            Output::Respond { exchange, response } if response.body == Body::Stream => {
                self.streams.insert(*exchange);
            }
            Output::Finish { exchange } | Output::Abort { exchange } => {
                self.streams.remove(exchange);
            }
            _ => {}
        }
    }

    /// Another exchange of the same session that got nothing yet.
    pub(super) fn waiting(&self, of: Exchange) -> Option<Exchange> {
        let session = self.sessions.get(&of)?;
        let waits = |(other, id): &(&Exchange, &String)| {
            *id == session && **other != of && !self.heads.contains(other)
        };
        self.sessions.iter().find(waits).map(|(other, _)| *other)
    }

    /// Another open stream of the same session.
    pub(super) fn neighbour(&self, of: Exchange) -> Option<Exchange> {
        let session = self.sessions.get(&of)?;
        let same = |other: &&Exchange| **other != of && self.sessions.get(other) == Some(session);
        self.streams.iter().find(same).copied()
    }
}
