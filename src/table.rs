//! A small table keyed by numbers that only grow: a sorted vector, because insertion is a push
//! and a session has few entries.

use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Table<T> {
    entries: Vec<(u64, T)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Adds an entry. Its number must be larger than all before it.
    pub(crate) fn push(&mut self, number: u64, value: T) {
        debug_assert!(self.entries.last().is_none_or(|(last, _)| *last < number));
        self.entries.push((number, value));
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |(number, _)| *number).ok()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.place(number).map(|place| &self.entries[place].1)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.place(number).map(|place| &mut self.entries[place].1)
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let value = self.place(number).map(|place| self.entries.remove(place).1);
        if self.entries.is_empty() && self.entries.capacity() > 8 {
            // A session that was busy once does not keep what that took.
            self.entries = Vec::new();
        }
        value
    }

    /// Drops the oldest entry.
    pub(crate) fn pop_first(&mut self) {
        if !self.entries.is_empty() {
            self.entries.remove(0);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn last(&self) -> Option<(u64, &T)> {
        self.entries.last().map(|(number, value)| (*number, value))
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.entries.iter().map(|(number, value)| (*number, value))
    }

    /// All entries, in their order; the table is empty then.
    pub(crate) fn take(&mut self) -> Vec<(u64, T)> {
        core::mem::take(&mut self.entries)
    }
}
