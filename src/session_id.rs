//! What names a session, or a call that waits for its client's input, to the client.
//!
//! 128 bits, drawn for it alone, in lower-case hexadecimal; before them the node's name, if it has
//! one, so that a front that knows the names finds the node. There is one spelling.

use alloc::format;
use alloc::string::String;

use crate::config::Config;

/// A session id as it goes over the wire: 128 bits in lower-case hexadecimal, after the node's name
/// if it has one, so that a front that knows the names finds the node.
pub(crate) fn text(id: u128, config: &Config) -> String {
    match &config.node {
        Some(node) => format!("{node}-{id:032x}"),
        None => format!("{id:032x}"),
    }
}

/// Reads a session id. Only the spelling of [`text`] names a session.
pub(crate) fn parse(text: &str, config: &Config) -> Option<u128> {
    let text = match &config.node {
        Some(node) => text.strip_prefix(&**node)?.strip_prefix('-')?,
        None => text,
    };
    let half = |text: &[u8]| {
        text.iter().try_fold(0, |sum: u64, byte| match byte {
            b'0'..=b'9' => Some(sum << 4 | u64::from(byte - b'0')),
            b'a'..=b'f' => Some(sum << 4 | u64::from(byte - b'a' + 10)),
            _ => None,
        })
    };
    let (high, low) = text.as_bytes().split_at_checked(16).filter(|_| text.len() == 32)?;
    Some(u128::from(half(high)?) << 64 | u128::from(half(low)?))
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
                assert_eq!(parse(&text(id, config), config), Some(id));
            }
            let upper = text(u128::MAX, config).to_uppercase();
            for bad in
                ["", "7", "-", "a-b-", "constructor", "+0000000000000000000000000000007", &upper]
            {
                assert_eq!(parse(bad, config), None, "{bad}");
            }
        }
        assert_eq!(text(255, &named), "a-b-000000000000000000000000000000ff");
        assert_eq!(parse(&text(7, &plain), &named), None);
        assert_eq!(parse(&text(7, &named), &plain), None);
    }
}
