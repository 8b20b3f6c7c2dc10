//! Clients of 2026-07-28 whose requests share processes: what one of them is asked, reports, logs
//! and keeps reaches no other, whatever the server does and whatever names they choose.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Conn;
use crate::support::mcp::{Answer, BOTH, JSON, MODERN, notification, notify, report};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy};

const VERSION: &str = "2026-07-28";
/// One client, by what its requests say.
#[derive(Clone, Debug)]
struct Client<'a> {
    proxy: &'a Proxy,
    capabilities: Value,
    /// What the operator's flag tells it apart by.
    name: Option<&'a str>,
    /// Its progress token as it spells it.
    token: Option<&'a str>,
    logs: bool,
}

impl<'a> Client<'a> {
    fn new(proxy: &'a Proxy, capabilities: &[&str]) -> Self {
        let declared = capabilities.iter().map(|name| (String::from(*name), json!({})));
        let capabilities = Value::Object(declared.collect());
        Self { proxy, capabilities, name: None, token: None, logs: false }
    }

    /// Sends a call of a tool; `more` are further members of its params.
    fn send(&self, tool: &str, steps: &Value, more: &Value) -> Conn {
        let mut meta = json!({"io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": self.capabilities});
        if self.logs {
            meta["io.modelcontextprotocol/logLevel"] = json!("debug");
        }
        if self.token.is_some() {
            meta["progressToken"] = json!("$TOKEN$");
        }
        let mut params = json!({"name": tool, "arguments": {"steps": steps}, "_meta": meta});
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let body = body.to_string().replace("\"$TOKEN$\"", self.token.unwrap_or_default());
        let mut fields = vec![
            BOTH,
            JSON,
            ("MCP-Protocol-Version", VERSION),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", tool),
        ];
        fields.extend(self.name.map(|name| ("X-Client", name)));
        let mut conn = self.proxy.connect();
        conn.request("POST /mcp", &fields, body.as_bytes());
        conn
    }

    fn script(&self, steps: &Value) -> Conn {
        self.send("script", steps, &json!({}))
    }

    fn run(&self, steps: &Value) -> Answer {
        Answer::read(self.script(steps))
    }

    /// Answers what the result of the same call asks.
    fn come_back(&self, asked: &Answer, steps: &Value, response: &Value) -> Answer {
        let result = &asked.last()["result"];
        assert_eq!(result["resultType"], "input_required", "{asked:?}");
        let requests = result["inputRequests"].as_object().unwrap();
        let responses = requests.keys().map(|key| (key.clone(), response.clone()));
        let more = json!({"inputResponses": Value::Object(responses.collect()),
            "requestState": result["requestState"]});
        Answer::read(self.send("script", steps, &more))
    }

    /// The process that serves a call now.
    fn pid(&self) -> String {
        Answer::read(self.send("pid", &json!([]), &json!({}))).text()
    }
}

fn question(id: &str, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"message": "password?"}})
        .to_string()
}

fn crossing(flags: &[&str]) -> Proxy {
    Proxy::start(&[&["--eras", "both"], flags].concat(), &[CHILD])
}

#[test]
fn a_question_of_a_call_that_was_given_up_is_nobody_elses() {
    let proxy = crossing(&[]);
    let client = Client::new(&proxy, &["elicitation"]);
    let late = question("late", "elicitation/create");
    let left = client.script(&json!([{"sleep": 600}, {"write": late + "\n"}, {"sleep": 60_000}]));
    until("the call runs", Duration::from_secs(10), || !proxy.children().is_empty());
    std::thread::sleep(Duration::from_millis(200));
    drop(left);
    std::thread::sleep(Duration::from_millis(100));
    let answer = client.run(&json!([{"sleep": 1000}, {"answer": "mine"}]));
    assert_eq!((answer.messages.len(), &*answer.text()), (1, "mine"), "{answer:?}");
}

#[test]
fn a_server_that_asks_after_its_answer_has_a_process_for_each_call() {
    let proxy = crossing(&[]);
    let client = Client::new(&proxy, &["elicitation"]);
    let first = client.pid();
    assert_eq!(client.pid(), first, "calls one after the other share a process");
    let late = question("late", "elicitation/create");
    client.run(&json!([{"answer": "done"}, {"write": late + "\n"}]));
    until("what asked is gone", Duration::from_secs(10), || {
        !proxy.children().iter().any(|pid| pid.to_string() == first)
    });
    let pids = [client.pid(), client.pid(), client.pid()];
    assert!(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2], "{pids:?}");
    // Who can't be asked shares as before.
    let mute = Client::new(&proxy, &[]);
    assert_eq!(mute.pid(), mute.pid());
}

#[test]
fn the_roots_of_one_client_are_not_anothers() {
    let proxy = crossing(&[]);
    let client = Client::new(&proxy, &["roots"]);
    let steps = json!([{"ask": question("r", "roots/list")}, {"answer": "$ANSWER"}]);
    for name in ["alice", "bob"] {
        let asked = client.run(&steps);
        let roots = json!({"roots": [{"uri": format!("file:///{name}")}]});
        let answer = client.come_back(&asked, &steps, &roots).text();
        assert!(answer.contains(&format!("file:///{name}")), "{name}: {answer}");
        let seen = Answer::read(client.send("seen", &json!([]), &json!({}))).text();
        assert!(!seen.contains("file:///"), "{name}: {seen}");
    }
}

#[test]
fn the_state_of_a_named_client_is_its_own() {
    let proxy = crossing(&["--affinity", "X-Client"]);
    let named = |name| Client { name, ..Client::new(&proxy, &["elicitation", "roots"]) };
    let [alice, bob, nobody] = [Some("alice"), Some("bob"), None].map(named);
    let pids = [alice.pid(), bob.pid(), nobody.pid()];
    assert!(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2], "{pids:?}");
    // Also of calls at the same time.
    let slow = json!([{"sleep": 300}, {"answer": "slow"}]);
    let running = [alice.script(&slow), alice.script(&slow)];
    assert_eq!([alice.pid(), alice.pid()], [pids[0].clone(), pids[0].clone()]);
    assert!(running.into_iter().all(|conn| Answer::read(conn).text() == "slow"));
}

#[test]
fn a_question_in_one_write_with_its_calls_answer_is_answered() {
    let proxy = crossing(&["--affinity", "X-Client"]);
    let client =
        Client { name: Some("alice"), ..Client::new(&proxy, &["elicitation", "sampling"]) };
    let answer =
        r#"{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"right"}]}}"#;
    let [before, after] = ["before", "after"].map(|id| question(id, "sampling/createMessage"));
    let steps = json!([{"write": format!("{before}\n{answer}\n{after}\n")}]);
    let asked = client.run(&steps);
    assert_eq!(client.come_back(&asked, &steps, &json!({"role": "user"})).text(), "right");
    let seen = Answer::read(client.send("seen", &json!([]), &json!({}))).text();
    let seen: Vec<String> = serde_json::from_str(&seen).unwrap();
    for id in ["before", "after"] {
        let responds = |line: &&String| {
            let message: Value = serde_json::from_str(line).unwrap();
            message["id"] == id && message["error"].is_object()
        };
        assert_eq!(seen.iter().filter(responds).count(), 1, "{id}: {seen:?}");
    }
}

/// In front of servers of each era, whose processes all share that can't be asked.
fn shared() -> [Proxy; 2] {
    [crossing(&[]), Proxy::start(&[], &[CHILD, "--discover", MODERN])]
}

#[test]
fn progress_reaches_its_own_call_whatever_tokens_are_made_of() {
    let long = format!("3.{}", "0".repeat(4000));
    let tokens =
        ["3", "\"3\"", "3.0", "3e0", "30e-1", "\"a\"", "\"\"", "-0", "\"\\u0033\"", &*long];
    for proxy in shared() {
        let client = Client::new(&proxy, &[]);
        let with = |token| Client { token: Some(token), ..client.clone() };
        let first = client.pid();
        // All at once, each token twice.
        let steps = json!([{"sleep": 300}, report(1), {"sleep": 100}, report(2), {"answer": "x"}]);
        let running: Vec<_> =
            tokens.iter().chain(&tokens).map(|token| (token, with(token).script(&steps))).collect();
        for (token, conn) in running {
            let answer = Answer::read(conn);
            assert_eq!((answer.messages.len(), &*answer.text()), (3, "x"), "{answer:?}");
            for (n, message) in answer.messages[..2].iter().enumerate() {
                let own = format!("\"progressToken\":{token},\"progress\":{}", n + 1);
                assert!(message.contains(&own), "{token}: {message}");
            }
        }
        // What can't be told from another's is refused.
        let longer = format!("3.{}", "0".repeat(4100));
        for token in [&*longer, "[3]", "{\"x\":3}", "true"] {
            let answer = with(token).run(&json!([report(1), {"answer": "x"}]));
            assert_eq!(answer.head.status, 400, "{token}: {answer:?}");
        }
        assert_eq!(client.pid(), first, "one process served all");
    }
}

#[test]
fn what_comes_after_a_calls_answer_reaches_nobody() {
    let log = json!({"level": "error", "data": "of bob"});
    let late = json!([
        {"answer": "bob"}, {"sleep": 300}, notify("message", &log), report(1), {"reply": "$ID"},
        {"write": notification("x/y", &json!({"of": "bob"})) + "\n"},
    ]);
    for proxy in shared() {
        let client = Client { logs: true, ..Client::new(&proxy, &[]) };
        let [bob, alice] =
            ["\"t\"", "\"t\""].map(|token| Client { token: Some(token), ..client.clone() });
        let pid = bob.pid();
        assert_eq!(bob.run(&late).text(), "bob");
        let answer = alice.run(&json!([{"sleep": 800}, {"answer": "alice"}]));
        assert_eq!((answer.messages.len(), &*answer.text()), (1, "alice"), "{answer:?}");
        assert_eq!(alice.pid(), pid, "one process served both");
    }
}
