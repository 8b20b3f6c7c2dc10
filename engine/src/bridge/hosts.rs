//! Sessions that share processes: which process a session gets a place at, and what they have for
//! each other.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Bridge, Seat};
use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange, Server};
use crate::child::Child;
use crate::child::link::Link;
use crate::child::origin::Origin;
use crate::codec::message::Message;
use crate::context::report::Report;
use crate::front::host::Host;
use crate::http::admission::Admitted;
use crate::http::fault::Fault;
use crate::http::owner::Owner;

impl Bridge {
    /// Whose process a session's is.
    pub(super) fn owner_of(&self, server: Server, head: &Admitted<'_>) -> Result<Owner, Fault> {
        match self.servers.shares(server) {
            true => Owner::of(head.fields, &self.cx.config),
            false => Ok(Owner::of_session(head.fields, &self.cx.config)),
        }
    }

    /// The child of a session that opens or wakes with this `initialize`: a process of its own, or
    /// a place at one that it shares.
    pub(super) fn child_for(
        &mut self,
        server: Server,
        owner: Owner,
        hello: &[u8],
        exchange: Exchange,
    ) -> Box<Child> {
        let origin = Origin::new(&owner.env, hello);
        if !self.servers.shares(server) {
            let mut child = self.process_for(server, owner.env, origin);
            child.exchange = Some(exchange);
            return child;
        }
        let kind = Host::kind(hello);
        let its = |host: &&Host| host.child.server == server;
        let mut hosts = self.seats.hosts().filter(its);
        let known = hosts.find(|host| host.admits(&owner, &kind, &self.cx));
        let known = known.map(|host| host.child.id);
        drop(hosts);
        if let Some(known) = known {
            let place = self.fresh_child();
            if let Some(host) = self.seats.host_mut(known) {
                return host.join(place, &self.cx);
            }
        }
        let mut child = self.process_for(server, owner.env.clone(), origin);
        child.exchange = Some(exchange);
        let mut host = Box::new(Host::new(child, owner, kind, &mut self.cx));
        let place = self.fresh_child();
        let guest = host.join(place, &self.cx);
        self.seats.insert(Seat::Host(host));
        guest
    }

    /// Whether a process that sessions share takes these messages now: it may not read its input.
    pub(super) fn accept_lines(
        &self,
        host: ChildId,
        messages: &[Message<'_>],
    ) -> Result<(), Fault> {
        let size = messages.iter().map(Message::size).sum();
        let accepts = |host: &Host| host.child.accepts(size, self.cx.config.stdin);
        if self.seats.host(host).is_none_or(accepts) { Ok(()) } else { Err(Fault::Stdin) }
    }

    /// A process that starts, or has been started ahead.
    fn process_for(
        &mut self,
        server: Server,
        env: Vec<(String, String)>,
        origin: Origin,
    ) -> Box<Child> {
        let probed = self.take_probed(server, &env);
        let mut child = probed.unwrap_or_else(|| self.next_child(server));
        child.origin = origin;
        self.set_env(&mut child, env);
        self.await_start(&child);
        child
    }

    /// Applies what sessions and processes have reported.
    #[inline(always)]
    pub(super) fn apply_reports(&mut self) {
        if !self.cx.reports.is_empty() {
            self.apply_all_reports();
        }
    }

    fn apply_all_reports(&mut self) {
        while let Some(report) = self.cx.reports.pop_front() {
            match report {
                Report::Up { guest, host, bytes } => {
                    if let Some(host) = self.seats.host_mut(host) {
                        host.said(guest, &bytes, &mut self.cx);
                    }
                }
                Report::Down { guests, line, news } => match *guests {
                    [guest] => self.hear(guest, Cow::Owned(line), news),
                    _ => guests.iter().for_each(|guest| self.hear_common(*guest, &line, news)),
                },
                Report::Behind(child) if self.behind.last() == Some(&child) => {}
                Report::Behind(child) => self.behind.push(child),
                Report::Spent(child) => self.spent.push(child),
                Report::EraRefused(server) => self.era_refused(server),
                Report::Learned { server, env, lesson } => self.learned(server, &env, lesson),
                Report::Tools { server, env, result } => {
                    self.servers.of(server).header_params.learn(&env, &result);
                }
            }
        }
    }

    /// A session gets a text that others get as well: each keeps a copy.
    fn hear_common(&mut self, guest: ChildId, line: &[u8], news: bool) {
        match self.cx.budget.has_room(line.len()) {
            true => self.hear(guest, Cow::Borrowed(line), news),
            false => self.cx.stats.dropped += 1,
        }
    }

    /// A session gets a line of the process that it shares.
    fn hear(&mut self, guest: ChildId, line: Cow<'_, [u8]>, news: bool) {
        let Some(session) = self.seats.session_mut(guest) else { return };
        if news && !session.streams.wants(self.cx.config.queue) {
            return session.streams.dropped(&mut self.cx);
        }
        let open = session.is_open();
        let cause = session.line(line, &mut self.cx);
        if !open && session.is_open() {
            self.started(guest);
        }
        self.end_for(guest, cause);
    }

    /// A process runs; its guests say the same of theirs.
    pub(super) fn opened(&mut self, id: ChildId, pid: Option<u32>) {
        let Some(seat) = self.seats.get_mut(id) else { return };
        seat.child_mut().pid = pid;
        let Seat::Host(host) = seat else { return };
        for guest in host.guests().collect::<Vec<_>>() {
            self.seats.child_mut(guest).into_iter().for_each(|guest| guest.pid = pid);
        }
    }

    /// Logs and counts that a session that opened or woke shares its process with others.
    pub(super) fn shared(&mut self, guest: ChildId) {
        let Some(Seat::Session(session)) = self.seats.get(guest) else { return };
        let (number, child) = (session.lasting.number, session.child.process());
        let server = session.child.server;
        let others = self.seats.host(child).map_or(0, |host| host.guest_count() - 1);
        if others > 0 {
            self.cx.counts.of(server).shared += 1;
            self.cx.notice(Notice::SessionShares { session: number, child, others });
        }
    }

    /// A process that has ended at the `initialize` of one session is started again for the others,
    /// with the `initialize` of the next. Each start is one session's last, so they are bounded.
    pub(super) fn start_again(&mut self, host: &mut Host, cause: Cause) {
        let its_own = !matches!(cause, Cause::Exited(_)) || host.child.unread;
        let Some((next, hello)) = host.next_to_ask().filter(|_| !its_own) else { return };
        let (server, env) = (host.child.server, host.child.env().to_vec());
        let origin = Origin::new(&env, hello);
        if self.may_start(server, origin).is_err() {
            return;
        }
        let child = self.process_for(server, env, origin);
        let (id, pid) = (child.id, child.pid);
        let heir = host.heir(child, next, &mut self.cx);
        for guest in heir.guests() {
            if let Some(guest) = self.seats.child_mut(guest) {
                (guest.link, guest.pid, guest.origin) = (Link::Guest(id), pid, origin);
            }
        }
        self.seats.insert(Seat::Host(Box::new(heir)));
    }

    /// A session does not use the process of this host any more. The process ends with its last
    /// one.
    pub(super) fn leave(&mut self, host: ChildId, guest: ChildId, cause: Cause) {
        let Some(left) = self.seats.host_mut(host) else { return };
        left.leave(guest, &mut self.cx);
        if left.guest_count() == 0 {
            let cause = if cause == Cause::Shutdown { cause } else { Cause::Deserted };
            self.end(host, cause, None);
        }
    }
}
