//! A log that nobody reads: a pipe, a terminal that Ctrl-S stopped. The program serves on, ends
//! when it is told to, and says what it dropped.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::support::mcp::{Answer, Session, script};
use crate::support::process::{self, until};
use crate::support::proxy::{CHILD, Proxy, program};

/// Children that flood: as many as fill what all together may log.
const FLOODS: usize = 4;
/// The longest that a neighbour may wait.
const SOON: Duration = Duration::from_secs(1);

/// Lets children flood their standard error, until lines of it are dropped if nobody reads the log.
/// A neighbour is served meanwhile.
fn flood(proxy: &Proxy) {
    let floods: Vec<_> = (0..FLOODS).map(|_| Session::open(proxy)).collect();
    let neighbour = Session::open(proxy);
    let lines = format!("{}\n", "x".repeat(7000)).repeat(9);
    let second = [json!({"stderr": lines}), json!({"sleep": 1010})];
    let mut steps: Vec<_> = std::iter::repeat_n(second, 4).flatten().collect();
    steps.push(json!({"answer": "done"}));
    let steps = serde_json::Value::from(steps);
    let calls: Vec<_> =
        floods.iter().map(|session| session.post(&script("1", "", &steps))).collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        neighbour.script("1", json!([{"answer": "here"}]));
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
        assert!(asked.elapsed() < 2 * SOON, "{:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    calls.into_iter().for_each(|call| assert_eq!(Answer::read(call).text(), "done"));
}

/// Each record is whole, and times do not go back.
fn orderly(log: &str) {
    let times: Vec<_> = log.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(times.iter().all(|time| time.len() == 24 && time.ends_with('Z')), "a torn line");
    assert!(times.is_sorted(), "out of order");
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_nobody_and_the_gap_is_counted() {
    let mut proxy = Proxy::child(&[]);
    proxy.read_log(false);
    flood(&proxy);
    assert!(!proxy.log().contains("dropped: "), "{}", proxy.log());
    proxy.read_log(true);
    proxy.logged(&["WARN", "proxy: ", " log lines were dropped"]);
    // What comes after the gap is there again.
    let session = Session::open(&proxy);
    proxy.logged(&["opened", &session.pid().to_string()]);
    orderly(&proxy.log());
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(5)).code(), Some(0));
    assert!(proxy.log().lines().last().unwrap().ends_with("proxy: ended"), "{}", proxy.log());
}

#[test]
fn a_program_whose_log_is_stuck_ends_when_it_is_told_to() {
    for hurried in [false, true] {
        let mut proxy = Proxy::child(&[]);
        proxy.read_log(false);
        flood(&proxy);
        let session = Session::open(&proxy);
        let pid = session.pid();
        let _call =
            hurried.then(|| session.in_flight(&script("1", "", &json!([{"sleep": 60_000}]))));
        proxy.signal(Signal::TERM);
        let code = if hurried {
            std::thread::sleep(Duration::from_millis(200));
            proxy.signal(Signal::TERM);
            128 + 15
        } else {
            0
        };
        assert_eq!(proxy.ended(Duration::from_secs(4)).code(), Some(code));
        until("no child", SOON, || !process::runs(pid));
        orderly(proxy.log().trim_end_matches(|c| c != '\n'));
    }
}

/// A terminal: its own side, and the other one for a program.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (ours.into(), theirs)
}

#[test]
fn a_terminal_that_ctrl_s_stopped_holds_up_nobody() {
    let (mut terminal, theirs) = terminal();
    let mut program = program(&["--port", "0"]);
    program.arg("--").arg(CHILD);
    let mut proxy = Proxy::run_with(program, Stdio::from(theirs), terminal.try_clone().unwrap());
    terminal.write_all(b"\x13").unwrap();
    flood(&proxy);
    terminal.write_all(b"\x11").unwrap();
    proxy.logged(&[" log lines were dropped"]);
    terminal.write_all(b"\x13").unwrap();
    Session::open(&proxy);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn what_is_wrong_at_the_start_is_told_before_the_end() {
    for (flags, code, word) in
        [(&["--port", "x"][..], 2, "--port"), (&["--host", "192.0.2.1"][..], 1, "can't listen")]
    {
        let mut program = program(flags);
        let out = program.arg("--").arg(CHILD).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(code), "{told}");
        assert!(told.lines().last().unwrap().contains(word), "{told}");
    }
}
