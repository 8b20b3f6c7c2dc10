//! The body of the fuzz target `sessions`: any bytes as a file, and beside it a reader of a line of
//! its own, and one that takes all lines at once.

use std::collections::BTreeSet;

use crate::sessions::format::{Change, Entry, FRAME, HEADER, Reader, Refusal, decode, encode};

/// The checksum once more, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

/// The entry of a line, by its format from the left to the right.
fn plain(line: &[u8]) -> Option<Entry<'_>> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, line) = line.split_at_checked(9)?;
    (sum == format!("{:08x} ", checksum(line)).as_bytes()).then_some(())?;
    let (marks, rest) = line.split_at_checked(4)?;
    let (begins, saved) = match marks {
        b"^ + " => (true, true),
        b"^ - " => (true, false),
        b". + " => (false, true),
        b". - " => (false, false),
        _ => return None,
    };
    let (time, rest) = digits(rest)?;
    let (session, rest) = digits(rest.strip_prefix(b" ")?)?;
    let change = match (saved, rest) {
        (true, [b' ', record @ ..]) if !record.is_empty() => Change::Saved(record),
        (false, []) => Change::Ended,
        _ => return None,
    };
    Some(Entry { begins, time, session, change })
}

/// The number at the start of a text, in its one spelling, and what is after it.
fn digits(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut rest) = (0_u64, text);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        rest = after;
    }
    let length = text.len() - rest.len();
    (length == 1 || length > 1 && text[0] != b'0').then_some((number, rest))
}

/// A line with its checksum.
pub(crate) fn frame(line: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:08x} ", checksum(line)).as_bytes());
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// The input is a file as it is, and the lines of one that are whole: without that, the fuzzer
/// would have to find checksums.
pub(crate) fn run(data: &[u8]) {
    check(data);
    let mut framed = HEADER.to_vec();
    for line in data.split(|b| *b == b'\n') {
        match line.split_first() {
            // As it is, and so damaged.
            Some((b'!', line)) => framed.extend([line, b"\n"].concat()),
            _ => frame(line, &mut framed),
        }
    }
    check(&framed);
}

fn check(text: &[u8]) {
    let lines: Vec<_> = text.split_inclusive(|b| *b == b'\n').collect();
    for line in &lines {
        assert_eq!(decode(line), plain(line), "{}", String::from_utf8_lossy(line));
    }
    let mut reader = Reader::default();
    let mut taken = Vec::new();
    let done = lines.iter().try_for_each(|line| {
        taken.extend(reader.line(line)?);
        Ok::<_, Refusal>(())
    });
    // What is read is what was written, to the byte.
    let mut again = Vec::new();
    for entry in &taken {
        let from = again.len();
        encode(entry, &mut again);
        let Change::Saved(record) = entry.change else { continue };
        assert!(again.len() - from <= FRAME + record.len());
    }
    let start = lines.first().map_or(0, |line| line.len());
    assert!(again.is_empty() || text[start..].starts_with(&again));
    let whole: Vec<Option<Entry<'_>>> = lines.iter().skip(1).map(|line| decode(line)).collect();
    let first = whole.iter().position(Option::is_none);
    let later = first.map_or(&[][..], |first| &whole[first..]);
    match done {
        Ok(()) => {
            let is_headed = lines.first().is_none_or(|line| HEADER.starts_with(line));
            assert!(is_headed, "another program's file was taken");
            let cut = lines.first().is_some_and(|line| *line != HEADER);
            assert_eq!(reader.is_torn(), first.is_some() || cut);
            assert_eq!(taken.len(), first.unwrap_or(whole.len()));
            assert!(!later.iter().flatten().any(|entry| entry.begins), "a damage was overlooked");
        }
        Err(Refusal::Damaged(line)) => {
            assert_eq!(Some(line as usize), first.map(|first| first + 2));
            let tail = &text[text.len() - lines[line as usize - 1..].concat().len()..];
            let begins = |at: &usize| {
                let end = tail[*at..].iter().position(|b| *b == b'\n');
                let line = end.map(|end| &tail[*at..=*at + end]);
                line.and_then(decode).is_some_and(|entry| entry.begins)
            };
            // Naively: at any byte.
            let starts: BTreeSet<_> = (0..tail.len()).filter(begins).take(1).collect();
            assert!(!starts.is_empty(), "it was refused without a later write");
        }
        Err(_) => assert!(lines.first().is_some_and(|line| *line != HEADER)),
    }
}
