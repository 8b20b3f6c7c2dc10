//! A JSON number by its value: `2`, `2.0` and `2e0` are one number. Nothing is rounded.
//!
//! Only for spellings that are compared; an id of our own has no other spelling than its digits.

use alloc::vec::Vec;

use crate::codec::json::{self, Scanner};

/// `digits`, without zeros at either end, times ten to the power of `exponent`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Number {
    /// Reads a JSON number (RFC 8259 "Numbers"). `None` for any other text, and for an exponent
    /// that is no `i32`.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let whole = matches!(text.first(), Some(b'-' | b'0'..=b'9'))
            && scanner.value().is_ok_and(|span| span == (0..text.len()));
        let text = core::str::from_utf8(text).ok().filter(|_| whole)?;
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(mantissa) => (true, mantissa),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let start = digits.iter().take_while(|digit| **digit == b'0').count();
        let Some(digits) = digits.get(start..digits.len() - zeros).filter(|some| !some.is_empty())
        else {
            return Some(Self { negative: false, digits: Vec::new(), exponent: 0 });
        };
        let exponent = i64::from(exponent) - fraction.len() as i64 + zeros as i64;
        Some(Self { negative, digits: digits.to_vec(), exponent })
    }

    /// Whether it is an integer.
    pub(crate) const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number itself, if it is one that counts something.
    fn count(&self) -> Option<u64> {
        let zeros = usize::try_from(self.exponent).ok().filter(|_| !self.negative)?;
        // 2^64 has 20 digits.
        let zeros = (zeros <= 20).then(|| core::iter::repeat_n(b'0', zeros))?;
        self.digits.iter().copied().chain(zeros).try_fold(0, |sum: u64, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
    }
}

/// The number that an id or a token names, however it is spelled: with a fraction or an exponent,
/// or as a string, as servers write whose language has one kind of number or turns keys to text.
#[cold]
pub(crate) fn counted(raw: &[u8]) -> Option<u64> {
    if raw.first() == Some(&b'"') {
        return Number::read(json::decoded(raw)?.trim().as_bytes())?.count();
    }
    Number::read(raw)?.count()
}

/// Whether two spellings are of one number.
#[cold]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    Number::read(one).is_some_and(|one| Number::read(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_many_spellings() {
        for text in ["2", "2.0", "2.00", "2e0", "2E+0", "0.2e1", "20e-1", "200.0E-2", "\"2\""] {
            assert_eq!(counted(text.as_bytes()), Some(2), "{text}");
        }
        for text in ["\"2.0\"", "\" 2 \"", "\"\\u0032\"", "0.0002e4", "\"2e0\""] {
            assert_eq!(counted(text.as_bytes()), Some(2), "{text}");
        }
        for text in [
            "-2",
            "2.5",
            "2e-1",
            "2e1",
            "02",
            "+2",
            "2.",
            ".2e1",
            "2e",
            "0x2",
            "\"two\"",
            "\"\"",
            "\"2 2\"",
            "\"02\"",
            "\"+2\"",
            "\"-2\"",
            "",
            "null",
            "true",
            "[2]",
            "{}",
            "2e99",
            "2x",
            "1e999999999999",
            "\"\\ud800\"",
            "18446744073709551616",
            "2000000000000000000.1e1",
        ] {
            assert_ne!(counted(text.as_bytes()), Some(2), "{text}");
        }
        assert_eq!(counted(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(counted(b"1844674407370955161.5e1"), Some(u64::MAX));
        assert_eq!(counted(b"18446744073709551616.0"), None);
        // What a 64-bit float would round to another id.
        assert_eq!(counted(b"9007199254740993.0"), Some(9_007_199_254_740_993));
        assert_eq!(counted(b"2.00000000000000000001"), None);
        assert_eq!(counted(b"-0.0"), Some(0));
    }

    #[test]
    fn numbers_are_compared_exactly() {
        for (one, other) in [("1", "1.0"), ("1e2", "100"), ("-1.50", "-15e-1"), ("0", "-0e7")] {
            assert!(same(one.as_bytes(), other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [
            ("1", "-1"),
            ("9007199254740993", "9007199254740992.0"),
            ("1e400", "1e401"),
            ("1e99999999999", "1e99999999999"),
            ("\"1\"", "1"),
        ] {
            assert!(!same(one.as_bytes(), other.as_bytes()), "{one} {other}");
        }
        let long = [&[b'7'; 4000][..], b".0"].concat();
        assert!(same(&long, &[b'7'; 4000]));
    }
}
