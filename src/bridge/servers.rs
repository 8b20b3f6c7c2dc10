//! Which servers children are started for, which of them may start, and what is started ahead.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Bridge;
use crate::child::Child;
use crate::config::Config;
use crate::fault::Fault;
use crate::io::{Endpoint, Pipe, Server};
use crate::notice::{Cause, Notice};

impl Bridge {
    /// Whether [`Output::Open`](crate::Output::Open) may still name this server. If not, a driver
    /// can forget its command.
    ///
    /// ```
    /// use hyper_mcp_proxy::{Bridge, Config, Endpoint, Eras, Input, Instant, Server};
    ///
    /// let (mut bridge, now) = (Bridge::new(Config::default()), Instant::default());
    /// let one = Endpoint { path: "/mcp", server: Server(1), eras: Eras::Auto };
    /// bridge.handle(Input::Servers { servers: &[one] }, now);
    /// assert!(bridge.serves(Server(1)) && !bridge.serves(Server(0)));
    /// ```
    pub fn serves(&self, server: Server) -> bool {
        self.cx.servers.get(server).is_some()
    }

    /// These are the servers from now on.
    pub(super) fn serve(&mut self, servers: &[Endpoint<'_>]) {
        self.cx.servers.set(servers);
        for spare in self.cx.servers.retired_spares() {
            self.end_spare(spare, Cause::Retired);
        }
        self.forget_retired();
    }

    /// Ends what was of use only to new requests of servers that get none any more.
    pub(super) fn end_retired(&mut self) {
        if !self.cx.servers.has_retired() {
            return;
        }
        for pipe in
            self.workers.values().filter(|w| w.is_free()).map(|w| w.pipe).collect::<Vec<_>>()
        {
            if self.server_of(pipe).is_some_and(|server| !self.cx.servers.is_current(server)) {
                self.end(pipe, Cause::Retired, None);
            }
        }
    }

    /// Forgets servers that get no new requests and have no child left. It looks at every child, so
    /// it is for the moments at which there may be such a server.
    pub(super) fn forget_retired(&mut self) {
        let children = &self.children;
        self.cx.servers.forget(|server| children.values().any(|child| child.server == server));
    }

    pub(super) fn server_of(&self, pipe: Pipe) -> Option<Server> {
        self.children.get(&pipe).map(|child| child.server)
    }

    /// A child that runs already, or a new one that does not yet.
    pub(super) fn take_child(&mut self, server: Server) -> Box<Child> {
        let spare = self.cx.servers.of(server).spares.pop_front();
        let spare = spare.and_then(|pipe| self.children.remove(&pipe));
        spare.unwrap_or_else(|| self.new_child(server))
    }

    fn new_child(&mut self, server: Server) -> Box<Child> {
        self.last_pipe += 1;
        Box::new(Child::new(Pipe(self.last_pipe), server, self.cx.config.message))
    }

    /// Starts children ahead of those who will want them, as far as that is wished.
    pub(super) fn prewarm(&mut self) {
        let wished = self.cx.config.prewarm;
        if wished == 0 || !self.cx.config.header_env.is_empty() {
            return;
        }
        let servers: Vec<Server> = self.cx.servers.current().map(|(server, _)| server).collect();
        for server in servers {
            let lacks = |bridge: &Self| {
                let spares = bridge.cx.servers.get(server).map_or(0, |known| known.spares.len());
                spares < wished
            };
            while lacks(self) && self.may_start(server).is_ok() && !self.is_crowded() {
                let mut child = self.new_child(server);
                child.open(&mut self.cx);
                self.cx.servers.of(server).spares.push_back(child.pipe);
                self.children.insert(child.pipe, child);
            }
        }
    }

    /// Ends a child that nobody has spoken to.
    pub(super) fn end_spare(&mut self, pipe: Pipe, cause: Cause) {
        let Some(server) = self.server_of(pipe) else { return };
        let spares = &mut self.cx.servers.of(server).spares;
        let count = spares.len();
        spares.retain(|spare| *spare != pipe);
        if spares.len() < count {
            self.judge_start(server, cause);
            if let Some(child) = self.children.get_mut(&pipe) {
                child.end(&mut self.cx);
            }
        }
    }

    /// Whether a child of this server may be started now.
    pub(super) fn may_start(&self, server: Server) -> Result<(), Fault> {
        if self.draining {
            return Err(Fault::Draining);
        }
        match self.closed_for(server) {
            Some(seconds) => Err(Fault::Breaker(seconds)),
            None => Ok(()),
        }
    }

    /// For how many seconds no child of this server is started, because its last starts failed.
    fn closed_for(&self, server: Server) -> Option<u64> {
        let until = self.cx.servers.get(server)?.closed_until;
        let wait = until.since(self.cx.now);
        (until > self.cx.now).then(|| wait.as_millis().div_ceil(1000) as u64)
    }

    /// How many servers there are, and how many of them fail at every start.
    pub(super) fn failing(&self) -> (usize, usize) {
        let current = self.cx.servers.current();
        current.fold((0, 0), |(all, failing), (server, _)| {
            (all + 1, failing + usize::from(self.closed_for(server).is_some()))
        })
    }

    /// Counts a start that came to nothing by the child's own fault.
    pub(super) fn judge_start(&mut self, server: Server, cause: Cause) {
        if matches!(
            cause,
            Cause::ClientLeft
                | Cause::Shutdown
                | Cause::Retired
                | Cause::Declined
                | Cause::Undiscovered
                | Cause::Deleted
                | Cause::Idle
        ) {
            return;
        }
        self.cx.stats.failed_starts += 1;
        let known = self.cx.servers.of(server);
        known.failed = known.failed.saturating_add(1);
        let wait = self.cx.config.breaker_wait;
        // Of several that fail together, one counts and is told.
        let admits = known.closed_until <= self.cx.now;
        if known.failed >= self.cx.config.breaker_starts && admits {
            known.closed_until = self.cx.now.after(wait);
            let endpoint = self.cx.servers.path(server).into();
            self.cx.notice(Notice::BreakerOpen { endpoint, wait });
        }
    }

    /// Whether so many children are there, those on their way out included, that no more may be.
    pub(super) fn is_crowded(&self) -> bool {
        let Config { sessions, pool, prewarm, .. } = self.cx.config;
        let spares = prewarm.saturating_mul(self.cx.servers.count());
        let limit = sessions.saturating_add(pool).saturating_add(spares);
        self.children.len() >= limit.saturating_mul(2)
    }
}
