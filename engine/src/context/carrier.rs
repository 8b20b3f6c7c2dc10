//! The HTTP side of a stream: the exchange that carries it, the phase of its response, and the
//! bytes that the client has not read.

mod common;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::handles::Exchange;
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::context::Context;
use crate::context::backlog::Backlog;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::http::accept::Accept;
use crate::http::admission::Arrival;
pub(crate) use common::Common;
use common::{Given, Rest};

/// A piece of a common text is so much smaller if memory is short: a thousand readers then have
/// room for theirs.
const PARTS: usize = 4;

/// The phase of an exchange's response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is sent: the first message decides between a JSON response and an event stream.
    Undecided,
    /// The head of an event stream is sent.
    Open,
    /// The response is complete, but the client has not read all of it.
    Over,
}

/// A page in a browser, whose origin is as long as its client likes.
#[derive(Debug)]
struct Page {
    origin: String,
    _share: Share,
}

/// The exchange that carries a stream.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) exchange: Exchange,
    pub(crate) phase: Phase,
    pub(crate) accept: Accept,
    /// The page that may read it, until its head is sent.
    page: Option<Box<Page>>,
    /// When silence turns it into an event stream, while undecided.
    pub(crate) promote: Option<Instant>,
    backlog: Backlog,
    /// Bytes that the client has not read, in the outputs, in the driver or in `rest`.
    share: Share,
    /// Bytes not sent yet, because they are of a common text or follow one.
    rest: Rest,
    /// When the client last read something, or was first sent something to read.
    pub(crate) moved: Instant,
    /// Since when the client has had something to read.
    pub(crate) behind: Instant,
    /// When something was last sent.
    pub(crate) spoke: Instant,
}

impl Reply {
    pub(crate) fn new(to: Arrival<'_>, cx: &Context) -> Self {
        let mut reply = Self::of(to.exchange, to.head.accept, cx);
        reply.page = to.head.origin.map(|origin| {
            let _share = cx.budget.share_of(origin.len());
            Box::new(Page { origin: String::from(origin), _share })
        });
        reply
    }

    /// The head of the response is sent to the page of this origin.
    pub(crate) fn take_origin(&mut self) -> Option<String> {
        self.page.take().map(|page| page.origin)
    }

    fn of(exchange: Exchange, accept: Accept, cx: &Context) -> Self {
        let now = cx.now;
        Self {
            exchange,
            phase: Phase::Undecided,
            accept,
            page: None,
            promote: None,
            backlog: Backlog::default(),
            share: cx.budget.share(),
            rest: Rest::default(),
            moved: now,
            behind: now,
            spoke: now,
        }
    }

    /// Returns the reply of a complete response of this many bytes.
    pub(crate) fn answer(exchange: Exchange, bytes: usize, cx: &Context) -> Self {
        let mut reply = Self::of(exchange, Accept::ANY, cx);
        reply.give(bytes, cx.now);
        reply.phase = Phase::Over;
        reply
    }

    /// Bytes that the client has not read.
    pub(crate) fn waiting(&self) -> usize {
        self.backlog.waiting() + self.rest.size()
    }

    /// Counts bytes that are handed to the driver.
    pub(crate) fn give(&mut self, bytes: usize, now: Instant) {
        self.speaks(now);
        self.backlog.give(bytes);
        self.account();
    }

    fn speaks(&mut self, now: Instant) {
        if self.waiting() == 0 {
            (self.moved, self.behind) = (now, now);
        }
        self.spoke = now;
    }

    fn account(&mut self) {
        self.share.hold(self.backlog.kept() + self.rest.own());
    }

    /// Sends bytes of the stream, after all that was sent before.
    pub(crate) fn send(&mut self, bytes: Vec<u8>, cx: &mut Context) {
        if self.rest.is_empty() {
            self.give(bytes.len(), cx.now);
            return cx.push(Output::Send { exchange: self.exchange, bytes });
        }
        self.speaks(cx.now);
        self.rest.push_own(bytes);
        self.account();
    }

    /// Whether a keep-alive is due. While bytes wait to be handed to the driver there is none: a
    /// comment behind them would arrive too late.
    pub(crate) fn keep_alive_is_due(&mut self, cx: &Context) -> bool {
        if self.spoke.after(cx.config.keep_alive) > cx.now {
            return false;
        }
        self.spoke = cx.now;
        self.rest.is_empty()
    }

    /// Sends an event that has this text with this id: how many bytes that are.
    pub(crate) fn send_common(
        &mut self,
        common: &Arc<Common>,
        id: &[u8],
        cx: &mut Context,
    ) -> usize {
        self.speaks(cx.now);
        let size = self.rest.push_event(common, id);
        self.pour(cx);
        size
    }

    /// The stream ends after all that was sent.
    pub(crate) fn finish(&mut self, cx: &mut Context) {
        if self.rest.is_empty() {
            cx.push(Output::Finish { exchange: self.exchange });
        } else {
            self.rest.push_end();
        }
    }

    /// Hands to the driver what the peer can be given now: one piece, a smaller one if memory is
    /// short.
    fn pour(&mut self, cx: &mut Context) {
        let small = cx.budget.small();
        let most = if cx.budget.is_tight() { small / PARTS } else { small };
        let most = most.saturating_sub(self.backlog.waiting());
        let (exchange, mut bytes, mut ends) = (self.exchange, Vec::new(), false);
        loop {
            match self.rest.next(most.saturating_sub(bytes.len())) {
                Some(Given::Bytes(own)) if bytes.is_empty() => bytes = own,
                Some(Given::Bytes(more)) => bytes.extend_from_slice(&more),
                Some(Given::End) => ends = true,
                None => break,
            }
        }
        if !bytes.is_empty() {
            self.give(bytes.len(), cx.now);
            cx.push(Output::Send { exchange, bytes });
        }
        if ends {
            cx.push(Output::Finish { exchange });
        }
        self.account();
    }

    /// Records that the client read up to this many bytes, and returns how many there were.
    pub(crate) fn take(&mut self, bytes: usize, cx: &mut Context) -> usize {
        let bytes = self.backlog.take(bytes);
        self.moved = cx.now;
        if !self.rest.is_empty() {
            self.pour(cx);
        }
        self.account();
        bytes
    }
}

#[cfg(debug_assertions)]
impl Reply {
    /// Compares what it counts with what it has.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        let has = self.backlog.kept() + self.rest.walk(walk);
        walk.meet("reply", &self.share, has);
        self.page.iter().for_each(|page| walk.meet("page", &page._share, page.origin.len()));
    }
}
