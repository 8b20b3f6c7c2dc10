//! What went wrong, by who is to blame, and what it becomes on the wire: one table.
//!
//! No code from −32000…−32019 is minted (MCP 2026-07-28 "Error Codes"): what JSON-RPC has no code
//! for is −32600 if the client can correct it and −32603 if it can't.

mod response;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::api::cause::Cause;
use crate::api::eras::Eras;
use crate::api::event::Count;
use crate::api::rule::{Remedies, Rule, with_remedy};
use crate::codec::message::Malformed;

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

/// What a fault becomes.
struct Spec {
    /// The HTTP status of a response that is nothing but the fault.
    status: u16,
    /// The JSON-RPC error code.
    code: i32,
    /// What was refused, as metrics name it.
    label: &'static str,
    /// Seconds after which the same request may succeed.
    retry: Option<u64>,
    /// The rule of the operator that it follows from.
    rule: Option<Rule>,
}

/// Makes [`Fault`] of a table:
/// `Variant(arguments) = status CODE "label" retry seconds; rule, "text";`.
/// The text says what is wrong, then what the client can do. What the operator can do about the
/// rule is in [`Config::remedies`](crate::Config).
macro_rules! faults {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($($arg:ident: $type:ty),+))? =
            $status:literal $code:ident $label:literal $(retry $retry:expr)? $(; $rule:expr)?,
            $text:literal $(, $value:expr)*;
    )+) => {
        /// Something that keeps a request from its answer.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$doc])* $name $(($($type),+))?,)+
        }

        impl Fault {
            /// The status and the label of each row.
            const ROWS: &[(u16, &str)] = &[$(($status, $label)),+];

            #[allow(unused_variables, reason = "most rows need no argument here")]
            fn spec(&self) -> Spec {
                match self {$(
                    Self::$name $(($($arg),+))? => Spec {
                        status: $status,
                        code: $code,
                        label: $label,
                        retry: <[u64]>::first(&[$($retry)?]).copied(),
                        rule: <[Option<Rule>]>::first(&[$($rule)?]).copied().flatten(),
                    },
                )+}
            }
        }

        impl fmt::Display for Fault {
            #[allow(unused_variables, reason = "a row may have an argument for its retry alone")]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {$(
                    Self::$name $(($($arg),+))? => write!(f, $text $(, $value)*),
                )+}
            }
        }
    };
}

faults! {
    // The client is to blame.
    HostMissing = 400 INVALID_REQUEST "host", "the request has no Host header; send one";
    HostForbidden(_host: String) = 403 INVALID_REQUEST "host"; Some(Rule::Hosts),
        "this Host is not allowed";
    OriginForbidden(_origin: String) = 403 INVALID_REQUEST "origin"; Some(Rule::Origins),
        "this Origin is not allowed";
    NotFound = 404 INVALID_REQUEST "path"; Some(Rule::Paths),
        "nothing is served at this path";
    Method(_allow: &'static str) = 405 INVALID_REQUEST "method",
        "this path does not support the method; the Allow header lists those that it does";
    ContentType = 415 INVALID_REQUEST "content_type",
        "a POST request must have Content-Type: application/json";
    NotAcceptable = 406 INVALID_REQUEST "accept",
        "the Accept header must allow application/json or text/event-stream; a GET needs the latter";
    /// More content than this limit, in bytes.
    TooLong(limit: usize) = 413 INVALID_REQUEST "content_length"; Some(Rule::Message),
        "the request body is longer than {limit} bytes";
    /// Content where none is read.
    Content = 413 INVALID_REQUEST "content_length",
        "this request must not have a body; send it without one";
    Repeated(name: &'static str) = 400 INVALID_REQUEST "header",
        "the {name} header is repeated; send it once";
    NotText(name: String) = 400 INVALID_REQUEST "header",
        "the {name} header is not text; send visible ASCII";
    Authority = 400 INVALID_REQUEST "host",
        "the Host header differs from the authority of the request target; make them equal";
    Affinity(limit: usize) = 400 INVALID_REQUEST "header",
        "the header fields that identify the client are longer than {limit} bytes";
    ProtocolVersion(version: String) = 400 INVALID_REQUEST "protocol_version",
        "MCP-Protocol-Version {version:?} is not supported; send the version that initialize returned";
    NotJson(reason: &'static str) = 400 PARSE_ERROR "message", "the message is not valid JSON: {reason}";
    NotAMessage(reason: &'static str) = 400 INVALID_REQUEST "message", "{reason}";
    Batch = 400 INVALID_REQUEST "message",
        "only sessions of 2025-03-26 accept batches; send each message in a request of its own";
    BatchedInitialize = 400 INVALID_REQUEST "message",
        "initialize must not be part of a batch; send it in a request of its own";
    BatchTooLong(limit: usize) = 400 INVALID_REQUEST "message",
        "the batch has more than {}; split it", Count(*limit, "message");
    AnswersTooLong(limit: usize) = 200 INTERNAL_ERROR "ended",
        "the answers to this batch are longer than {limit} bytes; accept text/event-stream to get each by itself";
    SessionMissing = 400 INVALID_REQUEST "session",
        "the Mcp-Session-Id header is missing; send initialize, then the session id of its response";
    SessionUnknown = 404 INVALID_REQUEST "session",
        "the session is unknown or has ended; send initialize without Mcp-Session-Id";
    /// The same for a client of HTTP+SSE.
    StreamUnknown = 404 INVALID_REQUEST "session",
        "the session is unknown or has ended; open another with GET";
    /// A message before the answer to `initialize`, where the session has an id already.
    Uninitialized = 400 INVALID_REQUEST "session",
        "the session is not open; send initialize in a request of its own, and wait for its answer";
    /// What a restarted server has that differs.
    Changed(what: &'static str) = 404 INVALID_REQUEST "session",
        "the restarted server has a different {what}, so the session has ended; send initialize \
         without Mcp-Session-Id";
    Initialized = 400 INVALID_REQUEST "session",
        "the session is already initialized; send initialize without Mcp-Session-Id to open another";
    /// The same for a client of HTTP+SSE.
    StreamInitialized = 400 INVALID_REQUEST "session",
        "the session is already initialized; open another with GET";
    EventId = 400 INVALID_REQUEST "event_id",
        "the Last-Event-ID header names no stored event; open the stream without it";
    HeaderMismatch(reason: String) = 400 HEADER_MISMATCH "header", "{reason}";
    MetadataMissing(name: &'static str) = 400 INVALID_PARAMS "params",
        "params._meta[{name:?}] is missing or invalid";
    UnsupportedVersion(_requested: String, _eras: Eras) = 400 UNSUPPORTED_VERSION
        "protocol_version", "Unsupported protocol version";
    /// Sessions, where the policy serves 2026-07-28 alone.
    NoSessions = 400 INVALID_REQUEST "protocol_version"; Some(Rule::NoSessions),
        "this endpoint serves only 2026-07-28, without sessions";
    /// 2026-07-28, where the policy serves sessions alone.
    NoModern = 400 INVALID_REQUEST "protocol_version"; Some(Rule::NoModern),
        "this endpoint does not serve 2026-07-28; open a session with initialize";
    /// 2026-07-28 before a server that speaks only revisions with sessions.
    SessionEra = 400 INVALID_REQUEST "protocol_version"; Some(Rule::NoCrossing),
        "the server does not speak 2026-07-28; open a session with initialize";
    Undiscovered(what: String) = 400 INVALID_REQUEST "protocol_version"; Some(Rule::NoCrossing),
        "the server, asked for its revisions, {what}; open a session with initialize";
    MethodNotFound(method: String) = 404 METHOD_NOT_FOUND "unknown_method",
        "the method {method:?} does not exist";
    RequestState = 200 INVALID_PARAMS "request_state",
        "requestState is unknown, used or expired; repeat the call without it";
    InputResponses = 200 INVALID_PARAMS "params",
        "inputResponses must be an object with a result for each key of inputRequests";
    StatelessResponse = 400 INVALID_REQUEST "message",
        "a client of 2026-07-28 must send requests and notifications only, not responses";
    Capability(name: &'static str) = 400 MISSING_CAPABILITY "capability",
        "the server needs the client capability {name:?}; declare it in _meta";
    /// A tool that the operator does not offer.
    Tool = 200 INVALID_PARAMS "tool",
        "this tool is not available; tools/list returns those that are";
    Params(reason: &'static str) = 200 INVALID_PARAMS "params", "{reason}";
    Declined = 200 INTERNAL_ERROR "ended",
        "the client answered the server's request with an error";
    Rounds(limit: u32) = 200 INTERNAL_ERROR "ended",
        "the server asked the client for input {}, the limit", Count(*limit, "time");
    Questions = 200 INTERNAL_ERROR "ended",
        "the server asked for more input at once than the limit of one call";

    // The engine is at a limit.
    Memory = 503 INTERNAL_ERROR "memory" retry 1; Some(Rule::Memory),
        "the memory for messages is used up; retry in a moment";
    /// The driver gave random bytes that name something already.
    Random = 500 INTERNAL_ERROR "random",
        "the random bytes of this request are already in use; retry, and see the proxy's log";
    Sessions(limit: usize) = 503 INTERNAL_ERROR "sessions" retry 5; Some(Rule::Sessions),
        "{} in use, the limit", are(*limit, "session");
    Calls(limit: usize) = 503 INTERNAL_ERROR "calls" retry 1,
        "{} in flight, the limit of one child process; retry in a moment", are(*limit, "call");
    Kept(most: usize) = 503 INTERNAL_ERROR "calls" retry 1,
        "calls in flight hold {most} bytes, the limit of one session; retry in a moment";
    Stdin = 503 INTERNAL_ERROR "stdin" retry 1,
        "the server does not read its standard input; retry in a moment";
    Draining = 503 INTERNAL_ERROR "draining" retry 1,
        "the proxy is shutting down; connect again in a moment";
    Breaker(seconds: u64) = 503 INTERNAL_ERROR "breaker" retry *seconds,
        "the server failed at its last starts; see the proxy's log, and retry later";
    /// The operator's file names a server that can't be started.
    Disabled(reason: String) = 503 INTERNAL_ERROR "disabled",
        "this server is disabled: {reason}; see the proxy's log";
    Pool(limit: usize) = 503 INTERNAL_ERROR "pool" retry 1,
        "the limit of shared child processes, {limit}, is reached; retry in a moment";
    Parked(limit: usize) = 503 INTERNAL_ERROR "parked" retry 1,
        "at most {} may wait for a client's input; retry in a moment", Count(*limit, "call");
    Subscriptions(limit: usize) = 503 INTERNAL_ERROR "subscriptions" retry 1,
        "{} subscribed to, the limit; unsubscribe from one first", are(*limit, "resource");
    TimedOut = 200 INTERNAL_ERROR "ended"; Some(Rule::Request), "the call took longer than the request timeout";

    // The child is to blame.
    NotStarted(reason: String) = 502 INTERNAL_ERROR "start",
        "the server could not be started: {reason}; see the proxy's log";
    Exhausted(reason: String) = 503 INTERNAL_ERROR "exhausted" retry 5,
        "{reason}; retry in a moment";
    StartTimeout = 504 INTERNAL_ERROR "start"; Some(Rule::Start),
        "the server did not answer initialize in time; see the proxy's log";
    Unreadable(reason: &'static str) = 502 INTERNAL_ERROR "start",
        "the server's answer to initialize can't be read: {reason}";
    Garbled(reason: &'static str) = 200 INTERNAL_ERROR "ended",
        "the server's answer can't be passed on: {reason}";
    /// The child ended before it answered `initialize` or was ready.
    Unstarted(cause: Cause) = 502 INTERNAL_ERROR "start"; cause.rule(),
        "the server did not start: {cause}; see the proxy's log";
    /// The process has ended, and the session goes on with another.
    Crashed(cause: Cause) = 200 INTERNAL_ERROR "ended"; cause.rule(),
        "the server ended during this call and lost its state: {cause}; the next call \
         restarts it";
    /// The session has ended.
    Ended(cause: Cause) = 200 INTERNAL_ERROR "ended"; cause.rule(),
        "the session has ended: {cause}";
    /// The process that requests of 2026-07-28 share has ended.
    Lost(cause: Cause) = 200 INTERNAL_ERROR "ended"; cause.rule(),
        "the shared child process has ended: {cause}";
}

impl Fault {
    /// What the end of a process means for those who waited for it to start. `reason` is why it
    /// could not be started.
    pub(crate) fn of_start(cause: Cause, reason: Option<&str>) -> Self {
        match (cause, reason) {
            (Cause::NotStarted, Some(reason)) => Self::NotStarted(reason.to_string()),
            (Cause::Exhausted, Some(reason)) => Self::Exhausted(reason.to_string()),
            (Cause::StartTimeout, _) => Self::StartTimeout,
            (Cause::Unreadable(reason), _) => Self::Unreadable(reason),
            (Cause::Changed(what), _) => Self::Changed(what),
            (Cause::Shutdown, _) => Self::Draining,
            _ => Self::Unstarted(cause),
        }
    }

    /// What the end of a session means for calls that wait for it to wake. If it was ended, the
    /// process that was to start is not to blame, and nothing reached it.
    pub(crate) fn of_wake(cause: Cause, reason: Option<&str>) -> Self {
        match cause {
            Cause::Deleted | Cause::Revoked => Self::SessionUnknown,
            _ => Self::of_start(cause, reason),
        }
    }

    /// What the end of a session means for its calls.
    pub(crate) const fn ended(cause: Cause) -> Self {
        match cause {
            Cause::Shutdown => Self::Draining,
            _ => Self::Ended(cause),
        }
    }

    /// What the end of a process means for the calls of a session that goes on.
    pub(crate) const fn crashed(cause: Cause) -> Self {
        match cause {
            Cause::Shutdown => Self::Draining,
            _ => Self::Crashed(cause),
        }
    }

    /// What the end of a shared process means for its requests.
    pub(crate) const fn lost(cause: Cause) -> Self {
        match cause {
            Cause::Shutdown => Self::Draining,
            _ => Self::Lost(cause),
        }
    }

    /// How a call ended that ended in this, as metrics name it.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            _ => "failed",
        }
    }

    /// The statuses and labels of all faults, each once.
    pub(crate) fn labels() -> impl Iterator<Item = (u16, &'static str)> {
        let rows = Self::ROWS.iter().enumerate();
        rows.filter(|(at, row)| !Self::ROWS[..*at].contains(row)).map(|(_, row)| *row)
    }

    /// What was refused, as metrics name it.
    pub(crate) fn label(&self) -> &'static str {
        self.spec().label
    }

    /// The HTTP status of a response that is nothing but this fault.
    pub(crate) fn status(&self) -> u16 {
        self.spec().status
    }

    /// What is wrong, and what would change it.
    fn text(&self, remedies: &Remedies) -> Cow<'static, str> {
        with_remedy(self.to_string().into(), self.spec().rule, remedies)
    }

    /// The text for the operator: the same without anything of the request, whose values are in
    /// the response alone.
    pub(crate) fn logged(&self, remedies: &Remedies) -> Cow<'static, str> {
        match self {
            Self::ProtocolVersion(_) => "this MCP-Protocol-Version is not supported".into(),
            Self::HeaderMismatch(_) => "a header differs from the body".into(),
            Self::MethodNotFound(_) => "the method does not exist".into(),
            Self::Undiscovered(_) => {
                let text = "the server did not name its revisions".into();
                with_remedy(text, Some(Rule::NoCrossing), remedies)
            }
            other => other.text(remedies),
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
