//! A share of a bounded amount, given back when its holder ends, or before if another needs it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mcp_bridge as engine;

/// A share up to here is small. The last quarter of the amount is for small shares alone, so that
/// a few large ones never leave nothing for the others.
pub(crate) const SMALL: usize = 1024 * 1024;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Pool {
    held: Cell<usize>,
    limit: usize,
    /// What it has of the memory that the engine reckons with.
    share: RefCell<engine::Share>,
}

impl Pool {
    pub(crate) fn new(limit: usize, share: engine::Share) -> Rc<Self> {
        Rc::new(Self { held: Cell::new(0), limit, share: RefCell::new(share) })
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
        let held = pool.held.get() - self.size.get() + size;
        let limit = if size > SMALL { pool.limit - pool.limit / 4 } else { pool.limit };
        if size > self.size.get() && held > limit {
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
