//! Many sessions, opened, used and ended in every way, leave the program as it was before.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, PRIMED, QUIET, Session, initialize, notification, script};
use crate::support::process;
use crate::support::proxy::{CHILD, Proxy};

/// How many sessions; a thousand where there is time (`CYCLES=1000`).
fn cycles() -> usize {
    std::env::var("CYCLES").map_or(100, |cycles| cycles.parse().unwrap())
}

/// After so many, those that are left to idle away are waited for: they must fit into
/// --max-sessions however fast the machine opens the next ones.
const BREATH: usize = 50;

fn one(proxy: &Proxy, n: usize) {
    if n % 7 == 6 {
        // Its client leaves before the session is open.
        let mut conn = proxy.connect();
        conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
        return;
    }
    let session = Session::open_at(proxy, if n.is_multiple_of(2) { QUIET } else { PRIMED });
    assert_eq!(session.script("1", json!([{"answer": "a"}])).text(), "a");
    match n % 7 {
        0 | 1 => assert!(session.delete().status() < 300),
        2 => drop(session.script("2", json!([{"exit": n % 256}]))),
        3 => drop(session.script("3", json!([{"spawn": "sleep 60"}, {"exec": "kill -9 $$"}]))),
        4 => {
            // Ended in the middle of a call and with a listener.
            let _call = session.post(&script("4", "", &json!([{"sleep": 60_000}])));
            let _listener = session.listen();
            assert!(session.delete().status() < 300);
        }
        // Left to idle away, with a stream cut off.
        _ => drop(session.listen()),
    }
}

/// Waits until no process is left, and none of the sessions that sleep without theirs.
fn rested(proxy: &Proxy) {
    proxy.childless(PATIENCE);
    process::until("no session asleep", PATIENCE, || {
        let health = proxy.exchange("GET /healthz", &[], "").json();
        health["servers"][0]["asleep"] == 0
    });
}

#[test]
fn sessions_leave_nothing_behind() {
    // A session whose process is gone takes memory until it expires.
    let flags = ["--session-keep-alive", "1", "--session-expiry", "1"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let cycles = cycles();
    let warm_up = cycles.min(BREATH);
    let mut before = None;
    for n in 0..cycles + warm_up {
        if n % BREATH == 0 {
            proxy.childless(PATIENCE);
        }
        if n == warm_up {
            rested(&proxy);
            before = Some(process::usage(proxy.pid()));
        }
        one(&proxy, n);
    }
    rested(&proxy);
    let (fds, threads, memory) = before.unwrap();
    // The last connections may still be closing; so may those of the warm-up have been.
    let few = || process::usage(proxy.pid()).0 <= fds;
    process::until("no more descriptors than before", PATIENCE, few);
    let after = process::usage(proxy.pid());
    assert!(after.1 <= threads, "{after:?}, before {fds} and {threads}");
    assert!(after.2 <= memory + 1024, "from {memory} KiB to {} KiB", after.2);
    assert!(!proxy.log().contains("fault:"), "{}", proxy.log());
}

#[test]
#[ignore = "starts two hundred processes"]
fn an_idle_session_is_small() {
    let proxy = Proxy::start(&["--max-sessions", "300"], &[CHILD]);
    let warm_up: Vec<_> = (0..20).map(|_| Session::open(&proxy)).collect();
    let before = process::memory(proxy.pid(), "VmRSS:");
    let sessions: Vec<_> = (0..200).map(|_| Session::open(&proxy)).collect();
    let each = (process::memory(proxy.pid(), "VmRSS:") - before) as f64 / 200.0;
    assert!(each <= 64.0, "{each} KiB for each session");
    assert_eq!(proxy.children().len(), warm_up.len() + sessions.len());
}

#[test]
#[ignore = "moves a gigabyte"]
fn a_gigabyte_that_nobody_reads_takes_no_memory() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let before = process::memory(proxy.pid(), "VmRSS:");
    let line = notification("x", &json!(["x".repeat(10_000)])) + "\n";
    let steps = json!([{"answer": "x"}, {"repeat": [100_000, line]}, {"stderr": "flooded\n"}]);
    session.script("1", steps);
    let (start, mut times) = (Instant::now(), Vec::new());
    while !proxy.log().contains("flooded") {
        assert!(start.elapsed() < Duration::from_secs(120));
        let asked = Instant::now();
        assert_eq!(session.call("2", "pid", json!({})).head.status, 200);
        times.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    times.sort();
    let most = times[times.len() * 9 / 10];
    assert!(most < Duration::from_secs(1), "{most:?} of {}", times.len());
    let growth = process::memory(proxy.pid(), "VmHWM:").saturating_sub(before);
    assert!(growth <= 4 * 1024, "{growth} KiB");
}
