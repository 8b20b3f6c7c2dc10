//! The end of the program itself: it drains, it can be hurried, and whatever ends it, no child is
//! left.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::http::PATIENCE;
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, call, initialize, script};
use crate::support::process::{group, runs, until};
use crate::support::proxy::{CHILD, Proxy};

#[test]
fn sigterm_lets_calls_finish_and_starts_nothing_new() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut proxy = Proxy::child(&[]);
        let children = {
            let session = Session::open(&proxy);
            let steps = json!([{"sleep": 2000}, {"answer": "done"}]);
            let slow = session.in_flight(&script("1", "", &steps));
            let children = proxy.children();
            proxy.signal(signal);
            proxy.logged(&["draining"]);
            let refused = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
            assert_eq!(refused.status(), 503, "{refused:?}");
            assert!(refused.head.field("retry-after").is_some(), "{refused:?}");
            assert_eq!(Answer::read(slow).text(), "done");
            children
        };
        let status = proxy.ended(Duration::from_secs(3));
        assert_eq!(status.code(), Some(0));
        assert!(children.iter().all(|pid| !runs(*pid)));
    }
}

#[test]
fn a_call_that_outlasts_the_drain_is_answered_with_an_error() {
    let mut proxy = Proxy::start(&["--drain-timeout", "1"], &[CHILD]);
    let pid = {
        let session = Session::open(&proxy);
        let pid = session.pid();
        let call = session.in_flight(&script("1", "", &json!([{"sleep": 60_000}])));
        let start = Instant::now();
        proxy.signal(Signal::TERM);
        let answer = Answer::read(call);
        assert_eq!(answer.last()["id"], 1);
        assert!(answer.last()["error"]["message"].is_string());
        let took = start.elapsed();
        assert!(took > Duration::from_millis(800) && took < Duration::from_secs(2), "{took:?}");
        pid
    };
    assert_eq!(proxy.ended(Duration::from_secs(5)).code(), Some(0));
    assert!(!runs(pid));
}

#[test]
fn a_session_that_starts_is_refused_and_its_child_ended() {
    let command = [CHILD, "--initialize", r#"[{"sleep": 60000}]"#];
    let mut proxy = Proxy::start(&["--drain-timeout", "1"], &command);
    let mut conn = proxy.connect();
    conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
    until("a child", PATIENCE, || proxy.children().len() == 1);
    let pid = proxy.children()[0];
    proxy.signal(Signal::TERM);
    let refused = conn.reply();
    assert_eq!(refused.json()["id"], "init", "{refused:?}");
    assert!((500..600).contains(&refused.status()), "{refused:?}");
    assert_eq!(proxy.ended(Duration::from_secs(5)).code(), Some(0));
    assert!(!runs(pid));
}

#[test]
fn an_idle_program_ends_at_once_with_its_trees() {
    let mut proxy = Proxy::child(&[]);
    let pid = {
        let session = Session::open(&proxy);
        session.script("1", json!([{"spawn": "sleep 61"}, {"answer": ""}]));
        let _listening = session.listen();
        session.pid()
    };
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(2)).code(), Some(0));
    // They are killed before it leaves; the system may need a moment to bury them.
    until("no tree", Duration::from_millis(500), || group(pid).is_empty());
}

#[test]
fn a_second_signal_ends_it_at_once_and_leaves_nothing() {
    let command = format!("trap '' TERM; exec {CHILD} --eof '[{{\"sleep\": 60000}}]'");
    let mut proxy = Proxy::start(&[], &["sh", "-c", &command]);
    let pid = {
        let session = Session::open(&proxy);
        // The system ends the child with its parent, but not the child's helper.
        session.script("1", json!([{"spawn": "trap '' TERM; sleep 63 & wait"}, {"answer": ""}]));
        let _call = session.in_flight(&script("2", "", &json!([{"sleep": 60_000}])));
        session.pid()
    };
    until("the helper", PATIENCE, || group(pid).len() >= 3);
    proxy.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert!(runs(pid));
    proxy.signal(Signal::INT);
    assert_eq!(proxy.ended(Duration::from_secs(1)).code(), Some(128 + 2));
    until("the end of its group", Duration::from_secs(1), || group(pid).is_empty());
}

#[test]
fn sigkill_leaves_no_child_not_even_one_that_does_not_read() {
    let proxy = Proxy::child(&[]);
    let pids: Vec<_> = (0..3)
        .map(|_| {
            let session = Session::open(&proxy);
            session.pid()
        })
        .collect();
    // The last one is deaf.
    let session = Session::open(&proxy);
    let deaf = session.pid();
    let steps = json!({"inline": true, "steps": [{"sleep": 60_000}]});
    let _call = session.post(&call("1", "", "script", &steps));
    std::thread::sleep(Duration::from_millis(100));
    proxy.signal(Signal::KILL);
    for pid in pids {
        until("the end of a child that reads", Duration::from_secs(1), || !runs(pid));
    }
    if cfg!(target_os = "linux") {
        until("the end of a child that does not", PATIENCE, || !runs(deaf));
    }
}
