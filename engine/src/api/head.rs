//! A request's head, as the driver read it.

/// A request line and its header fields, as the driver read them (RFC 9110 "Message Abstraction").
///
/// The driver bounds them: [`Config::head`](crate::Config::head) is the figure that it is to keep
/// to. A field that the engine reads may come once, unless it is a list, and its value has to be
/// text; a request for which that does not hold is refused with 400. Other fields may hold any
/// bytes (RFC 9110 "Field Values": `obs-text`), so a driver passes on all fields as they are.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// // HTTP/1.1: the host is in a field.
/// let fields: [(&str, &[u8]); 3] =
///     [("Host", b"localhost"), ("Content-Type", b"application/json"), ("X-Name", b"J\xf6rg")];
/// let post = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
/// assert!(bridge.admit(&post).is_ok());
/// // HTTP/2: it is in `:authority`.
/// let streamed = Head { authority: Some("localhost:8080"), fields: &fields[1..], ..post };
/// assert!(bridge.admit(&streamed).is_ok());
/// let elsewhere = Head { path: "/", ..post };
/// assert_eq!(bridge.admit(&elsewhere).unwrap_err().response.status, 404);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// The target's path as it stood on the wire. It is compared with
    /// [`Config::endpoint`](crate::Config::endpoint) or [`Endpoint::path`](crate::Endpoint::path):
    /// a driver that is mounted below another path gives all of them with it, or all without.
    /// Its query may follow, with the question mark, and must where
    /// [`Config::sse_endpoint`](crate::Config::sse_endpoint) is offered: the messages of such a
    /// session name it there. Elsewhere a query has no meaning.
    pub path: &'a str,
    /// The authority apart from the fields, if there is one: `:authority` of HTTP/2 (RFC 9113
    /// "Request Pseudo-Header Fields"), or that of a target in absolute form (RFC 9112
    /// "absolute-form"). It is the host that counts. A `Host` field beside it has to say the same,
    /// or the request is refused; without an authority the `Host` field counts.
    pub authority: Option<&'a str>,
    /// Field names in any case and values without surrounding white space, in their order.
    pub fields: &'a [(&'a str, &'a [u8])],
}

/// How the part of a query begins that names a session of HTTP+SSE.
pub(crate) const SESSION: &str = "sessionId=";

impl<'a> Head<'a> {
    /// The path alone, and the session that its query names, as a message of HTTP+SSE does. The
    /// name is a secret.
    ///
    /// ```
    /// use mcp_bridge::Head;
    ///
    /// let head = Head { method: "POST", path: "/sse?sessionId=a1", authority: None, fields: &[] };
    /// assert_eq!(head.place(), ("/sse", Some("a1")));
    /// assert_eq!(Head { path: "/sse?x", ..head }.place(), ("/sse", None));
    /// ```
    pub fn place(&self) -> (&'a str, Option<&'a str>) {
        let Some((path, query)) = self.path.split_once('?') else { return (self.path, None) };
        (path, query.split('&').find_map(|pair| pair.strip_prefix(SESSION)))
    }
}
