//! A server's description of itself, from its first answer. It is parsed once, so that later
//! lookups cost nothing, however long it is.

use alloc::vec::Vec;

use super::{LISTS, is_object, member};
use crate::codec::json::Span;

#[derive(Debug, Default)]
pub(crate) struct Description {
    text: Vec<u8>,
    server: Span,
    /// The members of `LISTS` whose changes the server announces.
    pub(crate) lists: [bool; 3],
    /// Whether resources can be subscribed to.
    pub(crate) subscribe: bool,
    /// Whether its log has levels.
    pub(crate) logging: bool,
}

impl Description {
    /// Reads the result of `initialize` or of `server/discover`.
    pub(crate) fn read(text: &[u8]) -> Self {
        let capabilities = member(text, "capabilities").filter(|text| is_object(text));
        let offers = |capability: &str| capabilities.and_then(|all| member(all, capability));
        let feature = |capability: &str, feature: &str| {
            let offer = offers(capability).filter(|text| is_object(text));
            offer.and_then(|offer| member(offer, feature)) == Some(b"true")
        };
        let server = crate::codec::json::member(text, &(0..text.len()), "serverInfo");
        Self {
            server: server.unwrap_or_default(),
            lists: LISTS.map(|(_, capability, _)| feature(capability, "listChanged")),
            subscribe: feature("resources", "subscribe"),
            logging: offers("logging").is_some(),
            text: text.to_vec(),
        }
    }

    /// The whole result.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The identity of the server, in an answer to `initialize`.
    pub(crate) fn server(&self) -> Option<&[u8]> {
        self.text.get(self.server.clone()).filter(|server| !server.is_empty())
    }
}
