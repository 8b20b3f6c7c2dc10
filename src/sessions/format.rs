//! The file's text: one line that names the format, then one line for each change.
//!
//! ```text
//! hyper-mcp-proxy sessions 1
//! c132a6ff ^ + 1796055888123 7 {"a":"record"}
//! e2985048 ^ - 1796059490000 7
//! ```
//!
//! A line has its checksum, whether it begins a write, the change (`+` saved, `-` ended), the
//! wall-clock time in milliseconds, and the session's number in the run that wrote it. A record
//! comes last, up to the newline.
//!
//! Lines are written in batches, and one batch is on the disk before the next is written. So a loss
//! of power can damage the last batch alone, of which nobody was told anything. Damage that a whole
//! beginning of a batch follows is of another kind: nobody knows what is lost, and the file is
//! refused.

use std::fmt;

/// The first line of a file.
pub(crate) const HEADER: &[u8] = b"hyper-mcp-proxy sessions 1\n";
/// What the first line of any version begins with.
const NAME: &[u8] = b"hyper-mcp-proxy sessions ";
/// The most bytes of a line beside its record: checksum, marks, two numbers, each with a blank, and
/// the newline.
pub(crate) const FRAME: usize = 9 + 2 + 2 + 21 + 21 + 1;
/// The most bytes that a version has in a message.
const VERSION: usize = 20;

/// One change of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// Whether it begins a batch.
    pub(crate) begins: bool,
    /// Milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) session: u64,
    pub(crate) change: Change<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// This is its record from now on; it has no newline and is not empty.
    Saved(&'a [u8]),
    /// It is no more.
    Ended,
}

/// Appends the line of an entry.
pub(crate) fn encode(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let begins = if entry.begins { '^' } else { '.' };
    let (kind, record) = match entry.change {
        Change::Saved(record) => ('+', Some(record)),
        Change::Ended => ('-', None),
    };
    let mut line = format!("{begins} {kind} {} {}", entry.time, entry.session).into_bytes();
    if let Some(record) = record {
        line.push(b' ');
        line.extend_from_slice(record);
    }
    out.extend_from_slice(format!("{:08x} ", checksum(&line)).as_bytes());
    out.extend_from_slice(&line);
    out.push(b'\n');
}

/// The entry of a line with its newline; none if it is damaged.
pub(crate) fn decode(line: &[u8]) -> Option<Entry<'_>> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, line) = (line.get(..8)?, line.get(8..)?.strip_prefix(b" ")?);
    if sum != format!("{:08x}", checksum(line)).as_bytes() {
        return None;
    }
    let mut fields = line.splitn(5, |b| *b == b' ');
    let begins = match fields.next()? {
        b"^" => true,
        b"." => false,
        _ => return None,
    };
    let kind = fields.next()?;
    let (time, session) = (number(fields.next()?)?, number(fields.next()?)?);
    let change = match (kind, fields.next()) {
        (b"+", Some(record)) if !record.is_empty() => Change::Saved(record),
        (b"-", None) => Change::Ended,
        _ => return None,
    };
    Some(Entry { begins, time, session, change })
}

/// A number as it is written: digits without a sign or leading zeros.
fn number(text: &[u8]) -> Option<u64> {
    let is_plain = text == b"0" || !text.starts_with(b"0") && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

/// Whether the end of a damaged line is a whole one that begins a batch: the newline between the
/// two is damaged.
fn hides_beginning(line: &[u8]) -> bool {
    let marks = line.windows(3).enumerate().filter(|(_, mark)| mark == b" ^ ");
    let mut starts = marks.filter_map(|(at, _)| at.checked_sub(8));
    starts.any(|start| decode(&line[start..]).is_some())
}

/// CRC-32 as of IEEE 802.3: it tells any damage within 32 bits, and all but one in 2^32 of others.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut rest = i as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = (rest >> 1) ^ (0xedb8_8320 * (rest & 1));
                bit += 1;
            }
            table[i] = rest;
            i += 1;
        }
        table
    };
    let step = |sum: u32, b: &u8| (sum >> 8) ^ TABLE[((sum ^ u32::from(*b)) & 0xff) as usize];
    !bytes.iter().fold(!0, step)
}

/// Why a file can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is another program's.
    Foreign,
    /// It has another version of this format.
    Version(String),
    /// The line of this number is damaged, and there are whole ones of later writes.
    Damaged(u64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str(
                "it is not a file of sessions, and was left as it is; name another file",
            ),
            Self::Version(version) => write!(
                f,
                "it has version {version:?} of the format and this program knows version 1, so it \
                 was left as it is; use the program that wrote it, or name another file"
            ),
            Self::Damaged(line) => write!(
                f,
                "line {line} is damaged though later lines are whole, so the disk or another \
                 program has changed it, and it was left as it is; remove the line to lose one \
                 session, or move the file away to lose all"
            ),
        }
    }
}

/// Reads a file line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    lines: u64,
    /// The first line that is damaged.
    damaged: Option<u64>,
}

impl Reader {
    /// The entry of the next line, which has its newline unless it is cut; none for the first, and
    /// for those that a loss of power has damaged.
    pub(crate) fn line<'a>(&mut self, line: &'a [u8]) -> Result<Option<Entry<'a>>, Refusal> {
        self.lines += 1;
        if self.lines == 1 {
            return self.header(line).map(|()| None);
        }
        match (decode(line), self.damaged) {
            (Some(entry), None) => return Ok(Some(entry)),
            (Some(Entry { begins: false, .. }), Some(_)) => {}
            (Some(_), Some(damaged)) => return Err(Refusal::Damaged(damaged)),
            (None, damaged) if hides_beginning(line) => {
                return Err(Refusal::Damaged(damaged.unwrap_or(self.lines)));
            }
            (None, _) => self.damaged = self.damaged.or(Some(self.lines)),
        }
        Ok(None)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line == HEADER {
            return Ok(());
        }
        if HEADER.starts_with(line) {
            self.damaged = Some(1);
            return Ok(());
        }
        let version = line.strip_prefix(NAME).ok_or(Refusal::Foreign)?;
        let version = String::from_utf8_lossy(&version[..version.len().min(VERSION)]);
        // White space is shown: an editor may have changed the ends of the lines.
        Err(Refusal::Version(version.trim_end_matches('\n').into()))
    }

    /// Whether the last write was cut. What came of it is not used.
    pub(crate) fn is_torn(&self) -> bool {
        self.damaged.is_some()
    }
}
