//! The bodies of the fuzz targets over their committed corpora, with the stable compiler: a find of
//! the fuzzer stays found. The corpora are not in the package, only in its repository.

use std::path::Path;

/// Runs a body over each input of its archive, and over none at all.
pub(super) fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    if !corpus.exists() {
        return eprintln!("no corpus: this is not the repository");
    }
    let archive = std::fs::read(corpus.join(format!("{target}.seeds")));
    let archive = archive.expect("the corpus is committed");
    let seeds = seeds(&archive);
    assert!(!seeds.is_empty(), "the corpus of {target} is empty");
    for (number, seed) in seeds.into_iter().enumerate() {
        if let Err(panic) = std::panic::catch_unwind(|| body(seed)) {
            eprintln!("in seed {number} of {target}, {:?}", String::from_utf8_lossy(seed));
            std::panic::resume_unwind(panic);
        }
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
