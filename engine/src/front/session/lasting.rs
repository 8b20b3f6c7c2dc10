//! What a session is, awake and asleep: it lasts while processes come and go.

use alloc::string::String;
use alloc::sync::Arc;

use super::phase::Open;
use super::record;
use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::api::handles::SessionNumber;
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::context::Context;

#[derive(Debug)]
pub(crate) struct Lasting {
    pub(crate) number: SessionNumber,
    pub(crate) id: u128,
    /// The path where it was opened: at another it does not exist.
    pub(crate) path: Arc<str>,
    /// The requests of its client.
    pub(super) calls: u64,
    pub(crate) began: Instant,
    /// Whether it was opened in an earlier run of the proxy.
    pub(super) earlier: bool,
    /// When its record was last saved.
    pub(super) saved: Instant,
}

/// How it ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) cause: Cause,
    pub(super) pid: Option<u32>,
    /// Whether its client knew it.
    pub(super) opened: bool,
    /// Messages that reached no client.
    pub(super) dropped: u64,
}

impl Lasting {
    pub(super) const fn new(number: SessionNumber, id: u128, path: Arc<str>, now: Instant) -> Self {
        Self { number, id, path, calls: 0, began: now, earlier: false, saved: now }
    }

    /// Whether its record was saved so long ago that it would expire early.
    pub(super) fn is_stale(&self, cx: &Context) -> bool {
        record::is_stale(self.saved, cx)
    }

    /// Has the driver save what restores it. Returns whether it does; `None` if that is too long.
    pub(super) fn save(
        &mut self,
        env: &[(String, String)],
        open: &Open,
        cx: &mut Context,
    ) -> Option<bool> {
        if !cx.config.persist || open.opening.is_none() {
            return Some(false);
        }
        self.saved = cx.now;
        let record = record::write(self.id, &self.path, env, open)?;
        cx.push(Output::Save { session: self.number, record });
        Some(true)
    }

    /// Reports its end.
    pub(super) fn ended(&self, end: End, cx: &mut Context) {
        let End { cause, pid, opened, dropped } = end;
        let (session, calls, lived) = (self.number, self.calls, cx.now.since(self.began));
        cx.notice(Notice::SessionEnded { session, pid, cause, opened, lived, calls, dropped });
    }
}
