//! JSON-RPC messages as texts.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::codec::object;

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
    object::around(&head(id, method), params.into(), b"}")
}

/// The same up to its params.
pub(crate) fn head(id: Option<&[u8]>, method: &str) -> Vec<u8> {
    let mut text = br#"{"jsonrpc":"2.0","#.to_vec();
    if let Some(id) = id {
        text.extend_from_slice(b"\"id\":");
        text.extend_from_slice(id);
        text.push(b',');
    }
    text.extend_from_slice(b"\"method\":");
    text.extend_from_slice(&object::quoted(method));
    text.extend_from_slice(b",\"params\":");
    text
}
