//! What is refused, with which status, and that a refused request reaches and starts nothing.

use serde_json::json;

use crate::support::http::Reply;
use crate::support::mcp::{BOTH, JSON, QUIET, Session, initialize};
use crate::support::proxy::{CHILD, Proxy};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// An error body that says what was wrong, with a code that is not reserved for others.
#[track_caller]
pub(super) fn is_error(reply: &Reply, status: u16) {
    assert_eq!(reply.status(), status, "{reply:?}");
    assert_eq!(reply.head.field("content-type"), Some("application/json"));
    let body = reply.json();
    assert_eq!(body["jsonrpc"], "2.0");
    let code = body["error"]["code"].as_i64().unwrap();
    assert!(!(-32019..=-32000).contains(&code), "{body}");
    assert!(body["error"]["message"].as_str().unwrap().len() > 10, "{body}");
}

#[test]
fn sessions_are_asked_for_and_known() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    assert!(session.id.len() >= 22 && session.id.bytes().all(|byte| byte.is_ascii_graphic()));
    for line in ["POST /mcp", "GET /mcp", "DELETE /mcp"] {
        let body = if line.starts_with('P') { PING } else { "" };
        // The stateless era has no GET and no DELETE.
        let status = if body.is_empty() { 405 } else { 400 };
        is_error(&proxy.exchange(line, &[BOTH, JSON], body), status);
        for id in ["x", "0", &session.id[1..], &session.id.to_uppercase().replace('A', "B")] {
            let fields = [BOTH, JSON, ("Mcp-Session-Id", id)];
            is_error(&proxy.exchange(line, &fields, body), 404);
        }
    }
    let twice = [BOTH, JSON, ("Mcp-Session-Id", &*session.id), ("mcp-session-id", "x")];
    is_error(&proxy.exchange("POST /mcp", &twice, PING), 400);
    is_error(&session.post(&initialize(QUIET)).reply(), 400);
    for _ in 0..3 {
        assert_eq!(session.ask(PING).last()["id"], 1);
    }
}

#[test]
fn versions_are_known() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
    for (version, status) in
        known.map(|version| (version, 200)).into_iter().chain([("1999-01-01", 400), ("x", 400)])
    {
        let fields =
            [BOTH, JSON, ("Mcp-Session-Id", &*session.id), ("MCP-Protocol-Version", version)];
        let reply = proxy.exchange("POST /mcp", &fields, PING);
        if status == 400 {
            is_error(&reply, status);
        } else {
            assert_eq!(reply.status(), status, "{version} {reply:?}");
        }
    }
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, ("Mcp-Session-Id", &*session.id)], PING);
    assert_eq!(reply.status(), 200, "the header may be absent");
}

#[test]
fn only_messages_are_passed_on() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    for body in [
        "{",
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"bad\"}",
        r#"{"jsonrpc":"2.0","id":1,"method":"bad"} x"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad"}{"jsonrpc":"2.0","id":2,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad","method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad","\u006dethod":"bad"}"#,
        // What some servers read as the same name.
        r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad","Method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad","method\u0000":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"bad","param\u017f":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":[],"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7,"x":"bad"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"bad"}"#,
        r#"{"id":1,"method":"bad"}"#,
        r#"{"jsonrpc":"2.0","bad":1}"#,
        r#""bad""#,
        "null",
        "[]",
        "7",
        "   ",
    ] {
        is_error(&session.post(body).reply(), 400);
    }
    is_error(&session.send("POST /mcp", &[BOTH, JSON], "").reply(), 400);
    assert!(!session.seen().iter().any(|line| line.contains("bad")), "{:?}", session.seen());
}

#[test]
fn notifications_and_answers_are_accepted_with_nothing() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let messages = [
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/of/our/own","params":{"a":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
        r#"{"jsonrpc":"2.0","id":"never-asked","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"never-asked","error":{"code":-1,"message":"no"}}"#,
    ];
    for message in messages {
        session.tell(message);
    }
    assert!(session.seen().iter().any(|line| line == messages[1]), "{:?}", session.seen());
}

#[test]
fn methods_paths_and_types() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    for method in ["X", "GETS"] {
        is_error(&session.send(&format!("{method} /mcp"), &[], "").reply(), 501);
    }
    for method in ["PUT", "PATCH", "TRACE"] {
        let reply = session.send(&format!("{method} /mcp"), &[], "").reply();
        is_error(&reply, 405);
        let allow = reply.head.field("allow").unwrap();
        assert!(["GET", "POST", "DELETE"].iter().all(|name| allow.contains(name)), "{allow}");
    }
    for path in ["/", "/mcp/x", "/MCP", "/%6dcp", "//mcp"] {
        is_error(&session.send(&format!("POST {path}"), &[BOTH, JSON], PING).reply(), 404);
    }
    assert_eq!(session.send("POST /mcp?x=y", &[BOTH, JSON], PING).reply().status(), 200);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let fields = [BOTH, ("Content-Type", kind)];
        is_error(&session.send("POST /mcp", &fields, PING).reply(), 415);
    }
    is_error(&session.send("POST /mcp", &[BOTH], PING).reply(), 415);
    let with_charset = ("Content-Type", "Application/JSON; charset=utf-8");
    assert_eq!(session.send("POST /mcp", &[BOTH, with_charset], PING).reply().status(), 200);
    is_error(&session.send("GET /mcp", &[("Accept", "application/json")], "").reply(), 406);
    is_error(&session.send("POST /mcp", &[("Accept", "text/html"), JSON], PING).reply(), 406);
}

#[test]
fn strangers_start_nothing() {
    let proxy = Proxy::child(&[]);
    let port = proxy.addr.port();
    let body = initialize(QUIET);
    for origin in [
        "http://evil.test",
        "null",
        "http://localhost.evil.test",
        "http://localhost@evil.test",
        "http://127.0.0.1.evil.test",
        "file://",
        "",
    ] {
        is_error(&proxy.exchange("POST /mcp", &[BOTH, JSON, ("Origin", origin)], &body), 403);
    }
    for host in ["evil.test", "evil.test:80", "localhost.evil.test", "127.0.0.1.evil.test", "[::2]"]
    {
        let mut conn = proxy.connect();
        let length = body.len();
        conn.send(
            format!(
                "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        is_error(&conn.reply(), 403);
    }
    assert_eq!(proxy.children().len(), 0);
    assert!(!proxy.log().contains("opened"), "{}", proxy.log());
    let own = format!("http://localhost:{port}");
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, ("Origin", &own)], &body);
    assert_eq!(reply.status(), 200, "{reply:?}");
}

#[test]
fn allowed_origins_and_hosts_are_let_in() {
    let flags =
        ["--allow-origin", "https://app.test", "--allow-host", "mcp.test", "--endpoint", "/x/y"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let body = initialize(QUIET);
    let fields = [BOTH, JSON, ("Origin", "https://app.test")];
    let reply = proxy.exchange("POST /x/y", &fields, &body);
    assert_eq!(reply.status(), 200, "{reply:?}");
    assert_eq!(reply.head.field("access-control-allow-origin"), Some("https://app.test"));
    let exposed = reply.head.field("access-control-expose-headers").unwrap();
    assert!(exposed.to_lowercase().contains("mcp-session-id"), "{exposed}");
    let vary = reply.head.field("vary").unwrap();
    assert!(vary.to_lowercase().contains("origin"), "{vary}");
    let mut conn = proxy.connect();
    conn.send(b"GET /x/y HTTP/1.1\r\nHost: mcp.test:80\r\nAccept: text/event-stream\r\n\r\n");
    is_error(&conn.reply(), 405);
    is_error(&proxy.exchange("POST /mcp", &[BOTH, JSON], &body), 404);
}

#[test]
fn browsers_are_told_what_they_may() {
    let proxy = Proxy::child(&[]);
    let ask = |origin: &str| {
        let fields = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "DELETE"),
            ("Access-Control-Request-Headers", "mcp-session-id"),
        ];
        proxy.exchange("OPTIONS /mcp", &fields, "")
    };
    let reply = ask("http://localhost:5173");
    assert!(reply.status() == 200 || reply.status() == 204, "{reply:?}");
    assert_eq!(reply.head.field("access-control-allow-origin"), Some("http://localhost:5173"));
    let methods = reply.head.field("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "DELETE"].iter().all(|name| methods.contains(name)), "{methods}");
    let names = reply.head.field("access-control-allow-headers").unwrap().to_lowercase();
    for name in [
        "content-type",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "last-event-id",
    ] {
        assert!(names.contains(name), "{names}");
    }
    let refused = ask("http://evil.test");
    is_error(&refused, 403);
    assert_eq!(refused.head.field("access-control-allow-origin"), None);
    let plain = proxy.exchange("OPTIONS /mcp", &[], "");
    assert!(plain.status() < 300, "{plain:?}");
    assert_eq!(plain.head.field("access-control-allow-origin"), None);
}

#[test]
fn the_cap_on_sessions_holds() {
    let proxy = Proxy::start(&["--max-sessions", "2"], &[CHILD]);
    let first = Session::open(&proxy);
    let second = Session::open(&proxy);
    for _ in 0..5 {
        let refused = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
        is_error(&refused, 503);
        assert!(refused.head.field("retry-after").is_some());
    }
    assert_eq!(proxy.children().len(), 2);
    assert_eq!(second.script("1", json!([{"answer": "a"}])).text(), "a");
    assert!(first.delete().status() < 300);
    proxy.logged(&[" exited"]);
    drop(Session::open(&proxy));
}

#[test]
fn a_flood_of_initialize_starts_no_more_than_the_cap() {
    let proxy = Proxy::start(&["--max-sessions", "4"], &[CHILD]);
    let conns: Vec<_> = (0..40)
        .map(|_| {
            let mut conn = proxy.connect();
            conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
            conn
        })
        .collect();
    let statuses: Vec<_> = conns.into_iter().map(|mut conn| conn.reply().status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 36, "{statuses:?}");
    assert_eq!(proxy.children().len(), 4);
}

#[test]
fn health_is_told_to_anyone() {
    let proxy = Proxy::child(&[]);
    let mut conn = proxy.connect();
    for _ in 0..2 {
        conn.send(b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\nOrigin: http://evil.test\r\n\r\n");
        let reply = conn.reply();
        assert_eq!(reply.status(), 200, "{reply:?}");
        assert!(reply.json().is_object());
        assert_eq!(reply.body.trim_end().lines().count(), 1);
    }
    let other = Proxy::start(&["--health", "/up"], &[CHILD]);
    assert_eq!(other.exchange("GET /up", &[], "").status(), 200);
    is_error(&other.exchange("GET /healthz", &[], ""), 404);
}

#[test]
fn a_repeated_field_of_the_protocol_is_refused_under_the_requests_id() {
    let proxy = Proxy::child(&[]);
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":"i","method":"tools/call","params":{"name":"t","_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}}}"#
    );
    let told =
        [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "t")];
    for again in told {
        let fields = [&[BOTH, JSON], &told[..], &[again]].concat();
        let reply = proxy.exchange("POST /mcp", &fields, body);
        is_error(&reply, 400);
        let body = reply.json();
        assert_eq!((&body["id"], &body["error"]["code"]), (&json!("i"), &json!(-32020)), "{body}");
    }
}
