//! The rules of a request's head: who may speak (Host, Origin), what is asked for (method, path),
//! in which form (Accept, Content-Type), and for which session.
//!
//! All of it is judged before the body is read and before anything is started.

use crate::api::config::Config;
use crate::api::handles::Exchange;
use crate::api::head::Head;
use crate::http::accept::Accept;
use crate::http::fault::Fault;
use crate::http::field::{self, Text, is};
use crate::http::hosts;
use crate::http::owner;
use crate::http::trace;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The health of the proxy.
    Health,
    /// Its metrics.
    Metrics,
    /// What the endpoint allows (CORS preflight).
    Options,
    /// To hand over a message.
    Post,
    /// To listen.
    Get,
    /// To end the session.
    Delete,
}

/// What is spoken at a path of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Streamable HTTP.
    Streamable,
    /// HTTP+SSE of 2024-11-05: a GET opens a session and its only stream, and each POST names the
    /// session in its query.
    Sse,
}

impl Transport {
    /// The methods that it has.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::Streamable => "GET, POST, DELETE, OPTIONS",
            Self::Sse => "GET, POST, OPTIONS",
        }
    }

    /// A session that does not exist for this client, in words that fit its transport.
    pub(crate) const fn unknown(self) -> Fault {
        match self {
            Self::Streamable => Fault::SessionUnknown,
            Self::Sse => Fault::StreamUnknown,
        }
    }

    /// A second `initialize` in a session.
    pub(crate) const fn initialized(self) -> Fault {
        match self {
            Self::Streamable => Fault::Initialized,
            Self::Sse => Fault::StreamInitialized,
        }
    }
}

/// A head that was let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) path: &'a str,
    pub(crate) transport: Transport,
    pub(crate) operation: Operation,
    pub(crate) accept: Accept,
    pub(crate) origin: Option<&'a str>,
    pub(crate) session: Option<Text<'a>>,
    pub(crate) version: Option<Text<'a>>,
    pub(crate) last_event_id: Option<&'a str>,
    /// `Mcp-Method` and `Mcp-Name`, which repeat what the body says.
    pub(crate) method: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// A field that repeats what the body says, and comes more than once.
    pub(crate) repeated: Option<&'static str>,
    /// Whether there is a trace context.
    pub(crate) traced: bool,
    /// All fields.
    pub(crate) fields: &'a field::Fields<'a>,
}

/// A request that was let in, and whose content has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) exchange: Exchange,
    pub(crate) head: &'a Admitted<'a>,
    /// Random bits, fresh for each request.
    pub(crate) random: u128,
}

/// The fields that the rules know.
#[derive(Default)]
struct Known<'a> {
    /// How many `Accept` fields there are, and whether the last is what the SDKs send.
    accepts: usize,
    usual: bool,
    host: Option<Text<'a>>,
    origin: Option<Text<'a>>,
    content_type: Option<Text<'a>>,
    session: Option<Text<'a>>,
    version: Option<Text<'a>>,
    last_event_id: Option<Text<'a>>,
    method: Option<Text<'a>>,
    name: Option<Text<'a>>,
    repeated: Option<&'static str>,
    traced: bool,
}

/// Fields that repeat what the body says: whether they agree is seen when that is there.
const REPEATING: [&str; 3] = ["Mcp-Name", "Mcp-Method", "MCP-Protocol-Version"];

const JSON: &str = "application/json";

/// The fields whose values have to be text.
const KNOWN: [&str; 9] = [
    "Host",
    "Origin",
    "Accept",
    "Mcp-Name",
    "Mcp-Method",
    "Content-Type",
    "Last-Event-ID",
    "Mcp-Session-Id",
    "MCP-Protocol-Version",
];

const HEALTH_METHODS: &str = "GET, HEAD";

impl<'a> Known<'a> {
    fn read(&mut self, head: &Head<'a>) -> Result<(), Fault> {
        let mut ascii = true;
        for &(name, value) in head.fields {
            let known = match name.len() {
                4 if is(name, "host") => ("Host", &mut self.host),
                6 if is(name, "origin") => ("Origin", &mut self.origin),
                6 if is(name, "accept") => {
                    self.accepts += 1;
                    self.usual = value == b"application/json, text/event-stream";
                    ascii &= self.usual || value.is_ascii();
                    continue;
                }
                8 if is(name, "mcp-name") => ("Mcp-Name", &mut self.name),
                10 if is(name, "mcp-method") => ("Mcp-Method", &mut self.method),
                12 if is(name, "content-type") => ("Content-Type", &mut self.content_type),
                13 if is(name, "last-event-id") => ("Last-Event-ID", &mut self.last_event_id),
                14 if is(name, "mcp-session-id") => ("Mcp-Session-Id", &mut self.session),
                20 if is(name, "mcp-protocol-version") => {
                    ("MCP-Protocol-Version", &mut self.version)
                }
                7 | 10 | 11 if trace::is_field(name) => {
                    self.traced = true;
                    continue;
                }
                _ => continue,
            };
            ascii &= value == JSON.as_bytes() || value.is_ascii();
            if known.1.replace(Text(value)).is_some() {
                if !REPEATING.contains(&known.0) {
                    return Err(Fault::Repeated(known.0));
                }
                self.repeated = Some(known.0);
            }
        }
        if ascii { Ok(()) } else { are_text(head) }
    }
}

/// Whether the values of all known fields are text.
#[cold]
fn are_text(head: &Head<'_>) -> Result<(), Fault> {
    KNOWN.iter().try_for_each(|name| field::are_text(head.fields, name))
}

/// Judges a head by the rules; what is spoken at its path is known already, if it is that of a
/// server, and so is the session that its query names.
pub(crate) fn admit<'a>(
    head: &Head<'a>,
    transport: Option<Transport>,
    named: Option<&'a str>,
    config: &Config,
) -> Result<Admitted<'a>, Fault> {
    let mut fields = Known::default();
    fields.read(head)?;
    owner::is_legible(head.fields, config)?;
    let host = host(head, fields.host)?;
    let origin = fields.origin.map(Text::decoded);
    let health = config.health.as_deref() == Some(head.path);
    let mut session = fields.session;
    let mut accept = match fields.accepts {
        0 => Accept::ANY,
        1 if fields.usual => Accept::ANY,
        _ => Accept::of(head.fields),
    };
    let operation = if health {
        match head.method {
            "GET" | "HEAD" => Operation::Health,
            _ => return Err(Fault::Method(HEALTH_METHODS)),
        }
    } else {
        let metrics = config.metrics.as_deref() == Some(head.path);
        // Prometheus reaches each node by its address.
        if !(metrics && host.is_some_and(hosts::is_address)) {
            hosts::host_allowed(host, config)?;
        }
        hosts::origin_allowed(origin, config)?;
        if metrics {
            match head.method {
                "GET" | "HEAD" => Operation::Metrics,
                _ => return Err(Fault::Method(HEALTH_METHODS)),
            }
        } else {
            match transport {
                Some(Transport::Streamable) => operation(head.method, fields.content_type, accept)?,
                Some(Transport::Sse) => {
                    session = named.map(Text::of);
                    let operation = operation_sse(head.method, session, &fields, accept)?;
                    if operation == Operation::Post {
                        // It is answered on the stream.
                        accept = Accept::ANY;
                    }
                    operation
                }
                None => return Err(Fault::NotFound),
            }
        }
    };
    Ok(Admitted {
        path: head.path,
        transport: transport.unwrap_or(Transport::Streamable),
        operation,
        accept,
        origin: if health { None } else { origin },
        session: session.filter(|id| !id.is("")),
        version: fields.version,
        last_event_id: fields.last_event_id.map(Text::decoded),
        method: fields.method.map(Text::decoded),
        name: fields.name.map(Text::decoded),
        repeated: fields.repeated,
        traced: fields.traced && config.trace_context,
        fields: head.fields,
    })
}

/// The host that is asked for. A target's authority counts, and a `Host` field that differs is an
/// attempt to be two requests (RFC 9112 "absolute-form"; RFC 9113 "Request Pseudo-Header Fields").
fn host<'a>(head: &Head<'a>, field: Option<Text<'a>>) -> Result<Option<Text<'a>>, Fault> {
    match (head.authority.map(Text::of), field) {
        (Some(authority), Some(field))
            if !authority.bytes().eq_ignore_ascii_case(field.bytes()) =>
        {
            Err(Fault::Authority)
        }
        (authority, field) => Ok(authority.or(field)),
    }
}

fn operation(
    method: &str,
    content_type: Option<Text<'_>>,
    accept: Accept,
) -> Result<Operation, Fault> {
    match method {
        "POST" if !is_json(content_type) => Err(Fault::ContentType),
        "POST" => Ok(Operation::Post),
        "GET" if !accept.sse => Err(Fault::NotAcceptable),
        "GET" => Ok(Operation::Get),
        "DELETE" => Ok(Operation::Delete),
        "OPTIONS" => Ok(Operation::Options),
        _ => Err(Fault::Method(Transport::Streamable.methods())),
    }
}

/// The same for HTTP+SSE. A client that asks which transport is spoken posts without a session, and
/// is told by the refusal to use GET (MCP 2025-03-26 "Backwards Compatibility").
fn operation_sse(
    method: &str,
    session: Option<Text<'_>>,
    fields: &Known<'_>,
    accept: Accept,
) -> Result<Operation, Fault> {
    match method {
        "POST" if session.is_none_or(|id| id.is("")) => Err(Fault::Method("GET, OPTIONS")),
        "GET" | "POST" | "OPTIONS" => operation(method, fields.content_type, accept),
        _ => Err(Fault::Method(Transport::Sse.methods())),
    }
}

fn is_json(content_type: Option<Text<'_>>) -> bool {
    let Some(value) = content_type else { return false };
    let media_type = || value.decoded().split(';').next().unwrap_or_default().trim();
    value.is(JSON) || media_type().eq_ignore_ascii_case(JSON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_by_its_name_and_not_by_the_length_of_that() {
        let config = Config::default();
        let head = |fields: &[(&str, &[u8])]| {
            let head = Head { method: "GET", path: "/mcp", authority: None, fields };
            let at = Some(Transport::Streamable);
            admit(&head, at, None, &config)
                .map(|admitted| (admitted.accept.json, admitted.accept.sse, admitted.repeated))
        };
        let good: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"text/event-stream")];
        assert!(head(&[good[0], ("accept", b"text/event-stream, \xe9")]).is_err(), "no text");
        for length in 1..24 {
            let stranger = "x".repeat(length);
            let field = (&*stranger, &b"application/json, text/event-stream"[..]);
            for count in 1..=2 {
                let fields = [&good[..], &[field; 2][..count]].concat();
                assert!(matches!(head(&fields), Ok((false, true, None))), "{stranger}");
            }
        }
    }
}
