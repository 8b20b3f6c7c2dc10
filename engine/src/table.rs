//! A map as a sorted vector. Nearly all keys here are numbers that only grow, so that an insertion
//! is a push; what is large is boxed, so that a removal moves little. Of a B-tree the program would
//! have twenty, at several kilobytes of code each.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::cmp::Ordering;

#[derive(Debug)]
pub(crate) struct Table<K, T> {
    entries: Vec<(K, T)>,
}

impl<K, T> Default for Table<K, T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, T> Table<K, T> {
    /// Where a key is, or else where it belongs.
    #[inline(always)]
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        // The last is the latest, and the latest is asked for most.
        let Some((last, _)) = self.entries.last() else { return Err(0) };
        let end = self.entries.len();
        match last.borrow().cmp(key) {
            Ordering::Less => Err(end),
            Ordering::Equal => Ok(end - 1),
            Ordering::Greater => self.search(key),
        }
    }

    #[inline(never)]
    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// Sets the value of a key. Gives the one that it had.
    pub(crate) fn insert(&mut self, key: K, value: T) -> Option<T> {
        match self.place(&key) {
            Ok(place) => Some(core::mem::replace(&mut self.entries[place].1, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// The value of a key, which it gets if it has none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut T
    where
        T: Default,
    {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.entries.insert(place, (key, T::default()));
            place
        });
        &mut self.entries[place].1
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&T>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut T>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|place| &mut self.entries[place].1)
    }

    pub(crate) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<T>
    where
        K: Borrow<Q>,
    {
        let (_, value) = self.entries.remove(self.place(key).ok()?);
        if self.entries.is_empty() && self.entries.capacity() > 8 {
            // Who was busy once does not keep what that took.
            self.entries = Vec::new();
        }
        Some(value)
    }

    /// Keeps the entries for which this is true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &T) -> bool) {
        self.entries.retain(|(key, value)| keep(key, value));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order of the keys, like all that follows.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &T)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut T)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// All entries; the table is empty then.
    pub(crate) fn take(&mut self) -> Vec<(K, T)> {
        core::mem::take(&mut self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn table(keys: impl IntoIterator<Item = u64>) -> Table<u64, u64> {
        let mut table = Table::default();
        for key in keys {
            assert_eq!(table.insert(key, key * 10), None);
        }
        table
    }

    #[test]
    fn entries_are_in_the_order_of_their_keys_wherever_they_came() {
        let mut table = table([5, 1, 9, 3]);
        assert_eq!(table.keys().copied().collect::<Vec<_>>(), [1, 3, 5, 9]);
        assert_eq!((table.insert(3, 7), table.get(&3), table.len()), (Some(30), Some(&7), 4));
        *table.or_default(4) += 1;
        *table.or_default(4) += 1;
        assert_eq!(
            (table.get(&4), table.contains(&4), table.contains(&2)),
            (Some(&2), true, false)
        );
        assert_eq!((table.remove(&9), table.remove(&9)), (Some(90), None));
        table.retain(|key, _| *key > 3);
        assert_eq!(table.values().copied().collect::<Vec<_>>(), [2, 50]);
        assert_eq!(table.iter().next_back(), Some((&5, &50)));
        assert_eq!((table.take().len(), table.is_empty()), (2, true));
    }

    #[test]
    fn a_key_is_found_by_what_it_borrows_as() {
        let mut table = Table::default();
        table.insert(String::from("b"), 1);
        assert_eq!((table.get("b"), table.get("a")), (Some(&1), None));
        *table.get_mut("b").expect("it is there") = 2;
        assert_eq!(table.remove("b"), Some(2));
    }

    #[test]
    fn who_was_busy_once_does_not_keep_what_that_took() {
        let mut table = table(0..100);
        for key in 0..99 {
            table.remove(&key);
        }
        assert!(table.entries.capacity() >= 100);
        table.remove(&99);
        assert_eq!(table.entries.capacity(), 0);
        table.insert(1, 1);
        table.remove(&1);
        assert!(table.entries.capacity() > 0, "a few places are kept");
    }
}
