//! What a JSON string says, piece by piece: compared without a copy, however it is escaped.

use alloc::borrow::Cow;
use alloc::string::String;
use core::ops::Deref;

use super::{decoded, unquoted};

/// The longest name that is known to any reader here has fewer bytes.
const KNOWN: usize = 48;

/// A piece of what a string says.
pub(crate) enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a [u8]),
    /// What an escape stands for.
    Char(char),
}

/// The pieces of a string that was scanned before; the last is `None` if an escape stands for no
/// character, which a lone surrogate does.
pub(crate) struct Pieces<'a> {
    rest: &'a [u8],
}

/// What a string, given with its quotes, says.
pub(crate) fn pieces(raw: &[u8]) -> Pieces<'_> {
    Pieces { rest: unquoted(raw) }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Option<Piece<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if *self.rest.first()? == b'\\' {
            let said = self.escape();
            if said.is_none() {
                self.rest = &[];
            }
            return Some(said.map(Piece::Char));
        }
        Some(Some(Piece::Plain(self.plain())))
    }
}

impl<'a> Pieces<'a> {
    /// Steps over what stands for itself, up to an escape.
    fn plain(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\\', self.rest).unwrap_or(self.rest.len());
        let (plain, rest) = self.rest.split_at(end);
        self.rest = rest;
        plain
    }

    /// Steps over an escape.
    fn escape(&mut self) -> Option<char> {
        let said = match *self.rest.get(1)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            other => char::from(other),
        };
        self.rest = &self.rest[2..];
        Some(said)
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.unit()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        let low = self.unit().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    /// Steps over an escape of four digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.strip_prefix(b"\\u")?.first_chunk::<4>()?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let unit = digits.iter().try_fold(0, |sum, byte| Some(sum << 4 | digit(*byte)?))?;
        self.rest = &self.rest[6..];
        Some(unit)
    }
}

/// Whether a value is a string that says something: not one with half of a character.
pub(crate) fn is_text(raw: &[u8]) -> bool {
    raw.first() == Some(&b'"') && pieces(raw).all(|piece| piece.is_some())
}

/// Whether a string, given with its quotes, says this.
pub(crate) fn says(raw: &[u8], text: &[u8]) -> bool {
    let mut rest = text;
    each_piece(raw, |said| match rest.strip_prefix(said) {
        Some(left) => {
            rest = left;
            true
        }
        None => false,
    }) && rest.is_empty()
}

/// Gives what a string says piece by piece, as long as it is asked for. Whether that was all.
fn each_piece(raw: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> bool {
    pieces(raw).all(|piece| match piece {
        None => false,
        Some(Piece::Plain(plain)) => take(plain),
        Some(Piece::Char(said)) => take(said.encode_utf8(&mut [0; 4]).as_bytes()),
    })
}

/// The first characters of what a string says, for a person.
pub(crate) fn excerpt(raw: &[u8], characters: usize) -> String {
    let (mut shown, mut left) = (String::new(), characters);
    for piece in pieces(raw).map_while(|piece| piece) {
        match piece {
            _ if left == 0 => break,
            Piece::Char(said) => {
                shown.push(said);
                left -= 1;
            }
            Piece::Plain(plain) => {
                // No character has more than four bytes.
                let plain = &plain[..plain.len().min(left.saturating_mul(4))];
                for said in String::from_utf8_lossy(plain).chars().take(left) {
                    shown.push(said);
                    left -= 1;
                }
            }
        }
    }
    shown
}

/// A member's name. It reads as the bytes that it says; a long one with escapes, which is no name
/// that anybody here looks for, as it is spelled.
#[derive(Clone)]
pub(crate) enum Name<'a> {
    Plain(&'a [u8]),
    Escaped { raw: &'a [u8], said: [u8; KNOWN], length: usize },
}

impl<'a> Name<'a> {
    /// A name, given with its quotes, that has escapes.
    #[cold]
    pub(super) fn escaped(raw: &'a [u8]) -> Self {
        let mut said = [0; KNOWN];
        let length = fill(raw, &mut said).unwrap_or_default();
        Self::Escaped { raw, said, length }
    }

    /// What stands between the quotes.
    pub(crate) fn spelling(&self) -> &'a [u8] {
        match self {
            Self::Plain(name) => name,
            Self::Escaped { raw, .. } => unquoted(raw),
        }
    }

    /// Whether it is this one, of any length.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        match (self.short(), self) {
            (None, Self::Escaped { raw, .. }) => says(raw, name),
            _ => **self == *name,
        }
    }

    /// What it says, if it has no escapes or is not longer than any name that is looked for.
    pub(crate) fn short(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(name) => Some(name),
            Self::Escaped { said, length, .. } => said.get(..*length).filter(|_| *length > 0),
        }
    }

    /// What it says, at any length; as it is spelled, if that is no text.
    pub(crate) fn text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Escaped { raw, length: 0, .. } => decoded(raw)
                .map_or(Cow::Borrowed(*raw), |name| Cow::Owned(name.into_owned().into())),
            _ => Cow::Borrowed(&**self),
        }
    }

    /// The name with its quotes, if it has escapes.
    pub(crate) const fn with_escapes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Escaped { raw, .. } => Some(raw),
        }
    }
}

impl Deref for Name<'_> {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Plain(name) => name,
            Self::Escaped { said, length, .. } if *length > 0 => &said[..*length],
            Self::Escaped { raw, .. } => raw,
        }
    }
}

/// Gives what a name, with its quotes, says to who compares it: see [`Name`].
pub(crate) fn named<T>(raw: &[u8], compare: impl FnOnce(&[u8]) -> T) -> T {
    if raw.contains(&b'\\') { compare(&Name::escaped(raw)) } else { compare(unquoted(raw)) }
}

/// Puts what a string says into a place, and gives its length; `None` if there is no room for it.
fn fill(raw: &[u8], place: &mut [u8]) -> Option<usize> {
    let (mut pieces, mut at) = (pieces(raw), 0);
    while let Some(first) = pieces.rest.first() {
        let mut letter = [0; 4];
        let said = if *first == b'\\' {
            let said = pieces.escape()?;
            if said.is_ascii() {
                *place.get_mut(at)? = said as u8;
                at += 1;
                continue;
            }
            said.encode_utf8(&mut letter).as_bytes()
        } else {
            pieces.plain()
        };
        place.get_mut(at..at + said.len())?.copy_from_slice(said);
        at += said.len();
    }
    Some(at)
}
