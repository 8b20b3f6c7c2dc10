//! Why a session can't be restored.

use core::fmt;

/// Why [`Bridge::restore`](crate::Bridge::restore) makes no session of a record.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Instant, RestoreError};
/// use std::time::Duration;
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let restored = bridge.restore(b"torn", Duration::ZERO, Instant::default());
/// assert_eq!(restored, Err(RestoreError::Malformed));
/// assert_eq!(RestoreError::Malformed.to_string(), "the record is cut short or no session's");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is not what [`Output::Save`](crate::Output::Save) gave.
    Malformed,
    /// It is of another format: a later version of the engine wrote it.
    Format,
    /// No current server is at its path.
    Server,
    /// It slept for longer than [`Config::expiry`](crate::Config::expiry).
    Expired,
    /// As many sessions sleep as may: see [`Config::asleep`](crate::Config::asleep).
    Full,
    /// There is a session with its id.
    InUse,
    /// [`Config::restart`](crate::Config::restart) is false: no session could wake.
    Never,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the record is cut short or no session's",
            Self::Format => "a later version wrote the record",
            Self::Server => "no server is at the path of the session",
            Self::Expired => "the session has expired",
            Self::Full => "the limit of sleeping sessions is reached",
            Self::InUse => "another session has the same id",
            Self::Never => "sessions are not restarted",
        })
    }
}

impl core::error::Error for RestoreError {}
