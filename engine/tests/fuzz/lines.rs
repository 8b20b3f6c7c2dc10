//! `lines`: every cut gives the same lines, a naive twin agrees, and little is held.

use mcp_bridge::lines::{Lines, TooLong};

type Line = Result<Vec<u8>, TooLong>;

/// The first byte is the limit, the second the size of the pieces; the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let [limit, size, stream @ ..] = data else { return };
    let (limit, size) = (usize::from(*limit), usize::from(*size).max(1));
    let whole = split(limit, stream, stream.len().max(1));
    assert_eq!(whole, naive(limit, stream), "the twin differs");
    assert_eq!(whole, split(limit, stream, 1), "in single bytes");
    assert_eq!(whole, split(limit, stream, size), "in pieces of {size}");
}

fn split(limit: usize, stream: &[u8], size: usize) -> Vec<Line> {
    let mut lines = Lines::new(limit);
    let mut found = Vec::new();
    for piece in stream.chunks(size) {
        let mut feed = lines.feed(piece);
        while let Some(line) = feed.next() {
            found.push(line.map(<[u8]>::to_vec));
        }
        // A CR that may belong to the line's end is held with the line.
        assert!(lines.buffered() <= limit + 1);
    }
    found
}

fn naive(limit: usize, stream: &[u8]) -> Vec<Line> {
    let mut pieces: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let last = pieces.pop().unwrap_or_default();
    let mut found = Vec::new();
    for piece in pieces {
        let line = piece.strip_suffix(b"\r").unwrap_or(piece);
        if line.len() > limit {
            found.push(Err(TooLong));
        } else if !line.is_empty() {
            found.push(Ok(line.to_vec()));
        }
    }
    // A line without end is told as soon as nothing can save it.
    if last.len() > limit + 1 {
        found.push(Err(TooLong));
    }
    found
}
