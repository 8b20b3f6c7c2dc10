//! The steps of a child's shutdown sequence, and its end.

use crate::api::event::Notice;
use crate::api::instant::Instant;
use crate::api::io::Output;
use crate::child::{Child, Stage};
use crate::codec::lines::Lines;
use crate::context::Context;
use crate::context::timers::Wait;

impl Child {
    /// Starts the shutdown sequence. Returns false if the process was never opened, and so is gone
    /// already, or is a host's.
    pub(crate) fn end(&mut self, cx: &mut Context) -> bool {
        for (id, (own, mut due)) in self.own.take() {
            self.names -= own.size();
            cx.timers.clear(&mut due, Wait::Call(self.id, id));
        }
        match self.stage {
            Stage::Queued => return false,
            // Its host goes on.
            _ if self.host().is_some() => return false,
            Stage::Running => {
                self.stage = Stage::Closing;
                cx.push(Output::CloseStdin { child: self.id });
                self.wait(cx.now.after(cx.config.term_grace), cx);
            }
            Stage::Closing | Stage::Terminating | Stage::Killed | Stage::Gone => {}
        }
        self.forget_pings(cx);
        self.forget_line(cx);
        self.end_hold(cx);
        // The rest of its output is read and discarded.
        self.lines = Lines::new(0);
        self.account();
        true
    }

    fn wait(&mut self, until: Instant, cx: &mut Context) {
        cx.timers.set(&mut self.due, until, Wait::Shutdown(self.id));
    }

    /// Performs the next step of the shutdown sequence.
    pub(crate) fn escalate(&mut self, cx: &mut Context) {
        self.due.spend();
        match self.stage {
            Stage::Closing => {
                self.stage = Stage::Terminating;
                self.log_still_running("SIGTERM", cx);
                cx.push(Output::Terminate { child: self.id });
                self.wait(cx.now.after(cx.config.kill_grace), cx);
            }
            Stage::Terminating => self.kill(cx),
            Stage::Queued | Stage::Running | Stage::Killed | Stage::Gone => {}
        }
    }

    /// Performs the last step of the shutdown sequence at once.
    pub(crate) fn kill(&mut self, cx: &mut Context) {
        if !matches!(self.stage, Stage::Queued | Stage::Killed | Stage::Gone) {
            self.stage = Stage::Killed;
            self.log_still_running("SIGKILL", cx);
            cx.timers.clear(&mut self.due, Wait::Shutdown(self.id));
            cx.push(Output::Kill { child: self.id });
        }
    }

    fn log_still_running(&self, signal: &'static str, cx: &mut Context) {
        cx.notice(Notice::StillRunning { child: self.id, pid: self.pid, signal });
    }

    /// The process is gone: drops all waits.
    pub(crate) fn gone(mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.due, Wait::Shutdown(self.id));
        self.forget_pings(cx);
        self.forget_line(cx);
        self.end_hold(cx);
        debug_assert!(self.calls.is_empty());
    }
}
