//! The fuzz target's body over its committed corpus, with the stable compiler: a find of the fuzzer
//! stays found. The corpus is not in the package, only in its repository.

use std::path::Path;

use crate::twin;

#[test]
fn the_gate_holds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    if !fuzz.exists() {
        return eprintln!("no corpus: this is not the repository");
    }
    let archive = std::fs::read(fuzz.join("corpus/gate.seeds")).expect("the corpus is committed");
    let mut seeds = seeds(&archive);
    assert!(!seeds.is_empty(), "the corpus is empty");
    // What once made it fail.
    let crashes = std::fs::read_dir(fuzz.join("crashes/gate")).expect("they are committed");
    let crashes: Vec<_> =
        crashes.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    seeds.extend(crashes.iter().map(Vec::as_slice));
    for (number, seed) in seeds.into_iter().enumerate() {
        if let Err(panic) = std::panic::catch_unwind(|| twin::run(seed)) {
            eprintln!("in seed {number}, {seed:?}");
            std::panic::resume_unwind(panic);
        }
    }
    twin::run(b"");
}

/// The inputs of an archive, which `fuzz/seeds` writes: of each its length in decimal digits, a
/// line feed, its bytes, a line feed. The engine's tests read archives likewise; this package has
/// to pass its tests without the engine's files.
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
