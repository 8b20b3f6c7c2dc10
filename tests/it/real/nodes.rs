//! Nodes with names behind a real HAProxy that remembers nothing: what a node has given out leads
//! back to it. Where HAProxy is not installed, there is nothing to be shown.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Conn, PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, QUIET, initialize};
use crate::support::process::until;
use crate::support::proxy::{Proxy, program};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn haproxy() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("haproxy")).find(|file| file.is_file())
}

/// A front with the backends that are shipped, before these nodes.
struct Front {
    process: Child,
    addr: SocketAddr,
    file: PathBuf,
}

impl Front {
    fn start(program: &Path, nodes: &[Proxy]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/haproxy/by-name.cfg");
        let mut backends = fs::read_to_string(shipped).unwrap();
        for (node, number) in nodes.iter().zip(1..) {
            backends = backends.replace(&format!("10.0.0.{number}:8080"), &node.addr.to_string());
        }
        assert!(!backends.contains("10.0.0."), "{backends}");
        let text = format!(
            "defaults\n  mode http\n  timeout connect 2s\n  timeout client 1m\n  timeout server 1m\n\
             frontend mcp\n  bind {free}\n  use_backend stateless if {{ req.hdr(Mcp-Method) -m found }}\n  \
             default_backend sessions\n{backends}"
        );
        let file =
            std::env::temp_dir().join(format!("hmp-{}-{}.cfg", std::process::id(), free.port()));
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command.args(["-db", "-f"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let front = Self { process, addr: free, file };
        until("HAProxy listens", PATIENCE, || std::net::TcpStream::connect(free).is_ok());
        front
    }

    fn post(&self, fields: &[(&str, &str)], body: &str) -> Reply {
        let mut conn = Conn::open(self.addr);
        conn.request("POST /mcp", &[&[BOTH, JSON], fields].concat(), body.as_bytes());
        conn.reply()
    }

    /// A tool of the demonstration server, called in the way of 2026-07-28.
    fn call(&self, id: u32, more: &Value) -> Value {
        let mut params = json!({"name": "ask", "arguments": {"question": "who?"}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let fields = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "ask"),
        ];
        let reply = self.post(&fields, &body.to_string());
        assert_eq!(reply.status(), 200, "{reply:?}");
        reply.json()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.file);
    }
}

fn node(name: &str) -> Proxy {
    Proxy::run(program(&["--port", "0", "--demo", "--eras", "both", "--node", name]))
}

/// The name of the node that gave this out.
fn giver(id: &str) -> &str {
    let (name, rest) = id.rsplit_once('-').expect("a name and an id");
    assert_eq!(rest.len(), 32);
    name
}

#[test]
fn what_a_node_gave_leads_back_to_it() {
    let Some(haproxy) = haproxy() else { return eprintln!("skipped: HAProxy is not installed") };
    let nodes = NAMES.map(node);
    let front = Front::start(&haproxy, &nodes);
    let sessions: Vec<String> = (0..6)
        .map(|_| {
            let opened = front.post(&[], &initialize(QUIET));
            assert_eq!(opened.status(), 200, "{opened:?}");
            opened.head.field("mcp-session-id").unwrap().to_owned()
        })
        .collect();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for _ in 0..2 {
        for id in &sessions {
            assert_eq!(front.post(&[("Mcp-Session-Id", id)], ping).status(), 200, "{id}");
        }
    }
    // All of them were used, so a front that guesses would have guessed wrong.
    let used = NAMES.map(|name| sessions.iter().filter(|id| giver(id) == name).count());
    assert!(used.iter().all(|count| *count > 0), "{used:?}");
    // A parked call's retry is a request like any other but for its content.
    let parked: Vec<Value> = (0..6).map(|n| front.call(n, &json!({}))).collect();
    for asked in parked.iter().rev() {
        let state = asked["result"]["requestState"].as_str().expect("it waits for input");
        assert!(NAMES.contains(&giver(state)));
        let answer = json!({"action": "accept", "content": {"answer": "me"}});
        let more = json!({"requestState": state, "inputResponses": {"input-1": answer}});
        let told = front.call(9, &more);
        assert!(told["result"]["content"].is_array(), "{told}");
    }
    // Another front knows as much as the first.
    drop(front);
    let front = Front::start(&haproxy, &nodes);
    for id in &sessions {
        assert_eq!(front.post(&[("Mcp-Session-Id", id)], ping).status(), 200, "{id}");
    }
    // A node that is gone takes its sessions with it and no other.
    let [gone, ..] = nodes;
    drop(gone);
    std::thread::sleep(Duration::from_millis(50));
    for id in &sessions {
        let wanted = if giver(id) == "a" { 404 } else { 200 };
        assert_eq!(front.post(&[("Mcp-Session-Id", id)], ping).status(), wanted, "{id}");
    }
}
