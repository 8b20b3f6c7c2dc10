//! Who asks: a session of the revisions up to 2025-11-25, or a request of 2026-07-28, which has no
//! session. The two do not know each other. What a client of one era is promised belongs here; how
//! the eras read each other is in [`dialect`](crate::dialect).

pub(crate) mod session;
pub(crate) mod stateless;
