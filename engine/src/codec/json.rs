//! A JSON text (RFC 8259) as spans: what is where, judged in one pass, nothing decoded.
//!
//! The scanner accepts exactly the grammar and never recurses, so depth costs one bit a level.
//! It does not look into UTF-8, but it notes whether there is anything to look into.

pub(crate) mod digest;
pub(crate) mod sorted;
mod string;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

pub(crate) use string::{Name, Piece, excerpt, is_text, named, pieces, says};

/// Where something stands in the text.
pub(crate) type Span = Range<usize>;

/// The text is not JSON; what was expected.
pub(crate) type NotJson = &'static str;

/// A cursor over a JSON text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether a line break stood between two tokens so far.
    pub(crate) multiline: bool,
    /// Whether no string had a byte beyond ASCII so far.
    pub(crate) ascii: bool,
    /// Whether a string had an escape since this was last cleared.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, multiline: false, ascii: true, escaped: false }
    }

    /// A cursor on a span of a text that was scanned before.
    pub(crate) fn within(text: &'a [u8], span: &Span) -> Self {
        Self { at: span.start, ..Self::new(text.get(..span.end).unwrap_or(text)) }
    }

    /// The byte at the cursor; 0 at the end.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// The first byte of the next token; 0, which begins none, if there is none.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> u8 {
        let byte = self.byte();
        if byte > b' ' { byte } else { self.space() }
    }

    /// The same, over white space.
    #[cold]
    fn space(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\t' => {}
                b'\n' | b'\r' => self.multiline = true,
                byte => return byte,
            }
            self.at += 1;
        }
    }

    /// What is wrong, if the text is not at its end.
    fn unless_ended(&self, wrong: NotJson, ended: NotJson) -> NotJson {
        if self.at < self.text.len() { wrong } else { ended }
    }

    /// What stands at a span.
    pub(crate) fn text_at(&self, span: Span) -> &'a [u8] {
        &self.text[span]
    }

    /// Where the cursor stands.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        self.peek();
        if self.at == self.text.len() { Ok(()) } else { Err("text follows the JSON value") }
    }

    /// Steps over the given structural byte.
    #[inline(always)]
    fn step(&mut self, byte: u8, otherwise: NotJson) -> Result<(), NotJson> {
        if self.peek() != byte {
            return Err(otherwise);
        }
        self.at += 1;
        Ok(())
    }

    /// Steps into an object or array.
    pub(crate) fn enter(&mut self, open: u8) -> Result<(), NotJson> {
        self.step(open, "an object or array was expected")
    }

    /// Steps to the next member or element, or out of the object or array. `first` is true for
    /// the first call after [`Scanner::enter`].
    #[inline(always)]
    pub(crate) fn next(&mut self, close: u8, first: bool) -> Result<bool, NotJson> {
        let byte = self.peek();
        if byte == close {
            self.at += 1;
            return Ok(false);
        }
        if first {
            return Ok(true);
        }
        if byte != b',' {
            return Err("a comma or a closing bracket was expected");
        }
        self.at += 1;
        if self.peek() == close { Err("a comma before a closing bracket") } else { Ok(true) }
    }

    /// The next member's name, with its quotes; the cursor then stands on its value.
    #[inline(always)]
    pub(crate) fn key(&mut self) -> Result<&'a [u8], NotJson> {
        if self.peek() != b'"' {
            return Err("a member name was expected");
        }
        let start = self.at;
        self.string()?;
        let raw = &self.text[start..self.at];
        self.step(b':', "a colon was expected")?;
        Ok(raw)
    }

    /// The same, to be compared.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<Name<'a>, NotJson> {
        self.escaped = false;
        let raw = self.key()?;
        Ok(if self.escaped { Name::escaped(raw) } else { Name::Plain(unquoted(raw)) })
    }

    /// Steps over an object. What is given each member's name steps over its value.
    pub(crate) fn members(
        &mut self,
        mut take: impl FnMut(&mut Self, &Name<'a>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.each_member(&mut take)
    }

    /// The same, there once for all who do not read every message.
    #[inline(never)]
    fn each_member(
        &mut self,
        take: &mut dyn FnMut(&mut Self, &Name<'a>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.members_in_place(take)
    }

    /// The same, for who reads every message.
    #[inline(always)]
    pub(crate) fn members_in_place(
        &mut self,
        mut take: impl FnMut(&mut Self, &Name<'a>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.enter(b'{')?;
        let mut first = true;
        while self.next(b'}', first)? {
            first = false;
            self.escaped = false;
            let raw = self.key()?;
            // Lent, as it is large for the sake of the few that have escapes.
            let plain = Name::Plain(unquoted(raw));
            let decoded;
            let name = if self.escaped {
                decoded = Name::escaped(raw);
                &decoded
            } else {
                &plain
            };
            take(self, name)?;
        }
        Ok(())
    }

    /// Steps over an array. What is given the place of each element steps over it.
    pub(crate) fn elements(
        &mut self,
        mut take: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.enter(b'[')?;
        let mut first = true;
        while self.next(b']', first)? {
            first = false;
            take(self)?;
        }
        Ok(())
    }

    /// Steps over one value of any kind.
    #[inline(always)]
    pub(crate) fn value(&mut self) -> Result<Span, NotJson> {
        let first = self.peek();
        let start = self.at;
        match first {
            b'"' => self.string()?,
            b'{' | b'[' => self.nested()?,
            _ => self.scalar(first)?,
        }
        Ok(start..self.at)
    }

    /// Steps over an object or array.
    #[inline(never)]
    fn nested(&mut self) -> Result<(), NotJson> {
        let mut open = Nesting::default();
        loop {
            match self.peek() {
                b'"' => self.string()?,
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    open.push(bracket == b'{');
                    if self.next(open.close, true)? {
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    open.pop();
                }
                other => self.scalar(other)?,
            }
            // Climb out of all that ends here, then stand before the next value.
            loop {
                if open.depth == 0 {
                    return Ok(());
                }
                if self.next(open.close, false)? {
                    break;
                }
                open.pop();
            }
            if open.close == b'}' {
                self.key()?;
            }
        }
    }

    /// Steps over a number, a boolean or null, of which the first byte is given.
    fn scalar(&mut self, first: u8) -> Result<(), NotJson> {
        match first {
            b'-' | b'0'..=b'9' => self.number(first),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(self.unless_ended("a value was expected", "the text ends within a value")),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err("a value was expected");
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps over a string. Most are names, which end within eight bytes.
    fn string(&mut self) -> Result<(), NotJson> {
        let mut at = self.at + 1;
        // A byte more than is looked at, so that the end is known to be in there.
        if let Some(chunk) = self.text.get(at..).and_then(|rest| rest.first_chunk::<9>())
            && let Some((word, _)) = chunk.split_first_chunk()
        {
            let end = first(special(u64::from_le_bytes(*word)));
            at += end;
            if chunk[end] == b'"' {
                self.at = at + 1;
                return Ok(());
            }
        }
        self.at = at;
        self.rest_of_string()
    }

    /// The same, of any length, within the string. Apart, so that the short way needs no room of
    /// its own.
    #[inline(never)]
    fn rest_of_string(&mut self) -> Result<(), NotJson> {
        loop {
            match self.byte() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                0..b' ' => {
                    return Err(self.unless_ended(
                        "a control character within a string",
                        "the text ends within a string",
                    ));
                }
                0x80.. => {
                    self.ascii = false;
                    self.run(|word| special(word) & !word);
                }
                _ => self.run(special),
            }
        }
    }

    /// Steps, eight bytes at a time, to the first byte that is marked; a zero byte always is.
    #[inline(always)]
    fn run(&mut self, marks: impl Fn(u64) -> u64) {
        let (words, rest) = self.text[self.at..].as_chunks();
        let mut at = self.at;
        for word in words {
            let marked = marks(u64::from_le_bytes(*word));
            if marked != 0 {
                self.at = at + first(marked);
                return;
            }
            at += 8;
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.at = at + first(marks(u64::from_le_bytes(last)));
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        self.escaped = true;
        let length = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                    return Err("a bad \\u escape");
                }
                6
            }
            _ => return Err("an invalid escape sequence"),
        };
        self.at += length;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err("a digit was expected") }
    }

    fn number(&mut self, first: u8) -> Result<(), NotJson> {
        if first == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.byte() {
            self.at += 1;
            if let b'+' | b'-' = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}

/// Which of the open brackets are braces: one bit a level, the innermost in `top`.
#[derive(Debug, Default)]
struct Nesting {
    top: u64,
    depth: usize,
    spilled: Vec<u64>,
    /// What closes the innermost.
    close: u8,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.spilled.push(self.top);
        }
        self.depth += 1;
        self.set(self.top << 1 | u64::from(object));
    }

    fn pop(&mut self) {
        self.depth -= 1;
        let mut top = self.top >> 1;
        if self.depth.is_multiple_of(64) {
            top = self.spilled.pop().unwrap_or_default();
        }
        self.set(top);
    }

    fn set(&mut self, top: u64) {
        self.top = top;
        self.close = if top & 1 == 1 { b'}' } else { b']' };
    }
}

/// Marks, by its high bit, the first byte of eight that is special in a string: a quote, a
/// backslash, a control character, or what is not ASCII. Bytes after it may be marked in error.
#[inline(always)]
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    // To subtract n gives a high bit to a byte below n. With its second bit turned, a quote is
    // next to the control characters.
    let low = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (low | backslash | word) & (ONES << 7)
}

/// The place of the first byte that is marked; 8 if none is.
#[inline(always)]
const fn first(marked: u64) -> usize {
    marked.trailing_zeros() as usize / 8
}

/// Whether a member name or string, with its quotes, spells `name`.
pub(crate) fn spells(raw: &[u8], name: &str) -> bool {
    let inner = unquoted(raw);
    // An escape is longer than what it stands for.
    inner == name.as_bytes() || inner.len() > name.len() && says(raw, name.as_bytes())
}

/// What a string, given with its quotes, says. `None` for what has no UTF-8, a lone surrogate.
pub(crate) fn decoded(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = unquoted(raw);
    if inner.contains(&b'\\') {
        return serde_json::from_slice::<String>(raw).ok().map(Cow::Owned);
    }
    core::str::from_utf8(inner).ok().map(Cow::Borrowed)
}

fn unquoted(raw: &[u8]) -> &[u8] {
    raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default()
}

/// The value of a member of the object at `span`, in a text that was scanned before. The last one
/// counts, as with nearly every parser.
pub(crate) fn member(text: &[u8], span: &Span, name: &str) -> Option<Span> {
    let mut scanner = Scanner::within(text, span);
    let mut found = None;
    let read = scanner.members(|scanner, key| {
        let value = scanner.value()?;
        if key.is(name.as_bytes()) {
            found = Some(value);
        }
        Ok(())
    });
    read.ok().and(found)
}

/// The elements of the array that is the whole text: all are judged, of more than `most` the first
/// are listed, and one more.
pub(crate) fn elements(text: &[u8], most: usize) -> Result<Vec<Span>, NotJson> {
    let mut scanner = Scanner::new(text);
    let mut found = Vec::new();
    scanner.elements(|scanner| {
        let element = scanner.value()?;
        if found.len() <= most {
            found.push(element);
        }
        Ok(())
    })?;
    scanner.end()?;
    Ok(found)
}

#[cfg(test)]
mod tests;
