//! The fuzz targets' bodies over their committed corpora, with the stable compiler: a find of the
//! fuzzer stays found. The corpora are not in the package, only in its repository.

use std::path::Path;

#[path = "../fuzz/head.rs"]
mod head;
#[path = "../fuzz/lines.rs"]
mod lines;
#[path = "../fuzz/message.rs"]
mod message;
#[path = "../fuzz/record.rs"]
mod record;
#[path = "../fuzz/sse.rs"]
mod sse;
#[path = "../fuzz/story.rs"]
mod story;
#[path = "../fuzz/world.rs"]
mod world;

use crate::transcripts::{driver, text};
use crate::world::sim;

/// Runs a body over each input of its archive, over each input that once made it fail, and over
/// none at all.
fn replay(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    if !fuzz.exists() {
        return eprintln!("no corpus: this is not the repository");
    }
    let archive = fuzz.join(format!("corpus/{target}.seeds"));
    let archive = std::fs::read(archive).expect("the corpus is committed");
    let seeds = seeds(&archive);
    assert!(!seeds.is_empty(), "the corpus of {target} is empty");
    for (number, seed) in seeds.into_iter().enumerate() {
        run(&format!("seed {number} of {target}, {seed:?}"), body, seed);
    }
    let crashes = fuzz.join("crashes").join(target);
    if crashes.exists() {
        replay_folder(&crashes, body);
    }
    body(b"");
}

/// The inputs of an archive, which `fuzz/seeds` writes: of each its length in decimal digits, a
/// line feed, its bytes, a line feed.
fn seeds(archive: &[u8]) -> Vec<&[u8]> {
    let (mut seeds, mut rest) = (Vec::new(), archive);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let length = str::from_utf8(&rest[..end]).ok().and_then(|length| length.parse().ok());
        let (seed, after) = rest[end + 1..].split_at(length.expect("a length"));
        seeds.push(seed);
        rest = after.strip_prefix(b"\n").expect("an input ends where it says");
    }
    seeds
}

fn replay_folder(folder: &Path, body: fn(&[u8])) {
    let files: Vec<_> = std::fs::read_dir(folder).expect("the folder is committed").collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let path = file.expect("a readable folder").path();
        if path.is_dir() {
            continue;
        }
        let data = std::fs::read(&path).expect("a readable file");
        run(&path.display().to_string(), body, &data);
    }
}

fn run(name: &str, body: fn(&[u8]), data: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| body(data)) {
        eprintln!("in {name}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn lines_hold() {
    replay("lines", lines::run);
}

#[test]
fn events_hold() {
    replay("sse", sse::run);
}

#[test]
fn messages_hold() {
    replay("message", message::run);
}

#[test]
fn heads_hold() {
    replay("head", head::run);
}

/// Besides the corpus, good records with a byte changed or cut off.
#[test]
fn records_hold() {
    replay("record", record::run);
    let good = concat!(
        r#"0000{"format":1,"id":"0000000000000000000000000000000a","path":"/mcp","#,
        r#""env":[["A","b"]],"initialize":{"capabilities":{}},"version":"2025-11-25","#,
        r#""modern":false,"capabilities":{},"server":"s","initialized":false,"level":"info","#,
        r#""uris":["a:1"]}"#
    );
    for text in [good.to_owned(), good.replace("\"modern\":false", "\"modern\":true")] {
        record::run(text.as_bytes());
        for place in 0..text.len() {
            record::run(&text.as_bytes()[..place]);
            for byte in *b"\0 \"\\{}[]09a:,\x80" {
                let mut changed = text.clone().into_bytes();
                changed[place] = byte;
                record::run(&changed);
            }
        }
    }
}

/// The transcripts are stories too.
#[test]
fn stories_hold() {
    replay("story", story::run);
    for folder in ["tests/transcripts", "tests/transcripts/recorded"] {
        replay_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), story::run);
    }
}

#[test]
fn the_world_holds() {
    replay("world", world::run);
}
