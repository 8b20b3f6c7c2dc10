//! What happens when a wait is due.

use super::{Bridge, Front};
use crate::io::Pipe;
use crate::notice::Cause;
use crate::time::Wait;

impl Bridge {
    pub(super) fn run_waits(&mut self) {
        while let Some(wait) = self.cx.timers.due(self.cx.now) {
            self.run_wait(wait);
        }
    }

    fn run_wait(&mut self, wait: Wait) {
        match wait {
            Wait::Ladder(pipe) => {
                if let Some(child) = self.children.get_mut(&pipe) {
                    child.climb(&mut self.cx);
                }
            }
            Wait::Start(pipe) => self.start_due(pipe),
            Wait::Ping(pipe) => {
                if let Some(child) = self.children.get_mut(&pipe) {
                    child.pings_due(&mut self.cx);
                }
            }
            Wait::Line(pipe) => self.line_due(pipe),
            Wait::Exit(pipe) if self.workers.contains(&pipe) => {
                self.with_worker(pipe, |worker, child, cx| worker.exit_due(child, cx));
            }
            Wait::Silent(pipe) => self.tell_silence(pipe),
            Wait::Exit(pipe) => {
                let closed = self.sessions.get(&pipe).and_then(|session| session.life.closed());
                if let Some(cause) = closed {
                    self.end(pipe, cause, None);
                }
            }
            Wait::Idle(pipe) => {
                let session = self.sessions.get_mut(&pipe).map(|s| s.idle_due(&mut self.cx));
                let worker = self.workers.get_mut(&pipe).map(|w| w.idle_due(&mut self.cx));
                if session.or(worker) == Some(true) {
                    self.end(pipe, Cause::Idle, None);
                }
            }
            Wait::Forget(pipe) => {
                if let Some(session) = self.sessions.get_mut(&pipe) {
                    session.streams.forget(&mut self.cx);
                }
            }
            Wait::Call(pipe, id) => self.with_front(pipe, |front, child, cx| match front {
                Front::Session(session) => session.overdue(id, child, cx),
                Front::Worker(worker) => worker.overdue(id, child, cx),
            }),
            Wait::Park(pipe, id) => self.with_front(pipe, |front, child, cx| match front {
                Front::Session(session) => session.pace_due(id, child, cx),
                Front::Worker(worker) => worker.park_due(id, child, cx),
            }),
            Wait::Stream(pipe, number) => {
                self.with_front(pipe, |front, child, cx| match front {
                    Front::Session(session) => session.tick(number, cx),
                    Front::Worker(worker) => worker.tick(number, child, cx),
                });
            }
            Wait::Relief => self.relief_due(),
            Wait::Drain => {
                self.drain.spend();
                self.end_all();
            }
        }
    }

    fn start_due(&mut self, pipe: Pipe) {
        let mut cause = None;
        self.with_front(pipe, |front, child, cx| {
            cause = match front {
                Front::Session(session) => Some(session.start_due(child, cx)),
                Front::Worker(worker) => worker.start_due(child, cx),
            };
        });
        if let Some(cause) = cause {
            self.end(pipe, cause, None);
        }
    }

    fn line_due(&mut self, pipe: Pipe) {
        let (reads, mut cause) = (self.wants(pipe), None);
        self.with_front(pipe, |front, child, cx| {
            cause = match front {
                // It can't end a line that is not read.
                _ if !reads => child.wait_line_anew(cx),
                Front::Session(session) => session.unended(child, cx),
                Front::Worker(worker) => worker.unended(child, cx),
            };
        });
        if let Some(cause) = cause {
            self.end(pipe, cause, None);
        }
    }
}
