//! How sessions end, and that nothing of them stays: no process, no session id that works.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Events, PATIENCE, Reply};
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, initialize, notify, report, script};
use crate::support::process::{self, group, until};
use crate::support::proxy::{CHILD, Proxy};

fn open(proxy: &Proxy) -> Reply {
    proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET))
}

/// The session is gone, and another can be opened.
#[track_caller]
fn is_over(session: &Session<'_>) {
    let reply = session.post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).reply();
    assert_eq!(reply.status(), 404, "{reply:?}");
    assert!(reply.json()["error"]["message"].is_string());
    let again = Session::open(session.proxy);
    assert_eq!(again.script("1", json!([{"answer": "again"}])).text(), "again");
    assert!(again.delete().status() < 300);
}

/// A child ends like this while two calls are in flight; whether both are told these words. They
/// may not be, on a machine so busy that the status comes long after the end of the output.
fn dies(proxy: &Proxy, end: &Value, words: &str) -> bool {
    let session = Session::open(proxy);
    // One call is silent, one has begun its stream, and somebody listens.
    let silent = session.post(&script("\"s\"", "", &json!([{"sleep": 60_000}])));
    let mut listener = session.listen();
    let steps = json!([{"stderr": "oh no\n"}, report(1), {"sleep": 50}, end]);
    let begun = session.post(&script("\"b\"", "\"t\"", &steps));
    let mut begun = Events::read(begun);
    assert_eq!(begun.message()["method"], "notifications/progress");
    let start = Instant::now();
    let (silent, told) = (Answer::read(silent).last(), begun.message());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((&silent["id"], &told["id"]), (&json!("s"), &json!("b")));
    assert_eq!((begun.next(), listener.next()), (None, None));
    is_over(&session);
    proxy.childless(PATIENCE);
    let named = |error: &Value| error["error"]["message"].as_str().unwrap().contains(words);
    named(&silent) && named(&told)
}

#[test]
fn a_child_that_dies_in_a_call_fails_it_with_its_exit_status() {
    let proxy = Proxy::mortal(&[]);
    for (end, words) in [
        (json!({"exit": 0}), "exit code 0"),
        (json!({"exit": 42}), "exit code 42"),
        (json!({"exit": 255}), "exit code 255"),
        (json!({"exec": "kill -9 $$"}), "signal 9"),
        (json!({"exec": "kill -15 $$"}), "signal 15"),
    ] {
        let told = (1..=3).find(|_| dies(&proxy, &end, words));
        let times = told.unwrap_or_else(|| panic!("no {words} in three deaths"));
        let gone = proxy.log().lines().filter(|line| line.contains(" exited")).count();
        let logged = proxy.log().matches(&format!(", {words}; stderr: oh no")).count();
        assert_eq!(logged, times, "{gone} are gone");
    }
}

#[test]
fn a_child_that_fails_before_initialize_gives_a_5xx_and_no_session() {
    for (options, words) in [
        (["--start", r#"[{"stderr": "no key\n"}, {"exit": 3}]"#], "exit code 3"),
        (["--start", r#"[{"exec": "kill -6 $$"}]"#], "signal 6"),
        (["--initialize", r#"[{"exit": 4}]"#], "exit code 4"),
        (["--initialize", r#"[{"exec": "exec 1>&-; sleep 60"}]"#], "standard output"),
    ] {
        let proxy = Proxy::child(&options);
        let start = Instant::now();
        let reply = open(&proxy);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!((500..600).contains(&reply.status()), "{reply:?}");
        assert_eq!(reply.head.field("mcp-session-id"), None);
        assert_eq!(reply.json()["id"], "init");
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
        proxy.childless(PATIENCE);
        assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    }
}

#[test]
fn a_child_that_declines_initialize_is_heard_and_leaves() {
    let error =
        r#"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"error\":{\"code\":-32602,\"message\":\"no\"}}\n"#;
    let proxy = Proxy::child(&["--initialize", &format!(r#"[{{"write": "{error}"}}]"#)]);
    let reply = open(&proxy);
    assert_eq!(reply.json()["error"]["message"], "no", "{reply:?}");
    assert_eq!(reply.head.field("mcp-session-id"), None);
    proxy.childless(PATIENCE);
}

#[test]
fn a_command_that_vanished_gives_a_5xx_until_it_is_back() {
    let folder = std::env::temp_dir().join(format!("hyper-mcp-proxy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("child");
    std::fs::copy(CHILD, &path).unwrap();
    let proxy = Proxy::start(&[], &[path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let reply = open(&proxy);
        assert!((500..600).contains(&reply.status()), "{reply:?}");
        assert_eq!(reply.json()["id"], "init");
        assert_eq!(proxy.children().len(), 0);
    }
    std::fs::copy(CHILD, &path).unwrap();
    assert_eq!(open(&proxy).status(), 200);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_command_that_dies_at_each_start_is_not_started_again_and_again() {
    let proxy = Proxy::child(&["--start", r#"[{"exit": 1}]"#]);
    let refused = (0..8).map(|_| open(&proxy)).find(|reply| reply.status() == 503);
    let refused = refused.expect("a refusal within eight starts");
    assert!(refused.head.field("retry-after").is_some());
    let started = || proxy.log().matches(" exited").count();
    until("five starts", PATIENCE, || started() == 5);
    for _ in 0..3 {
        assert_eq!(open(&proxy).status(), 503);
    }
    proxy.childless(PATIENCE);
    assert_eq!(started(), 5);
}

#[test]
fn starts_that_fail_together_are_told_once() {
    let proxy = Proxy::start(&["--prewarm", "4"], &[CHILD, "--start", r#"[{"exit": 1}]"#]);
    proxy.logged(&["fails at every start"]);
    proxy.childless(PATIENCE);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(proxy.log().matches("fails at every start").count(), 1);
}

/// Opens a session whose child has helpers in its group; the child's pid.
fn with_helpers<'a>(proxy: &'a Proxy) -> (Session<'a>, u32) {
    let session = Session::open(proxy);
    let stubborn = "trap '' TERM; sleep 61 & wait";
    session.script("1", json!([{"spawn": "sleep 62"}, {"spawn": stubborn}, {"answer": ""}]));
    let pid = session.pid();
    until("helpers", PATIENCE, || group(pid).len() >= 4);
    (session, pid)
}

#[test]
fn delete_ends_the_whole_tree() {
    let proxy = Proxy::child(&[]);
    let (session, pid) = with_helpers(&proxy);
    let start = Instant::now();
    let reply = session.delete();
    assert!(reply.status() == 200 || reply.status() == 204, "{reply:?}");
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    is_over(&session);
    until("no tree", Duration::from_secs(1), || group(pid).is_empty());
    proxy.childless(PATIENCE);
    assert_eq!(session.delete().status(), 404);
}

#[test]
fn a_child_that_dies_leaves_no_helper_and_none_holds_up_the_end() {
    let proxy = Proxy::mortal(&[]);
    let (session, pid) = with_helpers(&proxy);
    let start = Instant::now();
    // The helpers hold the child's standard output open.
    let answer = session.script("1", json!([{"exit": 5}]));
    assert!(answer.last()["error"]["message"].as_str().unwrap().contains("exit code 5"));
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    is_over(&session);
    until("no tree", Duration::from_secs(1), || group(pid).is_empty());
}

#[test]
fn a_child_that_ignores_the_end_of_its_input_and_sigterm_is_killed() {
    let command = format!("trap '' TERM; exec {CHILD} --eof '[{{\"sleep\": 60000}}]'");
    let proxy = Proxy::start(&[], &["sh", "-c", &command]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    let start = Instant::now();
    assert!(session.delete().status() < 300);
    // The session is over at once, the process is not.
    is_over(&session);
    assert!(process::runs(pid));
    until("the end of the child", Duration::from_secs(6), || !process::runs(pid));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(3500) && took < Duration::from_secs(5), "{took:?}");
    proxy.logged(&["SIGTERM"]);
    proxy.logged(&["SIGKILL"]);
    proxy.childless(PATIENCE);
}

#[test]
fn a_child_that_leaves_by_itself_gets_no_signal() {
    let proxy = Proxy::child(&["--eof", r#"[{"sleep": 500}, {"exit": 6}]"#]);
    let session = Session::open(&proxy);
    assert!(session.delete().status() < 300);
    proxy.childless(PATIENCE);
    proxy.logged(&[" exited", "exit code 6"]);
    assert!(!proxy.log().contains("SIGTERM"));
}

#[test]
fn a_child_that_heeds_sigterm_is_not_killed() {
    let proxy = Proxy::child(&["--eof", r#"[{"sleep": 60000}]"#]);
    let session = Session::open(&proxy);
    assert!(session.delete().status() < 300);
    let took = proxy.childless(PATIENCE);
    assert!(took > Duration::from_millis(1500) && took < Duration::from_secs(3), "{took:?}");
    proxy.logged(&[" exited", "signal 15"]);
    assert!(!proxy.log().contains("SIGKILL"));
}

#[test]
fn a_child_that_closes_standard_output_and_lives_is_ended() {
    let proxy = Proxy::mortal(&[]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    let start = Instant::now();
    let answer = session.script("1", json!([{"exec": "exec 1>&-; exec sleep 60"}]));
    assert!(answer.last()["error"].is_object(), "{answer:?}");
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    is_over(&session);
    until("the end of the child", Duration::from_secs(5), || !process::runs(pid));
}

#[test]
fn a_child_that_closes_standard_input_and_lives_is_ended() {
    let proxy = Proxy::mortal(&[]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    let start = Instant::now();
    // Nothing is written to it any more, and still the call in flight is not silent.
    let answer = session.script("1", json!([{"exec": "exec 0<&-; exec sleep 60"}]));
    let message = answer.last()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("standard input"), "{answer:?}");
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    is_over(&session);
    until("the end of the child", Duration::from_secs(5), || !process::runs(pid));
}

#[test]
fn an_idle_session_ends_and_one_that_is_used_does_not() {
    let flags = ["--session-keep-alive", "1", "--session-restart", "never"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let (idle, calling, listening) =
        (Session::open(&proxy), Session::open(&proxy), Session::open(&proxy));
    let call = calling.post(&script("1", "", &json!([{"sleep": 2500}, {"answer": "a"}])));
    let _stream = listening.listen();
    let gone =
        until("the end of the idle one", Duration::from_secs(4), || proxy.children().len() == 2);
    assert!(gone > Duration::from_millis(700), "{gone:?}");
    is_over(&idle);
    assert_eq!(Answer::read(call).text(), "a");
    assert_eq!(listening.script("1", json!([{"answer": "b"}])).text(), "b");
    proxy.logged(&["ended: idle"]);
}

#[test]
fn a_client_that_leaves_during_initialize_leaves_nothing() {
    let proxy = Proxy::child(&["--initialize", r#"[{"sleep": 60000}]"#]);
    let mut conn = proxy.connect();
    conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
    until("a child", PATIENCE, || proxy.children().len() == 1);
    drop(conn);
    proxy.childless(PATIENCE);
}

#[test]
fn a_client_that_leaves_during_a_call_does_not_cancel_it() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    for _ in 0..20 {
        let conn = session.post(&script("1", "", &json!([{"sleep": 20}, {"answer": "x"}])));
        drop(conn);
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(!session.seen().iter().any(|line| line.contains("cancelled")));
    assert_eq!(session.script("1", json!([{"answer": "y"}])).text(), "y");
}

/// What it left unread holds nobody up, whether its answer was whole or the end of a stream.
#[test]
fn a_client_that_leaves_amid_its_answer_holds_nobody_up() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    // More than the system takes for a client that reads nothing.
    let large = json!({"answer": "x".repeat(12 << 20)});
    for steps in [json!([large]), json!([notify("n", &json!({})), large])] {
        let mut conn = session.post(&script("1", "1", &steps));
        assert_eq!(conn.head().status, 200);
        drop(conn);
        assert_eq!(session.script("2", json!([{"answer": "y"}])).text(), "y");
    }
}

#[test]
fn sessions_do_not_see_each_other() {
    let proxy = Proxy::child(&[]);
    let sessions: Vec<_> = (0..50).map(|_| Session::open(&proxy)).collect();
    let steps = |n: usize| {
        let note = notify(&n.to_string(), &json!({}));
        json!([{"sleep": 20}, note, {"answer": n.to_string()}])
    };
    let calls: Vec<_> = sessions
        .iter()
        .enumerate()
        .map(|(n, session)| session.post(&script("1", "1", &steps(n))))
        .collect();
    for (n, conn) in calls.into_iter().enumerate() {
        let answer = Answer::read(conn);
        assert_eq!(answer.messages.len(), 2, "{answer:?}");
        assert!(answer.messages[0].contains(&format!("notifications/{n}")), "{answer:?}");
        assert_eq!(answer.text(), n.to_string());
    }
}
