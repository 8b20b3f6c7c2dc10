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
mod replay;
#[path = "../fuzz/sse.rs"]
mod sse;
#[path = "../fuzz/story.rs"]
mod story;
#[path = "../fuzz/world.rs"]
mod world;

use crate::transcripts::{driver, text};
use crate::world::sim;

fn replay(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    replay::replay(&fuzz, target, body);
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
    let open = good.replace("[[\"A\",\"b\"]]", "[]");
    for text in [good.to_owned(), good.replace("\"modern\":false", "\"modern\":true"), open] {
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
        replay::replay_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), story::run);
    }
}

#[test]
fn the_world_holds() {
    replay("world", world::run);
}
