//! Which shared child a request of the stateless era goes to.
//!
//! A modern child serves everybody. A session-era child knows its client's capabilities from its
//! handshake on, so only requests that declare the same ones share it; and where they let it ask
//! its client, a call that may be asked has it to itself, so that what is asked is known to belong
//! to it.

use super::Bridge;
use crate::child::{Child, Stage};
use crate::config::Config;
use crate::fault::Fault;
use crate::head::{self, Admitted};
use crate::io::{Exchange, Pipe};
use crate::message::{Kind, Message};
use crate::metadata::{self, Metadata};
use crate::notice::Cause;
use crate::object;
use crate::stateless::{Request, Worker};

impl Bridge {
    /// A message of the stateless era.
    pub(super) fn stateless(
        &mut self,
        exchange: Exchange,
        head: &Admitted<'_>,
        message: &Message<'_>,
        random: [u8; 16],
    ) -> Result<(), Fault> {
        match message.kind() {
            Kind::Request => {}
            Kind::Notification => {
                // The revision defines none for HTTP; one is taken and comes to nothing.
                self.cx.respond(exchange, head.origin, head::empty(202));
                return Ok(());
            }
            Kind::Result | Kind::Error => return Err(Fault::StatelessResponse),
        }
        let metadata = Metadata::read(message, head)?;
        if metadata.method == "tools/call" {
            let env = head::env(head.fields, &self.cx.config);
            self.cx.header_params.agree(&env, message, head.fields)?;
        }
        let listens = metadata.method == "subscriptions/listen";
        if head.accept.nothing() || listens && !head.accept.sse {
            return Err(Fault::NotAcceptable);
        }
        if self.draining {
            return Err(Fault::Draining);
        }
        let secret = u128::from_be_bytes(random);
        let (pipe, parked) = match self.parked(message) {
            Some((pipe, call)) => (pipe, Some(call)),
            // A server of the session era has no states but ours; none is started to say so.
            None if message.param("requestState").is_some()
                && self.cx.eras.stateless == Some(false) =>
            {
                return Err(Fault::RequestState);
            }
            None => (self.worker_for(&metadata, head)?, None),
        };
        let (Some(worker), Some(child)) =
            (self.workers.get_mut(&pipe), self.children.get_mut(&pipe))
        else {
            return Err(Fault::RequestState);
        };
        let request = Request { message, metadata: &metadata, exchange, head, secret };
        match parked {
            Some(_) if worker.env() != head::env(head.fields, &self.cx.config) => {
                Err(Fault::RequestState)
            }
            Some(call) => worker.resume(call, &request, child, &mut self.cx),
            None => worker.request(&request, child, &mut self.cx),
        }
    }

    /// The call that waits for the input that this request brings.
    fn parked(&self, message: &Message<'_>) -> Option<(Pipe, u64)> {
        let state = message.param("requestState").and_then(object::string)?;
        self.cx.parks.get(&head::parse_session_id(&state)?).copied()
    }

    /// The worker for a request: one that fits, or a new one.
    fn worker_for(&mut self, metadata: &Metadata<'_>, head: &Admitted<'_>) -> Result<Pipe, Fault> {
        let env = head::env(head.fields, &self.cx.config);
        let key = metadata::fingerprint(metadata.capabilities);
        let exclusive = metadata.may_ask() && metadata::can_be_asked(metadata.capabilities);
        let fits = self
            .workers
            .values()
            .find(|worker| worker.env() == env && worker.fits(&key, exclusive));
        if let Some(worker) = fits {
            return Ok(worker.pipe);
        }
        self.may_start()?;
        let limit = self.cx.config.pool;
        if self.workers.len() >= limit {
            let free = self.workers.values().find(|worker| worker.is_free());
            let Some(free) = free.map(|worker| worker.pipe) else { return Err(Fault::Pool(limit)) };
            self.end(free, Cause::Idle, None);
        }
        if self.is_crowded() {
            return Err(Fault::Pool(limit));
        }
        let mut child = self.take_child();
        let pipe = child.pipe;
        child.env = env.clone();
        let mut worker = Worker::new(pipe, metadata, key, env, self.cx.now);
        worker.greet(&mut child, &mut self.cx);
        self.workers.insert(pipe, worker);
        self.add_child(child);
        Ok(pipe)
    }

    /// A child that runs already, or a new one that does not yet.
    pub(super) fn take_child(&mut self) -> Child {
        let spare = self.spares.pop_front().and_then(|pipe| self.children.remove(&pipe));
        spare.unwrap_or_else(|| self.new_child())
    }

    fn new_child(&mut self) -> Child {
        self.last_pipe += 1;
        Child::new(Pipe(self.last_pipe), self.cx.config.message)
    }

    /// Puts a child on the books; one that does not run waits for its turn to start.
    pub(super) fn add_child(&mut self, child: Child) {
        if child.stage == Stage::Queued {
            self.queue.push_back(child.pipe);
        } else {
            self.starting += 1;
        }
        self.children.insert(child.pipe, child);
    }

    /// Starts children ahead of those who will want them, as far as that is wished.
    pub(super) fn prewarm(&mut self) {
        let wished = if self.cx.config.header_env.is_empty() { self.cx.config.prewarm } else { 0 };
        while self.spares.len() < wished && self.may_start().is_ok() && !self.is_crowded() {
            let mut child = self.new_child();
            child.open(&mut self.cx);
            self.spares.push_back(child.pipe);
            self.children.insert(child.pipe, child);
        }
    }

    /// Whether a child may be started now.
    pub(super) fn may_start(&self) -> Result<(), Fault> {
        if self.draining {
            return Err(Fault::Draining);
        }
        if self.closed_until > self.cx.now {
            let wait = self.closed_until.since(self.cx.now);
            return Err(Fault::Breaker(wait.as_millis().div_ceil(1000) as u64));
        }
        Ok(())
    }

    /// Whether so many children are there, those on their way out included, that no more may be.
    pub(super) fn is_crowded(&self) -> bool {
        let Config { sessions, pool, prewarm, .. } = self.cx.config;
        let limit = sessions.saturating_add(pool).saturating_add(prewarm);
        self.children.len() >= limit.saturating_mul(2)
    }
}
