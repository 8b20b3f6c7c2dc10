//! The chunked transfer coding (RFC 9112, "Chunked Transfer Coding"), decoded in place.
//!
//! A state machine over single bytes, so that any cut of the input gives the same. Content moves
//! down over the framing that came before it, each byte once; extensions and trailer fields are
//! checked, bounded and dropped.

#[cfg(test)]
mod tests;

use super::Refusal;

/// The content is over its limit.
pub(super) const TOO_LARGE: Refusal =
    Refusal::new(413, "the request body is longer than the limit");

/// The refusal of content that is over this limit.
pub(super) const fn over(limit: usize) -> Refusal {
    if limit == 0 { Refusal::NO_CONTENT } else { TOO_LARGE }
}

/// The most hexadecimal digits of a chunk's size, leading zeros included: 16 hold any 64-bit size.
const DIGITS: u8 = 16;
/// The most bytes of chunk extensions in one request. Nobody sends any; 1 KiB is leave to do so.
const EXTENSIONS: usize = 1024;
/// The most bytes of trailer fields. They are dropped; 4 KiB is leave to send some.
const TRAILERS: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a chunk's size, so many digits of it read.
    Size(u8),
    /// After the size, before `;`, where white space is tolerated as "BWS".
    Space,
    /// In a chunk's extensions.
    Extension,
    /// At the LF that ends the size line.
    SizeEnd,
    /// In a chunk's data.
    Data,
    /// At the CR after the data.
    DataCr,
    /// At the LF after the data.
    DataLf,
    /// At the first byte of a trailer line.
    TrailerStart,
    /// In a trailer field's name.
    TrailerName,
    /// In a trailer field's value.
    TrailerValue,
    /// At the LF that ends a trailer field.
    TrailerLf,
    /// At the LF that ends the content.
    End,
    /// Past it.
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    at: At,
    /// What is left of the current chunk.
    left: usize,
    limit: usize,
    begin: usize,
    /// The end of the decoded content.
    decoded: usize,
    /// The first byte not yet read.
    next: usize,
    extensions: usize,
    trailers: usize,
}

impl Chunked {
    pub(super) fn new(begin: usize, limit: usize) -> Self {
        Self {
            at: At::Size(0),
            left: 0,
            limit,
            begin,
            decoded: begin,
            next: begin,
            extensions: 0,
            trailers: 0,
        }
    }

    pub(super) fn decoded(&self) -> usize {
        self.decoded
    }

    pub(super) fn consumed(&self) -> usize {
        self.next
    }

    pub(super) fn has_begun(&self) -> bool {
        self.at != At::Size(0) || self.decoded > self.begin
    }

    /// Reads on to the end of `buffer` or of the content: whether that was reached.
    pub(super) fn decode(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Refusal> {
        while self.at != At::Done && self.next < buffer.len() {
            if self.at == At::Data {
                self.copy(buffer);
            } else {
                self.at = self.step(buffer[self.next])?;
                self.next += 1;
            }
        }
        let done = self.at == At::Done;
        if !done {
            // All that came is read: the framing must not pile up behind the content.
            buffer.truncate(self.decoded);
            self.next = self.decoded;
        }
        Ok(done)
    }

    fn copy(&mut self, buffer: &mut [u8]) {
        let count = self.left.min(buffer.len() - self.next);
        buffer.copy_within(self.next..self.next + count, self.decoded);
        self.decoded += count;
        self.next += count;
        self.left -= count;
        if self.left == 0 {
            self.at = At::DataCr;
        }
    }

    fn step(&mut self, byte: u8) -> Result<At, Refusal> {
        const SIZE: Refusal = Refusal::bad("a chunk's size is malformed");
        Ok(match (self.at, byte) {
            (At::Size(digits), _) if byte.is_ascii_hexdigit() => return self.digit(digits, byte),
            (At::Size(0), _) => return Err(SIZE),
            (At::Size(_) | At::Extension, b'\r') => At::SizeEnd,
            (At::Size(_) | At::Space, b';') => At::Extension,
            (At::Size(_) | At::Space, b' ' | b'\t') => return self.extend(At::Space),
            (At::Size(_) | At::Space, _) => return Err(SIZE),
            (At::Extension, _) if is_text(byte) => return self.extend(At::Extension),
            (At::SizeEnd, b'\n') if self.left == 0 => At::TrailerStart,
            (At::SizeEnd, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size(0),
            (At::TrailerStart, b'\r') => At::End,
            (At::TrailerStart | At::TrailerName, _) if is_token(byte) => {
                return self.trail(At::TrailerName);
            }
            (At::TrailerName, b':') => return self.trail(At::TrailerValue),
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, _) if is_text(byte) => return self.trail(At::TrailerValue),
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::End, b'\n') => At::Done,
            (At::DataCr | At::DataLf, _) => {
                return Err(Refusal::bad("a chunk is longer than its size"));
            }
            (
                At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLf | At::End,
                _,
            ) => {
                return Err(Refusal::bad("a trailer field is malformed"));
            }
            // Data is copied, and nothing is read past the end.
            (At::Extension | At::SizeEnd | At::Data | At::Done, _) => return Err(SIZE),
        })
    }

    fn digit(&mut self, digits: u8, byte: u8) -> Result<At, Refusal> {
        if digits == DIGITS {
            return Err(Refusal::bad("a chunk's size has too many digits"));
        }
        let value = char::from(byte).to_digit(16).unwrap_or_default() as usize;
        let size = self.left.checked_mul(16).and_then(|size| size.checked_add(value));
        match size {
            Some(size) if size <= self.limit - (self.decoded - self.begin) => {
                self.left = size;
                Ok(At::Size(digits + 1))
            }
            _ => Err(over(self.limit)),
        }
    }

    fn extend(&mut self, at: At) -> Result<At, Refusal> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS {
            return Err(Refusal::bad("too many chunk extensions"));
        }
        Ok(at)
    }

    fn trail(&mut self, at: At) -> Result<At, Refusal> {
        self.trailers += 1;
        if self.trailers > TRAILERS {
            return Err(Refusal::new(431, "the trailer fields are too large"));
        }
        Ok(at)
    }
}

/// What a field value or an extension may hold: visible bytes, space, tab and obs-text.
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
}

/// RFC 9110, "Tokens".
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
