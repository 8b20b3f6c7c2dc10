//! Which folder of a crate imports which. Each may import what stands before it in a list, so there
//! is no circle of folders; among files no circle has more than two. `cargo test --test it arrows
//! -- --nocapture` prints what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

/// The engine's rooms, the lowest first, with those that each imports.
const ENGINE: [(&str, &[&str]); 10] = [
    ("table", &[]),
    ("codec", &[]),
    ("api", &["codec"]),
    ("http", &["table", "codec", "api"]),
    ("context", &["table", "codec", "api", "http"]),
    ("dialect", &["codec", "api"]),
    ("child", &["table", "codec", "api", "context"]),
    ("stream", &["table", "codec", "api", "http", "context"]),
    ("front", &["table", "codec", "api", "http", "context", "dialect", "child", "stream"]),
    ("bridge", &["table", "codec", "api", "http", "context", "child", "stream", "front"]),
];

/// The driver's. All of them may know the hub, which owns the engine and starts their tasks.
const DRIVER: [(&str, &[&str]); 12] = [
    ("os", &[]),
    ("logging", &["os"]),
    ("access", &["logging"]),
    ("reactor", &["os"]),
    ("limits", &["reactor"]),
    ("record", &["os"]),
    ("demo", &[]),
    ("process", &["os", "logging", "reactor", "limits"]),
    ("http", &["access", "logging", "os", "reactor", "limits"]),
    ("sessions", &["os", "reactor", "limits"]),
    ("cli", &["access", "os", "logging", "process", "record"]),
    ("signals", &["cli", "limits", "logging", "os"]),
];

/// What fronts know of HTTP: what a head was read to say, and what goes wrong. No field, no byte.
const FRONT_OF_HTTP: &[&str] = &["admission", "fault", "metadata", "owner", "session_id"];

/// Files by the path of their module, and the modules that each names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The paths below `crate::` in a text, without those in comments.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            branch(&code[at + "crate::".len()..], Vec::new(), &mut found);
        }
    }
    found
}

/// Reads `a::{b, c::D}` from the start of a text; what follows it.
fn branch<'a>(text: &'a str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = text.trim_start();
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = branch(rest, path.clone(), found).trim_start();
                rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            }
            return rest.get(1..).unwrap_or_default();
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            found.push(path);
            return rest.get(1..).unwrap_or_default();
        }
        let (word, after) = rest.split_at(end);
        if word != "self" {
            path.push(word.to_owned());
        }
        match after.strip_prefix("::") {
            Some(after) => rest = after,
            None => {
                found.push(path);
                return after;
            }
        }
    }
}

/// The graph of files with their texts. What a file of a folder takes from the file that the folder
/// belongs to is no arrow: it is a part of that file.
fn graph(files: &BTreeMap<String, String>) -> Graph {
    let file_of = |path: &[String]| {
        (1..=path.len())
            .rev()
            .map(|length| path[..length].join("::"))
            .find(|m| files.contains_key(m))
    };
    let arrows = |module: &String, text: &String| {
        let named = paths(text).into_iter().filter_map(|path| file_of(&path));
        let own = |named: &String| named == module || module.starts_with(&format!("{named}::"));
        named.filter(|named| !own(named)).collect()
    };
    files.iter().map(|(module, text)| (module.clone(), arrows(module, text))).collect()
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// The arrows between rooms.
fn rooms(graph: &Graph) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut rooms: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, named) in graph {
        let named = named.iter().map(|named| room(named)).filter(|named| *named != room(module));
        rooms.entry(room(module)).or_default().extend(named);
    }
    rooms
}

fn reached<'a>(graph: &'a Graph, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        let named = graph[module].iter().map(|named| &**named);
        next.extend(named.filter(|named| seen.insert(*named)));
    }
    seen
}

/// The files that import each other in a circle, for each circle.
fn circles(graph: &Graph) -> BTreeSet<Vec<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|module| (&**module, reached(graph, module))).collect();
    let circle = |module: &&str| {
        let back = reach[module].iter().filter(|other| reach[**other].contains(module));
        back.copied().collect::<Vec<_>>()
    };
    reach.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

/// What a graph does that its rooms may not.
fn complaints(graph: &Graph, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (room, named) in rooms(graph) {
        let listed = allowed.iter().find(|(name, _)| *name == room);
        let listed: BTreeSet<_> =
            listed.iter().flat_map(|(_, list)| list.iter().copied()).collect();
        if named != listed {
            complaints.push(format!("{room} imports {named:?}, and the list says {listed:?}"));
        }
    }
    for circle in circles(graph).into_iter().filter(|circle| circle.len() > 2) {
        complaints.push(format!("a circle of {}: {}", circle.len(), circle.join(", ")));
    }
    complaints
}

fn crate_at(folder: &str) -> Graph {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default();
            // What stands for another file on another system is mounted in its place.
            if ["tests", "windows", "elsewhere"].iter().any(|other| name == *other) {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, files)?;
            } else if folder != root || name != "lib" && name != "main" {
                let place = if name == "mod" { folder.to_owned() } else { path.with_extension("") };
                let place = place.strip_prefix(root).unwrap_or(&place);
                let parts: Vec<_> = place.iter().map(|part| part.to_string_lossy()).collect();
                files.insert(parts.join("::"), fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = BTreeMap::new();
    walk(&root, &root, &mut files).expect("the crate can be read");
    let graph = graph(&files);
    let rooms = rooms(&graph);
    eprintln!("{folder}: {} files, {} rooms", graph.len(), rooms.len());
    for (room, named) in &rooms {
        eprintln!("  {room} -> {}", named.iter().copied().collect::<Vec<_>>().join(" "));
    }
    for circle in circles(&graph) {
        eprintln!("  circle: {}", circle.join(", "));
    }
    graph
}

/// A list in which each imports only what stands before it has no circle.
#[test]
fn the_lists_go_down() {
    for list in [&ENGINE[..], &DRIVER] {
        for (place, (room, named)) in list.iter().enumerate() {
            let before = |name: &str| list[..place].iter().any(|(room, _)| *room == name);
            assert!(named.iter().all(|name| before(name)), "{room}");
        }
    }
}

#[test]
fn the_engines_rooms_import_what_they_may() {
    let graph = crate_at("engine/src");
    let complaints = complaints(&graph, &ENGINE);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn the_eras_do_not_know_each_other_and_no_http() {
    for (module, named) in crate_at("engine/src") {
        for named in named {
            let front = |name: &str| module.starts_with(name);
            let other = front("front::session") && named.starts_with("front::stateless")
                || front("front::stateless") && named.starts_with("front::session");
            assert!(!other, "{module} imports {named}");
            if let Some(http) = named.strip_prefix("http::").filter(|_| front("front")) {
                assert!(FRONT_OF_HTTP.contains(&http), "{module} imports {named}");
            }
        }
    }
}

#[test]
fn the_drivers_rooms_import_what_they_may() {
    // The hub and what it starts know each other; there is one owner of the engine.
    let mut graph = crate_at("src");
    graph.retain(|module, _| room(module) != "hub");
    for named in graph.values_mut() {
        named.retain(|named| room(named) != "hub");
    }
    let complaints = complaints(&graph, &DRIVER);
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn what_may_not_be_is_found() {
    let file = |name: &str, text: &str| (String::from(name), String::from(text));
    let files = BTreeMap::from([
        file("a", "use crate::b::{\n    X, y::Z,\n};\n"),
        file("b", "// use crate::d;\nuse crate::{c::{self, Y}, e};\n"),
        file("b::y", "use crate::b::X;\n"),
        file("c", "fn f() { crate::a::g(); my_crate::d(); }\n"),
        file("d", ""),
        file("e", "use crate::c;\n"),
    ]);
    let graph = graph(&files);
    assert_eq!(graph["b"], BTreeSet::from(["c".into(), "e".into()]));
    assert_eq!(circles(&graph), BTreeSet::from([vec!["a", "b", "c", "e"]]));
    let allowed: [(&str, &[&str]); 4] =
        [("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("e", &["c"])];
    let found = complaints(&graph, &allowed);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("b imports") && found[1].starts_with("a circle of 4"),
        "{found:?}"
    );
}
