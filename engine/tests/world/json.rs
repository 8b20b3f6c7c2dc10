//! A naive JSON reader (RFC 8259), written for the judge and not for speed: it finds where a
//! value ends, and the raw members of an object or elements of an array. It keeps spellings.

/// Deeper values are not read. The world makes none that deep.
const DEPTH: usize = 200;

/// Where the value that starts at `at`, without white space before it, ends.
pub(crate) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    value(text, at, DEPTH)
}

/// Whether this is exactly one value, with white space around it at most.
pub(crate) fn valid(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok()
        && value_end(text, space(text, 0)).is_some_and(|end| space(text, end) == text.len())
}

/// The members of an object in their order: the decoded name and the raw value.
pub(crate) fn members(text: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut at = space(text, 0);
    let mut found = Vec::new();
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = space(text, at + 1);
    if text.get(at) == Some(&b'}') {
        return (space(text, at + 1) == text.len()).then_some(found);
    }
    loop {
        let name_end = string(text, at)?;
        let name = unquote(&text[at..name_end])?;
        at = space(text, name_end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        at = space(text, at + 1);
        let end = value(text, at, DEPTH)?;
        found.push((name, &text[at..end]));
        at = space(text, end);
        match text.get(at)? {
            b',' => at = space(text, at + 1),
            b'}' => return (space(text, at + 1) == text.len()).then_some(found),
            _ => return None,
        }
    }
}

/// The raw value of an object's only member of this name.
pub(crate) fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let found = members(text)?;
    let mut same = found.into_iter().filter(|(other, _)| other == name);
    let (_, raw) = same.next()?;
    same.next().is_none().then_some(raw)
}

/// The raw elements of an array.
pub(crate) fn elements(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut at = space(text, 0);
    let mut found = Vec::new();
    if text.get(at) != Some(&b'[') {
        return None;
    }
    at = space(text, at + 1);
    if text.get(at) == Some(&b']') {
        return (space(text, at + 1) == text.len()).then_some(found);
    }
    loop {
        let end = value(text, at, DEPTH)?;
        found.push(&text[at..end]);
        at = space(text, end);
        match text.get(at)? {
            b',' => at = space(text, at + 1),
            b']' => return (space(text, at + 1) == text.len()).then_some(found),
            _ => return None,
        }
    }
}

/// The text without the white space outside of its strings.
pub(crate) fn flat(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for &byte in text {
        if !quoted && matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            continue;
        }
        kept.push(byte);
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            quoted = !quoted;
        } else if quoted && byte == b'\\' {
            escaped = true;
        }
    }
    kept
}

fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

fn value(text: &[u8], at: usize, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    match text.get(at)? {
        b'"' => string(text, at),
        b'{' => group(text, at, b'}', depth),
        b'[' => group(text, at, b']', depth),
        b't' => word(text, at, b"true"),
        b'f' => word(text, at, b"false"),
        b'n' => word(text, at, b"null"),
        _ => number(text, at),
    }
}

fn group(text: &[u8], at: usize, close: u8, depth: usize) -> Option<usize> {
    let mut at = space(text, at + 1);
    if text.get(at) == Some(&close) {
        return Some(at + 1);
    }
    loop {
        if close == b'}' {
            at = space(text, string(text, at)?);
            if text.get(at) != Some(&b':') {
                return None;
            }
            at = space(text, at + 1);
        }
        at = space(text, value(text, at, depth)?);
        match text.get(at)? {
            b',' => at = space(text, at + 1),
            end if *end == close => return Some(at + 1),
            _ => return None,
        }
    }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    text[at..].starts_with(word).then_some(at + word.len())
}

fn string(text: &[u8], mut at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    loop {
        at += 1;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            0..0x20 => return None,
            b'\\' => {
                at += 1;
                match text.get(at)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = text.get(at + 1..at + 5)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        at += 4;
                    }
                    _ => return None,
                }
            }
            _ => {}
        }
    }
}

fn digits(text: &[u8], at: usize) -> Option<usize> {
    let count = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(at + count)
}

fn number(text: &[u8], mut at: usize) -> Option<usize> {
    if text[at] == b'-' {
        at += 1;
    }
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Some(at)
}

/// The decoded string; lone surrogates become U+FFFD.
pub(crate) fn unquote(raw: &[u8]) -> Option<String> {
    if string(raw, 0)? != raw.len() {
        return None;
    }
    let inner = core::str::from_utf8(&raw[1..raw.len() - 1]).ok()?;
    let mut decoded = String::new();
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            decoded.push(char);
            continue;
        }
        match chars.next()? {
            'n' => decoded.push('\n'),
            'r' => decoded.push('\r'),
            't' => decoded.push('\t'),
            'b' => decoded.push('\u{8}'),
            'f' => decoded.push('\u{c}'),
            'u' => {
                let hex: String = chars.by_ref().take(4).collect();
                let unit = u32::from_str_radix(&hex, 16).ok()?;
                decoded.push(char::from_u32(unit).unwrap_or('\u{fffd}'));
            }
            other => decoded.push(other),
        }
    }
    Some(decoded)
}

/// Whether two messages have the same members, in whatever order and spacing.
pub(crate) fn same_members(one: &[u8], other: &[u8]) -> bool {
    let sorted = |text: &[u8]| {
        let known = members(text).unwrap_or_default().into_iter();
        let mut found: Vec<_> = known.map(|(name, raw)| (name, flat(raw))).collect();
        found.sort();
        found
    };
    sorted(one) == sorted(other)
}
