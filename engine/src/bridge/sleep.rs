//! Sessions fall asleep, wake, and end in their sleep.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::sleepers::Sleepers;
use super::{Bridge, Place};
use crate::api::cause::Cause;
use crate::api::handles::{ChildId, Server, SessionNumber};
use crate::api::io::Output;
use crate::child::Child;
use crate::child::origin::Origin;
use crate::front::session::{Post, Session};
use crate::http::admission::Arrival;
use crate::http::fault::Fault;
use crate::http::owner::Owner;

/// How long a client of HTTP+SSE may leave its session without `initialize` while others want its
/// place: clients send it at once, and readers that connect again by themselves never do.
const HELLO: Duration = Duration::from_secs(1);

impl Bridge {
    /// Whether a session sleeps for this cause instead of ending.
    pub(super) fn may_sleep(&self, session: &Session, cause: Cause) -> bool {
        let ends = match cause {
            Cause::Deleted
            | Cause::Revoked
            | Cause::Retired
            | Cause::ClientLeft
            | Cause::Changed(_) => true,
            // A later run goes on with one that is saved.
            _ => self.draining && !self.cx.config.persist,
        };
        !ends && session.is_kept() && self.servers.is_current(session.child.server)
    }

    /// Puts a session to sleep. Returns its process, which ends next.
    pub(super) fn put_to_sleep(
        &mut self,
        session: Box<Session>,
        cause: Cause,
        fault: &Fault,
    ) -> Box<Child> {
        let (child, asleep) = session.fall_asleep(cause, fault, &mut self.cx);
        if let Some(mut asleep) = asleep {
            if self.draining {
                asleep.close(&mut self.cx);
            }
            self.ids.insert(asleep.lasting.id, Place::Asleep(asleep.lasting.number));
            self.sleepers.insert(asleep);
            self.hold_bound();
        }
        child
    }

    /// Ends those that were unused for longest, if more sleep than may.
    fn hold_bound(&mut self) {
        let (count, budget) = (self.cx.config.asleep, self.cx.config.budget);
        while self.sleepers.exceed(count, budget) {
            let Some(oldest) = self.sleepers.oldest(self.cx.now) else { return };
            self.end_asleep(oldest, Cause::Crowded);
        }
    }

    /// Ends a session that sleeps.
    pub(super) fn end_asleep(&mut self, number: SessionNumber, cause: Cause) {
        let Some(asleep) = self.sleepers.remove(number) else { return };
        self.ids.remove(&asleep.lasting.id);
        asleep.end(cause, &mut self.cx);
        self.forget_record(number);
    }

    /// The session has ended for good: its record is of no use.
    pub(super) fn forget_record(&mut self, session: SessionNumber) {
        if self.cx.config.persist {
            self.cx.push(Output::Forget { session });
        }
    }

    /// Ends sleeping sessions whose server is none any more.
    pub(super) fn end_asleep_retired(&mut self) {
        let servers = &self.servers;
        let retired = self.sleepers.iter().filter(|asleep| !servers.is_current(asleep.server));
        for number in retired.map(|asleep| asleep.lasting.number).collect::<Vec<_>>() {
            self.end_asleep(number, Cause::Retired);
        }
    }

    /// No stream of a sleeping session goes on: the program ends.
    pub(super) fn close_asleep(&mut self) {
        for asleep in self.sleepers.iter_mut() {
            asleep.close(&mut self.cx);
        }
    }

    /// Drops all sleeping sessions: the program ends now. Their records stay.
    pub(super) fn drop_asleep(&mut self) {
        self.close_asleep();
        self.ids.retain(|_, place| matches!(place, Place::Awake(_)));
        self.sleepers = Sleepers::default();
    }

    pub(super) fn expiry_due(&mut self, number: SessionNumber) {
        let asleep = self.sleepers.get_mut(number);
        if asleep.is_some_and(|asleep| asleep.is_expired(&mut self.cx)) {
            self.end_asleep(number, Cause::Expired);
        }
    }

    /// Handles messages for a session that sleeps. Returns its process, if it wakes for them.
    pub(super) fn post_asleep(
        &mut self,
        number: SessionNumber,
        post: &Post<'_>,
    ) -> Result<Option<ChildId>, Fault> {
        let asleep = self.sleepers.get_mut(number).ok_or(Fault::SessionUnknown)?;
        asleep.check(post.from, &mut self.cx)?;
        if self.draining && post.requests() > 0 {
            return Err(Fault::Draining);
        }
        if asleep.judge(post)? && !self.draining {
            return self.wake(number, post.from).map(Some);
        }
        asleep.post(post, &mut self.cx);
        Ok(None)
    }

    /// Starts a process for a session that sleeps.
    fn wake(&mut self, number: SessionNumber, from: Arrival<'_>) -> Result<ChildId, Fault> {
        let asleep = self.sleepers.get(number).ok_or(Fault::SessionUnknown)?;
        let server = asleep.server;
        // The process is given what the session was opened with.
        let owner = Owner { env: asleep.env().to_vec(), ..self.owner_of(server, from.head)? };
        self.may_start(server, Origin::new(&owner.env, asleep.hello()))?;
        // Another may fall asleep to make room for it.
        let hello = asleep.hello().to_vec();
        self.make_room(server)?;
        let child = self.child_for(server, owner, &hello, from.exchange);
        let asleep = self.sleepers.remove(number).ok_or(Fault::SessionUnknown)?;
        let pipe = child.id;
        let session = asleep.wake(child, from.random, &mut self.cx);
        self.ids.insert(session.lasting.id, Place::Awake(pipe));
        self.seats.insert(super::Seat::Session(session));
        Ok(pipe)
    }

    /// Has room for one more session of this server that is awake, among its own and among all. If
    /// there is none, the one that is unused for longest falls asleep.
    pub(super) fn make_room(&mut self, server: Server) -> Result<(), Fault> {
        let limit = self.cx.config.sessions;
        if self.is_crowded() {
            return Err(Fault::Sessions(limit));
        }
        let own = self.servers.sessions(server).unwrap_or(limit);
        let its = |session: &&Session| session.child.server == server;
        if self.seats.sessions().filter(its).count() >= own {
            return self.make_way(own, its);
        }
        if self.seats.session_count() < limit {
            return Ok(());
        }
        self.make_way(limit, |_| true)
    }

    /// Puts the session to sleep that is unused for longest, at this limit of those that are meant.
    /// One that nobody has initialized for a while ends before that.
    fn make_way(&mut self, limit: usize, meant: impl Fn(&&Session) -> bool) -> Result<(), Fault> {
        let (now, spare) = (self.cx.now, self.cx.config.spare);
        let unused = self.seats.sessions().filter(meant).filter(|session| {
            let unused = now.since(session.lease.contact());
            session.awaits_initialize() && unused >= HELLO
                || session.is_open()
                    && !session.is_busy()
                    && unused >= spare
                    && self.may_sleep(session, Cause::Room)
        });
        let longest =
            unused.min_by_key(|session| (!session.awaits_initialize(), session.lease.contact()));
        let pipe = longest.map(|session| session.child.id).ok_or(Fault::Sessions(limit))?;
        self.end(pipe, Cause::Room, None);
        Ok(())
    }

    /// The record of a session is saved: if it is the first, its client is told of it.
    pub(super) fn saved(&mut self, session: SessionNumber) {
        // Only a session with its first process waits for that.
        let pipe = ChildId(session.0);
        let Some(waiting) = self.seats.session_mut(pipe) else { return };
        if waiting.lasting.number == session && !waiting.is_known_to_client() {
            waiting.is_saved(&mut self.cx);
            // It may have no answer yet: then nothing was to be saved.
            if waiting.is_open() {
                self.started(pipe);
            }
        }
    }
}
