//! A time in which nobody does anything.

use core::time::Duration;

use super::super::law::{Broken, Judged, Law, require};
use super::Rough;

/// Wakes without an effect in a row, for each peer: a wait that moves often is looked at again when
/// it is due.
const VAIN: usize = 4;
/// With more peers than this, the rest takes long.
const CROWD: usize = 24;
/// A wait longer than this is none that anybody sees.
const LONG: Duration = Duration::from_secs(300 * 24 * 60 * 60);

impl Rough<'_> {
    /// Nobody does anything: the engine wakes for what has an effect. Who is not idle is looked at
    /// again once in each idle time.
    pub(super) fn rest(&mut self) -> Judged {
        let peers = 1 + self.clients.len() + self.processes.len() + self.sessions.len();
        let (most, mut vain, mut since) = (VAIN * peers, 0, self.now);
        for _ in 0..if peers > CROWD { 0 } else { 2 * most } {
            let Some(due) = self.subject.poll_timeout() else { return Ok(()) };
            if due.since(self.now) > LONG {
                return Ok(());
            }
            self.until_due();
            self.drain()?;
            let looks = self.idle.is_some_and(|idle| since.after(idle) <= self.now);
            if looks || self.hard.has_stirred() {
                (vain, since) = (0, self.now);
            } else {
                vain += 1;
            }
            require!(NoSpin, vain <= most, "{vain} wakes for nothing, the last at {due}");
        }
        Ok(())
    }
}
