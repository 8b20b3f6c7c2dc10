//! The requests that a child has not answered: its clients' calls, and the bridge's own requests.

use alloc::boxed::Box;
use alloc::string::String;

use crate::api::instant::Instant;
#[cfg(debug_assertions)]
use crate::api::io::env_size;
use crate::api::limits;
use crate::child::Child;
use crate::codec::json;
use crate::codec::message::Message;
use crate::codec::meta::LogLevel;
use crate::codec::object;
use crate::codec::raw_id::Spelling;
use crate::context::Context;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::ids::StreamId;
use crate::context::timers::Deadline;

/// Overhead of a request in flight beside its id and token.
const IN_FLIGHT: usize = 128;

/// A request that the bridge itself sent to the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnRequest {
    Discover,
    Ping,
    Initialize,
    LogLevel,
    /// Of this URI.
    Subscribe(String),
    Unsubscribe,
    Listen,
    /// A request of this method that an earlier process of the session got, and this one gets
    /// again: nobody waits.
    Again(&'static str),
}

impl OwnRequest {
    pub(super) const fn method(&self) -> &'static str {
        match self {
            Self::Discover => "server/discover",
            Self::Ping => "ping",
            Self::Initialize => "initialize",
            Self::LogLevel => "logging/setLevel",
            Self::Subscribe(_) => "resources/subscribe",
            Self::Unsubscribe => "resources/unsubscribe",
            Self::Listen => "subscriptions/listen",
            Self::Again(method) => method,
        }
    }

    /// Whether a client waits for the answer. A start has a wait of its own and is not included.
    pub(super) const fn is_awaited(&self) -> bool {
        matches!(self, Self::Subscribe(_) | Self::Listen)
    }

    pub(super) fn size(&self) -> usize {
        IN_FLIGHT + if let Self::Subscribe(uri) = self { uri.len() } else { 0 }
    }
}

/// What the session keeps of a request once the child has granted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Level(LogLevel),
    Subscribe(String),
    Unsubscribe(String),
}

impl Wish {
    /// Reads a request.
    #[inline(always)]
    pub(crate) fn of(request: &Message<'_>) -> Option<Self> {
        let uri = || {
            let uri = request.param("uri").and_then(object::string)?;
            Some(uri.into_owned()).filter(|uri| uri.len() <= limits::URI)
        };
        if request.calls("logging/setLevel") {
            request.param("level").and_then(LogLevel::read).map(Self::Level)
        } else if request.calls("resources/subscribe") {
            uri().map(Self::Subscribe)
        } else if request.calls("resources/unsubscribe") {
            uri().map(Self::Unsubscribe)
        } else {
            None
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Level(_) => 0,
            Self::Subscribe(uri) | Self::Unsubscribe(uri) => uri.len(),
        }
    }
}

/// Longest id without a digest; it is parsed again at each comparison.
const SHORT: usize = 32;

/// A client's request that the child has not answered.
#[derive(Debug)]
pub(crate) struct Call {
    /// The stream that carries the answer.
    pub(crate) stream: StreamId,
    /// The id, as its client wrote it.
    pub(crate) id: Spelling,
    /// The progress token, as its client wrote it.
    pub(crate) token: Option<Spelling>,
    /// Whether the request asked for a task.
    pub(crate) task: bool,
    /// Whether the answer is a list of tools.
    pub(crate) lists_tools: bool,
    /// Whether it is a subscription of a host's guest, which runs until it is ended.
    pub(crate) listens: bool,
    pub(crate) wish: Option<Box<Wish>>,
    /// A digest of the id, if the id is long: equal ids have equal digests.
    pub(super) said: Option<u64>,
    pub(super) due: Deadline,
    /// When it was made.
    pub(crate) since: Instant,
}

impl Call {
    /// The call made by a request.
    pub(crate) fn of(request: &Message<'_>, stream: StreamId) -> Self {
        let id = request.id().unwrap_or_default();
        Self {
            stream,
            said: (id.len() > SHORT).then(|| json::digest::id(id)),
            id: id.into(),
            token: request.token().map(Into::into),
            task: request.wants_task(),
            lists_tools: request.calls("tools/list"),
            listens: false,
            wish: None,
            due: Deadline::default(),
            since: Instant::default(),
        }
    }

    pub(super) fn size(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| token.len());
        let wish = self.wish.as_ref().map_or(0, |wish| wish.size());
        IN_FLIGHT + self.id.len() + token + wish
    }
}

impl Child {
    /// Counts a call that is over.
    pub(crate) fn count_end(&self, outcome: &'static str, since: Instant, cx: &mut Context) {
        cx.counts.of(self.server).call(outcome, cx.now.since(since));
    }

    /// Counts a call that was answered.
    pub(crate) fn count_answer(&self, answer: &Message<'_>, since: Instant, cx: &mut Context) {
        cx.counts.of(self.server).answer(answer, cx.now.since(since));
    }
}

#[cfg(debug_assertions)]
impl Child {
    /// Compares what it counts with what it has.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        let calls = self.calls.values().map(Call::size);
        let own = self.own.values().map(|(own, _)| own.size());
        let tasks = self.task_tokens.iter().map(|(_, token)| token.len());
        let names: usize = calls.chain(own).chain(tasks).sum();
        let env = env_size(&self.env) + self.pings.buffered();
        let has = self.queued.kept() + self.lines.buffered() + names + env;
        walk.meet("child", &self.share, has);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use crate::api::config::Config;
    use crate::api::handles::{ChildId, Server};
    use crate::child::OWN;

    #[test]
    fn requests_that_a_child_never_answers_are_bounded_and_counted() {
        let mut cx = Context::new(Config::default());
        let mut child = Child::new(ChildId(1), Server(0), alloc::sync::Arc::default(), &cx);
        for _ in 0..OWN + 2 {
            child.request(OwnRequest::Unsubscribe, b"{}", &mut cx);
        }
        assert_eq!(child.own.len(), OWN);
        child.walk(&mut Walk::default());
    }
}
