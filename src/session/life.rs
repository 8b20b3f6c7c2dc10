//! How a session, its calls and its streams end, and what they wait for until then.

use alloc::vec::Vec;
use core::time::Duration;

use super::Session;
use crate::child::Child;
use crate::context::{self, Context};
use crate::fault::Fault;
use crate::notice::{Cause, Notice};
use crate::stream::{At, STANDING, Stream};
use crate::time::Wait;

impl Session {
    /// Answers a call with an error of our own.
    pub(crate) fn fail(&mut self, id: u64, fault: &Fault, child: &mut Child, cx: &mut Context) {
        let Some(call) = child.end_call(id, cx) else {
            return;
        };
        if self.is_open() {
            self.answer(call.stream, fault.message(Some(&call.id)), cx);
            return;
        }
        let response = fault.failed_start(Some(&call.id));
        self.with(call.stream, cx, |stream, at, held, cx| stream.whole(response, at, held, cx));
    }

    /// A call was not answered in time. The line that tells the child, if it does not know yet.
    pub(crate) fn overdue(&mut self, id: u64, child: &mut Child, cx: &mut Context) {
        let Some(call) = child.calls.get(id) else {
            return;
        };
        if call.cancelled {
            return self.fail(id, &Fault::Cancelled, child, cx);
        }
        let cancel = alloc::format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"timed out"}}}}"#
        );
        child.write(context::line(cancel.into_bytes()), cx);
        self.fail(id, &Fault::TimedOut, child, cx);
    }

    /// Ends the session: calls are answered, streams end, the child steps onto the ladder.
    pub(crate) fn end(mut self, cause: Cause, fault: &Fault, child: &mut Child, cx: &mut Context) {
        for id in child.call_ids() {
            self.fail(id, fault, child, cx);
        }
        let at = self.at(STANDING);
        for (number, mut stream) in self.streams.take() {
            let at = At { number, ..at };
            stream.finish(at, cx);
            stream.retire(at, cx);
        }
        for (deadline, wait) in [
            (&mut self.start, Wait::Start(self.pipe)),
            (&mut self.idle, Wait::Idle(self.pipe)),
            (&mut self.exit, Wait::Exit(self.pipe)),
            (&mut self.forget, Wait::Forget(self.pipe)),
        ] {
            cx.timers.clear(deadline, wait);
        }
        cx.notice(Notice::SessionEnded {
            pipe: self.pipe,
            pid: child.pid,
            cause,
            lived: cx.now.since(self.began),
            calls: self.calls,
            dropped: self.held.dropped,
        });
    }

    /// The child closed its standard output: it ends, and how is known in a moment.
    pub(crate) fn stdout_closed(&mut self, cx: &mut Context) {
        let when = cx.now.after(cx.config.exit_grace);
        cx.timers.set(&mut self.exit, when, Wait::Exit(self.pipe));
    }

    pub(super) fn wait_idle(&mut self, cx: &mut Context) {
        if let Some(idle) = cx.config.idle {
            let when = self.contact.after(idle).max(cx.now.after(Duration::from_millis(1)));
            cx.timers.set(&mut self.idle, when, Wait::Idle(self.pipe));
        }
    }

    /// The idle wait is due. True if the session was idle all the while.
    pub(crate) fn idle(&mut self, cx: &mut Context) -> bool {
        self.idle.spend();
        let Some(idle) = cx.config.idle else {
            return false;
        };
        if self.streams.iter().any(|(_, stream)| stream.is_alive()) {
            self.contact = cx.now;
        }
        if cx.now.since(self.contact) >= idle {
            return true;
        }
        self.wait_idle(cx);
        false
    }

    /// A stream's wait is due.
    pub(crate) fn tick(&mut self, number: u64, cx: &mut Context) {
        let kept = self.with(number, cx, |stream, at, held, cx| stream.tick(at, held, cx));
        if kept == Some(false) {
            self.contact = cx.now;
            cx.notice(Notice::Stalled { pipe: self.pipe });
        }
        self.tidy(number, cx);
    }

    /// Ended streams were kept long enough.
    pub(crate) fn forget(&mut self, cx: &mut Context) {
        self.forget.spend();
        let ended: Vec<u64> = self.ended().collect();
        for number in ended {
            self.drop_stream(number, cx);
        }
    }

    fn ended(&self) -> impl Iterator<Item = u64> {
        let ended = self.streams.iter().filter(|(n, stream)| *n != STANDING && stream.is_ended());
        ended.map(|(number, _)| number)
    }

    fn drop_stream(&mut self, number: u64, cx: &mut Context) {
        self.with(number, cx, |stream, _, held, cx| while stream.drop_oldest(held, cx) {});
    }

    /// Keeps within `Config::replay`, at the cost of the stream that grew first.
    pub(super) fn tidy(&mut self, number: u64, cx: &mut Context) {
        while self.held.kept > cx.config.replay {
            let victim = [number, STANDING]
                .into_iter()
                .chain(self.streams.iter().map(|(number, _)| number))
                .find(|&victim| {
                    let kept = self.streams.get(victim).map_or(0, Stream::kept);
                    kept > usize::from(victim == number)
                });
            let Some(victim) = victim else { break };
            self.with(victim, cx, |stream, _, held, cx| stream.drop_oldest(held, cx));
        }
        if self.held.dropped > 0 && !core::mem::replace(&mut self.told_drops, true) {
            cx.notice(Notice::Dropping { pipe: self.pipe });
        }
        if self.streams.get(number).is_some_and(|s| number != STANDING && s.is_ended()) {
            let when = cx.now.after(cx.config.keep_ended);
            cx.timers.no_later(&mut self.forget, when, Wait::Forget(self.pipe));
            let oldest =
                if self.ended().count() > cx.config.calls { self.ended().next() } else { None };
            if let Some(oldest) = oldest {
                self.drop_stream(oldest, cx);
            }
        }
    }
}
