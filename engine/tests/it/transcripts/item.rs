//! What the engine wants done, as the transcripts write it; and when two such lists are the same.

use std::fmt;

use mcp_bridge::{Body, Output};

use super::shape;

/// Bytes of a message, an answer or a stream.
pub(crate) type Content = Vec<u8>;

/// One output, with numbers for handles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Of that server, with the variables that it gives, as `NAME=VALUE`.
    Open(u64, u32, Vec<String>),
    Write(u64, Content),
    CloseStdin(u64),
    Terminate(u64),
    Kill(u64),
    /// Status, fields in the order of their names, and the content unless a stream follows.
    Respond(u64, u16, Vec<(String, String)>, Option<Content>),
    Send(u64, Content),
    Finish(u64),
    Abort(u64),
    Save(u64, Content),
    Forget(u64),
    Notice(String),
}

impl From<Output> for Item {
    fn from(output: Output) -> Self {
        match output {
            Output::Open { server, child, env, .. } => {
                let pairs = env.into_iter().map(|(name, value)| format!("{name}={value}"));
                Self::Open(child.number(), server.0, pairs.collect())
            }
            Output::Write { child, bytes } => Self::Write(child.number(), bytes),
            Output::Pause { .. } | Output::Resume { .. } => Self::Notice(String::new()),
            Output::CloseStdin { child } => Self::CloseStdin(child.number()),
            Output::Terminate { child } => Self::Terminate(child.number()),
            Output::Kill { child } => Self::Kill(child.number()),
            Output::Respond { exchange, response } => {
                let named = |(name, value): (&str, _)| (name.to_string(), String::from(value));
                let mut fields: Vec<_> =
                    response.fields.into_owned().into_iter().map(named).collect();
                fields.sort();
                let body = match response.body {
                    Body::Whole(body) => Some(body),
                    Body::Stream => None,
                };
                Self::Respond(exchange.number(), response.status, fields, body)
            }
            Output::Send { exchange, bytes } => Self::Send(exchange.number(), bytes),
            Output::Finish { exchange } => Self::Finish(exchange.number()),
            Output::Abort { exchange } => Self::Abort(exchange.number()),
            Output::Save { session, record } => Self::Save(session.number(), record),
            Output::Forget { session } => Self::Forget(session.number()),
            Output::Notice(notice) => Self::Notice(notice.to_string()),
        }
    }
}

impl Item {
    /// Where the bytes that it carries are collected, if it carries any.
    pub(super) const fn content(&mut self) -> Option<&mut Content> {
        match self {
            Self::Write(_, content)
            | Self::Send(_, content)
            | Self::Save(_, content)
            | Self::Respond(.., Some(content)) => Some(content),
            _ => None,
        }
    }
}

/// Whether all that was wanted was done, and nothing else; how many pieces bytes come in does not
/// count. Of shapes, what stands for a placeholder counts by its length.
pub(super) fn same(wanted: &[Item], done: &[Item], shapes: bool) -> bool {
    let (wanted, told) = (joined(wanted), joined(done));
    let pairs = || wanted.iter().zip(&told);
    wanted == told
        || shapes
            && wanted.len() == told.len()
            && pairs().all(|(wanted, told)| wanted == &shaped(told, wanted))
}

/// What was done, with the placeholders of what was wanted where it has something else.
fn shaped(done: &Item, wanted: &Item) -> Item {
    let mut done = done.clone();
    if let (Item::Respond(.., done, _), Item::Respond(.., wanted, _)) = (&mut done, wanted) {
        for ((_, done), (_, wanted)) in done.iter_mut().zip(wanted) {
            let mut bytes = core::mem::take(done).into_bytes();
            shape::take_placeholders(&mut bytes, wanted.as_bytes());
            *done = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    let mut wanted = wanted.clone();
    if let (Some(done), Some(wanted)) = (done.content(), wanted.content()) {
        shape::take_placeholders(done, wanted);
    }
    done
}

/// The same with neighbouring pieces for one peer put together.
fn joined(items: &[Item]) -> Vec<Item> {
    let mut whole: Vec<Item> = Vec::new();
    for item in items {
        match (whole.last_mut(), item) {
            (Some(Item::Write(to, all)), Item::Write(child, piece)) if to == child => {
                all.extend_from_slice(piece);
            }
            (Some(Item::Send(to, all)), Item::Send(exchange, piece)) if to == exchange => {
                all.extend_from_slice(piece);
            }
            _ => whole.push(item.clone()),
        }
    }
    whole
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(child, server, env) => {
                let env: String = env.iter().map(|pair| format!(" {pair}")).collect();
                let of = if *server == 0 { String::new() } else { format!(" of {server}") };
                writeln!(f, "< open #{child}{of}{env}")
            }
            Self::CloseStdin(child) => writeln!(f, "< close #{child}"),
            Self::Terminate(child) => writeln!(f, "< terminate #{child}"),
            Self::Kill(child) => writeln!(f, "< kill #{child}"),
            Self::Finish(exchange) => writeln!(f, "< finish {exchange}"),
            Self::Abort(exchange) => writeln!(f, "< abort {exchange}"),
            Self::Save(session, record) => {
                writeln!(f, "< save #{session}")?;
                writeln!(f, "<   | {}", String::from_utf8_lossy(record))
            }
            Self::Forget(session) => writeln!(f, "< forget #{session}"),
            Self::Notice(text) => writeln!(f, "< notice {text}"),
            Self::Write(child, bytes) => {
                writeln!(f, "< write #{child}")?;
                show(f, bytes)
            }
            Self::Send(exchange, bytes) => {
                writeln!(f, "< send {exchange}")?;
                show(f, bytes)
            }
            Self::Respond(exchange, status, fields, body) => {
                let stream = if body.is_none() { " stream" } else { "" };
                writeln!(f, "< respond {exchange} {status}{stream}")?;
                for (name, value) in fields {
                    writeln!(f, "<   {name}: {value}")?;
                }
                match body.as_deref() {
                    None | Some([]) => Ok(()),
                    Some(body) => writeln!(f, "<   | {}", String::from_utf8_lossy(body)),
                }
            }
        }
    }
}

fn show(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => writeln!(f, "<   | {}", String::from_utf8_lossy(line))?,
            None => writeln!(f, "<   % {}", String::from_utf8_lossy(line))?,
        }
    }
    Ok(())
}
