//! What clients and servers say is in no log: all refusals and all malformed lines that there are,
//! at the level that tells everything but what servers write.

use serde_json::json;

use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, QUIET, Session, call, initialize, script};
use crate::support::proxy::{CHILD, Proxy, program};

/// Part of everything that is said.
const SECRET: &str = "hunter2";

/// One request; how it is answered does not matter.
fn ask(proxy: &Proxy, line: &str, fields: &[(&str, &str)], body: &str) {
    let mut conn = proxy.connect();
    conn.request(line, fields, body.as_bytes());
    let _ = conn.try_head();
}

/// Requests that are refused or that end badly, each with the secret wherever there is room for it.
fn refusals(proxy: &Proxy, id: &str) {
    let session = ("Mcp-Session-Id", id);
    let bodies = [
        "hunter2",
        r#"{"hunter2"}"#,
        r#"["hunter2"]"#,
        r#"{"jsonrpc":"hunter2","id":1,"method":"hunter2"}"#,
        r#"{"jsonrpc":"2.0","id":["hunter2"],"method":"hunter2"}"#,
        r#"{"jsonrpc":"2.0","id":"hunter2","method":"hunter2","method":"hunter2"}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"x":"hunter2"}}]"#,
        r#"{"jsonrpc":"2.0","id":"hunter2","result":{"x":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","id":"hunter2","method":"initialize","params":{"x":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/hunter2","params":{"x":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"hunter2","params":{"x":"hunter2"}}"#,
    ];
    let modern = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", SECRET),
        ("Mcp-Param-hunter2", SECRET),
        ("Authorization", "Bearer hunter2"),
    ];
    let heads: [&[(&str, &str)]; 6] = [
        &[BOTH, JSON],
        &[BOTH, JSON, session],
        &[BOTH, JSON, session, ("MCP-Protocol-Version", SECRET)],
        &[BOTH, JSON, ("Mcp-Session-Id", SECRET)],
        &[BOTH, JSON, modern[0], modern[1], modern[2], modern[3], modern[4]],
        &[("Accept", SECRET), ("Content-Type", SECRET), ("Cookie", SECRET)],
    ];
    for fields in heads {
        for body in bodies {
            ask(proxy, "POST /mcp", fields, body);
        }
        for line in ["GET /hunter2", "GET /mcp?hunter2", "DELETE /hunter2", "hunter2 /mcp"] {
            ask(proxy, line, fields, "");
        }
    }
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}, "hunter2": "hunter2"});
    for method in ["hunter2", "tools/call", "initialize", "prompts/get", "subscriptions/listen"] {
        for name in ["hunter2", "hunter2-too"] {
            let params = json!({"name": name, "uri": name, "requestState": name, "_meta": meta,
                "inputResponses": {"hunter2": "hunter2"}});
            let body = json!({"jsonrpc": "2.0", "id": name, "method": method, "params": params});
            let method = ("Mcp-Method", method);
            let fields = [BOTH, JSON, modern[0], method, modern[2], modern[3], modern[4]];
            ask(proxy, "POST /mcp", &fields, &body.to_string());
        }
    }
    let resume = [("Accept", "text/event-stream"), session, ("Last-Event-ID", SECRET)];
    ask(proxy, "GET /mcp", &resume, "");
    for bytes in ["hunter2\r\n\r\n", "GET /mcp HTTP/1.1\r\nhunter2 : hunter2\r\n\r\n"] {
        let mut conn = proxy.connect();
        conn.send(bytes.as_bytes());
        let _ = conn.try_head();
    }
}

/// Lines of a server that are no messages, or messages that can be given to nobody.
fn lines(session: &Session<'_>) {
    for line in [
        r#"{"jsonrpc":"2.0","id":2,"result":{"content":"hunter2"#,
        r#"{"jsonrpc":"2.0","id":$ID,"result":{"hunter2":1},"error":{"hunter2":1}}"#,
        r#"{"jsonrpc":"2.0","id":"hunter2","result":{"x":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","id":77777,"error":{"code":1,"message":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/hunter2","params":{"x":"hunter2"}}"#,
        r#"{"jsonrpc":"2.0","id":"hunter2","method":"hunter2","params":{"x":"hunter2"}}"#,
        r#"{"level":"info","id":2,"msg":"hunter2"}"#,
        "hunter2",
        "[\"hunter2\"]",
    ] {
        let steps = json!([{"write": format!("{line}\n")}, {"answer": "done"}]);
        let _ = session.post(&script("1", "\"hunter2\"", &steps)).try_head();
    }
}

#[test]
fn nothing_that_peers_say_is_in_the_log() {
    let mut program = program(&["--port", "0", "--max-message", "1M"]);
    program.env("RUST_LOG", "trace,child=debug").arg("--").arg(CHILD);
    let proxy = Proxy::run(program);
    {
        let session = Session::open(&proxy);
        refusals(&proxy, &session.id);
        lines(&session);
        let _ = session.post(&call("1", "", SECRET, &json!({"password": SECRET}))).try_head();
        assert!(session.delete().status() < 300);
    }
    for version in [SECRET, "2026-07-28"] {
        ask(&proxy, "POST /mcp", &[BOTH, JSON], &initialize(QUIET).replace(QUIET, version));
    }
    proxy.logged(&["refused 400"]);
    proxy.logged(&["wrote a line that is not an MCP message"]);
    std::thread::sleep(PATIENCE / 20);
    let log = proxy.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
