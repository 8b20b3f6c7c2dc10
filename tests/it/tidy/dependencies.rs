//! What deny.toml allows is all that is in the dependency tree. cargo-deny judges the same and more
//! where it is installed; this part needs nothing but cargo.

use std::process::Command;

use serde_json::Value;

use super::{complain, read, root};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The strings in a list of deny.toml.
fn listed(section: &str, list: &str) -> Vec<String> {
    let text = read("deny.toml");
    let section = text.split(&format!("\n[{section}]\n")).nth(1).expect("the section is there");
    let list = section.split(&format!("\n{list} = [\n")).nth(1).expect("the list is there");
    let lines = list.lines().take_while(|line| *line != "]");
    let found: Vec<_> =
        lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect();
    assert!(!found.is_empty(), "the list is empty");
    found
}

/// The packages of this machine's build, as cargo tells them.
fn packages() -> Vec<Value> {
    let said = |command: &mut Command| {
        let output = command.current_dir(root()).output().expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it speaks UTF-8")
    };
    let about = said(Command::new(option_env!("RUSTC").unwrap_or("rustc")).arg("-vV"));
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host is named");
    let flags = ["metadata", "--locked", "--format-version=1", "--filter-platform", host];
    let mut tree: Value = serde_json::from_str(&said(Command::new(env!("CARGO")).args(flags)))
        .expect("cargo writes JSON");
    let packages = tree["packages"].as_array_mut().map(std::mem::take);
    packages.expect("there are packages")
}

/// Each part that must be kept offers something that is allowed.
fn is_allowed(license: &str, allowed: &[String]) -> bool {
    let offers = |part: &str| {
        let part = part.trim_matches(['(', ')']);
        part.replace('/', " OR ").split(" OR ").any(|name| allowed.iter().any(|one| one == name))
    };
    license.split(" AND ").all(offers)
}

#[test]
fn the_dependencies_are_what_deny_toml_allows() {
    let allowed = listed("licenses", "allow");
    let banned = listed("bans", "deny");
    let own = [env!("CARGO_PKG_NAME"), "mcp-bridge", "hyper-mcp-gate"];
    let mut complaints = Vec::new();
    let packages = packages();
    for package in packages.iter().filter(|package| !own.iter().any(|own| package["name"] == *own))
    {
        let name = package["name"].as_str().unwrap_or_default();
        let license = package["license"].as_str().unwrap_or_default();
        if !is_allowed(license, &allowed) {
            complaints.push(format!("{name}: the licence {license:?}"));
        }
        if package["source"] != CRATES_IO {
            complaints.push(format!("{name}: comes from {}", package["source"]));
        }
        if banned.iter().any(|one| one == name) {
            complaints.push(format!("{name}: is banned"));
        }
    }
    assert!(packages.len() > banned.len(), "cargo tells all packages");
    complain(&complaints);
}

#[test]
fn a_licence_is_judged_part_by_part() {
    let allowed = ["MIT", "Unicode-3.0"].map(str::to_owned);
    assert!(is_allowed("MIT/Apache-2.0", &allowed));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
    assert!(!is_allowed("(MIT OR Apache-2.0) AND Zlib", &allowed));
    assert!(!is_allowed("GPL-3.0-only", &allowed));
    assert!(!is_allowed("", &allowed));
}
