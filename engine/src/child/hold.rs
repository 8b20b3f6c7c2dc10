//! How long a shared process is not read because of what its clients have not read.

use core::time::Duration;

use crate::api::instant::Instant;
use crate::child::{Child, Stage};
use crate::context::Context;
use crate::context::timers::{Deadline, Wait};

/// A client that reads a little now and then ends a pause, and causes the next at once. So pauses
/// add up, and only time between them takes away from the sum.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    sum: Duration,
    /// When the last pause began, or ended.
    since: Instant,
    due: Deadline,
}

impl Child {
    /// A pause begins.
    pub(crate) fn begin_hold(&mut self, cx: &mut Context) {
        if self.stage != Stage::Running {
            return;
        }
        let hold = &mut self.hold;
        hold.sum = hold.sum.saturating_sub(cx.now.since(hold.since));
        hold.since = cx.now;
        let left = cx.config.stall.saturating_sub(hold.sum);
        cx.timers.set(&mut hold.due, cx.now.after(left), Wait::Hold(self.id));
    }

    /// The pause ends.
    pub(crate) fn end_hold(&mut self, cx: &mut Context) {
        let hold = &mut self.hold;
        if hold.due.is_set() {
            cx.timers.clear(&mut hold.due, Wait::Hold(self.id));
            hold.sum = hold.sum.saturating_add(cx.now.since(hold.since));
            hold.since = cx.now;
        }
    }

    /// The pauses have been long enough. They are counted anew, and looked at again after `wait`.
    pub(crate) fn renew_hold(&mut self, wait: Duration, cx: &mut Context) {
        self.hold = Hold { since: cx.now, ..Hold::default() };
        cx.timers.set(&mut self.hold.due, cx.now.after(wait), Wait::Hold(self.id));
    }
}
