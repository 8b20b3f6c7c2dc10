//! Handling of each wait when it is due.

use super::Bridge;
use super::seats::Seat;
use crate::api::handles::ChildId;
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
            Wait::Start(id) => self.start_due(id),
            Wait::Ping(id) => {
                if let Some(child) = self.seats.child_mut(id) {
                    child.pings_due(&mut self.cx);
                }
            }
            Wait::Line(id) => self.line_due(id),
            Wait::Silent(id) => self.log_silence(id),
            Wait::Exit(id) => self.exit_due(id),
            Wait::Idle(id) => self.idle_due(id),
            Wait::Forget(id) => self.with_streams(id, Streams::forget),
            Wait::Expiry(session) => self.expiry_due(session),
            Wait::Call(id, call) => match self.seats.get_mut(id) {
                Some(Seat::Session(session)) => session.overdue(call, &mut self.cx),
                Some(Seat::Shared(worker)) => worker.overdue(call, &mut self.cx),
                Some(Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
            },
            Wait::Park(id, call) => match self.seats.get_mut(id) {
                Some(Seat::Session(session)) => session.pace_due(call, &mut self.cx),
                Some(Seat::Shared(worker)) => worker.park_due(call, &mut self.cx),
                Some(Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
            },
            Wait::Stream(id, number) => match self.seats.get_mut(id) {
                Some(Seat::Session(session)) => {
                    session.tick(number, &mut self.cx);
                    self.end_left(id);
                }
                Some(Seat::Shared(worker)) => worker.tick(number, &mut self.cx),
                Some(Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {
                    let tick = |streams: &mut Streams, cx: &mut _| _ = streams.tick(number, cx);
                    self.with_streams(id, tick);
                }
            },
            Wait::Relief => self.relief_due(),
            Wait::Drain => {
                self.drain.spend();
                self.end_all();
            }
        }
    }

    fn start_due(&mut self, id: ChildId) {
        let cause = match self.seats.get_mut(id) {
            Some(Seat::Session(session)) => Some(session.start_due(&mut self.cx)),
            Some(Seat::Shared(worker)) => worker.start_due(&mut self.cx),
            Some(Seat::Host(host)) => Some(host.start_due()),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(id, cause);
    }

    fn exit_due(&mut self, id: ChildId) {
        let cause = match self.seats.get_mut(id) {
            Some(Seat::Session(session)) => session.lease.closed(),
            Some(Seat::Shared(worker)) => worker.exit_due(&mut self.cx),
            Some(Seat::Host(host)) => host.lease.closed(),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(id, cause);
    }

    fn idle_due(&mut self, id: ChildId) {
        let cause = match self.seats.get_mut(id) {
            Some(Seat::Session(session)) => session.idle_due(&mut self.cx),
            Some(Seat::Shared(worker)) => worker.idle_due(&mut self.cx),
            // It ends with its last guest.
            Some(Seat::Host(host)) => host.lease.idle_due(true, true, &mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(id, cause);
    }

    fn line_due(&mut self, id: ChildId) {
        let reads = self.reads(id);
        let cause = match self.seats.get_mut(id) {
            // A line that is not read can't end.
            Some(seat) if seat.child().paused.is_some() || !reads => {
                seat.child_mut().line_is_not_read(&mut self.cx);
                None
            }
            Some(Seat::Session(session)) => session.unended(&mut self.cx),
            Some(Seat::Shared(worker)) => worker.unended(&mut self.cx),
            Some(Seat::Host(host)) => host.unended(&mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(id, cause);
    }
}
