//! The members of `_meta` that MCP reserves, and what they say.

use crate::codec::object;

/// The reserved members of `params._meta`.
pub(crate) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SERVER: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// What a request says of itself (MCP 2026-07-28 "Base Protocol, `_meta`"). The session era has no
/// place for it; other names under the same prefix belong to extensions.
pub(crate) const REQUEST: [&str; 4] = [VERSION, CLIENT, CAPABILITIES, LOG_LEVEL];

/// The extension of tasks.
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Logging levels, least severe first (RFC 5424).
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How severe a log message is; larger is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogLevel(usize);

impl LogLevel {
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let name = object::string(text)?;
        LEVELS.iter().position(|level| *level == name).map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        LEVELS.get(self.0).copied().unwrap_or("emergency")
    }
}
