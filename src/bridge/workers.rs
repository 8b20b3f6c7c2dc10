//! Which shared child a request of the stateless era goes to.
//!
//! A modern child serves everybody. A session-era child knows its client's capabilities from its
//! handshake on, so only requests that declare the same ones share it; and where they let it ask
//! its client, a call that may be asked has it to itself, so that what is asked is known to belong
//! to it. Where one client fills a child, the next request goes to another.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Bridge;
use crate::child::{Child, Stage};
use crate::fault::Fault;
use crate::head::{self, Admitted};
use crate::io::{Exchange, Pipe, Server};
use crate::message::{Kind, Message};
use crate::metadata::{self, Metadata};
use crate::notice::Cause;
use crate::object;
use crate::session_id;
use crate::stateless::{Request, Room, Worker};

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
        let server = self.cx.servers.at(head.path);
        let known = server.and_then(|server| self.cx.servers.get(server));
        if let Some(known) = known.filter(|_| metadata.method == "tools/call") {
            let env = head::env(head.fields, &self.cx.config);
            known.header_params.agree(&env, message, head.fields)?;
        }
        let listens = metadata.method == "subscriptions/listen";
        if head.accept.nothing() || listens && !head.accept.sse {
            return Err(Fault::NotAcceptable);
        }
        if self.draining {
            return Err(Fault::Draining);
        }
        let secret = u128::from_be_bytes(random);
        let (pipe, parked) = match self.parked(message, head) {
            Some((pipe, call)) => (pipe, Some(call)),
            // A server of the session era has no states but ours; none is started to say so.
            None if message.param("requestState").is_some()
                && known.is_some_and(|known| known.eras.stateless == Some(false)) =>
            {
                return Err(Fault::RequestState);
            }
            None => {
                let server = server.ok_or(Fault::NotFound)?;
                (self.worker_for(server, message, &metadata, head)?, None)
            }
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
    fn parked(&self, message: &Message<'_>, head: &Admitted<'_>) -> Option<(Pipe, u64)> {
        let state = message.param("requestState").and_then(object::string)?;
        let secret = session_id::parse(&state, &self.cx.config)?;
        let (pipe, call) = self.cx.parks.get(&secret).copied()?;
        self.server_of(pipe).filter(|server| self.cx.servers.is_at(*server, head.path))?;
        Some((pipe, call))
    }

    /// The worker for a request: one that fits and has room, or a new one. Where none can be, one
    /// that fits: it says why it does not take the request.
    fn worker_for(
        &mut self,
        server: Server,
        message: &Message<'_>,
        metadata: &Metadata<'_>,
        head: &Admitted<'_>,
    ) -> Result<Pipe, Fault> {
        let env = head::env(head.fields, &self.cx.config);
        let key = metadata::fingerprint(metadata.capabilities);
        let exclusive = metadata.may_ask() && metadata::can_be_asked(metadata.capabilities);
        let (mut later, mut full) = (None, None);
        for worker in self.workers.values() {
            let child = self.children.get(&worker.pipe).filter(|child| child.server == server);
            let Some(child) = child else { continue };
            if worker.env() != env || !worker.fits(&key, exclusive) {
                continue;
            }
            match worker.room(message, child, &self.cx) {
                Room::Here => return Ok(worker.pipe),
                Room::Later(_) => later = Some(worker.pipe),
                Room::Elsewhere(_) => full = Some(worker.pipe),
            }
        }
        if let Some(pipe) = later {
            return Ok(pipe);
        }
        self.new_worker(server, metadata, key, env).or_else(|fault| full.ok_or(fault))
    }

    /// Starts a worker like those that are at a limit, or the first of its kind.
    fn new_worker(
        &mut self,
        server: Server,
        metadata: &Metadata<'_>,
        key: Vec<u8>,
        env: Vec<(String, String)>,
    ) -> Result<Pipe, Fault> {
        self.may_start(server)?;
        let limit = self.cx.config.pool;
        if self.is_crowded() {
            return Err(Fault::Pool(limit));
        }
        if self.workers.len() >= limit {
            let free = self.workers.values().find(|worker| worker.is_free());
            let Some(free) = free.map(|worker| worker.pipe) else { return Err(Fault::Pool(limit)) };
            self.end(free, Cause::Idle, None);
        }
        let mut child = self.take_child(server);
        let pipe = child.pipe;
        child.env = env.clone();
        let mut worker = Worker::new(pipe, metadata, key, env, self.cx.now);
        worker.greet(&mut child, &mut self.cx);
        self.workers.insert(pipe, Box::new(worker));
        self.add_child(child);
        Ok(pipe)
    }

    /// Puts a child on the books; one that does not run waits for its turn to start.
    pub(super) fn add_child(&mut self, child: Box<Child>) {
        if child.stage == Stage::Queued {
            self.queue.push_back(child.pipe);
        } else {
            self.starting += 1;
        }
        self.children.insert(child.pipe, child);
    }
}
