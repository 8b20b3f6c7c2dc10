//! Which shared child gets a request of the stateless era.
//!
//! A modern child serves all clients. A session-era child learns its client's capabilities at its
//! handshake, so only requests that declare the same capabilities share it. Where those
//! capabilities let the child send requests to its client, a call that may receive one has the
//! child to itself, so that the child's request belongs to that call. Header fields named by the
//! operator identify clients: each client then has its own children. When one client fills a child,
//! the next request goes to another child.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Bridge, Seat};
use crate::api::cause::Cause;
use crate::api::eras::Eras;
use crate::api::handles::{ChildId, Server};
use crate::api::response;
use crate::child::origin::Origin;
use crate::child::{Child, Stage};
use crate::codec::message::Message;
use crate::codec::object;
use crate::context::ids::CallId;
use crate::front::stateless::{Beside, Request, Room, Subject, Uris, Worker};
use crate::http::admission::{Admitted, Arrival};
use crate::http::fault::Fault;
use crate::http::metadata::{self, Metadata};
use crate::http::owner::Owner;
use crate::http::session_id;

/// Longest `requestState` that the bridge issues, escapes included, in bytes.
const STATE: usize = 1024;

/// The environment variables of a process that hold its clients' header fields.
type Env = [(String, String)];

impl Bridge {
    /// Handles a message of the stateless era.
    pub(super) fn stateless(
        &mut self,
        from: Arrival<'_>,
        message: &Message<'_>,
    ) -> Result<(), Fault> {
        let Arrival { exchange, head, random } = from;
        let server = self.servers.at(head.path);
        let owner = Owner::of(head.fields, &self.cx.config)?;
        let env = &*owner.env;
        let parked = self.parked(message, head);
        if parked.is_none() {
            self.may_be_modern(server, env)?;
        }
        if message.is_response() {
            return Err(Fault::StatelessResponse);
        }
        if message.is_notification() {
            // The revision defines no notification over HTTP: accept it and ignore it.
            self.cx.answer_to(from, response::empty(202));
            return Ok(());
        }
        let metadata = self.metadata_of(message, head, env)?;
        let listens = metadata.method == "subscriptions/listen";
        if head.accept.nothing() || listens && !head.accept.sse {
            return Err(Fault::NotAcceptable);
        }
        if self.draining {
            return Err(Fault::Draining);
        }
        if self.seats.shared().any(|worker| worker.has_secret(random)) {
            return Err(self.random_in_use());
        }
        let limit = self.cx.config.subscriptions;
        let uris = if listens { Uris::read(message, limit) } else { Uris::default() };
        let path = &self.servers.kept_path(head.path);
        let metadata = &metadata;
        let request = Request { message, metadata, from, path, uris: &uris };
        let (id, parked) = match parked {
            Some((id, call)) => (id, Some(call)),
            None => {
                let server = server.ok_or(Fault::NotFound)?;
                (self.worker_for(server, &request, &owner)?, None)
            }
        };
        let worker = self.seats.shared_mut(id).ok_or(Fault::RequestState)?;
        worker.child.exchange.get_or_insert(exchange);
        match parked {
            Some(_) if *worker.owner() != owner => Err(Fault::RequestState),
            Some(call) => worker.resume(call, &request, &mut self.cx),
            None => worker.request(&request, &mut self.cx),
        }
    }

    /// The metadata of a request, which its head repeats.
    fn metadata_of<'a>(
        &self,
        message: &Message<'a>,
        head: &Admitted<'_>,
        env: &Env,
    ) -> Result<Metadata<'a>, Fault> {
        let server = self.servers.at(head.path);
        let eras = server.map_or(Eras::Both, |server| self.servers.eras(server));
        let metadata = Metadata::read(message, head, eras)?;
        let known = server.and_then(|server| self.servers.get(server));
        if let Some(known) = known.filter(|_| metadata.method == "tools/call") {
            known.header_params.agree(env, message, head.fields)?;
        }
        if server.is_some_and(|server| !self.servers.allows(server, message)) {
            return Err(Fault::Tool);
        }
        Ok(metadata)
    }

    /// Whether the policy, and what is known of the server, allow a message of 2026-07-28.
    fn may_be_modern(&mut self, server: Option<Server>, env: &Env) -> Result<(), Fault> {
        let Some(server) = server else { return Ok(()) };
        let fault = match self.servers.eras(server) {
            Eras::Sessions => Fault::NoModern,
            Eras::Auto if self.servers.known(server, env).modern == Some(false) => {
                Fault::SessionEra
            }
            _ => return Ok(()),
        };
        self.era_refused(server);
        Err(fault)
    }

    /// The parked call that this request brings input for.
    fn parked(&self, message: &Message<'_>, head: &Admitted<'_>) -> Option<(ChildId, CallId)> {
        let state = message.param("requestState").filter(|state| state.len() <= STATE);
        let state = state.and_then(object::string)?;
        let secret = session_id::parse(state.as_bytes(), &self.cx.config)?;
        let mut workers = self.seats.shared();
        workers.find_map(|worker| Some((worker.child.id, worker.parked(secret, head.path)?)))
    }

    /// Returns the worker for a request: one that fits and has room, or a new one. If there can be
    /// none, returns one that fits, whose refusal says why.
    fn worker_for(
        &mut self,
        server: Server,
        request: &Request<'_>,
        owner: &Owner,
    ) -> Result<ChildId, Fault> {
        let Request { message, metadata, uris, .. } = *request;
        let modern = self.servers.known(server, &owner.env).modern;
        if message.param("requestState").is_some() && modern == Some(false) {
            // A session-era server has no states but ours: don't start one only to refuse this.
            return Err(Fault::RequestState);
        }
        let crosses = self.servers.eras(server).shares();
        let key = metadata::fingerprint(metadata.capabilities);
        let beside = self.beside(server, metadata, owner);
        if let Some(id) = self.keeper(server, message, owner) {
            return Ok(id);
        }
        let (mut later, mut full) = (None, None);
        for worker in self.seats.shared().filter(|worker| worker.child.server == server) {
            if worker.owner() != owner || !worker.fits(&key, beside, crosses) {
                continue;
            }
            match worker.room(message, uris, &self.cx) {
                Room::Here => return Ok(worker.child.id),
                Room::Later(_) => later = Some(worker.child.id),
                Room::Elsewhere(_) => full = Some(worker.child.id),
            }
        }
        if let Some(id) = later {
            return Ok(id);
        }
        self.new_worker(server, metadata, key, owner).or_else(|fault| full.ok_or(fault))
    }

    /// Which calls that may receive the child's requests can share a child with this one. Calls of
    /// the same client can: the child's request reaches that client.
    fn beside(&self, server: Server, metadata: &Metadata<'_>, owner: &Owner) -> Beside {
        let may_ask = metadata.may_ask() && metadata::can_be_asked(metadata.capabilities);
        match may_ask && !owner.is_known() {
            false => Beside::Any,
            true if self.servers.known(server, &owner.env).asks_late => Beside::NoneEver,
            true => Beside::NoneInFlight,
        }
    }

    /// The worker whose child holds what a request is about, such as a task.
    fn keeper(&self, server: Server, message: &Message<'_>, owner: &Owner) -> Option<ChildId> {
        let subject = Subject::of(message)?;
        let keeps = |worker: &&Worker| {
            worker.child.server == server && worker.owner() == owner && worker.keeps(&subject)
        };
        self.seats.shared().find(keeps).map(|worker| worker.child.id)
    }

    /// Starts a worker like those that are at a limit, or the first of its kind.
    fn new_worker(
        &mut self,
        server: Server,
        metadata: &Metadata<'_>,
        key: Vec<u8>,
        owner: &Owner,
    ) -> Result<ChildId, Fault> {
        let origin = Origin::new(&owner.env, &key);
        self.may_start(server, origin)?;
        self.may_probe(server, &owner.env)?;
        let limit = self.cx.config.pool;
        if self.is_crowded() {
            return Err(Fault::Pool(limit));
        }
        let own = self.servers.sessions(server).unwrap_or(limit);
        let its = |worker: &&Worker| worker.child.server == server;
        if self.seats.shared().filter(its).count() >= own {
            self.end_free(own, its)?;
        } else if self.seats.shared_count() >= limit {
            self.end_free(limit, |_| true)?;
        }
        let mut child = self.next_child(server);
        let id = child.id;
        self.set_env(&mut child, owner.env.clone());
        child.origin = origin;
        self.await_start(&child);
        let mut worker = Worker::new(child, metadata, key, owner.clone(), &self.cx);
        worker.greet(&mut self.cx);
        self.seats.insert(Seat::Shared(Box::new(worker)));
        Ok(id)
    }

    /// Ends a shared process that is idle, at this limit of those that are meant.
    fn end_free(&mut self, limit: usize, meant: impl Fn(&&Worker) -> bool) -> Result<(), Fault> {
        let free = self.seats.shared().filter(meant).find(|worker| worker.is_idle(&self.cx));
        let free = free.map(|worker| worker.child.id).ok_or(Fault::Pool(limit))?;
        self.end(free, Cause::Idle, None);
        Ok(())
    }

    /// Whether a process may be started to probe its era. A server whose last probe just failed is
    /// not probed again for each request.
    fn may_probe(&mut self, server: Server, env: &Env) -> Result<(), Fault> {
        let known = self.servers.known(server, env);
        let in_vain = known.modern.is_none() && known.doubted.is_some_and(|at| at > self.cx.now);
        if !in_vain || self.servers.eras(server).shares() {
            return Ok(());
        }
        self.era_refused(server);
        Err(Fault::Undiscovered(String::from("named none")))
    }

    /// Whether a queued child need not start: another child showed the era meanwhile, and the
    /// requests of this one are refused.
    pub(super) fn refuses_all_of(&mut self, id: ChildId) -> bool {
        let shared = self.seats.shared_mut(id);
        shared.is_some_and(|worker| worker.refuses_all(&mut self.cx))
    }

    /// Returns the child that was probed for its era and waits for a session with these variables.
    pub(super) fn take_probed(&mut self, server: Server, env: &Env) -> Option<Box<Child>> {
        let waits = |worker: &&Worker| worker.child.server == server && worker.waits_for(env);
        let id = self.seats.shared().find(waits).map(|worker| worker.child.id)?;
        let worker = self.seats.take(id, |seat| match seat {
            Seat::Shared(worker) => Ok(worker),
            other => Err(other),
        })?;
        Some(worker.release(&mut self.cx))
    }

    /// Waits for a child's first answer; a child that does not run yet is queued.
    pub(super) fn await_start(&mut self, child: &Child) {
        if child.stage == Stage::Queued {
            self.queue.push_back(child.id);
        } else {
            self.starting += 1;
        }
    }
}
