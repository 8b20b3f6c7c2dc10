//! Processes as the system sees them: the ladder's order and timing, what can't be started, and
//! that the neighbours of a bad child do not wait for it.

use std::io::Read;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Conn, PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, QUIET, Session, initialize, notification, script};
use crate::support::process::{runs, until};
use crate::support::proxy::{CHILD, Proxy, program};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn open(proxy: &Proxy) -> Reply {
    proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET))
}

/// A server in shell that says what is done to it, and leaves for nothing.
const STUBBORN: &str = r#"
trap 'echo got SIGTERM >&2' TERM
read line
echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}'
while read line; do :; done
echo got the end >&2
while :; do sleep 0.05; done
"#;

/// When a line of the log has this, counted from now.
fn when(proxy: &Proxy, start: Instant, parts: &[&str]) -> f64 {
    proxy.logged(parts);
    start.elapsed().as_secs_f64()
}

#[test]
fn the_ladder_closes_input_then_asks_then_kills_two_seconds_apart() {
    let proxy = Proxy::start(&[], &["sh", "-c", STUBBORN]);
    let session = Session::open(&proxy);
    let pid = proxy.children()[0];
    let start = Instant::now();
    assert!(session.delete().status() < 300);
    let end = when(&proxy, start, &["got the end"]);
    assert!(!proxy.log().contains("got SIGTERM"));
    let term = when(&proxy, start, &["got SIGTERM"]);
    assert!(runs(pid));
    let gone = when(&proxy, start, &[" exited", "signal 9"]);
    // Never early; late as far as a busy machine makes it so.
    assert!(end < 1.5 && (1.9..3.5).contains(&term), "{end} {term} {gone}");
    assert!((3.9..6.0).contains(&gone) && gone - term > 1.5, "{end} {term} {gone}");
    assert_eq!(proxy.log().matches("got SIGTERM").count(), 1);
    proxy.childless(PATIENCE);
}

#[test]
fn a_child_that_leaves_at_the_end_of_its_input_is_gone_at_once() {
    let proxy = Proxy::child(&[]);
    // The best of some: other programs may load the machine.
    let best = (0..5).map(|_| {
        let session = Session::open(&proxy);
        session.script("1", json!([{"spawn": "sleep 61"}, {"answer": ""}]));
        let start = Instant::now();
        assert!(session.delete().status() < 300);
        proxy.childless(PATIENCE);
        start.elapsed()
    });
    let best = best.min().unwrap();
    assert!(best < Duration::from_millis(200), "{best:?}");
    assert!(!proxy.log().contains("SIGTERM"));
}

#[test]
#[ignore = "starts 256 processes"]
fn every_exit_status_is_told_once() {
    let proxy = Proxy::child(&[]);
    for code in 0..=255 {
        let session = Session::open(&proxy);
        let answer = session.script("1", json!([{"exit": code}]));
        assert!(answer.last()["error"].is_object(), "{answer:?}");
    }
    proxy.childless(PATIENCE);
    for code in 0..=255 {
        let words = format!("exit code {code}");
        let told = |line: &&str| {
            line.contains(" exited")
                && line.contains(": pid")
                && line.split([',', ';']).any(|part| part.trim() == words)
        };
        let log = proxy.log();
        assert_eq!(log.lines().filter(told).count(), 1, "{words}\n{log}");
    }
}

/// Sets a soft limit of a process, as whoever it runs as.
fn limit(proxy: &Proxy, name: &str, value: &str, as_other: bool) {
    let mut command = Command::new(if as_other { "setpriv" } else { "prlimit" });
    if as_other {
        command.args(OTHER).arg("prlimit");
    }
    command.arg(format!("--pid={}", proxy.pid())).arg(format!("--{name}={value}:"));
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Somebody who is not root.
const OTHER: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

/// Sessions can't be opened, are refused with a 5xx on the request's id, and nothing else is hurt.
#[track_caller]
fn is_refused(proxy: &Proxy, times: usize) {
    for _ in 0..times {
        let reply = open(proxy);
        assert!((500..600).contains(&reply.status()), "{reply:?}");
        assert_eq!(reply.json()["id"], "init");
        assert_eq!(reply.head.field("mcp-session-id"), None);
    }
    assert!(matches!(proxy.exchange("GET /healthz", &[], "").status(), 200 | 503));
}

/// After the breaker's wait a session opens again.
#[track_caller]
fn recovers(proxy: &Proxy) {
    until("a session", Duration::from_secs(15), || open(proxy).status() == 200);
}

#[test]
fn no_descriptor_for_a_child() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let open_now = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().count();
    // Room for a connection or two, and for no three pipes.
    limit(&proxy, "nofile", &(open_now + 4).to_string(), false);
    is_refused(&proxy, 4);
    assert_eq!(session.script("1", json!([{"answer": "fine"}])).text(), "fine");
    limit(&proxy, "nofile", "1024", false);
    assert_eq!(open(&proxy).status(), 200);
    assert_eq!(session.ask(PING).head.status, 200);
    proxy.logged(&["could not be started", "out of descriptors", "ulimit -n"]);
}

#[test]
fn no_process_for_a_child() {
    // The limit does not hold for root, so that the program has to be somebody else.
    let is_root = rustix::process::getuid().is_root();
    let own = program(&[]);
    let mut command = if is_root { Command::new("setpriv") } else { program(&[]) };
    let folder = std::env::temp_dir().join(format!("hyper-mcp-proxy-u-{}", std::process::id()));
    let (mut proxy_path, mut child_path) = (own.get_program().to_owned(), CHILD.into());
    if is_root {
        let there = Command::new("setpriv").arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: as root this needs setpriv");
            return;
        }
        std::fs::create_dir_all(&folder).unwrap();
        let copy = |from: &std::ffi::OsStr, name: &str| {
            std::fs::copy(from, folder.join(name)).unwrap();
            folder.join(name).into_os_string()
        };
        proxy_path = copy(&proxy_path, "proxy");
        child_path = copy(CHILD.as_ref(), "child");
        command.args(OTHER).arg(&proxy_path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).env_remove("RUST_LOG");
    }
    command.args(["--port", "0", "--"]).arg(&child_path);
    let proxy = Proxy::run(command);
    let session = Session::open(&proxy);
    limit(&proxy, "nproc", "0", is_root);
    is_refused(&proxy, 2);
    proxy.logged(&["could not be started", "out of processes", "ulimit -u"]);
    assert_eq!(session.script("1", json!([{"answer": "fine"}])).text(), "fine");
    limit(&proxy, "nproc", "4096", is_root);
    assert_eq!(open(&proxy).status(), 200);
    drop(proxy);
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn a_command_that_may_not_be_run_any_more() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("hyper-mcp-proxy-x-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("child");
    let may = |mode: u32| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::copy(CHILD, &path).unwrap();
    let proxy = Proxy::start(&[], &[path.to_str().unwrap()]);
    may(0o644);
    is_refused(&proxy, 2);
    proxy.logged(&["could not be started", "os error 13"]);
    may(0o755);
    assert_eq!(open(&proxy).status(), 200);
    // Not a program any more: the breaker opens, and closes again.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "\x7fELF nothing\n").unwrap();
    may(0o755);
    is_refused(&proxy, 8);
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(CHILD, &path).unwrap();
    recovers(&proxy);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What one turn of a neighbour may cost: one thread serves all, and reads at most 256 KiB of a
/// child before it looks at the others. A quiet machine needs 1 to 3 ms for it with this slow
/// build; 7 were seen where other programs took a core.
const TURN: f64 = 12.0;

/// The 99th percentile of the times of so many pings, in milliseconds.
fn p99(conn: &mut Conn, session: &Session<'_>, pings: usize) -> f64 {
    let own = [BOTH, JSON, ("Mcp-Session-Id", &*session.id)];
    let mut times: Vec<f64> = (0..pings)
        .map(|_| {
            let start = Instant::now();
            conn.request("POST /mcp", &own, PING.as_bytes());
            assert_eq!(conn.reply().status(), 200);
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[pings * 99 / 100]
}

/// What a bad neighbour does meanwhile, for some seconds.
fn nuisances() -> [(&'static str, Value); 3] {
    let line = notification("x", &json!(["x".repeat(1000)])) + "\n";
    [
        ("floods notifications", json!([{"answer": "x"}, {"repeat": [400_000, line]}])),
        ("writes a line without end", json!([{"answer": "x"}, {"fill": 16 << 20}, {"deaf": 3000}])),
        ("floods standard error", json!([{"answer": "x"}, {"stderr-fill": 400_000_000}])),
    ]
}

#[test]
#[ignore = "measures time"]
fn neighbours_of_a_bad_child_are_served_as_fast_as_before() {
    for (name, steps) in nuisances() {
        let proxy = Proxy::child(&[]);
        let calm = Session::open(&proxy);
        let mut conn = proxy.connect();
        p99(&mut conn, &calm, 300);
        let mut seen = Vec::new();
        // The machine's own noise is in both: one of some turns is enough to show it.
        let good = (0..15).any(|_| {
            let idle = p99(&mut conn, &calm, 500);
            let loud = Session::open(&proxy);
            loud.script("1", steps.clone());
            let beside = p99(&mut conn, &calm, 500);
            loud.delete();
            proxy.logged(&[" exited"]);
            seen.push((idle, beside));
            beside <= f64::max(2.0 * idle, TURN)
        });
        println!("{name}: p99 in ms, idle and beside it: {seen:.2?}");
        assert!(good, "{name}: {seen:.2?}");
    }
}

/// Two ends of a cable, one of them in a network of its own.
struct Cable {
    name: String,
    /// Of this end.
    address: Ipv4Addr,
}

impl Cable {
    fn ip(args: &str) -> bool {
        let status = Command::new("ip").args(args.split(' ')).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn lay() -> Option<Self> {
        let pid = std::process::id();
        // Of the addresses for trials between two networks (RFC 2544) four that are this process'
        // own: another one may run, or may have been killed before it took its cable away.
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (pid % (1 << 15)) * 4;
        let [here, there] = [1, 2].map(|n| Ipv4Addr::from(first + n));
        let cable = Self { name: format!("hmp{pid}"), address: here };
        let name = &cable.name;
        let laid = [
            format!("netns add {name}"),
            format!("link add {name}a type veth peer name {name}b"),
            format!("link set {name}b netns {name}"),
            format!("addr add {here}/30 dev {name}a"),
            format!("link set {name}a up"),
            format!("-n {name} addr add {there}/30 dev {name}b"),
            format!("-n {name} link set {name}b up"),
        ];
        laid.iter().all(|args| Self::ip(args)).then_some(cable)
    }

    /// What curl prints at the other end, from the status line on.
    fn curl(&self, proxy: &Proxy, path: &str, accept: &str, session: &str) -> Child {
        let mut curl = Command::new("ip");
        curl.args(["netns", "exec", &self.name, "curl", "-siN", "--connect-timeout", "20"]);
        curl.args([
            "-H",
            &format!("Accept: {accept}"),
            "-H",
            &format!("Mcp-Session-Id: {session}"),
        ]);
        curl.arg(format!("http://{}{path}", proxy.addr));
        curl.stdout(Stdio::piped()).spawn().unwrap()
    }

    fn cut(&self) {
        assert!(Self::ip(&format!("-n {0} link set {0}b down", self.name)));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        Self::ip(&format!("link del {}a", self.name));
        Self::ip(&format!("netns del {}", self.name));
    }
}

#[test]
#[ignore = "takes a minute, and needs the rights to make a network"]
fn a_session_whose_client_fell_silent_for_good_ends() {
    let Some(cable) = Cable::lay() else {
        eprintln!("SKIPPED: no network of its own can be made here");
        return;
    };
    let flags = ["--host", &cable.address.to_string(), "--session-keep-alive", "3"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    // A cable that was just laid carries nothing for a second or two.
    assert!(cable.curl(&proxy, "/healthz", "*/*", "").wait().unwrap().success());
    let session = Session::open(&proxy);
    let mut curl = cable.curl(&proxy, "/mcp", "text/event-stream", &session.id);
    let mut status = [0; 12];
    curl.stdout.as_mut().unwrap().read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    // The stream keeps the session, though nobody asks for anything.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(proxy.children().len(), 1);
    cable.cut();
    // Keep-alive comments that nobody acknowledges; then idleness; then the ladder.
    let took =
        until("the end of the session", Duration::from_secs(100), || proxy.children().is_empty());
    println!("a dead stream was noticed after {took:.1?}");
    // A minute, the idle seconds, and the ladder.
    assert!(took < Duration::from_secs(60 + 3 + 5), "{took:?}");
    curl.kill().unwrap();
    curl.wait().unwrap();
}

#[test]
fn a_stop_during_a_start_and_a_start_during_a_stop_leave_nothing() {
    for wait in [0, 5, 20, 60] {
        let mut proxy = Proxy::start(&["--drain-timeout", "1"], &[CHILD]);
        let mut conns: Vec<Conn> = (0..12).map(|_| proxy.connect()).collect();
        for conn in &mut conns {
            conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
        }
        std::thread::sleep(Duration::from_millis(wait));
        let children = proxy.children();
        proxy.signal(rustix::process::Signal::TERM);
        proxy.logged(&["draining"]);
        // More of them come while it ends; nobody is left without an answer or the end.
        let late = (0..4).filter_map(|_| {
            let mut conn = Conn::try_open(proxy.addr)?;
            let body = initialize(QUIET);
            let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
            let length = body.len();
            conn.trickle(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
            Some(conn)
        });
        for mut conn in late.collect::<Vec<_>>() {
            let status = conn.try_head().map(|head| head.status);
            assert!(matches!(status, Ok(503) | Err(_)), "{status:?}");
        }
        for mut conn in conns {
            let status = conn.try_head().map(|head| head.status);
            assert!(matches!(status, Ok(200 | 500..=599)), "{status:?}");
        }
        assert_eq!(proxy.ended(Duration::from_secs(8)).code(), Some(0));
        until("no child", PATIENCE, || children.iter().all(|pid| !runs(*pid)));
        let log = proxy.log();
        let (opened, gone) = (log.matches("opened").count(), log.matches(" exited").count());
        assert!(opened <= gone, "{log}");
    }
}

/// A request in the way of 2026-07-28, for a child of the session era.
fn modern(proxy: &Proxy, id: u8, steps: &Value) -> Conn {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": "script", "arguments": {"steps": steps}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
    let fields = [BOTH, JSON, ("MCP-Protocol-Version", "2026-07-28")];
    let head = [("Mcp-Method", "tools/call"), ("Mcp-Name", "script")];
    let mut conn = proxy.connect();
    conn.request("POST /mcp", &[&fields[..], &head].concat(), body.to_string().as_bytes());
    conn
}

#[test]
fn a_modern_client_that_leaves_has_cancelled() {
    // The best of some: other programs may load the machine.
    let best = (0..5).map(|_| cancelled_after_loss()).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}

/// The time from a client's loss to the cancellation at the child.
fn cancelled_after_loss() -> Duration {
    let proxy = Proxy::start(&["--eras", "both"], &[CHILD]);
    let call = modern(&proxy, 1, &json!([{"stderr": "begun\n"}, {"sleep": 60_000}]));
    until("the call", PATIENCE, || proxy.log().contains("begun"));
    let start = Instant::now();
    drop(call);
    let mut elapsed = Duration::ZERO;
    // The child remembers a hundred lines, and each look is one.
    until("the cancellation", PATIENCE, || {
        let seen = modern(&proxy, 2, &json!([{"seen": 0}])).reply().body;
        elapsed = start.elapsed();
        seen.contains("notifications/cancelled")
    });
    elapsed
}

#[test]
fn a_silent_call_is_not_idleness() {
    let proxy = Proxy::start(&["--session-keep-alive", "1"], &[CHILD]);
    let session = Session::open(&proxy);
    let silent = session.post(&script("1", "", &json!([{"sleep": 3000}, {"answer": "late"}])));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(proxy.children().len(), 1, "a silent call counts for idleness");
    assert_eq!(crate::support::mcp::Answer::read(silent).text(), "late");
    let gone = proxy.childless(PATIENCE);
    assert!(gone > Duration::from_millis(500), "{gone:?}");
}
