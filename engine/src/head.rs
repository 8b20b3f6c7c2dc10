//! The rules of a request's head: who may speak (Host, Origin), what is asked for (method, path),
//! in which form (Accept, Content-Type), and for which session.
//!
//! All of it is judged before the body is read and before anything is started.

mod accept;
mod hosts;

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::config::Config;
use crate::fault::Fault;
pub(crate) use crate::head::accept::Accept;
use crate::io::{Body, Response};
use crate::trace;

/// A request line and its header fields, as the driver read them (RFC 9110 "Message Abstraction").
///
/// The driver bounds them: [`Config::head`](crate::Config::head) is the figure that it is to keep
/// to. A field that the engine reads may come once, unless it is a list; a request that repeats one
/// is refused.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields = [("Host", "localhost:8080"), ("Content-Type", "application/json")];
/// let post = Head { method: "POST", path: "/mcp", fields: &fields };
/// assert!(bridge.admit(&post).is_ok());
/// let elsewhere = Head { path: "/", ..post };
/// assert_eq!(bridge.admit(&elsewhere).unwrap_err().response.status, 404);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// The target's path, without its query, as it stood on the wire.
    pub path: &'a str,
    /// Field names in any case and values without surrounding white space, in their order.
    pub fields: &'a [(&'a str, &'a str)],
}

/// What a head asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
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

/// A head that was let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted<'a> {
    pub(crate) path: &'a str,
    pub(crate) asks: Asks,
    pub(crate) accept: Accept,
    pub(crate) origin: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) version: Option<&'a str>,
    pub(crate) last_event_id: Option<&'a str>,
    /// `Mcp-Method` and `Mcp-Name`, which repeat what the body says.
    pub(crate) method: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// A field that repeats what the body says, and comes more than once.
    pub(crate) repeated: Option<&'static str>,
    /// Whether there is a trace context.
    pub(crate) traced: bool,
    /// All fields.
    pub(crate) fields: &'a [(&'a str, &'a str)],
}

/// The fields that the rules know.
#[derive(Default)]
struct Fields<'a> {
    /// The last of the `Accept` fields, and how many there are.
    accept: Option<&'a str>,
    accepts: usize,
    host: Option<&'a str>,
    origin: Option<&'a str>,
    content_type: Option<&'a str>,
    session: Option<&'a str>,
    version: Option<&'a str>,
    last_event_id: Option<&'a str>,
    method: Option<&'a str>,
    name: Option<&'a str>,
    repeated: Option<&'static str>,
    traced: bool,
}

/// Fields that repeat what the body says: whether they agree is seen when that is there.
const REPEATING: [&str; 3] = ["Mcp-Name", "Mcp-Method", "MCP-Protocol-Version"];

const JSON: &[(&str, Cow<'_, str>)] = &[("content-type", Cow::Borrowed("application/json"))];
const STREAM: &[(&str, Cow<'_, str>)] = &[
    ("content-type", Cow::Borrowed("text/event-stream")),
    ("cache-control", Cow::Borrowed("no-cache, no-transform")),
    ("x-accel-buffering", Cow::Borrowed("no")),
];
/// The most names that a preflight is told back: no request has more fields.
const ASKED: usize = 64;
const ALLOW: &[(&str, Cow<'_, str>)] = &[("allow", Cow::Borrowed(METHODS))];
const METHODS: &str = "GET, POST, DELETE, OPTIONS";
const HEALTH_METHODS: &str = "GET, HEAD";

impl<'a> Fields<'a> {
    fn read(head: &Head<'a>) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for &(name, value) in head.fields {
            let known = match name.len() {
                4 if is(name, "host") => ("Host", &mut fields.host),
                6 if is(name, "origin") => ("Origin", &mut fields.origin),
                6 if is(name, "accept") => {
                    fields.accepts += 1;
                    fields.accept = Some(value);
                    continue;
                }
                8 if is(name, "mcp-name") => ("Mcp-Name", &mut fields.name),
                10 if is(name, "mcp-method") => ("Mcp-Method", &mut fields.method),
                12 if is(name, "content-type") => ("Content-Type", &mut fields.content_type),
                13 if is(name, "last-event-id") => ("Last-Event-ID", &mut fields.last_event_id),
                14 if is(name, "mcp-session-id") => ("Mcp-Session-Id", &mut fields.session),
                20 if is(name, "mcp-protocol-version") => {
                    ("MCP-Protocol-Version", &mut fields.version)
                }
                7 | 10 | 11 if trace::is_field(name) => {
                    fields.traced = true;
                    continue;
                }
                _ => continue,
            };
            if known.1.replace(value).is_some() {
                if !REPEATING.contains(&known.0) {
                    return Err(Fault::Repeated(known.0));
                }
                fields.repeated = Some(known.0);
            }
        }
        Ok(fields)
    }
}

/// Judges a head by the rules; whether its path is that of a server is known already.
pub(crate) fn admit<'a>(
    head: &Head<'a>,
    is_endpoint: bool,
    config: &Config,
) -> Result<Admitted<'a>, Fault> {
    let fields = Fields::read(head)?;
    let health = config.health.as_deref() == Some(head.path);
    let accept = match (fields.accepts, fields.accept) {
        // What the SDKs send.
        (1, Some("application/json, text/event-stream")) => Accept { json: true, sse: true },
        _ => Accept::of(head.fields),
    };
    let asks = if health {
        match head.method {
            "GET" | "HEAD" => Asks::Health,
            _ => return Err(Fault::Method(HEALTH_METHODS)),
        }
    } else {
        let metrics = config.metrics.as_deref() == Some(head.path);
        // Prometheus asks each node by its address.
        if !(metrics && fields.host.is_some_and(hosts::is_address)) {
            hosts::host_allowed(fields.host, config)?;
        }
        hosts::origin_allowed(fields.origin, config)?;
        if metrics {
            match head.method {
                "GET" | "HEAD" => Asks::Metrics,
                _ => return Err(Fault::Method(HEALTH_METHODS)),
            }
        } else if is_endpoint {
            asks(head.method, fields.content_type, accept)?
        } else {
            return Err(Fault::NotFound);
        }
    };
    Ok(Admitted {
        path: head.path,
        asks,
        accept,
        origin: if health { None } else { fields.origin },
        session: fields.session.filter(|id| !id.is_empty()),
        version: fields.version,
        last_event_id: fields.last_event_id,
        method: fields.method,
        name: fields.name,
        repeated: fields.repeated,
        traced: fields.traced && config.trace_context,
        fields: head.fields,
    })
}

fn asks(method: &str, content_type: Option<&str>, accept: Accept) -> Result<Asks, Fault> {
    match method {
        "POST" if !is_json(content_type) => Err(Fault::ContentType),
        "POST" => Ok(Asks::Post),
        "GET" if !accept.sse => Err(Fault::NotAcceptable),
        "GET" => Ok(Asks::Get),
        "DELETE" => Ok(Asks::Delete),
        "OPTIONS" => Ok(Asks::Options),
        _ => Err(Fault::Method(METHODS)),
    }
}

/// Whether two names are the same; most are spelled as ours.
#[inline(always)]
fn is(name: &str, ours: &str) -> bool {
    name == ours || is_in_other_letters(name, ours)
}

#[cold]
fn is_in_other_letters(name: &str, ours: &str) -> bool {
    name.eq_ignore_ascii_case(ours)
}

fn is_json(content_type: Option<&str>) -> bool {
    if content_type == Some("application/json") {
        return true;
    }
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// The variables that a request's fields give to the environment of its child.
pub(crate) fn env(fields: &[(&str, &str)], config: &Config) -> Vec<(String, String)> {
    let value = |header: &str| {
        let mut named = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(header));
        // Twice would be a choice for somebody to make: none is taken.
        named.next().filter(|_| named.next().is_none()).map(|(_, value)| value.to_string())
    };
    let pairs = config.header_env.iter();
    pairs.filter_map(|(header, name)| Some((name.clone(), value(header)?))).collect()
}

/// Lets a page of an allowed origin read a response (WHATWG Fetch, "CORS protocol").
pub(crate) fn expose(origin: Option<&str>, response: &mut Response) {
    // A value from the network goes into a head only if it can't end the line.
    let Some(origin) = origin.filter(|o| o.bytes().all(|b| b.is_ascii_graphic())) else {
        return;
    };
    response.fields.to_mut().extend([
        ("access-control-allow-origin", Cow::Owned(origin.to_string())),
        ("access-control-expose-headers", Cow::Borrowed("mcp-session-id")),
        ("vary", Cow::Borrowed("origin")),
    ]);
}

/// The answer to OPTIONS: what is allowed, and to a preflight what a page may send.
pub(crate) fn options(head: &Admitted<'_>) -> Response {
    let mut response = Response { fields: Cow::Borrowed(ALLOW), ..empty(204) };
    expose(head.origin, &mut response);
    if head.origin.is_some() {
        response.fields.to_mut().extend([
            ("access-control-allow-methods", Cow::Borrowed(METHODS)),
            ("access-control-allow-headers", allowed_headers(head.fields)),
            ("access-control-max-age", Cow::Borrowed("7200")),
        ]);
    }
    response
}

/// What a page may send: the fields that are known, and those that it asks for.
fn allowed_headers(fields: &[(&str, &str)]) -> Cow<'static, str> {
    const KNOWN: &str = "accept, authorization, content-type, last-event-id, mcp-method, mcp-name, \
                         mcp-protocol-version, mcp-session-id";
    let asked = fields.iter().filter(|(name, _)| is(name, "access-control-request-headers"));
    let asked = asked.flat_map(|(_, value)| value.split(',')).take(accept::ELEMENTS).map(str::trim);
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let plain = |name: &&str| !name.is_empty() && name.bytes().all(good);
    let known = |name: &str| KNOWN.split(", ").any(|known| is(name, known));
    let asked = asked.filter(plain).filter(|name| !known(name)).take(ASKED);
    asked.fold(Cow::Borrowed(KNOWN), |mut all, name| {
        all.to_mut().extend([", ", name]);
        all
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(values: &[&str]) -> (bool, bool) {
        let fields: Vec<(&str, &str)> = values.iter().map(|v| ("ACCEPT", *v)).collect();
        let accept = Accept::of(&fields);
        (accept.json, accept.sse)
    }

    #[test]
    fn accept_by_the_most_specific_range() {
        for (values, wanted) in [
            (&[][..], (true, true)),
            (&["*/*"], (true, true)),
            (&["application/json, text/event-stream"], (true, true)),
            (&["application/json", "text/event-stream"], (true, true)),
            (&["application/json"], (true, false)),
            (&["text/event-stream"], (false, true)),
            (&["Application/JSON;q=0.5"], (true, false)),
            (&["application/*, text/html"], (true, false)),
            (&["text/*;q=0.1"], (false, true)),
            (&["*/*, text/event-stream;q=0"], (true, false)),
            (&["text/event-stream;q=0, */*"], (true, false)),
            (&["*/*;q=0.000"], (false, false)),
            (&["application/json;charset=utf-8;q=0"], (false, false)),
            (&["text/html"], (false, false)),
            (&[""], (false, false)),
        ] {
            assert_eq!(accept(values), wanted, "{values:?}");
        }
    }

    #[test]
    fn a_field_is_told_by_its_name_and_not_by_the_length_of_that() {
        let config = Config::default();
        let head = |fields: &[(&str, &str)]| {
            let head = Head { method: "GET", path: "/mcp", fields };
            admit(&head, true, &config).map(|admitted| (admitted.accept.json, admitted.accept.sse))
        };
        let good = [("host", "localhost"), ("accept", "text/event-stream")];
        for length in 1..24 {
            let stranger = "x".repeat(length);
            let field = (&*stranger, "application/json, text/event-stream");
            for count in 1..=2 {
                let fields = [&good[..], &[field; 2][..count]].concat();
                assert!(matches!(head(&fields), Ok((false, true))), "{stranger}");
            }
        }
    }
}
