//! The maps are true: docs/architecture.md names every folder and none that is not there, and
//! every path in a document leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).expect("a file of the package can be read")
}

/// What stands in a folder: the names of Rust files without their ending, folders with a slash.
fn standing(folder: &str, without: &[&str]) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder can be read");
    let names = entries.map(|entry| {
        let path = entry.expect("its entries can be read").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() { name + "/" } else { name }
    });
    names.filter(|name| !without.contains(&&**name)).collect()
}

/// The pieces of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_map_of_the_code_is_whole() {
    let page = read("docs/architecture.md");
    assert!(page.lines().count() <= 120, "a page that is read in ten minutes");
    let map = page.split("\n## Where things are\n").nth(1).expect("there is a map");
    let map = map.split("\n## ").next().unwrap_or(map);
    let (mut engine, mut gate, mut driver) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for row in map.lines().filter(|line| line.starts_with("| ")) {
        let first = row.split('|').nth(1).unwrap_or_default().trim();
        let names = match first.split(": ").next() {
            Some("driver") => &mut driver,
            Some("gate") => &mut gate,
            _ => &mut engine,
        };
        names.extend(quoted(first).map(String::from));
    }
    assert_eq!(engine, standing("engine/src", &["lib"]));
    assert_eq!(gate, standing("gate/src", &["lib"]));
    assert_eq!(driver, standing("src", &["main", "tests/"]));
}

/// No table of sessions, processes or servers comes back into what all of them share.
#[test]
fn what_all_share_is_what_the_page_says() {
    let text = read("engine/src/context/mod.rs");
    let fields = text.split("pub(crate) struct Context {").nth(1).expect("there is a context");
    let fields = fields.split("\n}").next().unwrap_or(fields).lines().map(str::trim);
    let named = fields.filter(|line| !line.starts_with("//")).filter_map(|line| {
        line.trim_start_matches("pub(crate) ").split_once(": ").map(|(name, _)| name)
    });
    let page = read("docs/architecture.md");
    let listed = page.split("`Context` has\n").nth(1).expect("the page lists them");
    let listed = listed.split(".\n").next().unwrap_or(listed);
    assert_eq!(named.collect::<BTreeSet<_>>(), quoted(listed).collect());
}

/// A path as a document in this folder gives it, from the package's root.
fn joined(folder: &Path, path: &str) -> String {
    folder.join(path).to_string_lossy().into_owned()
}

/// What links to the sections of a document are called, as GitHub makes it.
fn sections(document: &str) -> BTreeSet<String> {
    let text = read(document);
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let letters = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    headings.map(|heading| heading.chars().filter_map(letters).collect()).collect()
}

#[test]
fn paths_in_documents_lead_somewhere() {
    let mut documents = vec![
        String::from("README.md"),
        String::from("CONTRIBUTING.md"),
        String::from("SECURITY.md"),
        String::from("contrib/README.md"),
        String::from("examples/README.md"),
    ];
    for entry in fs::read_dir(root().join("docs")).expect("there is a folder docs") {
        let name = entry.expect("its entries can be read").file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".md") {
            documents.push(format!("docs/{name}"));
        }
    }
    let folders = [
        "src/",
        "engine/",
        "gate/",
        "tests/",
        "docs/",
        "contrib/",
        "examples/",
        "fuzz/",
        "bench/",
        ".ci/",
    ];
    let (mut seen, mut complaints) = (0, Vec::new());
    for document in documents {
        let text = read(&document);
        // A code block is not prose: what it names may be made by it.
        let prose: String = text.split("```").step_by(2).collect();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let links = links.filter(|link| !link.contains("://"));
        for path in quoted(&prose).filter(|path| folders.iter().any(|f| path.starts_with(f))) {
            let path = path.split([' ', ':']).next().unwrap_or(path);
            // It stands for one of several.
            if path.contains("NAME") {
                continue;
            }
            seen += 1;
            if !root().join(path).exists() {
                complaints.push(format!("{document}: {path}"));
            }
        }
        let folder = Path::new(&document).parent().unwrap_or_else(|| Path::new(""));
        for link in links {
            seen += 1;
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { document.clone() } else { joined(folder, path) };
            let is_there = root().join(&path).exists();
            if !is_there || !section.is_empty() && !sections(&path).contains(section) {
                complaints.push(format!("{document}: a link to {link}"));
            }
        }
    }
    assert!(seen > 10, "only {seen} paths were found");
    assert!(complaints.is_empty(), "{complaints:#?}");
}
