//! What a session was opened with, and what its client has set since: all that another process is
//! told so that it can take the place of the first.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::child::Wish;
use crate::codec::json;
use crate::codec::meta::LogLevel;
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::http::metadata;

/// The most bytes of it, variables and path not counted. A record has twice that: a text may have
/// escapes there. Far above what the SDKs send; a session that would take more ends with its
/// process.
pub(super) const MOST: usize = 16 * 1024;

/// Overhead of a URI beside its text.
const ENTRY: usize = 24;

/// See the module.
#[derive(Debug)]
pub(super) struct Opening {
    /// The params of the client's `initialize`, on one line.
    pub(super) hello: Vec<u8>,
    pub(super) server: Identity,
    /// Whether the client has sent `notifications/initialized`.
    pub(super) initialized: bool,
    pub(super) level: Option<LogLevel>,
    pub(super) uris: Vec<String>,
    share: Share,
}

/// What a server said of itself, as far as clients rely on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its capabilities, in one spelling.
    pub(super) capabilities: Vec<u8>,
    /// Its name, as it is spelled in JSON.
    pub(super) name: Vec<u8>,
}

impl Identity {
    /// Reads an answer to `initialize`, or, with where it names itself there, to `server/discover`.
    pub(super) fn read(result: &[u8], named: &[&str]) -> Self {
        let within = |text: &[u8], name: &str| json::member(text, &(0..text.len()), name);
        let capabilities = within(result, "capabilities").map_or(&b"{}"[..], |span| &result[span]);
        let mut place = Some(result);
        for name in named {
            place = place.and_then(|text| Some(&text[within(text, name)?]));
        }
        let capabilities = metadata::fingerprint(capabilities);
        Self {
            capabilities: on_one_line(&capabilities).into_owned(),
            name: on_one_line(place.unwrap_or(b"null")).into_owned(),
        }
    }

    /// What another server has that differs.
    pub(super) fn differs(&self, other: &Self) -> Option<&'static str> {
        match () {
            () if self.capabilities != other.capabilities => Some("set of capabilities"),
            () if self.name != other.name => Some("name"),
            () => None,
        }
    }
}

impl Opening {
    /// `None` if it is too long to be kept.
    pub(super) fn new(hello: &[u8], server: Identity, cx: &Context) -> Option<Self> {
        let hello = on_one_line(hello).into_owned();
        let share = cx.budget.share();
        let (initialized, level, uris) = (false, None, Vec::new());
        let mut opening = Self { hello, server, initialized, level, uris, share };
        opening.account().then_some(opening)
    }

    /// Counts what is kept. Returns whether that may be.
    pub(super) fn account(&mut self) -> bool {
        let size = self.size();
        self.share.hold(size);
        size <= MOST
    }

    pub(super) fn size(&self) -> usize {
        let uris: usize = self.uris.iter().map(|uri| uri.len() + ENTRY).sum();
        self.hello.len() + self.server.capabilities.len() + self.server.name.len() + uris
    }

    /// The child has granted what its client wished. Returns whether the result may be kept.
    pub(super) fn grant(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Level(level) => self.level = Some(level),
            Wish::Subscribe(uri) if self.uris.contains(&uri) => {}
            Wish::Subscribe(uri) => self.uris.push(uri),
            Wish::Unsubscribe(uri) => self.uris.retain(|known| *known != uri),
        }
        self.account()
    }
}

#[cfg(debug_assertions)]
impl Opening {
    /// Compares what it counts with what it has.
    pub(super) fn walk(&self, walk: &mut Walk) {
        walk.meet("opening", &self.share, self.size());
    }
}

/// A JSON text without line breaks, which stand only between its tokens.
fn on_one_line(text: &[u8]) -> Cow<'_, [u8]> {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !text.iter().any(breaks) {
        return Cow::Borrowed(text);
    }
    text.iter().map(|byte| if breaks(byte) { b' ' } else { *byte }).collect::<Vec<_>>().into()
}
