//! JSON as editors let people write it: comments and trailing commas become spaces, so that every
//! byte that counts keeps its line and column.

/// The text as JSON. If a comment has no end, its line.
pub(super) fn plain(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut plain = text.to_vec();
    // The last byte that counts and its place, and the byte that counts before it.
    let (mut last, mut before) = ((0, 0), 0);
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest {
            [b'/', b'/', ..] => line(rest),
            [b'/', b'*', ..] => block(rest).ok_or_else(|| 1 + breaks(&text[..at]))?,
            [b'"', ..] => string(rest),
            _ => 1,
        };
        match rest[0] {
            b'/' if length > 1 => blank(&mut plain[at..at + length]),
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                let ends = matches!(byte, b'}' | b']') && last.0 == b',';
                // Without an element before it, the comma is a mistake.
                if ends && !matches!(before, b'{' | b'[' | b',' | 0) {
                    plain[last.1] = b' ';
                }
                before = last.0;
                last = (byte, at);
            }
        }
        at += length;
    }
    Ok(plain)
}

/// The length of a comment up to the end of the line.
fn line(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len())
}

/// The length of a comment with an end.
fn block(text: &[u8]) -> Option<usize> {
    text[2..].windows(2).position(|pair| pair == b"*/").map(|at| at + 4)
}

/// The length of a string. One without an end goes up to the end of the text.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match text.get(at) {
            None => return text.len(),
            Some(b'"') => return at + 1,
            Some(b'\\') => at = (at + 2).min(text.len()),
            Some(_) => at += 1,
        }
    }
}

fn breaks(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn blank(comment: &mut [u8]) {
    for byte in comment.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}
