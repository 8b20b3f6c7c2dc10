//! A request's head, as the driver read it.

/// A request line and its header fields, as the driver read them (RFC 9110 "Message Abstraction").
///
/// The driver bounds them: [`Config::head`](crate::Config::head) is the figure that it is to keep
/// to. A field that the engine reads may come once, unless it is a list; a request that repeats one
/// is refused.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields = [("Host", "localhost:8080"), ("Content-Type", "application/json")];
/// let post = Head { method: "POST", path: "/mcp", fields: &fields };
/// assert!(bridge.admit(&post).is_ok());
/// let elsewhere = Head { path: "/", ..post };
/// assert_eq!(bridge.admit(&elsewhere).unwrap_err().response.status, 404);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// The target's path, without its query, as it stood on the wire. It is compared with
    /// [`Config::endpoint`](crate::Config::endpoint) or [`Endpoint::path`](crate::Endpoint::path):
    /// a driver that is mounted below another path gives all of them with it, or all without.
    pub path: &'a str,
    /// Field names in any case and values without surrounding white space, in their order.
    pub fields: &'a [(&'a str, &'a str)],
}
