//! Handling of each wait when it is due.

use super::Bridge;
use crate::api::cause::Cause;
use crate::api::handles::ChildId;
use crate::context::Context;
use crate::context::ids::StreamId;
use crate::context::timers::Wait;
use crate::front::reads::Reads;
use crate::stream::set::Streams;

/// How many waits may be set and be due while others run, beside one for each of those.
const CHAINED: usize = 64;

impl Bridge {
    /// Runs the waits that are due, and returns whether any but that for relief was. A wait that is
    /// set again for the same moment, for ever, would be a fault of the engine; the bound keeps
    /// such a fault from stopping all other work.
    pub(super) fn run_waits(&mut self) -> bool {
        let mut others = self.cx.responses.due().is_some_and(|due| due <= self.cx.now);
        let mut left = 2 * self.cx.timers.len() + CHAINED;
        while let Some(wait) = self.cx.timers.due(self.cx.now) {
            others |= wait != Wait::Relief;
            self.run_wait(wait);
            left -= 1;
            if left == 0 {
                debug_assert!(false, "a wait is set again for the same moment: {wait:?}");
                break;
            }
        }
        self.cx.end_stalled();
        others
    }

    fn run_wait(&mut self, wait: Wait) {
        match wait {
            Wait::Shutdown(id) => {
                if let Some(child) = self.seats.child_mut(id) {
                    child.escalate(&mut self.cx);
                }
            }
            Wait::Start(id) => self.front_due(id, |front, cx| front.start_due(cx)),
            Wait::Ping(id) => {
                if let Some(child) = self.seats.child_mut(id) {
                    child.pings_due(&mut self.cx);
                }
            }
            Wait::Line(id) => self.line_due(id),
            Wait::Hold(id) => self.hold_due(id),
            Wait::Silent(id) => self.log_silence(id),
            Wait::Exit(id) => self.front_due(id, |front, cx| front.exit_due(cx)),
            Wait::Idle(id) => self.front_due(id, |front, cx| front.idle_due(cx)),
            Wait::Forget(id) => self.with_streams(id, Streams::forget),
            Wait::Expiry(session) => self.expiry_due(session),
            Wait::Call(id, call) => {
                if let Some(front) = self.seats.serving(id) {
                    front.overdue(call, &mut self.cx);
                }
            }
            Wait::Park(id, call) => {
                if let Some(front) = self.seats.serving(id) {
                    front.pause_due(call, &mut self.cx);
                }
            }
            Wait::Stream(id, number) => self.stream_due(id, number),
            Wait::Relief => self.relief_due(),
            Wait::Drain => {
                self.drain.spend();
                self.end_all();
            }
        }
    }

    fn stream_due(&mut self, id: ChildId, number: StreamId) {
        let holds = self.holds_up(id);
        match self.seats.serving(id) {
            Some(front) => {
                front.tick(number, holds, &mut self.cx);
                self.end_left(id);
            }
            None => {
                let tick = |streams: &mut Streams, cx: &mut _| _ = streams.tick(number, cx);
                self.with_streams(id, tick);
            }
        }
    }

    /// A wait of a front is due, which may end by it.
    fn front_due(
        &mut self,
        id: ChildId,
        work: impl FnOnce(&mut dyn Reads, &mut Context) -> Option<Cause>,
    ) {
        let cause = self.seats.front(id).and_then(|front| work(front, &mut self.cx));
        self.end_for(id, cause);
    }

    fn line_due(&mut self, id: ChildId) {
        let cause = match self.seats.get_mut(id) {
            // A line that is not read can't end.
            Some(seat) if seat.child().paused.is_some() => {
                seat.child_mut().line_is_not_read();
                None
            }
            Some(seat) => seat.front().and_then(|front| front.unended(&mut self.cx)),
            None => None,
        };
        self.end_for(id, cause);
    }
}
