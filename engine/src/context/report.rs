//! What sessions and processes report to the bridge: outputs that stay in the engine. The bridge
//! applies them after each input, in their order.

use alloc::string::String;
use alloc::vec::Vec;

use crate::api::handles::{ChildId, Server};
use crate::api::instant::Instant;
use crate::context::Context;

#[derive(Debug)]
pub(crate) enum Report {
    /// Whole lines of a guest for its host.
    Up { guest: ChildId, host: ChildId, bytes: Vec<u8> },
    /// A line of a host for these of its guests. If it is `news`, one whose client is behind goes
    /// without.
    Down { guests: Vec<ChildId>, line: Vec<u8>, news: bool },
    /// This child is to be paused, if it is not, because a client is behind or memory is short.
    Behind(ChildId),
    /// This shared child takes no new requests, and ends with those that it has.
    Spent(ChildId),
    /// Clients of this server were refused for their era.
    EraRefused(Server),
    /// A process of this server with these variables has shown this.
    Learned { server: Server, env: Vec<(String, String)>, lesson: Lesson },
    /// The result of a `tools/list` of such a process.
    Tools { server: Server, env: Vec<(String, String)>, result: Vec<u8> },
}

/// What a process has shown of the eras that its command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lesson {
    /// It has spoken 2026-07-28.
    SpokeModern,
    /// It answered that it does not know 2026-07-28. If that proves nothing, it is not probed again
    /// before this time.
    DeniedModern(Instant),
    /// A probe ended without a conclusion. There is none before this time.
    Doubted(Instant),
    /// It answered `initialize` with a result.
    SpokeSession,
    /// It answered that it does not know `initialize`, and has spoken 2026-07-28.
    DeniedSession,
    /// It declined `initialize`.
    Declined,
    /// It sent a request after its call was answered.
    AskedLate,
}

impl Context {
    pub(crate) fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }

    /// Reports that a child is to be paused, once for what it has just written.
    pub(crate) fn report_behind(&mut self, child: ChildId) {
        if !matches!(self.reports.back(), Some(Report::Behind(last)) if *last == child) {
            self.report(Report::Behind(child));
        }
    }
}
