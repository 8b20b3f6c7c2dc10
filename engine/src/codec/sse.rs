//! Server-sent events: what the bridge writes, and the reader that the WHATWG standard defines.
//!
//! Only CR, LF and CRLF end a line; nothing in `data` can start a field of its own.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::codec::lines::TooLong;
use crate::codec::object;

/// A comment that keeps a silent stream alive (WHATWG HTML, "Server-sent events, Authoring notes").
///
/// # Examples
///
/// ```
/// use mcp_bridge::sse::{COMMENT, Decoder};
///
/// let mut events = Vec::new();
/// Decoder::new(1024).feed(COMMENT, &mut events)?;
/// assert!(events.is_empty());
/// # Ok::<(), mcp_bridge::lines::TooLong>(())
/// ```
pub const COMMENT: &[u8] = b":\n\n";

/// Appends one event of the type `message` to `out` (WHATWG HTML, "Interpreting an event stream").
/// That is the default type; it is named because some clients pass unnamed events over.
/// Each line of `data` becomes a field; so a reader gets it with LF for CR and CRLF, and none of
/// it can be taken for another field.
///
/// # Examples
///
/// ```
/// use mcp_bridge::sse::{EventId, encode};
///
/// let mut stream = Vec::new();
/// encode(Some(EventId { session: 10, stream: 2, place: 1 }), b"{}", &mut stream);
/// encode(None, b"a\nid: b", &mut stream);
/// assert_eq!(
///     stream,
///     b"event: message\nid: a-2-1\ndata: {}\n\nevent: message\ndata: a\ndata: id: b\n\n"
/// );
/// ```
pub fn encode(id: Option<EventId>, data: &[u8], out: &mut Vec<u8>) {
    out.reserve(data.len() + 64);
    out.extend_from_slice(b"event: message\n");
    if let Some(id) = id {
        id.encode(out);
    }
    if !data.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(data);
        out.extend_from_slice(b"\n\n");
        return;
    }
    for line in data_lines(data) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// The event that [`encode`] appends. Data that is given away becomes a part of it where it is, so
/// that a long message is not there twice.
pub(crate) fn event(id: Option<EventId>, data: Cow<'_, [u8]>) -> Vec<u8> {
    let mut event = Vec::new();
    match data {
        Cow::Owned(data) if !data.iter().any(|byte| matches!(byte, b'\n' | b'\r')) => {
            encode(id, b"", &mut event);
            let (before, after) = event.split_at(event.len() - b"\n\n".len());
            object::around(before, data.into(), after)
        }
        data => {
            encode(id, &data, &mut event);
            event
        }
    }
}

/// The event that tells a client of HTTP+SSE where to post its messages (MCP 2024-11-05 "HTTP with
/// SSE"). Its id makes a reader that connects again by itself say so (WHATWG HTML, "The
/// `Last-Event-ID` header").
pub(crate) fn endpoint(uri: &str) -> Vec<u8> {
    format!("event: endpoint\nid: 0\ndata: {uri}\n\n").into_bytes()
}

/// Appends an event with an id, no data and a reconnection time in milliseconds, from which a
/// client can resume before it has received anything (MCP 2025-11-25 "Sending Messages to the
/// Server", 6).
///
/// # Examples
///
/// ```
/// use mcp_bridge::sse::{EventId, prime};
///
/// let mut stream = Vec::new();
/// prime(EventId { session: 10, stream: 2, place: 1 }, 1000, &mut stream);
/// assert_eq!(stream, b"id: a-2-1\nretry: 1000\ndata: \n\n");
/// ```
pub fn prime(id: EventId, retry_millis: u128, out: &mut Vec<u8>) {
    id.encode(out);
    append(out, format_args!("retry: {retry_millis}\ndata: \n\n"));
}

/// The id of an event: its session, its stream, and its place in the stream, from 1. On the wire it
/// is the three numbers, the first in hexadecimal, with hyphens between them (MCP 2025-11-25
/// "Resumability and Redelivery"). The session is part of it because clients that open a new
/// session have been seen to resume the streams of the one before.
///
/// # Examples
///
/// ```
/// use mcp_bridge::sse::EventId;
///
/// let id = EventId { session: 10, stream: 2, place: 17 };
/// assert_eq!(EventId::parse("a-2-17"), Some(id));
/// assert_eq!(EventId::parse("0a-2-17"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// A number that distinguishes the session from others.
    pub session: u32,
    /// The stream's number in its session.
    pub stream: u64,
    /// The event's place in the stream.
    pub place: u64,
}

impl EventId {
    /// Reads an id as [`encode`] writes it, such as a `Last-Event-ID`. No other spelling of the
    /// numbers is taken.
    pub fn parse(text: &str) -> Option<Self> {
        let (session, rest) = text.split_once('-')?;
        let (stream, place) = rest.split_once('-')?;
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let plain =
            |digits: &str| digits.chars().all(digit) && (digits == "0" || !digits.starts_with('0'));
        if !(plain(session) && plain(stream) && plain(place)) {
            return None;
        }
        let session = u32::from_str_radix(session, 16).ok()?;
        Some(Self { session, stream: stream.parse().ok()?, place: place.parse().ok()? })
    }

    fn encode(self, out: &mut Vec<u8>) {
        append(out, format_args!("id: {:x}-{}-{}\n", self.session, self.stream, self.place));
    }
}

fn append(out: &mut Vec<u8>, text: core::fmt::Arguments<'_>) {
    struct Bytes<'a>(&'a mut Vec<u8>);
    impl Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    // Writing into memory does not fail.
    let _ = Bytes(out).write_fmt(text);
}

/// The lines of a text, ended by CR, LF or CRLF; the last one is not ended.
fn data_lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut more = true;
    core::iter::from_fn(move || {
        if !more {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', text);
        let (line, skip) = match end {
            None => {
                more = false;
                (text, text.len())
            }
            Some(end) if text[end..].starts_with(b"\r\n") => (&text[..end], end + 2),
            Some(end) => (&text[..end], end + 1),
        };
        text = &text[skip..];
        Some(line)
    })
}

/// An event as a reader sees it (WHATWG HTML, "Interpreting an event stream").
///
/// # Examples
///
/// See [`Decoder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` if the stream names none.
    pub event: String,
    /// Its data, the lines joined by LF.
    pub data: String,
    /// The last event id that the stream has set up to here.
    pub id: String,
}

/// Reads an event stream (WHATWG HTML, "Interpreting an event stream"). Bytes that are no UTF-8
/// become U+FFFD.
///
/// # Examples
///
/// ```
/// use mcp_bridge::sse::Decoder;
///
/// let (mut decoder, mut events) = (Decoder::new(1024), Vec::new());
/// for piece in [&b"id: 2-1\nretry: 10"[..], b"00\nda", b"ta: {}\r\n\n"] {
///     decoder.feed(piece, &mut events)?;
/// }
/// assert_eq!(events.len(), 1);
/// assert_eq!((&*events[0].event, &*events[0].data, &*events[0].id), ("message", "{}", "2-1"));
/// assert_eq!(decoder.retry(), Some(1000));
/// # Ok::<(), mcp_bridge::lines::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    after_cr: bool,
    started: bool,
    event: String,
    data: String,
    id: String,
    retry: Option<u64>,
}

impl Decoder {
    /// A reader for events of up to `limit` bytes, which is also all that it ever holds.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            started: false,
            event: String::new(),
            data: String::new(),
            id: String::new(),
            retry: None,
        }
    }

    /// Takes the next bytes of the stream, cut anywhere, and appends the events that they complete
    /// to `events`.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if an event's data and its last line are longer than the limit. What came
    /// before is in `events`; the stream can't be read on.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_cr = core::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.line_ended()),
                _ if self.line.len() + self.data.len() >= self.limit => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// The reconnection time in milliseconds that the stream asked for last.
    pub const fn retry(&self) -> Option<u64> {
        self.retry
    }

    fn line_ended(&mut self) -> Option<Event> {
        let bytes = core::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let mut line = &*text;
        if !core::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => self.event = String::from(value),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = String::from(value),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().or(self.retry);
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut data = core::mem::take(&mut self.data);
        let event = core::mem::take(&mut self.event);
        // Each data line added one LF; the last goes. No data line at all is no event.
        data.pop()?;
        let event = if event.is_empty() { String::from("message") } else { event };
        Some(Event { event, data, id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(stream: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        Decoder::new(1 << 16).feed(stream, &mut events).unwrap();
        events
    }

    #[test]
    fn what_is_written_is_read_back() {
        let id = EventId { session: 0xa0, stream: 3, place: 17 };
        for data in ["{}", "", "a\nb", "\n", "\r\n\r\nevent: evil\n\ndata: x", "\u{2028}é"] {
            let mut out = Vec::new();
            encode(Some(id), data.as_bytes(), &mut out);
            let events = decode(&out);
            assert_eq!(events.len(), 1, "{data:?}");
            assert_eq!(events[0].data, data.replace("\r\n", "\n"));
            assert_eq!((&*events[0].event, &*events[0].id), ("message", "a0-3-17"));
        }
    }

    #[test]
    fn an_event_made_in_place_is_the_same() {
        for id in [None, Some(EventId { session: 1, stream: 2, place: 17 })] {
            for data in ["", "{}", "a\nb", "\r\n"] {
                let mut event = Vec::new();
                encode(id, data.as_bytes(), &mut event);
                let data = data.as_bytes();
                assert_eq!(super::event(id, data.into()), event);
                assert_eq!(super::event(id, data.to_vec().into()), event);
            }
        }
    }

    #[test]
    fn a_priming_event_has_an_id_and_empty_data() {
        let mut out = Vec::new();
        prime(EventId { session: 1, stream: 0, place: 1 }, 1000, &mut out);
        assert_eq!(out, b"id: 1-0-1\nretry: 1000\ndata: \n\n");
        assert_eq!(decode(&out)[0].data, "");
        assert!(decode(COMMENT).is_empty());
    }

    #[test]
    fn event_ids_have_one_spelling() {
        let id = |stream, place| Some(EventId { session: 1, stream, place });
        for (text, read) in [
            ("1-0-0", id(0, 0)),
            ("1-3-17", id(3, 17)),
            ("1-18446744073709551615-1", id(u64::MAX, 1)),
            ("ffffffff-3-17", Some(EventId { session: u32::MAX, stream: 3, place: 17 })),
            ("01-3-1", None),
            ("A-3-1", None),
            ("+1-3-1", None),
            ("100000000-3-1", None),
            ("1-03-1", None),
            ("1-+3-1", None),
            ("1-a-1", None),
            ("1-3-1 ", None),
            ("3", None),
            ("3-1", None),
            ("1-3-", None),
            ("-3-1", None),
            ("1-3-1-1", None),
            ("1-18446744073709551616-1", None),
            ("", None),
        ] {
            assert_eq!(EventId::parse(text), read, "{text:?}");
        }
    }

    #[test]
    fn the_standards_examples() {
        // WHATWG HTML, "Interpreting an event stream": field names, colons, spaces, ends.
        let events = decode(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
        let seen: Vec<_> = events.iter().map(|e| (&*e.data, &*e.id)).collect();
        assert_eq!(seen, [("first event", "1"), ("second event", ""), (" third event", "")]);
        let events = decode(b"data\n\ndata\ndata\n\ndata:");
        let seen: Vec<_> = events.iter().map(|e| &*e.data).collect();
        assert_eq!(seen, ["", "\n"]);
        let events = decode("\u{feff}data:test\r\revent: x\r\ndata: y\r\n\r\n".as_bytes());
        let seen: Vec<_> = events.iter().map(|e| (&*e.event, &*e.data)).collect();
        assert_eq!(seen, [("message", "test"), ("x", "y")]);
    }

    #[test]
    fn a_reconnection_time_is_digits_alone() {
        let mut decoder = Decoder::new(1024);
        for (line, retry) in [
            ("retry\n", None),
            ("retry: 10\n", Some(10)),
            ("retry: +5\n", Some(10)),
            ("retry: 5s\n", Some(10)),
            ("retry:7\n", Some(7)),
        ] {
            decoder.feed(line.as_bytes(), &mut Vec::new()).unwrap();
            assert_eq!(decoder.retry(), retry, "{line}");
        }
    }

    #[test]
    fn an_event_over_the_limit_is_refused() {
        let mut decoder = Decoder::new(10);
        assert_eq!(decoder.feed(b"data: 123456789", &mut Vec::new()), Err(TooLong));
    }
}
