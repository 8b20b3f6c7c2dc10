//! Looking for bytes in bytes.

/// Where `needle` first stands in `text`.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let mut from = 0;
    while let Some(at) = position(&text[from..], first) {
        let after = from + at + 1;
        if text[after..].starts_with(rest) {
            return Some(from + at);
        }
        from = after;
    }
    None
}

/// How often `needle` stands in `text`, without overlap.
pub fn count(text: &[u8], needle: &[u8]) -> usize {
    let mut rest = text;
    let mut found = 0;
    while let Some(at) = find(rest, needle) {
        found += 1;
        rest = &rest[at + needle.len()..];
    }
    found
}

/// What stands between `key` and the next comma or closing bracket.
pub fn value_of<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = &text[find(text, key)? + key.len()..];
    let end = value.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
    Some(value[..end].trim_ascii())
}

/// The number that follows `key`.
pub fn number_of(text: &[u8], key: &[u8]) -> Option<usize> {
    str::from_utf8(value_of(text, key)?).ok()?.parse().ok()
}

/// Where `byte` first stands, eight bytes at a time.
pub fn position(text: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let hit = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if hit != 0 {
            return Some(at * 8 + hit.trailing_zeros() as usize / 8);
        }
    }
    let done = words.len() * 8;
    text[done..].iter().position(|found| *found == byte).map(|at| done + at)
}
