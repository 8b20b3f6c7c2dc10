//! The code keeps its own rules that clippy doesn't have, and the documents say what it does:
//! lengths of lines and files, flags, defaults, figures, dependencies.

mod dependencies;
mod hazards;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use mcp_bridge::Config;

const LINE: usize = 100;
const FILE: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).expect("a file of the package can be read")
}

/// All files of the package with that extension, by their path in it. What tools have put there
/// is passed over.
fn files(extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let foreign = ["target", "node_modules", "corpus", "artifacts"].contains(&&*name);
            if path.is_dir() && !foreign && !name.starts_with('.') {
                walk(&path, found)?;
            } else if path.is_file() {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(root(), &mut found).expect("the package can be read");
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    let named = found.into_iter().map(|path| {
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        let text = read(&path);
        (name, text)
    });
    let named: Vec<_> = named.collect();
    assert!(!named.is_empty(), "no .{extension} file was found");
    named
}

/// Whether a file is of one of the three crates, and no test or example beside it.
fn is_shipped(name: &str) -> bool {
    ["src/", "engine/src/", "gate/src/"].iter().any(|folder| name.starts_with(folder))
}

/// Fails if there is anything to complain about.
fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Code without what its string literals say, line for line: text on the wire is not broken up.
fn without_strings(text: &str) -> String {
    let mut rest = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let here = &text[at..];
        let raw = here.starts_with("r\"") || here.starts_with("r#");
        let length = if here.starts_with("//") {
            let end = here.find('\n').unwrap_or(here.len());
            rest.push_str(&here[..end]);
            end
        } else if raw && here.trim_start_matches(['r', '#']).starts_with('"') {
            let marks = here[1..].bytes().take_while(|byte| *byte == b'#').count();
            let close = format!("\"{}", "#".repeat(marks));
            let start = marks + 2;
            here[start..].find(&close).map_or(here.len(), |end| start + end + close.len())
        } else if c == '"' {
            let mut escaped = false;
            let ends = |(_, c): &(usize, char)| {
                let end = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                end
            };
            here[1..].char_indices().find(ends).map_or(here.len(), |(end, _)| end + 2)
        } else if here.starts_with("'\"'") || here.starts_with("b'\"'") {
            here.find("\"'").map_or(1, |end| end + 2)
        } else {
            rest.push(c);
            c.len_utf8()
        };
        // What was passed over keeps its line breaks.
        if c == '"' || raw {
            rest.extend(here[..length].chars().filter(|c| *c == '\n'));
        }
        at += length;
    }
    rest
}

#[test]
fn strings_are_left_out() {
    let code = "let a = \"x\\\"y\"; // \"c\nlet b = (r#\"1\"2\n3\"#, '\"', \"\\\\\");\nfor";
    assert_eq!(without_strings(code), "let a = ; // \"c\nlet b = (\n, , );\nfor");
}

fn long_lines() -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, text) in files("rs") {
        for (number, line) in without_strings(&text).lines().enumerate() {
            if line.chars().count() > LINE {
                complaints.push(format!("{name}:{}: over {LINE} characters", number + 1));
            }
        }
    }
    for (name, text) in files("md") {
        for (number, line) in text.lines().enumerate() {
            let free = line.starts_with('|') || line.contains("](");
            if !free && line.chars().count() > LINE {
                complaints.push(format!("{name}:{}: over {LINE} characters", number + 1));
            }
        }
    }
    complaints
}

#[test]
fn lines_are_short() {
    complain(&long_lines());
}

fn untidy_files() -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, text) in files("rs") {
        if !text.starts_with("//! ") {
            complaints.push(format!("{name}: does not begin with what it is about"));
        }
        let lines = text.lines().count();
        if lines > FILE {
            complaints.push(format!("{name}: {lines} lines, over {FILE}"));
        }
    }
    complaints
}

#[test]
fn files_say_what_they_are_about_and_are_short() {
    complain(&untidy_files());
}

/// A flag is of the program: an embedder of the engine has others, or none.
fn flags_in_the_engine() -> Vec<String> {
    let is_flag = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase());
    let mut complaints = Vec::new();
    for (name, text) in files("rs").into_iter().filter(|(name, _)| name.starts_with("engine/src/"))
    {
        for (number, line) in text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            if !comment && line.split("--").skip(1).any(is_flag) {
                complaints.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    complaints
}

#[test]
fn the_engine_names_no_flag() {
    complain(&flags_in_the_engine());
}

fn left_for_later() -> Vec<String> {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut complaints = Vec::new();
    for (name, text) in files("rs").into_iter().chain(files("md")).chain(files("txt")) {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(&**mark)) {
                complaints.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    complaints
}

#[test]
fn nothing_is_left_for_later() {
    complain(&left_for_later());
}

/// The rows of a page's table under that heading: the first two cells.
fn table(readme: &str, heading: &str) -> Vec<(String, String)> {
    let mark = format!("\n## {heading}\n");
    let section = readme.split(&mark).nth(1).expect("the section is there");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        (cells.next().unwrap_or_default().into(), cells.next().unwrap_or_default().into())
    })
    .collect()
}

/// A limit as docs/reference.md writes it, from how Rust shows it.
fn written(value: &str) -> String {
    let value = value.strip_prefix("Some(").and_then(|v| v.strip_suffix(')')).unwrap_or(value);
    if value == "None" {
        return String::from("none");
    }
    if let Ok(number) = value.parse::<usize>() {
        return match number {
            mib if mib >= 1 << 20 && mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
            kib if kib >= 1 << 13 && kib % (1 << 10) == 0 => format!("{} KiB", kib >> 10),
            number => number.to_string(),
        };
    }
    let unit = ["ms", "s"].into_iter().find(|unit| value.ends_with(unit));
    match unit {
        Some(unit) => format!("{} {unit}", value.trim_end_matches(unit)),
        None => String::from(value),
    }
}

#[test]
fn the_reference_has_every_limit_with_its_default() {
    let shown = format!("{:#?}", Config::default()).replace("Some(\n        ", "Some(");
    let shown = shown.replace(",\n    )", ")");
    // What is no limit: the addresses, which the flags tell.
    let other = [
        "endpoint",
        "sse_endpoint",
        "health",
        "metrics",
        "eras",
        "node",
        "loopback",
        "allow_hosts",
        "allow_origins",
        "header_env",
        "affinity",
        "trace_context",
        "remedies",
        "persist",
        "restart",
    ];
    let limits: BTreeMap<String, String> = shown
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').split_once(": "))
        .filter(|(name, _)| !other.contains(name))
        .map(|(name, value)| (name.to_string(), written(value)))
        .collect();
    assert!(limits.len() > 20, "{limits:?}");
    let told: BTreeMap<String, String> = table(&read("docs/reference.md"), "Limits")
        .into_iter()
        .map(|(name, value)| (name.replace('`', ""), value))
        .collect();
    assert_eq!(told, limits);
}

#[test]
fn the_reference_has_the_drivers_figures() {
    let is_driver = |name: &str| name.starts_with("src/") || name.starts_with("gate/src/");
    let sources: Vec<_> = files("rs").into_iter().filter(|(name, _)| is_driver(name)).collect();
    let page = read("docs/reference.md").replace('\n', " ");
    for (constant, told) in [
        ("const CONNECTIONS: usize = 1024;", "1,024 connections"),
        ("const IDLE: Duration = Duration::from_secs(75);", "75 s between requests"),
        ("const KEEP_ALIVE: &str = \"timeout=75\";", "75 s between requests"),
        ("const HEAD: Duration = Duration::from_secs(10);", "10 s for a head"),
        ("const CONTENT: Duration = Duration::from_secs(30);", "30 s for its content"),
        ("const STALL: Duration = Duration::from_secs(30);", "30 s without progress while sending"),
        ("const FIELDS: usize = 64;", "64 header fields"),
        ("const TARGET: usize = 2048;", "2 KiB of target"),
        ("const REQUESTS: usize = 8;", "8 of the largest requests"),
        ("const LINE: usize = 8 * 1024;", "8 KiB of a line on a server's standard error"),
        ("const WINDOW_LINES: usize = 100;", "100 such lines a second"),
        ("const WINDOW_BYTES: usize = 64 * 1024;", "or 64 KiB, for each server process"),
        ("const TOTAL_LINES: usize = 400;", "400 lines"),
        ("const TOTAL_BYTES: usize = 256 * 1024;", "256 KiB for all together"),
        ("const QUEUE: usize = 384 * 1024;", "384 KiB of log"),
    ] {
        assert!(sources.iter().any(|(_, text)| text.contains(constant)), "{constant}");
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn each_image_checks_its_health_without_other_programs() {
    for name in ["Containerfile", "node.Containerfile", "uv.Containerfile"] {
        let image = read(format!("contrib/container/{name}"));
        let check = image.lines().find(|line| line.starts_with("HEALTHCHECK "));
        let check = check.unwrap_or_else(|| panic!("{name}: no HEALTHCHECK"));
        let words = r#"hyper-mcp-proxy", "--probe", "http://127.0.0.1:8080/healthz"]"#;
        assert!(check.ends_with(words), "{name}: {check}");
    }
}

#[test]
fn contributing_has_every_dependency() {
    let own = ["mcp-bridge", "hyper-mcp-gate"];
    let mut named = BTreeSet::new();
    for manifest in ["Cargo.toml", "engine/Cargo.toml", "gate/Cargo.toml"] {
        let manifest = read(manifest);
        let section = manifest.split("\n[dependencies]\n").nth(1).expect("there are dependencies");
        let section = section.split("\n[").next().unwrap_or(section);
        let names = section.lines().filter_map(|line| line.split([' ', '.']).next());
        let names = names.filter(|name| !name.is_empty() && *name != "#" && !own.contains(name));
        named.extend(names.map(String::from));
    }
    let page = read("CONTRIBUTING.md");
    let told = page.split("\n## Dependencies\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let told: BTreeSet<String> = told
        .expect("the section is there")
        .lines()
        .filter(|line| line.starts_with("- `"))
        .flat_map(|line| line.split(':').next().unwrap_or_default().split('`').skip(1).step_by(2))
        .map(String::from)
        .collect();
    assert_eq!(told, named);
}
