//! Several servers behind one engine, told anew at any time, over many seeds: whoever asks at a
//! path is answered by the server that is there, a session by the one that it was opened with, and
//! what is no more in use is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use mcp_bridge::{Body, Bridge, Config, Endpoint, Exchange, Exit, Head, Input, Instant};
use mcp_bridge::{ChildId, Output, Response, Server};
use serde_json::{Value, json};

use crate::stage::Dice;

const SEEDS: u64 = 60;
const STEPS: usize = 60;
const PATHS: [&str; 4] = ["/a/mcp", "/b/mcp", "/c/mcp", "/d/mcp"];
const JSON: (&str, &str) = ("Content-Type", "application/json");

struct Session {
    id: String,
    path: &'static str,
    server: Server,
}

struct Play {
    bridge: Bridge,
    dice: Dice,
    current: BTreeMap<&'static str, Server>,
    last_server: u32,
    /// Children that run, and whose they are.
    children: BTreeMap<ChildId, Server>,
    sessions: Vec<Session>,
    answers: BTreeMap<Exchange, Response>,
}

impl Play {
    fn tell(&mut self, input: Input<'_>) {
        let now = Instant::default();
        self.bridge.handle(input, now);
        while let Some(output) = self.bridge.poll_output() {
            match output {
                Output::Open { server, child, .. } => {
                    assert!(self.current.values().any(|current| *current == server), "{server:?}");
                    assert_eq!(self.children.insert(child, server), None);
                    self.bridge.handle(Input::Opened { child, pid: Some(1) }, now);
                }
                Output::Write { child, bytes } => {
                    self.bridge.handle(Input::StdinTaken { child, bytes: bytes.len() }, now);
                    let server = self.children[&child];
                    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                        if let Some(answer) = answer(server, line) {
                            self.bridge.handle(Input::Stdout { child, bytes: &answer }, now);
                        }
                    }
                }
                Output::CloseStdin { child } => {
                    self.children.remove(&child);
                    let exit = Exit::Code(0);
                    self.bridge.handle(Input::Exited { child, exit, stderr: b"" }, now);
                }
                Output::Respond { exchange, response } => {
                    self.bridge.handle(Input::Delivered { exchange }, now);
                    assert_eq!(self.answers.insert(exchange, response), None);
                }
                Output::Notice(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// A request and its whole answer.
    fn ask(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &Value,
    ) -> (Response, Value) {
        let fields = [&[("Host", "localhost"), JSON], fields].concat();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let head = Head { method, path, authority: None, fields: &fields };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = match self.bridge.admit(&head) {
            Err(refusal) => refusal.response,
            Ok(admitted) => {
                let exchange = admitted.exchange();
                let random = u128::from(exchange.number()).to_be_bytes();
                self.tell(Input::Request { admitted, head: &head, body: body.as_bytes(), random });
                self.answers.remove(&exchange).expect("an answer")
            }
        };
        let Body::Whole(content) = &answer.body else { panic!("a stream: {answer:?}") };
        let content = serde_json::from_slice(content).unwrap_or_default();
        (answer, content)
    }

    fn path(&mut self) -> &'static str {
        PATHS[self.dice.place(PATHS.len())]
    }

    /// The server of this path from now on: none, the same, another, or one that is at a second
    /// path by that, or moves to this one.
    fn servers(&mut self) {
        for path in PATHS {
            match self.dice.place(5) {
                0 => drop(self.current.remove(path)),
                2 => {
                    let other = self.path();
                    if let Some(server) = self.current.get(other).copied() {
                        self.current.insert(path, server);
                    }
                }
                1 => {
                    self.last_server += 1;
                    self.current.insert(path, Server(self.last_server));
                }
                _ => {}
            }
        }
        let servers = self.current.iter();
        let servers: Vec<_> = servers
            .map(|(path, server)| Endpoint { path, server: *server, ..Endpoint::default() })
            .collect();
        self.tell(Input::Servers { servers: &servers });
    }

    fn open(&mut self) {
        let path = self.path();
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}});
        let (answer, _) = self.ask("POST", path, &[], &initialize);
        let Some(server) = self.current.get(path).copied() else {
            return assert_eq!(answer.status, 404);
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.fields.iter().find(|(name, _)| *name == "mcp-session-id");
        let id = id.expect("a session's id").1.clone().into_owned();
        self.sessions.push(Session { id, path, server });
    }

    fn use_session(&mut self) {
        if self.sessions.is_empty() {
            return;
        }
        let number = self.dice.place(self.sessions.len());
        let path = self.path();
        let Session { id, path: own, server } = &self.sessions[number];
        let (id, own, server) = (id.clone(), *own, *server);
        let fields = [("Mcp-Session-Id", id.as_str())];
        if self.dice.place(4) == 0 {
            let (answer, _) = self.ask("DELETE", path, &fields, &Value::Null);
            assert_eq!(answer.status, if path == own { 200 } else { 404 });
            if path == own {
                self.sessions.swap_remove(number);
            }
            return;
        }
        let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
        let (answer, content) = self.ask("POST", path, &fields, &list);
        assert_eq!(answer.status, if path == own { 200 } else { 404 }, "{content}");
        if path == own {
            assert_eq!(content["result"]["tools"][0]["name"], server.0);
        }
    }

    /// A request of 2026-07-28.
    fn modern(&mut self) {
        let path = self.path();
        let list = json!({"jsonrpc": "2.0", "id": 8, "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}});
        let fields = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/list")];
        let (answer, content) = self.ask("POST", path, &fields, &list);
        match self.current.get(path) {
            None => assert_eq!(answer.status, 404, "{content}"),
            Some(server) => {
                assert_eq!(content["result"]["tools"][0]["name"], server.0, "{content}")
            }
        }
    }

    /// What is known is what is current or runs.
    fn check(&self) {
        let running: BTreeSet<_> = self.children.values().chain(self.current.values()).collect();
        for number in 0..=self.last_server {
            let server = Server(number);
            assert_eq!(self.bridge.serves(server), running.contains(&server), "{server:?}");
        }
        assert_eq!(self.bridge.stats().sessions, self.sessions.len());
    }
}

/// What a server says to a line: it speaks both eras, and its only tool is its number.
fn answer(server: Server, line: &[u8]) -> Option<Vec<u8>> {
    let line: Value = serde_json::from_slice(line).expect("JSON");
    let id = line.get("id")?;
    let result = match line["method"].as_str()? {
        "initialize" => json!({"protocolVersion": "2025-06-18", "capabilities": {}}),
        "server/discover" => json!({"resultType": "complete", "capabilities": {},
            "supportedVersions": ["2026-07-28"]}),
        _ => json!({"resultType": "complete", "tools": [{"name": server.0}]}),
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
    Some(format!("{answer}\n").into_bytes())
}

#[test]
fn each_path_is_answered_by_its_server_whatever_is_told() {
    for seed in 0..SEEDS {
        let config =
            Config { sessions: STEPS, prewarm: usize::from(seed % 3 == 0), ..Config::default() };
        let mut play = Play {
            bridge: Bridge::new(config).expect("a good configuration"),
            dice: Dice::new(seed),
            current: BTreeMap::new(),
            last_server: 0,
            children: BTreeMap::new(),
            sessions: Vec::new(),
            answers: BTreeMap::new(),
        };
        play.servers();
        for _ in 0..STEPS {
            match play.dice.place(8) {
                0 => play.servers(),
                1..3 => play.open(),
                3..6 => play.use_session(),
                _ => play.modern(),
            }
            play.check();
        }
        play.tell(Input::Shutdown);
        assert!(play.bridge.is_idle() && play.children.is_empty(), "seed {seed}");
    }
}
