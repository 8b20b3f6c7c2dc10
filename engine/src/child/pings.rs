//! A child's pings that go to its client (MCP "Ping"): the child gets an answer in time, with or
//! without the client's. A server that gets none concludes that its client is gone, and exits.

use alloc::vec::Vec;
use core::time::Duration;

use crate::api::instant::Instant;
use crate::child::Child;
use crate::codec::message;
use crate::codec::raw_id::Spelling;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::timers::{Deadline, Wait};

/// Pings that may wait for a client at once. Servers send one at a time; a further one is answered
/// at once.
const PINGS: usize = 64;

/// How long a client has to answer. Clients answer at once, and servers wait for 10 s or more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pings sent to a child's client, and the time at which the bridge answers each; the oldest
/// first.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    sent: Vec<(Spelling, Instant)>,
    due: Deadline,
}

impl Pings {
    pub(crate) fn buffered(&self) -> usize {
        self.sent.iter().map(|(id, _)| id.len()).sum()
    }
}

impl Child {
    /// Answers a ping of the child on the client's behalf.
    pub(crate) fn pong(&mut self, ping: &[u8], cx: &mut Context) {
        self.reply(rpc::response(ping, "result", b"{}"), cx);
    }

    /// Records a ping that is sent to the client. Returns false if there are too many: the ping is
    /// then answered here.
    pub(crate) fn ping_is_sent(&mut self, ping: &[u8], cx: &mut Context) -> bool {
        if self.pings.sent.len() >= PINGS {
            return false;
        }
        let until = cx.now.after(PATIENCE);
        self.pings.sent.push((ping.into(), until));
        cx.timers.no_later(&mut self.pings.due, until, Wait::Ping(self.id));
        self.account();
        true
    }

    /// Handles the id of a client's response, which may answer a ping.
    pub(crate) fn ping_is_answered(&mut self, id: &[u8]) {
        if self.pings.sent.is_empty() {
            return;
        }
        let mut sent = self.pings.sent.iter();
        let place = sent.position(|(ping, _)| message::same_id(ping, id));
        place.map(|place| self.pings.sent.remove(place));
        self.account();
    }

    /// Answers the pings whose client is late. The client's own answer is passed on all the same:
    /// the child may reuse an id, and ignores an answer to nothing.
    pub(crate) fn pings_due(&mut self, cx: &mut Context) {
        self.pings.due.spend();
        let late = self.pings.sent.partition_point(|(_, until)| *until <= cx.now);
        for (id, _) in self.pings.sent.drain(..late).collect::<Vec<_>>() {
            self.pong(&id, cx);
        }
        self.account();
        if let Some((_, next)) = self.pings.sent.first() {
            cx.timers.set(&mut self.pings.due, *next, Wait::Ping(self.id));
        }
    }

    /// Forgets all pings.
    pub(crate) fn forget_pings(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.pings.due, Wait::Ping(self.id));
        self.pings.sent = Vec::new();
        self.account();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::config::Config;
    use crate::api::handles::{ChildId, Server};

    #[test]
    fn pings_of_a_child_that_reads_no_answer_count_no_more_when_they_are_over() {
        let mut cx = Context::new(Config { stdin: 1, message: 1, ..Config::default() });
        let mut child = Child::new(ChildId(1), Server::default(), alloc::sync::Arc::default(), &cx);
        child.send(alloc::vec![b'x'; 10], &mut cx);
        let before = child.held();
        assert!(child.ping_is_sent(br#""long""#, &mut cx));
        assert!(child.held() > before);
        cx.now = cx.now.after(PATIENCE);
        child.pings_due(&mut cx);
        assert_eq!(child.held(), before, "no answer was written: its queue is full");
    }
}
