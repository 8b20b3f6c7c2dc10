//! Translation for a session-era client and a child that speaks only 2026-07-28: requests gain the
//! metadata that the child requires each time, answers lose members that the client does not know.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::api::limits::{QUESTIONS, REMEMBERED};
use crate::codec::copy::{Changed, Copy};
use crate::codec::json::{self, Name, Scanner};
use crate::codec::message::Message;
use crate::codec::meta::{
    CAPABILITIES, CLIENT, LOG_LEVEL, LogLevel, SERVER, SUBSCRIPTION, VERSION,
};
use crate::codec::object::{self, Object};
use crate::codec::rpc;
use crate::codec::version::{STATELESS, Version};
use crate::dialect::Last;

/// Most bytes that a text grows by when it gains members, the head of its message included.
const GROWTH: usize = 1024;

/// What a session's client declared in `initialize`, for every request to the child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    info: Option<Vec<u8>>,
    capabilities: Vec<u8>,
}

impl Client {
    /// Reads the params of the client's `initialize`.
    pub(crate) fn read(params: &[u8], version: &Version) -> Self {
        let kept = |name: &str| super::member(params, name).filter(|text| text.len() <= REMEMBERED);
        let capabilities = super::capabilities(kept("capabilities"));
        let mut capabilities = Object::read(&capabilities).unwrap_or_default();
        if let Some(mut roots) = capabilities.object("roots") {
            roots.remove("listChanged");
            let roots = roots.text();
            capabilities.set("roots", roots);
        }
        if let Some(elicitation) = capabilities.object("elicitation") {
            let elicitation = modes(elicitation, version);
            capabilities.set("elicitation", elicitation);
        }
        Self { info: kept("clientInfo").map(<[u8]>::to_vec), capabilities: capabilities.text() }
    }

    /// Bytes of what it declared.
    pub(crate) fn size(&self) -> usize {
        self.capabilities.len() + self.info.as_ref().map_or(0, Vec::len)
    }

    /// The metadata of one request.
    fn metadata<'a>(&'a self, meta: &mut Object<'a>, level: Option<LogLevel>) {
        meta.set(VERSION, object::quoted(STATELESS));
        meta.set(CAPABILITIES, &self.capabilities[..]);
        if let Some(info) = &self.info {
            meta.set(CLIENT, &info[..]);
        }
        if let Some(level) = level {
            meta.set(LOG_LEVEL, object::quoted(level.name()));
        }
    }

    /// The params of a request of the bridge.
    pub(crate) fn stamped_params(&self, more: &[(&str, &[u8])]) -> Vec<u8> {
        let mut meta = Object::default();
        self.metadata(&mut meta, None);
        let mut params = Object::default();
        params.set("_meta", meta.text());
        for (name, value) in more {
            params.set(name, value.to_vec());
        }
        params.text()
    }

    /// The request for the child: the client's params, the bridge's id and token, and in a later
    /// round the answers with their state.
    pub(crate) fn request(
        &self,
        method: &str,
        params: &[u8],
        id: &[u8],
        level: Option<LogLevel>,
        round: &Round,
    ) -> Vec<u8> {
        let params = Some(params).filter(|text| super::is_object(text)).unwrap_or(b"{}");
        let mut meta = Object::default();
        self.metadata(&mut meta, level);
        let more: [(&str, Option<&[u8]>); 2] = [
            ("inputResponses", round.answers.as_deref()),
            ("requestState", round.state.as_deref()),
        ];
        let more_len = more.iter().map(|(_, text)| text.map_or(0, <[u8]>::len)).sum::<usize>();
        let growth = self.size() + id.len() + more_len + GROWTH;
        let head = rpc::head(Some(id), method);
        Last::copied(|last| {
            let mut copy = Copy::new(params, &head, growth);
            let (mut met, mut missing) = (false, more);
            // The members were scanned before.
            let _ = copy.members(|copy, name| match &**name {
                // Tasks of 2025-11-25 were not advertised, so a client's request for one is
                // ignored.
                b"task" => copy.drop(),
                b"_meta" => {
                    met = true;
                    if last.is_met() { informed(copy, &meta, id) } else { copy.drop() }
                }
                name => match more.iter().position(|(other, _)| other.as_bytes() == name) {
                    Some(place) if more[place].1.is_some() => match missing[place].1.take() {
                        Some(text) => copy.set(text),
                        None => copy.drop(),
                    },
                    _ => Ok(false),
                },
            });
            if !met {
                copy.add("_meta", &meta.text());
            }
            for (name, text) in missing {
                if let Some(text) = text {
                    copy.add(name, text);
                }
            }
            copy.close(b'}');
            copy.end(b"}")
        })
    }
}

/// Copies the `_meta` of a request with the metadata that the child requires, and our token.
fn informed(copy: &mut Copy<'_>, meta: &Object<'_>, id: &[u8]) -> Changed {
    if copy.peek() != b'{' {
        return copy.set(&meta.text());
    }
    copy.begin();
    // Each member is written once.
    let mut missing: Vec<(Cow<'_, str>, Option<&[u8]>)> =
        meta.iter().map(|(name, text)| (name, Some(text))).collect();
    copy.members(|copy, name| {
        if **name == *b"progressToken" {
            return copy.set_unless_null(id);
        }
        match missing.iter_mut().find(|(known, _)| known.as_bytes() == &**name) {
            None => Ok(false),
            Some((_, text)) => match text.take() {
                Some(text) => copy.set(text),
                None => copy.drop(),
            },
        }
    })?;
    for (name, text) in missing {
        if let Some(text) = text {
            copy.add(&name, text);
        }
    }
    copy.close(b'}');
    Ok(true)
}

/// Clients before 2025-11-25 know one mode of elicitation and do not name it.
fn modes(mut elicitation: Object<'_>, version: &Version) -> Vec<u8> {
    if version.primed {
        return elicitation.text();
    }
    elicitation.remove("url");
    elicitation.text()
}

/// The additions of a later round of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// `inputResponses`, an object.
    pub(crate) answers: Option<Vec<u8>>,
    /// `requestState`, as the child wrote it.
    pub(crate) state: Option<Vec<u8>>,
}

/// The params of the bridge's own `server/discover`.
pub(crate) fn discover_params() -> Vec<u8> {
    let own =
        concat!(r#"{"name":"hyper-mcp-proxy","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let client = Client { info: Some(own.as_bytes().to_vec()), capabilities: b"{}".to_vec() };
    client.stamped_params(&[])
}

/// Whether an answer to `server/discover` is from a child that speaks our stateless revision.
pub(crate) fn speaks_stateless(result: &[u8]) -> bool {
    let Some(versions) = super::member(result, "supportedVersions") else { return false };
    let (mut only_text, mut speaks) = (true, false);
    let read = Scanner::new(versions).elements(|scanner| {
        let version = &versions[scanner.value()?];
        only_text &= json::is_text(version);
        speaks |= json::spells(version, STATELESS);
        Ok(())
    });
    read.is_ok() && only_text && speaks
}

/// Builds the result of `initialize` from the child's answer to `server/discover`.
pub(crate) fn initialized(discovered: &[u8], version: &str) -> Vec<u8> {
    let meta = super::member(discovered, "_meta").filter(|meta| super::is_object(meta));
    let server = meta.and_then(|meta| super::member(meta, SERVER));
    let capabilities = super::member(discovered, "capabilities");
    let mut result = Object::default();
    result.set("protocolVersion", object::quoted(version));
    result.set("capabilities", super::capabilities(capabilities));
    let unnamed: &[u8] = br#"{"name":"unnamed","version":"0"}"#;
    result.set("serverInfo", server.unwrap_or(unnamed));
    if let Some(instructions) = super::member(discovered, "instructions") {
        result.set("instructions", instructions);
    }
    result.text()
}

/// Translates a result for a session-era client. `own` returns the replacement for the subscription
/// that the result names: the client's id, if it is the call's own.
pub(crate) fn result<'o>(
    method: &str,
    result: &[u8],
    own: impl Fn(&[u8]) -> Option<&'o [u8]>,
) -> Vec<u8> {
    if !super::is_object(result) {
        return result.to_vec();
    }
    let mut copy = Copy::new(result, b"", GROWTH);
    // The members were scanned before.
    let _ = copy.object(|copy, name| match &**name {
        b"tools" if method == "tools/list" && copy.peek() == b'[' => {
            copy.begin();
            copy.objects(|copy, name| match &**name {
                b"outputSchema" => schema(copy),
                _ => Ok(false),
            })?;
            Ok(true)
        }
        b"resultType" | b"ttlMs" | b"cacheScope" => copy.drop(),
        b"_meta" if copy.peek() == b'{' => copy.unless_empty(|copy, name| match &**name {
            name if name == SUBSCRIPTION.as_bytes() => copy.turn(&own),
            name if name == SERVER.as_bytes() => copy.drop(),
            _ => Ok(false),
        }),
        // Structured content was an object up to 2025-11-25.
        b"structuredContent" if copy.peek() != b'{' => copy.wrap(b"{\"result\":", b"}"),
        _ => Ok(false),
    });
    copy.end(b"")
}

/// Up to 2025-11-25 the schema of structured content describes an object. Clients validate results
/// against it, and a result that is not an object is wrapped above; without the schema, any result
/// is valid.
fn schema(copy: &mut Copy<'_>) -> Changed {
    if copy.peek() != b'{' {
        return copy.drop();
    }
    let mut kind = None;
    let schema = copy.inspect(|scanner, name| {
        let value = scanner.value()?;
        if **name == *b"type" {
            kind = Some(value);
        }
        Ok(())
    })?;
    let kind = kind.map(|kind| copy.at(kind));
    if kind.is_some_and(|kind| json::is_text(kind) && json::spells(kind, "object")) {
        copy.keep(schema);
    }
    Ok(true)
}

/// The input that the child requires before it continues.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// By key, the method and the params of each request to the client.
    pub(crate) questions: Vec<(String, String, Vec<u8>)>,
    pub(crate) state: Option<Vec<u8>>,
}

impl Wanted {
    /// Bytes of it that are kept until the call is sent again.
    pub(crate) fn size(&self) -> usize {
        let asked: usize =
            self.questions.iter().map(|(key, method, _)| key.len() + method.len()).sum();
        asked + self.state.as_ref().map_or(0, Vec::len)
    }
}

/// Reads a result that requires input. `None` if it is the final answer. A result with too many
/// questions is read as far as the limit.
pub(crate) fn wanted(result: &[u8]) -> Option<Wanted> {
    let (mut kind, mut state, mut requests) = (None, None, None);
    let read = Scanner::new(result).members(|scanner, name| {
        let value = &result[scanner.value()?];
        match &**name {
            b"resultType" => kind = Some(value),
            b"requestState" => state = Some(value),
            b"inputRequests" => requests = Some(value),
            _ => {}
        }
        Ok(())
    });
    read.ok()?;
    if !json::spells(kind.filter(|kind| json::is_text(kind))?, "input_required") {
        return None;
    }
    let mut questions = Vec::new();
    let requests = requests.filter(|requests| super::is_object(requests)).unwrap_or(b"{}");
    let _ = Scanner::new(requests).members(|scanner, key| {
        let request = &requests[scanner.value()?];
        if questions.len() > QUESTIONS {
            return Err("too many questions");
        }
        questions.extend(asked(key, request));
        Ok(())
    });
    Some(Wanted { questions, state: state.map(<[u8]>::to_vec) })
}

/// The key, the method and the params of one question.
fn asked(key: &Name<'_>, request: &[u8]) -> Option<(String, String, Vec<u8>)> {
    let request = Some(request).filter(|request| super::is_object(request))?;
    let method = super::member(request, "method").and_then(object::string)?.into_owned();
    let params = super::member(request, "params").unwrap_or(b"{}").to_vec();
    Some((String::from_utf8(key.text().into_owned()).ok()?, method, params))
}

/// A question's params for a session-era client: an elicitation by URL gets an id.
pub(crate) fn question(method: &str, params: &[u8], id: &str) -> Vec<u8> {
    let mode = super::member(params, "mode").filter(|mode| json::is_text(mode));
    let by_url = mode.is_some_and(|mode| json::spells(mode, "url"));
    if !super::is_object(params) {
        return params.to_vec();
    }
    let mut id = Some(object::quoted(id)).filter(|_| method == "elicitation/create" && by_url);
    let mut copy = Copy::new(params, b"", GROWTH);
    let _ =
        copy.members(|copy, name| match (&**name, id.take_if(|_| **name == *b"elicitationId")) {
            (_, Some(id)) => copy.set(&id),
            _ => Ok(false),
        });
    if let Some(id) = id {
        copy.add("elicitationId", &id);
    }
    copy.close(b'}');
    copy.end(b"")
}

/// Translates a client's answer. `None` if the call can't continue: an error has no place among the
/// answers, and only an elicitation can be cancelled.
pub(crate) fn answer<'a>(method: &str, response: &Message<'a>) -> Option<Cow<'a, [u8]>> {
    match response.result() {
        Some(result) => Some(Cow::Borrowed(result)),
        None if method == "elicitation/create" => Some(Cow::Borrowed(br#"{"action":"cancel"}"#)),
        None => None,
    }
}

/// A notification without the name of its subscription.
pub(crate) fn untag(message: &Message<'_>) -> Vec<u8> {
    let head = rpc::head(None, &message.method().unwrap_or_default());
    let mut copy = Copy::new(super::params(message), &head, 1);
    let _ = copy.object(|copy, name| match &**name {
        b"_meta" => super::meta(copy, |copy, name| {
            if **name == *SUBSCRIPTION.as_bytes() { copy.drop() } else { Ok(false) }
        }),
        _ => Ok(false),
    });
    copy.end(b"}")
}
