//! A session of an MCP client over [`super::http`].

use serde_json::{Value, json};

use super::http::{Conn, Events, Head, PATIENCE, Reply};
use super::process::until;
use super::proxy::Proxy;

/// What clients of the session era accept.
pub(crate) const BOTH: (&str, &str) = ("Accept", "application/json, text/event-stream");
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// The revision without priming events, so that quiet calls stay JSON for long.
pub(crate) const QUIET: &str = "2025-06-18";
/// The revision with them.
pub(crate) const PRIMED: &str = "2025-11-25";

/// The answer of a server of 2026-07-28 that is asked for its era.
pub(crate) const MODERN: &str = concat!(
    r#"[{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{\"resultType\":\"complete\","#,
    r#"\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}}}}\n"}]"#
);

/// All that came for one POST: the messages as they stood on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) messages: Vec<String>,
}

impl Answer {
    pub(crate) fn read(mut conn: Conn) -> Self {
        let head = conn.try_head().expect("a response's head");
        let body = conn.body(&head).expect("a whole response");
        let messages = if head.is_stream() {
            let events = body.split("\n\n").flat_map(str::lines);
            let data = events.filter_map(|line| line.strip_prefix("data:"));
            data.map(|data| data.trim_start_matches(' '))
                .filter(|data| !data.is_empty())
                .map(String::from)
                .collect()
        } else {
            vec![body]
        };
        Self { head, messages }
    }

    /// The last message: the response.
    pub(crate) fn last(&self) -> Value {
        let last = self.messages.last().unwrap_or_else(|| panic!("no message: {self:?}"));
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of a tool's result.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        let text = self.last()["result"]["content"][0]["text"].as_str().map(String::from);
        text.unwrap_or_else(|| panic!("no text: {self:?}"))
    }
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) id: String,
    pub(crate) version: &'static str,
}

/// The body of an `initialize` with every capability.
pub(crate) fn initialize(version: &str) -> String {
    let capabilities = json!({"elicitation": {}, "roots": {}, "sampling": {}});
    json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": capabilities,
        "clientInfo": {"name": "test", "version": "1"}}})
    .to_string()
}

/// The body of a `tools/call`, its id and token spelled as given.
pub(crate) fn call(id: &str, token: &str, name: &str, arguments: &Value) -> String {
    let meta = match token {
        "" => String::new(),
        token => format!(r#","_meta":{{"progressToken":{token}}}"#),
    };
    let params = format!(r#"{{"name":"{name}","arguments":{arguments}{meta}}}"#);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{params}}}"#)
}

/// A notification.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#)
}

/// The step of a script that sends a notification.
pub(crate) fn notify(method: &str, params: &Value) -> Value {
    json!({"write": format!("{}\n", notification(method, params))})
}

/// The body of a call of the child's script.
pub(crate) fn script(id: &str, token: &str, steps: &Value) -> String {
    call(id, token, "script", &json!({"steps": steps}))
}

/// The step of a script that reports the progress of its own call.
pub(crate) fn report(n: u8) -> Value {
    let line = format!(
        concat!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","#,
            r#""params":{{"progressToken":$TOKEN,"progress":{}}}}}"#,
        ),
        n
    );
    json!({"write": line + "\n"})
}

impl<'a> Session<'a> {
    /// Opens one at the revision without priming events.
    pub(crate) fn open(proxy: &'a Proxy) -> Self {
        Self::open_at(proxy, QUIET)
    }

    pub(crate) fn open_at(proxy: &'a Proxy, version: &'static str) -> Self {
        let reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(version));
        assert_eq!(reply.status(), 200, "{reply:?}");
        let id = reply.head.field("mcp-session-id").expect("a session id").to_owned();
        let session = Self { proxy, id, version };
        session.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        session
    }

    /// Sends one request of this session on a connection of its own.
    pub(crate) fn send(&self, line: &str, fields: &[(&str, &str)], body: &str) -> Conn {
        let mut conn = self.proxy.connect();
        let own = [("Mcp-Session-Id", self.id.as_str()), ("MCP-Protocol-Version", self.version)];
        conn.request(line, &[&own, fields].concat(), body.as_bytes());
        conn
    }

    /// Sends a message and reads nothing yet.
    pub(crate) fn post(&self, body: &str) -> Conn {
        self.send("POST /mcp", &[BOTH, JSON], body)
    }

    /// Sends a request and waits until the child has read it; reads nothing of the response yet.
    /// A signal that is sent next finds the call in flight.
    #[track_caller]
    pub(crate) fn in_flight(&self, body: &str) -> Conn {
        let conn = self.post(body);
        let (_, params) = body.split_once("\"params\"").expect("a request with params");
        until("the call to reach the child", PATIENCE, || {
            self.seen().iter().any(|line| line.contains(params))
        });
        conn
    }

    /// Sends a request and reads all that comes for it.
    pub(crate) fn ask(&self, body: &str) -> Answer {
        Answer::read(self.post(body))
    }

    /// Sends a notification or a response.
    #[track_caller]
    pub(crate) fn tell(&self, body: &str) {
        let reply = self.post(body).reply();
        assert_eq!((reply.status(), reply.body.as_str()), (202, ""), "{reply:?}");
    }

    /// Calls a tool of the child.
    pub(crate) fn call(&self, id: &str, name: &str, arguments: Value) -> Answer {
        self.ask(&call(id, "", name, &arguments))
    }

    /// Has the child run a script.
    pub(crate) fn script(&self, id: &str, steps: Value) -> Answer {
        self.ask(&script(id, "", &steps))
    }

    /// The lines that the child has read.
    pub(crate) fn seen(&self) -> Vec<String> {
        let text = self.call("\"seen\"", "seen", json!({})).text();
        serde_json::from_str(&text).unwrap()
    }

    /// The child's pid.
    pub(crate) fn pid(&self) -> u32 {
        self.call("\"pid\"", "pid", json!({})).text().parse().unwrap()
    }

    /// Opens the GET stream.
    pub(crate) fn listen(&self) -> Events {
        Events::read(self.send("GET /mcp", &[("Accept", "text/event-stream")], ""))
    }

    /// Resumes a stream after this event.
    pub(crate) fn resume(&self, after: &str) -> Conn {
        let fields = [("Accept", "text/event-stream"), ("Last-Event-ID", after)];
        self.send("GET /mcp", &fields, "")
    }

    pub(crate) fn delete(&self) -> Reply {
        self.send("DELETE /mcp", &[], "").reply()
    }
}
