//! A process that sessions share (`Config::share`). Each session is a guest and sees a child of its
//! own. The host passes what guests write to the process, and each message of the process to the
//! guest that it is for.
//!
//! The process gets one `initialize`, that of the first guest. All guests get its answer. A message
//! goes to the guest whose call or question it names; changes of lists and resources go to the
//! guests that want them; anything else goes to the only guest that it can be about, or to none.

mod child_side;
mod guest_side;
mod wishes;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::api::cause::Cause;
use crate::api::handles::ChildId;
use crate::child::Child;
use crate::child::lease::{Lease, Service};
use crate::child::link::Link;
use crate::codec::meta::LogLevel;
use crate::codec::object::Object;
use crate::codec::raw_id::Spelling;
use crate::context::Context;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::budget::{Kept, Share};
use crate::context::ids::{CallId, StreamId};
use crate::context::report::Report;
use crate::http::metadata;
use crate::http::owner::Owner;
use crate::table::Table;

/// Calls that were given up, of which it is remembered whose they were. Of more than these, the
/// process may say anything about any of its guests.
const STRAYS: usize = 64;

/// Tasks whose progress finds its guest: as many as a process has tokens of. The oldest are
/// forgotten.
const TASKS: usize = 64;

/// Overhead of a question, and of a resource, beside their texts.
const ENTRY: usize = 48;

/// The one handshake of the process.
#[derive(Debug)]
enum Handshake {
    /// No guest has asked for it yet.
    Unasked,
    /// With the `initialize` of this guest.
    Asked(ChildId),
    /// The member of the answer, and its text.
    Answered(&'static str, Kept),
}

#[derive(Debug, Default)]
struct Guest {
    /// The id of its `initialize` and the params that the process has not got, while that waits.
    waits: Option<(Spelling, Kept)>,
    /// Whether it has the answer to its `initialize`.
    greeted: bool,
    level: Option<LogLevel>,
    /// The resources that it has subscribed to, and whether the process has granted that.
    uris: Vec<(String, bool)>,
}

/// A request of the process to a guest's client.
#[derive(Debug)]
struct Question {
    guest: ChildId,
    id: Spelling,
    token: Option<Spelling>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) child: Box<Child>,
    owner: Owner,
    /// The part of `initialize` that is the same for all its guests: see [`Self::kind`].
    kind: Vec<u8>,
    guests: Table<ChildId, Guest>,
    handshake: Handshake,
    /// Whether the process has got `notifications/initialized`.
    initialized: bool,
    /// Whether the process has answered a guest.
    started: bool,
    /// Whether it has had more than one guest.
    many: bool,
    /// Whether a call was answered.
    served: bool,
    /// The level that the process was last set to.
    level: Option<LogLevel>,
    questions: Vec<Question>,
    /// Tasks of calls that were answered, with their guests: their progress goes on.
    tasks: Vec<(CallId, ChildId)>,
    /// Calls that were given up and that the process may still work on, with their guests.
    strays: Vec<(CallId, ChildId)>,
    /// Whether there are such calls whose guests are not known any more.
    astray: bool,
    pub(crate) lease: Lease,
    carried: u64,
    dropped: u64,
    share: Share,
}

impl Host {
    /// A host for guests of this kind. The child has its environment.
    pub(crate) fn new(
        mut child: Box<Child>,
        owner: Owner,
        kind: Vec<u8>,
        cx: &mut Context,
    ) -> Self {
        child.link = Link::Host;
        let mut lease = Lease::new(&child, cx.now);
        lease.wait_start(cx.config.start, cx);
        let mut host = Self {
            child,
            owner,
            kind,
            guests: Table::default(),
            handshake: Handshake::Unasked,
            initialized: false,
            started: false,
            many: false,
            served: false,
            level: None,
            questions: Vec::new(),
            tasks: Vec::new(),
            strays: Vec::new(),
            astray: false,
            lease,
            carried: 0,
            dropped: 0,
            share: cx.budget.share(),
        };
        host.account();
        host
    }

    /// The part of `initialize` in which all guests of a process must agree, because the process
    /// gets one `initialize` for all of them. Names may differ: no server refuses a client for its
    /// name. A server may refuse anything else, or crash at it, and then other clients must not
    /// suffer.
    pub(crate) fn kind(hello: &[u8]) -> Vec<u8> {
        let Some(mut params) = Object::read(hello) else { return hello.to_vec() };
        let client = params.object("clientInfo").map(|mut client| {
            for name in ["name", "version"] {
                if client.string(name).is_some_and(|text| !text.is_empty()) {
                    client.set(name, b"\"\"".as_slice());
                }
            }
            for name in ["title", "description"] {
                if client.string(name).is_some() {
                    client.remove(name);
                }
            }
            client.text()
        });
        client.into_iter().for_each(|client| params.set("clientInfo", client));
        metadata::fingerprint(&params.text())
    }

    fn size(&self) -> usize {
        let uris = self.guests.values().flat_map(|guest| &guest.uris);
        let uris = uris.map(|(uri, _)| uri.len() + ENTRY).sum::<usize>();
        let token = |one: &Question| one.token.as_ref().map_or(0, |token| token.len());
        let questions = self.questions.iter().map(|one| ENTRY + one.id.len() + token(one));
        let own = self.owner.size() + self.kind.len();
        own + uris + questions.sum::<usize>()
    }

    fn account(&mut self) {
        self.share.hold(self.size());
    }

    /// Whether another session of this kind can be its guest. A process that does not read its
    /// input, or has closed it, gets no more of them.
    pub(crate) fn admits(&self, owner: &Owner, kind: &[u8], cx: &Context) -> bool {
        let serves = self.lease.closed().is_none() && !self.child.is_stalled(cx);
        serves && self.owner == *owner && self.kind == kind
    }

    pub(crate) const fn has_started(&self) -> bool {
        self.started
    }

    pub(crate) fn guests(&self) -> impl Iterator<Item = ChildId> {
        self.guests.keys().copied()
    }

    pub(crate) fn guest_count(&self) -> usize {
        self.guests.len()
    }

    /// A place for a session, under this number.
    pub(crate) fn join(&mut self, id: ChildId, cx: &Context) -> Box<Child> {
        self.many |= !self.guests.is_empty();
        self.guests.insert(id, Guest::default());
        self.account();
        Child::guest(id, &self.child, cx)
    }

    /// A session has ended or sleeps: its calls are cancelled, and what it wanted is not wanted any
    /// more.
    pub(crate) fn leave(&mut self, id: ChildId, cx: &mut Context) {
        let Some(guest) = self.guests.remove(&id) else { return };
        let its = self.child.calls.iter().filter(|(_, call)| is_of(call.stream, id));
        for call in its.map(|(call, _)| *call).collect::<Vec<_>>() {
            self.child.send_cancelled(call, "its session does not go on here", cx);
            self.give_up(call, cx);
        }
        self.tasks.retain(|(_, of)| *of != id);
        // The process may still send messages about these calls, and their guest is gone.
        self.astray |= self.strays.iter().any(|(_, stray)| *stray == id);
        self.strays.retain(|(_, stray)| *stray != id);
        for question in core::mem::take(&mut self.questions) {
            match question.guest == id {
                true => self.child.refuse(&question.id, (-32603, "the client is gone"), cx),
                false => self.questions.push(question),
            }
        }
        self.unwish(guest, cx);
        self.account();
    }

    /// The guest whose `initialize` a process gets in place of this one, which has ended before it
    /// answered that of another; and the params.
    pub(crate) fn next_to_ask(&self) -> Option<(ChildId, &[u8])> {
        let Handshake::Asked(asked) = self.handshake else { return None };
        let mut others = self.guests.iter().filter(|(id, _)| **id != asked);
        let waiting = others
            .find_map(|(id, guest)| Some((*id, &**guest.waits.as_ref().map(|(_, hello)| hello)?)));
        waiting.filter(|_| self.child.calls.is_empty())
    }

    /// A host with this process for the guests that did not ask this one.
    pub(crate) fn heir(&mut self, child: Box<Child>, next: ChildId, cx: &mut Context) -> Self {
        let mut heir = Self::new(child, self.owner.clone(), self.kind.clone(), cx);
        for id in self.guests().collect::<Vec<_>>() {
            if !matches!(self.handshake, Handshake::Asked(asked) if asked == id) {
                let guest = self.guests.remove(&id).unwrap_or_default();
                heir.guests.insert(id, guest);
            }
        }
        heir.many = heir.guests.len() > 1;
        heir.ask(next, cx);
        heir.account();
        self.account();
        heir
    }

    /// Ends the host. Returns the child, which ends next.
    pub(crate) fn end(mut self, cause: Cause, cx: &mut Context) -> Box<Child> {
        for id in self.child.call_ids() {
            self.child.end_call(id, cx);
        }
        let (calls, dropped) = (self.carried, self.dropped);
        let service = Service { opened: self.started, calls, dropped };
        self.lease.end_shared(self.child.pid, cause, service, cx);
        self.child
    }

    /// Bytes that the client of one guest may leave unread before the process is paused. With
    /// several guests it is twice as much: news for one that is behind is dropped before that, so
    /// that the others have room.
    pub(crate) fn queue(&self, queue: usize) -> usize {
        if self.guests.len() > 1 { queue.saturating_mul(2) } else { queue }
    }

    /// Whether calls of others wait while the process is not read because of this guest.
    pub(crate) fn keeps_waiting(&self, guest: ChildId) -> bool {
        let mut calls = self.child.calls.values().filter(|call| !call.listens);
        calls.any(|call| !is_of(call.stream, guest))
    }

    fn drop_one(&mut self, cx: &mut Context) {
        self.dropped += 1;
        cx.stats.dropped += 1;
    }

    fn down(&self, guest: ChildId, line: Vec<u8>, cx: &mut Context) {
        cx.report(Report::Down { guests: alloc::vec![guest], line, news: false });
    }

    /// The only guest that the process can speak of when it does not say of whom.
    fn concerned(&self) -> Option<ChildId> {
        if !self.many {
            return self.guests.keys().next().copied();
        }
        let calls = self.child.calls.values().filter(|call| !call.listens);
        let mut calls = calls.map(|call| ChildId(call.stream.0));
        let one = calls.next().filter(|_| !self.astray)?;
        let mut strays = self.strays.iter().map(|(_, guest)| *guest);
        let is_only = calls.all(|other| other == one) && strays.all(|other| other == one);
        Some(one).filter(|_| is_only)
    }
}

/// Whether a call of the process, which names its guest as a stream, is this guest's.
fn is_of(stream: StreamId, guest: ChildId) -> bool {
    stream.0 == guest.0
}

#[cfg(debug_assertions)]
impl Host {
    /// Compares what it counts with what it has.
    pub(crate) fn walk(&self, walk: &mut Walk) {
        walk.meet("host", &self.share, self.size());
        if let Handshake::Answered(_, text) = &self.handshake {
            walk.meet_kept("handshake", text);
        }
        for (_, hello) in self.guests.values().filter_map(|guest| guest.waits.as_ref()) {
            walk.meet_kept("initialize", hello);
        }
    }
}
