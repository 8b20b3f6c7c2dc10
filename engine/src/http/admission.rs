//! The rules of a request's head: who may speak (Host, Origin), what is asked for (method, path),
//! in which form (Accept, Content-Type), and for which session.
//!
//! All of it is judged before the body is read and before anything is started.

use crate::api::config::Config;
use crate::api::head::Head;
use crate::http::accept::Accept;
use crate::http::fault::Fault;
use crate::http::field::{self, is};
use crate::http::hosts;
use crate::http::owner;
use crate::http::trace;

/// What a request is for.
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
    pub(crate) fields: &'a field::Fields<'a>,
}

/// The fields that the rules know.
#[derive(Default)]
struct Known<'a> {
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

pub(super) const METHODS: &str = "GET, POST, DELETE, OPTIONS";
const HEALTH_METHODS: &str = "GET, HEAD";

impl<'a> Known<'a> {
    fn read(head: &Head<'a>) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for &(name, value) in head.fields {
            let known = match name.len() {
                4 if is(name, "host") => ("Host", &mut fields.host),
                6 if is(name, "origin") => ("Origin", &mut fields.origin),
                6 if is(name, "accept") => {
                    fields.accepts += 1;
                    fields.accept = Some(field::text("Accept", value)?);
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
            if known.1.replace(field::text(known.0, value)?).is_some() {
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
    let fields = Known::read(head)?;
    owner::is_legible(head.fields, config)?;
    let host = host(head, fields.host)?;
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
        // Prometheus reaches each node by its address.
        if !(metrics && host.is_some_and(hosts::is_address)) {
            hosts::host_allowed(host, config)?;
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

/// The host that is asked for. A target's authority counts, and a `Host` field that differs is an
/// attempt to be two requests (RFC 9112 "absolute-form"; RFC 9113 "Request Pseudo-Header Fields").
fn host<'a>(head: &Head<'a>, field: Option<&'a str>) -> Result<Option<&'a str>, Fault> {
    match (head.authority, field) {
        (Some(authority), Some(field)) if !authority.eq_ignore_ascii_case(field) => {
            Err(Fault::Authority)
        }
        (authority, field) => Ok(authority.or(field)),
    }
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

fn is_json(content_type: Option<&str>) -> bool {
    if content_type == Some("application/json") {
        return true;
    }
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_told_by_its_name_and_not_by_the_length_of_that() {
        let config = Config::default();
        let head = |fields: &[(&str, &[u8])]| {
            let head = Head { method: "GET", path: "/mcp", authority: None, fields };
            admit(&head, true, &config).map(|admitted| (admitted.accept.json, admitted.accept.sse))
        };
        let good: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"text/event-stream")];
        for length in 1..24 {
            let stranger = "x".repeat(length);
            let field = (&*stranger, &b"application/json, text/event-stream"[..]);
            for count in 1..=2 {
                let fields = [&good[..], &[field; 2][..count]].concat();
                assert!(matches!(head(&fields), Ok((false, true))), "{stranger}");
            }
        }
    }
}
