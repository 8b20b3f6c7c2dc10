//! What an embedder can know of an open session.

use crate::api::handles::{ChildId, Server, SessionNumber};
use crate::api::instant::Instant;

/// A session that is open, as [`Bridge::sessions`](crate::Bridge::sessions) gives it: for an admin
/// page, or to choose one for [`Input::End`](crate::Input::End).
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Input, Instant, Server};
///
/// /// Ends all sessions of a server.
/// fn revoke(bridge: &mut Bridge, server: Server, now: Instant) {
///     let its: Vec<_> = bridge.sessions().filter(|session| session.server == server).collect();
///     let numbers: Vec<_> = its.iter().map(|session| session.number).collect();
///     for session in numbers {
///         bridge.handle(Input::End { session }, now);
///     }
/// }
/// # let mut bridge = Bridge::new(Config::default()).unwrap();
/// # revoke(&mut bridge, Server(0), Instant::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session<'a> {
    /// Its number, which it keeps.
    pub number: SessionNumber,
    /// Its child, which other sessions may have as well; `None` while it sleeps.
    pub child: Option<ChildId>,
    /// The server of its children.
    pub server: Server,
    /// The protocol version that the child chose.
    pub version: &'a str,
    /// When its client asked for it.
    pub since: Instant,
    /// Calls in flight.
    pub calls: usize,
}
