//! `tests/HAZARDS.md` is true: every row is there, and so is every test that it names.

use std::collections::BTreeMap;

use super::{complain, files, is_shipped, read};

/// The rows of its tables, and how many each has.
const ROWS: [(&str, usize); 4] = [("S", 15), ("H", 13), ("T", 16), ("R", 21)];

/// What stands between single backticks, outside of code blocks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether what is named so is there; names of other things are none of ours.
fn is_there(name: &str, code: &[(String, String)]) -> bool {
    if let Some(named) = name.strip_prefix("transcripts/") {
        let Some((file, case)) = named.split_once(": ") else { return false };
        let text = read(format!("engine/tests/transcripts/{file}"));
        return text.lines().any(|line| line.strip_prefix("case ") == Some(case));
    }
    if let Some(law) = name.strip_prefix("world: ") {
        return read("engine/tests/world/law.rs").contains(&format!("\n    {law},\n"));
    }
    let mut parts: Vec<&str> = name.split("::").collect();
    let function = format!("fn {}()", parts.pop().unwrap_or_default());
    let module = parts.pop().unwrap_or_default();
    let is_module = |path: &str| {
        path.ends_with(&format!("/{module}.rs")) || path.ends_with(&format!("/{module}/mod.rs"))
    };
    code.iter().any(|(path, text)| is_module(path) && text.contains(&function))
}

#[test]
fn every_hazard_has_its_tests() {
    let page = read("tests/HAZARDS.md");
    let code = files("rs");
    let mut complaints = Vec::new();
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line.split(" | ");
        let row = cells.next().unwrap_or_default().trim_start_matches("| ");
        let tests = cells.nth(1).unwrap_or_default();
        if row == "row" {
            continue;
        }
        *rows.entry(row.to_owned()).or_default() += 1;
        if spans(tests).count() == 0 {
            complaints.push(format!("{row} names no test"));
        }
        for name in spans(tests).filter(|name| !is_there(name, &code)) {
            complaints.push(format!("{row}: there is no {name}"));
        }
    }
    let all =
        ROWS.iter().flat_map(|(table, count)| (1..=*count).map(move |n| format!("{table}{n}")));
    for row in all {
        if rows.remove(&row) != Some(1) {
            complaints.push(format!("{row} is not there once"));
        }
    }
    // Of our own, beside them.
    rows.remove("T15a");
    complaints.extend(rows.keys().map(|row| format!("{row} is no row")));
    complain(&complaints);
}

#[test]
fn the_misdeeds_are_as_many_as_is_said() {
    let list = read("tests/child/misdeeds.rs");
    let count = |name: &str| {
        let table = list.split(&format!("const {name}")).nth(1).unwrap_or_default();
        let table = table.split("\n];").next().unwrap_or_default();
        table.lines().filter(|line| *line == "    (" || line.starts_with("    (\"")).count()
    };
    let (during, start, end) = (count("DURING"), count("AT_START"), count("AT_END"));
    let said = format!(
        "misbehaves in {} ways that have names: {during} during a call, {start} at its start, \
         {end} at its end.",
        during + start + end
    );
    let page = read("tests/HAZARDS.md").replace('\n', " ");
    assert!(page.contains(&said), "{said}");
}

/// A command is run as it was given, by nobody in between.
#[test]
fn no_shell_is_started() {
    let code = files("rs").into_iter().filter(|(path, _)| is_shipped(path));
    let starts =
        |text: &str| ["\"sh\"", "\"-c\"", "bin/sh", "bash"].iter().any(|w| text.contains(w));
    let found: Vec<_> = code
        .filter(|(path, text)| !path.contains("/tests/") && starts(text))
        .map(|(path, _)| format!("{path}: a shell"))
        .collect();
    complain(&found);
}
