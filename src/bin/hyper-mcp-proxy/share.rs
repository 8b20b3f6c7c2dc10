//! A share of a bounded amount, given back when its holder ends.

use std::cell::Cell;
use std::rc::Rc;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Pool {
    held: Cell<usize>,
    limit: usize,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { held: Cell::new(0), limit })
    }
}

#[derive(Debug)]
pub(crate) struct Share {
    pool: Rc<Pool>,
    size: usize,
}

impl Share {
    pub(crate) fn new(pool: &Rc<Pool>) -> Self {
        Self { pool: Rc::clone(pool), size: 0 }
    }

    /// Holds so much from now on: whether there is so much. If not, it stays as it was.
    pub(crate) fn hold(&mut self, size: usize) -> bool {
        let held = self.pool.held.get() - self.size + size;
        if size > self.size && held > self.pool.limit {
            return false;
        }
        self.pool.held.set(held);
        self.size = size;
        true
    }

    pub(crate) fn give_back(&mut self) {
        self.hold(0);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}
