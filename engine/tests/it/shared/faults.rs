//! Faults that are planted in what the engine wants, or is told.

use mcp_bridge::{Cause, ChildId, Notice, Output};

use super::{Law, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The answer to one client's call goes to another's.
    Swapped,
    /// A process is asked for its handshake by each session.
    Greeted,
    /// An update goes to a client that has not subscribed.
    Told,
    /// A question is put to another client.
    Asked,
    /// A client answers another's question.
    Answered,
    /// The cancellation of a call names another.
    Cancelled,
    /// The process is not subscribed for the first that wants it.
    Unwanted,
    /// What a client was granted later is not in its record.
    Unsaved,
    /// A client that has held others up keeps its other calls.
    Kept,
    /// A session that was used a moment ago expires.
    Expired,
}

pub(super) const ALL: [(Fault, Law); 10] = [
    (Fault::Swapped, Law::Own),
    (Fault::Greeted, Law::Handshake),
    (Fault::Told, Law::Told),
    (Fault::Asked, Law::Own),
    (Fault::Answered, Law::Asked),
    (Fault::Cancelled, Law::Fate),
    (Fault::Unwanted, Law::Wants),
    (Fault::Unsaved, Law::Wants),
    (Fault::Kept, Law::Held),
    (Fault::Expired, Law::Fate),
];

impl Fault {
    /// What is done in place of this output.
    pub(super) fn spoil(self, world: &World, output: Output) -> Vec<Output> {
        match (self, output) {
            (Self::Told | Self::Asked, Output::Send { exchange, bytes }) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let words = if self == Self::Told { "resources/updated" } else { "roots/list" };
                let own = world.asked.get(&exchange).map(|asked| asked.client);
                let others = world.clients.iter().enumerate();
                let other = others.filter(|(client, _)| Some(*client) != own);
                let other = other.filter_map(|(_, known)| known.stream).next();
                let misled = other.filter(|_| text.contains(words)).unwrap_or(exchange);
                let mut sent = vec![Output::Send { exchange: misled, bytes: bytes.clone() }];
                if misled != exchange {
                    sent.push(Output::Send { exchange, bytes });
                }
                sent
            }
            (_, Output::Write { child, bytes }) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let bytes = self.written(world, child, text).into_bytes();
                vec![Output::Write { child, bytes }]
            }
            (Self::Kept, Output::Abort { .. }) if world.behind.is_some() => Vec::new(),
            (Self::Unsaved, Output::Save { session, record }) => {
                let record = world.saved.get(&session).cloned().unwrap_or(record);
                vec![Output::Save { session, record }]
            }
            (Self::Expired, Output::Notice(mut notice)) => {
                if let Notice::SessionEnded { cause, .. } = &mut notice
                    && *cause == Cause::Crowded
                {
                    *cause = Cause::Expired;
                }
                vec![Output::Notice(notice)]
            }
            (_, output) => vec![output],
        }
    }

    /// What a process gets in place of this.
    fn written(self, world: &World, child: ChildId, text: String) -> String {
        match self {
            Self::Greeted if text.contains("tools/call") => {
                let hello = r#"{"jsonrpc":"2.0","id":9999,"method":"initialize","params":{}}"#;
                format!("{hello}\n{text}")
            }
            Self::Answered if text.contains("\"by\":\"c") => {
                text.replace("\"by\":\"c", "\"by\":\"c9")
            }
            Self::Cancelled if text.contains("notifications/cancelled") => {
                let calls = world.processes.get(&child).map(|process| &process.calls);
                let named = |id: &str| text.contains(&format!("\"requestId\":{id}"));
                let other = calls.into_iter().flatten().find(|at| {
                    !named(&at.id) && !world.clients[at.client].fated.contains(&at.call)
                });
                match other {
                    Some(at) => format!(
                        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{}}}}}\n",
                        at.id
                    ),
                    None => text,
                }
            }
            Self::Unwanted => text.replace("{\"uri\":\"a:1\"}", "{\"uri\":\"a:9\"}"),
            _ => text,
        }
    }

    /// The call that a process answers in place of this one.
    pub(super) fn answer(
        self,
        world: &World,
        pipe: ChildId,
        (id, client): (String, usize),
    ) -> (String, usize) {
        let calls = world.processes.get(&pipe).map(|process| &process.calls);
        let other = calls.into_iter().flatten().find(|at| at.client != client);
        match other.filter(|_| self == Self::Swapped) {
            Some(other) => (other.id.clone(), client),
            None => (id, client),
        }
    }
}
