//! Newline framing of the stdio transport, incremental.
//!
//! A line that lies whole in the bytes given is handed out where it lies; only what is cut is
//! copied, once, and looked through once. Nothing longer than the limit is ever held.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

/// A buffer of this size is kept between lines; a larger one is given back.
const KEPT: usize = 4096;

/// Cuts a byte stream into lines (MCP "Transports, stdio": a message is a line).
///
/// # Examples
///
/// ```
/// let mut lines = mcp_bridge::lines::Lines::new(5);
/// let mut seen = Vec::new();
/// for piece in [&b"one\r\ntw"[..], b"o\nfar too long", b"\nthr"] {
///     let mut feed = lines.feed(piece);
///     while let Some(line) = feed.next() {
///         seen.push(line.map(<[u8]>::to_vec).map_err(|error| error.to_string()));
///     }
/// }
/// let long = String::from("a line is longer than the limit");
/// assert_eq!(seen, [Ok(b"one".to_vec()), Ok(b"two".to_vec()), Err(long)]);
/// assert_eq!(lines.buffered(), 3);
/// ```
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    buffer: Vec<u8>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// The buffer holds the start of a line.
    Partial,
    /// The buffer holds a line that was handed out.
    Done,
    /// The rest of a line that was too long is to be skipped.
    Skipping,
}

/// A line, or an event of [`sse`](crate::sse), is longer than the limit. Of a line, the bytes are
/// skipped up to its end.
///
/// # Examples
///
/// ```
/// use mcp_bridge::lines::{Lines, TooLong};
///
/// assert_eq!(Lines::new(2).feed(b"abc\n").next(), Some(Err(TooLong)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line is longer than the limit")
    }
}

impl core::error::Error for TooLong {}

impl Lines {
    /// A splitter for lines of up to `limit` bytes, their end not counted.
    pub const fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), state: State::Partial }
    }

    /// Takes the next bytes of the stream, cut anywhere, and gives the lines that they complete.
    /// Lines that are not taken are lost: call it until it returns `None`.
    pub fn feed<'a>(&'a mut self, bytes: &'a [u8]) -> Feed<'a> {
        Feed { lines: self, rest: bytes }
    }

    /// Bytes held of a line that is not complete.
    pub fn buffered(&self) -> usize {
        if self.state == State::Partial { self.buffer.len() } else { 0 }
    }

    /// The start of a line that is not complete.
    pub(crate) fn begun(&self) -> &[u8] {
        if self.state == State::Partial { &self.buffer } else { &[] }
    }

    /// Forgets the line that was handed out, and a large buffer with it.
    fn recycle(&mut self) {
        if self.state == State::Done {
            self.state = State::Partial;
            if self.buffer.capacity() > KEPT {
                self.buffer = Vec::new();
            }
            self.buffer.clear();
        }
    }
}

/// The lines that some bytes complete: what [`Lines::feed`] gives.
///
/// # Examples
///
/// See [`Lines`].
#[derive(Debug)]
pub struct Feed<'a> {
    lines: &'a mut Lines,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    /// The next line without its LF and a CR before it, lent until the next call. Empty lines are
    /// passed over.
    ///
    /// # Errors
    ///
    /// [`TooLong`], once for each line that is; the next call goes on after it.
    #[expect(clippy::should_implement_trait, reason = "it lends, which Iterator cannot")]
    pub fn next(&mut self) -> Option<Result<&[u8], TooLong>> {
        let line = self.step()?;
        Some(line.map(|line| line.unwrap_or(&self.lines.buffer)))
    }

    /// The same; but a buffer that would not be kept is given away with its line.
    pub(crate) fn take(&mut self) -> Option<Result<Cow<'_, [u8]>, TooLong>> {
        let line = self.step()?;
        Some(line.map(|line| match line {
            Some(line) => Cow::Borrowed(line),
            None if self.lines.buffer.capacity() > KEPT => {
                Cow::Owned(core::mem::take(&mut self.lines.buffer))
            }
            None => Cow::Borrowed(&*self.lines.buffer),
        }))
    }

    /// Steps to the next line: it lies whole in the bytes given, or else it is what is in the
    /// buffer.
    fn step(&mut self) -> Option<Result<Option<&'a [u8]>, TooLong>> {
        loop {
            self.lines.recycle();
            let Some(end) = memchr::memchr(b'\n', self.rest) else {
                return if self.keep() { None } else { Some(Err(TooLong)) };
            };
            let (piece, rest) = (&self.rest[..end], &self.rest[end + 1..]);
            self.rest = rest;
            if self.lines.state == State::Skipping {
                self.lines.state = State::Partial;
                continue;
            }
            // A CR before the LF is not part of the line.
            if self.lines.buffer.len() + piece.len() > self.lines.limit.saturating_add(1) {
                self.lines.state = State::Done;
                return Some(Err(TooLong));
            }
            if self.lines.buffer.is_empty() {
                match trimmed(piece) {
                    [] => continue,
                    line if line.len() > self.lines.limit => return Some(Err(TooLong)),
                    line => return Some(Ok(Some(line))),
                }
            }
            self.lines.buffer.extend_from_slice(piece);
            self.lines.state = State::Done;
            let length = trimmed(&self.lines.buffer).len();
            if length > self.lines.limit {
                return Some(Err(TooLong));
            }
            if length > 0 {
                self.lines.buffer.truncate(length);
                return Some(Ok(None));
            }
        }
    }

    /// Keeps the start of a line. False if it is already too long.
    fn keep(&mut self) -> bool {
        let piece = core::mem::take(&mut self.rest);
        if self.lines.state == State::Skipping {
            return true;
        }
        if self.lines.buffer.len() + piece.len() > self.lines.limit.saturating_add(1) {
            self.lines.buffer = Vec::new();
            self.lines.state = State::Skipping;
            return false;
        }
        self.lines.buffer.extend_from_slice(piece);
        true
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn split(limit: usize, pieces: &[&[u8]]) -> Vec<Result<String, TooLong>> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for piece in pieces {
            let mut feed = lines.feed(piece);
            while let Some(line) = feed.next() {
                found.push(line.map(|l| String::from_utf8(l.to_vec()).unwrap()));
            }
        }
        found
    }

    #[test]
    fn every_cut_gives_the_same_lines() {
        let stream = b"{}\r\n\n\r\nabcdefgh\ntoo long, far too long\nx\ry\nlast";
        let whole = split(9, &[stream]);
        let expected: [Result<&str, TooLong>; 4] =
            [Ok("{}"), Ok("abcdefgh"), Err(TooLong), Ok("x\ry")];
        assert!(whole.iter().map(|l| l.as_deref().map_err(|e| *e)).eq(expected));
        for cut in 0..stream.len() {
            assert_eq!(split(9, &[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(split(9, &bytes), whole);
    }

    #[test]
    fn the_limit_counts_the_line_alone() {
        assert_eq!(split(3, &[b"abc\r\n"]).len(), 1);
        assert_eq!(split(3, &[b"abc\r\n"]), [Ok(String::from("abc"))]);
        assert_eq!(split(3, &[b"abcd\n"]), [Err(TooLong)]);
        assert_eq!(split(3, &[b"ab", b"cd\nok\n"]), [Err(TooLong), Ok(String::from("ok"))]);
    }

    #[test]
    fn an_endless_line_is_told_once_and_not_held() {
        let mut lines = Lines::new(10);
        let mut errors = 0;
        for _ in 0..100 {
            let mut feed = lines.feed(b"xxxxxxx");
            while let Some(line) = feed.next() {
                assert_eq!(line, Err(TooLong));
                errors += 1;
            }
            assert!(lines.buffered() <= 11);
        }
        assert_eq!(errors, 1);
    }

    #[test]
    fn a_large_buffer_is_given_back() {
        let mut lines = Lines::new(1 << 20);
        let big = alloc::vec![b'x'; 1 << 19];
        assert!(lines.feed(&big).next().is_none());
        assert!(lines.feed(b"\n").next().is_some());
        assert!(lines.feed(b"").next().is_none());
        assert!(lines.buffer.capacity() <= KEPT);
    }

    #[test]
    fn a_large_buffer_is_given_away_with_its_line_and_no_other() {
        let mut lines = Lines::new(1 << 20);
        let big = alloc::vec![b'x'; 1 << 19];
        for (start, rest, owned) in [(&big[..], &b"y\r\nz\n"[..], true), (b"x", b"y\n", false)] {
            assert!(lines.feed(start).take().is_none());
            let mut feed = lines.feed(rest);
            let line = feed.take().and_then(Result::ok).expect("it is complete");
            assert_eq!((line.len(), matches!(line, Cow::Owned(_))), (start.len() + 1, owned));
            assert!(line.ends_with(b"xy"));
            while let Some(line) = feed.take() {
                assert_eq!(line, Ok(Cow::Borrowed(&b"z"[..])));
            }
        }
        assert!(lines.buffer.capacity() <= KEPT);
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        use alloc::string::ToString;
        assert!(TooLong.to_string().contains("line"));
    }
}
