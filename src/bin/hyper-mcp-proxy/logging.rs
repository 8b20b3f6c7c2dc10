//! The log: to standard error, one physical line for each record, whatever a peer made of it.
//!
//! Control characters are escaped, so that nothing from outside can forge a record or talk to a
//! terminal, and records have a limit.

use std::fmt::Write as _;
use std::io::Write as _;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Record};

/// The longest message that is logged whole: a line of a child's standard error and what is said
/// about it.
const MESSAGE: usize = 9 * 1024;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither text nor json")),
        }
    }
}

/// Starts the log. `RUST_LOG` filters it; without that, it is `info` and above.
pub(crate) fn start(format: Format) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info).parse_default_env();
    builder.format(move |out, record| {
        let line = line(format, SystemTime::now(), record);
        out.write_all(line.as_bytes())
    });
    // It fails only if there is a log already.
    let _ = builder.try_init();
}

/// One record as one line.
pub(crate) fn line(format: Format, time: SystemTime, record: &Record<'_>) -> String {
    let mut message = String::new();
    // Writing to a string fails only if something that is logged says so; keep what came.
    let _ = write!(message, "{}", record.args());
    cap(&mut message);
    let time = timestamp(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    let (level, target) = (record.level(), record.target());
    let mut line = String::with_capacity(message.len() + 64);
    match format {
        Format::Text => {
            let _ = write!(line, "{time} {level:5} {target}: ");
            escape_text(&message, &mut line);
        }
        Format::Json => {
            let level = level.as_str().to_ascii_lowercase();
            let _ = write!(line, r#"{{"time":"{time}","level":"{level}","target":""#);
            escape_json(target, &mut line);
            line.push_str(r#"","message":""#);
            escape_json(&message, &mut line);
            line.push_str("\"}");
        }
    }
    line.push('\n');
    line
}

fn cap(message: &mut String) {
    if message.len() > MESSAGE {
        let cut = message.len();
        message.truncate(message.floor_char_boundary(MESSAGE));
        let _ = write!(message, " ... ({} bytes more)", cut - message.len());
    }
}

/// What a terminal or a reader of lines could take for more than text: control characters of all
/// kinds, the two Unicode line breaks, and marks that turn the direction of writing.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if is_special(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

fn escape_json(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // All special characters are in the first plane.
            c if is_special(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// RFC 3339, in UTC, to the millisecond.
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap
/// day is their last, in eras of 400 years, which all have the same number of days.
fn date(days: u64) -> (u64, u64, u64) {
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let day = day - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}
