//! What went wrong, by who is to blame, and what it becomes on the wire, in one table.
//!
//! No code from −32000…−32019 is minted (MCP 2026-07-28 "Error Codes"): what JSON-RPC has no code
//! for is −32600 if the client can mend it and −32603 if it can't.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use crate::io::{Body, Response};
use crate::message::Malformed;
use crate::metadata::SUPPORTED;
use crate::notice::Cause;
use crate::object::quoted;

/// Something that keeps a request from its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    // The client is to blame.
    HostMissing,
    HostForbidden,
    OriginForbidden,
    NotFound,
    Method(&'static str),
    ContentType,
    NotAcceptable,
    Repeated(&'static str),
    ProtocolVersion(String),
    NotJson(&'static str),
    NotAMessage(&'static str),
    Batch,
    BatchedInitialize,
    BatchTooLong(usize),
    SessionMissing,
    SessionUnknown,
    Initialized,
    EventId,
    Cancelled,
    HeaderMismatch(String),
    MetadataMissing(&'static str),
    UnsupportedVersion(String),
    MethodNotFound(String),
    RequestState,
    InputResponses,
    StatelessResponse,
    Capability(&'static str),
    Params(&'static str),
    Declined,
    Rounds(u32),
    // The bridge is at a limit.
    Sessions(usize),
    Calls(usize),
    Stdin,
    Draining,
    Breaker(u64),
    Pool(usize),
    Subscriptions(usize),
    TimedOut,
    // The child is to blame.
    NotStarted(String),
    StartTimeout,
    Garbled(&'static str),
    Ended(Cause),
}

/// JSON-RPC 2.0, "Error object".
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;

/// MCP 2026-07-28, "Error Codes".
const HEADER_MISMATCH: i32 = -32020;
const MISSING_CAPABILITY: i32 = -32021;
const UNSUPPORTED_VERSION: i32 = -32022;

impl Fault {
    /// What a session's end means for its calls. `reason` is why its child could not be started.
    pub(crate) fn of(cause: Cause, reason: Option<&str>) -> Self {
        match (cause, reason) {
            (Cause::NotStarted, Some(reason)) => Self::NotStarted(reason.to_string()),
            (Cause::StartTimeout, _) => Self::StartTimeout,
            (Cause::Shutdown, _) => Self::Draining,
            _ => Self::Ended(cause),
        }
    }

    /// The status, the JSON-RPC code, and what a person is told.
    fn row(&self) -> (u16, i32, Cow<'static, str>) {
        let client = |status, text| (status, INVALID_REQUEST, Cow::Borrowed(text));
        let server = |status, text: String| (status, INTERNAL_ERROR, Cow::Owned(text));
        match self {
            Self::HostMissing => client(400, "the Host header is missing"),
            Self::HostForbidden => client(
                403,
                "this Host is not allowed; start the proxy with --allow-host to allow it",
            ),
            Self::OriginForbidden => client(
                403,
                "this Origin is not allowed; start the proxy with --allow-origin to allow it",
            ),
            Self::NotFound => client(404, "there is nothing at this path; see --endpoint"),
            Self::Method(_) => client(405, "this method is not supported here; see Allow"),
            Self::ContentType => client(415, "a POST needs Content-Type: application/json"),
            Self::NotAcceptable => client(
                406,
                "Accept must allow application/json or text/event-stream, and for GET the latter",
            ),
            Self::Repeated(name) => {
                (400, INVALID_REQUEST, Cow::Owned(format!("the {name} header is repeated")))
            }
            Self::ProtocolVersion(version) => (
                400,
                INVALID_REQUEST,
                Cow::Owned(format!("MCP-Protocol-Version {version:?} is not supported")),
            ),
            Self::NotJson(reason) => (400, PARSE_ERROR, Cow::Borrowed(reason)),
            Self::NotAMessage(reason) => (400, INVALID_REQUEST, Cow::Borrowed(reason)),
            Self::Batch => client(400, "only sessions of 2025-03-26 take batches"),
            Self::BatchedInitialize => client(400, "initialize must not be part of a batch"),
            Self::BatchTooLong(limit) => {
                (400, INVALID_REQUEST, Cow::Owned(format!("a batch has at most {limit} messages")))
            }
            Self::SessionMissing => client(
                400,
                "the Mcp-Session-Id header is missing; initialize first, then send what it gave",
            ),
            Self::SessionUnknown => {
                client(404, "this session is unknown or has ended; initialize again without it")
            }
            Self::Initialized => {
                client(400, "this session is initialized; leave Mcp-Session-Id out to open another")
            }
            Self::EventId => client(
                400,
                "this Last-Event-ID names no event that is kept; open the stream without it",
            ),
            Self::Cancelled => (200, INTERNAL_ERROR, Cow::Borrowed("cancelled by the client")),
            Self::HeaderMismatch(reason) => (400, HEADER_MISMATCH, Cow::Owned(reason.clone())),
            Self::MetadataMissing(name) => (
                400,
                INVALID_PARAMS,
                Cow::Owned(format!("params._meta[{name:?}] is missing or not what it must be")),
            ),
            Self::UnsupportedVersion(_) => {
                (400, UNSUPPORTED_VERSION, Cow::Borrowed("Unsupported protocol version"))
            }
            Self::MethodNotFound(method) => {
                (404, METHOD_NOT_FOUND, Cow::Owned(format!("there is no method {method:?}")))
            }
            Self::RequestState => (
                200,
                INVALID_PARAMS,
                Cow::Borrowed("this requestState is unknown, used or expired; call again without"),
            ),
            Self::InputResponses => (
                200,
                INVALID_PARAMS,
                Cow::Borrowed("inputResponses is an object of results by the keys asked for"),
            ),
            Self::StatelessResponse => {
                client(400, "a 2026-07-28 client posts requests and notifications, no responses")
            }
            Self::Capability(name) => (
                400,
                MISSING_CAPABILITY,
                Cow::Owned(format!("the server asks for the client capability {name:?}")),
            ),
            Self::Params(reason) => (200, INVALID_PARAMS, Cow::Borrowed(reason)),
            Self::Declined => (
                200,
                INTERNAL_ERROR,
                Cow::Borrowed("the client answered the server's question with an error"),
            ),
            Self::Rounds(limit) => {
                server(200, format!("the server asked for input {limit} times, the limit"))
            }
            Self::Pool(limit) => {
                server(503, format!("all {limit} shared servers are in use; retry"))
            }
            Self::Subscriptions(limit) => {
                server(503, format!("{limit} resources are subscribed to, the limit"))
            }
            Self::Sessions(limit) => {
                server(503, format!("all {limit} sessions are in use; see --max-sessions"))
            }
            Self::Calls(limit) => {
                server(503, format!("this session has {limit} calls in flight, its limit"))
            }
            Self::Stdin => server(503, "the server is not reading its input".to_string()),
            Self::Draining => server(503, "the proxy is shutting down".to_string()),
            Self::Breaker(_) => {
                server(503, "the server failed at its last starts; retry later".to_string())
            }
            Self::TimedOut => {
                server(200, "the call took too long; see --request-timeout".to_string())
            }
            Self::NotStarted(reason) => {
                server(502, format!("the server could not be started: {reason}"))
            }
            Self::StartTimeout => {
                server(504, "the server did not answer initialize in time".to_string())
            }
            Self::Garbled(reason) => {
                server(200, format!("the server's answer can't be passed on: {reason}"))
            }
            Self::Ended(cause) => server(200, format!("the session has ended: {cause}")),
        }
    }

    /// The status of a response that is nothing but this fault.
    pub(crate) fn status(&self) -> u16 {
        self.row().0
    }

    /// Seconds after which the same request may succeed.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Breaker(seconds) => Some(*seconds),
            Self::Sessions(_) => Some(5),
            Self::Calls(_) | Self::Stdin | Self::Draining | Self::Pool(_) => Some(1),
            _ => None,
        }
    }

    /// What a person is told.
    pub(crate) fn reason(&self) -> Cow<'static, str> {
        self.row().2
    }

    /// The JSON-RPC error response for the request of that id, as it was spelled.
    pub(crate) fn message(&self, id: Option<&[u8]>) -> Vec<u8> {
        let (_, code, reason) = self.row();
        let mut text = Vec::with_capacity(reason.len() + 80);
        text.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        text.extend_from_slice(id.unwrap_or(b"null"));
        text.extend_from_slice(format!(r#","error":{{"code":{code},"message":"#).as_bytes());
        text.extend_from_slice(&quoted(&reason));
        if let Some(data) = self.data() {
            text.extend_from_slice(br#","data":"#);
            text.extend_from_slice(data.as_bytes());
        }
        text.extend_from_slice(b"}}");
        text
    }

    /// The error's data, where the specification defines some.
    fn data(&self) -> Option<String> {
        match self {
            Self::UnsupportedVersion(requested) => {
                let requested = String::from_utf8(quoted(requested)).unwrap_or_default();
                Some(format!(r#"{{"supported":{SUPPORTED},"requested":{requested}}}"#))
            }
            Self::Capability(name) => {
                Some(format!(r#"{{"requiredCapabilities":{{"{name}":{{}}}}}}"#))
            }
            _ => None,
        }
    }

    /// The HTTP response for the request of that id.
    pub(crate) fn response(&self, id: Option<&[u8]>) -> Response {
        self.response_as(self.status(), id)
    }

    /// The same, where the fault ended an `initialize`: there is no session to speak of, so the
    /// client's HTTP layer is told as well.
    pub(crate) fn failed_start(&self, id: Option<&[u8]>) -> Response {
        let status = match self.status() {
            200 => 502,
            status => status,
        };
        self.response_as(status, id)
    }

    fn response_as(&self, status: u16, id: Option<&[u8]>) -> Response {
        let mut fields = vec![("content-type", Cow::Borrowed("application/json"))];
        if let Self::Method(allow) = self {
            fields.push(("allow", Cow::Borrowed(allow)));
        }
        if let Some(seconds) = self.retry_after() {
            fields.push(("retry-after", Cow::Owned(seconds.to_string())));
        }
        Response { status, fields, body: Body::Whole(self.message(id)) }
    }
}

impl From<&Malformed<'_>> for Fault {
    fn from(malformed: &Malformed<'_>) -> Self {
        match malformed {
            Malformed::Parse(reason) => Self::NotJson(reason),
            Malformed::Invalid(reason, _) => Self::NotAMessage(reason),
        }
    }
}
