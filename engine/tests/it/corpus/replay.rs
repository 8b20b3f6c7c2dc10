//! A fuzz target's body over its committed corpus. The program's tests mount this file as well.

use std::path::Path;

/// Runs a body over each input of its archive in the folder `fuzz`, over each input that once made
/// it fail, and over none at all.
pub(crate) fn replay(fuzz: &Path, target: &str, body: fn(&[u8])) {
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

/// Runs a body over each file of a folder.
pub(crate) fn replay_folder(folder: &Path, body: fn(&[u8])) {
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
