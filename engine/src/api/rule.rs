//! The rules that refuse or end something, and can be changed by whoever runs the embedder.

use alloc::borrow::Cow;

/// A rule that refused a request, or ended something, and that an operator can change.
///
/// The engine's texts name the rule and not how to change it, because that differs from embedder to
/// embedder: a flag, a line of a file, a field of a form. [`Config::remedies`](crate::Config) says
/// it to clients; [`Notice::rule`](crate::Notice::rule) lets a log say it as well.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Config, Rule};
///
/// let config = Config {
///     remedies: vec![(Rule::Sessions, "set MAX_SESSIONS to allow more".into())],
///     ..Config::default()
/// };
/// assert!(config.remedy(Rule::Sessions).is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `Host` is not one of [`Config::allow_hosts`](crate::Config::allow_hosts).
    Hosts,
    /// `Origin` is not one of [`Config::allow_origins`](crate::Config::allow_origins).
    Origins,
    /// No server is at the path.
    Paths,
    /// The policy is [`Eras::Modern`](crate::Eras::Modern), and the client asks for a session.
    NoSessions,
    /// The policy is [`Eras::Sessions`](crate::Eras::Sessions), and the client is of 2026-07-28.
    NoModern,
    /// The policy is [`Eras::Auto`](crate::Eras::Auto), the client is of 2026-07-28 and the server
    /// is not known to be.
    NoCrossing,
    /// As many sessions are awake as [`Config::sessions`](crate::Config::sessions) allows.
    Sessions,
    /// Peers hold as many bytes as [`Config::budget`](crate::Config::budget) allows.
    Memory,
    /// A message is longer than [`Config::message`](crate::Config::message).
    Message,
    /// A call took longer than [`Config::request`](crate::Config::request).
    Request,
    /// A server did not answer its first request within [`Config::start`](crate::Config::start).
    Start,
    /// A session had no call for as long as [`Config::sleep`](crate::Config::sleep).
    Sleep,
    /// A session slept for as long as [`Config::expiry`](crate::Config::expiry).
    Expiry,
}

impl Rule {
    /// All rules, in the order of their declaration.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::Rule;
    ///
    /// assert!(Rule::ALL.contains(&Rule::Message));
    /// ```
    pub const ALL: [Self; 13] = [
        Self::Hosts,
        Self::Origins,
        Self::Paths,
        Self::NoSessions,
        Self::NoModern,
        Self::NoCrossing,
        Self::Sessions,
        Self::Memory,
        Self::Message,
        Self::Request,
        Self::Start,
        Self::Sleep,
        Self::Expiry,
    ];
}

/// What an operator can do about each rule, as the end of a sentence.
pub(crate) type Remedies = [(Rule, Cow<'static, str>)];

/// The sentence, with what can be done about this rule.
pub(crate) fn with_remedy(
    text: Cow<'static, str>,
    rule: Option<Rule>,
    remedies: &Remedies,
) -> Cow<'static, str> {
    match rule.and_then(|rule| remedy(rule, remedies)) {
        Some(remedy) => Cow::Owned([&*text, "; ", remedy].concat()),
        None => text,
    }
}

/// What can be done about this rule, if anything is known.
pub(crate) fn remedy(rule: Rule, remedies: &Remedies) -> Option<&str> {
    remedies.iter().find(|(of, _)| *of == rule).map(|(_, text)| &**text)
}
