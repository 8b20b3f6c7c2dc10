//! Calls and what belongs to them: ids, tokens, cancellation, what the child asks, and each byte.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Events, PATIENCE};
use crate::support::mcp::{
    Answer, BOTH, JSON, PRIMED, QUIET, Session, call, notification, report, script,
};
use crate::support::process::{self, until};
use crate::support::proxy::{CHILD, Proxy};

const MIB: usize = 1024 * 1024;

#[test]
fn two_calls_with_one_id_are_both_answered() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let slow = session.post(&script("1", "", &json!([{"sleep": 200}, {"answer": "slow"}])));
    let quick = session.script("1", json!([{"answer": "quick"}]));
    assert_eq!((quick.text().as_str(), &quick.last()["id"]), ("quick", &json!(1)));
    let slow = Answer::read(slow);
    assert_eq!((slow.text().as_str(), &slow.last()["id"]), ("slow", &json!(1)));
}

#[test]
fn a_cancelled_call_ends_and_the_child_is_told_by_its_own_id() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let steps = json!([{"sleep": 2000}, {"answer": "late"}]);
    let cancelled = session.post(&script("\"c\"", "", &steps));
    until("the call at the child", PATIENCE, || {
        session.seen().iter().any(|line| line.contains("late"))
    });
    let cancel = json!({"requestId": "c", "reason": "why not"});
    session.tell(&notification("cancelled", &cancel));
    let answer = Answer::read(cancelled);
    assert!(answer.messages.is_empty(), "{answer:?}");

    let seen: Vec<Value> =
        session.seen().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at_child = seen.iter().find(|message| message["params"]["name"] == "script").unwrap();
    let told = seen.iter().find(|message| message["method"] == "notifications/cancelled").unwrap();
    assert_eq!(told["params"]["requestId"], at_child["id"]);
    assert_eq!(told["params"]["reason"], "why not");

    // The same id again, while the late answer of the first is on its way.
    let again = session.script("\"c\"", json!([{"sleep": 1500}, {"answer": "second"}]));
    assert_eq!((again.text().as_str(), again.messages.len()), ("second", 1));
}

#[test]
fn a_call_that_takes_too_long_is_ended_and_the_child_is_told() {
    let proxy = Proxy::start(&["--request-timeout", "1"], &[CHILD]);
    let session = Session::open(&proxy);
    let start = Instant::now();
    let answer = session.script("\"t\"", json!([{"sleep": 60_000}]));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!(answer.last()["id"], "t");
    assert!(answer.last()["error"]["message"].as_str().unwrap().contains("timeout"), "{answer:?}");
    assert!(session.seen().iter().any(|line| line.contains("notifications/cancelled")));
}

/// A script that reports twice, half a step apart, and answers.
fn reporting(answer: &str) -> Value {
    json!([report(1), {"sleep": 100}, report(2), {"sleep": 100}, {"answer": answer}])
}

#[test]
fn progress_of_overlapping_calls_stays_on_the_stream_of_each() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let tokens = ["1", "\"1\"", "\"t\\u0031\"", "9007199254740993", "1.50"];
    let calls: Vec<_> =
        tokens.iter().map(|token| session.post(&script("1", token, &reporting(token)))).collect();
    for (token, conn) in tokens.iter().zip(calls) {
        let answer = Answer::read(conn);
        assert!(answer.head.is_stream(), "{answer:?}");
        assert_eq!(answer.messages.len(), 3, "{answer:?}");
        for (message, n) in answer.messages.iter().zip(1..) {
            if n < 3 {
                let token = format!("\"progressToken\":{token}");
                assert!(message.contains(&token), "{message}");
                assert!(message.contains(&format!("\"progress\":{n}")), "{message}");
            }
        }
        assert_eq!(answer.text(), *token);
    }
}

#[test]
fn what_the_child_asks_during_a_call_is_answered_by_a_post() {
    for version in [QUIET, PRIMED] {
        let proxy = Proxy::child(&[]);
        let session = Session::open_at(&proxy, version);
        let question = concat!(
            r#"{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":"#,
            r#"{"message":"Tea?","requestedSchema":{"type":"object","properties":{}}}}"#
        );
        let steps = json!([{"ask": question}, {"answer": "$ANSWER"}]);
        let mut stream = Events::read(session.post(&script("1", "", &steps)));
        let asked = stream.message();
        assert_eq!(asked, serde_json::from_str::<Value>(question).unwrap());
        // The session answers other calls while its user thinks.
        assert_eq!(session.script("2", json!([{"answer": "b"}])).text(), "b");
        let answer =
            r#"{"id":"q-1","jsonrpc":"2.0","result":{"content":{"n":1.10},"action":"accept"}}"#;
        session.tell(answer);
        let result = stream.message();
        assert_eq!(result["id"], 1);
        assert_eq!(result["result"]["content"][0]["text"], answer);
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn bytes_pass_as_they_are_but_for_the_id() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let members = concat!(
        r#""method":"x/unknown","params":{"z":1.10,"a":123456789012345678901234567890,"a":1e2,"#,
        r#""é":"\u00e9\/","":[ 1 , -0 , 9007199254740993 ]},"unknown":{"id":7}"#
    );
    let body = format!(r#"{{ "jsonrpc":"2.0", "id" : "x" , {members} }}"#);
    let answer = session.ask(&body);
    let line = answer.last()["result"]["line"].as_str().unwrap().to_owned();
    let id = serde_json::from_str::<Value>(&line).unwrap()["id"].to_string();
    assert_eq!(line, body.replace("\"x\"", &id));

    // A body over several lines becomes one, and what is inside strings stays.
    let pretty =
        "{\r\n\t\"jsonrpc\": \"2.0\",\n\t\"id\": 5,\n\t\"method\": \"x\", \"p\": \"\\n\"\n}\n";
    let answer = session.ask(pretty);
    let line = answer.last()["result"]["line"].as_str().unwrap().to_owned();
    assert!(!line.contains(['\n', '\r']) && line.contains(r#""p": "\n""#), "{line:?}");

    // And back: the child's spelling of everything but the id.
    let result = r#"{"z":1.10,"a":123456789012345678901234567890,"a":1e2,"é":"\u00e9\/ "}"#;
    let text = format!("{{\"result\": {result} ,\"x\":[],\"id\":$ID,\"jsonrpc\":\"2.0\"}}\n");
    let answer = session.script("\"back\"", json!([{"write": text}]));
    let expected = text.trim_end().replace("$ID", "\"back\"");
    assert_eq!(answer.messages, [expected]);
}

#[test]
fn ids_come_back_as_they_were_spelled() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let long = format!("\"{}\"", "i".repeat(2000));
    for id in [
        "0",
        "-1",
        "9007199254740993",
        "18446744073709551615",
        "123456789012345678901234567890",
        "1.5",
        "1e2",
        "\"\"",
        "\"1\"",
        r#""a\u0062""#,
        "\"é\"",
        &long,
    ] {
        let answer = session.ask(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#));
        let message = &answer.messages[0];
        assert!(message.contains(&format!("\"id\":{id},")), "{id}: {message}");
    }
}

#[test]
fn a_message_of_16_mib_passes_each_way() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let before = process::memory(proxy.pid(), "VmRSS:");
    // There: a call whose answer is small.
    let body = |size: usize| {
        let (head, tail) = (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pid","x":""#,
            "\"}}",
        );
        format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()))
    };
    let answer = session.ask(&body(16 * MIB));
    assert_eq!(answer.head.status, 200, "{:?}", answer.head);
    assert!(answer.text().parse::<u32>().is_ok());
    let refused = session.ask(&body(16 * MIB + 1));
    assert_eq!(refused.head.status, 413, "{:?}", refused.head);

    // Back: a line of exactly as much. The child's id has one to three digits.
    let (head, tail) = (r#"{"jsonrpc":"2.0","id":$ID,"result":{"x":""#, "\"}}\n");
    let fill = 16 * MIB - head.len() - tail.len();
    let answer = session.script("1", json!([{"write": head}, {"fill": fill}, {"write": tail}]));
    let length = answer.last()["result"]["x"].as_str().unwrap().len();
    assert_eq!(length, fill);
    // The same as an event, which is how most clients get an answer that takes its time.
    let session = Session::open_at(&proxy, PRIMED);
    let steps = json!([{"sleep": 200}, {"write": head}, {"fill": fill}, {"write": tail}]);
    let answer = session.script("1", steps);
    assert!(answer.head.is_stream() && answer.last()["id"] == 1, "{:?}", answer.head);
    let peak = process::memory(proxy.pid(), "VmHWM:") - before;
    assert!(peak <= (2 * 16 + 4) * 1024, "a peak of {peak} KiB");
}

#[test]
fn a_message_of_16_mib_crosses_the_eras_each_way() {
    let proxy = Proxy::start(&["--eras", "both"], &[CHILD]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let ask = |name: &str, arguments: &str| {
        let params = format!(r#"{{"name":"{name}","arguments":{arguments},"_meta":{meta}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let own = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call")];
        let fields = [&[BOTH, JSON, ("Mcp-Name", name)][..], &own].concat();
        let reply = proxy.exchange("POST /mcp", &fields, &body);
        assert_eq!(reply.status(), 200, "{:?}", reply.head);
        reply.body.len()
    };
    ask("pid", "{}");
    let before = process::memory(proxy.pid(), "VmRSS:");
    let size = 16 * MIB - 1000;
    ask("pid", &format!(r#"{{"x":"{}"}}"#, "x".repeat(size)));
    let (head, tail) = (r#"{"jsonrpc":"2.0","id":$ID,"result":{"x":""#, "\"}}\n");
    let steps = json!({"steps": [{"write": head}, {"fill": size}, {"write": tail}]});
    assert!(ask("script", &steps.to_string()) > size);
    let peak = process::memory(proxy.pid(), "VmHWM:") - before;
    assert!(peak <= (2 * 16 + 4) * 1024, "a peak of {peak} KiB");
}

#[test]
fn batches_are_taken_in_sessions_of_their_revision_only() {
    let proxy = Proxy::child(&[]);
    let ask = |id: u8| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
    let note = notification("x", &json!({}));
    let batch = format!("[{},{note},{}]", ask(1), ask(2));

    let session = Session::open_at(&proxy, "2025-03-26");
    let answer = session.ask(&batch);
    let mut ids: Vec<_> = if answer.head.is_stream() {
        let all = answer.messages.iter().map(|message| serde_json::from_str(message).unwrap());
        all.map(|message: Value| message["id"].clone()).collect()
    } else {
        answer.last().as_array().unwrap().iter().map(|message| message["id"].clone()).collect()
    };
    ids.sort_by_key(Value::as_u64);
    assert_eq!(ids, [1, 2]);
    session.tell(&format!("[{note},{note}]"));
    // The child's own batch of an answer and a notification, as that revision allows.
    let line = format!("[{note},{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{{}}}}]\n");
    let answer = session.script("7", json!([{"write": line}]));
    assert_eq!(answer.last()["id"], 7, "{answer:?}");

    let session = Session::open(&proxy);
    let refused = session.ask(&batch);
    assert_eq!(refused.head.status, 400);
    assert!(!session.seen().iter().any(|line| line.contains("\"method\":\"x\"")));
}

#[test]
fn each_client_gets_the_form_that_it_accepts() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let json_type = ("Content-Type", "application/json");
    let body = call("1", "\"t\"", "script", &json!({"steps": reporting("done")}));
    for (accept, stream) in [
        (Some("application/json"), false),
        (Some("text/event-stream"), true),
        (Some("*/*"), true),
        (Some("application/json;q=0.1, text/event-stream;q=0.9"), true),
        (None, true),
    ] {
        let fields: Vec<_> = accept.map(|value| ("Accept", value)).into_iter().collect();
        let conn = session.send("POST /mcp", &[&fields[..], &[json_type]].concat(), &body);
        let answer = Answer::read(conn);
        assert_eq!((answer.head.status, answer.head.is_stream()), (200, stream), "{accept:?}");
        assert_eq!(answer.text(), "done");
    }
    let refused = session.send("POST /mcp", &[("Accept", "text/html"), json_type], &body).reply();
    assert_eq!(refused.status(), 406, "{refused:?}");
}
