//! Draining and shutdown: calls in flight get a grace period, everything else ends at once.

use alloc::vec::Vec;

use super::{Bridge, Seat};
use crate::api::event::{Cause, Notice};
use crate::api::handles::{ChildId, SessionNumber};
use crate::api::session;
use crate::context::timers::Wait;
use crate::http::session_id;

impl Bridge {
    /// Returns the open sessions, oldest first. One whose child has not answered `initialize` is
    /// not among them.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config};
    ///
    /// let bridge = Bridge::new(Config::default()).unwrap();
    /// for session in bridge.sessions() {
    ///     println!("{} {} {} calls", session.number, session.version, session.calls);
    /// }
    /// # assert_eq!(bridge.sessions().count(), 0);
    /// ```
    pub fn sessions(&self) -> impl Iterator<Item = session::Session<'_>> {
        let open = self.seats.sessions().filter(|session| session.is_open());
        open.map(|session| session::Session {
            number: session.number,
            child: Some(session.child.id),
            server: session.child.server,
            version: session.version(),
            since: session.life.began(),
            calls: session.child.calls.len(),
        })
    }

    /// Returns the number of the open session with this id, as `Mcp-Session-Id` has it: for a log,
    /// in which the id must not stand.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config};
    ///
    /// let bridge = Bridge::new(Config::default()).unwrap();
    /// assert_eq!(bridge.session_number("0123456789abcdef0123456789abcdef"), None);
    /// ```
    #[must_use]
    pub fn session_number(&self, id: &str) -> Option<SessionNumber> {
        let child = self.ids.get(&session_id::parse(id, &self.cx.config)?)?;
        match self.seats.get(*child)? {
            Seat::Session(session) => Some(session.number),
            _ => None,
        }
    }

    pub(super) fn shutdown(&mut self) {
        if self.draining {
            return self.end_at_once();
        }
        self.draining = true;
        let (sessions, calls) = (self.seats.session_count(), self.cx.stats.calls);
        self.cx.notice(Notice::Draining { sessions, calls });
        let when = self.cx.now.after(self.cx.config.drain);
        self.cx.timers.set(&mut self.drain, when, Wait::Drain);
    }

    /// Ends a session for the embedder.
    pub(super) fn revoke(&mut self, session: SessionNumber) {
        let mut sessions = self.seats.sessions();
        let id = sessions.find(|one| one.number == session).map(|one| one.child.id);
        drop(sessions);
        self.end_for(id.unwrap_or(ChildId(0)), id.map(|_| Cause::Revoked));
    }

    fn end_at_once(&mut self) {
        self.end_all();
        for seat in self.seats.iter_mut() {
            seat.child_mut().kill(&mut self.cx);
        }
    }

    pub(super) fn end_all(&mut self) {
        for id in self.seats.children().map(|child| child.id).collect::<Vec<_>>() {
            self.end(id, Cause::Shutdown, None);
        }
    }

    /// While draining: ends the children that no client waits for.
    pub(super) fn end_drained(&mut self) {
        // A session that has not opened yet will get no requests.
        let waited_for = |seat: &Seat| match seat {
            Seat::Session(session) => session.is_open() && !session.child.calls.is_empty(),
            Seat::Shared(worker) => worker.is_ready() && worker.is_busy(),
            Seat::Prewarmed(_) | Seat::Leaving(_) => false,
        };
        let drained = self.seats.iter().filter(|seat| !waited_for(seat));
        for id in drained.map(|seat| seat.child().id).collect::<Vec<_>>() {
            self.end(id, Cause::Shutdown, None);
        }
        if self.seats.session_count() == 0 && self.seats.shared_count() == 0 {
            self.cx.timers.clear(&mut self.drain, Wait::Drain);
        }
    }
}
