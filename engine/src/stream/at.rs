//! Which stream of which session a method works on, how its revision writes events, and what all
//! streams of the session hold together.

use alloc::borrow::Cow;

use crate::api::handles::Pipe;
use crate::api::response::Response;
use crate::codec::sse::EventId;
use crate::codec::version::Style;
use crate::context::Context;
use crate::context::budget::{Budget, Share};
use crate::http::session_id;

/// Where a stream stands, so that its methods can speak for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) pipe: Pipe,
    pub(crate) number: u64,
    /// What tells the session from others in its event ids.
    pub(crate) session: u32,
    pub(crate) style: Style,
    /// The session's id, which the response to `initialize` tells.
    pub(crate) tells: Option<u128>,
}

impl At {
    /// Names the session in the response to `initialize`.
    pub(super) fn tell_session(self, response: &mut Response, cx: &Context) {
        if let Some(id) = self.tells {
            let id = session_id::text(id, &cx.config);
            response.fields.to_mut().push(("mcp-session-id", Cow::Owned(id)));
        }
    }

    pub(super) const fn event_id(self, place: u64) -> EventId {
        EventId { session: self.session, stream: self.number, place }
    }

    /// The id of an event, if they have some.
    pub(super) fn id(self, place: u64) -> Option<EventId> {
        self.style.ids.then(|| self.event_id(place))
    }
}

/// What is left of a stream for a client that names an event of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The event is not one of its own, or what came after it is not kept.
    Unknown,
    /// The stream has ended, and that event was the last.
    Nothing,
    /// Events, or the wait for some.
    Stream,
}

/// What a session's streams hold together.
#[derive(Debug)]
pub(crate) struct Held {
    /// Events that are kept.
    pub(crate) kept: Share,
    /// Bytes that POST exchanges have not taken: they stop the child.
    pub(crate) unread: usize,
    /// Messages that were dropped.
    pub(crate) dropped: u64,
    /// Whether one of them had waited for a reader.
    pub(crate) overflowed: bool,
}

impl Held {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { kept: budget.share(), unread: 0, dropped: 0, overflowed: false }
    }

    /// Counts a message that goes nowhere.
    pub(crate) const fn drop_one(&mut self, cx: &mut Context) {
        self.dropped += 1;
        cx.stats.dropped += 1;
    }
}
