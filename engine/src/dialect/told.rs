//! What a server told of itself when it was opened, read once: what is asked for again and again
//! costs nothing then, however much it told.

use alloc::vec::Vec;

use super::{LISTS, is_object, member};
use crate::codec::json::Span;

#[derive(Debug, Default)]
pub(crate) struct Told {
    text: Vec<u8>,
    server: Span,
    /// Of which of `LISTS` it tells the changes.
    pub(crate) lists: [bool; 3],
    /// Whether resources can be subscribed to.
    pub(crate) subscribe: bool,
    /// Whether its log has levels.
    pub(crate) logging: bool,
}

impl Told {
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

    /// All that it told.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Of an answer to `initialize`, who the server is.
    pub(crate) fn server(&self) -> Option<&[u8]> {
        self.text.get(self.server.clone()).filter(|server| !server.is_empty())
    }
}
