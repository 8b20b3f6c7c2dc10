//! `sse`: every cut gives the same events, a naive twin agrees, what is written is read back.

use mcp_bridge::sse::{self, Decoder, Event, EventId};

/// Longer than any input of a fuzzer, also when each of its bytes becomes U+FFFD.
const LARGE: usize = 1 << 24;

/// The first byte is a limit, the second the size of the pieces; the rest is a stream, then data.
pub(crate) fn run(data: &[u8]) {
    let [limit, size, rest @ ..] = data else { return };
    let (limit, size) = (usize::from(*limit), usize::from(*size).max(1));
    let whole = decode(LARGE, rest, rest.len().max(1));
    assert_eq!(whole, (naive(rest), true), "the twin differs");
    assert_eq!(whole, decode(LARGE, rest, 1), "in single bytes");
    assert_eq!(whole, decode(LARGE, rest, size), "in pieces of {size}");
    let narrow = decode(limit, rest, rest.len().max(1));
    assert_eq!(narrow, decode(limit, rest, 1), "in single bytes, under a limit of {limit}");
    assert!(narrow.0.iter().all(|event| event.data.len() <= 3 * limit.max(1)));
    round_trip(rest);
    spelling(rest);
}

/// The events, and whether the stream was read to its end.
fn decode(limit: usize, stream: &[u8], size: usize) -> (Vec<Event>, bool) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in stream.chunks(size) {
        if decoder.feed(piece, &mut events).is_err() {
            return (events, false);
        }
    }
    (events, true)
}

/// WHATWG HTML, "Interpreting an event stream", on the whole text at once.
fn naive(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some((ended, _)) = text.rsplit_once('\n') else { return Vec::new() };
    let (mut events, mut id) = (Vec::new(), String::new());
    let (mut kind, mut data) = (String::new(), Vec::new());
    for line in ended.split('\n') {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            _ if line.is_empty() => {
                let event = if kind.is_empty() { String::from("message") } else { kind };
                if !data.is_empty() {
                    events.push(Event { event, data: data.join("\n"), id: id.clone() });
                }
                (kind, data) = (String::new(), Vec::new());
            }
            "event" => kind = value.to_owned(),
            "data" => data.push(value.to_owned()),
            "id" if !value.contains('\0') => id = value.to_owned(),
            _ => {}
        }
    }
    events
}

fn round_trip(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let id = EventId { session: u32::MAX, stream: data.len() as u64, place: u64::MAX };
    let mut bytes = Vec::new();
    sse::encode(None, data, &mut bytes);
    sse::prime(id, 1000, &mut bytes);
    bytes.extend_from_slice(sse::COMMENT);
    sse::encode(Some(id), data, &mut bytes);
    let event = |data: String, id: &str| Event { event: "message".into(), data, id: id.into() };
    let read = text.replace("\r\n", "\n").replace('\r', "\n");
    let name = format!("{:x}-{}-{}", id.session, id.stream, id.place);
    let expected = [event(read.clone(), ""), event(String::new(), &name), event(read, &name)];
    assert_eq!(decode(LARGE, &bytes, 7), (expected.into(), true));
    assert_eq!(EventId::parse(&name), Some(id));
}

/// An event id has one spelling.
fn spelling(data: &[u8]) {
    let Some(id) = core::str::from_utf8(data).ok().and_then(EventId::parse) else { return };
    assert_eq!(format!("{:x}-{}-{}", id.session, id.stream, id.place).as_bytes(), data);
}
