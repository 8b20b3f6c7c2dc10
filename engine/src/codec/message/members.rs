//! What is read of a message's object: where the members stand that routing needs, and whether one
//! of them can be read in two ways.
//!
//! Some servers take a name in other letters for the one that they look for. They would answer
//! another id than the bridge has given, or do another thing than the head said.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::{ID, Shape, names_a_call};
use crate::codec::json::{self, Name, NotJson, Piece, Scanner, Span};
use crate::codec::meta;

/// Members of one message, the unknown ones included. JSON-RPC defines six; the limit keeps the
/// look for doubled names short.
pub(crate) const MEMBERS: usize = 64;
/// Those six.
pub(crate) const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// Their places, by [`envelope`].
pub(crate) const JSONRPC: usize = 0;
pub(crate) const NAME: usize = 1;
pub(crate) const METHOD: usize = 2;
pub(crate) const PARAMS: usize = 3;
pub(crate) const RESULT: usize = 4;
pub(crate) const ERROR: usize = 5;

/// The place of a member of [`ENVELOPE`].
#[inline(always)]
pub(crate) fn envelope(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"jsonrpc" => JSONRPC,
        b"id" => NAME,
        b"method" => METHOD,
        b"params" => PARAMS,
        b"result" => RESULT,
        b"error" => ERROR,
        _ => return None,
    })
}
/// Params that the head of a 2026-07-28 request repeats or that the bridge acts on.
pub(super) const TELLING: [&str; 7] =
    ["name", "arguments", "_meta", "uri", "taskId", "requestState", "inputResponses"];
/// The longest of all names that must have no double: `inputResponses`.
const LONGEST: usize = 14;

/// Where a value stands in a message, of which there are many: nothing stands where it is empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    pub(super) const fn is_empty(self) -> bool {
        self.end == 0
    }

    pub(super) const fn span(self) -> Span {
        self.start as usize..self.end as usize
    }

    /// What stands there.
    pub(super) fn of(self, text: &[u8]) -> Option<&[u8]> {
        if self.is_empty() { None } else { text.get(self.span()) }
    }
}

impl From<&Span> for Place {
    /// No message is longer than [`LENGTH`].
    fn from(span: &Span) -> Self {
        Self { start: span.start as u32, end: span.end as u32 }
    }
}

/// The longest message.
pub(super) const LENGTH: usize = u32::MAX as usize;

/// Where the params stand that the bridge reads, by [`param`].
pub(super) type Params = [Place; 13];
/// Where the members of `params._meta` stand that the bridge reads, by [`meta()`].
pub(super) type Meta = [Place; 6];

/// The place of a param that the bridge reads. The first are those of [`TELLING`], in its order.
#[inline(always)]
pub(super) fn param(name: &[u8]) -> Option<usize> {
    Some(match name {
        b"name" => 0,
        b"arguments" => 1,
        b"_meta" => META,
        b"uri" => 3,
        b"taskId" => 4,
        b"requestState" => 5,
        b"inputResponses" => 6,
        b"progressToken" => TOLD,
        b"requestId" => REQUEST_ID,
        b"task" => TASK,
        b"level" => 10,
        b"notifications" => 11,
        b"progress" => 12,
        _ => return None,
    })
}

pub(super) const META: usize = 2;
/// `params.progressToken`, a progress notification's.
pub(super) const TOLD: usize = 7;
pub(super) const REQUEST_ID: usize = 8;
pub(super) const TASK: usize = 9;

/// The place of a member of `params._meta` that the bridge reads.
#[inline(always)]
pub(super) fn meta(name: &[u8]) -> Option<usize> {
    const PREFIX: &[u8] = b"io.modelcontextprotocol/";
    if name == b"progressToken" {
        return Some(WANTED);
    }
    name.strip_prefix(PREFIX)?;
    let known =
        [meta::VERSION, meta::CAPABILITIES, meta::CLIENT, meta::LOG_LEVEL, meta::SUBSCRIPTION];
    known.iter().position(|known| name == known.as_bytes()).map(|place| place + 1)
}

/// `params._meta.progressToken`, a request's.
pub(super) const WANTED: usize = 0;

/// What is known of a message's params.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Of each name the last.
    pub(super) param: Params,
    pub(super) meta: Meta,
    /// Whether one of [`TELLING`] can be read in two ways.
    pub(super) doubtful: bool,
    /// Whether readers may find different progress tokens.
    pub(super) doubtful_token: bool,
}

/// What is wrong with an object as a message.
type Wrong = Option<&'static str>;

/// The members of the message's object, as they were met.
#[derive(Default)]
pub(super) struct Members<'a> {
    /// The object itself.
    pub(super) whole: Place,
    envelope: [Place; 6],
    pub(super) known: Known,
    unknown: Vec<Cow<'a, [u8]>>,
}

/// Whether a member's name is one of these, or is not, but lenient readers take it for one: in
/// letters of another case, of which `ſ` and `K` are also some, or with control characters.
pub(super) fn resembles(name: &Name<'_>, known: &[&str]) -> bool {
    let mut place = [0; LONGEST];
    let folded = fold(name, &mut place).unwrap_or_default();
    // None of these is empty.
    known.iter().any(|known| folded.eq_ignore_ascii_case(known.as_bytes()))
}

/// What a lenient reader makes of a name; `None` if that is longer than any that is known. It is
/// done with a name as soon as that is certain.
fn fold<'a>(name: &Name<'_>, place: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    let mut at = 0;
    let mut put = |byte: u8| -> Option<()> {
        *place.get_mut(at)? = byte.to_ascii_lowercase();
        at += 1;
        Some(())
    };
    let mut plain = |mut text: &[u8]| -> Option<()> {
        while let [byte, rest @ ..] = text {
            text = rest;
            match (byte, rest) {
                (b' '..=b'~', _) => put(*byte)?,
                (0..b' ' | 0x7f, _) => {}
                // The controls from U+0080, then `ſ` and `K`.
                (0xc2, [0x80..=0x9f, rest @ ..]) => text = rest,
                (0xc5, [0xbf, rest @ ..]) => {
                    put(b's')?;
                    text = rest;
                }
                (0xe2, [0x84, 0xaa, rest @ ..]) => {
                    put(b'k')?;
                    text = rest;
                }
                _ => return None,
            }
        }
        Some(())
    };
    match (name.short(), name.with_escapes()) {
        (Some(text), _) => plain(text)?,
        (None, None) => {}
        (None, Some(raw)) => {
            for piece in json::pieces(raw) {
                match piece? {
                    Piece::Plain(text) => plain(text)?,
                    Piece::Char(said) => plain(said.encode_utf8(&mut [0; 4]).as_bytes())?,
                }
            }
        }
    }
    Some(&place[..at])
}

impl<'a> Members<'a> {
    /// Reads the whole text; gives what is wrong with it as a message.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'a>) -> Result<Wrong, NotJson> {
        let mut wrong = None;
        let mut count = 0;
        scanner.peek();
        let start = scanner.position();
        scanner.members_in_place(|scanner, name| {
            count += 1;
            let place = envelope(name);
            let value = match place {
                Some(PARAMS) => self.params(scanner)?,
                _ => scanner.value()?,
            };
            let doubled = match place {
                Some(place) => {
                    let old = &mut self.envelope[place];
                    !core::mem::replace(old, Place::from(&value)).is_empty()
                }
                None if count > MEMBERS => {
                    wrong = Some("the message has too many members");
                    false
                }
                None if resembles(name, &ENVELOPE) => {
                    wrong = Some("a name in the message differs from another one only in case or control characters");
                    false
                }
                None => self.doubles(name),
            };
            if doubled {
                wrong = Some("a member of the message appears twice");
            }
            Ok(())
        })?;
        self.whole = Place::from(&(start..scanner.position()));
        scanner.end()?;
        Ok(wrong)
    }

    /// Where a member of [`ENVELOPE`] stands.
    pub(super) const fn at(&self, member: usize) -> Place {
        self.envelope[member]
    }

    /// Whether an unknown member was met before, whatever its spelling.
    fn doubles(&mut self, name: &Name<'a>) -> bool {
        let name = match name.with_escapes() {
            None => Cow::Borrowed(name.spelling()),
            Some(_) => Cow::Owned(name.text().into_owned()),
        };
        let doubled = self.unknown.contains(&name);
        self.unknown.push(name);
        doubled
    }

    /// Steps over the params and notes what the bridge needs of them.
    fn params(&mut self, scanner: &mut Scanner<'a>) -> Result<Span, NotJson> {
        if scanner.peek() != b'{' {
            return scanner.value();
        }
        let start = scanner.position();
        scanner.members_in_place(|scanner, name| {
            let place = param(name);
            let value = match place {
                Some(META) => self.meta(scanner)?,
                _ => scanner.value()?,
            };
            match place {
                Some(place) => {
                    let old = core::mem::replace(&mut self.known.param[place], Place::from(&value));
                    let again = place < TELLING.len() && !old.is_empty();
                    self.known.doubtful |= again;
                    self.known.doubtful_token |= again && place == META;
                }
                None if resembles(name, &TELLING) => {
                    self.known.doubtful = true;
                    self.known.doubtful_token |= resembles(name, &["_meta"]);
                }
                None => {}
            }
            Ok(())
        })?;
        Ok(start..scanner.position())
    }

    /// The same of a `_meta`, the last of which counts.
    fn meta(&mut self, scanner: &mut Scanner<'a>) -> Result<Span, NotJson> {
        self.known.meta = Meta::default();
        if scanner.peek() != b'{' {
            return scanner.value();
        }
        let start = scanner.position();
        scanner.members_in_place(|scanner, name| {
            let value = scanner.value()?;
            match meta(name) {
                Some(place) => {
                    let old = core::mem::replace(&mut self.known.meta[place], Place::from(&value));
                    self.known.doubtful_token |= place == WANTED && !old.is_empty();
                }
                None => self.known.doubtful_token |= resembles(name, &["progressToken"]),
            }
            Ok(())
        })?;
        Ok(start..scanner.position())
    }

    pub(super) fn shape(&self, text: &[u8]) -> Result<Shape, &'static str> {
        let starts = |place: usize| self.envelope[place].of(text).map(|value| value[0]);
        let says = |version: &[u8]| version[0] == b'"' && json::spells(version, "2.0");
        let version = self.envelope[JSONRPC].of(text);
        if !version.is_some_and(|version| version == b"\"2.0\"" || says(version)) {
            return Err("the member jsonrpc is not \"2.0\"");
        }
        let id = self.envelope[NAME].of(text);
        if id.is_some_and(|id| !names_a_call(id)) {
            return Err("an id must be a string or a number");
        }
        if id.is_some_and(|id| id.len() > ID) {
            return Err("the id is too long");
        }
        match (starts(METHOD), starts(RESULT), starts(ERROR)) {
            (Some(b'"'), None, None) => match starts(PARAMS) {
                None | Some(b'{' | b'[') if id.is_some() => Ok(Shape::Request),
                None | Some(b'{' | b'[') => Ok(Shape::Notification),
                Some(_) => Err("params must be an object or an array"),
            },
            (Some(_), None, None) => Err("a method must be a string"),
            (None, Some(_), None) if id.is_some() => Ok(Shape::Result),
            (None, None, Some(b'{')) if id.is_some() => Ok(Shape::Error),
            (None, None, Some(_)) if id.is_some() => Err("an error must be an object"),
            (None, None, None) => Err("a message has a method, a result or an error"),
            (None, ..) if id.is_none() => Err("a response must have an id"),
            _ => Err("a message has one of method, result and error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_readers_take_for_others() {
        let resembles = |name: &[u8], known: &str| {
            resembles(&Name::Plain(name), &[known]) && name != known.as_bytes()
        };
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
