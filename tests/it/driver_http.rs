//! What the driver decides by itself about a connection: which go on, and which can't.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::mcp::{Session, script};
use crate::support::proxy::{CHILD, Proxy};

const PING: &str = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;

fn head(session: &str, fields: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Mcp-Session-Id: {session}\r\n{fields}\r\n"
    )
}

fn sized(session: &str, body: &str) -> String {
    head(session, &format!("Content-Length: {}\r\n", body.len())) + body
}

/// Whoever is told what to do otherwise need not connect again to do it.
#[test]
fn a_refused_request_of_modest_size_does_not_end_the_connection() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    for size in [PING.len(), 60_000] {
        let wrong = head(&session.id, &format!("Content-Length: {size}\r\n")).replace("json", "x");
        conn.send(wrong.as_bytes());
        std::thread::sleep(Duration::from_millis(20));
        conn.send(&vec![b' '; size]);
        assert_eq!(conn.reply().status(), 415);
        conn.send(sized(&session.id, PING).as_bytes());
        assert_eq!(conn.reply().json()["id"], 5);
    }
    // A large one is not waited for.
    let wrong = head(&session.id, "Content-Length: 70000\r\n").replace("json", "x");
    conn.send(wrong.as_bytes());
    assert_eq!(conn.reply().status(), 415);
    assert!(conn.is_closed());
}

#[test]
fn http_1_0_gets_its_answer_and_the_end() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let old = |text: String| text.replace("HTTP/1.1", "HTTP/1.0");
    let mut conn = proxy.connect();
    conn.send(old(sized(&session.id, PING)).as_bytes());
    let reply = conn.reply();
    assert_eq!(reply.head.field("connection"), Some("close"));
    assert_eq!(reply.json()["id"], 5);
    assert!(conn.is_closed());
    // It knows no chunks: a stream ends with the connection.
    let body = script("6", "", &json!([{"answer": "x"}]));
    let fields = format!("Accept: text/event-stream\r\nContent-Length: {}\r\n", body.len());
    let mut conn = proxy.connect();
    conn.send(old(head(&session.id, &fields) + &body).as_bytes());
    let reply = conn.reply();
    assert!(reply.head.is_stream());
    assert_eq!(reply.head.field("transfer-encoding"), None);
    assert!(reply.body.contains("\"id\":6"), "{}", reply.body);
}

/// While a call runs, the connection is read on; what comes has to wait for its turn unharmed.
#[test]
fn what_is_sent_ahead_during_a_call_is_served_after_it() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conn = proxy.connect();
    let slow = script("1", "", &json!([{"sleep": 200}, {"answer": "slow"}]));
    conn.send(sized(&session.id, &slow).as_bytes());
    std::thread::sleep(Duration::from_millis(50));
    let ahead = sized(&session.id, PING).repeat(400);
    for piece in ahead.as_bytes().chunks(777) {
        conn.send(piece);
    }
    assert_eq!(conn.reply().json()["id"], 1);
    for _ in 0..400 {
        assert_eq!(conn.reply().json()["id"], 5);
    }
}

/// Contents on their way in share a bounded memory; small requests never need any of it.
#[test]
fn many_large_uploads_do_not_take_all_memory() {
    let proxy = Proxy::start(&["--max-message", "1M"], &[CHILD]);
    let session = Session::open(&proxy);
    let part = vec![b' '; 900 * 1024];
    let mut open: Vec<_> = (0..24)
        .map(|_| {
            let mut conn = proxy.connect();
            conn.send(head(&session.id, "Content-Length: 1000000\r\n").as_bytes());
            conn.trickle(&part);
            conn
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let refused = open.iter_mut().filter_map(|conn| {
        conn.patience(Duration::from_millis(50));
        conn.try_head().ok()
    });
    let refused: Vec<_> = refused.collect();
    assert!(refused.iter().all(|head| head.status == 503), "{refused:?}");
    assert!(refused.iter().all(|head| head.field("retry-after").is_some()), "{refused:?}");
    assert!((13..=17).contains(&refused.len()), "{} refused", refused.len());
    assert_eq!(session.ask(PING).head.status, 200);
    drop(open);
    let start = Instant::now();
    let body =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"{}}}", " ".repeat(900_000));
    while session.ask(&body).head.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(5), "the memory is not given back");
    }
}

#[test]
fn addresses_are_found_before_it_listens() {
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        let proxy = Proxy::start(&["-H", host], &[CHILD]);
        let has_warning = proxy.log().contains("no authentication");
        assert_eq!(has_warning, host == "0.0.0.0", "{}", proxy.log());
        assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    }
    let mut wrong = crate::support::proxy::program(&["-H", "no.such.host.invalid", "--", CHILD]);
    let output = wrong.stderr(std::process::Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no.such.host.invalid"), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
}
