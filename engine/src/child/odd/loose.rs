//! A tolerant reader for texts that need not be JSON: an invalid value such as `NaN`, or a cut end,
//! does not hide the rest.

use alloc::vec::Vec;

use crate::codec::json;
use crate::codec::message::Malformed;
use crate::context::ids::CallId;

/// The members of an object, read tolerantly: neither an invalid value nor a cut end hides the
/// rest.
#[derive(Debug, Default)]
struct Loose<'a> {
    jsonrpc: bool,
    id: Option<&'a [u8]>,
    asks: bool,
    /// Whether it has a result or an error.
    answers: bool,
    /// Whether it has a member that JSON-RPC does not define.
    foreign: bool,
}

impl<'a> Loose<'a> {
    /// The id of the request that the object answers, if it answers one. A log record may have an
    /// id as well, but it lacks `"jsonrpc"`, or has neither a result nor an error beside its text.
    fn answers(&self, broken: bool) -> Option<&'a [u8]> {
        let response = match (self.jsonrpc, self.answers) {
            (true, true) => true,
            (true, false) => !broken && !self.foreign,
            (false, true) => broken && !self.foreign,
            (false, false) => false,
        };
        self.id.filter(|_| response && !self.asks)
    }
}

/// The ids of the requests that a text answers, from the objects that follow each other in it, or
/// in the array that it begins.
pub(super) fn answered(text: &[u8], broken: bool) -> Vec<&[u8]> {
    let mut ids = Vec::new();
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip(b"[");
    while cursor.byte() == Some(b'{') {
        ids.extend(cursor.object().answers(broken));
        cursor.skip(b",]");
    }
    ids
}

/// A cursor over a text that need not be JSON: it recognizes strings and brackets.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Skips white space and these bytes.
    fn skip(&mut self, others: &[u8]) {
        while self.byte().is_some_and(|byte| byte.is_ascii_whitespace() || others.contains(&byte)) {
            self.at += 1;
        }
    }

    /// Skips a string. Returns false if the text ends within it.
    fn string(&mut self) -> bool {
        self.at += 1;
        loop {
            match self.byte() {
                None => return false,
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        true
    }

    /// Skips to the end of a member's value. Returns `None` if the text ends before it.
    fn value(&mut self) -> Option<&'a [u8]> {
        let (start, mut depth) = (self.at, 0);
        loop {
            match self.byte()? {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b',' | b'}' | b']' if depth == 0 => {
                    return Some(self.text[start..self.at].trim_ascii());
                }
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads an object, as far as the text goes.
    fn object(&mut self) -> Loose<'a> {
        let mut object = Loose::default();
        self.at += 1;
        loop {
            self.skip(b",");
            let start = self.at;
            if self.byte() != Some(b'"') || !self.string() {
                break;
            }
            let name = &self.text[start..self.at];
            self.skip(b"");
            if self.byte() != Some(b':') {
                break;
            }
            self.at += 1;
            let known = json::named(name, |name| {
                let is = |known: &str| name == known.as_bytes();
                [is("jsonrpc"), is("result") || is("error"), is("method"), is("id")]
            });
            object.jsonrpc |= known[0];
            object.answers |= known[1];
            object.asks |= known[2];
            object.foreign |= !known.contains(&true);
            let value = self.value();
            if known[3] {
                object.id = value;
            }
        }
        if self.byte() == Some(b'}') {
            self.at += 1;
        }
        object
    }
}

/// A message that is spread over several lines, as its lines arrive.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    /// The indentation of its members, once there is one.
    indent: Option<usize>,
    open: bool,
    jsonrpc: bool,
    answers: bool,
    asks: bool,
    id: Option<CallId>,
}

impl Fragments {
    /// Adds a malformed line. Returns `None` if it is not part of such a message; otherwise the id
    /// of the call that the message answers, once it is known.
    pub(super) fn take(
        &mut self,
        line: &[u8],
        malformed: &Malformed<'_>,
    ) -> Option<Option<CallId>> {
        if !self.open && matches!(malformed, Malformed::Invalid(..)) {
            return None;
        }
        let line = line.trim_ascii_end();
        let body = line.trim_ascii_start();
        let indent = line.len() - body.len();
        if let Some(rest) = body.strip_prefix(b"{").filter(|_| !self.open || indent == 0) {
            let rest = rest.trim_ascii_start();
            if !rest.is_empty() && !self.is_member(rest) {
                return None;
            }
            *self = Self { open: true, ..Self::default() };
            self.member(rest);
            return Some(None);
        }
        if !self.open {
            return (body == b"[").then_some(None);
        }
        if body.first() == Some(&b'}') && indent == 0 {
            *self = Self::default();
            return Some(None);
        }
        if self.is_member(body) && *self.indent.get_or_insert(indent) == indent {
            self.member(body);
        }
        let done = self.jsonrpc && self.answers && !self.asks;
        Some(self.id.take_if(|_| done))
    }

    fn is_member(&self, text: &[u8]) -> bool {
        let mut cursor = Cursor { text, at: 0 };
        if cursor.byte() != Some(b'"') || !cursor.string() {
            return false;
        }
        cursor.skip(b"");
        cursor.byte() == Some(b':')
    }

    fn member(&mut self, text: &[u8]) {
        let text = text.strip_suffix(b",").unwrap_or(text);
        let mut cursor = Cursor { text, at: 0 };
        if cursor.byte() != Some(b'"') || !cursor.string() {
            return;
        }
        let name = &text[..cursor.at];
        cursor.skip(b":");
        let value = &text[cursor.at..];
        if json::spells(name, "id") {
            self.id = CallId::read(value);
        }
        self.jsonrpc |= json::spells(name, "jsonrpc");
        self.asks |= json::spells(name, "method");
        self.answers |= json::spells(name, "result") || json::spells(name, "error");
    }
}
