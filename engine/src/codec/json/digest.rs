//! A number that stands for what a JSON value says: two values that say the same have the same,
//! however they are spelled and in whatever order their members come. One pass, nothing decoded.
//!
//! It is no secret and no proof: who wants to can make two values with one number.

use alloc::vec::Vec;

use super::{NotJson, Piece, Scanner, pieces};

/// Brackets within each other that are looked into. What is deeper counts as it is spelled.
const DEPTH: usize = 1024;

/// An array or object of which the start was read.
struct Open {
    object: bool,
    /// The name of the member that is read.
    name: u64,
    sum: u64,
}

/// Steps over a value, and gives its number.
fn digest(scanner: &mut Scanner<'_>) -> Result<u64, NotJson> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match scanner.peek() {
            bracket @ (b'{' | b'[') if open.len() < DEPTH => {
                let object = bracket == b'{';
                scanner.enter(bracket)?;
                let inner = Open { object, name: 0, sum: u64::from(bracket) };
                if scanner.next(inner.close(), true)? {
                    open.push(inner);
                    step(&mut open, scanner)?;
                    continue;
                }
                inner.sum
            }
            _ => {
                let span = scanner.value()?;
                said(scanner.text_at(span))
            }
        };
        loop {
            let Some(inner) = open.last_mut() else { return Ok(value) };
            inner.add(value);
            if scanner.next(inner.close(), false)? {
                step(&mut open, scanner)?;
                break;
            }
            value = inner.sum;
            open.pop();
        }
    }
}

/// The number of an object without some of its members.
pub(crate) fn members(text: &[u8], without: &[&str]) -> Result<u64, NotJson> {
    let mut sum = 0u64;
    Scanner::new(text).members(|scanner, name| {
        // A name that is long or no text is none that is known here.
        let short = name.short();
        if short.is_some_and(|name| without.iter().any(|known| known.as_bytes() == name)) {
            return scanner.value().map(drop);
        }
        let name = match short {
            Some(name) => mixed(plain(plain(START, b"\""), name)),
            None => name.with_escapes().map_or(0, said),
        };
        sum = sum.wrapping_add(member(name, digest(scanner)?));
        Ok(())
    })?;
    Ok(sum)
}

/// The number of a member of this name and value. Those of an object are summed up.
const fn member(name: u64, value: u64) -> u64 {
    mixed(mixed(name) ^ value)
}

/// Steps over a member's name.
fn step(open: &mut [Open], scanner: &mut Scanner<'_>) -> Result<(), NotJson> {
    if let Some(inner) = open.last_mut().filter(|inner| inner.object) {
        inner.name = said(scanner.key()?);
    }
    Ok(())
}

impl Open {
    const fn close(&self) -> u8 {
        if self.object { b'}' } else { b']' }
    }

    const fn add(&mut self, value: u64) {
        self.sum = if self.object {
            self.sum.wrapping_add(member(self.name, value))
        } else {
            mixed(self.sum ^ value)
        };
    }
}

/// What an FNV-1a sum begins with.
const START: u64 = 0xcbf2_9ce4_8422_2325;

fn plain(sum: u64, text: &[u8]) -> u64 {
    text.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// What a name, a string or a number says; what is no text, as it is spelled.
pub(crate) fn said(raw: &[u8]) -> u64 {
    // A string is no number: it begins with another byte.
    let start = plain(START, &raw[..raw.len().min(1)]);
    if raw.first() != Some(&b'"') {
        return mixed(plain(start, raw));
    }
    let text = pieces(raw).try_fold(start, |sum, piece| {
        Some(match piece? {
            Piece::Plain(text) => plain(sum, text),
            Piece::Char(said) => plain(sum, said.encode_utf8(&mut [0; 4]).as_bytes()),
        })
    });
    mixed(text.unwrap_or_else(|| plain(start, raw)))
}

/// What an id says: two that are the same id, as strings or as numbers, have the same.
pub(crate) fn id(raw: &[u8]) -> u64 {
    if raw.first() == Some(&b'"') {
        return said(raw);
    }
    let end = raw.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(raw.len());
    let exponent = raw.get(end + 1..).and_then(|text| core::str::from_utf8(text).ok());
    let mut exponent = exponent.and_then(|text| text.parse::<i32>().ok()).map_or(0, i64::from);
    // Zeros count between other digits; at the end they are a part of the exponent.
    let (mut sum, mut zeros, mut is_fraction) = (0u64, 0u64, false);
    for byte in &raw[..end] {
        match byte {
            b'0' => zeros += 1,
            b'1'..=b'9' => {
                let zeros = core::mem::take(&mut zeros);
                let digit = u64::from(*byte);
                sum = mixed(if sum == 0 { digit } else { mixed(sum ^ zeros) ^ digit }) | 1;
            }
            b'.' => is_fraction = true,
            _ => {}
        }
        exponent -= i64::from(is_fraction && byte.is_ascii_digit());
    }
    exponent += zeros as i64;
    if sum == 0 { 0 } else { mixed(sum ^ exponent as u64) }
}

/// Spreads each bit over all (the last step of SplitMix64).
const fn mixed(mut sum: u64) -> u64 {
    sum = sum.wrapping_add(0x9e37_79b9_7f4a_7c15);
    sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    sum = (sum ^ (sum >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    sum ^ (sum >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn of(text: &str) -> u64 {
        digest(&mut Scanner::new(text.as_bytes())).expect("it is JSON")
    }

    /// serde_json is the naive twin: it builds a tree, and compares it.
    #[test]
    fn two_values_that_say_the_same_have_one_number_and_others_have_not() {
        let texts = [
            "1",
            "2",
            "\"1\"",
            "null",
            "true",
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[[1,2]]",
            r#"{"a":1}"#,
            r#"{ "a" : 1 }"#,
            r#"{"\u0061":1}"#,
            r#"{"a":[1,2],"b":{"c":"é"}}"#,
            r#"{"b":{"c":"\u00e9"},"a":[1, 2]}"#,
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"a":{},"b":[]}"#,
            r#"{"a":[],"b":{}}"#,
            r#"{"a":"b","b":"a"}"#,
            r#"{"a":"a","b":"b"}"#,
            r#""\n""#,
            r#"{"":""}"#,
            "[\"\"]",
            "[null]",
            r#"{"a":null}"#,
            "0",
            "-0",
        ];
        for one in texts {
            for other in texts {
                let [a, b] = [one, other].map(|text| serde_json::from_str::<Value>(text).unwrap());
                assert_eq!(of(one) == of(other), a == b, "{one} {other}");
            }
        }
    }

    #[test]
    fn an_id_is_the_same_however_it_is_spelled() {
        for same in [
            &["1", "1.0", "1e0", "10e-1", "0.1e1", "0.001e3", "100E-2"][..],
            &["1203", "12.03e2", "120300e-2", "0.1203e4"],
            &["10", "1e1", "10.0", "0.0100e3"],
            &["0", "0.0", "-0", "0e7"],
            &[r#""ab""#, r#""a\u0062""#],
        ] {
            for one in same {
                assert_eq!(id(one.as_bytes()), id(same[0].as_bytes()), "{one}");
            }
        }
        let others = ["1", "2", "10", "12", "21", "102", "1002", "0.01", "\"1\"", "\"\""];
        for (place, one) in others.iter().enumerate() {
            for other in &others[..place] {
                assert_ne!(id(one.as_bytes()), id(other.as_bytes()), "{one} {other}");
            }
        }
        let mut counted: Vec<u64> =
            (0..1000).map(|n| id(alloc::format!("{n}").as_bytes())).collect();
        counted.sort_unstable();
        assert!(counted.is_sorted_by(|one, next| one < next));
    }

    /// What that generator gives first for the seed zero, as its reference implementation does.
    #[test]
    fn bits_are_spread_as_by_split_mix() {
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mixed(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn depth_is_no_matter() {
        let deep =
            |inner: &str| alloc::format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(of(&deep("1")), of(&deep("1")));
        assert_ne!(of(&deep("1")), of(&deep("2")));
    }

    #[test]
    fn only_so_many_open_brackets_are_kept() {
        let spaced = |depth: usize| {
            let around =
                |inner| alloc::format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
            of(&around("[ 1 ]")) == of(&around("[1]"))
        };
        assert!(spaced(DEPTH - 1) && !spaced(DEPTH));
    }
}
