//! Context of a stream operation: the session, the event format of its revision, and what its
//! streams hold together.

use alloc::borrow::Cow;

use crate::api::handles::ChildId;
use crate::api::response::Response;
use crate::codec::sse::EventId;
use crate::codec::version::Style;
use crate::context::Context;
use crate::context::budget::{Budget, Share};
use crate::context::ids::StreamId;
use crate::http::session_id;

/// The session and stream that an operation works on.
#[derive(Debug)]
pub(crate) struct At<'a> {
    pub(crate) child: ChildId,
    pub(crate) number: StreamId,
    /// Identifies the session in its event ids.
    pub(crate) session: u32,
    pub(crate) style: Style,
    /// The session id to send with the response to `initialize`.
    pub(crate) new_session: Option<u128>,
    /// What the streams of the session hold together.
    pub(crate) held: &'a mut Held,
}

impl At<'_> {
    /// Adds the session id to the response to `initialize`.
    pub(super) fn add_session_id(&self, response: &mut Response, cx: &Context) {
        if let Some(id) = self.new_session {
            let id = session_id::text(id, &cx.config);
            response.fields.to_mut().push(("mcp-session-id", Cow::Owned(id)));
        }
    }

    pub(super) const fn event_id(&self, place: u64) -> EventId {
        EventId { session: self.session, stream: self.number.0, place }
    }

    /// The id of an event, if the revision has event ids.
    pub(super) fn id(&self, place: u64) -> Option<EventId> {
        self.style.ids.then(|| self.event_id(place))
    }
}

/// What a client that names an event can still get of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The event is not one of this stream, or its successors are no longer kept.
    Unknown,
    /// The stream has ended, and the event was its last.
    Nothing,
    /// Further events, now or later.
    Stream,
}

/// What the streams of a session hold together.
#[derive(Debug)]
pub(crate) struct Held {
    /// Kept events.
    pub(crate) kept: Share,
    /// Unread bytes of POST exchanges: at the limit, the child is not read.
    pub(crate) unread: usize,
    /// Dropped messages.
    pub(crate) dropped: u64,
    /// Whether a dropped message had waited for a client.
    pub(crate) overflowed: bool,
}

impl Held {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { kept: budget.share(), unread: 0, dropped: 0, overflowed: false }
    }

    /// Counts a message that is dropped.
    pub(crate) const fn drop_one(&mut self, cx: &mut Context) {
        self.dropped += 1;
        cx.stats.dropped += 1;
    }
}
