//! Handling of each wait when it is due.

use super::Bridge;
use super::seats::Seat;
use crate::api::event::Cause;
use crate::api::handles::Pipe;
use crate::context::timers::Wait;

impl Bridge {
    pub(super) fn run_waits(&mut self) {
        while let Some(wait) = self.cx.timers.due(self.cx.now) {
            self.run_wait(wait);
        }
        self.cx.end_stalled();
    }

    fn run_wait(&mut self, wait: Wait) {
        match wait {
            Wait::Shutdown(pipe) => {
                if let Some(child) = self.seats.child_mut(pipe) {
                    child.escalate(&mut self.cx);
                }
            }
            Wait::Start(pipe) => self.start_due(pipe),
            Wait::Ping(pipe) => {
                if let Some(child) = self.seats.child_mut(pipe) {
                    child.pings_due(&mut self.cx);
                }
            }
            Wait::Line(pipe) => self.line_due(pipe),
            Wait::Silent(pipe) => self.log_silence(pipe),
            Wait::Exit(pipe) => self.exit_due(pipe),
            Wait::Idle(pipe) => self.idle_due(pipe),
            Wait::Forget(pipe) => {
                if let Some(session) = self.seats.session_mut(pipe) {
                    session.streams.forget(&mut self.cx);
                }
            }
            Wait::Call(pipe, id) => match self.seats.get_mut(pipe) {
                Some(Seat::Session(session)) => session.overdue(id, &mut self.cx),
                Some(Seat::Shared(worker)) => worker.overdue(id, &mut self.cx),
                Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
            },
            Wait::Park(pipe, id) => match self.seats.get_mut(pipe) {
                Some(Seat::Session(session)) => session.pace_due(id, &mut self.cx),
                Some(Seat::Shared(worker)) => worker.park_due(id, &mut self.cx),
                Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
            },
            Wait::Stream(pipe, number) => match self.seats.get_mut(pipe) {
                Some(Seat::Session(session)) => session.tick(number, &mut self.cx),
                Some(Seat::Shared(worker)) => worker.tick(number, &mut self.cx),
                Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => {}
            },
            Wait::Relief => self.relief_due(),
            Wait::Drain => {
                self.drain.spend();
                self.end_all();
            }
        }
    }

    fn start_due(&mut self, pipe: Pipe) {
        let cause = match self.seats.get_mut(pipe) {
            Some(Seat::Session(session)) => Some(session.start_due(&mut self.cx)),
            Some(Seat::Shared(worker)) => worker.start_due(&mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(pipe, cause);
    }

    fn exit_due(&mut self, pipe: Pipe) {
        let cause = match self.seats.get_mut(pipe) {
            Some(Seat::Session(session)) => session.life.closed(),
            Some(Seat::Shared(worker)) => worker.exit_due(&mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(pipe, cause);
    }

    fn idle_due(&mut self, pipe: Pipe) {
        let idle = match self.seats.get_mut(pipe) {
            Some(Seat::Session(session)) => session.idle_due(&mut self.cx),
            Some(Seat::Shared(worker)) => worker.idle_due(&mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => false,
        };
        self.end_for(pipe, idle.then_some(Cause::Idle));
    }

    fn line_due(&mut self, pipe: Pipe) {
        let reads = self.wants(pipe);
        let cause = match self.seats.get_mut(pipe) {
            // A line that is not read can't end.
            Some(seat) if !reads => seat.child_mut().wait_line_anew(&mut self.cx),
            Some(Seat::Session(session)) => session.unended(&mut self.cx),
            Some(Seat::Shared(worker)) => worker.unended(&mut self.cx),
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) | None => None,
        };
        self.end_for(pipe, cause);
    }
}
