//! Heads in and out, as async-h1 reads and writes them.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use mcp_bridge::{Body, Head, Response};

use crate::http::heads::{Decoder, Framing, Heads, encode, has_date, refused};
use hyper_mcp_gate::{Gate, Refusal, Step};

fn response(status: u16, fields: &[(&'static str, &'static str)]) -> Response {
    let fields = fields.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))).collect();
    Response { status, fields, body: Body::Stream }
}

/// The status line and the other lines, without the date.
fn lines(head: &[u8]) -> (String, Vec<String>) {
    let text = std::str::from_utf8(head).unwrap();
    let text = text.strip_suffix("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
    let status = lines.remove(0);
    lines.retain(|line| !line.starts_with("date: "));
    lines.sort();
    assert!(head.windows(6).any(|w| w == b"date: "), "{text}");
    (status, lines)
}

/// A connection that stays open says for how long it may be idle.
const KEPT: &str = "keep-alive: timeout=75";

#[track_caller]
fn check(head: Vec<u8>, status: &str, fields: &[&str]) {
    let (line, others) = lines(&head);
    assert_eq!(line, status);
    assert_eq!(others, fields);
}

#[test]
fn heads_of_responses() {
    let json = response(200, &[("content-type", "application/json"), ("x-a", "b: c, d")]);
    let expected = ["content-length: 12", "content-type: application/json", KEPT, "x-a: b: c, d"];
    check(encode(&json, Framing::Length(12), true), "HTTP/1.1 200 OK", &expected);
    let none = response(202, &[]);
    let expected = ["content-length: 0", KEPT];
    check(encode(&none, Framing::Length(0), true), "HTTP/1.1 202 Accepted", &expected);
    let stream = response(200, &[("content-type", "text/event-stream")]);
    let expected = ["content-type: text/event-stream", KEPT, "transfer-encoding: chunked"];
    check(encode(&stream, Framing::Chunked, true), "HTTP/1.1 200 OK", &expected);
    let expected = ["connection: close", "content-type: text/event-stream"];
    check(encode(&stream, Framing::Close, false), "HTTP/1.1 200 OK", &expected);
    let expected = ["connection: close", "content-length: 0"];
    check(
        encode(&response(404, &[]), Framing::Length(0), false),
        "HTTP/1.1 404 Not Found",
        &expected,
    );
}

#[test]
fn no_content_has_no_length() {
    let expected = ["allow: GET", KEPT];
    let allow = response(204, &[("allow", "GET")]);
    check(encode(&allow, Framing::Length(0), true), "HTTP/1.1 204 No Content", &expected);
}

#[test]
fn a_field_that_would_split_the_response_is_not_sent() {
    for (name, value) in [
        ("x", "a\r\nset-cookie: b"),
        ("x", "a\nb"),
        ("x", "a\0"),
        ("x", "\u{e9}"),
        ("x: y\r\nz", "a"),
        ("", "a"),
        ("X", "a"),
    ] {
        let head = encode(&response(200, &[(name, value)]), Framing::Length(0), true);
        check(head, "HTTP/1.1 500 Internal Server Error", &["content-length: 0", KEPT]);
    }
    let head = encode(&response(299, &[]), Framing::Length(0), true);
    check(head, "HTTP/1.1 500 Internal Server Error", &["content-length: 0", KEPT]);
}

#[test]
fn every_status_that_is_used_is_known() {
    let used = [
        200, 202, 204, 400, 403, 404, 405, 406, 408, 409, 413, 414, 415, 417, 421, 429, 431, 500,
        501, 502, 503, 504, 505,
    ];
    for status in used {
        let head = encode(&response(status, &[]), Framing::Length(0), true);
        assert!(head.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{status}");
    }
}

#[test]
fn refusals_are_json() {
    let response = refused(Refusal::new(413, "the content is too long"));
    let Body::Whole(body) = response.body else { panic!("a stream") };
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["jsonrpc"], "2.0");
    assert!(body["error"]["code"].is_i64());
    assert!(body["error"]["message"].as_str().unwrap().contains("--max-message"));
    // No limit would let this in.
    let Body::Whole(body) = refused(Refusal::NO_CONTENT).body else { panic!("a stream") };
    assert!(!String::from_utf8(body).unwrap().contains("--max-message"));
    for (status, field) in [(503, ("retry-after", "1")), (415, ("accept-encoding", "identity"))] {
        let fields = refused(Refusal::new(status, "x")).fields;
        assert!(fields.iter().any(|(name, value)| (*name, &**value) == field), "{fields:?}");
    }
}

/// What the gate lets through, the decoder takes, and the engine sees as it was sent.
#[test]
fn heads_reach_the_engine_as_they_were_sent() {
    let mut gate = Gate::new(16 * 1024);
    gate.feed(
        b"PATCH /a/../%6dcp?x=y HTTP/1.1\r\nHost: Local:80\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\
          Connection: close\r\nACCEPT: b\r\nX: \xc3\xa9\r\nMcp-Session-Id: S\r\nAccept: a;q=0.1, c\r\n\
          Transfer: chunked\r\nOrigin:\r\n\r\n",
    );
    assert_eq!(gate.poll(), Ok(Step::Head));
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&gate));
    let seen = decoder.with_head(&gate, |head| {
        assert_eq!((head.method, head.path), ("PATCH", "/a/../%6dcp?x=y"));
        let mut fields = texts(head);
        fields.sort();
        let accept = texts(head);
        let accept: Vec<_> = accept.iter().filter(|(name, _)| *name == "accept").collect();
        assert_eq!(accept, [&("accept", "b"), &("accept", "a;q=0.1, c")], "lists keep their order");
        fields.retain(|(name, _)| *name != "accept");
        assert_eq!(fields, [("Host", "Local:80"), ("mcp-session-id", "S"), ("origin", "")]);
    });
    assert!(seen.is_some());
}

fn texts<'a>(head: &Head<'a>) -> Vec<(&'a str, &'a str)> {
    let fields = head.fields.iter();
    fields.map(|(name, value)| (*name, str::from_utf8(value).expect("text"))).collect()
}

/// The decoder's own limits are wider than the gate's.
#[test]
fn the_largest_head_is_decoded() {
    let mut gate = Gate::new(16 * 1024);
    let mut head = String::from("GET / HTTP/1.1\r\nHost: h\r\n");
    for n in 0..63 {
        head.push_str(&format!("Mcp-Param-{n}: {}\r\n", "x".repeat(90)));
    }
    head.push_str("\r\n");
    gate.feed(head.as_bytes());
    assert_eq!(gate.poll(), Ok(Step::Head));
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&gate));
    assert_eq!(decoder.with_head(&gate, |head| head.fields.len()), Some(64));
}

/// A head that is kept is shown again only to a request of the same fields.
#[test]
fn the_head_of_another_request_is_decoded_anew() {
    let large = "x".repeat(2000);
    let mut decoder = Decoder::default();
    for (path, fields) in [
        ("/mcp", "Mcp-Session-Id: a\r\n"),
        ("/mcp", "Mcp-Session-Id: a\r\n"),
        ("/other", "Mcp-Session-Id: a\r\n"),
        ("/mcp", "Mcp-Session-Id: b\r\n"),
        ("/mcp", "Mcp-Session-Id: bb\r\n"),
        ("/mcp", "Mcp-Session-Id: bb\r\nOrigin: o\r\n"),
        ("/mcp", "Mcp-Session-Id: bb\r\n"),
        ("/mcp", &format!("Origin: {large}\r\n")),
        ("/mcp", ""),
    ] {
        let mut gate = Gate::new(16 * 1024);
        gate.feed(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes());
        assert_eq!(gate.poll(), Ok(Step::Head));
        assert!(decoder.decode(&gate));
        let mut expected: Vec<_> =
            fields.lines().filter_map(|line| line.split_once(": ")).collect();
        expected.sort_by_key(|(_, value)| *value);
        let seen = decoder.with_head(&gate, |head| {
            let mut fields = texts(head).split_off(1);
            fields.sort_by_key(|(_, value)| *value);
            assert_eq!(fields.len(), expected.len(), "{fields:?}");
            for ((name, value), (wanted, said)) in fields.iter().zip(&expected) {
                assert!(name.eq_ignore_ascii_case(wanted) && value == said, "{fields:?}");
            }
            head.path.to_owned()
        });
        assert_eq!(seen.as_deref(), Some(path));
        decoder.release();
    }
}

/// What is kept of response heads changes nothing about them.
#[test]
fn heads_from_memory_are_the_same() {
    let mut heads = Heads::default();
    let json = response(200, &[("content-type", "application/json")]);
    let text = response(200, &[("content-type", "text/plain")]);
    let stream = response(200, &[("content-type", "text/event-stream")]);
    let refusal = response(404, &[("content-type", "application/json")]);
    let mut told = response(200, &[]);
    told.fields.to_mut().push(("mcp-session-id", Cow::Owned(String::from("a"))));
    for response in [&json, &text, &refusal, &told, &response(204, &[]), &response(202, &[]), &json]
    {
        for (keep_alive, length) in [(true, 0), (true, 9), (true, 12345), (false, 7), (false, 77)] {
            let framing = Framing::Length(length);
            let one = lines(&heads.encode(response, framing, keep_alive));
            assert_eq!(one, lines(&encode(response, framing, keep_alive)));
        }
    }
    for framing in [Framing::Chunked, Framing::Close] {
        let one = lines(&heads.encode(&stream, framing, true));
        assert_eq!(one, lines(&encode(&stream, framing, true)));
    }
    told.fields.to_mut()[0].1 = Cow::Owned(String::from("b"));
    let (_, fields) = lines(&heads.encode(&told, Framing::Length(0), true));
    assert!(fields.contains(&String::from("mcp-session-id: b")));
}

#[test]
fn a_clock_outside_of_all_dates_is_noticed() {
    let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    for (time, has) in [
        (UNIX_EPOCH - Duration::from_secs(1), false),
        (UNIX_EPOCH, true),
        (after(253_402_300_799), true),
        (after(253_402_300_800), false),
    ] {
        assert_eq!(has_date(time), has, "{time:?}");
    }
}
