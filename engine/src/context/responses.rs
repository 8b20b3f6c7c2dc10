//! The responses that were begun, as a part of the outputs: what carries each exchange, from its
//! request until its client has all of its response, or is gone.
//!
//! A stream carries it first. A complete response is owed then: it is delivered, lost, or aborted
//! because its client stopped reading.

use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange};
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::context::Context;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Reply;
use crate::context::ids::StreamId;
use crate::table::Table;

#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// The child and stream number of each exchange that a stream carries.
    carried: Table<Exchange, (ChildId, StreamId)>,
    owed: Table<Exchange, Reply>,
    /// The earliest time at which a client can have stalled. It may be early: they are then checked
    /// again.
    due: Instant,
}

impl Responses {
    /// A stream carries this exchange from now on.
    pub(crate) fn carry(&mut self, exchange: Exchange, by: (ChildId, StreamId)) {
        self.carried.insert(exchange, by);
    }

    /// The stream carries the exchange no more.
    pub(crate) fn release(&mut self, exchange: Exchange) {
        self.carried.remove(&exchange);
    }

    /// The stream that carries an exchange.
    pub(crate) fn carrier(&self, exchange: Exchange) -> Option<(ChildId, StreamId)> {
        self.carried.get(&exchange).copied()
    }

    /// The streams of a gone process are another's.
    pub(super) fn rename(&mut self, old: ChildId, new: ChildId) {
        for (_, (child, _)) in self.carried.iter_mut().filter(|(_, (child, _))| *child == old) {
            *child = new;
        }
    }

    /// Adds a response that is being delivered.
    fn add(&mut self, reply: Reply, stall: Duration) {
        let due = reply.moved.after(stall);
        self.due = if self.owed.is_empty() { due } else { self.due.min(due) };
        self.owed.insert(reply.exchange, reply);
    }

    /// A complete response is delivered or lost. Returns false if there is none.
    pub(crate) fn end(&mut self, exchange: Exchange) -> bool {
        self.owed.remove(&exchange).is_some()
    }

    /// The complete responses that are being delivered.
    pub(crate) fn owed(&self) -> impl Iterator<Item = &Reply> {
        self.owed.values()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.carried.is_empty() && self.owed.is_empty()
    }

    /// When the next client may have stalled.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.owed.is_empty()).then_some(self.due)
    }

    /// The responses whose clients stopped reading.
    fn stalled(&mut self, now: Instant, stall: Duration) -> Vec<Exchange> {
        let end = |reply: &Reply| reply.moved.after(stall);
        let late = self.owed().filter(|reply| end(reply) <= now);
        let late = late.map(|reply| reply.exchange).collect();
        let rest = self.owed().map(end).filter(|end| *end > now);
        self.due = rest.min().unwrap_or_default();
        late
    }
}

impl Context {
    /// Keeps a complete response until its client has read it.
    pub(crate) fn owe(&mut self, mut reply: Reply) {
        if reply.waiting() == 0 {
            // If the client had read everything, it is sent the end of the response now.
            reply.moved = self.now;
        }
        self.responses.add(reply, self.config.stall);
    }

    /// The client of a complete response read this many bytes.
    pub(crate) fn pay(&mut self, exchange: Exchange, bytes: usize) {
        let mut owed = mem::take(&mut self.responses.owed);
        if let Some(reply) = owed.get_mut(&exchange) {
            reply.take(bytes, self);
        }
        self.responses.owed = owed;
    }

    /// Aborts a complete response.
    pub(crate) fn foreclose(&mut self, exchange: Exchange) {
        if self.responses.end(exchange) {
            self.push(Output::Abort { exchange });
        }
    }

    /// Aborts the responses whose clients stopped reading.
    pub(crate) fn end_stalled(&mut self) {
        if self.responses.due().is_none_or(|due| due > self.now) {
            return;
        }
        for exchange in self.responses.stalled(self.now, self.config.stall) {
            self.foreclose(exchange);
            self.notice(Notice::Undelivered { exchange });
        }
    }
}

#[cfg(debug_assertions)]
impl Responses {
    /// Compares what they count with what they have.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        self.owed.values().for_each(|reply| reply.walk(walk));
    }
}
