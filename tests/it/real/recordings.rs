//! Recordings: what the program was told and did, played to the engine by its own tests' player.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use super::oldest::Client;
use super::several::Config;
use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, PRIMED, QUIET, Session, call, initialize, report};
use crate::support::proxy::{CHILD, Proxy, program};
use crate::support::transcripts::play;

/// Part of all contents.
const SECRET: &str = "hunter2-correct-horse";

/// A session of another node, whose client asks here.
const FOREIGN: &str = "0123456789abcdef0123456789abcdef";

/// A file that is not there yet.
fn place(name: &str) -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
    let _ = fs::remove_file(&place);
    place
}

fn recorded(place: &PathBuf, flags: &[&str]) -> Proxy {
    let mut program = program(&["--port", "0", "--record"]);
    program.arg(place).args(flags).arg("--").arg(CHILD);
    Proxy::run(program)
}

/// Ends it, and reads what it has recorded.
fn recording(mut proxy: Proxy, place: &PathBuf) -> String {
    proxy.signal(Signal::TERM);
    assert!(proxy.ended(PATIENCE).success());
    assert_eq!(place.metadata().unwrap().mode() & 0o777, 0o600, "for this user alone");
    fs::read_to_string(place).unwrap()
}

/// Sessions of two revisions with quick and slow calls, a stream that is resumed, requests that are
/// refused, a server that ends by itself, a client that leaves, and one of the oldest. Returns the
/// id of the latter's session.
fn story(proxy: &Proxy) -> String {
    let session = Session::open_at(proxy, PRIMED);
    assert_eq!(session.script("1", json!([{"answer": SECRET}])).text(), SECRET);
    let slow = json!([report(1), {"sleep": 120}, report(2), {"answer": SECRET}]);
    let answer = session.call("\"hunter2\"", "script", json!({"steps": slow, "secret": SECRET}));
    assert_eq!(answer.text(), SECRET);
    let mut events = session.listen();
    session.script("2", json!([{"write": "noise \u{1b}[2J\r\n"}, {"answer": "@meta %41 é"}]));
    let left = session.post(&call("3", "", "script", &json!({"steps": [{"sleep": 60}]})));
    drop(left);
    let other = [BOTH, JSON, ("Origin", "http://evil.test")];
    assert_eq!(proxy.exchange("POST /mcp", &other, "").status(), 403);
    assert_eq!(proxy.exchange("POST /nowhere", &[BOTH, JSON], "{}").status(), 404);
    let ping = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;
    for id in [FOREIGN, &format!("b-{FOREIGN}"), &format!("\"{FOREIGN}\"")] {
        let fields = [BOTH, JSON, ("Mcp-Session-Id", id)];
        assert_eq!(proxy.exchange("POST /mcp", &fields, ping).status(), 404);
    }
    let line = format!("POST /sse?sessionId=b-{FOREIGN}");
    assert_eq!(proxy.exchange(&line, &[BOTH, JSON], ping).status(), 404);
    assert_eq!(proxy.exchange("POST /mcp", &[BOTH, JSON], "{\"hunter2").status(), 400);
    let quiet = Session::open_at(proxy, QUIET);
    quiet.script("4", json!([{"stderr": "oh no\n"}, {"exit": 9}]));
    assert!(session.delete().status() < 300);
    while events.try_next().is_ok_and(|event| event.is_some()) {}
    let mut oldest = Client::open(proxy, "/sse");
    assert!(oldest.pid() > 0);
    let id = oldest.address.split_once('=').unwrap().1.to_owned();
    drop(oldest);
    proxy.logged(&["ended: client left"]);
    proxy.childless(PATIENCE);
    id
}

/// The recording with one thing in it that did not happen.
fn with_a_difference(recording: &str, was: &str, is: &str) -> String {
    let at = recording.find(was).unwrap_or_else(|| panic!("no {was:?} in\n{recording}"));
    format!("{}{is}{}", &recording[..at], &recording[at + was.len()..])
}

/// Plays the recording with another status, with another event, and with another end of the child:
/// each has to fail.
fn differences_are_seen(recording: &str, event: (&str, &str)) {
    let status = ("< respond 1000000001 403", "< respond 1000000001 404");
    for (was, is) in [status, event, ("< close #1", "< kill #1")] {
        let planted = with_a_difference(recording, was, is);
        assert!(play(&planted).is_err(), "{was} is {is}, and nobody sees it");
    }
}

#[test]
fn a_recording_with_contents_is_a_test() {
    let place = place("recorded-contents");
    let proxy = recorded(&place, &["--record-contents", "--header-env", "Authorization=TOKEN"]);
    let oldest = story(&proxy);
    let token = ("Authorization", "Bearer topsecret");
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, token], &initialize(QUIET));
    let id = reply.head.field("mcp-session-id").unwrap();
    let recording = recording(proxy, &place);
    play(&recording).unwrap_or_else(|wrong| panic!("{wrong}\n{recording}"));
    assert!(recording.contains(SECRET), "{recording}");
    for secret in [id, &*oldest, FOREIGN, "topsecret"] {
        assert!(!recording.contains(secret), "{secret} in\n{recording}");
    }
    differences_are_seen(&recording, ("<   | event: message", "<   | event: massage"));
}

#[test]
fn a_recording_without_contents_is_a_test_and_has_none() {
    let place = place("recorded-shapes");
    let proxy = recorded(&place, &[]);
    let oldest = story(&proxy);
    let recording = recording(proxy, &place);
    play(&recording).unwrap_or_else(|wrong| panic!("{wrong}\n{recording}"));
    for content in ["hunter2-", "correct", "horse", "oh no", "noise", &oldest, FOREIGN] {
        assert!(!recording.contains(content), "{content} in\n{recording}");
    }
    let data = ("<   | data: {\"jsonrpc\":\"2.0\",", "<   | data: {\"jsonrpc\":\"2.1\",");
    differences_are_seen(&recording, data);
}

/// A call in the way of 2026-07-28.
fn modern(proxy: &Proxy, user: &str) -> u16 {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"_meta": meta, "name": "script",
        "arguments": {"steps": [{"answer": SECRET}]}});
    let body = json!({"jsonrpc": "2.0", "id": "m", "method": "tools/call", "params": params});
    let fields = [
        BOTH,
        JSON,
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "script"),
        ("X-User", user),
    ];
    proxy.exchange("POST /one/mcp", &fields, &body.to_string()).status()
}

#[test]
fn several_servers_with_terms_and_clients_of_both_eras_are_recorded() {
    let place = place("recorded-several");
    let config = Config::new(
        "recorded",
        &json!({"mcpServers": {
        "one": {"command": CHILD, "eras": "both"},
        "two": {"command": CHILD, "maxSessions": 1, "tools": {"deny": ["secret*"]}}}}),
    );
    let proxy = config.start(&[
        "--record",
        place.to_str().unwrap(),
        "--node=n-1",
        "--affinity=X-User",
        "--header-env=X-User=WHO",
        "--drain-timeout=2.5",
        "--sleep=0.2",
    ]);
    assert_eq!((modern(&proxy, "ada.lovelace"), modern(&proxy, "grace.hopper")), (200, 200));
    let fields = [BOTH, JSON, ("X-User", "ada.lovelace")];
    let reply = proxy.exchange("POST /two/mcp", &fields, &initialize(QUIET));
    let id = reply.head.field("mcp-session-id").unwrap();
    assert_eq!(proxy.exchange("POST /two/mcp", &fields, &initialize(QUIET)).status(), 503);
    // The session falls asleep, and the call wakes it.
    proxy.logged(&[" sleeps"]);
    let call = call("7", "", "script", &json!({"steps": [{"answer": SECRET}]}));
    let fields = [BOTH, JSON, ("X-User", "ada.lovelace"), ("Mcp-Session-Id", id)];
    assert_eq!(proxy.exchange("POST /two/mcp", &fields, &call).status(), 200);
    let recording = recording(proxy, &place);
    play(&recording).unwrap_or_else(|wrong| panic!("{wrong}\n{recording}"));
    for secret in [id, "lovelace", "hopper", SECRET] {
        assert!(!recording.contains(secret), "{secret} in\n{recording}");
    }
    assert!(
        recording.contains(";sessions=1;sleep=0.200000000;sse=/two/sse;deny=secret*"),
        "{recording}"
    );
}

#[test]
fn a_recording_that_reaches_its_limit_has_whole_steps() {
    let place = place("recorded-limit");
    let proxy = recorded(&place, &["--record-limit", "2K"]);
    story(&proxy);
    proxy.logged(&["WARN", "the recording ends", "--record-limit"]);
    let recording = recording(proxy, &place);
    assert!(recording.len() > 500 && recording.len() <= 2048, "{}", recording.len());
    play(&recording).unwrap_or_else(|wrong| panic!("{wrong}\n{recording}"));
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let place = place("recorded-before");
    fs::write(&place, "mine").unwrap();
    let mut program = program(&["--port", "0", "--demo", "--record"]);
    let output = program.arg(&place).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), &*fs::read_to_string(&place).unwrap()), (Some(1), "mine"));
    assert!(told.contains("--record: can't create") && told.contains("exists"), "{told}");
}
