//! Whatever a server starts, and however that hides, it is gone when its session is, whichever way
//! that ends; what another server or somebody else has started stays.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::http::PATIENCE;
use crate::support::mcp::{Session, script};
use crate::support::process::{self, runs, until};
use crate::support::proxy::{CHILD, Proxy, program};

/// How long what is left may take to be gone: it is asked first, and killed a second later.
const END: Duration = Duration::from_secs(8);

/// How something is started that hides, where `N` stands for the word by which it is found.
const WAYS: [(&str, &str); 7] = [
    ("in a group of its own", "set -m; sleep N & wait"),
    ("in a session of its own", "setsid sleep N & wait"),
    ("as a daemon", "setsid -f sleep N"),
    ("as a daemon of a daemon", "setsid -f sh -c 'setsid -f sleep N'"),
    ("without an environment", "exec env -i $(command -v setsid) -f $(command -v sleep) N"),
    ("deaf", "setsid -f sh -c \"trap '' TERM HUP INT; while :; do sleep N; done\""),
    (
        "on the run",
        "X='sleep 0.02; setsid -f sh -c \"$X\" N'; export X; exec setsid -f sh -c \"$X\" N",
    ),
];

/// Seconds that nobody else sleeps.
pub(super) fn word() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("9{}{:03}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// The processes that have a word on their command line.
pub(super) fn named(word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word) && runs(*pid)
    };
    pids.filter(has).collect()
}

/// Has a session's child start something.
pub(super) fn start(session: &Session<'_>, way: &str, word: &str) {
    session.script("1", json!([{"spawn": way.replace('N', word)}, {"answer": ""}]));
    until(way, PATIENCE, || !named(word).is_empty());
    // Whoever started it may have to end yet.
    std::thread::sleep(Duration::from_millis(50));
}

/// Has a session's child start something each way; the words by which it is found.
pub(super) fn start_all(session: &Session<'_>) -> Vec<(&'static str, String)> {
    let started = WAYS.map(|(name, way)| {
        let word = word();
        start(session, way, &word);
        (name, word)
    });
    started.to_vec()
}

#[track_caller]
pub(super) fn is_gone(started: &[(&str, String)]) {
    for (name, word) in started {
        until(name, END, || named(word).is_empty());
    }
}

/// A session ends, and one beside it does not.
fn ends(flags: &[&str], end: impl Fn(&Session<'_>)) {
    let proxy = Proxy::start(flags, &[CHILD]);
    let beside = Session::open(&proxy);
    let _stays = beside.listen();
    let other = word();
    start(&beside, "exec env -i $(command -v setsid) -f $(command -v sleep) N", &other);
    let session = Session::open(&proxy);
    let started = start_all(&session);
    end(&session);
    is_gone(&started);
    assert_eq!(named(&other).len(), 1, "what the other session's server has started");
    assert!(beside.delete().status() < 300);
    is_gone(&[("the other's", other)]);
    proxy.childless(PATIENCE);
}

#[test]
fn nothing_is_left_after_delete() {
    ends(&[], |session| assert!(session.delete().status() < 300));
}

#[test]
fn nothing_is_left_after_idleness() {
    ends(&["--session-keep-alive", "1"], |_| {});
}

#[test]
fn nothing_is_left_after_a_crash() {
    for end in [json!({"exit": 1}), json!({"exec": "kill -9 $$"})] {
        ends(&[], |session| {
            let answer = session.script("2", json!([end]));
            assert!(answer.last()["error"].is_object(), "{answer:?}");
        });
    }
}

#[test]
fn nothing_is_left_when_the_program_has_ended() {
    for signals in [1, 2] {
        let command = format!("trap '' TERM; exec {CHILD} --eof '[{{\"sleep\": 60000}}]'");
        let mut proxy = Proxy::start(&[], &["sh", "-c", &command]);
        let started = {
            let session = Session::open(&proxy);
            start_all(&session)
        };
        for _ in 0..signals {
            proxy.signal(Signal::TERM);
            std::thread::sleep(Duration::from_millis(200));
        }
        let status = proxy.ended(Duration::from_secs(12)).code();
        assert_eq!(status, Some(if signals == 1 { 0 } else { 128 + 15 }));
        for (name, word) in started {
            // It was killed before; the system may need a moment to bury it.
            until(name, Duration::from_millis(500), || named(&word).is_empty());
        }
    }
}

#[test]
fn what_servers_leave_behind_is_reaped() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut steps = vec![json!({"spawn": "setsid -f true"}); 100];
    steps.push(json!({"answer": ""}));
    session.script("1", Value::from(steps));
    // The shells are the child's own, and it waits for none; the daemons are ours.
    let alone = (vec![session.pid()], vec![]);
    until("no zombie", PATIENCE, || process::children(proxy.pid()) == alone);
}

/// A shell that becomes this program leaves it its children.
#[test]
fn children_from_before_the_start_are_left_alone() {
    let (early, late) = (word(), word());
    let own = program(&[]);
    let mut command = Command::new("sh");
    let quiet = "</dev/null >/dev/null 2>&1";
    let daemon = format!("(sleep 0.4; setsid -f sleep {late})");
    let line = format!("sleep {early} {quiet} & {daemon} {quiet} & exec \"$0\" \"$@\"");
    command.args(["-c", &line]).arg(own.get_program()).args(["--port", "0", "--", CHILD]);
    command.env_remove("RUST_LOG");
    let mut proxy = Proxy::run(command);
    until("the stranger's daemon", PATIENCE, || !named(&late).is_empty());
    {
        let session = Session::open(&proxy);
        let started = start_all(&session);
        assert!(session.delete().status() < 300);
        is_gone(&started);
    }
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
    for word in [early, late] {
        let left = named(&word);
        assert_eq!(left.len(), 1, "{left:?}");
        process::signal(left[0], Signal::KILL);
    }
}

#[test]
fn as_the_first_process_it_reaps_all_and_ends() {
    let own = program(&[]);
    let mut command = Command::new("unshare");
    command.args(["-pf", "--mount-proc", "--kill-child"]);
    let trial = command.arg("true").status();
    if !trial.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no process namespace can be made here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-pf", "--mount-proc", "--kill-child"]).arg(own.get_program());
    command.args(["--port", "0", "--", CHILD]).env_remove("RUST_LOG");
    let mut proxy = Proxy::run(command);
    let first = proxy.children()[0];
    {
        let session = Session::open(&proxy);
        let started = start_all(&session);
        let steps = json!([{"spawn": "for n in 1 2 3 4 5 6 7 8; do setsid -f true; done"},
            {"sleep": 300}, {"answer": ""}]);
        session.script("1", steps);
        until("no zombie", PATIENCE, || process::children(first).1.is_empty());
        let _call = session.post(&script("2", "", &json!([{"sleep": 60_000}])));
        assert!(session.delete().status() < 300);
        is_gone(&started);
    }
    until("no child", PATIENCE, || process::children(first).0.is_empty());
    process::signal(first, Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
}

/// Where it had one, to read it would stop the child, and nobody would know.
#[test]
fn a_child_has_a_session_of_its_own_and_no_terminal() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let pid = session.pid();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let pid = pid.to_string();
    assert_eq!(fields[2..5], [&*pid, &*pid, "0"], "group, session and terminal: {stat}");
}

#[test]
fn signals_that_were_blocked_at_the_start_are_heard() {
    let own = program(&[]);
    let mut command = Command::new("env");
    command.args(["--block-signal=CHLD", "--block-signal=TERM"]).arg(own.get_program());
    command.args(["--port", "0", "--", CHILD]).env_remove("RUST_LOG");
    let mut proxy = Proxy::run(command);
    {
        let session = Session::open(&proxy);
        session.script("1", json!([{"exit": 7}]));
        proxy.logged(&[" exited", "exit code 7"]);
    }
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
}
