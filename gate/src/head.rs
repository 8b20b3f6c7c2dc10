//! A request's head, judged by RFC 9112: the request line, and the fields that decide how the
//! message is framed and whom it is for.
//!
//! Only fields that the program has a use for are kept, as places in the buffer. They have to be
//! visible ASCII, and single unless they are lists; foreign fields may be anything that RFC 9110
//! lets a field be.

use std::rc::Rc;

use super::{FIELDS, Refusal, chunked::is_token};

pub(super) const TARGET_TOO_LONG: Refusal = Refusal::new(414, "the request target is too long");
pub(super) const TOO_LARGE: Refusal = Refusal::new(431, "the request's head is too large");

/// The methods that HTTP knows (RFC 9110 and 5789). What may be done with them is decided behind
/// the gate.
const METHODS: [&str; 9] =
    ["POST", "GET", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH", "TRACE", "CONNECT"];

/// The fields that are kept, beside those that begin with `mcp-` and those that the gate was given.
const KEPT: [&[u8]; 10] = [
    b"host",
    b"accept",
    b"content-type",
    b"origin",
    b"last-event-id",
    b"access-control-request-method",
    b"access-control-request-headers",
    TRACE[0],
    TRACE[1],
    TRACE[2],
];
/// The trace context. What of it can't be kept is left out: no request is refused for it.
const TRACE: [&[u8]; 3] = [b"traceparent", b"tracestate", b"baggage"];
/// Those of them that are lists, and so may come more than once.
const LISTS: [&[u8]; 2] = [b"accept", b"access-control-request-headers"];

/// The most bytes of kept fields. async-h1's decoder, which reads them next, stops at 8 KiB.
const KEPT_BYTES: usize = 7 * 1024;

pub(super) type Span = (usize, usize);

/// How the content is delimited (RFC 9112, "Message Body Length").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Length {
    /// There is none.
    #[default]
    None,
    /// By `Content-Length`.
    Known(u64),
    /// By the chunked coding.
    Chunked,
}

/// What a head says. Spans count from the head's first byte.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) method: &'static str,
    pub(super) path: Span,
    /// Where the target ends, its query included.
    pub(super) target_end: usize,
    pub(super) fields: Vec<(Span, Span)>,
    pub(super) length: Length,
    /// Where the digits of `Content-Length` are.
    pub(super) digits: Option<Span>,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    pub(super) old: bool,
    /// Names of further fields that are kept.
    pub(super) also: Rc<[String]>,
}

/// What is gathered on the way through the fields.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    coding: Option<&'a [u8]>,
    close: bool,
    /// Names of [`TRACE`] of which nothing is kept.
    untraced: [bool; TRACE.len()],
}

impl Parsed {
    /// Reads a whole head, its last empty line included.
    pub(super) fn read(&mut self, head: &[u8], target_limit: usize) -> Result<(), Refusal> {
        self.fields.clear();
        self.length = Length::None;
        self.digits = None;
        self.expects_continue = false;
        // To the LF, which is known to follow a CR: a CR elsewhere is part of the line, and wrong.
        let line_end = head.iter().position(|&b| b == b'\n').unwrap_or(0);
        let (line, fields) = head.split_at(line_end.saturating_sub(1));
        let authority = self.read_line(line, target_limit)?;
        let fields = fields.get(2..).unwrap_or_default();
        let mut slots = [httparse::EMPTY_HEADER; FIELDS];
        let headers = match httparse::parse_headers(fields, &mut slots) {
            Ok(httparse::Status::Complete((_, headers))) => headers,
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(431, "the request has too many header fields"));
            }
            _ => return Err(Refusal::bad("a header field is malformed")),
        };
        let mut seen = Seen::default();
        for header in headers {
            self.read_field(head, header, &mut seen)?;
        }
        self.judge_host(&seen, authority)?;
        self.judge_length(&seen)?;
        self.keep_alive = !self.old && !seen.close;
        Ok(())
    }

    /// The same head has come again, with these digits as its length, or none if it has none. False
    /// if they are no length, and the head has to be read.
    pub(super) fn repeat(&mut self, digits: &[u8]) -> bool {
        let Some((from, to)) = self.digits else { return true };
        let Ok(length) = read_length(digits) else { return false };
        self.length = Length::Known(length);
        let end = from + digits.len();
        if end == to {
            return true;
        }
        self.digits = Some((from, end));
        for (name, value) in self.fields.iter_mut().filter(|(name, _)| name.0 > to) {
            for place in [&mut name.0, &mut name.1, &mut value.0, &mut value.1] {
                *place = *place - to + end;
            }
        }
        true
    }

    /// Reads the request line; the authority of an absolute target comes back.
    fn read_line<'a>(
        &mut self,
        line: &'a [u8],
        target_limit: usize,
    ) -> Result<Option<&'a [u8]>, Refusal> {
        const MALFORMED: Refusal = Refusal::bad("the request line is malformed");
        let mut parts = line.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MALFORMED);
        };
        self.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Refusal::new(505, "the HTTP version is not supported; use HTTP/1.1"));
            }
            _ => return Err(MALFORMED),
        };
        if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
            return Err(MALFORMED);
        }
        let Some(known) = METHODS.iter().find(|known| known.as_bytes() == method) else {
            return Err(Refusal::new(501, "the method is not supported"));
        };
        self.method = known;
        if target.len() > target_limit {
            return Err(TARGET_TOO_LONG);
        }
        self.read_target(target, method.len() + 1)
    }

    /// Reads the target, origin-form or absolute-form; the others are for proxies and servers of
    /// whole sites (RFC 9112, "Request Target").
    fn read_target<'a>(
        &mut self,
        target: &'a [u8],
        begin: usize,
    ) -> Result<Option<&'a [u8]>, Refusal> {
        const MALFORMED: Refusal = Refusal::bad("the request target is malformed");
        let is_good = |&b: &u8| b.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&b);
        if !target.iter().all(is_good) {
            return Err(MALFORMED);
        }
        let (authority, path_at) = if target.starts_with(b"/") {
            (None, 0)
        } else {
            let scheme = [&b"http://"[..], b"https://"]
                .into_iter()
                .find(|s| target.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)))
                .ok_or(MALFORMED)?;
            let rest = &target[scheme.len()..];
            let len = rest.iter().position(|b| b"/?".contains(b)).unwrap_or(rest.len());
            (Some(&rest[..len]), scheme.len() + len)
        };
        let path = &target[path_at..];
        let path_len = path.iter().position(|&b| b == b'?').unwrap_or(path.len());
        self.path = (begin + path_at, begin + path_at + path_len);
        self.target_end = begin + target.len();
        Ok(authority)
    }

    fn read_field<'a>(
        &mut self,
        head: &'a [u8],
        header: &httparse::Header<'a>,
        seen: &mut Seen<'a>,
    ) -> Result<(), Refusal> {
        let name = header.name.as_bytes();
        let value = header.value.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = read_length(value)?;
            if seen.length.replace(length).is_some() {
                return Err(Refusal::bad("the Content-Length header is repeated"));
            }
            self.digits = Some(place(head, value));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if seen.coding.replace(value).is_some() {
                return Err(Refusal::bad("the Transfer-Encoding header is repeated"));
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            let mut tokens = value.split(|&b| b == b',');
            seen.close |= tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(b"close"));
        } else if name.eq_ignore_ascii_case(b"expect") {
            if !value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Refusal::new(
                    417,
                    "the Expect header has a value other than 100-continue",
                ));
            }
            self.expects_continue = !self.old;
        } else if name.eq_ignore_ascii_case(b"content-encoding") {
            // RFC 9110, "Content-Encoding": what is coded can't be read here.
            let mut codings = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
            if !codings.all(|c| c.is_empty() || c.eq_ignore_ascii_case(b"identity")) {
                return Err(Refusal::new(
                    415,
                    "a request body with Content-Encoding is not supported",
                ));
            }
        } else if self.keeps(name) {
            if name.eq_ignore_ascii_case(b"host") {
                seen.host = Some(value);
            }
            self.keep(head, (name, value), seen)?;
        }
        Ok(())
    }

    /// Whether the program has a use for fields of this name.
    fn keeps(&self, name: &[u8]) -> bool {
        let is_mcp = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"mcp-"));
        is_mcp
            || KEPT.iter().any(|kept| name.eq_ignore_ascii_case(kept))
            || self.also.iter().any(|kept| name.eq_ignore_ascii_case(kept.as_bytes()))
    }

    fn keep(
        &mut self,
        head: &[u8],
        (name, value): (&[u8], &[u8]),
        seen: &mut Seen<'_>,
    ) -> Result<(), Refusal> {
        let trace = TRACE.iter().position(|trace| name.eq_ignore_ascii_case(trace));
        if trace.is_some_and(|trace| seen.untraced[trace]) {
            return Ok(());
        }
        if !value.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e)) {
            let Some(trace) = trace else {
                return Err(Refusal::bad("a header field that is read here is not ASCII"));
            };
            // A list of which a part is missing would say something else.
            seen.untraced[trace] = true;
            self.untrace(head, seen);
            return Ok(());
        }
        let is_same = |&(from, to): &Span| head[from..to].eq_ignore_ascii_case(name);
        if trace.is_none()
            && !may_repeat(name)
            && self.fields.iter().any(|(earlier, _)| is_same(earlier))
        {
            return Err(Refusal::bad("a header field that must occur once is repeated"));
        }
        self.fields.push((place(head, name), place(head, value)));
        if self.kept() > KEPT_BYTES {
            seen.untraced = [true; TRACE.len()];
            self.untrace(head, seen);
        }
        if self.kept() > KEPT_BYTES {
            return Err(TOO_LARGE);
        }
        Ok(())
    }

    fn untrace(&mut self, head: &[u8], seen: &Seen<'_>) {
        let names = TRACE.iter().zip(seen.untraced).filter(|(_, untraced)| *untraced);
        self.fields.retain(|((from, to), _)| {
            names.clone().all(|(name, _)| !head[*from..*to].eq_ignore_ascii_case(name))
        });
    }

    /// Bytes of the fields that are kept.
    fn kept(&self) -> usize {
        let size = |&(name, value): &(Span, Span)| value.1 - value.0 + name.1 - name.0 + 4;
        self.fields.iter().map(size).sum()
    }

    /// RFC 9112, "Host": exactly one, well formed, and the same as in an absolute target.
    fn judge_host(&self, seen: &Seen<'_>, authority: Option<&[u8]>) -> Result<(), Refusal> {
        match seen.host {
            None if self.old && authority.is_none() => return Ok(()),
            None => return Err(Refusal::bad("the request has no Host header")),
            Some(host) if !is_host(host) => {
                return Err(Refusal::bad("the Host header is malformed"));
            }
            Some(host) => match authority {
                Some(authority) if !authority.eq_ignore_ascii_case(host) => {
                    return Err(Refusal::bad(
                        "the Host header differs from the authority of the request target",
                    ));
                }
                _ => {}
            },
        }
        Ok(())
    }

    /// RFC 9112, "Message Body Length", without its leniencies: what could be read in two ways
    /// is refused.
    fn judge_length(&mut self, seen: &Seen<'_>) -> Result<(), Refusal> {
        let Some(coding) = seen.coding else {
            self.length = seen.length.map_or(Length::None, Length::Known);
            return Ok(());
        };
        if seen.length.is_some() {
            return Err(Refusal::bad("the request has both Content-Length and Transfer-Encoding"));
        }
        if self.old {
            return Err(Refusal::bad("HTTP/1.0 has no Transfer-Encoding"));
        }
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(match coding.iter().all(|&b| is_token(b) || b", \t".contains(&b)) {
                true if !coding.is_empty() => Refusal::new(
                    501,
                    "the Transfer-Encoding is not chunked, the only one that is supported",
                ),
                _ => Refusal::bad("the Transfer-Encoding is malformed"),
            });
        }
        self.length = Length::Chunked;
        Ok(())
    }
}

fn is_one_of(names: &[&[u8]], name: &[u8]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a field may come more than once: a list, or one that the engine compares with the body,
/// and then refuses under the request's id (MCP 2026-07-28 "Server Validation").
fn may_repeat(name: &[u8]) -> bool {
    let is_mcp = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"mcp-"));
    is_one_of(&LISTS, name) || is_mcp && !name.eq_ignore_ascii_case(b"mcp-session-id")
}

/// Where `part`, a piece of `whole`, stands in it.
fn place(whole: &[u8], part: &[u8]) -> Span {
    let from = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    (from, from + part.len())
}

fn read_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad("the Content-Length is malformed"));
    }
    // 19 digits fit into 64 bits whatever they are.
    if value.len() > 19 {
        return Err(super::chunked::TOO_LARGE);
    }
    Ok(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// A host with or without a port: a name or IPv4 address of letters, digits, `-`, `.` and `_`, or
/// an IPv6 address in brackets. A port may be empty (RFC 3986 "Port").
fn is_host(host: &[u8]) -> bool {
    let (name_ok, rest) = match host.strip_prefix(b"[") {
        Some(inner) => {
            let Some(end) = inner.iter().position(|&b| b == b']') else {
                return false;
            };
            let good = |b: &u8| b.is_ascii_hexdigit() || b":.".contains(b);
            (end > 1 && inner[..end].iter().all(good), &inner[end + 1..])
        }
        None => {
            let end = host.iter().position(|&b| b == b':').unwrap_or(host.len());
            let good = |b: &u8| b.is_ascii_alphanumeric() || b"-._".contains(b);
            (end > 0 && host[..end].iter().all(good), &host[end..])
        }
    };
    let port_ok = match rest {
        [] => true,
        [b':', port @ ..] => {
            port.len() <= 5
                && port.iter().all(u8::is_ascii_digit)
                && port.iter().fold(0, |sum, d| sum * 10 + u32::from(d - b'0')) <= 65535
        }
        _ => false,
    };
    name_ok && port_ok
}
