//! The fuzz targets' bodies over their committed corpora, with the stable compiler: a find of the
//! fuzzer stays found. The corpora are not in the package, only in its repository.

use std::path::Path;

#[path = "../fuzz/head.rs"]
mod head;
#[path = "../fuzz/lines.rs"]
mod lines;
#[path = "../fuzz/message.rs"]
mod message;
#[path = "../fuzz/sse.rs"]
mod sse;
#[path = "../fuzz/story.rs"]
mod story;
#[path = "../fuzz/world.rs"]
mod world;

use crate::transcripts::{driver, text};
use crate::world::sim;

/// Runs a body over each file of its corpus, and over no input at all.
fn replay(target: &str, body: fn(&[u8])) {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").exists() {
        return eprintln!("no corpus: this is not the repository");
    }
    replay_folder(&format!("../fuzz/corpus/{target}"), body);
}

fn replay_folder(folder: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(&folder).expect("the corpus is committed");
    let mut count = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        if path.is_dir() {
            continue;
        }
        let data = std::fs::read(&path).expect("a readable file");
        if let Err(panic) = std::panic::catch_unwind(|| body(&data)) {
            eprintln!("in {}", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
    body(b"");
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

/// The transcripts are stories too.
#[test]
fn stories_hold() {
    replay("story", story::run);
    replay_folder("tests/transcripts", story::run);
    replay_folder("tests/transcripts/recorded", story::run);
}

#[test]
fn the_world_holds() {
    replay("world", world::run);
}
