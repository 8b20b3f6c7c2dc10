//! The two kinds of front: a session of the revisions up to 2025-11-25, and requests of 2026-07-28,
//! which have no session. Neither imports the other, nor the host of sessions that share a process;
//! what they do alike is in [`reads`] and [`serves`].
//! What a client of one era is promised belongs here; the translation between the eras is in
//! [`dialect`](crate::dialect).

pub(crate) mod host;
pub(crate) mod reads;
pub(crate) mod serves;
pub(crate) mod session;
pub(crate) mod stateless;
