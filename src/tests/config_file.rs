//! What the file of servers may say, and what is said of one that is wrong.

mod twin;

use std::ffi::OsString;
use std::time::Duration;

use super::corpus;
use crate::cli::config_file::{self, Definition, Definitions, dotenv};

/// The environment of these tests.
fn variable(name: &str) -> Option<OsString> {
    let value = match name {
        "BIN" => "/opt",
        "EMPTY" => "",
        "KEY" => "secret",
        "LONG" => return Some("x".repeat(1024 * 1024).into()),
        _ => return None,
    };
    Some(value.into())
}

fn parse(text: &[u8]) -> Result<Definitions, String> {
    config_file::parse(text, &variable)
}

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
        ("{\n \"a\": {\"command\": \"x\",,}\n}", &["line 2 column "]),
        ("{\"a\": {\"command\": \"x\"}} x", &["trailing", "line 1"]),
        ("{\"a\":\n{\"args\": []}}", &["\"command\" of the server \"a\"", "missing", "line 2"]),
        (r#"{"a": {"url": "http://secret"}}"#, &["no server with a \"command\""]),
        (r#"{"a": {"type": "http"}}"#, &["\"command\" of the server \"a\"", "missing"]),
        ("{\n\"a\":", &["line 2 column 4: the text ends too early"]),
        (r#"{"a": "secret"}"#, &["the server \"a\" must be an object", "line 1"]),
        (
            r#"{"a": {"command": 5}}"#,
            &["\"command\" of the server \"a\" must be a string", "line 1"],
        ),
        (r#"{"a": {"command": "x", "args": "secret"}}"#, &["\"args\"", "a list of strings"]),
        (
            r#"{"a": {"command": "x", "args": [1]}}"#,
            &["each element of the member \"args\"", "must be a string"],
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
fn the_forms_of_other_programs_are_taken() {
    let servers = good(
        r#"{"inputs": [{"id": "k"}], "servers": {"a": {"type": "stdio", "command": "x"},
            "far": {"url": "http://x", "env": {"A": "${UNSET}"}, "disabled": true}}}"#,
    );
    assert_eq!((servers.len(), &*servers[0].name), (1, "a"));
    // Here it is a name.
    assert_eq!(good(r#"{"servers": {"command": "x"}}"#)[0].name, "servers");
    assert_eq!(good(r#"{"servers": {"command": {"command": "x"}}}"#)[0].name, "command");
    assert_eq!(good(r#"{"servers": 1, "mcpServers": {"a": {"command": "x"}}}"#)[0].name, "a");
    bad(r#"{"servers": {}, "mcpServers": {"a": {"command": "x"}}}"#, &["both", "remove one"]);
    for comment in ["// {\"secret\": 1,", "/* } \n , */"] {
        for text in [
            format!("{{\n  {comment}\n \"a\": {{\"command\": \"x\"}}}}"),
            format!("{{\"a\": {{\"command\": \"x\"}}, {comment}\n}}"),
            format!("{{\"a\": {{\"command\": {comment}\n \"x\",}}}}"),
            format!("{comment}\n{{\"a\": {{\"args\": [\"a\", ], \"command\": \"x\"}}}}"),
            format!("{{\"a\": {{\"command\": \"x\"}}}} {comment}"),
        ] {
            assert_eq!(good(&text)[0].command, "x", "{text}");
        }
    }
    let text = r#"{"a": {"command": "//x", "args": ["/*", "\"//,]", ",]"]}}"#;
    assert_eq!(good(text)[0].args, ["/*", "\"//,]", ",]"]);
    assert_eq!(good("\u{feff}{\"a\": {\"command\": \"x\"}}").len(), 1);
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(parse(&utf16).is_err_and(|reason| reason.contains("UTF-8")));
}

#[test]
fn the_files_in_the_documents_are_taken() {
    let mut seen = 0;
    for page in ["README.md", "docs/cli.md"] {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let page = std::fs::read_to_string(page).unwrap();
        for block in page.split("```json\n").skip(1) {
            let text = block.split("```").next().unwrap();
            if text.contains("\"command\"") {
                let home = |_: &str| Some("/home/x".into());
                let found = config_file::parse(text.as_bytes(), &home);
                assert!(found.is_ok_and(|found| !found.servers.is_empty()), "{text}");
                seen += 1;
            }
        }
    }
    assert!(seen > 1, "{seen} files");
}

#[test]
fn comments_and_commas_leave_an_error_at_its_line() {
    for (text, words) in [
        ("{ // one\n /* two\n three */ \"a\": {\"command\": 5}}", "line 3"),
        ("{ \"a\": {\"command\": \"x\",,}}", "line 1 column 24"),
        ("{ \"a\":\n {\"args\": [,], \"command\": \"x\"}}", "line 2"),
        ("{\n\"a\": {\"command\": \"x\"} /* no end", "line 2"),
        ("{\n\"a\": {\"command\": \"x} // }", "line 2"),
        ("{\n\"a\": {\"command\": \"x\"} / }", "line 2"),
    ] {
        bad(text, &[words]);
    }
}

#[test]
fn variables_are_replaced_where_a_process_gets_a_text() {
    let told = good(
        r#"{"a": {"command": "${BIN}/x", "cwd": "${env:BIN}", "envFile": "${BIN}/.env",
            "args": ["-k", "${KEY}", "${UNSET:-a b}", "${EMPTY:-b}${EMPTY}", "$${KEY}", "$KEY $"],
            "env": {"A": "x${KEY:-y}z", "${KEY}": "$$${BIN}"}}}"#,
    );
    let a = &told[0];
    assert_eq!((&*a.command, a.cwd.as_deref()), ("/opt/x", Some("/opt")));
    assert_eq!(a.env_file.as_deref(), Some("/opt/.env"));
    assert_eq!(a.args, ["-k", "secret", "a b", "b", "${KEY}", "$KEY $"]);
    assert_eq!(a.env[0], (String::from("A"), String::from("xsecretz")));
    assert_eq!(a.env[1], (String::from("${KEY}"), String::from("$${BIN}")));
    // A server that is not started here needs none.
    assert_eq!(
        good(r#"{"a": {"command": "x"}, "b": {"command": "${UNSET}", "disabled": true}}"#).len(),
        1
    );
}

#[test]
fn a_variable_that_is_not_there_is_told_with_its_member_and_line() {
    for (value, words) in [
        ("${UNSET}", &["UNSET is not set", "${UNSET:-default}"][..]),
        ("${env:UNSET}", &["UNSET is not set"]),
        ("${workspaceFolder}", &["${workspaceFolder}", "of an editor", "write its value"]),
        ("${workspaceFolder:x}", &["a folder of an editor", "write its path"]),
        ("${input:secret}", &["${input:...}", "a prompt of an editor", "${env:NAME}"]),
        ("${command:secret}", &["a command of an editor"]),
        ("${config:secret}", &["a setting of an editor"]),
        ("${}", &["is not ${NAME}", "$${"]),
        ("${ x}", &["is not ${NAME}"]),
        ("${1secret}", &["is not ${NAME}"]),
        ("${input}", &["input is not set"]),
        ("${open", &["has no }", "$${"]),
        ("${LONG}${LONG}${LONG}${LONG}${LONG}", &["longer than 4194304 bytes"]),
    ] {
        for (text, member) in [
            (format!("{{\"a\": {{\n\"command\": \"{value}\"}}}}"), "\"command\""),
            (format!("{{\"a\": {{\n\"args\": [\"{value}\"]}}}}"), "\"args\""),
            (format!("{{\"a\": {{\n\"env\": {{\"K\": \"{value}\"}}}}}}"), "\"K\""),
            (format!("{{\"a\": {{\n\"cwd\": \"{value}\"}}}}"), "\"cwd\""),
            (format!("{{\"a\": {{\n\"envFile\": \"{value}\"}}}}"), "\"envFile\""),
        ] {
            bad(&text, &[words, &[member, "the server \"a\"", "line 2"]].concat());
        }
    }
}

#[test]
fn a_server_has_terms_of_its_own() {
    let told = good(
        r#"{"a": {"command": "x", "sessionKeepAlive": 0, "maxSessions": 3, "requestTimeout": 1.5,
            "tools": {"allow": ["read_*"], "deny": ["read_all"]}, "share": true},
            "b": {"command": "x", "tools": ["*"], "share": false}, "c": {"command": "x"}}"#,
    );
    let shares = [told[0].share, told[1].share, told[2].share];
    assert_eq!(shares, [Some(true), Some(false), None]);
    let a = told[0].limits;
    assert_eq!((a.idle, a.sessions), (Some(Duration::ZERO), Some(3)));
    assert_eq!(a.request, Some(Duration::from_millis(1500)));
    assert_eq!(told[0].tools.allow.as_deref(), Some(&[String::from("read_*")][..]));
    assert_eq!(told[0].tools.deny, ["read_all"]);
    assert_eq!(told[1].tools.allow.as_deref(), Some(&[String::from("*")][..]));
    assert_eq!((told[2].limits, told[2].tools.clone()), Default::default());
    for (member, words) in [
        (r#""sessionKeepAlive": -1"#, &["\"sessionKeepAlive\"", "from 0"][..]),
        (r#""requestTimeout": "1s""#, &["\"requestTimeout\"", "a number of seconds"]),
        (r#""requestTimeout": 1e99"#, &["\"requestTimeout\"", "from 0"]),
        (r#""maxSessions": 0"#, &["\"maxSessions\"", "from 1"]),
        (r#""maxSessions": 1.5"#, &["\"maxSessions\"", "a number from 1"]),
        (r#""share": 1"#, &["\"share\"", "true or false"]),
        (r#""tools": "x""#, &["\"tools\"", "\"allow\" and \"deny\""]),
        (r#""tools": {"allow": "x"}"#, &["\"tools\"", "a list of strings"]),
        (r#""tools": {"only": []}"#, &["\"tools\"", "not \"only\""]),
    ] {
        bad(&format!("{{\"a\": {{\"command\": \"x\", {member}}}}}"), words);
    }
}

#[test]
fn a_file_of_variables_has_one_a_line() {
    let text = "\u{feff}# all\n\nA=1\nexport B = two words # more\r\nC='a # ${X}'\nD=\"a\\n\\\"b\" # c\n\
                E=\nF=a#b\nG=x=y\n";
    let pairs = dotenv::parse(text).unwrap();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    let wanted = [
        ("A", "1"),
        ("B", "two words"),
        ("C", "a # ${X}"),
        ("D", "a\n\"b"),
        ("E", ""),
        ("F", "a#b"),
        ("G", "x=y"),
    ];
    assert_eq!(pairs, wanted);
    for (text, word) in [
        ("A=1\nsecret", "line 2"),
        ("A=1\n=secret", "line 2"),
        ("a b=secret", "bad name"),
        ("A=\"secret", "a quote has no end"),
        ("A='secret", "a quote has no end"),
        ("A=\0secret", "NUL"),
        (&"A=secret\n".repeat(1025), "more than 1024"),
    ] {
        let reason = dotenv::parse(text).unwrap_err();
        assert!(reason.contains(word) && !reason.contains("secret"), "{text}: {reason}");
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_read_as_the_page_says() {
    corpus::replay("config", twin::run);
}
