//! Connections: what may come on one, in which pieces, how slowly, and how many there may be.

use std::time::{Duration, Instant};

use serde_json::json;

use super::statuses::is_error;
use crate::support::http::Conn;
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, initialize, script};
use crate::support::process::busy;
use crate::support::proxy::{CHILD, Proxy, program};

/// A POST of this session with these further fields and this body, which may be framed by them.
fn post(session: &Session<'_>, fields: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Mcp-Session-Id: {}\r\n{fields}\r\n{body}",
        session.id
    )
}

fn ping(session: &Session<'_>, id: usize) -> String {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    post(session, &format!("Content-Length: {}\r\n", body.len()), &body)
}

#[test]
fn one_request_after_another_is_served_however_it_is_cut() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    conn.send((0..5).map(|id| ping(&session, id)).collect::<String>().as_bytes());
    for id in 0..5 {
        assert_eq!(conn.reply().json()["id"], id);
    }
    for byte in ping(&session, 7).bytes() {
        conn.send(&[byte]);
    }
    assert_eq!(conn.reply().json()["id"], 7);
    // A stream does not end the connection either.
    let body = script("8", "", &json!([{"answer": "x"}]));
    let fields = format!("Accept: text/event-stream\r\nContent-Length: {}\r\n", body.len());
    conn.send((post(&session, &fields, &body) + &ping(&session, 9)).as_bytes());
    let stream = conn.reply();
    assert!(stream.head.is_stream() && stream.body.contains("\"id\":8"), "{stream:?}");
    assert_eq!(conn.reply().json()["id"], 9);
    // The client may ask for the end.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let fields = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
    conn.send(post(&session, &fields, body).as_bytes());
    assert_eq!(conn.reply().json()["id"], 1);
    assert!(conn.is_closed());
}

#[test]
fn chunked_bodies_are_read() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    let rest = r#""jsonrpc":"2.0","id":4,"method":"ping"}"#;
    let chunks = format!("1\r\n{{\r\n{:x};a=\"b\"\r\n{rest}\r\n0\r\n\r\n", rest.len());
    let request = post(&session, "Transfer-Encoding: chunked\r\n", &chunks);
    conn.send((request.clone() + &request).as_bytes());
    assert_eq!(conn.reply().json()["id"], 4);
    assert_eq!(conn.reply().json()["id"], 4);
    for byte in request.bytes() {
        conn.send(&[byte]);
    }
    assert_eq!(conn.reply().json()["id"], 4);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it_if_the_body_is_wanted() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let body = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
    let fields = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    let mut conn = proxy.connect();
    conn.send(post(&session, &fields, "").as_bytes());
    let head = conn.any_head().unwrap();
    assert_eq!((head.status, head.fields.len()), (100, 0));
    conn.send(body.as_bytes());
    assert_eq!(conn.reply().json()["id"], 3);
    // What is refused by its head is refused at once.
    let mut conn = proxy.connect();
    let head = post(&session, &fields, "").replace("application/json", "text/plain");
    conn.send(head.as_bytes());
    is_error(&conn.reply(), 415);
}

#[test]
fn head_gives_no_body() {
    let proxy = Proxy::child(&[]);
    let mut conn = proxy.connect();
    conn.send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = conn.head();
    assert_eq!(head.status, 200);
    assert!(head.field("content-length").is_some_and(|length| length != "0"), "{head:?}");
    conn.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(conn.reply().status(), 200);
    // Nor does its refusal, after which the connection ends, wherever the fault is.
    for (rest, status) in [
        ("Content-Length: 1\r\n\r\n", 413),
        ("Host: localhost\r\n\r\n", 400),
        ("Content-Length: x\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\n\r\nx", 400),
        ("X: y\n", 400),
        ("X: y", 400),
    ] {
        let mut conn = proxy.connect();
        conn.send(format!("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n{rest}").as_bytes());
        conn.half_close();
        let head = conn.head();
        assert_eq!(head.status, status, "{rest:?}");
        assert!(head.field("content-length").is_some_and(|length| length != "0"), "{head:?}");
        assert!(conn.is_closed(), "{rest:?}");
    }
    // One before it makes no difference to another method.
    conn.send(b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nx\n");
    assert_eq!(conn.head().status, 200);
    is_error(&conn.reply(), 400);
    assert!(conn.is_closed());
}

#[test]
fn half_a_connection_is_enough_to_answer_on() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let conn = session.post(&script("1", "", &json!([{"sleep": 100}, {"answer": "x"}])));
    conn.half_close();
    assert_eq!(Answer::read(conn).text(), "x");
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let proxy = Proxy::start(&["--max-message", "1000"], &[CHILD]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    conn.send(post(&session, "Content-Length: 1099511627776\r\n", "").as_bytes());
    is_error(&conn.reply(), 413);
    assert!(conn.is_closed());
    // Without a length, it is refused when it grows too long.
    let mut conn = proxy.connect();
    let chunks = format!("100\r\n{}\r\n", "x".repeat(256)).repeat(5);
    conn.send(post(&session, "Transfer-Encoding: chunked\r\n", &chunks).as_bytes());
    is_error(&conn.reply(), 413);
    assert_eq!(session.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).head.status, 200);
}

#[test]
fn what_is_no_http_gets_a_status_and_the_end() {
    let proxy = Proxy::child(&[]);
    for bytes in [
        &b"HELLO\r\n\r\n"[..],
        b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
        b"GET /mcp HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let mut conn = proxy.connect();
        conn.send(bytes);
        let reply = conn.reply();
        assert!((400..600).contains(&reply.status()), "{reply:?}");
        assert!(conn.is_closed(), "{reply:?}");
    }
    let mut conn = proxy.connect();
    conn.send(format!("GET /mcp HTTP/1.1\r\nX: {}", "x".repeat(20_000)).as_bytes());
    assert_eq!(conn.head().status, 431);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
}

#[test]
fn answers_come_without_delay() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    let start = Instant::now();
    for id in 0..100 {
        conn.send(ping(&session, id).as_bytes());
        assert_eq!(conn.reply().json()["id"], id);
    }
    // A delayed acknowledgement takes 40 ms, so a hundred would take four seconds.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn connections_and_descriptors_that_run_out_harm_no_open_session() {
    let limited = program(&[]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]).arg(limited.get_program());
    shell.args(["--port", "0", "--max-sessions", "4", "--", CHILD]);
    let proxy = Proxy::run(shell);
    let session = Session::open(&proxy);
    let crowd: Vec<_> = (0..100).map(|_| proxy.connect()).collect();
    let (start, used) = (Instant::now(), busy(proxy.pid()));
    for _ in 0..10 {
        assert_eq!(session.script("1", json!([{"answer": "x"}])).text(), "x");
        std::thread::sleep(Duration::from_millis(100));
    }
    let share = (busy(proxy.pid()) - used) / start.elapsed().as_secs_f64();
    assert!(share < 0.2, "it spins: {share}");
    drop(crowd);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    drop(Session::open(&proxy));
}

#[test]
fn a_child_that_no_descriptor_is_left_for_is_refused_and_all_goes_on() {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 48; exec \"$0\" \"$@\""]).arg(program(&[]).get_program());
    shell.args(["--port", "0", "--", CHILD]);
    let proxy = Proxy::run(shell);
    let open = || proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
    let first = Session::open(&proxy);
    let refused = (0..20).map(|_| open()).find(|reply| reply.status() != 200);
    let refused = refused.expect("a refusal before twenty sessions");
    assert!((500..600).contains(&refused.status()), "{refused:?}");
    assert_eq!(refused.json()["id"], "init");
    assert_eq!(first.script("1", json!([{"answer": "x"}])).text(), "x");
    assert!(first.delete().status() < 300);
    proxy.logged(&[" exited"]);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(open().status(), 200);
}

#[test]
fn children_that_start_at_once_are_few() {
    let result = r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#;
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{result}}}\n");
    let steps = json!([{"sleep": 300}, {"write": answer}]);
    let proxy = Proxy::child(&["--initialize", &steps.to_string()]);
    let conns: Vec<Conn> = (0..20)
        .map(|_| {
            let mut conn = proxy.connect();
            conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
            conn
        })
        .collect();
    std::thread::sleep(Duration::from_millis(150));
    assert!(proxy.children().len() <= 8, "{:?}", proxy.children());
    for mut conn in conns {
        assert_eq!(conn.reply().status(), 200);
    }
    assert_eq!(proxy.children().len(), 20);
}

#[test]
#[ignore = "takes as long as the deadlines"]
fn slow_peers_lose_their_connections_and_nobody_else_notices() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut heads: Vec<_> = (0..50).map(|_| proxy.connect()).collect();
    let mut bodies: Vec<_> = (0..50).map(|_| proxy.connect()).collect();
    for conn in &mut bodies {
        conn.send(post(&session, "Content-Length: 1000\r\n", "{").as_bytes());
    }
    let start = Instant::now();
    let mut open = (heads.len(), bodies.len());
    while start.elapsed() < Duration::from_secs(33) && open != (0, 0) {
        for conn in &mut heads {
            conn.trickle(b"X");
        }
        for conn in &mut bodies {
            conn.trickle(b" ");
        }
        assert_eq!(session.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).head.status, 200);
        std::thread::sleep(Duration::from_millis(500));
        heads.retain_mut(|conn| !conn.has_ended());
        bodies.retain_mut(|conn| !conn.has_ended());
        open = (heads.len(), bodies.len());
        let late = start.elapsed() > Duration::from_secs(12);
        assert!(!late || open.0 == 0, "{open:?} after {:?}", start.elapsed());
    }
    assert_eq!(open, (0, 0));
}
