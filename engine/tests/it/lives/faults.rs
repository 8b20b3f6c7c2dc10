//! Faults that are planted in what the engine wants, or is told.

use mcp_bridge::{ChildId, Output};

use super::{Law, World};
use crate::stage::Run as _;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A call that was in flight at a crash is made again.
    Replay,
    /// A process that wakes a session gets no handshake.
    NoHandshake,
    /// What a client has set is not set again.
    NoSettings,
    /// A process speaks for another session.
    Mixed,
    /// A client is told before its session is saved.
    Early,
    /// Event ids begin again in each run.
    SameIds,
    /// More sleep than may.
    Unbound,
}

pub(super) const ALL: [(Fault, Law); 7] = [
    (Fault::Replay, Law::NeverAgain),
    (Fault::NoHandshake, Law::Handshake),
    (Fault::NoSettings, Law::Handshake),
    (Fault::Mixed, Law::Own),
    (Fault::Early, Law::Saved),
    (Fault::SameIds, Law::EventIds),
    (Fault::Unbound, Law::Bounds),
];

/// Whether a process serves a session that was open before.
fn is_again(world: &World, pipe: ChildId) -> bool {
    world.children.get(&pipe).is_some_and(|child| child.again)
}

impl Fault {
    /// What is done in place of this output.
    pub(super) fn spoil(self, world: &mut World, output: Output) -> Vec<Output> {
        match (self, output) {
            (Self::Replay, Output::Write { child: pipe, mut bytes }) if is_again(world, pipe) => {
                let lost = world.given.keys().next_back().copied();
                let after = String::from_utf8_lossy(&bytes).contains("tools/call");
                if let Some(lost) = lost.filter(|_| after) {
                    let call = format!(
                        "{{\"jsonrpc\":\"2.0\",\"id\":99,\"method\":\"tools/call\",\"params\":{{\"call\":\"n{lost}.\"}}}}\n"
                    );
                    bytes.extend_from_slice(call.as_bytes());
                }
                vec![Output::Write { child: pipe, bytes }]
            }
            (Self::NoHandshake, Output::Write { child: pipe, bytes }) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let again = world.clients.iter().enumerate().any(|(number, client)| {
                    client.id.is_some() && text.contains(&format!("\"name\":\"c{number}\""))
                });
                match again && text.contains("\"initialize\"") {
                    true => {
                        let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n";
                        vec![Output::Write { child: pipe, bytes: line.to_vec() }]
                    }
                    false => vec![Output::Write { child: pipe, bytes }],
                }
            }
            (Self::NoSettings, Output::Write { child: pipe, bytes }) if is_again(world, pipe) => {
                let lines = bytes.split_inclusive(|byte| *byte == b'\n');
                let sets = |line: &&[u8]| {
                    !String::from_utf8_lossy(line).contains("notifications/initialized")
                };
                vec![Output::Write {
                    child: pipe,
                    bytes: lines.filter(sets).collect::<Vec<_>>().concat(),
                }]
            }
            (Self::Early, Output::Save { session, record }) => {
                let text = String::from_utf8_lossy(&record).into_owned();
                world.tell(mcp_bridge::Input::Saved { session });
                match text.contains("\"initialized\":false") {
                    true => Vec::new(),
                    false => vec![Output::Save { session, record }],
                }
            }
            (Self::SameIds, Output::Send { exchange, bytes }) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let lines = text.split('\n').map(|line| match line.strip_prefix("id: ") {
                    Some(id) => {
                        format!("id: 1-{}", id.split_once('-').map_or("", |(_, rest)| rest))
                    }
                    None => line.to_owned(),
                });
                let bytes = lines.collect::<Vec<_>>().join("\n").into_bytes();
                vec![Output::Send { exchange, bytes }]
            }
            (Self::Unbound, output) => {
                world.config.asleep = 0;
                vec![output]
            }
            (_, output) => vec![output],
        }
    }

    /// The process that seems to speak when this one does.
    pub(super) fn speaker(self, world: &World, pipe: ChildId) -> ChildId {
        let others = world.children.keys().filter(|other| **other != pipe);
        match self {
            Self::Mixed => others.copied().next().unwrap_or(pipe),
            _ => pipe,
        }
    }
}
