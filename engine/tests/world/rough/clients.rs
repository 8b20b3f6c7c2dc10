//! What clients of the rough world send.

use mcp_bridge::{Head, Input};

use super::super::dice;
use super::{Client, Rough};

const FIELD: &str = "io.modelcontextprotocol/protocolVersion";

/// The params of `initialize`, around the mark.
pub(super) const HELLO: (&str, &str) = (
    "\"params\":{\"protocolVersion\":\"2025-11-25\",\
     \"capabilities\":{\"sampling\":{}},\"clientInfo\":{\"name\":\"@c",
    "@\"}}",
);

impl Rough<'_> {
    fn request(&mut self, method: &str, fields: &[(&str, &[u8])], body: &[u8]) {
        self.request_at("/mcp", method, fields, body);
    }

    fn request_at(&mut self, path: &str, method: &str, fields: &[(&str, &[u8])], body: &[u8]) {
        let mut fields = fields.to_vec();
        if self.named {
            fields.push(("x-user", self.dice.pick(&[b"a", b"a", b"b"])));
        }
        let head = Head { method, path, authority: None, fields: &fields };
        let Ok(admitted) = self.subject.admit(&head) else { return };
        let exchange = admitted.exchange();
        self.clients.push(Client { exchange, untaken: 0, whole: false });
        self.asked += 1;
        let seed = if self.errs && self.dice.one_in(8) { 0 } else { self.asked };
        let mut random = [0; 16];
        random.copy_from_slice(&dice::case(seed, 16));
        self.tell(Input::Request { admitted, head: &head, body, random });
    }

    fn session(&mut self) -> String {
        let count = self.sessions.len();
        if count == 0 { String::new() } else { self.sessions[self.dice.below(count)].clone() }
    }

    /// A message of the session era, with its mark in the middle.
    pub(super) fn post(&mut self, method: &str, before: &str, after: &str) {
        let session = self.session();
        let body = self.message(method, before, after);
        let mut fields: Vec<(&str, &[u8])> =
            vec![("host", b"localhost"), ("content-type", b"application/json")];
        if method != "initialize" {
            fields.push(("mcp-session-id", session.as_bytes()));
        }
        self.request("POST", &fields, body.as_bytes());
    }

    fn message(&mut self, method: &str, before: &str, after: &str) -> String {
        let (mark, id) = (self.told, self.dice.below(4));
        self.told += 1;
        let pad = " ".repeat(self.dice.pick(&[0, 0, 0, 500, 5000]));
        let id = match method.starts_with("notifications/") {
            true => String::new(),
            false => format!("\"id\":{id},"),
        };
        format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":\"{method}\",{before}{mark}{after}{pad}}}")
    }

    pub(super) fn get(&mut self, method: &str) {
        let session = self.session();
        let event = format!("{}-1-1", self.dice.below(9));
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("host", b"localhost"),
            ("accept", b"text/event-stream"),
            ("mcp-session-id", session.as_bytes()),
        ];
        if self.dice.one_in(3) {
            fields.push(("last-event-id", event.as_bytes()));
        }
        self.request(method, &fields, b"");
    }

    pub(super) fn post_modern(&mut self, method: &str, params: &str) {
        let mark = self.asked;
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{{params},\
             \"x\":\"@u{mark}@\",\"_meta\":{{\"{FIELD}\":\"2026-07-28\",\
             \"io.modelcontextprotocol/clientCapabilities\":{{\"elicitation\":{{}}}}}}}}}}"
        );
        let fields: [(&str, &[u8]); 5] = [
            ("host", b"localhost"),
            ("content-type", b"application/json"),
            ("mcp-protocol-version", b"2026-07-28"),
            ("mcp-method", method.as_bytes()),
            ("mcp-name", b"t"),
        ];
        let fields = if method == "tools/call" { &fields[..] } else { &fields[..4] };
        self.request("POST", fields, body.as_bytes());
    }

    /// A client of HTTP+SSE opens its stream.
    pub(super) fn oldest(&mut self) {
        let fields: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"text/event-stream")];
        self.request_at("/sse", "GET", &fields, b"");
    }

    /// A client of HTTP+SSE posts, `initialize` first.
    pub(super) fn post_oldest(&mut self) {
        let count = self.addresses.len();
        if count == 0 {
            return self.oldest();
        }
        let place = self.dice.below(count);
        let greeted = core::mem::replace(&mut self.addresses[place].1, true);
        let body = match greeted {
            false => self.message("initialize", HELLO.0, HELLO.1),
            true => self.message(
                "tools/call",
                "\"params\":{\"name\":\"@c",
                "@\",\"_meta\":{\"progressToken\":1}}",
            ),
        };
        let fields: [(&str, &[u8]); 2] =
            [("host", b"localhost"), ("content-type", b"application/json")];
        let address = self.addresses[place].0.clone();
        self.request_at(&address, "POST", &fields, body.as_bytes());
    }
}
