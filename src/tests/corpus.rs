//! The bodies of the program's fuzz targets over their committed corpora, with the stable compiler:
//! a find of the fuzzer stays found. The corpora are not in the package, only in its repository.

#[path = "../../engine/tests/it/corpus/replay.rs"]
mod replay;

use std::path::Path;

/// See the engine's.
pub(super) fn replay(target: &str, body: fn(&[u8])) {
    replay::replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz"), target, body);
}
