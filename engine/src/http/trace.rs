//! The trace context in a request's head: `traceparent` and `tracestate` (W3C Trace Context), and
//! `baggage` (W3C Baggage). A child behind stdio sees no head, so they go into the `_meta` of the
//! message (MCP 2026-07-28 "Base Protocol, `_meta`").
//!
//! A field that is malformed or too long is left out: the message is served without it.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::copy::Copy;
use crate::codec::object::{self, Object};
use crate::http::field::{Fields, values};

/// The most bytes of `tracestate`: the least that W3C Trace Context requires to be passed on.
const STATE: usize = 512;
/// The most members of `tracestate` (W3C Trace Context, "List").
const STATES: usize = 32;
/// The most bytes of `baggage`: half of what a head may have in fields that are kept.
const BAGGAGE: usize = 4096;
/// The most bytes of a `traceparent` of a later version.
const PARENT: usize = 128;
/// Bytes of what is written around the values.
const GROWTH: usize = 128;
/// White space in lists (RFC 9110 "Whitespace").
const SPACE: [char; 2] = [' ', '\t'];

/// Whether this is the name of a field of the trace context.
pub(crate) fn is_field(name: &str) -> bool {
    ["traceparent", "tracestate", "baggage"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What of a head's trace context is well formed.
#[derive(Debug, Default)]
pub(crate) struct Trace<'a> {
    parent: Option<&'a str>,
    state: Option<Cow<'a, str>>,
    baggage: Option<Cow<'a, str>>,
}

impl<'a> Trace<'a> {
    pub(crate) fn read(fields: &Fields<'a>) -> Self {
        let mut parents = values(fields, "traceparent");
        let parent = parents.next().filter(|_| parents.next().is_none()).filter(|p| is_parent(p));
        let state = parent.and_then(|_| joined(fields, "tracestate", STATE));
        Self {
            parent,
            state: state.filter(|state| is_state(state)),
            baggage: joined(fields, "baggage", BAGGAGE).filter(|baggage| is_baggage(baggage)),
        }
    }

    /// The text of a request or notification with this context in its `_meta`, as far as that has
    /// none of its own. `None` if there is nothing to add, or no place for it.
    pub(crate) fn carried(&self, text: &[u8]) -> Option<Vec<u8>> {
        let pairs = self.pairs();
        if pairs.is_empty() {
            return None;
        }
        let size: usize = pairs.iter().map(|(_, value)| value.len()).sum();
        let (mut has_params, mut added) = (false, false);
        let mut copy = Copy::new(text, b"", size + GROWTH);
        let copied = copy.members(|copy, name| {
            if **name != *b"params" {
                return Ok(false);
            }
            has_params = true;
            if copy.peek() != b'{' {
                return Ok(false);
            }
            copy.begin();
            let mut has_meta = false;
            copy.members(|copy, name| {
                if **name != *b"_meta" {
                    return Ok(false);
                }
                has_meta = true;
                if copy.peek() != b'{' {
                    return Ok(false);
                }
                copy.begin();
                added |= added_to(copy, &pairs)?;
                copy.close(b'}');
                Ok(true)
            })?;
            if !has_meta {
                added = true;
                copy.add("_meta", &object_of(&pairs));
            }
            copy.close(b'}');
            Ok(true)
        });
        copied.ok()?;
        if !has_params {
            added = true;
            let mut params = Object::default();
            params.set("_meta", object_of(&pairs));
            copy.add("params", &params.text());
        }
        copy.close(b'}');
        added.then(|| copy.end(b""))
    }

    /// The members that it becomes.
    fn pairs(&self) -> Vec<(&'static str, Vec<u8>)> {
        let all = [
            ("traceparent", self.parent),
            ("tracestate", self.state.as_deref()),
            ("baggage", self.baggage.as_deref()),
        ];
        let said = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        said.map(|(name, value)| (name, object::quoted(value))).collect()
    }
}

/// Copies the members of a `_meta` and adds what it has not. `tracestate` belongs to the
/// `traceparent` beside it: both come from the same place.
fn added_to(
    copy: &mut Copy<'_>,
    pairs: &[(&'static str, Vec<u8>)],
) -> Result<bool, crate::codec::json::NotJson> {
    let (mut traced, mut baggage) = (false, false);
    copy.members(|_, name| {
        traced |= matches!(&**name, b"traceparent" | b"tracestate");
        baggage |= **name == *b"baggage";
        Ok(false)
    })?;
    let mut added = false;
    for (name, value) in pairs {
        if !(if *name == "baggage" { baggage } else { traced }) {
            copy.add(name, value);
            added = true;
        }
    }
    Ok(added)
}

fn object_of(pairs: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let mut object = Object::default();
    for (name, value) in pairs {
        object.set(name, &value[..]);
    }
    object.text()
}

/// A list that may stand in several fields (RFC 9110 "Field Lines and Combined Field Value").
fn joined<'a>(fields: &Fields<'a>, name: &str, most: usize) -> Option<Cow<'a, str>> {
    let mut all = values(fields, name);
    let mut list = Cow::Borrowed(all.next()?);
    for value in all {
        let list: &mut String = list.to_mut();
        list.push(',');
        list.push_str(value);
    }
    Some(list).filter(|list| list.len() <= most)
}

/// `version-trace-parent-flags`, in lower-case digits; later versions may say more.
fn is_parent(text: &str) -> bool {
    let is_hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    text.len() <= PARENT
        && is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(parent, 16)
        && !is_zero(parent)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none())
        && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A list of `key=value`, each key once.
fn is_state(text: &str) -> bool {
    let mut keys: Vec<&str> = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches(SPACE)) {
        if member.is_empty() {
            continue;
        }
        let Some((key, value)) = member.split_once('=') else { return false };
        if !is_key(key) || !is_state_value(value) || keys.contains(&key) || keys.len() == STATES {
            return false;
        }
        keys.push(key);
    }
    !keys.is_empty()
}

fn is_key(key: &str) -> bool {
    let is_good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    let (tenant, system) = key.split_once('@').map_or((key, None), |(t, s)| (t, Some(s)));
    let begins =
        |part: &str| part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    (1..=256).contains(&key.len())
        && begins(tenant)
        && tenant.bytes().all(is_good)
        && system.is_none_or(|system| begins(system) && system.bytes().all(is_good))
}

fn is_state_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'='))
}

/// A list of `key=value`, each with properties.
fn is_baggage(text: &str) -> bool {
    text.split(',').all(|member| {
        let mut parts = member.split(';');
        let first = parts.next().unwrap_or_default();
        first.contains('=') && is_pair(first) && parts.all(is_pair)
    })
}

/// `key=value`, or only a key.
fn is_pair(text: &str) -> bool {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (key, value) = (key.trim_matches(SPACE), value.trim_matches(SPACE));
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let is_octet = |b: u8| b.is_ascii_graphic() && !b"\",;\\".contains(&b);
    !key.is_empty() && key.bytes().all(is_token) && value.bytes().all(is_octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn carried(fields: &[(&str, &str)], text: &str) -> Option<String> {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let text = Trace::read(&fields).carried(text.as_bytes());
        text.map(|text| String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn malformed_fields_are_left_out() {
        let later = |length: usize| {
            let rest = "x".repeat(length - PARENT.len() - 1);
            alloc::format!("01{}-{rest}", &PARENT[2..])
        };
        for (parent, good) in [
            (PARENT, true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", true),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", false),
            ("00-0af7651916cd43dd8448eb211c80319c", false),
            ("", false),
            (&later(super::PARENT), true),
            (&later(super::PARENT + 1), false),
        ] {
            assert_eq!(is_parent(parent), good, "{parent}");
        }
        for (state, good) in [
            ("a=1", true),
            ("a=1, t@b/c*=x y,,", true),
            ("a=1,a=2", false),
            ("A=1", false),
            ("a", false),
            ("a=", false),
            ("a=b=c", false),
            ("t@-b=1", false),
            ("", false),
            (&("k".repeat(256) + "=1"), true),
            (&("k".repeat(257) + "=1"), false),
        ] {
            assert_eq!(is_state(state), good, "{state}");
        }
        for (baggage, good) in [
            ("a=1", true),
            ("a = 1 ; p ; q=%20 , B=", true),
            ("a", false),
            ("a=\"1\"", false),
            ("a=1;", false),
            ("a=1,,b=2", false),
            ("a=1\\", false),
            ("", false),
        ] {
            assert_eq!(is_baggage(baggage), good, "{baggage}");
        }
    }

    #[test]
    fn the_callers_own_context_stays() {
        let fields = [("Traceparent", PARENT), ("tracestate", "a=1"), ("TraceState", "b=2")];
        let meta = alloc::format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=1,b=2"}}"#);
        let with_fields = |text| carried(&fields, text);
        let wanted = alloc::format!(r#"{{"method":"x","params":{{"_meta":{meta}}}}}"#);
        assert_eq!(with_fields(r#"{"method":"x"}"#), Some(wanted.clone()));
        assert_eq!(with_fields(r#" {"method":"x","params":{"_meta":{}}}"#), Some(wanted.clone()));
        assert_eq!(with_fields(r#"{"method":"x","params":{}}"#), Some(wanted));
        for own in [
            r#"{"params":{"_meta":{"traceparent":"1"}}}"#,
            r#"{"params":{"_meta":{"tracest\u0061te":"1"}}}"#,
            r#"{"params":{"_meta":null}}"#,
            r#"{"params":[1]}"#,
        ] {
            assert_eq!(with_fields(own), None, "{own}");
        }
        let twice = [fields[0], fields[0], fields[1], ("baggage", "k=v")];
        let wanted = r#"{"params":{"_meta":{"traceparent":"1","baggage":"k=v"}}}"#;
        let own = r#"{"params":{"_meta":{"traceparent":"1"}}}"#;
        assert_eq!(carried(&twice, own).as_deref(), Some(wanted));
        assert_eq!(carried(&twice[..3], own), None);
        assert_eq!(carried(&twice[3..], r#"{"params":{"_meta":{"baggage":"x=y"}}}"#), None);
    }

    #[test]
    fn lengths_are_bounded() {
        let long = String::from("a=") + &"1".repeat(BAGGAGE - 2);
        assert!(joined(&[("baggage", long.as_bytes())], "baggage", BAGGAGE).is_some());
        assert!(
            joined(&[("baggage", long.as_bytes()), ("baggage", b"")], "baggage", BAGGAGE).is_none()
        );
    }
}
