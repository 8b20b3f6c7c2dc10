//! The end of a case: everybody leaves in the way that the case chose, time passes, and then
//! nothing may be left of anything.

use core::time::Duration;

use super::World;
use super::law::{Broken, Judged, Law, require};
use super::model::Pace;
use super::setup::End;

/// Rounds of the end: each makes time pass to the next deadline.
const ROUNDS: usize = 3000;
/// Longer than every wait of every case, one after the other.
const ENOUGH: Duration = Duration::from_secs(2000);

impl World<'_> {
    pub(super) fn wind_down(&mut self) -> Judged {
        let end = self.swarm.end;
        self.note(|| format!("   winding down: {end:?}"));
        self.oblige()?;
        self.report_all()?;
        match end {
            End::Leave => self.lose_all()?,
            End::Delete => {
                self.lose_modern()?;
                for session in 0..self.sessions.len() {
                    if self.sessions[session].id.is_some() && !self.sessions[session].over {
                        self.delete_session(session)?;
                        self.drain()?;
                        self.require_deleted(session)?;
                    }
                }
            }
            End::Drain => self.end_program()?,
            End::AtOnce => {
                self.end_program()?;
                self.drain()?;
                self.end_program()?;
            }
        }
        self.drain()?;
        self.until_empty()?;
        self.hard.end(&mut self.subject)?;
        self.ask_the_dead()
    }

    fn lose_all(&mut self) -> Judged {
        for number in 0..self.exchanges.len() {
            if self.exchanges[number].is_live() || self.exchanges[number].lingers() {
                self.lose(number)?;
            }
        }
        Ok(())
    }

    /// What is no session's can't be deleted: its clients leave.
    fn lose_modern(&mut self) -> Judged {
        for number in self.open.clone() {
            let modern = self.turn_of(number).is_some() || self.listening_of(number).is_some();
            if modern && self.exchanges[number].is_live() {
                self.lose(number)?;
            }
        }
        Ok(())
    }

    /// After a DELETE the child is told to go at once.
    fn require_deleted(&self, session: usize) -> Judged {
        let over = self.sessions[session].over || self.shutdowns > 0;
        require!(NoOrphan, over, "session {session} was deleted, but its child stays");
        Ok(())
    }

    /// Whether there was anything to report.
    fn report_all(&mut self) -> Result<bool, Broken> {
        let mut reported = false;
        for child in 0..self.children.len() {
            while self.report_of(child)? {
                reported = true;
                self.drain()?;
            }
        }
        self.oblige()?;
        Ok(reported)
    }

    /// What was finished is taken at last, or the driver gives it up.
    fn settle_debts(&mut self) -> Judged {
        for number in self.open.clone() {
            let exchange = &self.exchanges[number];
            if exchange.is_live() || !exchange.lingers() {
                continue;
            }
            if exchange.pace == Pace::Never {
                self.lose(number)?;
            } else {
                self.take(number, usize::MAX)?;
            }
        }
        self.drain()
    }

    fn until_empty(&mut self) -> Judged {
        let (middle, end) = (self.clock().after(ENOUGH / 2), self.clock().after(ENOUGH));
        for round in 0..ROUNDS {
            self.settle_debts()?;
            // What was taken may have made room for what a child wrote last.
            let reported = self.report_all()?;
            let due = self.subject.poll_timeout();
            // What sleepers keep of the memory is never given back while they may stay. While it is
            // short, a child is looked at again and again.
            let late = due.is_some_and(|due| due > middle);
            let stays = self.pressed && self.shutdowns == 0 && late;
            if let Some(due) = due.filter(|_| round != ROUNDS / 2 && !stays) {
                require!(Empty, due <= end, "still not empty at {end}, due {due}");
                self.now = self.now.max(due);
                self.tick()?;
                self.drain()?;
            } else if self.subject.is_idle() || self.shutdowns > 1 && !reported {
                return Ok(());
            } else if !reported {
                // Sessions that never are idle enough, or calls that nobody answers.
                self.end_program()?;
                self.drain()?;
            }
        }
        require!(Empty, false, "not empty after {ROUNDS} deadlines");
        Ok(())
    }

    /// Sessions that are over stay so.
    fn ask_the_dead(&mut self) -> Judged {
        let over = (0..self.sessions.len()).rev().filter(|session| {
            self.sessions[*session].id.is_some() && self.sessions[*session].over_settled
        });
        for session in over.take(2).collect::<Vec<_>>() {
            self.call_of(session)?;
            self.drain()?;
        }
        self.settle_debts()?;
        self.hard.end(&mut self.subject)
    }
}
