//! All child processes, each with its owner: what it is for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::api::handles::Pipe;
use crate::child::Child;
use crate::front::session::Session;
use crate::front::stateless::Worker;
use crate::table::Table;

/// What a child process is for. Its owner holds it, so none is without one.
#[derive(Debug)]
pub(super) enum Seat {
    /// It was started ahead and nobody has spoken to it.
    Prewarmed(Box<Child>),
    /// It belongs to one session.
    Session(Box<Session>),
    /// Requests of 2026-07-28 share it.
    Shared(Box<Worker>),
    /// It ends, and nobody is served by it any more.
    Leaving(Box<Child>),
}

impl Seat {
    pub(super) fn child(&self) -> &Child {
        match self {
            Self::Session(session) => &session.child,
            Self::Shared(worker) => &worker.child,
            Self::Prewarmed(child) | Self::Leaving(child) => child,
        }
    }

    pub(super) fn child_mut(&mut self) -> &mut Child {
        match self {
            Self::Session(session) => &mut session.child,
            Self::Shared(worker) => &mut worker.child,
            Self::Prewarmed(child) | Self::Leaving(child) => child,
        }
    }

    /// Whether its child has answered the first request.
    pub(super) fn has_started(&self) -> bool {
        match self {
            Self::Session(session) => session.is_open(),
            Self::Shared(worker) => worker.has_started(),
            Self::Prewarmed(_) | Self::Leaving(_) => false,
        }
    }
}

/// The table of children.
#[derive(Debug, Default)]
pub(super) struct Seats {
    table: Table<Pipe, Seat>,
    /// The shared children, oldest first: each request of 2026-07-28 looks through them.
    shared: Vec<Pipe>,
    sessions: usize,
}

impl Seats {
    /// Adds a child that is not in the table.
    pub(super) fn insert(&mut self, seat: Seat) {
        let pipe = seat.child().pipe;
        match seat {
            Seat::Session(_) => self.sessions += 1,
            Seat::Shared(_) => self.shared.push(pipe),
            Seat::Prewarmed(_) | Seat::Leaving(_) => {}
        }
        let before = self.table.insert(pipe, seat);
        debug_assert!(before.is_none(), "a child has two owners");
    }

    pub(super) fn remove(&mut self, pipe: Pipe) -> Option<Seat> {
        let seat = self.table.remove(&pipe)?;
        match seat {
            Seat::Session(_) => self.sessions -= 1,
            Seat::Shared(_) => self.shared.retain(|shared| *shared != pipe),
            Seat::Prewarmed(_) | Seat::Leaving(_) => {}
        }
        Some(seat)
    }

    pub(super) fn get(&self, pipe: Pipe) -> Option<&Seat> {
        self.table.get(&pipe)
    }

    pub(super) fn get_mut(&mut self, pipe: Pipe) -> Option<&mut Seat> {
        self.table.get_mut(&pipe)
    }

    pub(super) fn child(&self, pipe: Pipe) -> Option<&Child> {
        self.get(pipe).map(Seat::child)
    }

    pub(super) fn child_mut(&mut self, pipe: Pipe) -> Option<&mut Child> {
        self.get_mut(pipe).map(Seat::child_mut)
    }

    pub(super) fn session_mut(&mut self, pipe: Pipe) -> Option<&mut Session> {
        match self.get_mut(pipe)? {
            Seat::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn shared_mut(&mut self, pipe: Pipe) -> Option<&mut Worker> {
        match self.get_mut(pipe)? {
            Seat::Shared(worker) => Some(worker),
            _ => None,
        }
    }

    /// Oldest first, like all that follows.
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
        self.shared.iter().filter_map(|pipe| match self.get(*pipe)? {
            Seat::Shared(worker) => Some(&**worker),
            _ => None,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions
    }

    pub(super) fn shared_count(&self) -> usize {
        self.shared.len()
    }
}
