//! What the page says of other bridges is what a run has shown, and every question of that run has
//! been asked.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("a file of the package can be read")
}

/// The lines of all tables.
fn tables(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('|')).collect()
}

#[test]
fn the_comparison_has_the_tables_of_the_run() {
    let (page, run) = (read("docs/comparison.md"), read("bench/PEERS.md"));
    let (_, shown) = page.split_once("\n## Shown by a run\n").expect("the section of the run");
    let (shown, _) = shown.split_once("\n## ").expect("a section after it");
    let wanted = tables(&run);
    assert!(wanted.len() > 30, "{wanted:#?}");
    assert_eq!(tables(shown), wanted);
}

#[test]
fn the_run_has_asked_everything_and_has_the_versions_of_the_page() {
    let (page, run) = (read("docs/comparison.md"), read("bench/PEERS.md"));
    let questions = read("bench/probes.py");
    let asked = questions.lines().filter_map(|line| line.strip_prefix("@row(\""));
    let asked = asked.filter_map(|line| line.split_once("\", \"")?.1.strip_suffix("\")"));
    let rows = tables(&run);
    let mut count = 0;
    for question in asked {
        count += 1;
        let row = format!("| {question} | ");
        assert!(rows.iter().any(|line| line.starts_with(&row)), "not asked: {question}");
    }
    assert!(count > 30, "{count} questions");
    assert!(!run.contains("| ? |"), "a question has no answer");
    let peers: Vec<&str> =
        rows[0].split('|').map(str::trim).filter(|name| !name.is_empty()).collect();
    let (this, others) = peers.split_first().expect("a head");
    assert_eq!(*this, "this");
    assert!(run.contains(&format!("`this` is {}.", env!("CARGO_PKG_VERSION"))));
    for peer in others {
        let (_, version) = peer.rsplit_once('-').expect("a name and a version");
        assert!(
            page.contains(&format!("| {version}, ")) || page.contains(&format!("| {version} |"))
        );
        assert!(read("bench/peers.ini").contains(&format!("\n[{peer}]\n")), "{peer}");
    }
}
