//! The memory budget: one counter for all bytes that are kept for peers, in the engine and in its
//! driver.
//!
//! A [`Share`] is what one holder has of it, and gives it back when it is dropped. What comes in
//! is limited in steps, so that what is on its way out always has room to go on: first nothing
//! large is taken on, then nothing at all. The last part is for the message that is being worked
//! on.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a holder may have however little memory is left: small messages pass beside large ones.
pub(crate) const SMALL: usize = 64 * 1024;

/// Messages of the largest size that have room at once, at least.
pub(crate) const MESSAGES: usize = 4;

/// The counter. Clones are the same counter.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config};
///
/// let budget = Bridge::new(Config { budget: 1 << 20, ..Config::default() }).unwrap().budget();
/// let mut share = budget.share();
/// share.hold(1000);
/// assert_eq!((budget.held(), share.size()), (1000, 1000));
/// assert!(budget.has_room(1000) && !budget.has_room(1 << 20));
/// drop(share);
/// assert_eq!(budget.held(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    held: AtomicUsize,
    tight: usize,
    full: usize,
    small: usize,
    message: usize,
}

impl Budget {
    /// A budget of so many bytes, of which one message is at most a quarter.
    pub(crate) fn new(bytes: usize, message: usize) -> Self {
        let full = bytes.saturating_sub(message);
        let tight = full.saturating_sub(message + message / 4);
        let small = SMALL.min(message / 4);
        Self(Arc::new(Inner { held: AtomicUsize::new(0), tight, full, small, message }))
    }

    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        self.0.held.load(Relaxed)
    }

    /// Whether who holds much must wait.
    pub(crate) fn is_tight(&self) -> bool {
        self.held() > self.0.tight
    }

    /// Whether nothing new is taken on.
    pub(crate) fn is_full(&self) -> bool {
        self.held() > self.0.full
    }

    /// What a holder may have however short memory is.
    pub(crate) fn small(&self) -> usize {
        self.0.small
    }

    /// Whether so many bytes more have room for what is to come to its end.
    pub(crate) fn lasts_for(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes) <= self.0.full
    }

    /// Whether so many bytes more may be taken on. The last part is kept for what is small.
    pub fn has_room(&self, bytes: usize) -> bool {
        // One of the largest has room if there is no other.
        let alone = self.held() <= self.0.message + self.0.message / 4;
        let limit = if bytes <= self.0.small || alone { self.0.full } else { self.0.tight };
        self.held().saturating_add(bytes) <= limit
    }

    /// A share of it that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), size: 0 }
    }

    /// A share of it of so many bytes.
    pub(crate) fn share_of(&self, bytes: usize) -> Share {
        let mut share = self.share();
        share.hold(bytes);
        share
    }

    /// Keeps some bytes.
    pub(crate) fn keep(&self, bytes: impl Into<Vec<u8>>) -> Kept {
        let bytes = bytes.into();
        let share = (!bytes.is_empty()).then(|| self.share_of(bytes.len()));
        Kept { bytes, _share: share }
    }
}

/// What one holder has of a [`Budget`]. Dropping it gives all of it back.
///
/// # Examples
///
/// See [`Budget`].
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    size: usize,
}

impl Share {
    /// Holds so many bytes from now on, instead of those before.
    #[inline]
    pub fn hold(&mut self, bytes: usize) {
        // Only the difference is known to be right whoever else holds something.
        self.budget.0.held.fetch_add(bytes.wrapping_sub(self.size), Relaxed);
        self.size = bytes;
    }

    /// How many bytes it holds.
    pub const fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// Bytes that count as held for as long as they are there.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    _share: Option<Share>,
}

impl Deref for Kept {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Kept {
    /// Gives the bytes away: they are somebody else's to count.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
