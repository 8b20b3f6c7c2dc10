//! Numbers of calls and streams. Each counts from one in its child or session, and is used once.

use core::fmt;

use crate::codec::number;

/// A request to a child, a client's or the bridge's own: the id that the child knows it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub(crate) u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A stream of a session or shared child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(pub(crate) u64);

impl CallId {
    /// Reads an id that a child wrote: the number of one of its requests, however it is written.
    pub(crate) fn read(raw: &[u8]) -> Option<Self> {
        let digits = raw.iter().try_fold(0, |sum: u64, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        });
        digits.or_else(|| number::counted(raw)).map(Self)
    }

    /// The id as a child gets it, in decimal digits.
    pub(crate) fn digits(self, buffer: &mut itoa::Buffer) -> &[u8] {
        buffer.format(self.0).as_bytes()
    }

    /// The number after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl StreamId {
    /// The number after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
