//! The log: to standard error, one physical line for each record, whatever a peer made of it.
//!
//! What a reader could take for more than text is escaped, so that nothing from outside can forge
//! a record, hide in one or talk to a terminal. Records have a limit, and so has what waits to be
//! written: nobody waits for the log.

pub(crate) mod notices;
pub(crate) mod queue;
pub(crate) mod remedies;

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use env_logger::Target;
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Record};
use queue::Queue;

use crate::os::systemd;

/// The longest message that is logged whole: a line of a child's standard error and what is said
/// about it.
const MESSAGE: usize = 9 * 1024;

/// The most bytes that an escaped character has: a surrogate pair in JSON.
const SPECIAL: usize = 12;

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
            _ => Err(String::from("it takes text or json")),
        }
    }
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Whether it goes to the systemd journal, which takes a line's priority from its first bytes
    /// (sd-daemon(3)) and knows the time itself.
    pub(crate) is_journal: bool,
}

impl Style {
    pub(crate) const PLAIN: Self = Self { format: Format::Text, is_journal: false };
}

/// What waits to be written to standard error.
static QUEUE: Queue = Queue::new();

/// Gives each record, which is written in one piece, to the queue.
struct Sink;

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is left of the log when the program ends, even by a panic.
pub(crate) struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        flush();
    }
}

/// Waits until the log is written, but not long.
pub(crate) fn flush() {
    QUEUE.flush();
}

/// Writes a line that is no record, after all that was logged.
pub(crate) fn say(line: &str) {
    let priority = if systemd::has_journal() { "<3>" } else { "" };
    QUEUE.write(format!("{priority}{line}\n").as_bytes());
}

/// Logs a record that has its facts as fields as well. Only JSON shows them.
pub(crate) fn record(
    level: Level,
    target: &str,
    fields: &[(&str, Value<'_>)],
    message: fmt::Arguments<'_>,
) {
    let mut record = Record::builder();
    let record = record.level(level).target(target).key_values(&fields).args(message);
    log::logger().log(&record.build());
}

/// Starts the log. `RUST_LOG` filters it; without that, it is `info` and above. The target `quiet`
/// is off unless it is named there.
pub(crate) fn start(format: Format, quiet: Option<&str>) {
    let style = Style { format, is_journal: systemd::has_journal() };
    QUEUE.set_style(style);
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    if let Some(target) = quiet {
        builder.filter_module(target, LevelFilter::Off);
    }
    builder.parse_default_env();
    builder.format(move |out, record| {
        let line = line(style, SystemTime::now(), record);
        out.write_all(line.as_bytes())
    });
    builder.target(Target::Pipe(Box::new(Sink)));
    // It fails only if there is a log already.
    let _ = builder.try_init();
}

/// One record as one line.
pub(crate) fn line(style: Style, time: SystemTime, record: &Record<'_>) -> String {
    let mut message = String::new();
    // Writing to a string fails only if something that is logged says so; keep what came.
    let _ = write!(message, "{}", record.args());
    cap(&mut message);
    let time = timestamp(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    let (level, target) = (record.level(), record.target());
    let mut line = String::with_capacity(message.len() + 64);
    if style.is_journal {
        let _ = write!(line, "<{}>", priority(level));
    }
    match style.format {
        Format::Text => {
            if !style.is_journal {
                let _ = write!(line, "{time} ");
            }
            let _ = write!(line, "{level:5} {target}: ");
            escape_text(&message, &mut line);
        }
        Format::Json => {
            let level = level.as_str().to_ascii_lowercase();
            let _ = write!(line, r#"{{"time":"{time}","level":"{level}","target":""#);
            escape_json(target, &mut line);
            line.push_str(r#"","message":""#);
            escape_json(&message, &mut line);
            line.push('"');
            // Writing to a string can't fail, and nor does the visitor.
            let _ = record.key_values().visit(&mut Members(&mut line));
            line.push('}');
        }
    }
    line.push('\n');
    line
}

/// Writes fields as members of a JSON object that has members.
struct Members<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let line = &mut *self.0;
        line.push_str(",\"");
        escape_json(key.as_str(), line);
        line.push_str("\":");
        match (value.to_u64(), value.to_bool(), value.to_i64(), value.to_f64()) {
            (Some(number), ..) => write!(line, "{number}")?,
            (_, Some(truth), ..) => write!(line, "{truth}")?,
            (_, _, Some(number), _) => write!(line, "{number}")?,
            // Formats the number as JSON does: the standard library's float formatting adds 10 KB.
            (.., Some(number)) => write!(line, "{}", serde_json::Value::from(number))?,
            _ => {
                let mut text = value.to_string();
                cap(&mut text);
                line.push('"');
                escape_json(&text, line);
                line.push('"');
            }
        }
        Ok(())
    }
}

/// The priority of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// The record that stands for so many that were dropped.
fn dropped(style: Style, count: u64) -> String {
    let record = |args: fmt::Arguments<'_>| {
        let record = Record::builder().level(Level::Warn).target("proxy").args(args).build();
        line(style, SystemTime::now(), &record)
    };
    let lines = if count == 1 { "line was" } else { "lines were" };
    record(format_args!("{count} log {lines} dropped: standard error was not read in time"))
}

fn cap(message: &mut String) {
    if message.len() > MESSAGE {
        let cut = message.len();
        message.truncate(message.floor_char_boundary(MESSAGE));
        let _ = write!(message, " ... ({} bytes more)", cut - message.len());
    }
}

/// What a terminal or a reader could take for more than text, or not see at all: control
/// characters of all kinds, the two Unicode line breaks, format characters (general category Cf:
/// marks of direction, tags, byte order marks), and what is drawn as nothing
/// (Default_Ignorable_Code_Point: variation selectors, fillers). By Unicode 17.
fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The most bytes that a text has in a record.
pub(crate) fn width(text: &str) -> usize {
    let width = |c: char| match c {
        '"' | '\\' => 2,
        c if is_special(c) => SPECIAL,
        c => c.len_utf8(),
    };
    text.chars().map(width).sum()
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
            c if is_special(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
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
