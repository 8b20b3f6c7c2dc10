//! What the demo has to read: a resource that changes each second, one that never does, a
//! template of greetings, a prompt, and completion for both arguments.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::link::{Link, quote};
use super::{Fault, INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND};

const ABOUT: &str = "demo://about";
const CLOCK: &str = "demo://clock";
const GREETING: &str = "demo://greeting/";

/// How often the clock changes.
const TICK: Duration = Duration::from_secs(1);

/// The clock's thread needs little.
const STACK: usize = 64 * 1024;

pub(super) const RESOURCES: &str = concat!(
    r#"{"resources":["#,
    r#"{"uri":"demo://clock","name":"clock","mimeType":"text/plain","#,
    r#""description":"The time of day in UTC. Subscribe to hear each second."},"#,
    r#"{"uri":"demo://about","name":"about","mimeType":"text/plain","#,
    r#""description":"What this server is."}]}"#,
);

pub(super) const TEMPLATES: &str = concat!(
    r#"{"resourceTemplates":[{"uriTemplate":"demo://greeting/{name}","name":"greeting","#,
    r#""description":"A greeting for a name.","mimeType":"text/plain"}]}"#,
);

pub(super) const PROMPTS: &str = concat!(
    r#"{"prompts":[{"name":"haiku","description":"Asks for a haiku.","arguments":["#,
    r#"{"name":"topic","description":"What it is about.","required":true}]}]}"#,
);

/// What completion knows of each argument.
const TOPICS: [&str; 6] = ["rain", "rivers", "rust", "silence", "spring", "streams"];
const NAMES: [&str; 6] = ["Ada", "Alan", "Barbara", "Edsger", "Grace", "Niklaus"];

pub(super) fn read(uri: &Value) -> Result<String, Fault> {
    let name = uri.as_str().unwrap_or_default();
    let text = match name {
        ABOUT => String::from(
            "The demo server of hyper-mcp-proxy. It speaks MCP on its standard input and output; \
             the proxy lets you reach it by HTTP.",
        ),
        CLOCK => time_of_day(),
        _ => match name.strip_prefix(GREETING) {
            Some(who) if !who.is_empty() => format!("Hello, {}!", decoded(who)),
            _ => return Err((RESOURCE_NOT_FOUND, format!("no resource {uri}"))),
        },
    };
    let text = quote(&text);
    Ok(format!(r#"{{"contents":[{{"uri":{uri},"mimeType":"text/plain","text":{text}}}]}}"#))
}

fn time_of_day() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, day) = (now.as_secs(), 24 * 60 * 60);
    let (minutes, second) = (seconds % day / 60, seconds % 60);
    format!("{:02}:{:02}:{second:02} UTC", minutes / 60, minutes % 60)
}

/// Text with its percent-encoded bytes decoded (RFC 3986, "Percent-Encoding").
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Begins or ends telling the client about a resource.
pub(super) fn subscribe(link: &Arc<Link>, uri: &Value, on: bool) -> Result<String, Fault> {
    read(uri)?;
    if uri == CLOCK {
        let start = {
            let mut state = link.state();
            state.subscribed = on;
            let start = on && !state.ticking;
            state.ticking |= start;
            start
        };
        if start {
            let link = Arc::clone(link);
            let thread = thread::Builder::new().stack_size(STACK);
            let started = thread.spawn(move || tick(&link));
            started.map_err(|error| (INTERNAL_ERROR, error.to_string()))?;
        }
    }
    Ok(String::from("{}"))
}

/// Tells the client of each change of the clock until it no longer wants to hear.
fn tick(link: &Link) {
    loop {
        thread::sleep(TICK);
        let mut state = link.state();
        if !state.subscribed {
            state.ticking = false;
            return;
        }
        drop(state);
        link.notify("resources/updated", &format!(r#"{{"uri":"{CLOCK}"}}"#));
    }
}

pub(super) fn prompt(params: &Value) -> Result<String, Fault> {
    let topic = params["arguments"]["topic"].as_str();
    match (params["name"].as_str(), topic) {
        (Some("haiku"), Some(topic)) => {
            let text = quote(&format!("Write a haiku about {topic}."));
            Ok(format!(
                concat!(
                    r#"{{"description":"Asks for a haiku.","messages":[{{"role":"user","#,
                    r#""content":{{"type":"text","text":{}}}}}]}}"#,
                ),
                text
            ))
        }
        (Some("haiku"), None) => Err((INVALID_PARAMS, String::from("`topic` is missing"))),
        _ => Err((INVALID_PARAMS, format!("no prompt {}", params["name"]))),
    }
}

pub(super) fn complete(params: &Value) -> Result<String, Fault> {
    let (of, argument) = (&params["ref"], &params["argument"]);
    let known = match (of["type"].as_str(), argument["name"].as_str()) {
        (Some("ref/prompt"), Some("topic")) if of["name"] == "haiku" => TOPICS,
        (Some("ref/resource"), Some("name")) if of["uri"] == "demo://greeting/{name}" => NAMES,
        _ => return Err((INVALID_PARAMS, String::from("nothing to complete there"))),
    };
    let typed = argument["value"].as_str().unwrap_or_default().to_lowercase();
    let fits = known.iter().filter(|word| word.to_lowercase().starts_with(&typed));
    let values: Vec<String> = fits.map(|word| quote(word)).collect();
    let total = values.len();
    let values = values.join(",");
    Ok(format!(r#"{{"completion":{{"values":[{values}],"total":{total},"hasMore":false}}}}"#))
}
