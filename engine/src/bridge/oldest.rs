//! Sessions of HTTP+SSE (MCP 2024-11-05): how they begin, and that they end with their stream.

use alloc::boxed::Box;

use super::requests::NAMES;
use super::{Bridge, Place, Seat};
use crate::api::cause::Cause;
use crate::api::handles::ChildId;
use crate::child::origin::Origin;
use crate::front::session::{Post, Session};
use crate::http::admission::Arrival;
use crate::http::fault::Fault;
use crate::http::owner;

impl Bridge {
    /// GET: a session begins, with its stream. It counts from now on, and what tells one client
    /// from another is known; its process starts with `initialize`.
    pub(super) fn await_initialize(&mut self, from: Arrival<'_>) -> Result<(), Fault> {
        let Arrival { head, random: id, .. } = from;
        let server = self.servers.at(head.path).ok_or(Fault::NotFound)?;
        self.has_room(NAMES)?;
        let variables = owner::env(head.fields, &self.cx.config);
        self.may_open(server, Origin::new(&variables, b""), id)?;
        let mut child = self.new_child(server);
        self.set_env(&mut child, variables);
        let path = self.servers.kept_path(head.path);
        let mut session = Session::new(child, id, path, &self.cx);
        session.await_initialize(from, &mut self.cx);
        self.ids.insert(id, Place::Awake(session.child.id));
        self.seats.insert(Seat::Session(Box::new(session)));
        Ok(())
    }

    /// A POST to a session that is not open: only `initialize` may come.
    pub(super) fn begin(&mut self, pipe: ChildId, post: &Post<'_>) -> Result<(), Fault> {
        let Post { messages, batch, from } = *post;
        let request = match messages {
            [one] if !batch && one.is_request() && one.calls("initialize") => one,
            _ => return Err(Fault::Uninitialized),
        };
        let session = self.seats.session_mut(pipe).filter(|session| session.awaits_initialize());
        let waiting = &session.ok_or(Fault::StreamInitialized)?.child;
        let (server, variables) = (waiting.server, waiting.env().to_vec());
        let hello = request.params().unwrap_or_default();
        self.may_start(server, Origin::new(&variables, hello))?;
        let owner = self.owner_of(server, from.head)?;
        let taken = self.seats.take(pipe, |seat| match seat {
            Seat::Session(session) => Ok(session),
            other => Err(other),
        });
        let mut session = taken.ok_or(Fault::StreamUnknown)?;
        let child = self.child_for(server, owner, hello, from.exchange);
        self.ids.insert(session.lasting.id, Place::Awake(child.id));
        session.gets(child, &mut self.cx);
        session.initialize(request, from, &mut self.cx);
        self.seats.insert(Seat::Session(session));
        Ok(())
    }

    /// Ends a session that has lost its only stream, or the exchange that opens it.
    pub(super) fn end_left(&mut self, pipe: ChildId) {
        if self.seats.session_mut(pipe).is_some_and(|session| session.is_left()) {
            self.end(pipe, Cause::ClientLeft, None);
        }
    }
}
