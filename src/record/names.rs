//! Session ids, and other names that the engine makes of random bytes. They are secrets: each is
//! replaced by one that the transcripts' player makes of the number of its request.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The digits of 128 bits.
const DIGITS: usize = 32;
/// What the player adds to the number of a request: so the short number of its session, with which
/// the ids of events begin, has as many digits as that of most others.
const USUAL: u32 = 0x1000_0000;

#[derive(Default)]
pub(super) struct Names {
    known: BTreeMap<u128, u32>,
    /// The same by the short number.
    short: BTreeMap<u32, u32>,
}

impl Names {
    /// These bytes were drawn for this request. Returns those that replace them, if they are not
    /// what the player draws.
    pub(super) fn add(&mut self, random: u128, number: u64) -> Option<u32> {
        let short = short(random);
        let lowest = 1_u32.checked_shl(short.max(1).ilog2() / 4 * 4).unwrap_or(1);
        let number = (number % u64::from(USUAL)) as u32;
        let instead = lowest + if lowest == USUAL { number } else { number % lowest };
        self.known.insert(random, instead);
        self.short.insert(short, instead);
        (lowest != USUAL).then_some(instead)
    }

    /// The bytes with every such name replaced. It keeps its length.
    pub(super) fn replaced<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut replaced = Cow::Borrowed(bytes);
        let mut start = 0;
        for run in bytes.split(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            if let Some(instead) = self.instead(run) {
                let text = format!("{instead:032x}");
                replaced.to_mut()[start..start + DIGITS].copy_from_slice(text.as_bytes());
            }
            start += run.len() + 1;
        }
        replaced
    }

    /// The same of a session id, which may begin with a node's name. None if it is not known.
    pub(super) fn session_id(&self, id: &str) -> Option<String> {
        if id.is_empty() {
            return Some(String::new());
        }
        let (node, digits) = id.split_at_checked(id.len().checked_sub(DIGITS)?)?;
        let instead = self.instead(digits.as_bytes()).filter(|_| node.len() <= DIGITS)?;
        Some(format!("{node}{instead:032x}"))
    }

    /// The same of an event's id, which begins with its session's short number.
    pub(super) fn event_id(&self, id: &str) -> String {
        let instead = id.split_once('-').and_then(|(session, rest)| {
            let instead = self.short.get(&u32::from_str_radix(session, 16).ok()?)?;
            Some(format!("{instead:x}-{rest}"))
        });
        instead.unwrap_or_else(|| id.to_owned())
    }

    fn instead(&self, digits: &[u8]) -> Option<u32> {
        let text = str::from_utf8(digits).ok().filter(|text| text.len() == DIGITS)?;
        self.known.get(&u128::from_str_radix(text, 16).ok()?).copied()
    }
}

/// The engine's short number of a session.
const fn short(id: u128) -> u32 {
    (id ^ id >> 32 ^ id >> 64 ^ id >> 96) as u32
}
