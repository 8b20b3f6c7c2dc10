//! A response: its head, and its content or the stream that follows.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// The head of an HTTP response and what follows it (RFC 9110 "Status Codes"). What each status
/// means to a client is in docs/reference.md, "Status codes".
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Body, Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields: [(&str, &[u8]); 1] = [("Host", b"example.com")];
/// let rebound = Head { method: "GET", path: "/mcp", authority: None, fields: &fields };
/// let refusal = bridge.admit(&rebound).unwrap_err();
/// let response = refusal.response;
/// assert_eq!((response.status, bridge.stats().refused), (403, 1));
/// assert!(response.fields.contains(&("content-type", "application/json".into())));
/// assert!(matches!(response.body, Body::Whole(content) if !content.is_empty()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code (RFC 9110, "Status Codes").
    pub status: u16,
    /// Field names, in lower case, and values, each of visible ASCII and spaces. `content-length`,
    /// `transfer-encoding`, `connection` and `date` are the driver's. Those of an answer that is
    /// like all others are borrowed.
    pub fields: Cow<'static, [(&'static str, Cow<'static, str>)]>,
    /// The content.
    pub body: Body,
}

/// The content of a response (RFC 9110 "Content").
///
/// # Examples
///
/// ```
/// use mcp_bridge::Body;
///
/// /// The framing that a driver of HTTP/1.1 chooses.
/// fn framing(body: &Body) -> String {
///     match body {
///         Body::Whole(content) => format!("content-length: {}", content.len()),
///         Body::Stream => String::from("transfer-encoding: chunked"),
///     }
/// }
/// assert_eq!(framing(&Body::Whole(b"{}".to_vec())), "content-length: 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it. An empty one is content of length zero.
    Whole(Vec<u8>),
    /// It follows in [`Output::Send`](crate::Output::Send)s, up to
    /// [`Output::Finish`](crate::Output::Finish) or [`Output::Abort`](crate::Output::Abort).
    Stream,
}

const JSON: &[(&str, Cow<'_, str>)] = &[("content-type", Cow::Borrowed("application/json"))];
const STREAM: &[(&str, Cow<'_, str>)] = &[
    ("content-type", Cow::Borrowed("text/event-stream")),
    ("cache-control", Cow::Borrowed("no-cache, no-transform")),
    ("x-accel-buffering", Cow::Borrowed("no")),
];

/// A response of one JSON text.
pub(crate) fn json(status: u16, body: Vec<u8>) -> Response {
    Response { status, fields: Cow::Borrowed(JSON), body: Body::Whole(body) }
}

/// A response with no content.
pub(crate) const fn empty(status: u16) -> Response {
    Response { status, fields: Cow::Borrowed(&[]), body: Body::Whole(Vec::new()) }
}

/// The head of an event stream, which no cache may keep and no proxy may hold back.
pub(crate) const fn stream() -> Response {
    Response { status: 200, fields: Cow::Borrowed(STREAM), body: Body::Stream }
}
