//! A 2026-07-28 client before a session-era child: requests lose what the child does not know,
//! answers gain what the client must get.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::eras::Eras;
use crate::json;
use crate::message::{Kind, Message};
use crate::metadata::{self, SERVER, SUBSCRIPTION};
use crate::object::{self, Object};

/// Results that must say how long they may be kept (MCP 2026-07-28 "Caching").
const CACHED: [&str; 5] =
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];

/// "URL elicitation required" (MCP 2025-11-25 "Elicitation"), which the stateless era has not.
const URL_NEEDED: i64 = -32042;

/// Of an error object, its code.
pub(crate) fn error_code(error: &[u8]) -> Option<i64> {
    let span = json::member(error, &(0..error.len()), "code")?;
    core::str::from_utf8(&error[span]).ok()?.parse().ok()
}

/// The params of the bridge's own `initialize`.
pub(crate) fn initialize(capabilities: &[u8], client: Option<&[u8]>) -> Vec<u8> {
    let mut kept = Object::read(capabilities).unwrap_or_default();
    // Extensions are negotiated per request; the session era has no place for them.
    kept.remove("extensions");
    let capabilities = kept.text();
    let own =
        concat!(r#"{"name":"hyper-mcp-proxy","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    [
        br#"{"protocolVersion":"2025-11-25","capabilities":"#,
        &capabilities[..],
        br#","clientInfo":"#,
        client.unwrap_or(own.as_bytes()),
        b"}",
    ]
    .concat()
}

/// The request for the child, with our id and, if the client wants progress, our token.
pub(crate) fn request(message: &Message<'_>, id: &[u8]) -> Vec<u8> {
    let mut params = message.params().and_then(Object::read).unwrap_or_default();
    params.remove("inputResponses");
    params.remove("requestState");
    let meta = params.object("_meta").map(|mut meta| {
        meta.retain(|name| !name.starts_with("io.modelcontextprotocol/"));
        if message.token().is_some() {
            meta.set("progressToken", id);
        }
        (meta.is_empty(), meta.text())
    });
    match meta {
        Some((false, meta)) => params.set("_meta", meta),
        _ => params.remove("_meta"),
    }
    super::request(Some(id), &message.method().unwrap_or_default(), params.text())
}

/// The child's `serverInfo`, out of its answer to `initialize`.
fn server_info(initialized: &[u8]) -> Option<&[u8]> {
    json::member(initialized, &(0..initialized.len()), "serverInfo").map(|span| &initialized[span])
}

/// Adds the server's identity to a result's `_meta`.
fn identify(result: &mut Object<'_>, initialized: &[u8]) {
    let Some(server) = server_info(initialized) else { return };
    let mut meta = result.object("_meta").unwrap_or_default();
    if meta.get(SERVER).is_none() {
        meta.set(SERVER, server);
    }
    let meta = meta.text();
    result.set("_meta", meta);
}

/// The answer to `server/discover`, out of the child's answer to `initialize`.
pub(crate) fn discover(initialized: &[u8], eras: Eras) -> Vec<u8> {
    let known = Object::read(initialized).unwrap_or_default();
    let mut capabilities = known.object("capabilities").unwrap_or_default();
    capabilities.remove("tasks");
    let mut result = Object::default();
    result.set("resultType", &b"\"complete\""[..]);
    result.set("supportedVersions", eras.supported().as_bytes());
    result.set("capabilities", capabilities.text());
    if let Some(instructions) = known.get("instructions") {
        result.set("instructions", instructions);
    }
    result.set("ttlMs", &b"0"[..]);
    result.set("cacheScope", &b"\"private\""[..]);
    identify(&mut result, initialized);
    result.text()
}

/// A result as a 2026-07-28 client must get it.
pub(crate) fn result(method: &str, result: &[u8], initialized: &[u8]) -> Vec<u8> {
    let Some(mut object) = Object::read(result) else { return result.to_vec() };
    object.fill("resultType", b"\"complete\"");
    if CACHED.contains(&method) {
        // What the child may change at any time, nobody may keep.
        object.fill("ttlMs", b"0");
        object.fill("cacheScope", b"\"private\"");
    }
    if method == "tools/list" {
        // `execution` names the tasks of 2025-11-25.
        super::each_tool(&mut object, |tool| tool.remove("execution"));
    }
    identify(&mut object, initialized);
    object.text()
}

/// An error as a 2026-07-28 client may get it: −32002 became −32602, and −32042, where nobody
/// can be asked, is only what failed (MCP 2026-07-28 "Error Codes").
pub(crate) fn error(error: &[u8]) -> Cow<'_, [u8]> {
    let code: &[u8] = match error_code(error) {
        Some(-32002) => b"-32602",
        Some(URL_NEEDED) => b"-32603",
        _ => return Cow::Borrowed(error),
    };
    let mut object = Object::read(error).unwrap_or_default();
    object.set("code", code);
    Cow::Owned(object.text())
}

/// One thing that a child asks of the client.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    /// Its params as the stateless era spells them.
    pub(crate) params: Vec<u8>,
}

/// Reads a question of the child, and which client capability it needs. `None` for requests that
/// no client of the stateless era can be asked.
pub(crate) fn question(message: &Message<'_>) -> Option<(Question, &'static str)> {
    let (method, capability) = match &*message.method()? {
        "sampling/createMessage" => ("sampling/createMessage", "sampling"),
        "elicitation/create" => ("elicitation/create", "elicitation"),
        "roots/list" => ("roots/list", "roots"),
        _ => return None,
    };
    let mut params = message.params().and_then(Object::read).unwrap_or_default();
    params.remove("task");
    params.remove("elicitationId");
    let meta = params.object("_meta").map(|mut meta| {
        meta.retain(|name| {
            name != "progressToken" && name != "io.modelcontextprotocol/related-task"
        });
        (meta.is_empty(), meta.text())
    });
    match meta {
        Some((false, meta)) => params.set("_meta", meta),
        _ => params.remove("_meta"),
    }
    Some((Question { method, params: params.text() }, capability))
}

/// What an answer asks the client to visit before the call is made again, if it is such an error.
pub(crate) fn url_needed(answer: &Message<'_>) -> Option<Vec<Question>> {
    let error = answer.payload().filter(|_| answer.kind() == Kind::Error)?;
    if error_code(error) == Some(URL_NEEDED) { url_questions(error) } else { None }
}

/// The questions of an error −32042, "URL elicitation required" (MCP 2025-11-25 "Elicitation").
fn url_questions(error: &[u8]) -> Option<Vec<Question>> {
    let error = Object::read(error)?;
    let data = error.object("data")?;
    let list = data.get("elicitations")?;
    let questions: Vec<Question> = json::elements(list)
        .ok()?
        .into_iter()
        .filter_map(|span| {
            let mut params = Object::read(&list[span])?;
            params.remove("elicitationId");
            params.fill("mode", b"\"url\"");
            Some(Question { method: "elicitation/create", params: params.text() })
        })
        .collect();
    (!questions.is_empty()).then_some(questions)
}

/// The result that asks the client (MCP 2026-07-28 "Multi Round-Trip Requests").
pub(crate) fn input_required<'a>(
    questions: impl Iterator<Item = (&'a str, &'a Question)>,
    state: &str,
    initialized: &[u8],
) -> Vec<u8> {
    let mut requests = Object::default();
    for (key, question) in questions {
        let mut entry = Object::default();
        entry.set("method", object::quoted(question.method));
        entry.set("params", &question.params[..]);
        requests.set(key, entry.text());
    }
    let mut result = Object::default();
    result.set("resultType", &b"\"input_required\""[..]);
    result.set("inputRequests", requests.text());
    result.set("requestState", object::quoted(state));
    identify(&mut result, initialized);
    result.text()
}

/// A notification for one subscription.
pub(crate) fn tag(message: &Message<'_>, subscription: &[u8]) -> Vec<u8> {
    let mut params = message.params().and_then(Object::read).unwrap_or_default();
    let mut meta = params.object("_meta").unwrap_or_default();
    meta.set(SUBSCRIPTION, subscription);
    let meta = meta.text();
    params.set("_meta", meta);
    super::request(None, &message.method().unwrap_or_default(), params.text())
}

/// The first message of a subscription: what of the filter is honoured.
pub(crate) fn acknowledged(honoured: &[u8], subscription: &[u8]) -> Vec<u8> {
    let params =
        [b"{\"_meta\":", &meta_of(subscription)[..], b",\"notifications\":", honoured, b"}"]
            .concat();
    super::request(None, "notifications/subscriptions/acknowledged", &params)
}

/// The result that ends a subscription.
pub(crate) fn listened(subscription: &[u8]) -> Vec<u8> {
    let result =
        [br#"{"resultType":"complete","_meta":"#, &meta_of(subscription)[..], b"}"].concat();
    super::response(subscription, "result", &result)
}

fn meta_of(subscription: &[u8]) -> Vec<u8> {
    let mut meta = Object::default();
    meta.set(SUBSCRIPTION, subscription);
    meta.text()
}

/// Whether two calls are the same but for what a retry adds: method, name and arguments.
pub(crate) fn same_call(one: &Message<'_>, other: &Message<'_>) -> bool {
    let salient = |message: &Message<'_>| {
        let mut params = message.params().and_then(Object::read).unwrap_or_default();
        params.retain(|name| !matches!(name, "_meta" | "inputResponses" | "requestState"));
        metadata::fingerprint(&params.text())
    };
    one.method() == other.method() && salient(one) == salient(other)
}
