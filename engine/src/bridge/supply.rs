//! Which servers get children, which children may start, and which are prewarmed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::breaker::Blame;
use super::{Bridge, Seat};
use crate::api::cause::Cause;
use crate::api::config::Config;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Server};
use crate::api::io::Endpoint;
use crate::child::Child;
use crate::child::origin::Origin;
use crate::context::report::Lesson;
use crate::front::reads::Reads;
use crate::http::fault::Fault;

/// Pause in prewarming after a start for which the driver was out of a resource.
const EXHAUSTED: Duration = Duration::from_secs(1);

impl Bridge {
    /// Whether [`Output::Open`](crate::Output::Open) may still name this server. If not, a driver
    /// can forget its command.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config, Endpoint, Eras, Input, Instant, Server};
    ///
    /// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
    /// let one = Endpoint { path: "/mcp", server: Server(1), ..Endpoint::default() };
    /// bridge.handle(Input::Servers { servers: &[one] }, now);
    /// assert!(bridge.serves(Server(1)) && !bridge.serves(Server(0)));
    /// ```
    pub fn serves(&self, server: Server) -> bool {
        self.servers.get(server).is_some()
    }

    /// Replaces the set of current servers.
    pub(super) fn serve(&mut self, servers: &[Endpoint<'_>]) {
        self.servers.set(servers, &self.cx.config);
        for seat in self.seats.iter_mut() {
            seat.set_terms(self.servers.terms(seat.child().server));
        }
        self.end_asleep_retired();
        for spare in self.servers.retired_spares() {
            self.end(spare, Cause::Retired, None);
        }
        self.forget_retired();
    }

    /// Ends children that only new requests to retired servers could have used.
    pub(super) fn end_retired(&mut self) {
        self.apply_reports();
        if !self.spent.is_empty() {
            self.end_spent();
        }
        if !self.servers.has_retired() {
            return;
        }
        let servers = &self.servers;
        let free = self.seats.shared().filter(|worker| worker.is_free());
        let retired = free.filter(|worker| !servers.is_current(worker.child.server));
        for id in retired.map(|worker| worker.child.id).collect::<Vec<_>>() {
            self.end(id, Cause::Retired, None);
        }
    }

    /// Ends shared children that take no new clients, once their last call is over.
    fn end_spent(&mut self) {
        for id in core::mem::take(&mut self.spent) {
            match self.seats.shared_mut(id) {
                Some(worker) if worker.is_done() => self.end(id, Cause::Spent, None),
                Some(_) => self.spent.push(id),
                None => {}
            }
        }
    }

    /// Forgets retired servers that have no child left. It visits every child, so it is called only
    /// when a server may just have lost its last one.
    pub(super) fn forget_retired(&mut self) {
        let seats = &self.seats;
        self.servers.forget(|server| seats.children().any(|child| child.server == server));
        let servers = &self.servers;
        self.cx.counts.retain(|server| servers.get(server).is_some());
    }

    /// Returns a prewarmed child, or a new one that is not started yet.
    pub(super) fn next_child(&mut self, server: Server) -> Box<Child> {
        let spare = self.servers.of(server).spares.pop_front();
        let prewarmed = spare.and_then(|id| {
            self.seats.take(id, |seat| match seat {
                Seat::Prewarmed(child) => Ok(child),
                other => Err(other),
            })
        });
        prewarmed.unwrap_or_else(|| self.new_child(server))
    }

    /// Returns the number of a new process, or of a place at one.
    pub(super) const fn fresh_child(&mut self) -> ChildId {
        self.last_child += 1;
        ChildId(self.last_child)
    }

    pub(super) fn new_child(&mut self, server: Server) -> Box<Child> {
        let id = self.fresh_child();
        Box::new(Child::new(id, server, self.servers.terms(server), &self.cx))
    }

    /// Gives a process its environment, and what is known of others that have the same.
    pub(super) fn set_env(&self, child: &mut Child, env: Vec<(String, String)>) {
        let known = self.servers.known(child.server, &env);
        child.set_env(env, known);
    }

    /// A process has shown something of all that have the same variables.
    pub(super) fn learned(&mut self, server: Server, env: &[(String, String)], lesson: Lesson) {
        if !self.servers.learn(server, env, lesson) {
            return;
        }
        for child in self.seats.iter_mut().map(Seat::child_mut) {
            if child.server == server {
                child.known = self.servers.known(server, child.env());
            }
        }
    }

    /// Prewarms children up to the configured number.
    pub(super) fn prewarm(&mut self) {
        let wished = self.cx.config.prewarm;
        if wished == 0 || !self.cx.config.header_env.is_empty() {
            return;
        }
        if self.cx.now < self.exhausted_until {
            return;
        }
        let servers: Vec<Server> = self.servers.current().map(|(server, _)| server).collect();
        for server in servers {
            let lacks = |bridge: &Self| {
                let spares = bridge.servers.get(server).map_or(0, |known| known.spares.len());
                spares < wished
            };
            while lacks(self)
                && self.may_start(server, Origin::default()).is_ok()
                && !self.is_crowded()
            {
                let mut child = self.new_child(server);
                child.open(&mut self.cx);
                self.servers.of(server).spares.push_back(child.id);
                self.seats.insert(Seat::Prewarmed(child));
            }
        }
    }

    /// Handles the report, before its exit, that a child had read nothing.
    pub(super) fn unread(&mut self, id: ChildId) {
        if let Some(seat) = self.seats.opened(id) {
            seat.child_mut().unread = true;
        }
    }

    /// Logs that a child has not answered its first request for a long time.
    pub(super) fn log_silence(&mut self, id: ChildId) {
        let Some((child, lease)) = self.seats.front(id).map(Reads::child) else { return };
        lease.log_silence(child, &mut self.cx);
    }

    /// Handles a start that failed because the driver was out of a resource.
    pub(super) fn exhausted(&mut self, id: ChildId, reason: &str, public: &str) {
        if self.seats.opened(id).is_some() {
            self.exhausted_until = self.cx.now.after(EXHAUSTED);
        }
        self.open_failed(id, Cause::Exhausted, reason, public);
    }

    /// Ends a prewarmed child.
    pub(super) fn end_prewarmed(&mut self, mut child: Box<Child>, cause: Cause) {
        let (id, server) = (child.id, child.server);
        self.servers.of(server).spares.retain(|spare| *spare != id);
        child.end(&mut self.cx);
        self.seats.insert(Seat::Leaving(child));
        self.judge_start(server, Origin::default(), cause, Blame::All);
    }

    /// Whether a child of this server may be started now for this origin.
    pub(super) fn may_start(&self, server: Server, origin: Origin) -> Result<(), Fault> {
        if self.draining {
            return Err(Fault::Draining);
        }
        if let Some(reason) = self.servers.fault(server) {
            return Err(Fault::Disabled(reason.into()));
        }
        let wait = self.breaker.closed_until(server, origin).since(self.cx.now);
        match wait.as_millis().div_ceil(1000) as u64 {
            0 => Ok(()),
            seconds => Err(Fault::Breaker(seconds)),
        }
    }

    /// The paths of servers whose every start fails, for all clients.
    pub(super) fn failing(&self) -> Vec<&str> {
        let current = self.servers.current();
        let failing = current.filter(|(server, _)| {
            self.servers.fault(*server).is_some() || self.breaker.fails(*server, self.cx.now)
        });
        failing.map(|(server, _)| self.servers.path(server)).collect()
    }

    /// Counts a start that failed through the child's own fault, or its client's.
    pub(super) fn judge_start(
        &mut self,
        server: Server,
        origin: Origin,
        cause: Cause,
        blame: Blame,
    ) {
        if matches!(
            cause,
            Cause::ClientLeft
                | Cause::Shutdown
                | Cause::Retired
                | Cause::Spent
                | Cause::Deserted
                | Cause::Declined
                | Cause::Undiscovered
                | Cause::Deleted
                | Cause::Revoked
                | Cause::Idle
                | Cause::Exhausted
        ) {
            return;
        }
        self.cx.stats.failed_starts += 1;
        self.cx.counts.of(server).failed_starts += 1;
        let Config { breaker_starts, breaker_wait: wait, .. } = self.cx.config;
        let when = (self.cx.now, wait);
        if self.breaker.failed((server, origin), blame, breaker_starts, when) {
            let endpoint = self.servers.path(server).into();
            let all = self.breaker.fails(server, self.cx.now);
            self.cx.notice(Notice::BreakerOpen { endpoint, wait, all });
        }
    }

    /// Whether the process limit, exiting children included, is reached.
    pub(super) fn is_crowded(&self) -> bool {
        let Config { sessions, pool, prewarm, .. } = self.cx.config;
        let spares = prewarm.saturating_mul(self.servers.count());
        let limit = sessions.saturating_add(pool).saturating_add(spares);
        self.seats.len() >= limit.saturating_mul(2)
    }
}

/// Which starts the failure of this child's start counts against.
pub(super) fn blame(cause: Cause, child: &Child) -> Blame {
    match cause {
        Cause::NotStarted => Blame::All,
        Cause::Exited(_) if child.unread => Blame::Variables,
        _ => Blame::Client,
    }
}
