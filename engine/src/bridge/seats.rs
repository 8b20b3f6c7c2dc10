//! The table of child processes, each held by its owner.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::api::handles::ChildId;
use crate::child::terms::Terms;
use crate::child::{Child, Stage};
use crate::front::host::Host;
use crate::front::reads::Reads;
use crate::front::serves::Serves;
use crate::front::session::Session;
use crate::front::stateless::Worker;
use crate::stream::set::Streams;
use crate::table::Table;

/// The owner of a child process. It holds the child, so there is no child without an owner.
#[derive(Debug)]
pub(super) enum Seat {
    /// A prewarmed child: started ahead, and nothing was written to it yet.
    Prewarmed(Box<Child>),
    /// The child of one session.
    Session(Box<Session>),
    /// A child shared by requests of 2026-07-28.
    Shared(Box<Worker>),
    /// A child at which sessions are guests.
    Host(Box<Host>),
    /// A child in its shutdown sequence, which serves no client any more.
    Leaving(Box<Child>),
}

impl Seat {
    pub(super) fn child(&self) -> &Child {
        match self {
            Self::Session(session) => &session.child,
            Self::Shared(worker) => &worker.child,
            Self::Host(host) => &host.child,
            Self::Prewarmed(child) | Self::Leaving(child) => child,
        }
    }

    pub(super) fn child_mut(&mut self) -> &mut Child {
        match self {
            Self::Session(session) => &mut session.child,
            Self::Shared(worker) => &mut worker.child,
            Self::Host(host) => &mut host.child,
            Self::Prewarmed(child) | Self::Leaving(child) => child,
        }
    }

    /// The streams to its clients; `None` for a child that serves none.
    pub(super) fn streams_mut(&mut self) -> Option<&mut Streams> {
        match self {
            Self::Session(session) => Some(&mut session.streams),
            Self::Shared(worker) => Some(&mut worker.streams),
            Self::Host(_) | Self::Prewarmed(_) | Self::Leaving(_) => None,
        }
    }

    /// The same, to look at.
    pub(super) fn streams(&self) -> Option<&Streams> {
        match self {
            Self::Session(session) => Some(&session.streams),
            Self::Shared(worker) => Some(&worker.streams),
            Self::Host(_) | Self::Prewarmed(_) | Self::Leaving(_) => None,
        }
    }

    /// The front that reads the child.
    pub(super) fn front(&mut self) -> Option<&mut dyn Reads> {
        match self {
            Self::Session(session) => Some(&mut **session),
            Self::Shared(worker) => Some(&mut **worker),
            Self::Host(host) => Some(&mut **host),
            Self::Prewarmed(_) | Self::Leaving(_) => None,
        }
    }

    /// The front with clients of its own.
    pub(super) fn serving(&mut self) -> Option<&mut dyn Serves> {
        match self {
            Self::Session(session) => Some(&mut **session),
            Self::Shared(worker) => Some(&mut **worker),
            Self::Host(_) | Self::Prewarmed(_) | Self::Leaving(_) => None,
        }
    }

    /// From now on these terms hold.
    pub(super) fn set_terms(&mut self, terms: Arc<Terms>) {
        if let Some(front) = self.front() {
            front.child().1.limit = terms.idle;
        }
        self.child_mut().terms = terms;
    }

    /// Whether the child has answered its first request.
    pub(super) fn has_started(&self) -> bool {
        match self {
            Self::Session(session) => session.is_open(),
            Self::Shared(worker) => worker.has_started(),
            Self::Host(host) => host.has_started(),
            Self::Prewarmed(_) | Self::Leaving(_) => false,
        }
    }
}

/// The table of children.
#[derive(Debug, Default)]
pub(super) struct Seats {
    table: Table<ChildId, Seat>,
    /// The shared children, oldest first: each request of 2026-07-28 searches them.
    shared: Vec<ChildId>,
    sessions: usize,
    /// The number of guests. They have no process of their own.
    guests: usize,
}

impl Seats {
    /// Adds a child that is not in the table yet.
    pub(super) fn insert(&mut self, seat: Seat) {
        let id = seat.child().id;
        self.guests += usize::from(seat.child().host().is_some());
        match seat {
            Seat::Session(_) => self.sessions += 1,
            Seat::Shared(_) => self.shared.push(id),
            Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_) => {}
        }
        let before = self.table.insert(id, seat);
        debug_assert!(before.is_none(), "a child has two owners");
    }

    pub(super) fn remove(&mut self, id: ChildId) -> Option<Seat> {
        let seat = self.table.remove(&id)?;
        self.guests -= usize::from(seat.child().host().is_some());
        match seat {
            Seat::Session(_) => self.sessions -= 1,
            Seat::Shared(_) => self.shared.retain(|shared| *shared != id),
            Seat::Host(_) | Seat::Prewarmed(_) | Seat::Leaving(_) => {}
        }
        Some(seat)
    }

    /// Removes a child that must have this kind of owner. `pick` gives another kind back.
    pub(super) fn take<T>(
        &mut self,
        id: ChildId,
        pick: impl FnOnce(Seat) -> Result<T, Seat>,
    ) -> Option<T> {
        match pick(self.remove(id)?) {
            Ok(owner) => Some(owner),
            Err(other) => {
                debug_assert!(false, "a child has another owner");
                self.insert(other);
                None
            }
        }
    }

    pub(super) fn get(&self, id: ChildId) -> Option<&Seat> {
        self.table.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ChildId) -> Option<&mut Seat> {
        self.table.get_mut(&id)
    }

    /// The front that reads a child.
    pub(super) fn front(&mut self, id: ChildId) -> Option<&mut dyn Reads> {
        self.get_mut(id)?.front()
    }

    /// A front with clients of its own.
    pub(super) fn serving(&mut self, id: ChildId) -> Option<&mut dyn Serves> {
        self.get_mut(id)?.serving()
    }

    pub(super) fn child(&self, id: ChildId) -> Option<&Child> {
        self.get(id).map(Seat::child)
    }

    /// The entry of a child that its driver was told to open. A driver that errs may name one that
    /// still waits for its turn.
    pub(super) fn opened(&mut self, id: ChildId) -> Option<&mut Seat> {
        self.get_mut(id).filter(|seat| seat.child().stage != Stage::Queued)
    }

    pub(super) fn child_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        self.get_mut(id).map(Seat::child_mut)
    }

    pub(super) fn session_mut(&mut self, id: ChildId) -> Option<&mut Session> {
        match self.get_mut(id)? {
            Seat::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn shared_mut(&mut self, id: ChildId) -> Option<&mut Worker> {
        match self.get_mut(id)? {
            Seat::Shared(worker) => Some(worker),
            _ => None,
        }
    }

    /// All children, oldest first, as in the iterators below.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.table.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.table.values_mut()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Child> {
        self.iter().map(Seat::child)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.iter().filter_map(|seat| match seat {
            Seat::Session(session) => Some(&**session),
            _ => None,
        })
    }

    pub(super) fn shared(&self) -> impl Iterator<Item = &Worker> {
        self.shared.iter().filter_map(|id| match self.get(*id)? {
            Seat::Shared(worker) => Some(&**worker),
            _ => None,
        })
    }

    pub(super) fn host(&self, id: ChildId) -> Option<&Host> {
        match self.get(id)? {
            Seat::Host(host) => Some(host),
            _ => None,
        }
    }

    pub(super) fn host_mut(&mut self, id: ChildId) -> Option<&mut Host> {
        match self.get_mut(id)? {
            Seat::Host(host) => Some(host),
            _ => None,
        }
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.iter().filter_map(|seat| match seat {
            Seat::Host(host) => Some(&**host),
            _ => None,
        })
    }

    /// The number of processes.
    pub(super) fn len(&self) -> usize {
        self.table.len() - self.guests
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions
    }

    pub(super) fn shared_count(&self) -> usize {
        self.shared.len()
    }
}
