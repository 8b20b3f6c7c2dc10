//! What the file of servers may say, and what is said of one that is wrong.

use crate::cli::config_file::{Definition, Definitions, parse};

#[track_caller]
fn all(text: &str) -> Definitions {
    parse(text.as_bytes()).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

/// The servers of a file that has no others.
#[track_caller]
fn good(text: &str) -> Vec<Definition> {
    let all = all(text);
    assert!(all.remote.is_empty(), "{text}: {all:?}");
    all.servers
}

#[track_caller]
fn bad(text: &str, words: &[&str]) {
    let reason = parse(text.as_bytes()).expect_err(text);
    for word in words {
        assert!(reason.contains(word), "{text}: {reason}");
    }
    assert!(!reason.contains('\n') && !reason.contains("secret"), "{text}: {reason}");
}

#[test]
fn both_shapes_are_taken() {
    let servers = r#"{
        "files": {"command": "npx", "args": ["-y", "x"], "env": {"A": "1", "B": ""}, "cwd": "/tmp"},
        "time-2.0_~": {"command": "time"}
    }"#;
    let told = good(servers);
    assert_eq!(told.len(), 2);
    assert_eq!((&*told[0].name, &*told[0].command), ("files", "npx"));
    assert_eq!(told[0].args, ["-y", "x"]);
    assert_eq!(told[0].env, [("A".into(), "1".into()), ("B".into(), String::new())]);
    assert_eq!(told[0].cwd.as_deref(), Some("/tmp"));
    assert_eq!((&*told[1].name, told[1].args.len(), &told[1].cwd), ("time-2.0_~", 0, &None));
    for around in [
        format!(r#"{{"mcpServers": {servers}}}"#),
        format!(r#"{{"theme": ["x"], "mcpServers": {servers}, "mcpserver": 1}}"#),
    ] {
        assert_eq!(good(&around), told, "{around}");
    }
}

#[test]
fn what_only_clients_know_is_passed_over_and_told() {
    let told = good(
        r#"{"a": {"type": "stdio", "command": "x", "autoApprove": [{"b": 1}], "timeout": 5},
            "off": {"command": "y", "disabled": true},
            "on": {"command": "z", "disabled": false}}"#,
    );
    let names: Vec<_> = told.iter().map(|server| &*server.name).collect();
    assert_eq!(names, ["a", "on"]);
    assert_eq!(told[0].unknown, ["autoApprove", "timeout"]);
    assert!(told[1].unknown.is_empty());
}

#[test]
fn servers_that_are_called_are_passed_over_and_told() {
    let told = all(r#"{"far": {"type": "http", "url": "http://x", "headers": {}},
            "near": {"command": "y"}, "other": {"serverUrl": "http://x"},
            "off": {"url": "http://x", "disabled": true}, "third": {"httpUrl": "http://x"}}"#);
    assert_eq!((told.servers.len(), &*told.servers[0].name), (1, "near"));
    assert_eq!(told.remote, ["far", "other", "third"]);
    // With a command it is started, and the rest is what only clients know.
    let told = good(r#"{"both": {"command": "x", "url": "http://x"}}"#);
    assert_eq!(told[0].unknown, ["url"]);
    bad(r#"{"a": {"command": "", "url": "http://secret"}}"#, &["\"command\"", "missing"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_its_member() {
    for (text, words) in [
        ("", &["line 1 column 0"][..]),
        ("[]", &["an object of servers", "line 1"]),
        ("{}", &["defines no server"]),
        (r#"{"mcpServers": {}}"#, &["defines no server"]),
        ("{\n \"a\": {\"command\": \"x\",}\n}", &["line 2 column "]),
        ("{\"a\": {\"command\": \"x\"}} x", &["trailing", "line 1"]),
        ("{\"a\":\n{\"args\": []}}", &["\"command\" of the server \"a\"", "missing", "line 2"]),
        (r#"{"a": {"url": "http://secret"}}"#, &["no server with a \"command\""]),
        (r#"{"a": {"type": "http"}}"#, &["\"command\" of the server \"a\"", "missing"]),
        (r#"{"a": "secret"}"#, &["the server \"a\" to be an object", "line 1"]),
        (r#"{"a": {"command": 5}}"#, &["\"command\" of the server \"a\" to be a string", "line 1"]),
        (r#"{"a": {"command": "x", "args": "secret"}}"#, &["\"args\"", "a list of strings"]),
        (
            r#"{"a": {"command": "x", "args": [1]}}"#,
            &["each element of the member \"args\"", "to be a string"],
        ),
        (r#"{"a": {"command": "x", "env": ["secret"]}}"#, &["\"env\"", "an object of strings"]),
        (
            r#"{"a": {"command": "x", "env": {"K": ["secret"]}}}"#,
            &["the value of \"K\" in the member \"env\"", "a string"],
        ),
        (r#"{"a": {"command": "x", "env": {"K=": "secret"}}}"#, &["\"env\"", "\"K=\""]),
        (r#"{"a": {"command": "x", "env": {"K": "secret\u0000"}}}"#, &["\"env\"", "NUL"]),
        (r#"{"a": {"command": "x", "cwd": null}}"#, &["\"cwd\"", "a string"]),
        (r#"{"a": {"command": "x", "disabled": "secret"}}"#, &["\"disabled\"", "true or false"]),
        (r#"{"a": {"command": "x", "command": "y"}}"#, &["\"command\"", "twice"]),
        (r#"{"a": {"command": "x"}, "a": {"command": "y"}}"#, &["\"a\"", "twice"]),
        (r#"{"mcpServers": {}, "mcpServers": {}}"#, &["mcpServers", "twice"]),
        (r#"{"a/b": {"command": "x"}}"#, &["\"a/b\"", "path"]),
        (r#"{"..": {"command": "x"}}"#, &["\"..\"", "path"]),
        (r#"{"": {"command": "x"}}"#, &["\"\"", "path"]),
        (r#"{"ä": {"command": "x"}}"#, &["path"]),
    ] {
        bad(text, words);
    }
    assert!(parse(b"{\"a\": \"\xff\"}").is_err());
    bad(&format!(r#"{{"{}": {{"command": "x"}}}}"#, "n".repeat(65)), &["path"]);
    let many = (0..257).map(|n| format!(r#""s{n}": {{"command": "x"}}"#)).collect::<Vec<_>>();
    bad(&format!("{{{}}}", many.join(",")), &["more than 256"]);
    bad(&"[".repeat(100_000), &["line 1"]);
}

#[test]
fn the_forms_of_other_programs_are_told_what_to_change() {
    let rename = &["rename \"servers\" to \"mcpServers\""];
    bad(r#"{"servers": {"a": {"command": "x"}}}"#, rename);
    bad(r#"{"inputs": [], "servers": {"a": {"command": "secret"}}}"#, rename);
    // Here it is a name.
    assert_eq!(good(r#"{"servers": {"command": "x"}}"#)[0].name, "servers");
    assert_eq!(good(r#"{"servers": 1, "mcpServers": {"a": {"command": "x"}}}"#)[0].name, "a");
    for comment in ["// secret", "/* secret */"] {
        for text in [
            format!("{{\n  {comment}\n \"a\": {{\"command\": \"x\"}}}}"),
            format!("{{\"a\": {{\"command\": \"x\"}}, {comment}\n}}"),
            format!("{{\"a\": {{\"command\": {comment}\n \"x\"}}}}"),
            format!("{comment}\n{{\"a\": {{\"command\": \"x\"}}}}"),
            format!("{{\"a\": {{\"command\": \"x\"}}}} {comment}"),
            format!("{{\"a\": {{\"command\": \"x\" {comment}\n}}}}"),
        ] {
            bad(&text, &["JSON has no comments", "line "]);
        }
    }
    assert_eq!(good("\u{feff}{\"a\": {\"command\": \"x\"}}").len(), 1);
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(parse(&utf16).is_err_and(|reason| reason.contains("UTF-8")));
}

#[test]
fn what_clients_would_replace_is_told_without_its_value() {
    let told = good(
        r#"{"a": {"command": "${BIN}/x", "cwd": "${workspaceFolder}", "args": ["-k", "${input:k}"],
            "env": {"A": "x${X:-secret}", "B": "$B", "C": "${}", "D": "${open", "E": "${ x}"}}}"#,
    );
    let wanted = [
        "${BIN} in \"command\"",
        "${workspaceFolder} in \"cwd\"",
        "${input...} in \"args\"",
        "${X...} in \"env.A\"",
    ];
    assert_eq!(told[0].placeholders, wanted);
}
