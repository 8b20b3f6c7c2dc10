//! The demo over pipes, as its client sees it.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A demo that runs on a thread of the test.
struct Demo {
    input: PipeWriter,
    output: BufReader<PipeReader>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Demo {
    fn start() -> Self {
        let (stdin, input) = pipe().unwrap();
        let (output, stdout) = pipe().unwrap();
        let server =
            thread::spawn(move || super::serve(&mut BufReader::new(stdin), Box::new(stdout)));
        let mut demo = Self { input, output: BufReader::new(output), server };
        let capabilities = json!({"elicitation": {}, "sampling": {}});
        demo.send(json!({"id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": capabilities}}));
        assert_eq!(demo.next()["result"]["protocolVersion"], "2025-06-18");
        demo
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = Value::from("2.0");
        writeln!(self.input, "{message}").unwrap();
    }

    fn call(&mut self, id: u64, name: &str, arguments: Value) {
        let params = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": id}});
        self.send(json!({"id": id, "method": "tools/call", "params": params}));
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(json!({"id": 1, "method": method, "params": params}));
        self.next()
    }
}

fn said(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap()
}

#[test]
fn a_slow_call_holds_up_nothing_and_can_be_cancelled() {
    let mut demo = Demo::start();
    let start = Instant::now();
    demo.call(1, "sleep", json!({"seconds": 3000}));
    demo.call(2, "sleep", json!({"seconds": 0.05}));
    demo.call(3, "echo", json!({"text": "é\n\"x\""}));
    let answer = demo.next();
    assert_eq!((&answer["id"], said(&answer)), (&json!(3), "é\n\"x\""));
    let answer = demo.next();
    assert_eq!((&answer["id"], said(&answer)), (&json!(2), "Slept for 0.05 s."));
    demo.send(json!({"method": "notifications/cancelled", "params": {"requestId": 1}}));
    demo.send(json!({"id": 4, "method": "ping"}));
    assert_eq!(demo.next(), json!({"jsonrpc": "2.0", "id": 4, "result": {}}));
    drop(demo.input);
    demo.server.join().unwrap().unwrap();
    // The sleeping thread left when it was cancelled, and with it the last hold on the output.
    let mut rest = String::new();
    demo.output.read_line(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn progress_carries_the_callers_token_and_comes_before_the_answer() {
    let mut demo = Demo::start();
    demo.call(7, "progress", json!({"steps": 2, "delay_ms": 1}));
    for step in 1..=2 {
        let told = demo.next();
        assert_eq!(told["method"], "notifications/progress");
        assert_eq!(
            (&told["params"]["progressToken"], &told["params"]["progress"]),
            (&json!(7), &json!(step))
        );
    }
    assert_eq!(said(&demo.next()), "Took 2 steps.");
}

#[test]
fn what_it_asks_is_answered_while_other_calls_run() {
    let mut demo = Demo::start();
    demo.call(1, "ask", json!({"question": "Tea?"}));
    let first = demo.next();
    assert_eq!(
        (&first["method"], &first["params"]["message"]),
        (&json!("elicitation/create"), &json!("Tea?"))
    );
    demo.call(2, "ask", json!({"what": "sampling"}));
    let second = demo.next();
    assert_eq!(second["method"], "sampling/createMessage");
    demo.call(3, "add", json!({"a": 2, "b": 3}));
    assert_eq!(said(&demo.next()), "2 + 3 = 5");
    demo.send(json!({"id": second["id"], "error": {"code": -1, "message": "no"}}));
    let answer = demo.next();
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(2), &json!(true)));
    let typed = json!({"action": "accept", "content": {"answer": "yes"}});
    demo.send(json!({"id": first["id"], "result": typed}));
    assert_eq!(said(&demo.next()), "The client answered: yes");
    demo.call(4, "ask", json!({"what": "roots"}));
    assert_eq!(said(&demo.next()), "The client did not declare the capability roots.");
}

#[test]
fn log_messages_below_the_level_are_not_sent() {
    let mut demo = Demo::start();
    demo.call(1, "log", json!({"message": "hi"}));
    assert_eq!(demo.next()["params"], json!({"level": "info", "logger": "demo", "data": "hi"}));
    assert_eq!(said(&demo.next()), "Logged at info.");
    assert_eq!(demo.ask("logging/setLevel", json!({"level": "error"}))["result"], json!({}));
    demo.call(1, "log", json!({"message": "hi"}));
    assert_eq!(said(&demo.next()), "Not sent: the client asked for error and above.");
    assert_eq!(demo.ask("logging/setLevel", json!({"level": "loud"}))["error"]["code"], -32602);
}

#[test]
fn there_is_something_to_read_to_subscribe_and_to_complete() {
    let mut demo = Demo::start();
    let read = demo.ask("resources/read", json!({"uri": "demo://greeting/J%C3%B6rg%"}));
    assert_eq!(read["result"]["contents"][0]["text"], "Hello, Jörg%!");
    assert_eq!(demo.ask("resources/read", json!({"uri": "demo://x"}))["error"]["code"], -32002);
    assert_eq!(
        demo.ask("resources/subscribe", json!({"uri": "demo://clock"}))["result"],
        json!({})
    );
    let told = demo.next();
    assert_eq!(told["method"], "notifications/resources/updated");
    assert_eq!(told["params"], json!({"uri": "demo://clock"}));
    demo.ask("resources/unsubscribe", json!({"uri": "demo://clock"}));
    let prompt = demo.ask("prompts/get", json!({"name": "haiku", "arguments": {"topic": "tea"}}));
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "Write a haiku about tea.");
    let of = json!({"type": "ref/resource", "uri": "demo://greeting/{name}"});
    let argument = json!({"name": "name", "value": "a"});
    let known = demo.ask("completion/complete", json!({"ref": of, "argument": argument}));
    assert_eq!(known["result"]["completion"]["values"], json!(["Ada", "Alan"]));
    for list in ["tools", "resources", "resourceTemplates", "prompts"] {
        let method = if list == "resourceTemplates" { "resources/templates" } else { list };
        let answer = demo.ask(&format!("{method}/list"), json!({}));
        assert!(!answer["result"][list].as_array().unwrap().is_empty(), "{list}");
    }
}

#[test]
fn the_list_of_tools_changes() {
    let mut demo = Demo::start();
    let tools = |demo: &mut Demo| {
        demo.ask("tools/list", json!({}))["result"]["tools"].as_array().unwrap().len()
    };
    let before = tools(&mut demo);
    demo.call(1, "toggle", json!({}));
    assert_eq!(demo.next()["method"], "notifications/tools/list_changed");
    demo.next();
    assert_eq!(tools(&mut demo), before + 1);
    demo.call(1, "extra", json!({}));
    assert_eq!(said(&demo.next()), "Here I am.");
}

#[test]
fn what_is_no_request_is_refused_and_hurts_nothing() {
    let mut demo = Demo::start();
    for (line, code) in [
        ("{", -32700),
        ("\u{feff}{}", -32700),
        ("{}", -32600),
        ("[1]", -32600),
        (r#"{"id":1,"method":"x"}"#, -32601),
        (r#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#, -32602),
    ] {
        writeln!(demo.input, "{line}\r\n").unwrap();
        assert_eq!(demo.next()["error"]["code"], code, "{line}");
    }
    demo.call(1, "add", json!({"a": "2"}));
    assert_eq!(said(&demo.next()), "`a` and `b` must be numbers.");
}
