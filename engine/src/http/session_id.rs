//! What names a session, or a call that waits for its client's input, to the client.
//!
//! 128 bits, drawn for it alone, in lower-case hexadecimal; before them the node's name, if it has
//! one, so that a front that knows the names finds the node. There is one spelling.

use alloc::format;
use alloc::string::String;

use crate::api::config::Config;

/// A session id as it goes over the wire: 128 bits in lower-case hexadecimal, after the node's name
/// if it has one, so that a front that knows the names finds the node.
pub(crate) fn text(id: u128, config: &Config) -> String {
    match &config.node {
        Some(node) => format!("{node}-{id:032x}"),
        None => format!("{id:032x}"),
    }
}

/// Reads a session id. Only the spelling of [`text`] names a session.
pub(crate) fn parse(text: &[u8], config: &Config) -> Option<u128> {
    let text = match &config.node {
        Some(node) => text.strip_prefix(node.as_bytes())?.strip_prefix(b"-")?,
        None => text,
    };
    let (words, []) = text.as_chunks() else { return None };
    let [a, b, c, d] = *words else { return None };
    let half = |high, low| Some(u64::from(eight(high)?) << 32 | u64::from(eight(low)?));
    Some(u128::from(half(a, b)?) << 64 | u128::from(half(c, d)?))
}

/// A short number that distinguishes a session from others and does not reveal its id: a quarter of
/// its bits, each the parity of four of them.
pub(crate) fn short(id: u128) -> u32 {
    (id ^ id >> 32 ^ id >> 64 ^ id >> 96) as u32
}

/// Eight digits at once: a call should not cost a loop over thirty-two.
fn eight(digits: [u8; 8]) -> Option<u32> {
    const ONES: u64 = u64::MAX / 255;
    let text = u64::from_be_bytes(digits);
    // The low half of a digit's code is its value, of a letter's it is nine less.
    let letters = text >> 6 & ONES;
    let values = (text & (ONES * 0x0f)) + letters * 9;
    // Spelled again, they must be what was there.
    let tens = (values + ONES * 0x76) >> 7 & ONES;
    if values & (ONES * 0xf0) != 0 || values + ONES * 0x30 + tens * 0x27 != text {
        return None;
    }
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    Some((fours | fours >> 16) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_have_one_spelling() {
        let plain = Config::default();
        let named = Config { node: Some(String::from("a-b")), ..Config::default() };
        for config in [&plain, &named] {
            for id in [7, u128::MAX] {
                assert_eq!(parse(text(id, config).as_bytes(), config), Some(id));
            }
            let upper = text(u128::MAX, config).to_uppercase();
            for bad in
                ["", "7", "-", "a-b-", "constructor", "+0000000000000000000000000000007", &upper]
            {
                assert_eq!(parse(bad.as_bytes(), config), None, "{bad}");
            }
        }
        assert_eq!(text(255, &named), "a-b-000000000000000000000000000000ff");
        assert_eq!(parse(text(7, &plain).as_bytes(), &named), None);
        assert_eq!(parse(text(7, &named).as_bytes(), &plain), None);
    }

    #[test]
    fn a_bit_of_the_short_number_is_the_parity_of_four() {
        for place in 0..128 {
            assert_eq!(short(1 << place), 1 << (place % 32));
        }
        assert_eq!((short(1 | 1 << 32), short(1 | 1 << 64)), (0, 0));
        assert_eq!(short(1 | 1 << 32 | 1 << 64), 1);
        assert_eq!(short(1 | 1 << 32 | 1 << 64 | 1 << 96), 0);
    }

    #[test]
    fn a_digit_counts_where_it_stands_and_nothing_else_is_one() {
        let config = Config::default();
        for place in 0..32 {
            for byte in 0..=u8::MAX {
                let mut text = [b'0'; 32];
                text[place] = byte;
                let digit = char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
                let wanted = digit.map(|digit| u128::from(digit) << (4 * (31 - place)));
                assert_eq!(parse(&text, &config), wanted, "{byte} at {place}");
            }
        }
        assert_eq!(parse("é".repeat(16).as_bytes(), &config), None);
    }
}
