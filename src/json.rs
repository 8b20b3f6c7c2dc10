//! A JSON text (RFC 8259) as spans: what is where, judged in one pass, nothing decoded.
//!
//! The scanner accepts exactly the grammar and never recurses, so depth costs one bit a level.
//! It does not look into UTF-8: its callers have checked that.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

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
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, multiline: false }
    }

    /// A cursor on a span of a text that was scanned before.
    pub(crate) fn within(text: &'a [u8], span: &Span) -> Self {
        Self { text: text.get(..span.end).unwrap_or(text), at: span.start, multiline: false }
    }

    /// The first byte of the next token, if there is one.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match self.text.get(self.at) {
            Some(&byte) if byte > b' ' => Some(byte),
            _ => self.space(),
        }
    }

    /// The same, over white space.
    #[cold]
    fn space(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\n' | b'\r') => {
                    self.multiline = true;
                    self.at += 1;
                }
                byte => return byte.copied(),
            }
        }
    }

    /// Where the cursor stands.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        if self.peek().is_none() { Ok(()) } else { Err("something follows the JSON value") }
    }

    /// Steps over the given structural byte.
    #[inline]
    fn step(&mut self, byte: u8, otherwise: NotJson) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
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
    #[inline]
    pub(crate) fn next(&mut self, close: u8, first: bool) -> Result<bool, NotJson> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                if self.peek() == Some(close) {
                    Err("a comma before a closing bracket")
                } else {
                    Ok(true)
                }
            }
            Some(_) if first => Ok(true),
            _ => Err("a comma or a closing bracket was expected"),
        }
    }

    /// The next member's name, with its quotes; the cursor then stands on its value.
    pub(crate) fn key(&mut self) -> Result<&'a [u8], NotJson> {
        self.quoted_name().map(|(span, _)| &self.text[span])
    }

    /// The same, as what it says; or with its quotes, if that has no UTF-8.
    #[inline(always)]
    pub(crate) fn name(&mut self) -> Result<Cow<'a, [u8]>, NotJson> {
        let (span, escaped) = self.quoted_name()?;
        let inner = &self.text[span.start + 1..span.end - 1];
        if !escaped {
            return Ok(Cow::Borrowed(inner));
        }
        let raw = &self.text[span];
        Ok(decoded(raw).map_or(Cow::Borrowed(raw), |name| Cow::Owned(name.into_owned().into())))
    }

    /// Where the next member's name stands, with its quotes, and whether it has escapes. Inlined
    /// like the rest of what each string takes: the calls alone were a tenth of a message's cost.
    #[inline(always)]
    fn quoted_name(&mut self) -> Result<(Span, bool), NotJson> {
        if self.peek() != Some(b'"') {
            return Err("a member name was expected");
        }
        let start = self.at;
        let escaped = self.string()?;
        let end = self.at;
        self.step(b':', "a colon was expected")?;
        Ok((start..end, escaped))
    }

    /// Steps over one value of any kind.
    pub(crate) fn value(&mut self) -> Result<Span, NotJson> {
        let first = self.peek();
        let start = self.at;
        if first == Some(b'"') {
            self.string()?;
            return Ok(start..self.at);
        }
        let mut open = Nesting::default();
        loop {
            let entered = self.token(&mut open)?;
            let mut first = entered;
            // Climb out of all that ends here, then stand before the next value.
            loop {
                let Some(object) = open.top() else {
                    return Ok(start..self.at);
                };
                if self.next(if object { b'}' } else { b']' }, first)? {
                    if object {
                        self.quoted_name()?;
                    }
                    break;
                }
                open.pop();
                first = false;
            }
        }
    }

    /// Steps over a scalar, or into an object or array: true.
    fn token(&mut self, open: &mut Nesting) -> Result<bool, NotJson> {
        match self.peek() {
            Some(b'"') => drop(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(bracket @ (b'{' | b'[')) => {
                self.at += 1;
                open.push(bracket == b'{');
                return Ok(true);
            }
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            Some(_) => return Err("a value was expected"),
            None => return Err("the text ends within a value"),
        }
        Ok(false)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err("a value was expected");
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps over a string; whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, NotJson> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = &self.text[self.at..];
            self.at += plain(rest);
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err("a control character within a string"),
                None => return Err("the text ends within a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        let length = match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit)) {
                    return Err("a bad \\u escape");
                }
                6
            }
            _ => return Err("a bad escape"),
        };
        self.at += length;
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err("a digit was expected") }
    }

    fn number(&mut self) -> Result<(), NotJson> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
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
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.spilled.push(self.top);
        }
        self.top = self.top << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.top >>= 1;
        if self.depth.is_multiple_of(64) {
            self.top = self.spilled.pop().unwrap_or_default();
        }
    }

    /// Whether the innermost open bracket is a brace; `None` if none is open.
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.top & 1 == 1)
    }
}

/// How many bytes at the start of `text` stand for themselves in a JSON string.
#[inline(always)]
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // Eight bytes at a time; a set high bit marks a byte that is zero after the xor.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    for chunk in text.chunks_exact(8) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        let word = u64::from_le_bytes(bytes);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let stop = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control;
        if stop != 0 {
            return at + stop.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = &text[at..];
    at + tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len())
}

/// Whether a member name or string, with its quotes, spells `name`.
pub(crate) fn spells(raw: &[u8], name: &str) -> bool {
    let inner = unquoted(raw);
    inner == name.as_bytes()
        // An escape is longer than what it stands for.
        || inner.len() > name.len()
            && inner.contains(&b'\\')
            && decoded(raw).is_some_and(|text| text == name)
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
    scanner.enter(b'{').ok()?;
    let mut found = None;
    let mut first = true;
    while scanner.next(b'}', first).ok()? {
        first = false;
        let key = scanner.name().ok()?;
        let value = scanner.value().ok()?;
        if *key == *name.as_bytes() {
            found = Some(value);
        }
    }
    found
}

/// The elements of the array that is the whole text.
pub(crate) fn elements(text: &[u8]) -> Result<Vec<Span>, NotJson> {
    let mut scanner = Scanner::new(text);
    scanner.enter(b'[')?;
    let mut found = Vec::new();
    while scanner.next(b']', found.is_empty())? {
        found.push(scanner.value()?);
    }
    scanner.end()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.value().is_ok() && scanner.end().is_ok()
    }

    #[test]
    fn the_grammar_and_nothing_else() {
        for good in [
            "0",
            "-0",
            "1.10",
            "1e2",
            "1E+2",
            "-12.5e-3",
            "\"\"",
            "\"a\\u00e9\\n\"",
            "[]",
            "{}",
            "[1,[2,{\"a\":[]}],{}]",
            " { \"a\" : 1 , \"b\" : [ true , false , null ] } ",
            "\"\\ud800\"",
            "123456789012345678901234567890",
            "[[[[]]]]",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "--1",
            "tru",
            "truee",
            "nul",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "{,}",
            "[}",
            "{]",
            "1 1",
            "\u{feff}1",
            "[1}",
            "{\"a\":1]",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn agrees_with_serde_json_on_small_texts() {
        // Every text of up to five bytes over an alphabet in which all tokens occur.
        let alphabet = b"{}[]\",:0-1.e\\u t";
        let mut text = Vec::new();
        for length in 1..=5usize {
            for mut number in 0..alphabet.len().pow(length as u32) {
                text.clear();
                for _ in 0..length {
                    text.push(alphabet[number % alphabet.len()]);
                    number /= alphabet.len();
                }
                let ours = accepts(core::str::from_utf8(&text).unwrap());
                let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
                assert_eq!(ours, theirs, "{:?}", core::str::from_utf8(&text));
            }
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let mut deep = alloc::vec![b'['; 100_000];
        deep.extend(core::iter::repeat_n(b']', 100_000));
        assert!(accepts(core::str::from_utf8(&deep).unwrap()));
        deep.pop();
        assert!(!accepts(core::str::from_utf8(&deep).unwrap()));
        let mixed = "{\"a\":[".repeat(5_000) + &"]}".repeat(5_000);
        assert!(accepts(&mixed));
        assert!(!accepts(&(String::from("{\"a\":[").repeat(5_000) + &"}]".repeat(5_000))));
    }

    #[test]
    fn a_string_stops_where_it_must() {
        for stop in [b'"', b'\\', 0, 0x1f] {
            for place in 0..40 {
                let mut text = alloc::vec![b'x'; 40];
                text[place] = stop;
                assert_eq!(plain(&text), place);
            }
        }
        assert_eq!(plain("\u{80}\u{7f}é\u{ffff}12345678".as_bytes()), 16);
    }

    #[test]
    fn members_by_name_whatever_their_spelling() {
        let text = br#"{"a":1,"\u0062":[2],"a":3}"#;
        let span = 0..text.len();
        assert_eq!(member(text, &span, "a").map(|s| &text[s]), Some(&b"3"[..]));
        assert_eq!(member(text, &span, "b").map(|s| &text[s]), Some(&b"[2]"[..]));
        assert_eq!(member(text, &span, "c"), None);
    }
}
