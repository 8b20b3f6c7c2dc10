//! What an operator can do about each rule of the engine: the flags, as clients and the log name
//! them.

use std::borrow::Cow;

use mcp_bridge::Rule;

/// The rest of a sentence about this rule.
pub(crate) const fn flag(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::Hosts => "start the proxy with --allow-host to allow it",
        Rule::Origins => "start the proxy with --allow-origin to allow it",
        Rule::Paths => "see --endpoint and --config",
        Rule::NoSessions => "to serve sessions as well, start the proxy with --eras auto",
        Rule::NoModern => "to serve 2026-07-28 as well, start the proxy with --eras auto",
        Rule::NoCrossing => {
            "to serve 2026-07-28 on shared processes, start the proxy with --eras both"
        }
        Rule::Sessions => "raise the limit with --max-sessions",
        Rule::Memory => "raise the limit with --max-memory",
        Rule::Message => "raise the limit with --max-message",
        Rule::Request => "raise the limit with --request-timeout",
        Rule::Start => "--prewarm starts servers ahead of clients",
        Rule::Sleep => "--sleep sets the time",
        Rule::Expiry => "--session-expiry sets the time",
        _ => return None,
    })
}

/// All of them, for [`Config::remedies`](mcp_bridge::Config).
pub(crate) fn all() -> Vec<(Rule, Cow<'static, str>)> {
    Rule::ALL.into_iter().filter_map(|rule| Some((rule, flag(rule)?.into()))).collect()
}
