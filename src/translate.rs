//! The two crossings between the eras, as functions of texts: nothing is remembered here.
//!
//! [`downward`]: a 2026-07-28 client before a session-era child. [`upward`]: a session-era client
//! before a child that speaks only 2026-07-28.

pub(crate) mod downward;
pub(crate) mod upward;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json;
use crate::object::{self, Object};

/// The most bytes of what a peer says about itself once, and is remembered for long: capabilities
/// and names. Far above what the SDKs send.
pub(crate) const REMEMBERED: usize = 64 * 1024;
/// The longest URI that can be subscribed to: as long as a request's target may be.
pub(crate) const URI: usize = 2048;
/// What one call may ask its client at once. People are asked one thing at a time, programs a
/// few.
pub(crate) const QUESTIONS: usize = 64;

/// Lists whose changes can be listened to: how a filter names them, the capability that promises
/// them, and how the notifications are called.
pub(crate) const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "tools", "notifications/tools/list_changed"),
    ("promptsListChanged", "prompts", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "resources", "notifications/resources/list_changed"),
];

/// Whether a server, by what it told of itself, offers a feature of a capability.
pub(crate) fn offers(told: &[u8], capability: &str, feature: &str) -> bool {
    let told = Object::read(told).unwrap_or_default();
    let offered = told.object("capabilities").unwrap_or_default();
    let offer = offered.object(capability);
    offer.is_some_and(|offer| offer.get(feature) == Some(b"true"))
}

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

/// A JSON-RPC message with an id as it is spelled, and one more member.
pub(crate) fn response<'a>(id: &[u8], member: &str, value: impl Into<Cow<'a, [u8]>>) -> Vec<u8> {
    let head = [br#"{"jsonrpc":"2.0","id":"#, id, b",\"", member.as_bytes(), b"\":"].concat();
    object::around(&head, value.into(), b"}")
}

/// A JSON-RPC request, or without an id a notification.
pub(crate) fn request<'a>(
    id: Option<&[u8]>,
    method: &str,
    params: impl Into<Cow<'a, [u8]>>,
) -> Vec<u8> {
    let mut text = br#"{"jsonrpc":"2.0","#.to_vec();
    if let Some(id) = id {
        text.extend_from_slice(b"\"id\":");
        text.extend_from_slice(id);
        text.push(b',');
    }
    text.extend_from_slice(b"\"method\":");
    text.extend_from_slice(&object::quoted(method));
    text.extend_from_slice(b",\"params\":");
    object::around(&text, params.into(), b"}")
}

/// Changes each tool in a result of `tools/list`.
fn each_tool(result: &mut Object<'_>, change: impl Fn(&mut Object<'_>)) {
    let Some(tools) = result.get("tools") else { return };
    let Ok(spans) = json::elements(tools) else { return };
    let changed: Vec<Vec<u8>> = spans
        .into_iter()
        .map(|span| {
            let text = &tools[span];
            let Some(mut tool) = Object::read(text) else { return text.to_vec() };
            change(&mut tool);
            tool.text()
        })
        .collect();
    result.set("tools", object::array(&changed));
}
