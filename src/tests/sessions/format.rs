//! The text of the file: torn at each byte, and with each bit changed.

use super::twin;
use crate::sessions::format::{Change, Entry, FRAME, HEADER, Reader, Refusal, decode, encode};
use crate::tests::corpus;

/// Three writes, as the file has them.
const WRITES: &[&[(u64, Change<'_>)]] = &[
    &[(7, Change::Saved(b"{\"a\":\"record ^ with blanks\"}")), (8, Change::Saved(b"{}"))],
    &[(7, Change::Saved(b"\"another\""))],
    &[(8, Change::Ended), (9, Change::Saved(b"\x00\xff"))],
];

/// The file of these writes, and where each of them begins.
fn written() -> (Vec<u8>, Vec<usize>) {
    let (mut text, mut starts) = (HEADER.to_vec(), Vec::new());
    for write in WRITES {
        starts.push(text.len());
        for (i, (session, change)) in write.iter().enumerate() {
            let (time, session, change) = (1_796_055_888_123, *session, *change);
            encode(&Entry { begins: i == 0, time, session, change }, &mut text);
        }
    }
    (text, starts)
}

/// The sessions of the entries that are read, and whether the last write is torn.
fn read(text: &[u8]) -> Result<(Vec<u64>, bool), Refusal> {
    let (mut reader, mut sessions) = (Reader::default(), Vec::new());
    for line in text.split_inclusive(|b| *b == b'\n') {
        sessions.extend(reader.line(line)?.map(|entry| entry.session));
    }
    Ok((sessions, reader.is_torn()))
}

const ALL: [u64; 5] = [7, 8, 7, 8, 9];

#[test]
fn what_is_written_is_read() {
    let (text, _) = written();
    assert_eq!(read(&text), Ok((ALL.to_vec(), false)));
    assert_eq!(read(b""), Ok((vec![], false)));
    let mut longest = Vec::new();
    let change = Change::Saved(b"{}");
    encode(&Entry { begins: true, time: u64::MAX, session: u64::MAX, change }, &mut longest);
    assert_eq!(longest.len(), FRAME + 2);
    // The format is fixed: a file of today is read by the program of next year.
    let first = "hyper-mcp-proxy sessions 1\n\
                 6229c0e3 ^ + 1796055888123 7 {\"a\":\"record ^ with blanks\"}\n";
    assert_eq!(std::str::from_utf8(&text[..first.len()]), Ok(first));
}

#[test]
fn a_file_cut_at_any_byte_has_what_was_whole() {
    let (text, _) = written();
    for end in 0..text.len() {
        let (sessions, torn) = read(&text[..end]).unwrap_or_else(|refusal| panic!("{refusal}"));
        let whole = text[..end].iter().filter(|b| **b == b'\n').count();
        assert_eq!(sessions, ALL[..whole.saturating_sub(1)], "{end}");
        assert_eq!(torn, end > 0 && text[end - 1] != b'\n', "{end}");
    }
}

#[test]
fn each_changed_bit_is_noticed() {
    let (text, starts) = written();
    let last = starts[WRITES.len() - 1];
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut text = text.clone();
            text[at] ^= 1 << bit;
            match read(&text) {
                Err(Refusal::Foreign | Refusal::Version(_)) => assert!(at < HEADER.len(), "{at}"),
                Err(Refusal::Damaged(_)) => assert!((HEADER.len()..last).contains(&at), "{at}"),
                Ok((sessions, torn)) => {
                    assert!(torn && at >= last && sessions.len() < ALL.len(), "{at} {bit}");
                    assert_eq!(sessions, ALL[..sessions.len()]);
                }
            }
        }
    }
}

#[test]
fn a_page_of_the_last_write_may_be_missing() {
    let (text, starts) = written();
    // The first line of the last write is zeros, the second is whole: neither counts.
    let mut holed = text.clone();
    let second = starts[2] + text[starts[2]..].iter().position(|b| *b == b'\n').unwrap() + 1;
    holed[starts[2]..second].fill(0);
    assert_eq!(read(&holed), Ok((ALL[..3].to_vec(), true)));
    // The same in a write before the last is a damage of another kind.
    let mut holed = text;
    holed[starts[1]..starts[2]].fill(0);
    assert_eq!(read(&holed), Err(Refusal::Damaged(4)));
}

#[test]
fn other_files_are_refused() {
    for text in ["\n", "x", "{\"mcpServers\":{}}\n", "hyper-mcp-proxy\n", "\x7fELF"] {
        assert_eq!(read(text.as_bytes()), Err(Refusal::Foreign), "{text:?}");
    }
    let later = read(b"hyper-mcp-proxy sessions 2 of tomorrow\nwhatever\n");
    assert_eq!(later, Err(Refusal::Version("2 of tomorrow".into())));
    let edited = Reader::default().line(b"hyper-mcp-proxy sessions 1\r\n");
    assert!(edited.is_err_and(|refusal| refusal.to_string().contains(r#"version "1\r""#)));
}

#[test]
fn a_line_has_one_spelling() {
    for line in ["^ + 1 07 {}", "^ + 1 +7 {}", "^ + 1 7", "^ + 1 7 ", "^ - 1 7 {}", "^ - 1  7"] {
        let mut text = Vec::new();
        twin::frame(line.as_bytes(), &mut text);
        assert_eq!(decode(&text), None, "{line:?}");
    }
    let mut text = Vec::new();
    twin::frame(b". - 1 7", &mut text);
    assert_eq!(decode(&text).map(|entry| entry.session), Some(7));
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    corpus::replay("sessions", twin::run);
    twin::run(&written().0);
}
