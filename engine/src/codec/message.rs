//! One JSON-RPC 2.0 message as spans: its kind, its id, its method and the few params that
//! routing needs; [`Message::splice`] changes those and nothing else.
//!
//! The whole text is checked before any part of it is used: it is UTF-8 and JSON, no member of the
//! message is named twice or almost like another, and the id is a string or a number. Members
//! beyond the envelope and those params are neither read nor changed.
//!
//! Parts are returned *as they are spelled*, as slices of the text with quotes and escapes, so that
//! a message leaves byte for byte as it came. Nesting costs one bit a level and no recursion.

mod members;
mod splice;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use crate::codec::json::{self, NotJson, Scanner};
use crate::codec::number;
pub(crate) use members::{
    ENVELOPE, ERROR, JSONRPC, MEMBERS, METHOD, NAME, PARAMS, RESULT, envelope,
};
use members::{Known, LENGTH, META, Members, Place, REQUEST_ID, TASK, TOLD, WANTED};
pub(crate) use splice::Renamed;
pub use splice::Splice;

/// The most bytes of an id, and of a progress token that is carried: both are kept while a call is
/// in flight. Clients count, or send a UUID.
pub(crate) const ID: usize = 4096;

/// What a message is, with the parts that every message of that kind has (JSON-RPC 2.0, "Request
/// object", "Notification", "Response object"). Ids, results and errors are slices of the text;
/// a method is without its quotes and escapes.
///
/// # Examples
///
/// ```
/// use mcp_bridge::message::{Kind, Message};
///
/// fn answer(request: &Message<'_>) -> Option<String> {
///     match request.kind() {
///         Kind::Request { id, method } if method == "ping" => {
///             let id = String::from_utf8_lossy(id);
///             Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#))
///         }
///         _ => None,
///     }
/// }
/// let ping = Message::parse(br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#)?;
/// assert_eq!(answer(&ping).as_deref(), Some(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#));
/// let pong = Message::parse(br#"{"jsonrpc":"2.0","id":"a","result":{}}"#)?;
/// assert_eq!(pong.kind(), Kind::Result { id: b"\"a\"", result: b"{}" });
/// # Ok::<(), mcp_bridge::message::Malformed<'_>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A request. Its sender waits for a response with the same id.
    Request {
        /// The id.
        id: &'a [u8],
        /// The method; empty if no text spells it, as half a surrogate pair.
        method: Cow<'a, str>,
    },
    /// A notification. It gets no response.
    Notification {
        /// The method; empty if no text spells it, as half a surrogate pair.
        method: Cow<'a, str>,
    },
    /// A response to a request that succeeded.
    Result {
        /// The id of the request.
        id: &'a [u8],
        /// The result, any JSON value.
        result: &'a [u8],
    },
    /// A response to a request that failed.
    Error {
        /// The id of the request.
        id: &'a [u8],
        /// The error, an object.
        error: &'a [u8],
    },
}

/// The kind without the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Request,
    Notification,
    Result,
    Error,
}

/// A message: a text and where its parts stand in it.
///
/// # Examples
///
/// ```
/// use mcp_bridge::message::Message;
///
/// let text = br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{
///   "name":"add","_meta":{"progressToken":7,"trace":"t"}}}"#;
/// let call = Message::parse(text)?;
/// assert_eq!(call.id(), Some(&b"\"a\""[..]));
/// assert_eq!(call.method().as_deref(), Some("tools/call"));
/// assert!(call.calls("tools/call"));
/// assert!(call.params().is_some_and(|params| params.starts_with(b"{")));
/// assert_eq!(call.param("name"), Some(&b"\"add\""[..]));
/// assert_eq!((call.token(), call.meta("trace")), (Some(&b"7"[..]), Some(&b"\"t\""[..])));
/// assert_eq!(call.payload(), None);
///
/// let answer = Message::parse(br#"{"jsonrpc":"2.0","id":"a","result":{"x":1}}"#)?;
/// assert_eq!(answer.payload(), Some(&br#"{"x":1}"#[..]));
///
/// let cancel =
///     br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}"#;
/// assert_eq!(Message::parse(cancel)?.request_id(), Some(&b"3"[..]));
/// # Ok::<(), mcp_bridge::message::Malformed<'_>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Message<'a> {
    text: &'a [u8],
    shape: Shape,
    multiline: bool,
    /// The text without the white space around it.
    whole: Place,
    id: Place,
    method: Place,
    params: Place,
    payload: Place,
    known: Known,
}

/// Why a text is no message.
///
/// # Examples
///
/// ```
/// use mcp_bridge::message::{Malformed, Message};
///
/// let wrong = Message::parse(br#"{"jsonrpc":"2.0","id":7,"method":1}"#).unwrap_err();
/// assert_eq!(wrong, Malformed::Invalid("a method must be a string", Some(b"7")));
/// assert_eq!(wrong.reason(), "a method must be a string");
/// assert!(matches!(Message::parse(b"{"), Err(Malformed::Parse(_))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed<'a> {
    /// It is not JSON in UTF-8 (JSON-RPC 2.0 error −32700, "Parse error").
    Parse(&'static str),
    /// It is JSON, but no message (error −32600, "Invalid Request"); with its id as it is
    /// spelled, if it could be read.
    Invalid(&'static str, Option<&'a [u8]>),
}

impl Malformed<'_> {
    /// What is wrong, for a person.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Parse(reason) | Self::Invalid(reason, _) => reason,
        }
    }
}

impl fmt::Display for Malformed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Malformed<'_> {}

impl<'a> Message<'a> {
    /// Reads one message, of up to 4 GiB: its limit is the caller's. White space around it is not
    /// part of it, and a batch is none: see [`batch`].
    ///
    /// # Errors
    ///
    /// [`Malformed::Parse`] if the text is not one JSON value (RFC 8259) in UTF-8 without a byte
    /// order mark. [`Malformed::Invalid`] if it is not an object with `"jsonrpc": "2.0"`; if it
    /// names a member twice, or one almost like one of JSON-RPC's (`"ID"`), or has more than 64;
    /// if it has not exactly one of `method`, `result` and `error`, or an `id` that is neither a
    /// string nor a number (MCP "Requests": it is not null).
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed<'a>> {
        if text.len() > LENGTH {
            return Err(Malformed::Invalid("it is longer than 4 GiB", None));
        }
        let mut scanner = Scanner::new(text);
        let mut members = Members::default();
        let read = members.read(&mut scanner);
        if (read.is_err() || !scanner.ascii) && core::str::from_utf8(text).is_err() {
            return Err(Malformed::Parse("it is not UTF-8"));
        }
        let doubled = read.map_err(|reason| no_object(text, reason))?;
        if let Some(reason) = doubled {
            return Err(Malformed::Invalid(reason, None));
        }
        let shape = members.shape(text).map_err(|reason| {
            let id = members.at(NAME).of(text).filter(|id| names_a_call(id));
            Malformed::Invalid(reason, id)
        })?;
        Ok(Self {
            text,
            shape,
            multiline: scanner.multiline,
            whole: members.whole,
            id: members.at(NAME),
            method: members.at(METHOD),
            params: members.at(PARAMS),
            payload: members.at(if shape == Shape::Error { ERROR } else { RESULT }),
            known: members.known,
        })
    }

    /// What it is, with its parts.
    pub fn kind(&self) -> Kind<'a> {
        let id = self.id().unwrap_or_default();
        let payload = self.payload().unwrap_or_default();
        let method = || self.method().unwrap_or_default();
        match self.shape {
            Shape::Request => Kind::Request { id, method: method() },
            Shape::Notification => Kind::Notification { method: method() },
            Shape::Result => Kind::Result { id, result: payload },
            Shape::Error => Kind::Error { id, error: payload },
        }
    }

    /// Whether it is a request.
    ///
    /// ```
    /// use mcp_bridge::message::Message;
    ///
    /// let response = Message::parse(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#)?;
    /// assert!(response.is_response() && !response.is_request() && !response.is_notification());
    /// assert_eq!((response.result(), response.error()), (Some(&b"{}"[..]), None));
    /// # Ok::<(), mcp_bridge::message::Malformed<'_>>(())
    /// ```
    pub const fn is_request(&self) -> bool {
        matches!(self.shape, Shape::Request)
    }

    /// Whether it is a notification.
    pub const fn is_notification(&self) -> bool {
        matches!(self.shape, Shape::Notification)
    }

    /// Whether it is a response, with a result or an error.
    pub const fn is_response(&self) -> bool {
        matches!(self.shape, Shape::Result | Shape::Error)
    }

    /// The result of a response, if it has one.
    pub fn result(&self) -> Option<&'a [u8]> {
        if self.shape == Shape::Result { self.payload() } else { None }
    }

    /// The error of a response, if it has one.
    pub fn error(&self) -> Option<&'a [u8]> {
        if self.shape == Shape::Error { self.payload() } else { None }
    }

    /// Its id as it is spelled, quotes included. `None` for a notification.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.id.of(self.text)
    }

    /// Its method, without quotes and escapes. `None` for a response.
    pub fn method(&self) -> Option<Cow<'a, str>> {
        json::decoded(self.method.of(self.text)?)
    }

    /// Whether its method is this one, whatever its escapes.
    pub fn calls(&self, method: &str) -> bool {
        // A shorter text spells no longer name, and most names are asked about in vain.
        let raw = self.method.of(self.text).filter(|raw| raw.len() > method.len());
        raw.is_some_and(|raw| json::spells(raw, method))
    }

    /// Its params as they are spelled, if it has any.
    pub fn params(&self) -> Option<&'a [u8]> {
        self.params.of(self.text)
    }

    /// A response's result or error as it is spelled.
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.payload.of(self.text)
    }

    /// The progress token as it is spelled: of a request `params._meta.progressToken` unless it is
    /// null, of a notification `params.progressToken` (MCP "Progress").
    pub fn token(&self) -> Option<&'a [u8]> {
        self.token_place().of(self.text)
    }

    fn token_place(&self) -> Place {
        match self.shape {
            // One that is null is none.
            Shape::Request if self.known.meta[WANTED].of(self.text) == Some(b"null") => {
                Place::default()
            }
            Shape::Request => self.known.meta[WANTED],
            _ => self.known.param[TOLD],
        }
    }

    /// A member of `params._meta` as it is spelled.
    pub fn meta(&self, name: &str) -> Option<&'a [u8]> {
        match members::meta(name.as_bytes()) {
            Some(place) => self.known.meta[place].of(self.text),
            None => self.text.get(json::member(self.text, &self.known.param[META].span(), name)?),
        }
    }

    /// A member of its params as it is spelled.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        match members::param(name.as_bytes()) {
            Some(place) => self.known.param[place].of(self.text),
            None => self.text.get(json::member(self.text, &self.params.span(), name)?),
        }
    }

    /// `params.requestId` as it is spelled (MCP "Cancellation").
    pub fn request_id(&self) -> Option<&'a [u8]> {
        self.known.param[REQUEST_ID].of(self.text)
    }

    /// Why a request can't be passed on for its progress token, if so. The child must see no token
    /// but ours: of another it may report progress that names a call of somebody else.
    pub(crate) fn token_fault(&self) -> Option<&'static str> {
        if !self.is_request() {
            return None;
        }
        match self.token() {
            _ if self.known.doubtful_token => Some(
                "a name in params appears twice, or differs from another one only in case or control characters",
            ),
            Some(token) if !names_a_call(token) => {
                Some("a progress token must be a string or a number")
            }
            Some(token) if token.len() > ID => Some("the progress token is too long"),
            _ => None,
        }
    }

    /// Whether its params augment it with a task (MCP 2025-11-25 "Tasks").
    pub(crate) fn wants_task(&self) -> bool {
        !self.known.param[TASK].is_empty()
    }

    /// Whether two readers may understand its params differently: what the bridge acts on is named
    /// twice, or there is a name that some take for it.
    pub(crate) const fn is_doubtful(&self) -> bool {
        self.known.doubtful
    }

    /// Whether its params have this member once, and none that some readers take for it.
    pub(crate) fn names_once(&self, name: &str) -> bool {
        let (mut count, mut exact) = (0, false);
        let params = Scanner::within(self.text, &self.params.span()).members(|scanner, key| {
            count += usize::from(members::resembles(key, &[name]));
            exact |= key.is(name.as_bytes());
            scanner.value().map(|_| ())
        });
        params.is_ok() && exact && count == 1
    }

    /// Bytes of its text, white space around it included.
    pub(crate) const fn size(&self) -> usize {
        self.text.len()
    }
}

/// The messages of a batch (JSON-RPC 2.0, "Batch"), each as its text; `None` if the text is no
/// array. Only sessions of 2025-03-26 have batches (MCP 2025-03-26 "Base Protocol, Batching").
///
/// # Errors
///
/// [`Malformed::Parse`] if the text begins an array and is not JSON in UTF-8,
/// [`Malformed::Invalid`] if the array is empty. Its elements are not judged.
///
/// # Examples
///
/// ```
/// use mcp_bridge::message::batch;
///
/// assert_eq!(batch(b"{}"), None);
/// assert_eq!(batch(b"[{}, 1]"), Some(Ok(vec![&b"{}"[..], b"1"])));
/// assert!(batch(b"[]").is_some_and(|batch| batch.is_err()));
/// ```
pub fn batch(text: &[u8]) -> Option<Result<Vec<&[u8]>, Malformed<'_>>> {
    batch_of(text, usize::MAX)
}

/// The same, of a batch that may have no more than so many: of one that has, one more is listed.
pub(crate) fn batch_of(text: &[u8], most: usize) -> Option<Result<Vec<&[u8]>, Malformed<'_>>> {
    if text.trim_ascii_start().first() != Some(&b'[') {
        return None;
    }
    if core::str::from_utf8(text).is_err() {
        return Some(Err(Malformed::Parse("it is not UTF-8")));
    }
    Some(match json::elements(text, most) {
        Err(reason) => Err(Malformed::Parse(reason)),
        Ok(spans) if spans.is_empty() => Err(Malformed::Invalid("the batch is empty", None)),
        Ok(spans) => Ok(spans.into_iter().map(|span| &text[span]).collect()),
    })
}

/// Whether two ids, as they are spelled, are the same id: the same characters in a string, the
/// same value of a number. A string is never a number.
///
/// # Examples
///
/// ```
/// use mcp_bridge::message::same_id;
///
/// assert!(same_id(br#""ab""#, br#""a\u0062""#));
/// assert!(same_id(b"1", b"1.0") && !same_id(b"1", br#""1""#) && !same_id(b"1", b"1.5"));
/// ```
pub fn same_id(one: &[u8], other: &[u8]) -> bool {
    one == other
        || (one.first() == Some(&b'"')
            && other.first() == Some(&b'"')
            && json::decoded(one).is_some_and(|one| json::decoded(other) == Some(one)))
        || number::same(one, other)
}

/// Why a text is no message that is no JSON, or no object.
#[cold]
fn no_object(text: &[u8], reason: NotJson) -> Malformed<'_> {
    if text.starts_with("\u{feff}".as_bytes()) {
        return Malformed::Parse("it starts with a byte order mark");
    }
    let mut scanner = Scanner::new(text);
    if scanner.peek() == b'{' {
        return Malformed::Parse(reason);
    }
    match scanner.value().and_then(|_| scanner.end()) {
        Ok(()) => Malformed::Invalid("a message must be a JSON object", None),
        Err(reason) => Malformed::Parse(reason),
    }
}

fn names_a_call(id: &[u8]) -> bool {
    matches!(id.first(), Some(b'"' | b'-' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests;
