//! The transport HTTP+SSE of 2024-11-05: one stream, and messages that are posted beside it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::several::Config;
use crate::support::http::{Events, PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, Session, call, initialize, notification, report, script};
use crate::support::process;
use crate::support::proxy::{CHILD, Proxy};

const EVENTS: (&str, &str) = ("Accept", "text/event-stream");
const OLDEST: &str = "2024-11-05";
/// Messages that take more than the system's buffers hold.
const MANY: u64 = 40_000;

/// A client, with its stream and the address that it was told.
pub(super) struct Client<'a> {
    proxy: &'a Proxy,
    events: Events,
    pub(super) address: String,
}

impl<'a> Client<'a> {
    /// Opens the stream.
    fn connect(proxy: &'a Proxy, path: &str) -> Self {
        let mut conn = proxy.connect();
        conn.request(&format!("GET {path}"), &[EVENTS], b"");
        let mut events = Events::read(conn);
        let first = events.next().expect("the first event");
        assert_eq!(first.kind.as_deref(), Some("endpoint"));
        let address = first.data.expect("an address");
        assert!(address.starts_with(&format!("{path}?sessionId=")), "{address}");
        Self { proxy, events, address }
    }

    /// Opens the stream and a session.
    pub(super) fn open(proxy: &'a Proxy, path: &str) -> Self {
        let mut client = Self::connect(proxy, path);
        client.tell(&initialize(OLDEST));
        assert_eq!(client.events.message()["result"]["protocolVersion"], OLDEST);
        client.tell(&notification("initialized", &json!({})));
        client
    }

    fn post(&self, body: &str) -> Reply {
        self.proxy.exchange(&format!("POST {}", self.address), &[JSON], body)
    }

    #[track_caller]
    fn tell(&self, body: &str) {
        let reply = self.post(body);
        assert_eq!((reply.status(), &*reply.body), (202, ""), "{reply:?}");
    }

    pub(super) fn pid(&mut self) -> u32 {
        self.tell(&call("\"pid\"", "", "pid", &json!({})));
        text(&self.events.message()).parse().unwrap()
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn an_oldest_client_is_served_and_its_process_ends_with_its_stream() {
    let proxy = Proxy::child(&[]);
    let silent = Client::connect(&proxy, "/sse");
    assert!(proxy.children().is_empty(), "a stream alone starts nothing");
    let mut client = Client::open(&proxy, "/sse");
    let question = r#"{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}}"#;
    let steps = json!([report(1), {"ask": question}, {"answer": "$ANSWER"}]);
    client.tell(&script("7", "\"token\"", &steps));
    let progress = client.events.message();
    assert_eq!(progress["params"], json!({"progressToken": "token", "progress": 1}));
    assert_eq!(client.events.message()["method"], "sampling/createMessage");
    client.tell(r#"{"jsonrpc":"2.0","id":"q","result":{"role":"assistant"}}"#);
    let answer = client.events.message();
    assert_eq!(answer["id"], 7);
    assert!(text(&answer).contains(r#""result":{"role":"assistant"}"#), "{answer}");
    let pid = client.pid();
    assert_eq!(proxy.children(), [pid]);
    client.tell(&script("8", "", &json!([{"stderr": "at work\n"}, {"sleep": 60_000}])));
    proxy.logged(&["at work"]);
    let Client { events, address, .. } = client;
    drop(events);
    proxy.logged(&["session", "ended: client left"]);
    assert_eq!(proxy.exchange(&format!("POST {address}"), &[JSON], "{}").status(), 400);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(proxy.exchange(&format!("POST {address}"), &[JSON], ping).status(), 404);
    assert_eq!(silent.post(ping).status(), 400);
    process::until("the end of its process", PATIENCE, || proxy.children().is_empty());
}

#[test]
fn each_oldest_client_has_its_own_process_and_sees_nothing_of_another() {
    let proxy = Proxy::child(&[]);
    let (mut ada, mut bob) = (Client::open(&proxy, "/sse"), Client::open(&proxy, "/sse"));
    let modern = Session::open(&proxy);
    let pids = [ada.pid(), bob.pid(), modern.pid()];
    assert!(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2], "{pids:?}");
    ada.tell(&script("1", "", &json!([{"answer": "ada's"}])));
    assert_eq!(text(&ada.events.message()), "ada's");
    bob.events.is_silent(Duration::from_millis(100));
    // A session is of its transport.
    let id = ada.address.split_once('=').unwrap().1;
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, ("Mcp-Session-Id", id)], "{}");
    assert_eq!(reply.status(), 400);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON, ("Mcp-Session-Id", id)], ping);
    assert_eq!(reply.status(), 404);
    let address = format!("POST /sse?sessionId={}", modern.id);
    assert_eq!(proxy.exchange(&address, &[JSON], ping).status(), 404);
}

#[test]
fn a_client_that_asks_for_the_transport_finds_it_at_one_address() {
    let proxy = Proxy::child(&[]);
    let body = initialize(OLDEST);
    for path in ["/sse", "/sse?sessionId=", "/sse?x=y"] {
        let reply = proxy.exchange(&format!("POST {path}"), &[BOTH, JSON], &body);
        assert_eq!(reply.status(), 405, "{path}");
        assert_eq!(reply.head.field("allow"), Some("GET, OPTIONS"));
    }
    let mut client = Client::open(&proxy, "/sse");
    assert!(client.pid() > 0);
    // A reader that connects again by itself.
    let again = [EVENTS, ("Last-Event-ID", "0")];
    assert_eq!(proxy.exchange("GET /sse", &again, "").status(), 204);
    // Clients of Streamable HTTP ask so whether there is a stream.
    assert_eq!(proxy.exchange("GET /mcp", &[EVENTS], "").status(), 405);
    let off = Proxy::start(&["--sse-endpoint", "off"], &[CHILD]);
    assert_eq!(off.exchange("GET /sse", &[EVENTS], "").status(), 404);
}

#[test]
fn each_server_of_a_file_has_it_and_the_logs_have_no_id() {
    let config = Config::new("oldest", &json!({"mcpServers": {"one": {"command": CHILD}}}));
    let mut proxy = config.start(&["--access-log"]);
    let mut client = Client::open(&proxy, "/one/sse");
    let pid = client.pid();
    process::signal(pid, Signal::KILL);
    assert_eq!(client.events.next(), None, "the stream ends with the process");
    let address = client.address;
    drop(client.events);
    proxy.signal(Signal::TERM);
    assert!(proxy.ended(PATIENCE).success());
    let line = proxy.logged(&["POST /one/sse 202", "method=tools/call", "server=one"]);
    assert!(line.contains("session="), "{line}");
    let line = proxy.logged(&["GET /one/sse 200", "server=one"]);
    assert!(line.contains("session="), "{line}");
    let id = address.split_once('=').unwrap().1;
    assert!(!proxy.log().contains(id), "{}", proxy.log());
}

#[test]
fn an_oldest_client_that_reads_nothing_stops_its_server_and_no_other() {
    let proxy = Proxy::start(&["--max-memory", "64M"], &[CHILD]);
    let mut slow = Client::open(&proxy, "/sse");
    let writer = slow.pid();
    let before = process::memory(proxy.pid(), "VmHWM:");
    let line = notification("message", &json!({"data": "x".repeat(500)})) + "\n";
    let flood = json!([{"stderr": "begins\n"}, {"repeat": [MANY, line]},
        {"stderr": "is through\n"}, {"answer": "done"}]);
    slow.tell(&script("1", "", &flood));
    proxy.logged(&["begins"]);
    let (mut worked, mut rests) = (0.0, 0);
    process::until("the server waits for its reader", PATIENCE, || {
        let works = process::busy(writer);
        rests = if works > worked { 0 } else { rests + 1 };
        worked = works;
        rests > 20
    });
    let mut other = Client::open(&proxy, "/sse");
    assert!(other.pid() > 0);
    assert!(!proxy.log().contains("is through"), "what is unread is bounded");
    let held = process::memory(proxy.pid(), "VmHWM:") - before;
    assert!(held < 8 << 10, "{held} KiB");
    // It reads on, and nothing is missing.
    for _ in 0..MANY {
        assert_eq!(slow.events.message()["method"], "notifications/message");
    }
    assert_eq!(text(&slow.events.message()), "done");
}

#[test]
fn at_shutdown_the_call_is_answered_and_the_stream_ends() {
    let mut proxy = Proxy::child(&[]);
    let mut client = Client::open(&proxy, "/sse");
    let mut idle = Client::connect(&proxy, "/sse");
    client.tell(&script(
        "1",
        "",
        &json!([{"stderr": "at work\n"}, {"sleep": 500}, {"answer": "done"}]),
    ));
    proxy.logged(&["at work"]);
    proxy.signal(Signal::TERM);
    proxy.logged(&["draining"]);
    assert_eq!(idle.events.next(), None);
    assert_eq!(text(&client.events.message()), "done");
    assert_eq!(client.events.next(), None);
    drop((client.events, idle.events));
    assert!(proxy.ended(PATIENCE).success());
}
