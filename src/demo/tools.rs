//! The demo's tools, one for each thing that a call can do: answer, report progress, log, take
//! its time, be cancelled, ask back, change the list of tools.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::link::{Call, LEVELS, Link, quote};
use super::{INVALID_PARAMS, Outcome};

/// Calls that take time and run at once: each costs a thread.
const RUNNING: usize = 64;

/// A thread's stack: the tools need little.
const STACK: usize = 256 * 1024;

const TOOLS: &str = concat!(
    r#"{"name":"echo","description":"Answers with the text that it is given.","#,
    r#""inputSchema":{"type":"object","properties":{"text":{"type":"string"}},"#,
    r#""required":["text"]}},"#,
    r#"{"name":"add","description":"Adds two numbers.","#,
    r#""inputSchema":{"type":"object","properties":{"a":{"type":"number"},"#,
    r#""b":{"type":"number"}},"required":["a","b"]}},"#,
    r#"{"name":"progress","#,
    r#""description":"Works in steps and reports each, if the call carries a progress token.","#,
    r#""inputSchema":{"type":"object","properties":{"#,
    r#""steps":{"type":"integer","minimum":1,"maximum":1000,"default":5},"#,
    r#""delay_ms":{"type":"integer","minimum":0,"maximum":10000,"default":200}}}},"#,
    r#"{"name":"log","description":"Sends the client a log message.","#,
    r#""inputSchema":{"type":"object","properties":{"message":{"type":"string"},"#,
    r#""level":{"type":"string","default":"info"}},"required":["message"]}},"#,
    r#"{"name":"sleep","description":"Answers after some seconds. It can be cancelled.","#,
    r#""inputSchema":{"type":"object","properties":{"#,
    r#""seconds":{"type":"number","minimum":0,"maximum":3600,"default":1}}}},"#,
    r#"{"name":"ask","#,
    r#""description":"Asks the client: its user (elicitation), its model (sampling), its roots.","#,
    r#""inputSchema":{"type":"object","properties":{"#,
    r#""what":{"type":"string","enum":["elicitation","sampling","roots"],"#,
    r#""default":"elicitation"},"#,
    r#""question":{"type":"string","default":"What is your name?"}}}},"#,
    r#"{"name":"toggle","description":"Adds the tool `extra` to the list, or takes it away.","#,
    r#""inputSchema":{"type":"object"}}"#,
);

const EXTRA: &str = concat!(
    r#",{"name":"extra","description":"Is there now and then.","#,
    r#""inputSchema":{"type":"object"}}"#,
);

pub(super) fn list(link: &Link) -> String {
    let extra = if link.state().extra { EXTRA } else { "" };
    format!(r#"{{"tools":[{TOOLS}{extra}]}}"#)
}

/// Answers quick tools at once and lets the others run.
pub(super) fn call(call: Call, params: &Value) -> Outcome {
    let given = &params["arguments"];
    let tool = match params["name"].as_str().unwrap_or_default() {
        "echo" => return Ok(Some(echo(given))),
        "add" => return Ok(Some(add(given))),
        "log" => return Ok(Some(log(&call, given))),
        "toggle" => return Ok(Some(toggle(&call))),
        "extra" if call.link.state().extra => return Ok(Some(text("Here I am."))),
        "progress" => progress,
        "sleep" => sleep,
        "ask" => ask,
        other => return Err((INVALID_PARAMS, format!("no tool {other:?}"))),
    };
    if !call.begin(RUNNING) {
        return Ok(Some(wrong("Too many calls run already.")));
    }
    let (call, given) = (Arc::new(call), given.clone());
    let running = Arc::clone(&call);
    let run = move || running.end(&tool(&running, &given));
    if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(run) {
        call.end(&wrong(&format!("No thread could be started: {error}.")));
    }
    Ok(None)
}

/// The result of a tool that worked.
fn text(text: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, quote(text))
}

/// The result of a tool that did not.
fn wrong(text: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":{}}}],"isError":true}}"#, quote(text))
}

fn echo(given: &Value) -> String {
    given["text"].as_str().map_or_else(|| wrong("`text` must be a string."), text)
}

fn add(given: &Value) -> String {
    let (a, b) = (&given["a"], &given["b"]);
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b));
    // As JSON writes it: the standard library's way with fractions is 10 KB of program.
    let float = || a.as_f64().zip(b.as_f64()).map(|(a, b)| Value::from(a + b));
    match whole.map(Value::from).or_else(float) {
        Some(sum) => text(&format!("{a} + {b} = {sum}")),
        None => wrong("`a` and `b` must be numbers."),
    }
}

fn log(call: &Call, given: &Value) -> String {
    let name = given["level"].as_str().unwrap_or("info");
    let Some(level) = LEVELS.iter().position(|level| *level == name) else {
        return wrong(&format!("There is no log level {name:?}."));
    };
    let least = call.link.state().level;
    if level < least {
        return text(&format!("Not sent: the client asked for {} and above.", LEVELS[least]));
    }
    let message = quote(given["message"].as_str().unwrap_or_default());
    let params = format!(r#"{{"level":"{name}","logger":"demo","data":{message}}}"#);
    call.link.notify("message", &params);
    text(&format!("Logged at {name}."))
}

fn toggle(call: &Call) -> String {
    let extra = {
        let mut state = call.link.state();
        state.extra = !state.extra;
        state.extra
    };
    call.link.notify("tools/list_changed", "{}");
    text(if extra { "The tool `extra` is there now." } else { "The tool `extra` is gone." })
}

fn progress(call: &Call, given: &Value) -> String {
    let steps = given["steps"].as_u64().unwrap_or(5).clamp(1, 1000);
    let delay = given["delay_ms"].as_u64().unwrap_or(200).min(10_000);
    for step in 1..=steps {
        if !call.pause(Duration::from_millis(delay)) {
            break;
        }
        call.progress(step, steps);
    }
    text(&format!("Took {steps} steps."))
}

fn sleep(call: &Call, given: &Value) -> String {
    let seconds = given["seconds"].as_f64().unwrap_or(1.0).clamp(0.0, 3600.0);
    call.pause(Duration::from_secs_f64(seconds));
    text(&format!("Slept for {} s.", Value::from(seconds)))
}

fn ask(call: &Call, given: &Value) -> String {
    let question = quote(given["question"].as_str().unwrap_or("What is your name?"));
    let what = given["what"].as_str().unwrap_or("elicitation");
    let (method, params) = match what {
        "elicitation" => (
            "elicitation/create",
            format!(
                concat!(
                    r#"{{"message":{},"requestedSchema":{{"type":"object","#,
                    r#""properties":{{"answer":{{"type":"string"}}}},"required":["answer"]}}}}"#,
                ),
                question
            ),
        ),
        "sampling" => (
            "sampling/createMessage",
            format!(
                concat!(
                    r#"{{"messages":[{{"role":"user","content":{{"type":"text","text":{}}}}}],"#,
                    r#""maxTokens":100}}"#,
                ),
                question
            ),
        ),
        "roots" => ("roots/list", String::from("{}")),
        other => return wrong(&format!("Nobody can be asked for {other:?}.")),
    };
    if call.link.state().capabilities.get(what).is_none() {
        return wrong(&format!("The client did not declare the capability {what}."));
    }
    match call.request(method, &params) {
        None => wrong("No answer came."),
        Some(answer) => match answer.get("error") {
            Some(error) => wrong(&format!("The client answered with the error {error}.")),
            None => text(&format!("The client answered: {}", said(&answer["result"]))),
        },
    }
}

/// The heart of an answer: what a user typed, what a model said, which roots there are.
fn said(result: &Value) -> String {
    let typed = result["content"]["answer"].as_str();
    match typed.or_else(|| result["content"]["text"].as_str()) {
        Some(text) => String::from(text),
        None => match result["roots"].as_array() {
            Some(roots) => {
                let uris: Vec<_> = roots.iter().filter_map(|root| root["uri"].as_str()).collect();
                uris.join(", ")
            }
            None => result["action"].as_str().map_or_else(|| result.to_string(), String::from),
        },
    }
}
