//! What is read of a message's object: where the members stand that routing needs, and whether one
//! of them can be read in two ways.
//!
//! Some servers take a name in other letters for the one that they look for. They would answer
//! another id than the bridge has given, or do another thing than the head said.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::{ID, Kind, names_a_call};
use crate::json::{self, NotJson, Scanner, Span};

/// Members of one message, the unknown ones included. JSON-RPC defines six; the limit keeps the
/// look for doubled names short.
pub(crate) const MEMBERS: usize = 64;
/// Those six.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// Params that the head of a 2026-07-28 request repeats or that the bridge acts on.
pub(super) const TELLING: [&str; 7] =
    ["name", "arguments", "_meta", "uri", "taskId", "requestState", "inputResponses"];

/// The members of the message's object, as they were met.
#[derive(Default)]
pub(super) struct Members<'a> {
    /// The object itself.
    pub(super) whole: Span,
    jsonrpc: Option<Span>,
    pub(super) id: Option<Span>,
    pub(super) method: Option<Span>,
    pub(super) params: Option<Span>,
    pub(super) result: Option<Span>,
    pub(super) error: Option<Span>,
    /// `params._meta`.
    pub(super) meta: Option<Span>,
    /// `params._meta.progressToken`, a request's.
    pub(super) wanted: Option<Span>,
    /// `params.progressToken`, a progress notification's.
    pub(super) told: Option<Span>,
    pub(super) request_id: Option<Span>,
    /// Whether there is a `params.task`.
    pub(super) task: bool,
    /// Whether one of [`TELLING`] can be read in two ways.
    pub(super) doubtful: bool,
    /// Whether readers may find different progress tokens.
    pub(super) doubtful_token: bool,
    unknown: Vec<Cow<'a, [u8]>>,
}

/// Whether a member's name is not this one, but one that lenient readers take for it: in letters of
/// another case, of which `ſ` and `K` are also some, or with control characters.
fn resembles(name: &[u8], known: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    // What folds is never shorter.
    name.len() >= known.len()
        && name != known.as_bytes()
        && core::str::from_utf8(name).is_ok_and(|name| {
            name.chars().filter(|c| !c.is_control()).map(fold).eq(known.chars().map(fold))
        })
}

/// Whether a name is one of these for the second time, or is almost one of them. Each has a bit.
fn is_met_again(name: &[u8], known: &[&str], met: &mut u8) -> bool {
    let Some(place) = known.iter().position(|known| name == known.as_bytes()) else {
        return known.iter().any(|known| resembles(name, known));
    };
    let bit = 1 << place;
    let again = *met & bit != 0;
    *met |= bit;
    again
}

impl<'a> Members<'a> {
    /// Reads the whole text; gives what is wrong with it as a message.
    pub(super) fn read(
        &mut self,
        scanner: &mut Scanner<'a>,
        text: &'a [u8],
    ) -> Result<Option<&'static str>, NotJson> {
        let mut wrong = None;
        let mut count = 0;
        scanner.peek();
        self.whole.start = scanner.position();
        scanner.members(|scanner, name| {
            count += 1;
            let value = match &*name {
                b"params" => self.params(scanner, text)?,
                _ => scanner.value()?,
            };
            let doubled = match self.slot(&name) {
                Some(slot) => slot.replace(value).is_some(),
                None if count > MEMBERS => {
                    wrong = Some("a message with too many members");
                    false
                }
                None if ENVELOPE.iter().any(|known| resembles(&name, known)) => {
                    wrong = Some("a member of the message has almost the name of another");
                    false
                }
                None => self.doubles(name),
            };
            if doubled {
                wrong = Some("a member of the message is named twice");
            }
            Ok(())
        })?;
        self.whole.end = scanner.position();
        scanner.end()?;
        Ok(wrong)
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Span>> {
        Some(match name {
            b"jsonrpc" => &mut self.jsonrpc,
            b"id" => &mut self.id,
            b"method" => &mut self.method,
            b"params" => &mut self.params,
            b"result" => &mut self.result,
            b"error" => &mut self.error,
            _ => return None,
        })
    }

    /// Whether an unknown member was met before, whatever its spelling.
    fn doubles(&mut self, name: Cow<'a, [u8]>) -> bool {
        let doubled = self.unknown.contains(&name);
        self.unknown.push(name);
        doubled
    }

    /// Steps over the params and notes what routing needs of them.
    fn params(&mut self, scanner: &mut Scanner<'a>, text: &[u8]) -> Result<Span, NotJson> {
        if scanner.peek() != b'{' {
            return scanner.value();
        }
        let start = scanner.position();
        let mut met = 0;
        scanner.members(|scanner, name| {
            let value = scanner.value()?;
            if is_met_again(&name, &TELLING, &mut met) {
                self.doubtful = true;
                self.doubtful_token |= *name == *b"_meta" || resembles(&name, "_meta");
            }
            match &*name {
                b"_meta" => {
                    self.meta(text, &value);
                    self.meta = Some(value);
                }
                b"progressToken" => self.told = Some(value),
                b"requestId" => self.request_id = Some(value),
                b"task" => self.task = true,
                _ => {}
            }
            Ok(())
        })?;
        Ok(start..scanner.position())
    }

    /// Notes the progress token of a `_meta`, which was scanned before; the last one counts.
    fn meta(&mut self, text: &[u8], meta: &Span) {
        self.wanted = None;
        let mut scanner = Scanner::within(text, meta);
        let mut met = 0;
        // Of one that is no object nothing is noted.
        let _ = scanner.members(|scanner, name| {
            let value = scanner.value()?;
            self.doubtful_token |= is_met_again(&name, &["progressToken"], &mut met);
            if *name == *b"progressToken" {
                self.wanted = Some(value);
            }
            Ok(())
        });
    }

    pub(super) fn kind(&self, text: &[u8]) -> Result<Kind, &'static str> {
        let starts = |span: &Option<Span>| span.as_ref().and_then(|s| text.get(s.start)).copied();
        let version = self.jsonrpc.clone().map(|span| &text[span]);
        let says = |version: &[u8]| version[0] == b'"' && json::spells(version, "2.0");
        if !version.is_some_and(|version| version == b"\"2.0\"" || says(version)) {
            return Err("the member jsonrpc is not \"2.0\"");
        }
        if self.id.clone().is_some_and(|id| !names_a_call(&text[id])) {
            return Err("an id is a string or a number");
        }
        if self.id.as_ref().is_some_and(|id| id.len() > ID) {
            return Err("the id is too long");
        }
        match (starts(&self.method), starts(&self.result), starts(&self.error)) {
            (Some(b'"'), None, None) => match starts(&self.params) {
                None | Some(b'{' | b'[') if self.id.is_some() => Ok(Kind::Request),
                None | Some(b'{' | b'[') => Ok(Kind::Notification),
                Some(_) => Err("params are an object or an array"),
            },
            (Some(_), None, None) => Err("a method is a string"),
            (None, Some(_), None) if self.id.is_some() => Ok(Kind::Result),
            (None, None, Some(b'{')) if self.id.is_some() => Ok(Kind::Error),
            (None, None, Some(_)) if self.id.is_some() => Err("an error is an object"),
            (None, None, None) => Err("a message has a method, a result or an error"),
            (None, ..) if self.id.is_none() => Err("a response has an id"),
            _ => Err("a message has one of method, result and error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_readers_take_for_others() {
        for name in ["ID", "Id", "iD", "id\0", "\0id", "i\u{85}d"] {
            assert!(resembles(name.as_bytes(), "id"), "{name:?}");
        }
        for name in ["id", "i", "idx", " id", "\u{131}d", "_id"] {
            assert!(!resembles(name.as_bytes(), "id"), "{name:?}");
        }
        assert!(resembles("param\u{17f}".as_bytes(), "params"));
        assert!(resembles("progressTo\u{212a}en".as_bytes(), "progressToken"));
        assert!(resembles(b"progresstoken", "progressToken"));
        assert!(!resembles(b"\xff", "id"));
    }
}
