//! An id or a token as its sender spelled it, kept while a call is in flight. The short ones, which
//! nearly all are, take no memory of their own.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

/// What is kept in place: a number, or a short string.
const SHORT: usize = 22;

#[derive(Clone)]
pub(crate) enum Spelling {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl From<&[u8]> for Spelling {
    fn from(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text);
                Self::Short(text.len() as u8, bytes)
            }
            None => Self::Long(text.into()),
        }
    }
}

impl Deref for Spelling {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }
}

impl fmt::Debug for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_what_it_was_made_of() {
        let text = [b'7'; 64];
        for length in 0..text.len() {
            let spelling = Spelling::from(&text[..length]);
            assert_eq!(*spelling, text[..length]);
            assert_eq!(*spelling.clone(), text[..length]);
            assert_eq!(matches!(spelling, Spelling::Short(..)), length <= SHORT);
        }
        assert!(size_of::<Spelling>() <= 24);
        assert_eq!(alloc::format!("{:?}", Spelling::from(&b"\"\xff\""[..])), r#"\"\xff\""#);
    }
}
