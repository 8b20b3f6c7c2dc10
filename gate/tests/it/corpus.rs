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
    let mut count = 0;
    for file in std::fs::read_dir(fuzz.join("corpus/gate")).expect("the corpus is committed") {
        let path = file.expect("a readable folder").path();
        let data = std::fs::read(&path).expect("a readable file");
        if let Err(panic) = std::panic::catch_unwind(|| twin::run(&data)) {
            eprintln!("in {}", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count > 0, "the corpus is empty");
    twin::run(b"");
}
