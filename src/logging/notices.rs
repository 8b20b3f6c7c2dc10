//! What the engine notices, in the log.

use mcp_bridge::{Level, Notice};

/// Logs a notice at its level.
pub(crate) fn tell(notice: &Notice) {
    let level = match notice.level() {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    log::log!(target: "session", level, "{notice}");
    if let Notice::Noise { child: id, line, .. } = notice {
        // It may be an answer that was cut: only who asks for it sees it.
        log::trace!(target: "child", "{id}: not an MCP message: {line}");
    }
}
