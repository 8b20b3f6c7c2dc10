//! Where in the file the record of each session is, and what of the file is of use.

use std::collections::BTreeMap;

use crate::sessions::format::{Change, Entry};

/// A line with the record of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) length: usize,
    /// When it was written, in milliseconds since 1970.
    pub(crate) time: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    places: BTreeMap<u64, Place>,
    /// Bytes of the lines at these places.
    bytes: u64,
}

impl Index {
    /// Follows the entry whose line is there.
    pub(crate) fn follow(&mut self, entry: &Entry<'_>, at: u64, length: usize) {
        let Entry { session, time, change, .. } = *entry;
        let before = match change {
            Change::Saved(_) => {
                self.bytes += length as u64;
                self.places.insert(session, Place { at, length, time })
            }
            Change::Ended => self.places.remove(&session),
        };
        self.bytes -= before.map_or(0, |place| place.length as u64);
    }

    pub(crate) fn places(&self) -> Vec<(u64, Place)> {
        self.places.iter().map(|(session, place)| (*session, *place)).collect()
    }

    pub(crate) fn knows(&self, session: u64) -> bool {
        self.places.contains_key(&session)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}
