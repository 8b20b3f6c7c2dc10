//! The two translations between the eras, as stateless functions of texts.
//!
//! [`downward`]: a 2026-07-28 client and a session-era child. [`upward`]: a session-era client and
//! a child that speaks only 2026-07-28. The form of a message in the other era belongs here; state
//! that is kept while a call runs belongs to its front.

pub(crate) mod description;
pub(crate) mod downward;
pub(crate) mod upward;

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::copy::{Changed, Copy};
use crate::codec::json::{self, Name};
use crate::codec::message::Message;
use crate::codec::meta::{SUBSCRIPTION, TASKS};
use crate::codec::object::{self, Object};

/// Lists whose changes can be subscribed to: the name in a filter, the capability that announces
/// changes, and the notification.
pub(crate) const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "tools", "notifications/tools/list_changed"),
    ("promptsListChanged", "prompts", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "resources", "notifications/resources/list_changed"),
];

/// A filter of `subscriptions/listen` for some of `LISTS` and some resources.
pub(crate) fn filter(lists: [bool; 3], uris: &[String]) -> Object<'static> {
    let mut filter = Object::default();
    for ((name, ..), _) in LISTS.iter().zip(lists).filter(|(_, wanted)| *wanted) {
        filter.set(name, &b"true"[..]);
    }
    if !uris.is_empty() {
        let uris: Vec<Vec<u8>> = uris.iter().map(|uri| object::quoted(uri)).collect();
        filter.set("resourceSubscriptions", object::array(&uris));
    }
    filter
}

/// The params of a message, if they are an object; otherwise an empty object.
fn params<'a>(message: &Message<'a>) -> &'a [u8] {
    message.params().filter(|params| is_object(params)).unwrap_or(b"{}")
}

fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
}

/// Copies a `_meta`; one that is not an object, or becomes empty, is left out.
fn meta<'a>(
    copy: &mut Copy<'a>,
    change: impl FnMut(&mut Copy<'a>, &Name<'a>) -> Changed,
) -> Changed {
    if copy.peek() == b'{' { copy.unless_empty(change) } else { copy.drop() }
}

/// Selects the last of several members with one name. The others are left out, so that a member is
/// added once. The copy starts again if it finds several.
#[derive(Debug, Default)]
struct Last {
    before: usize,
    met: usize,
}

impl Last {
    /// Makes the copy.
    fn copied<T>(mut copy: impl FnMut(&mut Self) -> T) -> T {
        let mut last = Self::default();
        let made = copy(&mut last);
        if last.met <= 1 {
            return made;
        }
        drop(made);
        last = Self { before: last.met - 1, met: 0 };
        copy(&mut last)
    }

    /// Whether the member at hand is the last.
    const fn is_met(&mut self) -> bool {
        self.met += 1;
        self.met == self.before + 1
    }
}

/// Copies a `_meta` and sets a member in it; if it `stays`, an existing value is kept. A value that
/// is not an object is replaced.
fn marked(copy: &mut Copy<'_>, name: &str, value: &[u8], stays: bool) -> Changed {
    if copy.peek() != b'{' {
        return copy.set(&object_of(name, value));
    }
    copy.begin();
    let mut met = false;
    copy.members(|copy, met_name| {
        if **met_name != *name.as_bytes() {
            return Ok(false);
        }
        let again = core::mem::replace(&mut met, true);
        match stays {
            true => Ok(false),
            false if again => copy.drop(),
            false => copy.set(value),
        }
    })?;
    if !met {
        copy.add(name, value);
    }
    copy.close(b'}');
    Ok(true)
}

/// The subscription that a result names.
pub(crate) fn subscription(result: &[u8]) -> Option<&[u8]> {
    member(member(result, "_meta")?, SUBSCRIPTION)
}

/// Whether an update of `uri` belongs to `subscribed`, which may be a parent of it.
pub(crate) fn covers(subscribed: &str, uri: &str) -> bool {
    let rest = uri.strip_prefix(subscribed);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(['/', '#', '?']) || subscribed.ends_with('/')
    })
}

/// The params of a request about a resource.
pub(crate) fn about(uri: &str) -> Vec<u8> {
    object_of("uri", &object::quoted(uri))
}

/// An object with one member.
fn object_of(name: &str, value: &[u8]) -> Vec<u8> {
    [b"{", &object::quoted(name)[..], b":", value, b"}"].concat()
}

/// A member of a text that was scanned before.
fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    json::member(text, &(0..text.len()), name).map(|span| &text[span])
}

/// Extensions whose methods and messages exist only in 2026-07-28.
const STATELESS_ONLY: [&str; 2] = [TASKS, "io.modelcontextprotocol/events"];

/// Capabilities for the other era: without the tasks of 2025-11-25, and without extensions that
/// need 2026-07-28. An empty object if the value is not an object.
fn capabilities(text: Option<&[u8]>) -> Vec<u8> {
    let text = text.filter(|text| is_object(text)).unwrap_or(b"{}");
    let mut copy = Copy::new(text, b"", 0);
    // The members were scanned before.
    let _ = copy.object(|copy, name| match &**name {
        b"tasks" => copy.drop(),
        b"extensions" if copy.peek() == b'{' => copy.unless_empty(|copy, name| {
            let stays = STATELESS_ONLY.iter().all(|other| other.as_bytes() != &**name);
            if stays { Ok(false) } else { copy.drop() }
        }),
        _ => Ok(false),
    });
    copy.end(b"")
}
