//! A share of a bounded amount, given back when its holder ends, or before if another needs it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mcp_bridge::{self as engine, Budget};

/// A share up to here is small. The last quarter of the amount is for small shares alone, so that
/// a few large ones never leave nothing for the others.
pub(crate) const SMALL: usize = 1024 * 1024;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Pool {
    held: Cell<usize>,
    limit: usize,
    /// The memory that the engine reckons with, and what it has of that.
    budget: Budget,
    share: RefCell<engine::Share>,
}

impl Pool {
    pub(crate) fn new(limit: usize, budget: Budget) -> Rc<Self> {
        let share = RefCell::new(budget.share());
        Rc::new(Self { held: Cell::new(0), limit, budget, share })
    }

    /// Whether a content of so many bytes may be begun: it and the line that is made of it.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.budget.has_room(bytes.saturating_mul(2))
    }
}

/// What one holder has.
#[derive(Debug)]
pub(crate) struct Holding {
    pool: Rc<Pool>,
    size: Cell<usize>,
}

impl Holding {
    pub(crate) fn size(&self) -> usize {
        self.size.get()
    }

    pub(crate) fn give_back(&self) {
        self.hold(0);
    }

    fn hold(&self, size: usize) -> bool {
        let pool = &self.pool;
        let before = self.size.get();
        if size == before {
            return true;
        }
        let held = pool.held.get() - before + size;
        let limit = if size > SMALL { pool.limit - pool.limit / 4 } else { pool.limit };
        if size > before && (held > limit || !pool.budget.may_grow(before, size)) {
            return false;
        }
        pool.held.set(held);
        pool.share.borrow_mut().hold(held);
        self.size.set(size);
        true
    }
}

#[derive(Debug)]
pub(crate) struct Share(Rc<Holding>);

impl Share {
    pub(crate) fn new(pool: &Rc<Pool>) -> Self {
        Self(Rc::new(Holding { pool: Rc::clone(pool), size: Cell::new(0) }))
    }

    /// Holds so much from now on: whether there is so much. If not, it stays as it was.
    pub(crate) fn hold(&self, size: usize) -> bool {
        self.0.hold(size)
    }

    pub(crate) fn give_back(&self) {
        self.0.give_back();
    }

    /// The same, for whoever may take it back.
    pub(crate) fn holding(&self) -> Rc<Holding> {
        Rc::clone(&self.0)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}
