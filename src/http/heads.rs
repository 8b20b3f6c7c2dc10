//! Heads between the gate, async-h1 and the engine: a canonical head for the decoder, response
//! heads from the encoder. No byte of a peer reaches them unparsed.
//!
//! async-h1 aborts, panics, smuggles or hangs on hostile input, so it never sees the network. Its
//! decoder reads a head that this module wrote, from memory, in one poll; its encoder writes
//! response heads. Contents and chunks are written here.
//!
//! Both go through maps and one allocation a field, which costs more than the rest of a call. A
//! client sends the same head with each request, and the program the same few with each response.
//! So two results are kept: of each connection the last decoded head, used while
//! [`Gate::repeats`] says that the bytes are the same; and in [`Heads`] the last encoded heads, for
//! as long as their `Date` is current. Only the length of the content changes, which the gate reads
//! and `Heads` writes.

use std::borrow::Cow;
use std::iter::once;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use async_h1::server::{Encoder, decode as decode_head};
use futures_lite::AsyncRead;
use futures_lite::io::{Cursor, empty};
use http_types::{Body as HttpBody, Method, Response as HttpResponse, StatusCode};
use mcp_bridge::{Body, Head, Response, Rule};

use crate::http::send_queue::JOINED;
use crate::logging::remedies;
use hyper_mcp_gate::{Gate, Refusal};

/// Fields that are passed to the engine without an allocation: more than the relevant ones of MCP
/// clients.
const FIELDS: usize = 16;
/// The longest text of a head whose fields are kept for the next request. Those of MCP clients have
/// half of this, and an idle connection pays for what is kept.
const KEEP: usize = 1024;
/// The idle time that is announced: the limit of `connection::read`.
const KEEP_ALIVE: &str = "timeout=75";
/// Response heads that are kept: JSON, event stream, accepted notification, and one other.
const TEMPLATES: usize = 4;
/// The digits of a length.
const DIGITS: usize = 20;

/// How the end of a response's content is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length.
    Length(usize),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection, for HTTP/1.0.
    Close,
}

/// Decodes the heads of one connection, and keeps the last result while the gate sees the same head
/// again.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The length of the decoded text.
    length: usize,
    fields: Option<Box<[Field]>>,
    /// The value as the client sent it: the decoder gets another.
    host: Option<Field>,
}

/// Name and value; the decoder's names are in lower case.
type Field = (Box<str>, Box<str>);

impl Decoder {
    /// Decodes the head that waits at the gate. False is a bug of this program: the gate accepts no
    /// head that the decoder refuses.
    pub(crate) fn decode(&mut self, gate: &Gate) -> bool {
        if self.fields.is_some() && gate.repeats() {
            return true;
        }
        let text: Vec<u8> = canonical(gate).flat_map(str::bytes).collect();
        self.length = text.len();
        self.fields = decode(text);
        let host = gate.fields().find(|(name, _)| is_host(name));
        self.host = host.map(|(name, value)| (name.into(), value.into()));
        self.fields.is_some()
    }

    /// Calls `f` with the decoded head. Method, path and Host are as the client sent them: the
    /// decoder's types would change them.
    pub(crate) fn with_head<R>(&self, gate: &Gate, f: impl FnOnce(&Head<'_>) -> R) -> Option<R> {
        let decoded = self.fields.as_deref()?;
        let mut few = [("", &b""[..]); FIELDS];
        let mut many = Vec::new();
        let slots = match few.get_mut(..=decoded.len()) {
            Some(slots) => slots,
            None => {
                many.resize(decoded.len() + 1, ("", &b""[..]));
                &mut many[..]
            }
        };
        let all = self.host.iter().chain(decoded);
        let mut count = 0;
        for (slot, (name, value)) in slots.iter_mut().zip(all) {
            *slot = (name, value.as_bytes());
            count += 1;
        }
        let (method, path, fields) = (gate.method(), gate.target(), &slots[..count]);
        // The gate has compared a target's authority with `Host`.
        Some(f(&Head { method, path, authority: None, fields }))
    }

    /// Ends a request: drops a head that is too large to be kept.
    pub(crate) fn release(&mut self) {
        if self.length > KEEP {
            *self = Self::default();
        }
    }
}

/// The text for the decoder, in pieces. The decoder knows only some methods; the real one is read
/// from the gate.
fn canonical(gate: &Gate) -> impl Iterator<Item = &str> {
    let fields = gate.fields().filter(|(name, _)| !is_host(name));
    once("POST / HTTP/1.1\r\nhost: h\r\n")
        .chain(fields.flat_map(|(name, value)| [name, ": ", value, "\r\n"]))
        .chain(once("\r\n"))
}

fn decode(text: Vec<u8>) -> Option<Box<[Field]>> {
    let decoding = pin!(decode_head(Cursor::new(text)));
    let decoded = decoding.poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(Some((request, _)))) = decoded else { return None };
    let fields = request.iter().filter(|(name, _)| name.as_str() != "host");
    let fields = fields.flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
    Some(fields.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect())
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}

/// Encodes the heads of responses, and keeps the usual ones while their date is current: they
/// differ only in the length.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    templates: Vec<Template>,
    /// The head that is replaced next.
    oldest: usize,
}

#[derive(Debug)]
struct Template {
    status: u16,
    fields: Cow<'static, [(&'static str, Cow<'static, str>)]>,
    keep_alive: bool,
    second: u64,
    /// The text before and after the length.
    parts: (Vec<u8>, Vec<u8>),
}

impl Heads {
    /// The same as [`encode`], with room for content to be appended.
    pub(crate) fn encode(
        &mut self,
        response: &Response,
        framing: Framing,
        keep_alive: bool,
    ) -> Vec<u8> {
        // A value made for one response does not occur again.
        let usual = response.fields.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_)));
        let Framing::Length(length) = framing else { return encode(response, framing, keep_alive) };
        if !usual {
            return encode(response, framing, keep_alive);
        }
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let known = self.templates.iter().find(|template| {
            (template.second, template.status, template.keep_alive)
                == (second, response.status, keep_alive)
                && template.fields == response.fields
        });
        if let Some(Template { parts: (before, after), .. }) = known {
            let room = if length <= JOINED { length } else { 0 };
            let mut head = Vec::with_capacity(before.len() + DIGITS + after.len() + room);
            head.extend_from_slice(before);
            push_decimal(length, &mut head);
            head.extend_from_slice(after);
            return head;
        }
        let head = encode(response, framing, keep_alive);
        if let Some(parts) = around_length(&head) {
            let fields = response.fields.clone();
            let template = Template { status: response.status, fields, keep_alive, second, parts };
            self.keep(template);
        }
        head
    }

    fn keep(&mut self, template: Template) {
        if self.templates.len() < TEMPLATES {
            self.templates.push(template);
        } else {
            self.templates[self.oldest] = template;
            self.oldest = (self.oldest + 1) % TEMPLATES;
        }
    }
}

/// Appends a number; each response has one.
fn push_decimal(mut number: usize, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// The text before and after the digits of the length, if there are any.
fn around_length(head: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let name = head.windows(NAME.len()).position(|window| window == NAME)?;
    let (before, rest) = head.split_at(name + NAME.len());
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    Some((before.to_vec(), rest[digits..].to_vec()))
}

/// The head of a response, up to and including its empty line.
pub(crate) fn encode(response: &Response, framing: Framing, keep_alive: bool) -> Vec<u8> {
    let fields = &response.fields;
    let good = fields.iter().all(|(name, value)| is_name(name) && is_value(value));
    match StatusCode::try_from(response.status) {
        Ok(status) if good => encode_good(status, fields, framing, keep_alive),
        _ => {
            log::error!(target: "http", "a response of status {} has a bad head", response.status);
            encode_good(StatusCode::InternalServerError, &[], framing, keep_alive)
        }
    }
}

/// The date of a response while the clock is obviously wrong.
const EPOCH: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
/// The end of the year 9999: a later date has no format (RFC 9110, section 5.6.7).
const LAST_SECOND: u64 = 253_402_300_799;

/// Whether a time can be formatted as a date: the library panics at any other.
pub(crate) fn has_date(now: SystemTime) -> bool {
    now.duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() <= LAST_SECOND)
}

fn encode_good(
    status: StatusCode,
    fields: &[(&'static str, Cow<'static, str>)],
    framing: Framing,
    keep_alive: bool,
) -> Vec<u8> {
    let mut response = HttpResponse::new(status);
    let length = match framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked | Framing::Close => None,
    };
    response.set_body(HttpBody::from_reader(empty(), length));
    // The library's default.
    response.remove_header("content-type");
    for (name, value) in fields {
        response.append_header(*name, &**value);
    }
    if !has_date(SystemTime::now()) {
        response.insert_header("date", EPOCH);
    }
    if !keep_alive {
        response.insert_header("connection", "close");
    } else if framing != Framing::Close {
        response.insert_header("keep-alive", KEEP_ALIVE);
    }
    // With the method HEAD, the encoder stops after the head.
    let mut encoder = Encoder::new(response, Method::Head);
    let mut head = Vec::with_capacity(512);
    let mut piece = [0; 512];
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Ok(count @ 1..)) = Pin::new(&mut encoder).poll_read(&mut cx, &mut piece) {
        head.extend_from_slice(&piece[..count]);
    }
    if matches!(status, StatusCode::NoContent | StatusCode::NotModified) {
        cut_line(&mut head, b"content-length: ");
    }
    if framing == Framing::Close {
        cut_line(&mut head, b"transfer-encoding: ");
    }
    head
}

/// Removes the line with this start from a head, and returns it.
fn cut_line(head: &mut Vec<u8>, start: &[u8]) {
    let is_start = |at: &usize| head[..*at].ends_with(b"\r\n") && head[*at..].starts_with(start);
    let Some(from) = (2..head.len()).find(is_start) else { return };
    if let Some(length) = head[from..].iter().position(|&b| b == b'\n') {
        head.drain(from..=from + length);
    }
}

/// The size line of a chunk.
pub(crate) fn chunk_size(size: usize) -> String {
    format!("{size:x}\r\n")
}

/// The response to a request that the gate refused.
pub(crate) fn refused(refusal: Refusal) -> Response {
    let remedy = match refusal.status {
        413 if refusal != Refusal::NO_CONTENT => remedies::flag(Rule::Message),
        _ => None,
    };
    let (before, remedy) = remedy.map_or(("", ""), |remedy| ("; ", remedy));
    // All of it is our own literals, without characters that JSON escapes.
    let body = format!(
        r#"{{"jsonrpc":"2.0","error":{{"code":-32600,"message":"Invalid request: {}{before}{remedy}"}}}}"#,
        refusal.reason
    );
    let mut fields = vec![("content-type", Cow::Borrowed("application/json"))];
    match refusal.status {
        // For a 415 the gate has checked only the content coding.
        415 => fields.push(("accept-encoding", Cow::Borrowed("identity"))),
        503 => fields.push(("retry-after", Cow::Borrowed("1"))),
        _ => {}
    }
    let body = Body::Whole(body.into_bytes());
    Response { status: refusal.status, fields: Cow::Owned(fields), body }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_value(value: &str) -> bool {
    value.bytes().all(|b| matches!(b, 0x20..=0x7e))
}
