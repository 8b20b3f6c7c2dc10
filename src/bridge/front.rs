//! What stands in front of a child: a session, or a worker that several clients share.

use alloc::borrow::Cow;

use crate::child::Child;
use crate::context::Context;
use crate::notice::Cause;
use crate::session::Session;
use crate::stateless::Worker;

/// One of the two.
pub(super) enum Front<'a> {
    Session(&'a mut Session),
    Worker(&'a mut Worker),
}

impl Front<'_> {
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Session(session) => session.is_open(),
            Self::Worker(worker) => worker.has_started(),
        }
    }

    pub(super) fn line(
        &mut self,
        line: Cow<'_, [u8]>,
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        match self {
            Self::Session(session) => session.line(line, child, cx),
            Self::Worker(worker) => worker.line(&line, child, cx),
        }
    }
}
