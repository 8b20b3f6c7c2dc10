//! Fairness: whatever one client or server does, the calls of others are answered as before, new
//! clients are served, and small requests have room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::support::http::{Conn, PATIENCE};
use crate::support::mcp::{BOTH, JSON, Session, call, script};
use crate::support::proxy::Proxy;

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const NOTE: &str = r#"{"jsonrpc":"2.0","method":"n"}"#;
/// A request that is refused by its head.
const FORBIDDEN: &str = "GET /mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n";

/// The bar for a neighbour's median beside messages of up to 64 KiB: 5 ms with the release build.
/// The tests' build is slower, and so are tests that run at the same time.
const BAR: Duration = Duration::from_millis(10);
/// The bar beside messages of 16 MiB.
const LARGE: Duration = Duration::from_millis(100);
/// How often a scenario may be disturbed by other programs.
const TRIES: usize = 3;

/// One call of a session on a kept connection.
fn ask(session: &Session<'_>, conn: &mut Conn, body: &str) -> u16 {
    let own = ("Mcp-Session-Id", session.id.as_str());
    conn.request("POST /mcp", &[BOTH, JSON, own], body.as_bytes());
    conn.reply().status()
}

/// The median time of a neighbour's pings for a while.
fn median(session: &Session<'_>, conn: &mut Conn) -> Duration {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < Duration::from_millis(1500) || times.len() < 5 {
        let began = Instant::now();
        assert_eq!(ask(session, conn, PING), 200);
        times.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    times.sort();
    times[times.len() / 2]
}

/// Measures the neighbour while `attack` goes on, which ends when it is told so.
fn beside(name: &str, bar: Duration, proxy: &Proxy, attack: impl Fn(&AtomicBool) + Sync) {
    let session = Session::open(proxy);
    let mut conn = proxy.connect();
    let ends = AtomicBool::new(false);
    let best = std::thread::scope(|scope| {
        scope.spawn(|| attack(&ends));
        std::thread::sleep(Duration::from_millis(300));
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            best = best.min(median(&session, &mut conn));
            if best <= bar {
                break;
            }
        }
        ends.store(true, Ordering::Relaxed);
        best
    });
    eprintln!("{name}: {best:?}");
    assert!(best <= bar, "{name}: {best:?}");
}

/// So many sessions whose servers write this for ever.
fn flooded(count: usize, text: &str, to: &str) -> Proxy {
    let proxy = Proxy::child(&[]);
    for _ in 0..count {
        let flood = json!([{"spawn": format!("exec yes '{text}' {to}")}, {"answer": "x"}]);
        assert_eq!(Session::open(&proxy).script("1", flood).text(), "x");
    }
    proxy
}

fn no_attack(_: &AtomicBool) {}

#[test]
#[ignore = "measures for a while"]
fn neighbours_of_a_server_that_floods_are_answered_as_before() {
    let batch = format!("[{}]", [NOTE; 20].join(","));
    let ping = PING.replace("\"id\":1", "\"id\":\"p\"");
    let answer = r#"{"jsonrpc":"2.0","id":99999,"result":{}}"#;
    for text in ["x", "", "[", "{", "[]", "\u{fe}", NOTE, &batch, &ping, answer] {
        beside(&format!("{text:?}"), BAR, &flooded(1, text, ""), no_attack);
    }
    for text in ["x", ""] {
        beside(&format!("{text:?}, stderr"), BAR, &flooded(1, text, ">&2"), no_attack);
    }
}

#[test]
#[ignore = "measures for a while"]
fn neighbours_of_many_servers_that_flood_are_answered_as_before() {
    for (count, text, to) in
        [(8, "x", ""), (32, "x", ""), (60, "x", ""), (60, NOTE, ""), (32, "x", ">&2")]
    {
        beside(&format!("{count} of {text:?} {to}"), BAR, &flooded(count, text, to), no_attack);
    }
}

/// Sends on all of these as fast as they take it, and reads what is answered.
fn pipeline(proxy: &Proxy, count: usize, requests: &[u8], ends: &AtomicBool) {
    let conns: Vec<Conn> = (0..count).map(|_| proxy.connect()).collect();
    while !ends.load(Ordering::Relaxed) {
        for conn in &conns {
            conn.exchange_at_once(requests);
        }
    }
}

#[test]
#[ignore = "measures for a while"]
fn neighbours_of_clients_that_pipeline_are_answered_as_before() {
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let other = "GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (count, request) in [(1, FORBIDDEN), (50, FORBIDDEN), (300, FORBIDDEN), (50, health)] {
        let requests = request.repeat(1000) + &other.repeat(100);
        let name = format!("{count} of {request:?}");
        let proxy = Proxy::child(&[]);
        beside(&name, BAR, &proxy, |ends| pipeline(&proxy, count, requests.as_bytes(), ends));
    }
}

#[test]
#[ignore = "measures for a while"]
fn neighbours_of_large_messages_are_answered_soon() {
    for (count, size, bar) in [(8, 64 << 10, BAR), (1, 16 << 20, LARGE), (4, 16 << 20, LARGE)] {
        let proxy = Proxy::child(&[]);
        let large = call("1", "", "pid", &json!({"x": "x".repeat(size - 200)}));
        beside(&format!("{count} of {size} bytes"), bar, &proxy, |ends| {
            std::thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| {
                        let session = Session::open(&proxy);
                        let mut conn = proxy.connect();
                        while !ends.load(Ordering::Relaxed) {
                            assert_eq!(ask(&session, &mut conn, &large), 200);
                        }
                    });
                }
            });
        });
    }
}

/// Lets this process have many connections open: how many.
fn many_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let want = limit.maximum.map_or(8192, |most| most.min(8192));
    setrlimit(Resource::Nofile, Rlimit { current: Some(want), ..limit }).unwrap();
    usize::try_from(want).unwrap()
}

#[test]
fn a_crowd_of_connections_without_progress_makes_way() {
    let crowd = if many_files() < 4096 { 1100 } else { 1500 };
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let half = format!("{head}Content-Length: 1000\r\n\r\n{{");
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (name, sent, later) in [
        ("half heads", head, ""),
        ("half contents", &*half, ""),
        ("nothing", "", ""),
        ("byte by byte", "P", "O"),
        ("content byte by byte", &half, " "),
        ("half a content after a request", &format!("{health}{half}"), ""),
    ] {
        let proxy = Proxy::child(&[]);
        let session = Session::open(&proxy);
        let mut kept = proxy.connect();
        assert_eq!(ask(&session, &mut kept, PING), 200);
        let mut conns: Vec<Conn> = (0..crowd)
            .map(|_| {
                let mut conn = proxy.connect();
                conn.trickle(sent.as_bytes());
                conn
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        conns.iter_mut().for_each(|conn| conn.trickle(later.as_bytes()));
        let mut times = [(); 5].map(|()| {
            let start = Instant::now();
            assert_eq!(ask(&session, &mut proxy.connect(), PING), 200, "{name}");
            start.elapsed()
        });
        // Other programs may disturb some of them.
        times.sort();
        assert!(times[2] < Duration::from_secs(1), "{name}: {times:?}");
        assert_eq!(ask(&session, &mut kept, PING), 200, "{name}");
        drop(Session::open(&proxy));
        drop(conns);
    }
}

#[test]
fn uploads_that_do_not_go_on_keep_no_small_request_out() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut stopped = Vec::new();
    let mut begin = |length: usize, sent: usize| {
        let mut conn = proxy.connect();
        let own = ("Mcp-Session-Id", session.id.as_str());
        let length = length.to_string();
        conn.request("POST /mcp", &[BOTH, JSON, own, ("Content-Length", &length)], b"");
        conn.trickle(&vec![b' '; sent]);
        stopped.push(conn);
    };
    let body = format!("{}{PING}", " ".repeat(500_000));
    // Nine of ten bytes of large contents, and of as many small ones as there is memory for.
    (0..8).for_each(|_| begin(16_000_000, 14_400_000));
    for _ in 0..10 {
        assert_eq!(ask(&session, &mut proxy.connect(), &body), 200);
    }
    (0..80).for_each(|_| begin(1_000_000, 900_000));
    for _ in 0..10 {
        assert_eq!(ask(&session, &mut proxy.connect(), &body), 200);
    }
}

#[test]
#[ignore = "takes longer than a reader that stops may"]
fn a_reader_that_is_slow_and_steady_keeps_its_answer() {
    const SIZE: usize = 4 << 20;
    let proxy = Proxy::child(&[]);
    let large = json!([
        {"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\""}, {"fill": SIZE},
        {"write": "\"}\n"}]);
    std::thread::scope(|scope| {
        for rate in [16, 24, 32] {
            let (proxy, large) = (&proxy, &large);
            scope.spawn(move || {
                let session = Session::open(proxy);
                let mut conn = session.post(&script("1", "", large));
                let start = Instant::now();
                while start.elapsed() < Duration::from_secs(65) {
                    conn.sip(rate * 1024 / 10);
                    std::thread::sleep(Duration::from_millis(100));
                }
                conn.patience(PATIENCE);
                let reply = conn.reply();
                assert!(reply.body.len() > SIZE, "{} bytes", reply.body.len());
            });
        }
    });
    assert!(!proxy.log().contains("took nothing"), "{}", proxy.log());
}
