//! One physical line per record, whatever a record holds.

use std::time::{Duration, UNIX_EPOCH};

use log::{Level, Record};

use crate::logging::queue::{QUEUE, State};
use crate::logging::{Format, Style, line, width};

fn write(format: Format, seconds: u64, message: &str) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(7_999);
    let args = format_args!("{message}");
    let record = Record::builder().level(Level::Info).target("child").args(args).build();
    line(Style { format, is_journal: false }, time, &record)
}

#[test]
fn the_journal_gets_a_priority_and_no_time() {
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    for (level, priority) in levels.into_iter().zip(["<3>", "<4>", "<6>", "<7>", "<7>"]) {
        let record = |format| {
            let args = format_args!("x");
            let record = Record::builder().level(level).target("proxy").args(args).build();
            line(Style { format, is_journal: true }, UNIX_EPOCH, &record)
        };
        assert_eq!(record(Format::Text), format!("{priority}{level:5} proxy: x\n"));
        assert!(record(Format::Json).starts_with(&format!("{priority}{{\"time\":")));
    }
}

#[test]
fn times_are_utc() {
    for (seconds, date) in [
        (0, "1970-01-01T00:00:00.007Z"),
        (951_782_399, "2000-02-28T23:59:59.007Z"),
        (951_782_400, "2000-02-29T00:00:00.007Z"),
        (951_868_800, "2000-03-01T00:00:00.007Z"),
        (1_709_251_199, "2024-02-29T23:59:59.007Z"),
        (1_767_225_599, "2025-12-31T23:59:59.007Z"),
        (1_767_225_600, "2026-01-01T00:00:00.007Z"),
        (4_107_542_400, "2100-03-01T00:00:00.007Z"),
    ] {
        assert!(write(Format::Text, seconds, "").starts_with(date), "{date}");
    }
}

#[test]
fn a_record_is_one_line_of_harmless_text() {
    let nasty = "a\nb\rc\td\u{1b}[31m\u{0}\u{7f}\u{9b}\u{85}\u{2028}\u{2029}\u{202e}e\"\\\u{e9}";
    let text = write(Format::Text, 0, nasty);
    assert_eq!(
        text,
        "1970-01-01T00:00:00.007Z INFO  child: a\\nb\\rc\\td\\u{1b}[31m\\u{0}\\u{7f}\\u{9b}\\u{85}\
         \\u{2028}\\u{2029}\\u{202e}e\"\\\u{e9}\n"
    );
    let json = write(Format::Json, 0, nasty);
    assert_eq!(json.trim_end().lines().count(), 1);
    assert!(!json.trim_end().contains(|c: char| c.is_control()), "{json:?}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["message"], nasty);
    assert_eq!(value["target"], "child");
    assert_eq!(value["level"], "info");
    assert_eq!(value["time"], "1970-01-01T00:00:00.007Z");
}

#[test]
fn what_is_not_seen_or_turns_text_around_is_escaped() {
    let hidden = "\u{ad}\u{34f}\u{61c}\u{70f}\u{115f}\u{17b4}\u{180b}\u{180e}\u{200b}\u{200d}\u{200e}\
                  \u{200f}\u{2028}\u{202a}\u{202e}\u{2060}\u{2066}\u{206f}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\
                  \u{fff9}\u{fffb}\u{110bd}\u{1343f}\u{1bca0}\u{1d173}\u{e0001}\u{e0041}\u{e007f}\u{e0100}";
    for format in [Format::Text, Format::Json] {
        let line = write(format, 0, hidden);
        let raw: Vec<_> = hidden.chars().filter(|c| line.contains(*c)).collect();
        assert_eq!(raw, [], "{format:?}");
        assert!(line.trim_end().is_ascii(), "{line}");
        assert!(line.len() <= width(hidden) + 100, "{line}");
    }
    let json = write(Format::Json, 0, hidden);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["message"], hidden);
    assert!(
        write(Format::Text, 0, "Zo\u{eb} \u{4f60}\u{597d} \u{1f600}").contains("Zo\u{eb} \u{4f60}")
    );
}

/// The lines of a queue, as they would be written.
fn drain(state: &mut State) -> Vec<String> {
    let lines = std::iter::from_fn(|| {
        let (line, done) = state.pop()?;
        assert_eq!(done, 0);
        state.written(line.len());
        Some(String::from_utf8(line).expect("text"))
    });
    lines.collect()
}

#[test]
fn what_finds_no_room_is_counted_and_told_in_its_place() {
    let mut state = State::new();
    let line = |n: usize| format!("{n:>99}\n");
    let room = QUEUE / 100;
    for n in 0..room + 7 {
        state.push(line(n).as_bytes());
    }
    let (first, _) = state.pop().expect("a line");
    state.written(first.len());
    // There is room for one, but the gap is not over before half of the queue is free.
    state.push(line(0).as_bytes());
    let lines = drain(&mut state);
    assert_eq!(first, line(0).as_bytes());
    assert_eq!(lines[..room - 1], (1..room).map(line).collect::<Vec<_>>());
    assert!(lines[room - 1].contains("WARN  proxy: 8 log lines were dropped"), "{lines:?}");
    assert_eq!(lines.len(), room);
    // The same where lines go on after it.
    (0..room + 1).for_each(|n| state.push(line(n).as_bytes()));
    for _ in 0..room / 2 + 1 {
        let (line, _) = state.pop().expect("a line");
        state.written(line.len());
    }
    state.push(b"later\n");
    let lines = drain(&mut state);
    let [.., told, later] = &lines[..] else { panic!("{lines:?}") };
    assert!(told.contains(" 1 log line was dropped"), "{told}");
    assert_eq!(later, "later\n");
}

#[test]
fn a_record_has_a_limit() {
    for format in [Format::Text, Format::Json] {
        let line = write(format, 0, &"\u{e9}".repeat(1_000_000));
        assert!(line.len() < 10_000, "{}", line.len());
        assert!(line.contains("more)"), "{line}");
    }
}
