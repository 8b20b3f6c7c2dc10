//! The body of the fuzz target `config`: any bytes as the file of `--config`, beside a reader that
//! makes a tree of it first, and as the file of variables.

use std::ffi::OsString;

mod reader;
mod tree;

use crate::cli::config_file::{self, dotenv};

/// Part of each value that a variable has: no error may show it.
const SECRET: char = '\u{1f511}';

/// The environment: what a variable has is told by the first letter of its name.
fn variable(name: &str) -> Option<OsString> {
    match name.as_bytes().first() {
        Some(b'E' | b'e') => Some(OsString::new()),
        Some(b'N' | b'n') => None,
        _ => Some(format!("{SECRET}{name}").into()),
    }
}

pub(crate) fn run(data: &[u8]) {
    check(data);
    let Ok(text) = str::from_utf8(data) else { return };
    // What the fuzzer finds for the variables shall not have to find a file around it.
    let text_in_json = serde_json::to_string(text).expect("a text");
    check(format!("{{\"a\":{{\"command\":\"x\",\"args\":[{text_in_json}]}}}}").as_bytes());
    check_variables(text);
}

fn check(text: &[u8]) {
    let found = config_file::parse(text, &variable);
    let known = reader::read(text, &variable);
    match (&found, &known) {
        (Ok(found), Some(known)) => assert_eq!(found, known),
        (Err(reason), None) => check_reason(reason, text),
        _ => panic!("{found:?}, and {known:?}"),
    }
}

/// A reason is one line, names a line of the file if it names any, and no value of a variable.
fn check_reason(reason: &str, text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    assert!(!reason.contains('\n'), "{reason}");
    // In the text itself it is no secret.
    let is_free = shown.contains(SECRET) || shown.contains("\\u");
    assert!(is_free || !reason.contains(SECRET), "{reason}");
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    let first = reason.strip_prefix("line ").and_then(|rest| rest.split(' ').next());
    let last = reason.rsplit_once(" at line ").map(|(_, rest)| rest);
    let named = [first, last].into_iter().flatten();
    for line in named.filter_map(|line| line.parse::<usize>().ok()) {
        assert!((1..=lines).contains(&line), "{reason}");
    }
}

/// What is read is read again from its own quoted form.
fn check_variables(text: &str) {
    match dotenv::parse(text) {
        Ok(found) => {
            let quoted: String = found
                .iter()
                .map(|(name, value)| {
                    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                    let value = value.replace('\n', "\\n").replace('\r', "\\r");
                    format!("export {name} = \"{value}\" # again\r\n")
                })
                .collect();
            assert_eq!(dotenv::parse(&quoted), Ok(found));
        }
        Err(reason) => check_reason(&reason, text.as_bytes()),
    }
}
