//! `message`: a naive twin agrees on what is a message, on its parts and on which ids are the same,
//! and a splice changes what it names and nothing else.

use std::borrow::Cow;

use mcp_bridge::message::{self, Kind, Message, Splice};

use super::sim::json;

/// Deeper texts are not given to the twin, which recurses.
const DEPTH: usize = 100;
/// The longest id.
const ID: usize = 4096;
/// The members that one message may have.
const MEMBERS: usize = 64;

pub(crate) fn run(data: &[u8]) {
    let parsed = Message::parse(data);
    let plain = !is_deep(data) && !has_surrogates(data);
    if plain {
        // serde_json says what JSON is, the twin what a message is. From bytes it would not look
        // into strings that are passed over.
        let is_json = core::str::from_utf8(data)
            .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        assert_eq!(json::valid(data), is_json, "serde_json and the twin differ");
        assert!(is_json || parsed.is_err(), "serde_json does not read it");
        assert_eq!(parsed.as_ref().map(shape).ok(), naive(data), "the twin differs");
    }
    if let Ok(message) = parsed {
        splices(data, &message);
        if plain {
            parts(data, &message);
            spellings(&message);
        }
    }
    batches(data, plain);
}

fn is_deep(data: &[u8]) -> bool {
    data.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() > DEPTH
}

/// The twin does not join surrogates.
fn has_surrogates(data: &[u8]) -> bool {
    data.windows(3).any(|window| matches!(window, [b'\\', b'u', b'd' | b'D']))
}

/// What the text is, if it is a message, by the rules one after the other.
fn naive(data: &[u8]) -> Option<&'static str> {
    if !json::valid(data) || data.starts_with(b"\xef\xbb\xbf") {
        return None;
    }
    let members = json::members(data)?;
    let get = |name: &str| members.iter().find(|(other, _)| other == name).map(|(_, raw)| *raw);
    let twice = (0..members.len()).any(|at| members[..at].iter().any(|m| m.0 == members[at].0));
    let known = ["jsonrpc", "id", "method", "params", "result", "error"];
    // What a lenient reader takes for one of JSON-RPC's members.
    let folded = |name: &str| {
        let text: String = name.chars().filter(|c| !c.is_control()).collect();
        text.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase()
    };
    let almost = |name: &str| !known.contains(&name) && known.contains(&&*folded(name));
    let odd = members.iter().any(|(name, _)| almost(name));
    let beyond = members.iter().skip(MEMBERS).any(|(name, _)| !known.contains(&&**name));
    if twice || odd || beyond || json::unquote(get("jsonrpc")?)? != "2.0" {
        return None;
    }
    let first = |name: &str| get(name).map(|raw| raw[0]);
    let id = first("id");
    if get("id").is_some_and(|raw| raw.len() > ID) {
        return None;
    }
    if id.is_some_and(|byte| !matches!(byte, b'"' | b'-' | b'0'..=b'9')) {
        return None;
    }
    match (first("method"), first("result"), first("error")) {
        (Some(b'"'), None, None) => match (first("params"), id) {
            (None | Some(b'{' | b'['), Some(_)) => Some("request"),
            (None | Some(b'{' | b'['), None) => Some("notification"),
            _ => None,
        },
        (None, Some(_), None) if id.is_some() => Some("result"),
        (None, None, Some(b'{')) if id.is_some() => Some("error"),
        _ => None,
    }
}

/// The method; nothing of one that no text spells, as half a surrogate pair.
fn named<'a>(message: &Message<'a>) -> Cow<'a, str> {
    message.method().unwrap_or_default()
}

/// The kind of a message, of which the parts are judged one by one.
fn shape(message: &Message<'_>) -> &'static str {
    match message.kind() {
        Kind::Request { id, method } => {
            assert_eq!((message.id(), named(message)), (Some(id), method));
            "request"
        }
        Kind::Notification { method } => {
            assert_eq!((message.id(), named(message)), (None, method));
            "notification"
        }
        Kind::Result { id, result } => {
            assert_eq!((message.id(), message.payload()), (Some(id), Some(result)));
            "result"
        }
        Kind::Error { id, error } => {
            assert_eq!((message.id(), message.payload()), (Some(id), Some(error)));
            "error"
        }
    }
}

/// The last member of this name.
fn last<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    json::members(text)?.into_iter().rfind(|(other, _)| other == name).map(|(_, raw)| raw)
}

fn parts(data: &[u8], message: &Message<'_>) {
    assert_eq!(message.id(), last(data, "id"));
    let method = last(data, "method").and_then(json::unquote);
    assert_eq!(message.method().as_deref(), method.as_deref());
    assert!(method.is_none_or(|method| message.calls(&method)));
    let params = last(data, "params");
    assert_eq!(message.params(), params);
    let token = match message.is_request() {
        true => params
            .and_then(|params| last(params, "_meta"))
            .and_then(|meta| last(meta, "progressToken")),
        false => params.and_then(|params| last(params, "progressToken")),
    };
    assert_eq!(message.token(), token);
    let request = params.and_then(|params| last(params, "requestId"));
    assert_eq!(message.request_id(), request);
}

/// Ids are the same by their value, however they are spelled.
fn spellings(message: &Message<'_>) {
    let names =
        [message.id(), message.token(), message.request_id()].map(Option::unwrap_or_default);
    for one in names {
        for other in names {
            if let Some(same) = naive_same(one, other) {
                assert_eq!(message::same_id(one, other), same, "{one:?} {other:?}");
            }
        }
        if let [b'1'..=b'9', rest @ ..] = one
            && rest.iter().all(u8::is_ascii_digit)
        {
            for (end, same) in [(&b".0"[..], true), (b"e0", true), (b".5", false), (b"0", false)] {
                assert_eq!(message::same_id(one, &[one, end].concat()), same, "{one:?} {end:?}");
            }
        }
    }
}

/// None where the twin can't tell.
fn naive_same(one: &[u8], other: &[u8]) -> Option<bool> {
    let number = |raw: &[u8]| matches!(raw.first(), Some(b'-' | b'0'..=b'9'));
    match (number(one), number(other)) {
        (true, true) => Some(value(one)? == value(other)?),
        (false, false) if one.first() == Some(&b'"') && other.first() == Some(&b'"') => {
            Some(json::unquote(one)? == json::unquote(other)?)
        }
        (false, false) => None,
        _ => Some(false),
    }
}

/// A number's sign, its digits without the zeros at both ends, and where its point stands.
fn value(raw: &[u8]) -> Option<(bool, String, i64)> {
    let text = core::str::from_utf8(raw).ok()?.to_ascii_lowercase();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent = exponent.parse::<i64>().ok().filter(|e| e.abs() < 5000)?;
    let whole = mantissa.trim_start_matches('-').split('.').next()?.len();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let kept = digits.trim_start_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    let point = whole as i64 - (digits.len() - kept.len()) as i64 + exponent;
    Some((mantissa.starts_with('-'), kept.trim_end_matches('0').into(), point))
}

fn one_line(data: &[u8]) -> Vec<u8> {
    let mut text = data.trim_ascii().to_vec();
    for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    text
}

fn splices(data: &[u8], message: &Message<'_>) {
    let mut same = Vec::new();
    message.splice(&Splice::default(), &mut same);
    assert_eq!(same, one_line(data), "an empty splice");
    let new = Splice { id: Some(b"12345"), token: Some(b"\"tok\""), request_id: Some(b"678") };
    let mut changed = b"kept".to_vec();
    message.splice(&new, &mut changed);
    assert!(changed.starts_with(b"kept"));
    let changed = &changed[4..];
    assert!(!changed.contains(&b'\n') && !changed.contains(&b'\r'));
    let again = Message::parse(changed).expect("a spliced message is a message");
    assert_eq!(shape(&again), shape(message));
    assert_eq!(again.id(), message.id().and(new.id));
    assert_eq!(again.token(), message.token().and(new.token));
    assert_eq!(again.request_id(), message.request_id().and(new.request_id));
    // With the old spellings back in their places, it is the old text. What is no string or number
    // may be spelled on several lines, which a splice does not take.
    let (id, token, request) = (message.id(), message.token(), message.request_id());
    let [id, token, request] = [id, token, request].map(|raw| raw.map(one_line));
    let old = Splice { id: id.as_deref(), token: token.as_deref(), request_id: request.as_deref() };
    let mut back = Vec::new();
    again.splice(&old, &mut back);
    assert_eq!(back, one_line(data), "there and back");
}

fn batches(data: &[u8], plain: bool) {
    let Some(batch) = message::batch(data) else {
        assert_ne!(data.trim_ascii_start().first(), Some(&b'['));
        return;
    };
    if let (true, Ok(batch)) = (plain, batch) {
        assert_eq!(Some(batch), json::elements(data));
    }
}
