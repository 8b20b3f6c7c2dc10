//! The gate's table of raw requests, over real sockets: what is refused gets its status and the
//! end, and no byte after it is served as another request.

use crate::support::http::Conn;
use crate::support::proxy::{CHILD, Proxy};

/// The table alone: the gate itself is in the program.
#[path = "../../../gate/tests/it/vectors.rs"]
pub(super) mod list;

/// Sends what a vector says, and a good request after what must be refused.
fn replay(proxy: &Proxy, bytes: &[u8], refused: bool) -> Conn {
    let mut conn = proxy.connect();
    // Past the rules of the endpoint, so that it is the framing that is judged.
    let mut wire = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        wire.extend_from_slice(line);
        if line == b"Host: h\r\n" && !has_no_room(bytes) {
            wire.extend_from_slice(b"Content-Type: application/json\r\n");
        }
    }
    if refused {
        wire.extend_from_slice(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    // A peer that refuses may close before it has read all.
    conn.trickle(&wire);
    conn
}

/// As many fields as there may be.
fn has_no_room(bytes: &[u8]) -> bool {
    bytes.iter().filter(|byte| **byte == b'\n').count() > 60
}

#[test]
fn what_the_gate_refuses_gets_its_status_and_the_end_and_nothing_after_it_is_served() {
    let flags = ["--max-message", "1000", "--endpoint", "/", "--allow-host", "*"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let (mut refusals, mut others) = (0, 0);
    for vector in list::all() {
        let parts: Vec<&str> = vector.expected.split("; ").collect();
        let last = parts[parts.len() - 1];
        let text = String::from_utf8_lossy(&vector.bytes).into_owned();
        let Ok(status) = last.get(..3).unwrap_or_default().parse::<u16>() else {
            // Let in: each request has an answer.
            let mut conn = replay(&proxy, &vector.bytes, false);
            conn.half_close();
            for part in &parts[..parts.len() - 1] {
                let head = conn.try_head().unwrap_or_else(|error| panic!("{error}: {text:?}"));
                if !part.starts_with("HEAD") {
                    conn.body(&head).unwrap();
                }
            }
            assert!(conn.is_closed(), "{text:?}");
            others += 1;
            continue;
        };
        // What is cut off is so by the client's end, after which nothing can be served.
        let is_cut = last.ends_with("at the end");
        let mut conn = replay(&proxy, &vector.bytes, !is_cut);
        if is_cut {
            conn.half_close();
        }
        for _ in 1..parts.len() {
            conn.reply();
        }
        let reply = conn.try_head().unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(reply.status, status, "{text:?}");
        conn.body(&reply).unwrap();
        assert!(conn.is_closed(), "more after {status}: {text:?}");
        refusals += 1;
    }
    assert!(refusals >= 150 && others >= 60, "{refusals} refusals, {others} others");
    assert_eq!(proxy.children().len(), 0);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
}
