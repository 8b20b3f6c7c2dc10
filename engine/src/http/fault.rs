//! What went wrong, by who is to blame, and what it becomes on the wire.
//!
//! No code from −32000…−32019 is minted (MCP 2026-07-28 "Error Codes"): what JSON-RPC has no code
//! for is −32600 if the client can mend it and −32603 if it can't.

mod response;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use crate::api::eras::Eras;
use crate::api::event::{Cause, Count};
use crate::codec::message::Malformed;

/// Something that keeps a request from its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    // The client is to blame.
    HostMissing,
    HostForbidden(String),
    OriginForbidden(String),
    NotFound,
    Method(&'static str),
    ContentType,
    NotAcceptable,
    TooLong(usize),
    Repeated(&'static str),
    Affinity(usize),
    ProtocolVersion(String),
    NotJson(&'static str),
    NotAMessage(&'static str),
    Batch,
    BatchedInitialize,
    BatchTooLong(usize),
    AnswersTooLong(usize),
    SessionMissing,
    SessionUnknown,
    Initialized,
    EventId,
    HeaderMismatch(String),
    MetadataMissing(&'static str),
    UnsupportedVersion(String, Eras),
    /// Its era is not served here.
    NoSessions,
    NoModern,
    SessionEra,
    Undiscovered(String),
    MethodNotFound(String),
    RequestState,
    InputResponses,
    StatelessResponse,
    Capability(&'static str),
    Params(&'static str),
    Declined,
    Rounds(u32),
    Questions,
    // The bridge is at a limit.
    Memory,
    /// The driver gave random bytes that name something already.
    Random,
    Sessions(usize),
    Calls(usize),
    Kept(usize),
    Stdin,
    Draining,
    Breaker(u64),
    Pool(usize),
    Parked(usize),
    Subscriptions(usize),
    TimedOut,
    // The child is to blame.
    NotStarted(String),
    Exhausted(String),
    StartTimeout,
    Unreadable(&'static str),
    Garbled(&'static str),
    /// It ended before it answered `initialize` or was ready.
    Unstarted(Cause),
    /// The session has ended.
    Ended(Cause),
    /// The process that requests of 2026-07-28 share has ended.
    Lost(Cause),
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
    /// What the end of a process means for those who waited for it to start. `reason` is why it
    /// could not be started.
    pub(crate) fn of_start(cause: Cause, reason: Option<&str>) -> Self {
        match (cause, reason) {
            (Cause::NotStarted, Some(reason)) => Self::NotStarted(reason.to_string()),
            (Cause::Exhausted, Some(reason)) => Self::Exhausted(reason.to_string()),
            (Cause::StartTimeout, _) => Self::StartTimeout,
            (Cause::Unreadable(reason), _) => Self::Unreadable(reason),
            (Cause::Shutdown, _) => Self::Draining,
            _ => Self::Unstarted(cause),
        }
    }

    /// What the end of a session means for its calls.
    pub(crate) const fn ended(cause: Cause) -> Self {
        match cause {
            Cause::Shutdown => Self::Draining,
            _ => Self::Ended(cause),
        }
    }

    /// What the end of a shared process means for its requests.
    pub(crate) const fn lost(cause: Cause) -> Self {
        match cause {
            Cause::Shutdown => Self::Draining,
            _ => Self::Lost(cause),
        }
    }

    /// The HTTP status of a response that is nothing but this fault, and the JSON-RPC code.
    const fn codes(&self) -> (u16, i32) {
        match self {
            Self::NotJson(_) => (400, PARSE_ERROR),
            Self::HostMissing
            | Self::Repeated(_)
            | Self::Affinity(_)
            | Self::ProtocolVersion(_)
            | Self::NotAMessage(_)
            | Self::Batch
            | Self::BatchedInitialize
            | Self::BatchTooLong(_)
            | Self::SessionMissing
            | Self::Initialized
            | Self::EventId
            | Self::NoSessions
            | Self::NoModern
            | Self::SessionEra
            | Self::Undiscovered(_)
            | Self::StatelessResponse => (400, INVALID_REQUEST),
            Self::HostForbidden(_) | Self::OriginForbidden(_) => (403, INVALID_REQUEST),
            Self::NotFound | Self::SessionUnknown => (404, INVALID_REQUEST),
            Self::Method(_) => (405, INVALID_REQUEST),
            Self::NotAcceptable => (406, INVALID_REQUEST),
            Self::TooLong(_) => (413, INVALID_REQUEST),
            Self::ContentType => (415, INVALID_REQUEST),
            Self::HeaderMismatch(_) => (400, HEADER_MISMATCH),
            Self::Capability(_) => (400, MISSING_CAPABILITY),
            Self::UnsupportedVersion(..) => (400, UNSUPPORTED_VERSION),
            Self::MetadataMissing(_) => (400, INVALID_PARAMS),
            Self::MethodNotFound(_) => (404, METHOD_NOT_FOUND),
            Self::RequestState | Self::InputResponses | Self::Params(_) => (200, INVALID_PARAMS),
            Self::Declined
            | Self::AnswersTooLong(_)
            | Self::Rounds(_)
            | Self::Questions
            | Self::TimedOut
            | Self::Garbled(_)
            | Self::Ended(_)
            | Self::Lost(_) => (200, INTERNAL_ERROR),
            Self::Memory
            | Self::Pool(_)
            | Self::Parked(_)
            | Self::Subscriptions(_)
            | Self::Sessions(_)
            | Self::Calls(_)
            | Self::Kept(_)
            | Self::Stdin
            | Self::Draining
            | Self::Exhausted(_)
            | Self::Breaker(_) => (503, INTERNAL_ERROR),
            Self::NotStarted(_) | Self::Unstarted(_) | Self::Unreadable(_) => (502, INTERNAL_ERROR),
            Self::Random => (500, INTERNAL_ERROR),
            Self::StartTimeout => (504, INTERNAL_ERROR),
        }
    }

    /// How a call ended that ended in this, as a label.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            _ => "failed",
        }
    }

    /// What was refused, as a label for whoever counts.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::HostMissing | Self::HostForbidden(_) => "host",
            Self::OriginForbidden(_) => "origin",
            Self::NotFound => "path",
            Self::Method(_) => "method",
            Self::ContentType => "content_type",
            Self::NotAcceptable => "accept",
            Self::TooLong(_) => "content_length",
            Self::Repeated(_) | Self::Affinity(_) | Self::HeaderMismatch(_) => "header",
            Self::ProtocolVersion(_)
            | Self::UnsupportedVersion(..)
            | Self::NoSessions
            | Self::NoModern
            | Self::SessionEra
            | Self::Undiscovered(_) => "protocol_version",
            Self::NotJson(_)
            | Self::NotAMessage(_)
            | Self::Batch
            | Self::BatchedInitialize
            | Self::BatchTooLong(_)
            | Self::StatelessResponse => "message",
            Self::SessionMissing | Self::SessionUnknown | Self::Initialized => "session",
            Self::EventId => "event_id",
            Self::MetadataMissing(_) | Self::Params(_) | Self::InputResponses => "params",
            Self::MethodNotFound(_) => "unknown_method",
            Self::RequestState => "request_state",
            Self::Capability(_) => "capability",
            Self::Memory => "memory",
            Self::Random => "random",
            Self::Sessions(_) => "sessions",
            Self::Calls(_) | Self::Kept(_) => "calls",
            Self::Stdin => "stdin",
            Self::Draining => "draining",
            Self::Breaker(_) => "breaker",
            Self::Pool(_) => "pool",
            Self::Parked(_) => "parked",
            Self::Subscriptions(_) => "subscriptions",
            Self::Exhausted(_) => "exhausted",
            Self::NotStarted(_) | Self::Unstarted(_) | Self::StartTimeout | Self::Unreadable(_) => {
                "start"
            }
            Self::Declined
            | Self::AnswersTooLong(_)
            | Self::Rounds(_)
            | Self::Questions
            | Self::TimedOut
            | Self::Garbled(_)
            | Self::Ended(_)
            | Self::Lost(_) => "ended",
        }
    }

    /// The HTTP status of a response that is nothing but this fault.
    pub(crate) const fn status(&self) -> u16 {
        self.codes().0
    }

    /// What a person is told: what is wrong, and what would change it.
    pub(crate) fn reason(&self) -> Cow<'static, str> {
        Cow::Owned(match self {
            Self::Repeated(name) => format!("the {name} header is repeated; send it once"),
            Self::TooLong(0) => "this request takes no content; leave it out".into(),
            Self::TooLong(limit) => format!("the content is longer than {limit} bytes"),
            Self::Affinity(limit) => {
                format!("the header fields that name the client are longer than {limit} bytes")
            }
            Self::ProtocolVersion(version) => {
                format!(
                    "MCP-Protocol-Version {version:?} is not supported; send what initialize told"
                )
            }
            Self::BatchTooLong(limit) => {
                format!("a batch has at most {}; post more of them", Count(*limit, "message"))
            }
            Self::AnswersTooLong(limit) => format!(
                "the answers to this batch are longer than {limit} bytes; accept text/event-stream"
            ),
            Self::HeaderMismatch(reason) => reason.clone(),
            Self::MetadataMissing(name) => {
                format!("params._meta[{name:?}] is missing or not what it must be")
            }
            Self::MethodNotFound(method) => format!("there is no method {method:?}"),
            Self::Capability(name) => {
                format!("the server needs the client capability {name:?}; declare it in _meta")
            }
            Self::Rounds(limit) => {
                format!("the server asked for input {}, the limit", Count(*limit, "time"))
            }
            Self::Pool(limit) => {
                format!("the limit of shared servers, {limit}, is reached; retry")
            }
            Self::Parked(limit) => {
                format!("at most {} may wait for a client's input", Count(*limit, "call"))
            }
            Self::Subscriptions(limit) => {
                format!("{} subscribed to, the limit; give one up first", are(*limit, "resource"))
            }
            Self::Sessions(limit) => {
                format!("{} in use, the limit; see --max-sessions", are(*limit, "session"))
            }
            Self::Calls(limit) => {
                let calls = are(*limit, "call");
                format!("{calls} in flight, the limit of one server process; retry")
            }
            Self::Kept(most) => {
                format!("calls in flight hold {most} bytes, the limit of one session; retry")
            }
            Self::Undiscovered(what) => format!(
                "the server {what} when it was asked for its revisions: open a session with \
                 initialize; to serve 2026-07-28 all the same, start the proxy with --eras both"
            ),
            Self::NotStarted(reason) => {
                format!("the server could not be started: {reason}; see the proxy's log")
            }
            Self::Exhausted(reason) => format!("{reason}; retry in a moment"),
            Self::Unstarted(cause) => {
                format!("the server did not start: {cause}; see the proxy's log")
            }
            Self::Unreadable(reason) => {
                format!("the server gave no answer to initialize that can be read: {reason}")
            }
            Self::Garbled(reason) => format!("the server's answer can't be passed on: {reason}"),
            Self::Ended(cause) => format!("the session has ended: {cause}"),
            Self::Lost(cause) => format!("the server's process has ended: {cause}"),
            other => return Cow::Borrowed(other.fixed_reason()),
        })
    }

    /// What the operator is told: the same without anything of the request. Its values are in the
    /// response alone.
    pub(crate) fn told(&self) -> Cow<'static, str> {
        match self {
            Self::ProtocolVersion(_) => "this MCP-Protocol-Version is not supported".into(),
            Self::HeaderMismatch(_) => "a header and the body do not agree".into(),
            Self::MethodNotFound(_) => "there is no such method".into(),
            Self::Undiscovered(_) => "the server did not tell its revisions".into(),
            other => other.reason(),
        }
    }

    /// The reasons that are always the same words.
    const fn fixed_reason(&self) -> &'static str {
        match self {
            Self::HostMissing => "the Host header is missing",
            Self::HostForbidden(_) => {
                "this Host is not allowed; start the proxy with --allow-host to allow it"
            }
            Self::OriginForbidden(_) => {
                "this Origin is not allowed; start the proxy with --allow-origin to allow it"
            }
            Self::NotFound => "there is nothing at this path; see --endpoint and --config",
            Self::Method(_) => "this method is not supported here; see Allow",
            Self::ContentType => "a POST needs Content-Type: application/json",
            Self::NotAcceptable => {
                "Accept must allow application/json or text/event-stream, and for GET the latter"
            }
            Self::NotJson(reason) | Self::NotAMessage(reason) | Self::Params(reason) => reason,
            Self::Batch => "only sessions of 2025-03-26 take batches; post each message by itself",
            Self::BatchedInitialize => "initialize must not be part of a batch; post it by itself",
            Self::SessionMissing => {
                "the Mcp-Session-Id header is missing; initialize first, then send what it gave"
            }
            Self::SessionUnknown => {
                "the session is unknown or has ended; send initialize without Mcp-Session-Id"
            }
            Self::Initialized => {
                "this session is initialized; leave Mcp-Session-Id out to open another"
            }
            Self::EventId => {
                "this Last-Event-ID names no event that is kept; open the stream without it"
            }
            Self::StatelessResponse => {
                "a 2026-07-28 client posts requests and notifications, no responses"
            }
            Self::UnsupportedVersion(..) => "Unsupported protocol version",
            Self::NoSessions => {
                "only 2026-07-28 is served here, without sessions; to serve them, start the proxy \
                 with --eras auto"
            }
            Self::NoModern => {
                "2026-07-28 is not served here: open a session with initialize; to serve it, start \
                 the proxy with --eras auto"
            }
            Self::SessionEra => {
                "the server does not speak 2026-07-28: open a session with initialize; to serve \
                 2026-07-28 all the same, start the proxy with --eras both"
            }
            Self::RequestState => {
                "this requestState is unknown, used or expired; call again without"
            }
            Self::InputResponses => "inputResponses is an object of results by the keys asked for",
            Self::Questions => "the server asks for more input at once than a call may",
            Self::Declined => "the client answered the server's question with an error",
            Self::Memory => "the memory for messages is used up; retry, or see --max-memory",
            Self::Random => "the random bytes for this request are in use; see the log, and retry",
            Self::Stdin => "the server is not reading its input; retry",
            Self::Draining => "the proxy is shutting down; connect again in a moment",
            Self::Breaker(_) => {
                "the server failed at its last starts; see the log, and retry later"
            }
            Self::TimedOut => "the call took too long; see --request-timeout",
            Self::StartTimeout => {
                "the server did not answer initialize in time; see the log, and --prewarm"
            }
            _ => "",
        }
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

/// That so many of something are, as a sentence goes on from it.
fn are(number: usize, noun: &'static str) -> String {
    format!("{} {}", Count(number, noun), if number == 1 { "is" } else { "are" })
}
