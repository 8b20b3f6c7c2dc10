//! Between the gate, async-h1 and the engine: a canonical head for the decoder, response heads
//! from the encoder, and nothing of a peer's unread by the gate.
//!
//! async-h1 aborts, panics, smuggles or hangs on hostile input, so it never sees the network. Its
//! decoder reads a head that we wrote, from memory, at one poll; its encoder gives response heads,
//! and contents and chunks are ours.

use std::borrow::Cow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use async_h1::server::{Encoder, decode as decode_head};
use futures_lite::AsyncRead;
use futures_lite::io::{Cursor, empty};
use http_types::{Body as HttpBody, Method, Request, Response as HttpResponse, StatusCode};
use hyper_mcp_proxy::{Body, Head, Response};

use crate::gate::{Gate, Refusal};

/// As many fields as the gate lets through.
const FIELDS: usize = 64;

/// How the end of a response's content is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length.
    Length(usize),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection, for HTTP/1.0.
    Close,
}

/// Decodes the head that waits at the gate. `None` would be a fault of ours: the gate lets nothing
/// through that the decoder refuses.
pub(crate) fn decode(gate: &Gate) -> Option<Box<Request>> {
    let mut head = Vec::with_capacity(512);
    // The decoder knows some methods only; which one it was is asked of the gate.
    head.extend_from_slice(b"POST / HTTP/1.1\r\nhost: h\r\n");
    for (name, value) in gate.fields().filter(|(name, _)| !is_host(name)) {
        for part in [name, ": ", value, "\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
    }
    head.extend_from_slice(b"\r\n");
    let decoding = pin!(decode_head(Cursor::new(head)));
    match decoding.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Some((request, _)))) => Some(Box::new(request)),
        _ => None,
    }
}

/// Shows a decoded head to the engine. Method, path and Host come from the gate, as they were sent:
/// the decoder's types would change them.
pub(crate) fn with_head<R>(request: &Request, gate: &Gate, f: impl FnOnce(&Head<'_>) -> R) -> R {
    let mut fields = [("", ""); FIELDS];
    let mut count = 0;
    let hosts = gate.fields().filter(|(name, _)| is_host(name)).take(1);
    let others = request.iter().filter(|(name, _)| name.as_str() != "host");
    let others =
        others.flat_map(|(name, values)| values.iter().map(|v| (name.as_str(), v.as_str())));
    for (slot, field) in fields.iter_mut().zip(hosts.chain(others)) {
        *slot = field;
        count += 1;
    }
    f(&Head { method: gate.method(), path: gate.path(), fields: &fields[..count] })
}

fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
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
    // The library's own guess.
    response.remove_header("content-type");
    for (name, value) in fields {
        response.append_header(*name, &**value);
    }
    if !keep_alive {
        response.insert_header("connection", "close");
    }
    // With the method HEAD the encoder stops after the head.
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

/// Takes the line that starts so out of a head.
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

/// What a request that the gate turned away is answered.
pub(crate) fn refused(refusal: Refusal) -> Response {
    // The reasons are literals of ours without a character that JSON escapes.
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32600,"message":"Invalid request: {}"}}}}"#,
        refusal.reason
    );
    let mut fields = vec![("content-type", Cow::Borrowed("application/json"))];
    if refusal.status == 503 {
        fields.push(("retry-after", Cow::Borrowed("1")));
    }
    Response { status: refusal.status, fields, body: Body::Whole(body.into_bytes()) }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn is_value(value: &str) -> bool {
    value.bytes().all(|b| matches!(b, 0x20..=0x7e))
}
