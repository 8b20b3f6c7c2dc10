//! The log: what an operator needs, a record a line, and nothing that is not his to read.

use serde_json::{Value, json};

use super::several::Config;
use crate::support::http::PATIENCE;
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, call, initialize, report, script};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy, program};

#[test]
fn the_course_of_a_session_is_told() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let pid = session.pid().to_string();
    proxy.logged(&["opened", &pid, QUIET]);
    session.script("1", json!([{"stderr": "a warning\n"}, {"answer": "x"}]));
    proxy.logged(&["child", "a warning", &pid]);
    session.script("1", json!([{"stderr": "oh no\n"}, {"exit": 9}]));
    proxy.logged(&["ended", "exit code 9", &pid]);
    proxy.logged(&["WARN", "exited by itself", "exit code 9", "stderr: ", "oh no"]);
}

#[test]
fn nothing_secret_is_told() {
    let mut program = program(&["--port", "0"]);
    program.env("RUST_LOG", "trace").arg("--").arg(CHILD);
    let proxy = Proxy::run(program);
    let secret = ("Authorization", "Bearer topsecret");
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, secret], &initialize(QUIET));
    let id = reply.head.field("mcp-session-id").unwrap();
    let fields = [BOTH, JSON, secret, ("Mcp-Session-Id", id)];
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":["bodysecret"]}"#;
    assert_eq!(proxy.exchange("POST /mcp", &fields, body).status(), 200);
    let unknown = [BOTH, JSON, ("Mcp-Session-Id", "ffffffffffffffffffffffffffffffff")];
    assert_eq!(proxy.exchange("POST /mcp", &unknown, body).status(), 404);
    assert!(proxy.exchange("DELETE /mcp", &fields, "").status() < 300);
    proxy.childless(PATIENCE);
    proxy.logged(&["ended"]);
    let log = proxy.log();
    for secret in [id, "topsecret", "bodysecret", "ffffffffffffffffffffffff"] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}

#[test]
fn one_record_is_one_line() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let steps = json!([
        {"stderr": "one\rtwo\u{1b}[31mthree\u{8}\u{7f}\u{9b}\u{2028}four\n"},
        {"write": "noise\u{1b}[2Jmore\r\n"}, {"answer": "x"}]);
    session.script("1", steps);
    proxy.logged(&["one", "two", "three", "four"]);
    let log = proxy.log();
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!log.contains(control), "{log:?}");
    assert!(!log.contains('\u{2028}'), "{log:?}");
}

#[test]
fn a_filter_silences_the_child() {
    let mut program = program(&["--port", "0"]);
    program.env("RUST_LOG", "info,child=off").arg("--").arg(CHILD);
    let proxy = Proxy::run(program);
    let session = Session::open(&proxy);
    session.script("1", json!([{"stderr": "chatter\n"}, {"sleep": 100}, {"answer": "x"}]));
    assert!(session.delete().status() < 300);
    proxy.logged(&["ended"]);
    assert!(!proxy.log().contains("chatter"), "{}", proxy.log());
}

#[test]
fn json_records_are_json() {
    let proxy = Proxy::start(&["--log-format", "json"], &[CHILD]);
    let session = Session::open(&proxy);
    session.script("1", json!([{"stderr": "say \"x\" \\ \u{1b}\n"}, {"answer": "x"}]));
    proxy.logged(&["say"]);
    assert!(session.delete().status() < 300);
    proxy.logged(&["ended"]);
    for line in proxy.log().lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(record.is_object(), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn the_journal_is_told_priorities() {
    use std::os::unix::fs::MetadataExt;
    let journal = std::env::temp_dir().join(format!("journal-{}", std::process::id()));
    let file = std::fs::File::create(&journal).unwrap();
    let (device, inode) = (file.metadata().unwrap().dev(), file.metadata().unwrap().ino());
    let run = |stream: String, flags: &[&str]| {
        file.set_len(0).unwrap();
        let out = std::fs::File::options().append(true).open(&journal).unwrap();
        program(flags).env("JOURNAL_STREAM", stream).stderr(out).spawn().unwrap()
    };
    let log = || std::fs::read_to_string(&journal).unwrap();
    let stream = format!("{device}:{inode}");
    let other = format!("{device}:{}", inode + 1);
    for (stream, start) in [(&stream, "<3>hyper-mcp-proxy: "), (&other, "hyper-mcp-proxy: ")] {
        assert_eq!(run(stream.clone(), &["--no-such-flag"]).wait().unwrap().code(), Some(2));
        assert!(log().starts_with(start), "{}", log());
    }
    let mut proxy = run(stream, &["--port", "0", "--", CHILD]);
    until("it listens", PATIENCE, || log().contains("listening"));
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    assert!(log().starts_with("<6>INFO  proxy: listening"), "{}", log());
    std::fs::remove_file(journal).unwrap();
}

/// The members of the record that has all of these.
fn fields(proxy: &Proxy, parts: &[&str]) -> Value {
    serde_json::from_str(&proxy.logged(parts)).unwrap()
}

#[test]
fn json_has_the_facts_as_members() {
    let proxy = Proxy::start(&["--log-format", "json"], &[CHILD]);
    let session = Session::open(&proxy);
    let opened = fields(&proxy, &["session", "opened"]);
    assert_eq!(opened["pid"], session.pid());
    assert_eq!(opened["protocol"], QUIET);
    assert!(opened["start_seconds"].as_f64().unwrap() > 0.0, "{opened}");
    session.script("1", json!([{"stderr": "\"oh\" no\n"}, {"exit": 9}]));
    let exited = fields(&proxy, &["exited by itself"]);
    assert_eq!((&exited["asked"], &exited["stderr"]), (&json!(false), &json!("\"oh\" no")));
    assert!(session.delete().status() < 300);
    let ended = fields(&proxy, &["session", "ended", "lived"]);
    assert_eq!(
        (&ended["cause"], &ended["opened"]),
        (&json!("deleted by the client"), &json!(true))
    );
    assert!(ended["lived_seconds"].as_f64().unwrap() > 0.0 && ended["session"] == 1, "{ended}");
}

#[test]
fn a_request_is_a_line_of_the_access_log() {
    let flags = ["--access-log", "--access-user", "X-User"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let session = Session::open(&proxy);
    proxy.logged(&["access: POST /mcp 200 method=initialize session=", " in=", " out=", " ms="]);
    proxy.logged(&["access: POST /mcp 202 method=notifications/initialized session="]);
    session.script("1", json!([{"answer": "a secret"}]));
    let line = proxy.logged(&["access: POST /mcp 200 method=tools/call name=script session="]);
    assert!(!line.contains("secret") && !line.contains(&session.id), "{line}");
    let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32007,"message":"no"}}"#;
    let body = script("2", "5", &json!([report(1), {"write": format!("{error}\n")}]));
    let user = [BOTH, JSON, ("Mcp-Session-Id", &*session.id), ("X-User", "ada = \"me\"")];
    let mut conn = proxy.connect();
    conn.request("POST /mcp", &user, body.as_bytes());
    Answer::read(conn);
    proxy.logged(&["name=script", r#" user="ada = \"me\"" "#, " code=-32007 "]);
    let foreign = [BOTH, JSON, ("Origin", "http://evil.test")];
    assert_eq!(proxy.exchange("POST /mcp", &foreign, "{}").status(), 403);
    proxy.logged(&["access: POST /mcp 403 in="]);
    let left = session.post(&call("3", "", "script", &json!({"steps": [{"sleep": 60_000}]})));
    drop(left);
    proxy.logged(&["name=script", " cut"]);
    assert!(session.delete().status() < 300);
    proxy.logged(&["access: DELETE /mcp 200 session="]);
}

#[test]
fn the_access_log_is_off_unless_it_is_asked_for() {
    let quiet = Proxy::child(&[]);
    let session = Session::open(&quiet);
    session.script("1", json!([{"answer": "x"}]));
    assert!(session.delete().status() < 300);
    quiet.logged(&["ended"]);
    assert!(!quiet.log().contains("access"), "{}", quiet.log());
    let mut asked = program(&["--port", "0", "--log-format=json"]);
    asked.env("RUST_LOG", "warn,proxy=info,access=info").arg("--").arg(CHILD);
    let proxy = Proxy::run(asked);
    Session::open(&proxy).script("1", json!([{"answer": "x"}]));
    let record = fields(&proxy, &["\"access\"", "tools/call"]);
    for (name, value) in [
        ("http", json!("POST")),
        ("path", json!("/mcp")),
        ("status", json!(200)),
        ("method", json!("tools/call")),
        ("name", json!("script")),
        ("session", json!(1)),
    ] {
        assert_eq!(record[name], value, "{record}");
    }
    assert!(record["ms"].is_number() && record["in"].as_u64() > Some(100), "{record}");
}

#[test]
fn json_names_the_server_of_a_session_from_its_start_to_its_end() {
    let config = Config::new(
        "named",
        &json!({"mcpServers": {
        "one": {"command": CHILD}, "two": {"command": CHILD}}}),
    );
    let proxy = config.start(&["--log-format=json", "--access-log"]);
    let reply = proxy.exchange("POST /two/mcp", &[BOTH, JSON], &initialize(QUIET));
    let id = ("Mcp-Session-Id", reply.head.field("mcp-session-id").unwrap());
    assert!(proxy.exchange("DELETE /two/mcp", &[id], "").status() < 300);
    for parts in [["opened", "protocol"], ["ended", "cause"], ["exited", "asked"]] {
        assert_eq!(fields(&proxy, &parts)["server"], "two", "{parts:?}");
    }
    assert_eq!(fields(&proxy, &["access", "DELETE"])["server"], "two");
}
