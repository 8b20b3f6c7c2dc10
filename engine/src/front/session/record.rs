//! The record of a session: one line of JSON, of which another run of the proxy makes the session
//! again.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::crossing::Crossing;
use super::opening::{Identity, Opening};
use super::phase::Open;
use crate::api::instant::Instant;
use crate::api::limits;
use crate::api::restore::RestoreError;
use crate::codec::json::Scanner;
use crate::codec::meta::LogLevel;
use crate::codec::object::{self, Object, array, quoted};
use crate::codec::version::Version;
use crate::context::Context;

/// The format. Another one is not read.
const FORMAT: &[u8] = b"1";
/// A record is saved again when its session is used, this many times within its expiry.
const REFRESHES: u32 = 8;
/// The longest version of a protocol that is kept, in characters; dates have 10.
const VERSION: usize = 40;
/// Variables of one session, which the operator names.
const VARIABLES: usize = 256;

/// What a record says.
#[derive(Debug)]
pub(crate) struct Record {
    pub(super) id: u128,
    pub(crate) path: String,
    pub(super) env: Vec<(String, String)>,
    pub(super) open: Open,
}

/// Whether the record of a session that is used was saved so long ago that it would expire early.
pub(super) fn is_stale(saved: Instant, cx: &Context) -> bool {
    let refresh = cx.config.expiry.filter(|_| cx.config.persist).map(|expiry| expiry / REFRESHES);
    refresh.is_some_and(|refresh| cx.now.since(saved) >= refresh)
}

/// Writes a record; `None` if the session is not kept, or would have too long a one.
pub(super) fn write(
    id: u128,
    path: &str,
    env: &[(String, String)],
    open: &Open,
) -> Option<Vec<u8>> {
    let opening = open.opening.as_deref()?;
    let (level, uris) = match open.crossing.as_deref() {
        Some(crossing) => (crossing.log_level, crossing.uris()),
        None => (opening.level, &*opening.uris),
    };
    let texts = |texts: &[String]| array(&texts.iter().map(|t| quoted(t)).collect::<Vec<_>>());
    let pairs: Vec<_> = env.iter().map(|(n, v)| array(&[quoted(n), quoted(v)])).collect();
    let truth = |truth: bool| if truth { &b"true"[..] } else { b"false" };
    let mut record = Object::default();
    record.set("format", FORMAT);
    record.set("id", quoted(&format!("{id:032x}")));
    record.set("path", quoted(path));
    record.set("env", array(&pairs));
    record.set("initialize", &opening.hello[..]);
    record.set("version", quoted(&open.chosen));
    record.set("modern", truth(open.crossing.is_some()));
    record.set("capabilities", &opening.server.capabilities[..]);
    record.set("server", &opening.server.name[..]);
    record.set("initialized", truth(opening.initialized));
    if let Some(level) = level {
        record.set("level", quoted(level.name()));
    }
    record.set("uris", texts(uris));
    Some(record.text()).filter(|text| text.len() <= limits::RECORD)
}

impl Record {
    /// Reads a record.
    pub(crate) fn read(text: &[u8], cx: &Context) -> Result<Self, RestoreError> {
        let is_text = text.len() <= limits::RECORD && core::str::from_utf8(text).is_ok();
        let record = Object::read(text).filter(|_| is_text).ok_or(RestoreError::Malformed)?;
        match record.get("format") {
            Some(FORMAT) => parse(&record, cx).ok_or(RestoreError::Malformed),
            Some(format) if format.first().is_some_and(u8::is_ascii_digit) => {
                Err(RestoreError::Format)
            }
            _ => Err(RestoreError::Malformed),
        }
    }
}

fn parse(record: &Object<'_>, cx: &Context) -> Option<Record> {
    let string = |name| Some(record.string(name)?.into_owned());
    let truth = |name| match record.get(name)? {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    };
    let is_object = |text: &&[u8]| text.first() == Some(&b'{');
    let id = string("id").filter(|id| id.len() == 32 && !id.starts_with('+'))?;
    let chosen = string("version")?;
    let fits = !chosen.is_empty() && chosen.chars().count() <= VERSION;
    let capabilities = record.get("capabilities")?.to_vec();
    let name = record.get("server")?.to_vec();
    let hello = record.get("initialize").filter(is_object)?;
    let server = Identity { capabilities, name };
    let crossing = truth("modern")?.then(|| crossing(hello, &server, cx));
    let mut opening = Opening::new(hello, server, cx)?;
    opening.initialized = truth("initialized")?;
    let level = match record.get("level") {
        Some(level) => Some(LogLevel::read(level)?),
        None => None,
    };
    let uris = elements(record.get("uris")?, cx.config.subscriptions)?;
    let uris = uris.iter().map(|uri| object::string(uri).map(|uri| uri.into_owned()));
    let uris = uris.collect::<Option<Vec<String>>>()?;
    let pairs = elements(record.get("env")?, VARIABLES)?;
    let env = pairs.into_iter().map(pair).collect::<Option<Vec<_>>>()?;
    let mut open = Open {
        version: Version::chosen(&chosen),
        chosen: Some(chosen).filter(|_| fits)?,
        crossing,
        opening: None,
    };
    match open.crossing.as_deref_mut() {
        Some(crossing) => crossing.set(level, uris),
        None => (opening.level, opening.uris) = (level, uris),
    }
    if !opening.account() {
        return None;
    }
    open.opening = Some(Box::new(opening));
    let id = u128::from_str_radix(&id, 16).ok()?;
    Some(Record { id, path: string("path")?, env, open })
}

/// What the bridge knows of a session before a server of 2026-07-28 that said this.
fn crossing(hello: &[u8], server: &Identity, cx: &Context) -> Box<Crossing> {
    let mut discovered = Object::default();
    discovered.set("capabilities", &server.capabilities[..]);
    Crossing::new(hello, &discovered.text(), cx).1
}

/// The elements of an array, as they are spelled.
fn elements(text: &[u8], most: usize) -> Option<Vec<&[u8]>> {
    let mut elements = Vec::new();
    let read = Scanner::new(text).elements(|scanner| {
        let span = scanner.value()?;
        if elements.len() >= most {
            return Err("too many elements");
        }
        elements.push(&text[span]);
        Ok(())
    });
    read.ok().map(|()| elements)
}

/// A variable and its value.
fn pair(text: &[u8]) -> Option<(String, String)> {
    let [name, value] = *elements(text, 2)? else { return None };
    let string = |text| Some(object::string(text)?.into_owned());
    let (name, value) = (string(name)?, string(value)?);
    let is_variable = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
    is_variable.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::config::Config;

    fn read(format: &str, id: &str, path: &[u8]) -> Result<u128, RestoreError> {
        read_of("?", format, id, path)
    }

    fn read_of(version: &str, format: &str, id: &str, path: &[u8]) -> Result<u128, RestoreError> {
        let start = format!(
            r#"{{"format":{format},"id":"{id}","env":[],"initialize":{{}},"version":"{version}""#
        );
        let rest: &[u8] = br#"","modern":false,"capabilities":{},"server":null"#;
        let end: &[u8] = br#","initialized":false,"uris":[]}"#;
        let text = [start.as_bytes(), b",\"path\":\"", path, rest, end].concat();
        Record::read(&text, &Context::new(Config::default())).map(|record| record.id)
    }

    #[test]
    fn a_record_of_another_format_is_told_from_what_is_none() {
        let id = "0000000000000000000000000000000a";
        assert_eq!(read("1", id, b"/mcp"), Ok(10));
        assert_eq!(read("2", id, b"/mcp"), Err(RestoreError::Format));
        for (format, id, path) in [
            ("\"2\"", id, &b"/mcp"[..]),
            ("1", &id[1..], b"/mcp"),
            ("1", &id.replacen('0', "+", 1), b"/mcp"),
            ("1", id, b"/\xff"),
            ("1", id, &[b'/'; limits::RECORD]),
        ] {
            assert_eq!(read(format, id, path), Err(RestoreError::Malformed));
        }
    }

    #[test]
    fn a_version_is_kept_that_is_as_long_as_any() {
        let of = |version: &str| read_of(version, "1", "0000000000000000000000000000000a", b"/mcp");
        assert_eq!(of(&"é".repeat(VERSION)), Ok(10));
        for version in [String::new(), "x".repeat(VERSION + 1)] {
            assert_eq!(of(&version), Err(RestoreError::Malformed), "{version}");
        }
    }

    #[test]
    fn a_pair_is_what_an_environment_can_hold() {
        let own = |name: &str, value: &str| Some((String::from(name), String::from(value)));
        assert_eq!(pair(br#"["A","b=c"]"#), own("A", "b=c"));
        assert_eq!(pair(br#"["A",""]"#), own("A", ""));
        for text in [r#"["","b"]"#, r#"["A=","b"]"#, r#"["A\u0000","b"]"#, r#"["A","\u0000"]"#] {
            assert_eq!(pair(text.as_bytes()), None, "{text}");
        }
    }
}
