//! Complaints of children: lossy, capped, rationed; the last words kept.

use std::time::Duration;

use mcp_bridge::Instant;

use crate::process::stderr::{Stderr, Terms, Total};

fn at(millis: u64) -> Instant {
    Instant::new(Duration::from_millis(millis))
}

/// Terms of a child that is alone.
fn alone(total: &Total, millis: u64) -> Terms<'_> {
    Terms { now: at(millis), total }
}

/// What is logged of these pieces, which all come at the same time.
fn log(pieces: &[&[u8]]) -> Vec<String> {
    let (mut stderr, total) = (Stderr::default(), Total::default());
    let mut lines = Vec::new();
    let mut log = |line: &str| lines.push(line.to_owned());
    for piece in pieces {
        stderr.feed(piece, alone(&total, 0), &mut log);
    }
    stderr.end(alone(&total, 0), &mut log);
    lines
}

#[test]
fn lines_are_lines_however_they_come() {
    let bytes = b"one\r\ntwo\n\n  three  \n\xff\xfe\nlast";
    let expected = ["one", "two", "  three", "\u{fffd}\u{fffd}", "last"];
    assert_eq!(log(&[bytes]), expected);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(log(&single), expected);
}

#[test]
fn a_line_without_end_is_cut() {
    let piece = vec![b'x'; 10_000];
    let pieces: Vec<&[u8]> =
        std::iter::repeat_n(&piece[..], 100).chain([&b"\nnext\n"[..]]).collect();
    let lines = log(&pieces);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].len() < 9000, "{}", lines[0].len());
    let cut = 1_000_000 - 8 * 1024;
    assert!(lines[0].ends_with(&format!("({cut} bytes more)")), "{}", &lines[0][8000..]);
    assert_eq!(lines[1], "next");
}

#[test]
fn a_flood_is_cut_short_and_counted() {
    let (mut stderr, total) = (Stderr::default(), Total::default());
    let mut lines = Vec::new();
    let mut log = |line: &str| lines.push(line.to_owned());
    for n in 0..1000 {
        stderr.feed(b"flood\n", alone(&total, 1000 + n / 10), &mut log);
    }
    stderr.feed(b"later\n", alone(&total, 3000), &mut log);
    stderr.end(alone(&total, 3000), &mut log);
    assert_eq!(lines.len(), 102);
    assert!(lines[100].contains("900 not logged"), "{}", lines[100]);
    assert_eq!(lines[101], "later");
    // Long lines count by their bytes.
    let long = [vec![b'x'; 8000], vec![b'\n']].concat().repeat(100);
    assert!(log_of(&long).len() < 12);
}

fn log_of(bytes: &[u8]) -> Vec<String> {
    log(&[bytes])
}

#[test]
fn the_last_of_it_is_kept() {
    let (mut stderr, total) = (Stderr::default(), Total::default());
    for n in 0..100_000 {
        stderr.feed(format!("line {n}\n").as_bytes(), alone(&total, 0), &mut |_| {});
    }
    let tail = String::from_utf8_lossy(stderr.tail()).into_owned();
    assert!(tail.ends_with("line 99998\nline 99999"), "{tail}");
    assert!(tail.len() <= 1024);
    let mut short = Stderr::default();
    short.feed(b"oh no\n", alone(&total, 0), &mut |_| {});
    assert_eq!(short.tail(), b"oh no");
    assert_eq!(Stderr::default().tail(), b"");
}

#[test]
fn all_children_together_have_a_limit_and_a_quiet_one_is_heard() {
    let total = Total::default();
    let (mut count, mut bytes) = (0, 0);
    let mut floods: Vec<_> = (0..60).map(|_| Stderr::default()).collect();
    for second in 1..=3 {
        for stderr in &mut floods {
            let flood = b"a line of a flood\n".repeat(1000);
            let mut log = |line: &str| (count += 1, bytes += line.len()).0;
            stderr.feed(&flood, alone(&total, second * 1000), &mut log);
        }
        let mut heard = false;
        let quiet = alone(&total, second * 1000 + 500);
        Stderr::default().feed(b"help\n", quiet, &mut |line| heard = line == "help");
        // Who floods is known by the second before.
        assert!(heard || second == 1, "in second {second}");
    }
    assert!(count <= 3 * (400 + 60), "{count} lines");
    let wide = "\u{1}".repeat(5000) + "\n";
    for _ in 0..60 {
        let mut log = |line: &str| bytes += 12 * line.len();
        Stderr::default().feed(wide.as_bytes(), alone(&total, 9000), &mut log);
    }
    assert!(bytes <= 4 * 256 * 1024, "{bytes} bytes");
}
