//! What a head comes to: it is let in, or refused.

use crate::api::event::Notice;
use crate::api::handles::Exchange;
use crate::api::response::Response;

/// A request whose head was let in: what [`Bridge::admit`](crate::Bridge::admit) gives, and what
/// [`Input::Request`](crate::Input::Request) takes when the body is there. To drop it is to give
/// the request up: the engine holds nothing for it.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields: [(&str, &[u8]); 2] =
///     [("Host", b"localhost:8080"), ("Content-Type", b"application/json")];
/// let post = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
/// let first = bridge.admit(&post).unwrap();
/// assert_eq!(first.limit(), 16 << 20); // Config::message
/// let second = bridge.admit(&post).unwrap();
/// assert_ne!(first.exchange(), second.exchange());
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Admitted {
    pub(crate) exchange: Exchange,
    pub(crate) limit: usize,
}

impl Admitted {
    /// The number of its exchange.
    pub const fn exchange(&self) -> Exchange {
        self.exchange
    }

    /// The most bytes that its body may have. A driver need not read more; a longer body is
    /// answered by 413.
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// A request whose head was not let in. It is over for the engine: it has no exchange.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields: [(&str, &[u8]); 1] = [("Host", b"example.com")];
/// let rebound = Head { method: "GET", path: "/mcp", authority: None, fields: &fields };
/// let refusal = bridge.admit(&rebound).unwrap_err();
/// assert_eq!(refusal.response.status, 403);
/// println!("{}", refusal.event); // Host "example.com" is not allowed…
/// assert!(bridge.poll_output().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Refusal {
    /// What to answer. It has a whole body.
    pub response: Response,
    /// What an operator may want to read.
    pub event: Notice,
}
