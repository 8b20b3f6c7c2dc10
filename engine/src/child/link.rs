//! Whose process a child is: one session's alone, or a host's, at which sessions are guests.
//!
//! A guest is a child in all that its session sees, but no process: what it writes goes to its
//! host, and what it reads comes from there.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Child, Stage};
use crate::api::handles::ChildId;
use crate::api::io::Output;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::report::Report;

/// Whose process a child is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
    /// It is a process, and its owner's alone.
    #[default]
    OwnRequest,
    /// It is a process, and guests use it.
    Host,
    /// It is a session's place at the process of this host.
    Guest(ChildId),
}

impl Child {
    /// A place at the process of `host`, under a number of its own.
    pub(crate) fn guest(id: ChildId, host: &Self, cx: &Context) -> Box<Self> {
        let mut guest = Box::new(Self::new(id, host.server, Arc::clone(&host.terms), cx));
        (guest.pid, guest.origin, guest.stage) = (host.pid, host.origin, Stage::Running);
        guest.link = Link::Guest(host.id);
        guest.set_env(host.env.clone(), host.known);
        guest
    }

    /// The host at which it is a guest.
    pub(crate) const fn host(&self) -> Option<ChildId> {
        if let Link::Guest(host) = self.link { Some(host) } else { None }
    }

    /// The child that is the process.
    pub(crate) fn process(&self) -> ChildId {
        self.host().unwrap_or(self.id)
    }

    /// Whether its calls are counted: those of a host are its guests'.
    pub(super) fn counts(&self) -> bool {
        self.link != Link::Host
    }

    /// Gives bytes to the process.
    #[inline(always)]
    pub(super) fn emit(&mut self, bytes: Vec<u8>, cx: &mut Context) {
        match self.host() {
            None => cx.push(Output::Write { child: self.id, bytes }),
            Some(host) => self.emit_to(host, bytes, cx),
        }
    }

    #[inline(never)]
    fn emit_to(&mut self, host: ChildId, bytes: Vec<u8>, cx: &mut Context) {
        // They count where the host writes them.
        self.queued.take(bytes.len());
        self.account();
        cx.report(Report::Up { guest: self.id, host, bytes });
    }

    /// Answers a request of the child with an error.
    pub(crate) fn refuse(&mut self, id: &[u8], fault: (i32, &str), cx: &mut Context) {
        let (code, reason) = fault;
        let error = format!(r#"{{"code":{code},"message":"{reason}"}}"#);
        self.reply(rpc::response(id, "error", error.as_bytes()), cx);
    }
}
