//! Which shared child a request of the stateless era goes to.
//!
//! A modern child serves everybody. A session-era child knows its client's capabilities from its
//! handshake on, so only requests that declare the same ones share it; and where they let it ask
//! its client, a call that may be asked has it to itself, so that what is asked is known to belong
//! to it.

use super::Bridge;
use crate::child::Child;
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
            self.cx.header_params.agree(message, head.fields)?;
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
            None => (self.worker_for(&metadata)?, None),
        };
        let (Some(worker), Some(child)) =
            (self.workers.get_mut(&pipe), self.children.get_mut(&pipe))
        else {
            return Err(Fault::RequestState);
        };
        let request = Request { message, metadata: &metadata, exchange, head, secret };
        match parked {
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
    fn worker_for(&mut self, metadata: &Metadata<'_>) -> Result<Pipe, Fault> {
        let key = metadata::fingerprint(metadata.capabilities);
        let exclusive = metadata.may_ask() && metadata::can_be_asked(metadata.capabilities);
        let fits = self.workers.values().find(|worker| worker.fits(&key, exclusive));
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
        let pipe = self.new_pipe();
        let mut child = Child::new(pipe, self.cx.config.message);
        let mut worker = Worker::new(pipe, metadata, key, self.cx.now);
        worker.greet(&mut child, &mut self.cx);
        self.workers.insert(pipe, worker);
        self.children.insert(pipe, child);
        self.queue.push_back(pipe);
        Ok(pipe)
    }

    pub(super) fn new_pipe(&mut self) -> Pipe {
        self.last_pipe += 1;
        Pipe(self.last_pipe)
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
        let limit = self.cx.config.sessions.saturating_add(self.cx.config.pool);
        self.children.len() >= limit.saturating_mul(2)
    }
}
