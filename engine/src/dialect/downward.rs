//! Translation for a 2026-07-28 client and a session-era child: requests lose members that the
//! child does not know, answers gain members that the client requires.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::api::eras::Eras;
use crate::api::limits::QUESTIONS;
use crate::codec::copy::Copy;
use crate::codec::json::{self, NotJson, Scanner};
use crate::codec::message::Message;
use crate::codec::meta::{REQUEST, SERVER, SUBSCRIPTION};
use crate::codec::object::{self, Object};
use crate::codec::rpc;
use crate::codec::version::NEWEST_SESSION;
use crate::dialect::Last;
use crate::dialect::description::Description;

/// Most bytes that a text grows by when it gains members, the head of its message included.
const GROWTH: usize = 512;

/// Whether the results of a method must state how long they may be cached (MCP 2026-07-28
/// "Caching"). The lists of extensions follow the specification's naming.
fn is_cached(method: &str) -> bool {
    matches!(method.rsplit_once('/'), Some((_, "list" | "read")))
}

/// "URL elicitation required" (MCP 2025-11-25 "Elicitation"). The stateless era has no such error.
const URL_NEEDED: i64 = -32042;

/// The code of an error object.
pub(crate) fn error_code(error: &[u8]) -> Option<i64> {
    let span = json::member(error, &(0..error.len()), "code")?;
    core::str::from_utf8(&error[span]).ok()?.parse().ok()
}

/// The params of the bridge's own `initialize`.
pub(crate) fn initialize(capabilities: &[u8], client: Option<&[u8]>) -> Vec<u8> {
    let capabilities = super::capabilities(Some(capabilities));
    let own =
        concat!(r#"{"name":"hyper-mcp-proxy","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    [
        br#"{"protocolVersion":""#,
        NEWEST_SESSION.as_bytes(),
        br#"","capabilities":"#,
        &capabilities[..],
        br#","clientInfo":"#,
        client.unwrap_or(own.as_bytes()),
        b"}",
    ]
    .concat()
}

/// The request for the child, with the bridge's id and, if the client wants progress, its token.
pub(crate) fn request(message: &Message<'_>, id: &[u8]) -> Vec<u8> {
    let head = rpc::head(Some(id), &message.method().unwrap_or_default());
    let mut copy = Copy::new(super::params(message), &head, id.len() + 2);
    // The members were scanned before, here and below.
    let _ = copy.object(|copy, name| match &**name {
        b"inputResponses" | b"requestState" => copy.drop(),
        b"_meta" => super::meta(copy, |copy, name| match &**name {
            b"progressToken" => copy.set_unless_null(id),
            name if REQUEST.iter().any(|field| field.as_bytes() == name) => copy.drop(),
            _ => Ok(false),
        }),
        _ => Ok(false),
    });
    copy.end(b"}")
}

/// Builds the answer to `server/discover` from the child's answer to `initialize`.
pub(crate) fn discover(description: &Description, eras: Eras) -> Vec<u8> {
    let text = description.text();
    let mut result = Object::default();
    result.set("resultType", &b"\"complete\""[..]);
    result.set("supportedVersions", eras.supported().into_bytes());
    result.set("capabilities", super::capabilities(super::member(text, "capabilities")));
    if let Some(instructions) = super::member(text, "instructions") {
        result.set("instructions", instructions);
    }
    result.set("ttlMs", &b"0"[..]);
    result.set("cacheScope", &b"\"private\""[..]);
    identify(&mut result, description);
    result.text()
}

/// Adds the server's identity to a result of the bridge.
fn identify(result: &mut Object<'_>, description: &Description) {
    if let Some(server) = description.server() {
        result.set("_meta", super::object_of(SERVER, server));
    }
}

/// Translates a result for a 2026-07-28 client.
pub(crate) fn result(method: &str, result: &[u8], description: &Description) -> Vec<u8> {
    if !super::is_object(result) {
        return result.to_vec();
    }
    Last::copied(|last| result_with(method, result, description, last))
}

fn result_with(method: &str, result: &[u8], description: &Description, last: &mut Last) -> Vec<u8> {
    // The child may change it at any time, so it must not be cached.
    let cached = is_cached(method);
    let mut fill: [(&str, &[u8], bool); 3] = [
        ("resultType", b"\"complete\"", true),
        ("ttlMs", b"0", cached),
        ("cacheScope", b"\"private\"", cached),
    ];
    let mut server = description.server();
    let known = server;
    let mut copy = Copy::new(result, b"", server.map_or(0, <[u8]>::len) + GROWTH);
    let _ = copy.members(|copy, name| {
        if let Some((.., wanted)) = fill.iter_mut().find(|(fill, ..)| fill.as_bytes() == &**name) {
            *wanted = false;
        }
        match (&**name, known) {
            (b"_meta", Some(known)) => {
                server = None;
                if !last.is_met() {
                    return copy.drop();
                }
                super::marked(copy, SERVER, known, true)
            }
            // `execution` describes the tasks of 2025-11-25.
            (b"tools", _) if method == "tools/list" && copy.peek() == b'[' => {
                copy.begin();
                copy.objects(|copy, name| match &**name {
                    b"execution" => copy.drop(),
                    _ => Ok(false),
                })?;
                Ok(true)
            }
            _ => Ok(false),
        }
    });
    for (name, value, _) in fill.iter().filter(|(.., wanted)| *wanted) {
        copy.add(name, value);
    }
    if let Some(server) = server {
        copy.add("_meta", &super::object_of(SERVER, server));
    }
    copy.close(b'}');
    copy.end(b"")
}

/// Translates an error for a 2026-07-28 client: −32002 became −32602, and −32042, if the client
/// can't be asked, is reported as a plain failure (MCP 2026-07-28 "Error Codes").
pub(crate) fn error(error: &[u8]) -> Cow<'_, [u8]> {
    let code: &[u8] = match error_code(error) {
        Some(-32002) => b"-32602",
        Some(URL_NEEDED) => b"-32603",
        _ => return Cow::Borrowed(error),
    };
    let mut copy = Copy::new(error, b"", GROWTH);
    let _ = copy.object(|copy, name| match &**name {
        b"code" => copy.set(code),
        _ => Ok(false),
    });
    Cow::Owned(copy.end(b""))
}

/// A child's request for the client's input.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) method: &'static str,
    /// Its params in the form of the stateless era.
    pub(crate) params: Vec<u8>,
}

impl Question {
    /// It may wait for long, beside many others.
    fn new(method: &'static str, mut params: Vec<u8>) -> Self {
        params.shrink_to_fit();
        Self { method, params }
    }
}

/// Reads a child's request to its client, and the client capability that it needs. `None` for
/// requests that the stateless era does not have.
pub(crate) fn question(message: &Message<'_>) -> Option<(Question, &'static str)> {
    let (method, capability) = match &*message.method()? {
        "sampling/createMessage" => ("sampling/createMessage", "sampling"),
        "elicitation/create" => ("elicitation/create", "elicitation"),
        "roots/list" => ("roots/list", "roots"),
        _ => return None,
    };
    let mut copy = Copy::new(super::params(message), b"", 0);
    let _ = copy.object(|copy, name| match &**name {
        b"task" | b"elicitationId" => copy.drop(),
        b"_meta" => super::meta(copy, |copy, name| match &**name {
            b"progressToken" | b"io.modelcontextprotocol/related-task" => copy.drop(),
            _ => Ok(false),
        }),
        _ => Ok(false),
    });
    Some((Question::new(method, copy.end(b"")), capability))
}

/// The URLs that the client must visit before it repeats the call, if the answer is such an error.
pub(crate) fn url_needed(answer: &Message<'_>) -> Option<Vec<Question>> {
    let error = answer.error()?;
    if error_code(error) == Some(URL_NEEDED) { url_questions(error) } else { None }
}

/// The questions of an error −32042, "URL elicitation required" (MCP 2025-11-25 "Elicitation"). One
/// with too many questions is passed on as an error.
fn url_questions(error: &[u8]) -> Option<Vec<Question>> {
    let data = super::member(error, "data").filter(|data| super::is_object(data))?;
    let list = super::member(data, "elicitations")?;
    let mut questions = Vec::new();
    let read = Scanner::new(list).elements(|scanner| {
        let params = &list[scanner.value()?];
        if super::is_object(params) {
            if questions.len() >= QUESTIONS {
                return Err("too many questions");
            }
            questions.push(Question::new("elicitation/create", by_url(params)?));
        }
        Ok(())
    });
    read.ok().filter(|()| !questions.is_empty()).map(|()| questions)
}

/// The params of an elicitation by URL.
fn by_url(params: &[u8]) -> Result<Vec<u8>, NotJson> {
    let mut copy = Copy::new(params, b"", GROWTH);
    let mut has_mode = false;
    copy.members(|copy, name| {
        has_mode |= **name == *b"mode";
        if **name == *b"elicitationId" { copy.drop() } else { Ok(false) }
    })?;
    if !has_mode {
        copy.add("mode", b"\"url\"");
    }
    copy.close(b'}');
    Ok(copy.end(b""))
}

/// The result that requires input of the client (MCP 2026-07-28 "Multi Round-Trip Requests").
pub(crate) fn input_required<'a>(
    questions: impl Iterator<Item = (&'a str, &'a Question)>,
    state: &str,
    description: &Description,
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
    identify(&mut result, description);
    result.text()
}

/// A notification for one subscription.
pub(crate) fn tag(message: &Message<'_>, subscription: &[u8]) -> Vec<u8> {
    let head = rpc::head(None, &message.method().unwrap_or_default());
    let growth = subscription.len() + GROWTH;
    let copied = |last: &mut Last| {
        let mut copy = Copy::new(super::params(message), &head, growth);
        let mut met = false;
        let _ = copy.members(|copy, name| {
            if **name != *b"_meta" {
                return Ok(false);
            }
            met = true;
            if last.is_met() {
                super::marked(copy, SUBSCRIPTION, subscription, false)
            } else {
                copy.drop()
            }
        });
        if !met {
            copy.add("_meta", &meta_of(subscription));
        }
        copy.close(b'}');
        copy.end(b"}")
    };
    Last::copied(copied)
}

/// A notification for any subscription, and the position of the byte that stands for the id. `None`
/// if its event needs more than one line.
pub(crate) fn tag_of_any(message: &Message<'_>) -> Option<(Vec<u8>, usize)> {
    // This byte never occurs in UTF-8.
    const ID: u8 = 0xff;
    let text = tag(message, &[ID]);
    let gap = text.iter().position(|byte| *byte == ID)?;
    (!text.contains(&b'\r')).then_some((text, gap))
}

/// The first message of a subscription: the part of the filter that is honoured.
pub(crate) fn acknowledged(honoured: &[u8], subscription: &[u8]) -> Vec<u8> {
    let params =
        [b"{\"_meta\":", &meta_of(subscription)[..], b",\"notifications\":", honoured, b"}"]
            .concat();
    rpc::request(None, "notifications/subscriptions/acknowledged", &params)
}

/// The result that ends a subscription.
pub(crate) fn listened(subscription: &[u8]) -> Vec<u8> {
    let result =
        [br#"{"resultType":"complete","_meta":"#, &meta_of(subscription)[..], b"}"].concat();
    rpc::response(subscription, "result", &result)
}

fn meta_of(subscription: &[u8]) -> Vec<u8> {
    super::object_of(SUBSCRIPTION, subscription)
}

/// A subscription's result with the client's own id; `None` if it names no subscription.
pub(crate) fn retagged(result: &[u8], id: &[u8]) -> Option<Vec<u8>> {
    let copied = |last: &mut Last| {
        let mut is_object = false;
        let mut copy = Copy::new(result, b"", id.len() + GROWTH);
        let copied = copy.object(|copy, name| {
            if **name != *b"_meta" {
                return Ok(false);
            }
            is_object = copy.peek() == b'{';
            match (last.is_met(), is_object) {
                (true, true) => super::marked(copy, SUBSCRIPTION, id, false),
                (true, false) => Ok(false),
                (false, _) => copy.drop(),
            }
        });
        copied.ok().filter(|()| is_object).map(|()| copy.end(b""))
    };
    Last::copied(copied)
}

/// A child's answer to `server/discover`, with the versions that the bridge serves; `None` if it
/// names none.
pub(crate) fn with_our_versions(result: &[u8], eras: Eras) -> Option<Vec<u8>> {
    let versions = eras.supported().into_bytes();
    let mut met = false;
    let mut copy = Copy::new(result, b"", versions.len() + GROWTH);
    let copied = copy.object(|copy, name| {
        if **name != *b"supportedVersions" {
            return Ok(false);
        }
        if core::mem::replace(&mut met, true) { copy.drop() } else { copy.set(&versions) }
    });
    copied.ok().filter(|()| met).map(|()| copy.end(b""))
}

/// A digest of a call's params without those that a retry adds. It detects a client that retries
/// with another call by mistake; a client that forges a match harms only itself.
pub(crate) fn digest(message: &Message<'_>) -> u64 {
    let added = ["_meta", "inputResponses", "requestState"];
    // The members were scanned before.
    json::digest::members(super::params(message), &added).unwrap_or_default()
}
