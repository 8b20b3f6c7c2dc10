//! A message with a new id, token or request id, and every other byte as it came.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::codec::json::Span;
use crate::codec::message::Message;
use crate::codec::message::members::REQUEST_ID;

impl Message<'_> {
    /// Appends the message, on one line and without the white space around it, to `out`; what
    /// `change` names is spelled anew, everything else stays as it is. What `change` names and the
    /// message has not is passed over. No line break is appended.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::message::{Message, Splice};
    ///
    /// let message = Message::parse(b"{\"jsonrpc\":\"2.0\",\n\"method\":\"x\", \"id\":1.0}\n")?;
    /// let mut line = Vec::new();
    /// message.splice(&Splice { id: Some(b"\"new\""), ..Splice::default() }, &mut line);
    /// assert_eq!(line, br#"{"jsonrpc":"2.0", "method":"x", "id":"new"}"#);
    /// # Ok::<(), mcp_bridge::message::Malformed<'_>>(())
    /// ```
    pub fn splice(&self, change: &Splice<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let edits = [
            change.id.map(|new| (self.id, new)),
            change.token.map(|new| (self.token_place(), new)),
            change.request_id.map(|new| (self.known.param[REQUEST_ID], new)),
        ];
        let whole = self.whole.span();
        let length = whole.len() + change.growth();
        if out.capacity() == 0 {
            *out = Vec::with_capacity(length); // the short way
        } else {
            out.reserve(length);
        }
        let mut at = whole.start;
        // The changed parts stand in any order.
        while let Some((place, new)) = edits
            .iter()
            .flatten()
            .filter(|(place, _)| !place.is_empty() && place.span().start >= at)
            .min_by_key(|(place, _)| place.span().start)
        {
            let span = place.span();
            out.extend_from_slice(&self.text[at..span.start]);
            out.extend_from_slice(new);
            at = span.end;
        }
        out.extend_from_slice(&self.text[at..whole.end]);
        on_one_line(&mut out[start..], self.multiline);
    }
}

impl Message<'_> {
    /// The message by itself, changed so.
    pub(crate) fn spliced(&self, change: &Splice<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        self.splice(change, &mut text);
        text
    }

    /// The message as it came, on one line.
    pub(crate) fn copied(&self) -> Vec<u8> {
        self.spliced(&Splice::default())
    }

    /// The message with another id.
    pub(crate) fn with_id(&self, id: &[u8]) -> Vec<u8> {
        self.spliced(&Splice { id: Some(id), ..Splice::default() })
    }

    /// The message with another progress token.
    pub(crate) fn with_token(&self, token: &[u8]) -> Vec<u8> {
        self.spliced(&Splice { token: Some(token), ..Splice::default() })
    }
}

/// A new id for a message whose text is given away once nobody reads it any more: then the id is
/// put in its place there, and a long text is not copied.
#[derive(Debug)]
pub(crate) struct Renamed {
    end: usize,
    multiline: bool,
    id: Span,
    new: Box<[u8]>,
}

impl Message<'_> {
    /// The message under another id; `None` if it has none, or white space before it.
    pub(crate) fn renamed(&self, new: &[u8]) -> Option<Renamed> {
        let (whole, id) = (self.whole.span(), self.id.span());
        let renamed = Renamed { end: whole.end, multiline: self.multiline, id, new: new.into() };
        Some(renamed).filter(|_| whole.start == 0 && !self.id.is_empty())
    }
}

impl Renamed {
    /// Applies the new id to the text of the message; the result is that of [`Message::splice`].
    pub(crate) fn apply(self, mut text: Vec<u8>) -> Vec<u8> {
        let (old, new) = (self.id, &*self.new);
        let (rest, end) = (old.start + new.len(), self.end);
        // The appended bytes only make room.
        text.truncate(end);
        text.extend_from_slice(new);
        text.copy_within(old.end..end, rest);
        text[old.start..rest].copy_from_slice(new);
        text.truncate(rest + end - old.end);
        text.shrink_to_fit();
        on_one_line(&mut text, self.multiline);
        text
    }
}

/// Takes the line breaks out of a message. In a JSON text a raw one is white space, nothing else.
fn on_one_line(text: &mut [u8], multiline: bool) {
    if multiline {
        for byte in text.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}

/// New spellings for the parts of a message that routing may change; `None` leaves a part as it is.
/// A spelling is written as it is given, so it must be a JSON string, with its quotes, or a number.
///
/// # Examples
///
/// See [`Message::splice`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Splice<'a> {
    /// Of the message's id.
    pub id: Option<&'a [u8]>,
    /// Of its progress token.
    pub token: Option<&'a [u8]>,
    /// Of `params.requestId`.
    pub request_id: Option<&'a [u8]>,
}

impl Splice<'_> {
    /// The most by which the message may grow, a line's end included.
    pub(super) fn growth(&self) -> usize {
        let length = |new: Option<&[u8]>| new.map_or(0, <[u8]>::len);
        length(self.id) + length(self.token) + length(self.request_id) + 1
    }
}
