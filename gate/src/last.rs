//! The last head of a connection. The next one is hardly ever another, but for the length of the
//! content: so it is kept, and a head that is the same is compared once instead of read anew.

use super::head::Span;

/// The longest head that is kept. Those of MCP clients have half of it, and an idle connection pays
/// for what is kept.
const KEEP: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Last {
    /// The head without the digits of its length. Empty if there is none.
    text: Vec<u8>,
    /// Where those digits belong, if it has any.
    at: Option<usize>,
}

impl Last {
    /// Keeps a head that was read, unless it is too large.
    pub(super) fn keep(&mut self, head: &[u8], digits: Option<Span>) {
        self.text.clear();
        if head.len() <= KEEP {
            let (from, to) = digits.unwrap_or_default();
            self.at = digits.map(|_| from);
            self.text.reserve_exact(head.len() - (to - from));
            self.text.extend_from_slice(&head[..from]);
            self.text.extend_from_slice(&head[to..]);
        }
    }

    /// How long the head is without those digits.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    /// Whether `bytes` begin with the same head: then the digits of its length, none if it tells
    /// no length.
    pub(super) fn find<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.text.is_empty() {
            return None;
        }
        let (before, after) = self.text.split_at(self.at.unwrap_or(0));
        let (start, rest) = bytes.split_at_checked(before.len())?;
        if !same(start, before) {
            return None;
        }
        let is_digit = |byte: &&u8| self.at.is_some() && byte.is_ascii_digit();
        let (digits, rest) = rest.split_at(rest.iter().take_while(is_digit).count());
        same(rest.get(..after.len())?, after).then_some(digits)
    }
}

/// Whether both are the same; they are as long as each other. Eight bytes in a step: musl's own
/// comparison takes one, and was a tenth of a call.
fn same(one: &[u8], other: &[u8]) -> bool {
    let ((one, one_rest), (other, other_rest)) = (one.as_chunks(), other.as_chunks());
    let mut pairs = one.iter().zip(other);
    pairs.all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && one_rest == other_rest
}
