//! Placeholders for contents: as long as what they stand for, and the same for the same text, so
//! that what refers to each other still does.

use std::collections::BTreeMap;

use super::words::{CONTENTS, NAMES, NUMBERS, RESERVED, STRINGS};

/// The longest text that gets a placeholder of its own.
const LONG: usize = 256;
/// Bytes of texts that have one, all together. A later text gets one that others may have as well.
const TABLE: usize = 1024 * 1024;
/// Levels of a text that are told apart; deeper ones are contents.
const DEPTH: usize = 64;

/// Which text has which placeholder.
#[derive(Default)]
pub(super) struct Placeholders {
    known: BTreeMap<Vec<u8>, Vec<u8>>,
    held: usize,
}

impl Placeholders {
    /// The placeholder of a text. It begins with an `x`.
    pub(super) fn of(&mut self, text: &[u8]) -> Vec<u8> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let number = base36(self.known.len());
        let mut placeholder = vec![b'x'; text.len()];
        if let Some(at) = text.len().checked_sub(number.len()).filter(|at| *at > 0) {
            placeholder[at..].copy_from_slice(number.as_bytes());
        }
        // A malformed string stays one.
        if let Some(last) = placeholder.last_mut().filter(|_| !is_json_string(text)) {
            *last = 0xff;
        }
        self.add(text, &placeholder);
        placeholder
    }

    /// This text stands for itself.
    fn keep(&mut self, text: &[u8]) {
        self.add(text, text);
    }

    fn add(&mut self, text: &[u8], placeholder: &[u8]) {
        if text.len() <= LONG && self.held + text.len() <= TABLE {
            self.held += text.len();
            self.known.insert(text.to_vec(), placeholder.to_vec());
        }
    }

    /// Texts that have a placeholder, with it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.known.iter().map(|(text, placeholder)| (&**text, &**placeholder))
    }
}

fn base36(mut number: usize) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('x'));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// Whether it can stand between quotation marks.
fn is_json_string(text: &[u8]) -> bool {
    let quoted = [b"\"", text, b"\""].concat();
    text.iter().all(|byte| byte.is_ascii_alphanumeric())
        || serde_json::from_slice::<String>(&quoted).is_ok()
}

/// Masks messages.
#[derive(Default)]
pub(crate) struct Masks {
    table: Placeholders,
}

impl Masks {
    /// The line with placeholders for its contents, or for all of its words if it is no JSON.
    pub(crate) fn masked(&mut self, line: &[u8]) -> Vec<u8> {
        let out = Vec::with_capacity(line.len());
        let mut walk = Walk { table: &mut self.table, text: line, at: 0, out, open: Vec::new() };
        walk.walk();
        walk.out
    }

    /// The same of a header field's value, which repeats what a message has.
    pub(super) fn value(&mut self, value: &str) -> String {
        if matches!(value, "true" | "false") {
            return value.into();
        }
        if value.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return digits_masked(value);
        }
        let masked = self.table.of(value.as_bytes());
        String::from_utf8_lossy(&masked).into_owned()
    }
}

fn digits_masked(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '1' } else { c }).collect()
}

/// An object or an array that is open.
#[derive(Clone, Copy, Default)]
struct Open<'a> {
    is_array: bool,
    /// The member that is being read; in an array the one that the array is.
    name: &'a [u8],
    is_content: bool,
}

struct Walk<'a, 't> {
    table: &'t mut Placeholders,
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    open: Vec<Open<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn walk(&mut self) {
        let mut deeper = 0_usize;
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'"' => self.string(deeper > 0),
                b'-' | b'0'..=b'9' => self.number(deeper > 0),
                b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => self.word(),
                _ => {
                    match byte {
                        b'{' | b'[' if self.open.len() == DEPTH => deeper += 1,
                        b'{' | b'[' => self.enter(byte == b'['),
                        b'}' | b']' if deeper > 0 => deeper -= 1,
                        b'}' | b']' => drop(self.open.pop()),
                        _ => {}
                    }
                    self.out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn enter(&mut self, is_array: bool) {
        let outer = self.open.last().copied().unwrap_or_default();
        let is_content = outer.is_content || is_one(outer.name, CONTENTS);
        self.open.push(Open { is_array, name: outer.name, is_content });
    }

    /// Takes what is next up to the first byte that is not `more`.
    fn take(&mut self, more: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| !more(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn string(&mut self, is_deep: bool) {
        let rest = &self.text[self.at + 1..];
        let mut end = 0;
        while end < rest.len() && rest[end] != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        let text = &rest[..end.min(rest.len())];
        let after = &rest[text.len()..];
        self.at += 1 + text.len();
        let next = after.iter().skip(1).find(|byte| !byte.is_ascii_whitespace());
        let is_name = next == Some(&b':');
        if is_name && let Some(open) = self.open.last_mut().filter(|_| !is_deep) {
            open.name = text;
        }
        let keeps = match is_name {
            true => is_one(text, NAMES) || text.starts_with(RESERVED.as_bytes()),
            false => !is_deep && self.keeps(text),
        };
        self.out.push(b'"');
        match keeps {
            true => self.out.extend_from_slice(text),
            false => self.out.extend(self.table.of(text)),
        }
        if !after.is_empty() {
            self.out.push(b'"');
            self.at += 1;
        }
    }

    /// Whether a string is a name of the protocol, or that of a tool or a prompt.
    fn keeps(&mut self, text: &[u8]) -> bool {
        if is_name_of_ours(text) {
            return true;
        }
        let Some(open) = self.open.last().filter(|open| !open.is_content) else { return false };
        // A batch is an array of messages.
        let is_batch = self.open.first().is_some_and(|first| first.is_array);
        let message = &self.open[usize::from(is_batch)..];
        let path = |at: usize| message.get(at).map_or(&b""[..], |open| open.name);
        let keeps = match open.name {
            b"id" => message.len() == 1,
            b"name" => {
                message.len() == 2 && path(0) == b"params"
                    || message.len() == 4 && path(0) == b"result" && path(1) == b"tools"
            }
            name => return is_one(name, STRINGS),
        };
        if keeps {
            self.table.keep(text);
        }
        keeps
    }

    fn number(&mut self, is_deep: bool) {
        let number = self.take(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let open = self.open.last().filter(|open| !is_deep && !open.is_content);
        match open.is_some_and(|open| is_one(open.name, NUMBERS)) {
            true => self.out.extend_from_slice(number),
            false => {
                let masked = |byte: &u8| if byte.is_ascii_digit() { b'1' } else { *byte };
                self.out.extend(number.iter().map(masked));
            }
        }
    }

    fn word(&mut self) {
        let word = self.take(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80);
        match word {
            b"true" | b"false" | b"null" => self.out.extend_from_slice(word),
            _ => self.out.resize(self.out.len() + word.len(), b'x'),
        }
    }
}

/// Whether it is what stands for a session id or a request state, which is the number of a request.
fn is_name_of_ours(text: &[u8]) -> bool {
    let Some((node, id)) = text.len().checked_sub(32).map(|at| text.split_at(at)) else {
        return false;
    };
    let (zeros, number) = id.split_at(24);
    (node.is_empty() || node.ends_with(b"-"))
        && zeros.iter().all(|byte| *byte == b'0')
        && number.iter().all(u8::is_ascii_hexdigit)
}

fn is_one(name: &[u8], list: &[&str]) -> bool {
    list.iter().any(|one| one.as_bytes() == name)
}
