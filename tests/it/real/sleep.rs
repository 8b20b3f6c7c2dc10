//! Sessions outlive their processes: after a crash, while nobody calls, and when others need the
//! room, the next call of a session works.

use std::time::Duration;

use serde_json::json;

use crate::support::http::PATIENCE;
use crate::support::mcp::{Answer, Session, script};
use crate::support::process::{self, until};
use crate::support::proxy::{CHILD, Proxy};
use rustix::process::Signal;

/// A tool's answer, from another process than this one.
#[track_caller]
fn works_anew(session: &Session<'_>, before: u32) -> u32 {
    assert_eq!(session.script("1", json!([{"answer": "again"}])).text(), "again");
    let pid = session.pid();
    assert_ne!(pid, before);
    let seen = session.seen();
    assert!(seen[0].contains("\"initialize\""), "{seen:?}");
    assert!(seen[1].contains("notifications/initialized"), "{seen:?}");
    pid
}

#[test]
fn a_server_that_is_killed_between_calls_is_there_for_the_next() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut pid = session.pid();
    for _ in 0..3 {
        process::signal(pid, Signal::KILL);
        proxy.childless(PATIENCE);
        pid = works_anew(&session, pid);
    }
    proxy.logged(&["session #1 sleeps: server ended with signal 9"]);
    proxy.logged(&["session #1 woke: child #4"]);
    assert!(session.delete().status() < 300);
    proxy.childless(PATIENCE);
    assert_eq!(session.delete().status(), 404);
}

#[test]
fn a_server_that_dies_in_a_call_fails_it_and_not_the_next() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    let answer = session.script("\"c\"", json!([{"exit": 3}]));
    let error = &answer.last()["error"]["message"];
    assert!(error.as_str().unwrap().contains("exit code 3; the next call restarts it"), "{error}");
    assert_eq!(answer.last()["id"], "c");
    works_anew(&session, pid);
}

#[test]
fn an_idle_session_costs_no_process_until_its_next_call() {
    let proxy = Proxy::start(&["--session-keep-alive", "1"], &[CHILD]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    proxy.childless(PATIENCE);
    proxy.logged(&["session #1 sleeps: idle"]);
    let servers = &proxy.exchange("GET /healthz", &[], "").json()["servers"];
    let asleep = json!([
        {"name": "/mcp", "path": "/mcp", "state": "ok", "sessions": 0, "asleep": 1}
    ]);
    assert_eq!(servers, &asleep);
    works_anew(&session, pid);
}

#[test]
fn with_sleep_a_client_that_listens_costs_no_process() {
    let proxy = Proxy::start(&["--sleep", "1"], &[CHILD]);
    let session = Session::open(&proxy);
    let mut stream = session.listen();
    let pid = session.pid();
    let call = session.post(&script("2", "", &json!([{"sleep": 1500}, {"answer": "a"}])));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(process::runs(pid), "a call is in flight");
    assert_eq!(Answer::read(call).text(), "a");
    proxy.childless(PATIENCE);
    works_anew(&session, pid);
    // The stream of before the sleep is the session's still.
    let note = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let steps = json!([{"write": format!("{note}\n")}, {"answer": "b"}]);
    assert_eq!(session.script("3", steps).text(), "b");
    assert_eq!(stream.message()["method"], "notifications/tools/list_changed");
}

#[test]
fn with_never_a_session_ends_with_its_process() {
    let proxy = Proxy::mortal(&[]);
    let session = Session::open(&proxy);
    process::signal(session.pid(), Signal::KILL);
    until("the end of the session", PATIENCE, || {
        let late = session.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).reply();
        late.status() == 404
    });
}

#[test]
#[ignore = "a session makes room after 30 s"]
fn the_session_that_is_unused_for_longest_makes_room_for_a_new_client() {
    let proxy = Proxy::start(&["--max-sessions", "1"], &[CHILD]);
    let first = Session::open(&proxy);
    let pid = first.pid();
    std::thread::sleep(Duration::from_secs(31));
    let second = Session::open(&proxy);
    assert_eq!(second.script("1", json!([{"answer": "b"}])).text(), "b");
    proxy.logged(&["session #1 sleeps: it made room"]);
    std::thread::sleep(Duration::from_secs(31));
    works_anew(&first, pid);
}
