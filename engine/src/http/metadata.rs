//! What a 2026-07-28 request says about itself, in its body and in its head, and that the two
//! agree (MCP 2026-07-28 "Request Metadata", "Standard MCP Request Headers", "Server
//! Validation"). All of it is judged before anything reaches a child.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::api::eras::Eras;
use crate::api::limits;
use crate::codec::base64;
use crate::codec::copy;
use crate::codec::json::{self, Scanner, sorted};
use crate::codec::message::Message;
use crate::codec::meta::{self, CAPABILITIES, LOG_LEVEL, LogLevel, VERSION};
use crate::codec::object;
use crate::codec::version::STATELESS;
use crate::http::admission::{Admitted, Transport};
use crate::http::fault::Fault;
use crate::http::field::Text;

/// Methods of the session era that 2026-07-28 removed.
const REMOVED: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// Methods whose answer may require input of the client (MCP 2026-07-28 "Multi Round-Trip
/// Requests").
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// What a stateless request says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Metadata<'a> {
    pub(crate) method: Cow<'a, str>,
    /// The client's capabilities as they are spelled.
    pub(crate) capabilities: &'a [u8],
    pub(crate) log_level: Option<LogLevel>,
}

/// Which era a message belongs to. The body decides; the head only has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Session,
    Stateless,
}

/// Tells the era of a message.
pub(crate) fn era(message: &Message<'_>, head: &Admitted<'_>) -> Era {
    let stateless = head.transport == Transport::Streamable
        && (message.meta(VERSION).is_some()
            || is_stateless_head(head) && !(message.is_request() && message.calls("initialize")));
    if stateless { Era::Stateless } else { Era::Session }
}

/// Whether the head claims the stateless era.
pub(crate) fn is_stateless_head(head: &Admitted<'_>) -> bool {
    head.version.is_some_and(|version| version.is(STATELESS))
}

impl<'a> Metadata<'a> {
    /// Judges a request of the stateless era, at a server whose clients may use these eras.
    pub(crate) fn read(
        message: &Message<'a>,
        head: &Admitted<'_>,
        eras: Eras,
    ) -> Result<Self, Fault> {
        let method = message.method().unwrap_or_default();
        let version = message.meta(VERSION).ok_or(Fault::MetadataMissing(VERSION))?;
        let version = object::string(version).ok_or(Fault::MetadataMissing(VERSION))?;
        let told = head.version.map(Text::decoded);
        if told != Some(&*version) {
            return Err(mismatch("MCP-Protocol-Version", told, &version));
        }
        if version != STATELESS {
            return Err(Fault::UnsupportedVersion(version.into_owned(), eras));
        }
        if head.method != Some(&*method) {
            return Err(mismatch("Mcp-Method", head.method, &method));
        }
        if message.is_doubtful() {
            return Err(Fault::NotAMessage(
                "a name in params appears twice, or differs from another one only in case or control characters",
            ));
        }
        name_agrees(message, &method, head)?;
        let capabilities = message.meta(CAPABILITIES);
        let capabilities = capabilities
            .filter(|text| text.first() == Some(&b'{') && text.len() <= limits::REMEMBERED);
        let capabilities = capabilities.ok_or(Fault::MetadataMissing(CAPABILITIES))?;
        let log_level = match message.meta(LOG_LEVEL) {
            None => None,
            Some(text) => Some(LogLevel::read(text).ok_or(Fault::MetadataMissing(LOG_LEVEL))?),
        };
        if REMOVED.contains(&&*method) {
            return Err(Fault::MethodNotFound(method.into_owned()));
        }
        Ok(Self { method, capabilities, log_level })
    }

    /// Whether the answer may require input.
    pub(crate) fn may_ask(&self) -> bool {
        ASKING.contains(&&*self.method)
    }
}

/// `Mcp-Name` repeats the name, URI or task that a request is about.
fn name_agrees(message: &Message<'_>, method: &str, head: &Admitted<'_>) -> Result<(), Fault> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return Ok(()),
    };
    let Some(name) = message.param(member).filter(|raw| json::is_text(raw)) else {
        // Without it the request is the child's to refuse, but the head can't agree with it.
        return if head.name.is_none() { Ok(()) } else { Err(mismatch("Mcp-Name", head.name, "")) };
    };
    match head.name.map(decode) {
        Some(Some(value)) if json::says(name, value.as_bytes()) => Ok(()),
        _ => Err(mismatch("Mcp-Name", head.name, &json::excerpt(name, SHOWN))),
    }
}

/// How much of a value is shown that is not what was expected, in characters.
pub(crate) const SHOWN: usize = 80;

pub(crate) fn mismatch(name: &str, header: Option<&str>, body: &str) -> Fault {
    let shown = |text: &str| -> String { text.chars().take(SHOWN).collect() };
    Fault::HeaderMismatch(match header {
        None => alloc::format!("the {name} header is missing; the body says {:?}", shown(body)),
        Some(value) => alloc::format!(
            "the {name} header {:?} does not match the body's {:?}",
            shown(value),
            shown(body)
        ),
    })
}

/// What a header value says: itself, or what its Base64 sentinel holds. `None` if it holds
/// nothing readable (MCP 2026-07-28 "Value Encoding").
pub(crate) fn decode(value: &str) -> Option<Cow<'_, str>> {
    let sentinel = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match sentinel {
        None if value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) => {
            Some(Cow::Borrowed(value))
        }
        None => None,
        Some(text) => String::from_utf8(base64::decode(text.as_bytes())?).ok().map(Cow::Owned),
    }
}

/// A capability set in one spelling, so that equal ones are equal bytes. One that is large, deep
/// or escaped, as none of a client is, keeps its own.
pub(crate) fn fingerprint(capabilities: &[u8]) -> Vec<u8> {
    sorted::text(capabilities).map_or_else(|_| capabilities.to_vec(), copy::fitted)
}

/// Whether a client with these capabilities may get a task in place of a result.
pub(crate) fn may_get_tasks(capabilities: &[u8]) -> bool {
    let member = |text: &[u8], name| json::member(text, &(0..text.len()), name);
    let extensions = member(capabilities, "extensions").map(|span| &capabilities[span]);
    extensions.is_some_and(|extensions| member(extensions, meta::TASKS).is_some())
}

/// Whether a client with these capabilities can be asked for anything.
pub(crate) fn can_be_asked(capabilities: &[u8]) -> bool {
    let mut asked = false;
    let read = Scanner::new(capabilities).members(|scanner, name| {
        asked |= matches!(&**name, b"sampling" | b"elicitation" | b"roots");
        scanner.value().map(|_| ())
    });
    read.is_ok() && asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_with_and_without_the_sentinel() {
        for (value, said) in [
            ("plain name", Some("plain name")),
            ("=?base64?w6k=?=", Some("é")),
            ("=?base64??=", Some("")),
            ("=?base64?w6k?=", None),
            ("=?base64?/w==?=", None),
            ("=?BASE64?w6k=?=", Some("=?BASE64?w6k=?=")),
            ("=?base64?w6k=", Some("=?base64?w6k=")),
            ("é", None),
        ] {
            assert_eq!(decode(value).as_deref(), said, "{value}");
        }
    }

    #[test]
    fn equal_capabilities_have_one_fingerprint() {
        let one = fingerprint(br#"{"b":{}, "a":{"y":1,"x":2}}"#);
        assert_eq!(one, fingerprint(br#"{"a":{"x":2,"y":1},"b":{}}"#));
        assert_ne!(one, fingerprint(b"{}"));
        let with = |extension| alloc::format!(r#"{{"extensions":{{"{extension}":{{}}}}}}"#);
        assert!(may_get_tasks(with(meta::TASKS).as_bytes()));
        assert!(!may_get_tasks(with("x").as_bytes()) && !may_get_tasks(b"{}"));
        assert!(can_be_asked(br#"{"sampling":{}}"#) && !can_be_asked(br#"{"x":{"sampling":{}}}"#));
    }
}
