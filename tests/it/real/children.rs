//! What a child may write and do without hurting its own session more than it must, and no other
//! session at all.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::Events;
use crate::support::mcp::{Answer, Session, call, notification, notify, script};
use crate::support::process;
use crate::support::proxy::Proxy;

const MIB: u64 = 1024 * 1024;

/// The session still works, and so does the program.
#[track_caller]
fn works(session: &Session<'_>) {
    assert_eq!(session.script("\"ok\"", json!([{"answer": "fine"}])).text(), "fine");
}

#[test]
fn noise_on_standard_output_is_logged_and_not_passed_on() {
    let proxy = Proxy::child(&["--start", r#"[{"write": "Server starting...\n"}]"#]);
    let session = Session::open(&proxy);
    for step in [
        json!({"write": "\n\n   \n\t\r\n"}),
        json!({"write": "npm notice\n"}),
        json!({"write": "null\n42\n\"text\"\n[]\n{}\ntrue\n"}),
        json!({"write": "{\"jsonrpc\":\"2.0\"}\n"}),
        json!({"write": "{\"jsonrpc\":\"2.0\",\"id\":999}\n"}),
        json!({"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\"\n"}),
        json!({"write": "Content-Length: 17\r\n\r\n"}),
        json!({"hex": "00 00 0a"}),
        json!({"hex": "fffe 0a c3 28 0a"}),
        json!({"hex": "1b5b33316d 7b7d 0a"}),
        json!({"write": "[".repeat(1000) + "\n"}),
        json!({"write": "\n"}),
    ] {
        let answer = session.script("1", json!([step, {"answer": "a"}]));
        assert_eq!((answer.messages.len(), answer.text().as_str()), (1, "a"), "{step}");
    }
    works(&session);
    proxy.logged(&["WARN", "wrote a line that is not an MCP message"]);
    assert!(!proxy.log().contains("Server starting"), "a line of a server in the log");
    assert!(!proxy.log().contains(['\u{1b}', '\0']), "control characters in the log");
}

#[test]
fn what_a_child_says_before_its_answer_to_initialize_waits() {
    let result = r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#;
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{result}}}\n");
    let early = notify("message", &json!({"level": "info", "data": "early"}));
    let steps = json!([early, {"sleep": 100}, {"write": answer}]);
    let proxy = Proxy::child(&["--initialize", &steps.to_string()]);
    let session = Session::open(&proxy);
    assert_eq!(session.listen().message()["params"]["data"], "early");
    works(&session);
}

#[test]
fn odd_framing_of_a_good_message_does_not_matter() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let (head, tail) = (r#"{"jsonrpc":"2.0","id":$ID,"res"#, r#"ult":{"a":1}}"#);
    for steps in [
        json!([{"write": format!("{head}{tail}\r\n")}]),
        json!([{"write": format!("  {head}{tail} \t\n")}]),
        json!([{"hex": "efbbbf"}, {"write": format!("{head}{tail}\n")}]),
        json!([{"write": head}, {"sleep": 20}, {"write": tail}, {"sleep": 20}, {"write": "\n"}]),
        json!([{"write": format!("x\n{head}{tail}\ny\n")}]),
    ] {
        let answer = session.script("1", steps.clone());
        assert_eq!(answer.last()["result"], json!({"a": 1}), "{steps}");
    }
    works(&session);
}

#[test]
fn answers_that_are_none_or_too_many_are_not_passed_on() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let answer = |id: &str, text: &str| {
        let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{text}"}}"#);
        json!({"write": line + "\n"})
    };
    for other in ["999999", "-1", "1.5", "\"$ID.5\"", "\"x\"", "null", "true", "[]", "{}", "1e300"]
    {
        let steps = json!([answer(other, "wrong"), answer("$ID", "right")]);
        let got = session.script("1", steps);
        assert_eq!((got.messages.len(), &got.last()["result"]), (1, &json!("right")), "{other}");
    }
    let got = session.script("1", json!([answer("$ID", "first"), answer("$ID", "second")]));
    assert_eq!((got.messages.len(), &got.last()["result"]), (1, &json!("first")));
    works(&session);
}

#[test]
fn an_answer_that_cannot_be_passed_on_is_an_error_and_no_silence() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let head = r#"{"jsonrpc":"2.0","id":$ID"#;
    for steps in [
        json!([{"write": format!("{head},\"result\":\"")}, {"hex": "c328"}, {"write": "\"}\n"}]),
        json!([{"write": format!("{head}}}\n")}]),
        json!([{"write": format!("{head},\"result\":1,\"error\":{{}}}}\n")}]),
    ] {
        let answer = session.script("\"g\"", steps);
        assert_eq!(answer.last()["id"], "g");
        assert!(answer.last()["error"]["message"].is_string(), "{answer:?}");
    }
    works(&session);
}

#[test]
fn deep_json_passes_both_ways() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let steps = json!([
        {"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":"}, {"repeat": [100_000, "["]},
        {"repeat": [100_000, "]"]}, {"write": "}\n"}]);
    let answer = session.script("1", steps);
    assert_eq!(answer.messages[0].matches('[').count(), 100_000);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{deep}}}"#);
    session.tell(&body);
    works(&session);
}

#[test]
fn text_of_the_child_cannot_forge_events() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let text = "\\n\\nevent: x\\ndata: {}\\r\\rid: 7\u{2028}\u{2029}\u{85}\u{b}\u{c}";
    // Control characters other than these may not stand in JSON strings as they are.
    let text = text.replace(['\u{b}', '\u{c}'], "");
    let head = r#"{"jsonrpc":"2.0","method":"notifications/x","params":"#;
    let steps = json!([
        {"write": format!("{head}[\"{text}\"]}}\n")},
        // White space between tokens may be a lone CR.
        {"write": "{\"jsonrpc\":\"2.0\",\r\"method\":\"notifications/y\"\r\r}\n"},
        {"answer": "a"}]);
    let mut stream = Events::read(session.post(&script("1", "", &steps)));
    let expected: Value = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    assert_eq!(stream.message()["params"][0], expected);
    assert_eq!(stream.message()["method"], "notifications/y");
    assert_eq!(stream.message()["id"], 1);
    assert_eq!(stream.next(), None);
}

#[test]
fn a_line_over_the_limit_ends_its_session_only() {
    let proxy = Proxy::mortal(&[]);
    let (session, other) = (Session::open(&proxy), Session::open(&proxy));
    let before = process::memory(proxy.pid(), "VmRSS:");
    let answer = session.script("1", json!([{"fill": 64 * MIB}, {"sleep": 100}, {"answer": "a"}]));
    assert!(answer.last()["error"].is_object(), "{:?}", answer.head);
    assert_eq!(session.ask(r#"{"jsonrpc":"2.0","id":1,"method":"x"}"#).head.status, 404);
    works(&other);
    let peak = process::memory(proxy.pid(), "VmHWM:") - before;
    assert!(peak <= 20 * 1024, "a peak of {peak} KiB");
    assert_eq!(proxy.children().len(), 1);
}

#[test]
fn a_child_that_stops_reading_gets_503_and_harms_no_other() {
    let proxy = Proxy::child(&[]);
    let (session, other) = (Session::open(&proxy), Session::open(&proxy));
    let before = process::memory(proxy.pid(), "VmRSS:");
    let body = call("1", "", "script", &json!({"inline": true, "steps": [{"sleep": 60_000}]}));
    let _deaf = session.post(&body);
    let big = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/x","params":["{}"]}}"#,
        "x".repeat(200_000)
    );
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let reply = session.post(&big).reply();
        statuses.push(reply.status());
        if reply.status() == 503 {
            assert!(reply.head.field("retry-after").is_some(), "{reply:?}");
            assert!(reply.json()["error"]["message"].is_string());
        }
    }
    assert_eq!((statuses[0], statuses[19]), (202, 503), "{statuses:?}");
    works(&other);
    let growth = process::memory(proxy.pid(), "VmRSS:").saturating_sub(before);
    assert!(growth <= 4 * 1024, "{growth} KiB");
    assert!(session.delete().status() < 300);
}

#[test]
fn a_flood_of_standard_error_is_drained_and_bounded() {
    let proxy = Proxy::child(&["--start", r#"[{"stderr-fill": 1000000}]"#]);
    let session = Session::open(&proxy);
    let before = process::memory(proxy.pid(), "VmRSS:");
    let lines = json!([
        {"stderr-hex": "fffe c328 0a 00 1b5b6d 0a"}, {"stderr-fill": 20 * MIB},
        {"stderr": "\nlast words\n"}, {"answer": "a"}]);
    assert_eq!(session.script("1", lines).text(), "a");
    works(&session);
    let growth = process::memory(proxy.pid(), "VmHWM:").saturating_sub(before);
    assert!(growth <= 4 * 1024, "{growth} KiB");
    let log = proxy.log();
    assert!(log.len() < 256 * 1024, "{} bytes of log", log.len());
    assert!(log.lines().all(|line| line.len() < 10 * 1024), "a long line");
    assert!(!log.contains(['\u{1b}', '\0']), "control characters in the log");
}

#[test]
fn one_childs_flood_does_not_slow_another_session() {
    let proxy = Proxy::child(&[]);
    let (loud, calm) = (Session::open(&proxy), Session::open(&proxy));
    let line = notification("x", &json!(["x".repeat(1000)])) + "\n";
    let steps = json!([{"answer": "x"}, {"repeat": [100_000, line]}, {"stderr": "flooded\n"}]);
    loud.script("1", steps);
    let mut times = Vec::new();
    while !proxy.log().contains("flooded") {
        let start = Instant::now();
        works(&calm);
        times.push(start.elapsed());
    }
    times.sort();
    // Most of them: other programs may load the machine, and it has a moment of its own.
    let most = times.get(times.len() * 9 / 10).copied().unwrap_or_default();
    assert!(most < Duration::from_millis(100), "{most:?} of {}", times.len());
    works(&loud);
}

#[test]
fn a_child_has_three_descriptors_and_what_it_is_given() {
    let mut program =
        crate::support::proxy::program(&["--port", "0", "--cwd", "/", "--env", "A=b=c"]);
    program.env("INHERITED", "yes").arg("--").arg(crate::support::proxy::CHILD);
    let proxy = Proxy::run(program);
    let sessions: Vec<_> = (0..50).map(|_| Session::open(&proxy)).collect();
    let _streams: Vec<_> = sessions.iter().map(Session::listen).collect();
    for session in &sessions {
        assert_eq!(session.call("1", "fds", json!({})).text(), r#"["0","1","2"]"#);
    }
    assert_eq!(sessions[0].call("1", "cwd", json!({})).text(), "\"/\"");
    let env = sessions[0].call("1", "env", json!({})).text();
    assert!(env.contains(r#"["A","b=c"]"#) && env.contains(r#"["INHERITED","yes"]"#), "{env}");

    let proxy = Proxy::start(&["--clear-env", "--env", "ONLY=1"], &[crate::support::proxy::CHILD]);
    let session = Session::open(&proxy);
    assert_eq!(session.call("1", "env", json!({})).text(), r#"[["ONLY","1"]]"#);
}

#[test]
fn a_child_that_writes_its_answer_and_leaves_at_once_is_heard() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let line = "x".repeat(500_000);
    let answer =
        Answer::read(session.post(&script("1", "", &json!([{"answer": line}, {"exit": 0}]))));
    assert_eq!(answer.text().len(), line.len());
}
