//! Draining and shutdown: calls in flight get a grace period, everything else ends at once.

use alloc::vec::Vec;

use super::{Bridge, Place, Seat};
use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange, SessionNumber};
use crate::api::session;
use crate::context::timers::Wait;
use crate::http::session_id;

impl Bridge {
    /// Returns the open sessions: those that are awake, then those that sleep. One whose child has
    /// not answered `initialize` is not among them.
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
        let awake = self.seats.sessions().filter(|session| session.is_known_to_client());
        let awake = awake.map(|session| session::Session {
            number: session.lasting.number,
            child: Some(session.child.process()),
            server: session.child.server,
            version: session.version(),
            since: session.lasting.began,
            calls: session.child.calls.len(),
        });
        let asleep = self.sleepers.iter().map(|asleep| session::Session {
            number: asleep.lasting.number,
            child: None,
            server: asleep.server,
            version: asleep.version(),
            since: asleep.lasting.began,
            calls: 0,
        });
        awake.chain(asleep)
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
        match *self.ids.get(&session_id::parse(id.as_bytes(), &self.cx.config)?)? {
            Place::Asleep(number) => Some(number),
            Place::Awake(child) => match self.seats.get(child)? {
                Seat::Session(session) => Some(session.lasting.number),
                _ => None,
            },
        }
    }

    /// Returns the number of the session whose stream this exchange carries: for a log, of a
    /// request that names none because it opens one.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config, Exchange};
    ///
    /// let bridge = Bridge::new(Config::default()).unwrap();
    /// assert_eq!(bridge.session_carried_by(Exchange::from_number(7)), None);
    /// ```
    #[must_use]
    pub fn session_carried_by(&self, exchange: Exchange) -> Option<SessionNumber> {
        match self.seats.get(self.carried(exchange)?.0)? {
            Seat::Session(session) => Some(session.lasting.number),
            _ => None,
        }
    }

    pub(super) fn shutdown(&mut self) {
        if self.draining {
            return self.end_at_once();
        }
        self.draining = true;
        self.close_asleep();
        let (sessions, calls) = (self.seats.session_count(), self.cx.stats.calls);
        self.cx.notice(Notice::Draining { sessions, calls });
        let when = self.cx.now.after(self.cx.config.drain);
        self.cx.timers.set(&mut self.drain, when, Wait::Drain);
    }

    /// Ends a session for the embedder.
    pub(super) fn revoke(&mut self, session: SessionNumber) {
        let mut awake = self.seats.sessions();
        let pipe = awake.find(|one| one.lasting.number == session).map(|one| one.child.id);
        drop(awake);
        match pipe {
            Some(pipe) => self.end(pipe, Cause::Revoked, None),
            None => self.end_asleep(session, Cause::Revoked),
        }
    }

    fn end_at_once(&mut self) {
        self.end_all();
        self.drop_asleep();
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
            // It ends with its last session.
            Seat::Host(_) => true,
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

    /// Handles a child that closed its input or its output. Most do because they exit.
    pub(super) fn closed(&mut self, id: ChildId, cause: Cause) {
        let cause = match self.seats.opened(id) {
            Some(Seat::Prewarmed(_)) => Some(cause),
            Some(seat) => seat.front().and_then(|front| front.pipe_closed(cause, &mut self.cx)),
            None => None,
        };
        self.end_for(id, cause);
    }
}
