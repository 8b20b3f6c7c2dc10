//! Pings of a child that went to its client (MCP "Ping"): the child gets an answer in time, whether
//! the client gives one or not. A server that gets none takes its client for gone, and leaves.

use alloc::vec::Vec;
use core::time::Duration;

use crate::api::instant::Instant;
use crate::child::Child;
use crate::codec::message::{self, Message};
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::timers::{Deadline, Wait};

/// Pings that may wait for a client at once. Servers send one at a time; a further one is answered
/// at once.
const PINGS: usize = 64;

/// How long a client has to answer. Clients answer at once, and servers wait for 10 s or more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pings that a child's client was told, and when the child has its answer at the latest; the
/// oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    told: Vec<(Spelling, Instant)>,
    due: Deadline,
}

impl Pings {
    pub(crate) fn buffered(&self) -> usize {
        self.told.iter().map(|(id, _)| id.len()).sum()
    }
}

impl Child {
    /// Answers a ping of the child in the place of a client.
    pub(crate) fn pong(&mut self, ping: &[u8], cx: &mut Context) {
        self.reply(rpc::response(ping, "result", b"{}"), cx);
    }

    /// Notes a ping that its client is told. False if there are too many: then it is answered here.
    pub(crate) fn ping_is_told(&mut self, ping: &Message<'_>, cx: &mut Context) -> bool {
        if self.pings.told.len() >= PINGS {
            return false;
        }
        let until = cx.now.after(PATIENCE);
        self.pings.told.push((ping.id().unwrap_or_default().into(), until));
        cx.timers.no_later(&mut self.pings.due, until, Wait::Ping(self.pipe));
        self.account();
        true
    }

    /// Its client answers something, which may be a ping.
    pub(crate) fn ping_is_answered(&mut self, response: &Message<'_>) {
        let Some(id) = response.id().filter(|_| !self.pings.told.is_empty()) else { return };
        let mut told = self.pings.told.iter();
        let place = told.position(|(ping, _)| message::same_id(ping, id));
        place.map(|place| self.pings.told.remove(place));
        self.account();
    }

    /// The wait for a client's answer is due. One that comes later is passed on all the same: the
    /// child may use an id again, and ignores an answer to nothing.
    pub(crate) fn pings_due(&mut self, cx: &mut Context) {
        self.pings.due.spend();
        let late = self.pings.told.partition_point(|(_, until)| *until <= cx.now);
        for (id, _) in self.pings.told.drain(..late).collect::<Vec<_>>() {
            self.pong(&id, cx);
        }
        if let Some((_, next)) = self.pings.told.first() {
            cx.timers.set(&mut self.pings.due, *next, Wait::Ping(self.pipe));
        }
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn forget_pings(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.pings.due, Wait::Ping(self.pipe));
        self.pings.told = Vec::new();
        self.account();
    }
}
