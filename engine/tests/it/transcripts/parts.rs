//! The parts of the transcripts' lines: text in, numbers, durations and heads out.

use std::time::Duration;

use mcp_bridge::{Eras, Exit, Server};

use super::item::{Content, Item};
use super::text::{Amount, Ends, Request};

/// A session id as the tests' random bytes make it.
pub(super) fn session(number: u64) -> String {
    format!("{number:032x}")
}

/// `#7`, a child's number.
pub(super) fn child(word: &str) -> Option<u64> {
    word.strip_prefix('#')?.parse().ok()
}

/// Text with `%` and two hexadecimal digits for any byte.
pub(super) fn percent(text: &str) -> Option<Content> {
    let mut pieces = text.split('%');
    let mut content = Content::from(pieces.next()?);
    for piece in pieces {
        content.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        content.extend_from_slice(&piece.as_bytes()[2..]);
    }
    Some(content)
}

pub(super) fn request(exchange: &str, method: &str, rest: &[&str]) -> Option<Request> {
    let mut request = Request {
        exchange: exchange.parse().ok()?,
        method: String::from(method),
        path: String::from("/mcp"),
        ..Request::default()
    };
    let mut add = |name: &str, value: &str| request.fields.push((name.into(), value.into()));
    add("host", "localhost:8080");
    match method {
        "POST" => {
            add("accept", "application/json, text/event-stream");
            add("content-type", "application/json");
        }
        "GET" => add("accept", "text/event-stream"),
        _ => {}
    }
    for word in rest {
        match word.strip_prefix('@') {
            Some(number) => {
                request.fields.push(("mcp-session-id".into(), session(number.parse().ok()?)));
            }
            None if word.starts_with('/') => request.path = address(word)?,
            None => {
                let random = word.strip_prefix('~')?;
                request.random = Some(u32::from_str_radix(random, 16).ok()?);
            }
        }
    }
    Some(request)
}

/// `json` and `stream` stand for the fields that such a response always has.
pub(super) fn respond(exchange: &str, status: u16, rest: &[&str]) -> Option<(Item, Ends)> {
    let field = |name: &str, value: &str| (String::from(name), String::from(value));
    let (fields, body, ends) = match rest {
        [] => (Vec::new(), Some(Content::new()), Ends::Between),
        ["json"] => {
            let fields = vec![field("content-type", "application/json")];
            (fields, Some(Content::new()), Ends::Between)
        }
        ["stream"] => {
            let fields = vec![
                field("cache-control", "no-cache, no-transform"),
                field("content-type", "text/event-stream"),
                field("x-accel-buffering", "no"),
            ];
            (fields, None, Ends::Nothing)
        }
        _ => return None,
    };
    Some((Item::Respond(exchange.parse().ok()?, status, fields, body), ends))
}

/// A path, at whose end `@1` is the id of the session that exchange 1 opened.
pub(super) fn address(word: &str) -> Option<String> {
    let Some((path, number)) = word.split_once('@') else { return Some(word.into()) };
    Some(format!("{path}{}", session(number.parse().ok()?)))
}

pub(super) fn amount(word: &str) -> Option<Amount> {
    match word {
        "all" => Some(Amount::All),
        bytes => bytes.parse().ok().map(Amount::Bytes),
    }
}

pub(super) fn exit(words: &[&str]) -> Option<Exit> {
    match words {
        ["code", code] => code.parse().ok().map(Exit::Code),
        ["signal", signal] => signal.parse().ok().map(Exit::Signal),
        ["unknown"] => Some(Exit::Unknown),
        _ => None,
    }
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    let number = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// Seconds with a fraction, to the nanosecond.
pub(super) fn clock(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.')?;
    let nanos = fraction.parse().ok().filter(|_| fraction.len() == 9)?;
    Some(Duration::new(seconds.parse().ok()?, nanos))
}

/// A server's number, path, the eras of its clients, and its terms.
pub(super) type At = (String, Server, Eras, Vec<String>);

/// `1=/a/mcp`, or `1=/a/mcp=both;sessions=1`.
pub(super) fn server(text: &str) -> Option<At> {
    let (number, path) = text.split_once('=')?;
    let (path, terms) = path.split_once(';').unwrap_or((path, ""));
    let (path, eras) = path.split_once('=').unwrap_or((path, "auto"));
    let terms = terms.split_terminator(';').map(String::from).collect();
    Some((String::from(path), Server(number.parse().ok()?), eras.parse().ok()?, terms))
}
