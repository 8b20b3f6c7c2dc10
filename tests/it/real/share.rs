//! Sessions share a process (`--share`): each has its own answers, progress and subscriptions, and
//! none notices the end of another, or more of the process's end than a call that takes longer.

use serde_json::{Value, json};

use super::several::Config;
use crate::support::http::{Events, PATIENCE};
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, initialize, notify, report, script};
use crate::support::process::{self, until};
use crate::support::proxy::{CHILD, Proxy};
use rustix::process::Signal;

/// Sessions at once.
const MANY: usize = 20;

fn open(proxy: &Proxy) -> Vec<Session<'_>> {
    (0..MANY).map(|_| Session::open(proxy)).collect()
}

/// The one process that all of them have.
#[track_caller]
fn only_process(proxy: &Proxy, sessions: &[Session<'_>]) -> u32 {
    let pid = sessions[0].pid();
    assert!(sessions.iter().all(|session| session.pid() == pid));
    assert_eq!(proxy.children(), [pid]);
    pid
}

/// A question of the child, which waits for its answer.
fn question(id: &str) -> Value {
    let roots = json!({"jsonrpc": "2.0", "id": id, "method": "roots/list"});
    json!({"ask": roots.to_string()})
}

#[test]
fn many_sessions_have_one_process_and_each_its_own_answers_and_progress() {
    let proxy = Proxy::start(&["--share"], &[CHILD]);
    let sessions = open(&proxy);
    only_process(&proxy, &sessions);
    proxy.logged(&["with --share, sessions of like clients share a process"]);
    proxy.logged(&["session #3 shares child #1 with 1 other"]);
    // All with the same id and the same token, at once.
    let calls = sessions.iter().enumerate().map(|(n, session)| {
        let steps = json!([report(n as u8), {"sleep": 200}, {"answer": n.to_string()}]);
        session.post(&script("1", "\"t\"", &steps))
    });
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = Answer::read(call);
        assert_eq!((answer.messages.len(), answer.text()), (2, n.to_string()));
        let progress: Value = serde_json::from_str(&answer.messages[0]).unwrap();
        assert_eq!(progress["params"], json!({"progressToken": "t", "progress": n}));
    }
    // One handshake for all.
    let seen = sessions[0].seen();
    let count = |method: &str| seen.iter().filter(|line| line.contains(method)).count();
    assert_eq!((count("\"initialize\""), count("notifications/initialized")), (1, 1));
}

#[test]
fn each_session_gets_the_updates_that_it_subscribed_to_and_all_get_changes_of_lists() {
    let proxy = Proxy::start(&["--share"], &[CHILD]);
    let sessions = open(&proxy);
    let mut streams: Vec<Events> = sessions.iter().map(Session::listen).collect();
    for (n, session) in sessions.iter().enumerate() {
        let params = json!({"uri": format!("test:{}", n / 2)});
        let subscribe = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe",
            "params": params});
        assert!(session.ask(&subscribe.to_string()).last()["result"].is_object());
    }
    let seen = sessions[0].seen();
    let asked = seen.iter().filter(|line| line.contains("resources/subscribe")).count();
    assert_eq!(asked, MANY / 2, "each resource once");
    let updates =
        (0..MANY / 2).map(|n| notify("resources/updated", &json!({"uri": format!("test:{n}")})));
    let mut steps: Vec<Value> = updates.collect();
    steps.extend([notify("tools/list_changed", &json!({})), json!({"answer": "said"})]);
    assert_eq!(sessions[7].script("2", Value::Array(steps)).text(), "said");
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(stream.message()["params"]["uri"], format!("test:{}", n / 2));
        assert_eq!(stream.message()["method"], "notifications/tools/list_changed");
    }
}

#[test]
fn the_end_of_one_session_is_no_other_ones() {
    let proxy = Proxy::start(&["--share"], &[CHILD]);
    let sessions = open(&proxy);
    let pid = only_process(&proxy, &sessions);
    let ended = sessions[0].in_flight(&script("1", "", &json!([{"sleep": 60_000}])));
    let other = sessions[1].post(&script("1", "", &json!([{"sleep": 500}, {"answer": "other"}])));
    assert!(sessions[0].delete().status() < 300);
    let message = Answer::read(ended).last()["error"]["message"].to_string();
    assert!(message.contains("deleted by the client"), "{message}");
    until("the cancellation at the child", PATIENCE, || {
        sessions[1].seen().iter().any(|line| line.contains("notifications/cancelled"))
    });
    assert_eq!(Answer::read(other).text(), "other");
    assert_eq!(sessions[0].delete().status(), 404);
    only_process(&proxy, &sessions[1..]);
    for session in &sessions[1..] {
        assert!(process::runs(pid));
        assert!(session.delete().status() < 300);
    }
    proxy.childless(PATIENCE);
}

#[test]
fn all_sessions_of_a_process_that_is_killed_go_on_with_another_one() {
    let proxy = Proxy::start(&["--share"], &[CHILD]);
    let sessions = open(&proxy);
    let before = only_process(&proxy, &sessions);
    let lost = sessions[3].in_flight(&script("1", "", &json!([{"sleep": 60_000}])));
    process::signal(before, Signal::KILL);
    let message = Answer::read(lost).last()["error"]["message"].to_string();
    assert!(message.contains("the next call restarts it"), "{message}");
    proxy.childless(PATIENCE);
    // All at once.
    let calls = sessions
        .iter()
        .enumerate()
        .map(|(n, session)| session.post(&script("2", "", &json!([{"answer": n.to_string()}]))));
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(Answer::read(call).text(), n.to_string());
    }
    assert_ne!(only_process(&proxy, &sessions), before);
}

#[test]
fn a_question_goes_to_the_client_whose_call_it_is_of_or_to_none() {
    let proxy = Proxy::start(&["--share"], &[CHILD]);
    let (one, other) = (Session::open(&proxy), Session::open(&proxy));
    let steps = json!([question("q1"), {"answer": "$ANSWER"}]);
    let mut asked = Events::read(other.post(&script("1", "", &steps)));
    assert_eq!(asked.message()["id"], "q1");
    // Another client can't answer it.
    let answer = |roots: &str| {
        json!({"jsonrpc": "2.0", "id": "q1", "result": {"roots": [{"uri": roots}]}}).to_string()
    };
    one.tell(&answer("file:///wrong"));
    other.tell(&answer("file:///right"));
    let told = asked.message().to_string();
    assert!(told.contains("file:///right") && !told.contains("wrong"), "{told}");
    // With calls of both in flight nobody is asked.
    let busy = one.in_flight(&script("2", "", &json!([{"sleep": 60_000}])));
    let told = other.script("3", json!([question("q2"), {"answer": "$ANSWER"}])).text();
    assert!(told.contains("several clients use this process"), "{told}");
    assert!(one.delete().status() < 300);
    assert!(Answer::read(busy).last()["error"].is_object());
}

#[test]
fn a_server_of_the_file_shares_or_not_and_a_reload_changes_that_for_new_sessions() {
    let server = |share: Value| json!({"command": CHILD, "share": share});
    let file = |a: bool| json!({"a": server(json!(a)), "b": server(json!(false))});
    let config = Config::new("share", &file(true));
    let proxy = config.start(&["--share"]);
    let open = |path: &str| {
        let reply = proxy.exchange(path, &[BOTH, JSON], &initialize(QUIET));
        assert_eq!(reply.status(), 200, "{reply:?}");
    };
    for path in ["POST /a/mcp", "POST /b/mcp", "POST /a/mcp", "POST /b/mcp"] {
        open(path);
    }
    assert_eq!(proxy.children().len(), 3, "one of the first, two of the other");
    config.write(&file(false).to_string());
    proxy.signal(Signal::HUP);
    proxy.logged(&["SIGHUP"]);
    open("POST /a/mcp");
    assert_eq!(proxy.children().len(), 4, "what is open stays as it is");
}

#[test]
fn header_values_divide_the_processes() {
    let proxy = Proxy::start(&["--share", "--header-env", "X-User=USER_NAME"], &[CHILD]);
    let open = |user: &'static str| {
        let fields = [BOTH, JSON, ("X-User", user)];
        let reply = proxy.exchange("POST /mcp", &fields, &initialize(QUIET));
        assert_eq!(reply.status(), 200, "{reply:?}");
    };
    for user in ["ann", "bob", "ann", "bob"] {
        open(user);
    }
    assert_eq!(proxy.children().len(), 2);
}
