//! The memory budget: one counter for all bytes kept for peers, in the engine and in its driver.
//!
//! A [`Share`] is the part of one holder, which returns it when dropped. Input is limited in two
//! steps, so that output always has room to proceed: first large input is refused, then all input.
//! The last part is reserved for the message being processed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that each holder may have however little memory is left: small messages pass large ones.
pub(crate) const SMALL: usize = 64 * 1024;

/// Above this size, `affords` asks the system for the memory. A smaller allocation fails only where
/// the program itself can't go on.
const ASKED: usize = 1 << 20;

/// A message takes at most this many times its size while it is handled: a buffer that doubles, and
/// two copies.
const COPIES: usize = 4;

/// Messages of the largest size that fit at once, at least.
pub(crate) const MESSAGES: usize = 4;

/// The memory counter. Clones share one counter.
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
/// assert!(budget.may_grow(share.size(), 2000));
/// drop(share);
/// assert_eq!(budget.held(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    inner: Arc<Inner>,
    /// Whether its shares are the driver's.
    lent: bool,
}

#[derive(Debug)]
struct Inner {
    held: AtomicUsize,
    /// The part of `held` that the driver holds.
    lent: AtomicUsize,
    /// The part of `held` that the engine itself holds, to be compared with what it has.
    #[cfg(debug_assertions)]
    own: AtomicUsize,
    tight: usize,
    full: usize,
    small: usize,
    message: usize,
}

impl Budget {
    /// A budget of this many bytes, of which one message is at most a quarter.
    pub(crate) fn new(bytes: usize, message: usize) -> Self {
        let full = bytes.saturating_sub(message);
        let tight = full.saturating_sub(message + message / 4);
        let small = SMALL.min(message / 4);
        let inner = Inner {
            held: AtomicUsize::new(0),
            lent: AtomicUsize::new(0),
            #[cfg(debug_assertions)]
            own: AtomicUsize::new(0),
            tight,
            full,
            small,
            message,
        };
        Self { inner: Arc::new(inner), lent: false }
    }

    /// The same counter, for shares of the driver.
    pub(crate) fn lent(&self) -> Self {
        Self { lent: true, ..self.clone() }
    }

    /// Whether the driver holds bytes of its own, which it can give back without an input.
    pub(crate) fn is_lent(&self) -> bool {
        self.inner.lent.load(Relaxed) > 0
    }

    /// Returns the number of bytes held now.
    pub fn held(&self) -> usize {
        self.inner.held.load(Relaxed)
    }

    /// Whether holders of many bytes must wait.
    pub(crate) fn is_tight(&self) -> bool {
        self.held() > self.inner.tight
    }

    /// Whether no new input is accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.held() > self.inner.full
    }

    /// Bytes that each holder may have however short memory is.
    pub(crate) fn small(&self) -> usize {
        self.inner.small
    }

    /// Whether this many more bytes fit, for work that is being completed.
    pub(crate) fn lasts_for(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes) <= self.inner.full
    }

    /// Whether this many more bytes may be accepted. The last part is reserved for small input.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.may_grow(0, bytes)
    }

    /// Whether a holder may grow from `from` bytes to `to`.
    pub fn may_grow(&self, from: usize, to: usize) -> bool {
        // One message of the largest size fits if there is no other.
        let alone = self.held() <= self.inner.message + self.inner.message / 4;
        let limit =
            if to <= self.inner.small || alone { self.inner.full } else { self.inner.tight };
        self.held().saturating_add(to.saturating_sub(from)) <= limit
    }

    /// Returns a share that holds nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), size: 0 }
    }

    /// Returns a share that holds this many bytes.
    pub(crate) fn share_of(&self, bytes: usize) -> Share {
        let mut share = self.share();
        share.hold(bytes);
        share
    }

    /// Keeps some bytes and counts them.
    pub(crate) fn keep(&self, bytes: impl Into<Vec<u8>>) -> Kept {
        let mut bytes = bytes.into();
        bytes.shrink_to_fit();
        let share = (!bytes.is_empty()).then(|| self.share_of(bytes.len()));
        Kept { bytes, _share: share }
    }
}

/// Whether the system has the memory to handle this many bytes. Asked before a large message is
/// handled, because a failed allocation in the middle ends the program.
pub(crate) fn affords(bytes: usize) -> bool {
    if bytes <= ASKED {
        return true;
    }
    let mut room = Vec::<u8>::new();
    let is_there = room.try_reserve_exact(bytes.saturating_mul(COPIES)).is_ok();
    // Without this the compiler removes the unused allocation.
    black_box(room.as_ptr());
    is_there
}

/// The part of a [`Budget`] that one holder has. Dropping it returns all its bytes.
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
    /// Holds this many bytes from now on, in place of the earlier number.
    #[inline]
    pub fn hold(&mut self, bytes: usize) {
        // Adding the difference is correct whatever other holders do meanwhile.
        let more = bytes.wrapping_sub(self.size);
        self.budget.inner.held.fetch_add(more, Relaxed);
        if self.budget.lent {
            self.budget.inner.lent.fetch_add(more, Relaxed);
        }
        #[cfg(debug_assertions)]
        if !self.budget.lent {
            self.budget.inner.own.fetch_add(more, Relaxed);
        }
        self.size = bytes;
    }

    /// Returns the number of bytes that it holds.
    pub const fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// Bytes that count as held while they exist.
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
    /// Releases the bytes, which the caller counts from now on.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A walk over all that the engine holds. Each holder compares what it counts with what it has, and
/// the sum is compared with the counter: a place that keeps bytes and does not count them, or
/// counts them and forgets to give them back, is found where it first happens.
#[cfg(debug_assertions)]
#[derive(Debug, Default)]
pub(crate) struct Walk {
    held: usize,
    /// Common texts, which many streams share.
    seen: Vec<*const u8>,
}

#[cfg(debug_assertions)]
impl Walk {
    /// A holder with this share has this many bytes.
    pub(crate) fn meet(&mut self, holder: &str, share: &Share, has: usize) {
        assert_eq!(share.size, has, "{holder}: the bytes that it counts, and those that it has");
        self.held += has;
    }

    pub(crate) fn meet_kept(&mut self, holder: &str, kept: &Kept) {
        match &kept._share {
            Some(share) => self.meet(holder, share, kept.bytes.len()),
            None => assert!(kept.is_empty(), "{holder}: bytes without a share"),
        }
    }

    /// The same for bytes that can be met more than once.
    pub(crate) fn meet_common(&mut self, holder: &str, kept: &Kept) {
        if !self.seen.contains(&kept.as_ptr()) {
            self.seen.push(kept.as_ptr());
            self.meet_kept(holder, kept);
        }
    }

    /// All holders were met.
    pub(crate) fn end(self, budget: &Budget) {
        let counted = budget.inner.own.load(Relaxed);
        assert_eq!(counted, self.held, "the counter, and what all holders have");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_a_limit_there_is_room_and_a_byte_above_it_holders_wait() {
        let budget = Budget::new(400_000, 100_000);
        let mut share = budget.share();
        let mut waits = |bytes| {
            share.hold(bytes);
            (budget.is_tight(), budget.is_full())
        };
        assert_eq!([waits(175_000), waits(175_001)], [(false, false), (true, false)]);
        assert_eq!([waits(300_000), waits(300_001)], [(true, false), (true, true)]);
    }
}
