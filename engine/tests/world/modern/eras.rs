//! Laws of the policy: which eras clients may use, who is refused for its era, and what that costs.

use super::super::World;
use super::super::law::{Broken, Judged, Law, require};
use super::super::setup::Command;
use super::KIND;

use mcp_bridge::{Eras, Instant};

/// The JSON-RPC error of a refusal for the era.
const REFUSAL: &[u8] = b"-32600";

impl World<'_> {
    /// Whether the policy lets requests of 2026-07-28 go on to children of the session era.
    pub(in super::super) fn shares(&self) -> bool {
        matches!(self.config.eras, Eras::Both | Eras::Modern)
    }

    /// A child of the session era that was asked for its era, and waits for a session.
    pub(in super::super) fn is_spare(&self, child: usize) -> bool {
        let (known, desk) = (&self.children[child], &self.modern.desks[child]);
        let waits = desk.shared && desk.denied && !self.shares();
        waits && !known.gone && !known.is_leaving()
    }

    /// Whether a spare is surely there for the `initialize` that comes next.
    pub(in super::super) fn has_spare(&self) -> bool {
        self.is_first()
            && self.shutdowns == 0
            && (0..self.children.len()).any(|child| {
                let until = self.modern.desks[child].spare_since.after(self.config.fallback);
                let doomed = self.modern.desks[child].doomed;
                self.is_spare(child) && !doomed && until > self.clock()
            })
    }

    /// A process waits for a session for its time, unless others need its place.
    pub(in super::super) fn judge_spare_end(&self, child: usize) -> Judged {
        let (process, desk) = (self.children[child].id, &self.modern.desks[child]);
        let early = desk.spare_since.after(self.config.fallback) > self.seen;
        let early = early && self.is_spare(child) && !desk.doomed && self.shutdowns == 0;
        let all = self.children.iter().zip(&self.modern.desks);
        let pool = all.filter(|(child, desk)| desk.shared && !child.gone && !child.is_leaving());
        // What it was asked is open again, if a session was declined since.
        let unsure = pool.count() >= self.config.pool || !self.modern.denied;
        require!(Fallback, !early || unsure, "{process} is told to go before a session comes");
        Ok(())
    }

    /// The process of a session is the one that was asked for its era, if one waited.
    pub(in super::super) fn judge_start(&mut self, child: usize, session: usize) -> Judged {
        let process = self.children[child].id;
        let lets = self.config.eras != Eras::Modern;
        require!(Eras, lets, "{process} is started for a session");
        let asked = self.modern.desks[child].denied;
        let owed = self.sessions[session].spare;
        require!(
            Fallback,
            asked || !owed,
            "{process} is started, though another waits for a session"
        );
        self.counts.modern.fallbacks += usize::from(asked);
        self.modern.desks[child].shared = false;
        Ok(())
    }

    /// A child is asked for its era for requests of 2026-07-28.
    pub(super) fn judge_probe(&self, child: usize) -> Judged {
        let process = self.children[child].id;
        let lets = self.config.eras != Eras::Sessions || self.may_be_a_sessions(child);
        require!(Eras, lets, "{process} is asked for 2026-07-28, which no client may use");
        let known = self.modern.denied && !self.shares() && self.is_only();
        let known = known && !self.may_be_a_sessions(child);
        require!(Fallback, !known, "{process} is started to refuse what is known");
        Ok(())
    }

    /// A client is refused for its era: true if it is, and may be.
    pub(super) fn is_refused(
        &self,
        number: usize,
        code: &[u8],
        status: Option<u16>,
    ) -> Result<bool, Broken> {
        if code != REFUSAL {
            return Ok(false);
        }
        require!(Eras, status == Some(400), "{number}: refused for its era with {status:?}");
        let may = match self.config.eras {
            Eras::Sessions => true,
            Eras::Modern | Eras::Both => false,
            Eras::Auto => self.may_be_of_sessions(),
        };
        require!(Eras, may, "{number}: refused, though the server speaks its era");
        Ok(true)
    }

    /// Whether a message of 2026-07-28 may be refused for its era before anything else is judged.
    pub(in super::super) fn may_refuse_for_era(&self, why: &str) -> bool {
        why == KIND && matches!(self.config.eras, Eras::Sessions | Eras::Auto)
    }

    /// No child has told that it speaks 2026-07-28, and one that was asked did not.
    fn may_be_of_sessions(&self) -> bool {
        let told = |child: &usize| {
            let desk = &self.modern.desks[*child];
            desk.shared && desk.was_ready && !desk.session_era
        };
        let all = || 0..self.children.len();
        let failed = |child: usize| {
            let (known, desk) = (&self.children[child], &self.modern.desks[child]);
            let ended = known.gone || known.out_closed || known.is_leaving() || desk.doomed;
            desk.probed && (desk.denied || ended || !desk.was_ready && self.swarm.sleepy)
                || desk.probed && desk.began.after(self.config.probe) <= self.clock()
        };
        let speaks = self.swarm.command != Command::Session && all().any(|child| told(&child));
        !speaks && all().any(failed)
    }

    /// A session was declined: what was known of the server's era may be taken back.
    pub(in super::super) fn declined(&mut self, session: usize) {
        self.sessions[session].over = true;
        self.modern.denied = false;
    }

    /// What was learned since the last look, and who waits for a session.
    pub(super) fn note_eras(&mut self) {
        let seen = self.seen;
        let opened = self.sessions.iter().any(|session| session.open);
        let declined =
            (0..self.sessions.len()).any(|session| self.is_declined(self.sessions[session].call));
        for desk in &mut self.modern.desks {
            if desk.denied && desk.spare_since == Instant::default() {
                desk.spare_since = seen;
                // A declined `initialize` may take it back.
                self.modern.denied = !declined || opened;
            }
        }
        self.modern.denied &= !declined || opened;
    }

    /// Nobody waits for a session for longer than `Config` says.
    pub(in super::super) fn judge_spares(&self) -> Judged {
        for child in (0..self.children.len()).filter(|child| self.is_spare(*child)) {
            let (process, since) = (self.children[child].id, self.modern.desks[child].spare_since);
            let noted = since != Instant::default();
            let late = noted && since.after(self.config.fallback) <= self.seen;
            require!(NoOrphan, !late, "{process} waits for a session since {since}");
        }
        Ok(())
    }
}
