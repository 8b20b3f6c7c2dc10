//! The library's face: every public item is documented with an example that `cargo test` runs,
//! what can fail says how, and what lib.rs promises of the types holds.
//!
//! In `src` a bare `pub` is public: the lint `unreachable_pub` sees to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mcp_bridge::{Bridge, Input, Notice, Output, Response};

/// What a file makes public: its items, each with its documentation, and its methods' names.
#[derive(Default)]
struct Face {
    items: Vec<(String, String)>,
    methods: BTreeSet<String>,
    /// The code of all examples.
    examples: String,
}

/// The item that a line declares, if it is public and of the kind that wants an example.
fn declared(line: &str) -> Option<String> {
    let rest = line.strip_prefix("pub ")?;
    let words: Vec<&str> = rest.split([' ', '(', '<', ':', ';', '{']).collect();
    let at = words.iter().position(|word| ["struct", "enum", "fn", "trait", "type"].contains(word));
    let name = match at {
        Some(at) => words.get(at + 1),
        None if words[0] == "const" => words.get(1),
        None => None,
    };
    name.map(|name| String::from(*name))
}

fn face(text: &str) -> Face {
    let mut face = Face::default();
    let (mut documentation, mut code) = (String::new(), false);
    for line in text.lines() {
        let bare = line.trim_start();
        if let Some(told) = bare.strip_prefix("///").or_else(|| bare.strip_prefix("//!")) {
            if told.trim_start().starts_with("```") {
                code = !code;
            } else if code {
                face.examples.push_str(told);
                face.examples.push('\n');
            }
            documentation.push_str(told);
            documentation.push('\n');
            continue;
        }
        if let Some(name) = declared(line) {
            face.items.push((name, documentation.clone()));
        } else if let Some(name) = declared(bare).filter(|_| line.starts_with("    pub ")) {
            face.methods.insert(name);
        }
        // Attributes stand between a documentation and its item.
        if !bare.starts_with("#[") {
            documentation.clear();
        }
    }
    face
}

fn engine(folder: &Path, found: &mut Vec<(String, Face)>) {
    for entry in fs::read_dir(folder).expect("the engine's folder can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            engine(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a file of the engine can be read");
            found.push((path.display().to_string(), face(&text)));
        }
    }
}

#[test]
fn every_public_item_is_shown_at_work() {
    let mut files = Vec::new();
    engine(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut complaints = Vec::new();
    let (mut items, mut methods) = (0, 0);
    for (file, face) in &files {
        for (name, documentation) in &face.items {
            items += 1;
            let example = documentation.split("# Examples\n").nth(1).unwrap_or_default();
            // An example of its own, or the place where it is.
            if !example.contains("```") && !example.contains(" See [`") {
                complaints.push(format!("{file}: {name} has no example"));
            }
        }
        for name in &face.methods {
            methods += 1;
            // A constant is named, not called.
            let end = if name.bytes().all(|byte| byte.is_ascii_uppercase()) { "" } else { "(" };
            let used = [format!(".{name}{end}"), format!("::{name}{end}")];
            if !used.iter().any(|used| face.examples.contains(used)) {
                complaints.push(format!("{file}: no example of this file calls {name}"));
            }
        }
    }
    assert!(items > 20 && methods > 20, "only {items} items and {methods} methods were found");
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn what_has_no_example_is_found() {
    let text = "/// A.\n///\n/// # Examples\n///\n/// ```\n/// a.seen();\n/// ```\n#[derive(Debug)]\n\
                pub struct A<'a>;\nimpl A {\n    pub const fn seen() {}\n    pub fn unseen() {}\n    \
                pub(crate) fn own() {}\n}\n/// B.\npub const fn b() {}\npub const C: u8 = 0;\n";
    let face = face(text);
    let names: Vec<&str> = face.items.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["A", "b", "C"]);
    assert!(face.items[0].1.contains("# Examples") && !face.items[1].1.contains("# Examples"));
    assert_eq!(face.methods.into_iter().collect::<Vec<_>>(), ["seen", "unseen"]);
    assert_eq!(face.examples, " a.seen();\n");
}

#[test]
fn the_engine_goes_to_any_thread() {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Bridge>();
    shared::<Input<'static>>();
    shared::<Output>();
    shared::<Response>();
    shared::<Notice>();
}
