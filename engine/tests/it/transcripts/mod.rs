//! The transcripts of `tests/transcripts`, each played in every cut: what goes in, line by line,
//! and what the engine wants done for it, to the byte.

mod config;
pub(crate) mod driver;
mod growth;
mod item;
mod parts;
mod play;
mod shape;
pub(crate) mod terms;
pub(crate) mod text;
mod words;

use std::path::Path;
use std::{fs, io};

use play::{Cut, play};

/// The files of a folder, by name, with their texts.
fn files(folder: &str) -> io::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".txt") {
            files.push((name, fs::read_to_string(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

fn play_all(folder: &str, cut: Cut) {
    let mut failures = String::new();
    let mut played = 0;
    for (file, text) in files(folder).expect("the transcripts can be read") {
        for case in text::parse(&file, &text) {
            let (name, line) = (&case.name, case.line);
            played += 1;
            match (play(&case, cut), case.pending) {
                (Ok(()), false) | (Err(_), true) => {}
                (Ok(()), true) => {
                    failures += &format!("\n{file}:{line}: {name}\nis not pending any more\n");
                }
                (Err(wrong), false) => failures += &format!("\n{file}:{line}: {name}\n{wrong}"),
            }
        }
    }
    assert!(played > 0, "no transcripts");
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn as_written() {
    play_all("tests/transcripts", Cut::AsWritten);
}

#[test]
fn byte_by_byte() {
    play_all("tests/transcripts", Cut::Bytes);
}

#[test]
fn merged() {
    play_all("tests/transcripts", Cut::Merged);
}

/// Recordings of runs of the program. What was recorded in pieces at certain times is played in
/// these pieces at these times.
#[test]
fn recorded() {
    play_all("tests/transcripts/recorded", Cut::AsWritten);
}
