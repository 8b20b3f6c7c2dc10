//! Base64.

use alloc::vec::Vec;

/// Decodes Base64 with padding (RFC 4648 section 4), strictly: no other characters, no bits left.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    for (place, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || padding > 0 && place + 1 < groups.len() {
            return None;
        }
        let mut word = 0u32;
        for &byte in &group[..4 - padding] {
            word = word << 6 | sextet(byte)?;
        }
        word <<= 6 * padding;
        let [_, three @ ..] = word.to_be_bytes();
        let (kept, left) = three.split_at(3 - padding);
        if left.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

const fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn base64_is_strict() {
        for (text, bytes) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("w6k=", Some("é")),
            ("Zm9vYmFy", Some("foobar")),
            ("Pj4+Pz8/", Some(">>>???")),
            ("Zg", None),
            ("Zg=", None),
            ("Zg===", None),
            ("Zh==", None),
            ("Zm9=", None),
            ("Z===", None),
            ("====", None),
            ("Zg==Zg==", None),
            ("Zm 9", None),
            ("Zm-_", None),
        ] {
            let decoded = decode(text.as_bytes()).map(|b| String::from_utf8(b).unwrap());
            assert_eq!(decoded.as_deref(), bytes, "{text}");
        }
    }
}
