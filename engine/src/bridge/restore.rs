//! Sessions of an earlier run, made again of what was kept of them.

use core::time::Duration;

use super::{Bridge, Place};
use crate::api::handles::SessionNumber;
use crate::api::instant::Instant;
use crate::api::limits;
use crate::api::restore::RestoreError;
use crate::front::session::asleep::Asleep;
use crate::front::session::record::Record;

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
    pub const RECORD: usize = limits::RECORD;

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
        record: &[u8],
        age: Duration,
        now: Instant,
    ) -> Result<SessionNumber, RestoreError> {
        self.cx.now = self.cx.now.max(now).min(Instant::END);
        if !self.cx.config.restart {
            return Err(RestoreError::Never);
        }
        if self.sleepers.exceed(self.cx.config.asleep.saturating_sub(1), self.cx.config.budget) {
            return Err(RestoreError::Full);
        }
        let record = Record::read(record, &self.cx)?;
        let server = self.servers.at(&record.path).ok_or(RestoreError::Server)?;
        if self.cx.config.expiry.is_some_and(|expiry| age >= expiry) {
            return Err(RestoreError::Expired);
        }
        let number = SessionNumber(self.fresh_child().0);
        let place = (server, self.servers.kept_path(&record.path));
        let mut asleep = Asleep::restore(record, place, (number, age), &mut self.cx);
        let id = asleep.lasting.id;
        if self.has_session(id) {
            asleep.cease(&mut self.cx);
            return Err(RestoreError::InUse);
        }
        self.ids.insert(id, Place::Asleep(number));
        self.sleepers.insert(asleep);
        Ok(number)
    }
}
