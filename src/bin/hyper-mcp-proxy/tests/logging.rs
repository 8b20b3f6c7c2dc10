//! One physical line per record, whatever a record holds.

use std::time::{Duration, UNIX_EPOCH};

use log::{Level, Record};

use crate::logging::{Format, line};

fn write(format: Format, seconds: u64, message: &str) -> String {
    let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(7_999);
    let args = format_args!("{message}");
    let record = Record::builder().level(Level::Info).target("child").args(args).build();
    line(format, time, &record)
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
fn a_record_has_a_limit() {
    for format in [Format::Text, Format::Json] {
        let line = write(format, 0, &"\u{e9}".repeat(1_000_000));
        assert!(line.len() < 10_000, "{}", line.len());
        assert!(line.contains("more)"), "{line}");
    }
}
