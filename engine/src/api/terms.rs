//! What holds for one server in place of what holds for all.

use alloc::string::String;
use core::time::Duration;

/// Limits of one server, in place of those of [`Config`](crate::Config).
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use mcp_bridge::{Endpoint, Limits, Server};
///
/// let limits = Limits { sessions: Some(2), request: Some(Duration::ZERO), ..Limits::default() };
/// let one = Endpoint { path: "/mcp", server: Server(1), limits, ..Endpoint::default() };
/// assert_eq!(one.limits.idle, None, "as in Config");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once, and as many shared processes. No more than
    /// [`Config::sessions`](crate::Config::sessions), which holds for all servers together.
    pub sessions: Option<usize>,
    /// As [`Config::idle`](crate::Config::idle); zero is for ever.
    pub idle: Option<Duration>,
    /// As [`Config::request`](crate::Config::request); zero is no limit.
    pub request: Option<Duration>,
}

/// Which tools of a server its clients see and may call. Others are left out of the results of
/// `tools/list`, and a `tools/call` of one is refused. In a pattern `*` stands for any text.
///
/// # Examples
///
/// ```
/// use mcp_bridge::Tools;
///
/// let (reads, keys) = ([String::from("read_*")], [String::from("*_key")]);
/// let tools = Tools { allow: Some(&reads), deny: &keys };
/// assert!(tools.offers("read_file"));
/// assert!(!tools.offers("read_key") && !tools.offers("write_file"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tools<'a> {
    /// Only these, if there is a list.
    pub allow: Option<&'a [String]>,
    /// None of these.
    pub deny: &'a [String],
}

impl Tools<'_> {
    /// Whether clients see the tool of this name.
    ///
    /// ```
    /// assert!(mcp_bridge::Tools::default().offers("any"));
    /// ```
    pub fn offers(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        self.allow.is_none_or(any) && !any(self.deny)
    }
}

/// Whether a name is like the pattern.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (pieces, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // Each piece where it comes first leaves the most for those that follow.
    for piece in pieces.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, wanted) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("*", "", true),
            ("**", "x", true),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*b*b", "b", false),
            ("*.ü*", "x.üy", true),
            ("A*", "abc", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
