//! A session-era client before a child that speaks only 2026-07-28: requests gain what the child
//! must be told each time, answers lose what the client never heard of.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::message::Message;
use crate::metadata::{
    CAPABILITIES, CLIENT, LOG_LEVEL, LogLevel, SERVER, STATELESS, SUBSCRIPTION, VERSION,
};
use crate::object::{self, Object};
use crate::translate::REMEMBERED;
use crate::version::Version;

/// What a session's client said of itself once, for every request that the child gets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    info: Option<Vec<u8>>,
    capabilities: Vec<u8>,
}

impl Client {
    /// Reads the params of the client's `initialize`.
    pub(crate) fn read(params: &[u8], version: &Version) -> Self {
        let params = Object::read(params).unwrap_or_default();
        let mut capabilities = params.object("capabilities").unwrap_or_default();
        capabilities.remove("tasks");
        if let Some(mut roots) = capabilities.object("roots") {
            roots.remove("listChanged");
            let roots = roots.text();
            capabilities.set("roots", roots);
        }
        if let Some(elicitation) = capabilities.object("elicitation") {
            let elicitation = modes(elicitation, version);
            capabilities.set("elicitation", elicitation);
        }
        let fits = |text: &Vec<u8>| text.len() <= REMEMBERED;
        Self {
            info: params.get("clientInfo").map(<[u8]>::to_vec).filter(fits),
            capabilities: Some(capabilities.text()).filter(fits).unwrap_or_else(|| b"{}".to_vec()),
        }
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

    /// The params of a request of our own.
    pub(crate) fn own_params(&self, more: &[(&str, &[u8])]) -> Vec<u8> {
        let mut meta = Object::default();
        self.metadata(&mut meta, None);
        let mut params = Object::default();
        params.set("_meta", meta.text());
        for (name, value) in more {
            params.set(name, value.to_vec());
        }
        params.text()
    }

    /// The request for the child: the client's params, our id and token, and of a further round
    /// the answers and the state that goes with them.
    pub(crate) fn request(
        &self,
        method: &str,
        params: &[u8],
        id: &[u8],
        level: Option<LogLevel>,
        round: &Round,
    ) -> Vec<u8> {
        let mut params = Object::read(params).unwrap_or_default();
        // A task of 2025-11-25 was never advertised; its augmentation is ignored.
        params.remove("task");
        let mut meta = params.object("_meta").unwrap_or_default();
        if meta.get("progressToken").is_some_and(|token| token != b"null") {
            meta.set("progressToken", id);
        }
        self.metadata(&mut meta, level);
        let meta = meta.text();
        params.set("_meta", meta);
        if let Some(answers) = &round.answers {
            params.set("inputResponses", &answers[..]);
        }
        if let Some(state) = &round.state {
            params.set("requestState", &state[..]);
        }
        super::request(Some(id), method, params.text())
    }
}

/// Clients before 2025-11-25 know one mode of elicitation and do not name it.
fn modes(mut elicitation: Object<'_>, version: &Version) -> Vec<u8> {
    if version.primed {
        return elicitation.text();
    }
    elicitation.remove("url");
    elicitation.text()
}

/// What a further round of a call carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// `inputResponses`, an object.
    pub(crate) answers: Option<Vec<u8>>,
    /// `requestState` as it was spelled.
    pub(crate) state: Option<Vec<u8>>,
}

/// The params of the bridge's own `server/discover`.
pub(crate) fn discover_params() -> Vec<u8> {
    let own =
        concat!(r#"{"name":"hyper-mcp-proxy","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let client = Client { info: Some(own.as_bytes().to_vec()), capabilities: b"{}".to_vec() };
    client.own_params(&[])
}

/// Whether the answer to `server/discover` comes from a child that speaks our stateless revision.
pub(crate) fn speaks_stateless(result: &[u8]) -> bool {
    let Some(result) = Object::read(result) else { return false };
    let versions = result.get("supportedVersions");
    versions
        .and_then(object::decode::<Vec<String>>)
        .is_some_and(|versions| versions.iter().any(|version| version == STATELESS))
}

/// The result of `initialize`, out of the child's answer to `server/discover`.
pub(crate) fn initialized(discovered: &[u8], version: &str) -> Vec<u8> {
    let known = Object::read(discovered).unwrap_or_default();
    let mut capabilities = known.object("capabilities").unwrap_or_default();
    capabilities.remove("extensions");
    let mut result = Object::default();
    result.set("protocolVersion", object::quoted(version));
    result.set("capabilities", capabilities.text());
    let meta = known.object("_meta").unwrap_or_default();
    let unnamed: &[u8] = br#"{"name":"unnamed","version":"0"}"#;
    result.set("serverInfo", meta.get(SERVER).unwrap_or(unnamed).to_vec());
    if let Some(instructions) = known.get("instructions") {
        result.set("instructions", instructions);
    }
    result.text()
}

/// A result as a session-era client knows it.
pub(crate) fn result(method: &str, result: &[u8]) -> Vec<u8> {
    let Some(mut object) = Object::read(result) else { return result.to_vec() };
    if method == "tools/list" {
        super::each_tool(&mut object, without_free_schema);
    }
    for name in ["resultType", "ttlMs", "cacheScope"] {
        object.remove(name);
    }
    let meta = object.object("_meta").map(|mut meta| {
        meta.remove(SERVER);
        meta.remove(SUBSCRIPTION);
        (meta.is_empty(), meta.text())
    });
    match meta {
        Some((false, meta)) => object.set("_meta", meta),
        Some((true, _)) => object.remove("_meta"),
        None => {}
    }
    // Structured content was an object up to 2025-11-25.
    let structured = object.get("structuredContent").filter(|value| value.first() != Some(&b'{'));
    if let Some(wrapped) = structured.map(|value| [b"{\"result\":", value, b"}"].concat()) {
        object.set("structuredContent", wrapped);
    }
    object.text()
}

/// Up to 2025-11-25 the schema of structured content is one of an object. Clients check results
/// against it, and a result that is no object is wrapped below: without the schema, any is right.
fn without_free_schema(tool: &mut Object<'_>) {
    let schema = tool.object("outputSchema");
    if schema.is_none_or(|schema| schema.string("type").as_deref() != Some("object")) {
        tool.remove("outputSchema");
    }
}

/// What the child wants to know before it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// By key, the method and the params of what the client is asked.
    pub(crate) questions: Vec<(String, String, Vec<u8>)>,
    pub(crate) state: Option<Vec<u8>>,
}

impl Wanted {
    /// Bytes of it that are kept until the call is made again.
    pub(crate) fn size(&self) -> usize {
        let asked: usize =
            self.questions.iter().map(|(key, method, _)| key.len() + method.len()).sum();
        asked + self.state.as_ref().map_or(0, Vec::len)
    }
}

/// Reads a result that asks for input. `None` if it is the answer itself.
pub(crate) fn wanted(result: &[u8]) -> Option<Wanted> {
    let result = Object::read(result)?;
    if result.string("resultType")? != "input_required" {
        return None;
    }
    let state = result.get("requestState").map(<[u8]>::to_vec);
    let requests = result.object("inputRequests").unwrap_or_default();
    let questions = requests
        .iter()
        .filter_map(|(key, value)| {
            let request = Object::read(value)?;
            let method = request.string("method")?.into_owned();
            let params = request.get("params").unwrap_or(b"{}").to_vec();
            Some((key.into_owned(), method, params))
        })
        .collect();
    Some(Wanted { questions, state })
}

/// A question's params as a session-era client knows them: an elicitation by URL has an id.
pub(crate) fn question(method: &str, params: &[u8], id: &str) -> Vec<u8> {
    let Some(mut object) = Object::read(params) else { return params.to_vec() };
    let by_url = object.string("mode").is_some_and(|mode| mode == "url");
    if method == "elicitation/create" && by_url {
        object.set("elicitationId", object::quoted(id));
    }
    object.text()
}

/// What a client's answer becomes. `None` if the call can't go on: an error has no place among
/// the answers, only an elicitation can be given up.
pub(crate) fn answer<'a>(method: &str, response: &Message<'a>) -> Option<Cow<'a, [u8]>> {
    use crate::message::Kind;
    match response.kind() {
        Kind::Result => response.payload().map(Cow::Borrowed),
        _ if method == "elicitation/create" => Some(Cow::Borrowed(br#"{"action":"cancel"}"#)),
        _ => None,
    }
}

/// A notification without the mark of the subscription that it came by.
pub(crate) fn untag(message: &Message<'_>) -> Vec<u8> {
    let mut params = message.params().and_then(Object::read).unwrap_or_default();
    let meta = params.object("_meta").map(|mut meta| {
        meta.remove(SUBSCRIPTION);
        (meta.is_empty(), meta.text())
    });
    match meta {
        Some((false, meta)) => params.set("_meta", meta),
        _ => params.remove("_meta"),
    }
    super::request(None, &message.method().unwrap_or_default(), params.text())
}
