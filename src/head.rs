//! The rules of a request's head.

/// A request line and its header fields, as the driver read them.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method, case-sensitive.
    pub method: &'a str,
    /// The target's path, without its query, as it stood on the wire.
    pub path: &'a str,
    /// Field names in any case and values without surrounding white space, in their order.
    pub fields: &'a [(&'a str, &'a str)],
}
