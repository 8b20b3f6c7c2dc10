//! The demo: a small MCP server on standard input and output, so that a newcomer can try the
//! proxy with nothing else installed.
//!
//! One thread reads; a tool that takes time gets a thread of its own, so that nothing waits for
//! anything else. [`link`] is what goes out and who waits for what, [`tools`] and [`content`] are
//! what there is to see. It speaks the session era, 2024-11-05 to 2025-11-25.

mod content;
mod link;
#[cfg(test)]
mod tests;
mod tools;

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use serde_json::Value;

use link::{Call, LEVELS, Link};

/// The revisions that it speaks, the latest last.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The longest line that it reads: above any message limit that the proxy is likely to be given.
const LINE: u64 = 64 * 1024 * 1024;

/// A line's buffer that grew beyond this is given back.
const KEEP: usize = 64 * 1024;

/// A JSON-RPC error: its code and its message.
type Fault = (i32, String);

/// What a request comes to: its result as JSON text, or nothing yet because a thread answers it.
type Outcome = Result<Option<String>, Fault>;

const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;
const PARSE_ERROR: i32 = -32700;
/// MCP 2025-11-25, "Resources, Error Handling".
const RESOURCE_NOT_FOUND: i32 = -32002;

/// Serves until standard input ends. The caller exits then: calls that still run end with it.
pub(crate) fn run() -> io::Result<()> {
    serve(&mut io::stdin().lock(), Box::new(io::stdout()))
}

fn serve(input: &mut impl BufRead, output: Box<dyn Write + Send>) -> io::Result<()> {
    let link = Arc::new(Link::new(output));
    let mut line = Vec::new();
    while read_line(input, &mut line)? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Value>(&line) {
            // Revision 2025-03-26 has batches.
            Ok(Value::Array(batch)) => batch.iter().for_each(|message| receive(&link, message)),
            Ok(message) => receive(&link, &message),
            Err(error) => link.refuse(&Value::Null, &(PARSE_ERROR, error.to_string())),
        }
    }
    Ok(())
}

/// Reads one line into the buffer; false at the end of input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    line.shrink_to(KEEP);
    let read = input.take(LINE).read_until(b'\n', line)?;
    if read as u64 == LINE && !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line over the limit"));
    }
    Ok(read > 0)
}

/// One message of the client.
fn receive(link: &Arc<Link>, message: &Value) {
    let id = &message["id"];
    let params = &message["params"];
    match message["method"].as_str() {
        None if message.get("result").is_some() || message.get("error").is_some() => {
            link.answered(message);
        }
        None => link.refuse(id, &(INVALID_REQUEST, String::from("a request names its method"))),
        Some(method) if id.is_null() => {
            if method == "notifications/cancelled" {
                link.cancelled(&params["requestId"]);
            }
        }
        Some(method) => match request(link, id, method, params) {
            Ok(Some(result)) => link.answer(id, &result),
            Ok(None) => {}
            Err(fault) => link.refuse(id, &fault),
        },
    }
}

fn request(link: &Arc<Link>, id: &Value, method: &str, params: &Value) -> Outcome {
    let result = match method {
        "initialize" => initialize(link, params),
        "ping" => String::from("{}"),
        "logging/setLevel" => set_level(link, params)?,
        "tools/list" => tools::list(link),
        "tools/call" => return tools::call(Call::new(link, id, params), params),
        "resources/list" => String::from(content::RESOURCES),
        "resources/templates/list" => String::from(content::TEMPLATES),
        "resources/read" => content::read(&params["uri"])?,
        "resources/subscribe" => content::subscribe(link, &params["uri"], true)?,
        "resources/unsubscribe" => content::subscribe(link, &params["uri"], false)?,
        "prompts/list" => String::from(content::PROMPTS),
        "prompts/get" => content::prompt(params)?,
        "completion/complete" => content::complete(params)?,
        _ => return Err((METHOD_NOT_FOUND, format!("no method {method}"))),
    };
    Ok(Some(result))
}

fn initialize(link: &Link, params: &Value) -> String {
    link.state().capabilities = params["capabilities"].clone();
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|known| **known == asked).unwrap_or(&VERSIONS[3]);
    format!(
        concat!(
            r#"{{"protocolVersion":"{}","capabilities":{{"completions":{{}},"logging":{{}},"#,
            r#""prompts":{{}},"resources":{{"subscribe":true}},"tools":{{"listChanged":true}}}},"#,
            r#""serverInfo":{{"name":"hyper-mcp-proxy-demo","title":"Demo of hyper-mcp-proxy","#,
            r#""version":"{}"}},"instructions":"{}"}}"#,
        ),
        version,
        env!("CARGO_PKG_VERSION"),
        "Try the tools echo, add, progress and ask, and subscribe to demo://clock.",
    )
}

fn set_level(link: &Link, params: &Value) -> Result<String, Fault> {
    let asked = params["level"].as_str().unwrap_or_default();
    let level = LEVELS.iter().position(|level| *level == asked);
    let level = level.ok_or_else(|| (INVALID_PARAMS, format!("no log level {asked:?}")))?;
    link.state().level = level;
    Ok(String::from("{}"))
}
