//! Which children are read. A child is paused while a client that receives its messages is behind,
//! or while memory has no room for what it would write.
//!
//! Whether a child is read changes with the streams to its clients, which report that they are
//! behind, and with the memory of all. So only the children concerned are visited after an input.

use core::mem;

use super::pressure::PATIENCE;
use super::{Bridge, Seat};
use crate::api::event::Notice;
use crate::api::handles::ChildId;
use crate::api::io::Output;
use crate::child::{Child, Stage};
use crate::stream::set::{Behind, Streams};

/// Bytes of a paused child that a driver may still pass on: what it has read already, and what a
/// pipe holds (1 MiB at most for a process without privileges on Linux) when its child has ended.
const LATE: usize = 2 * 1024 * 1024;

/// What of the state of the memory matters to all children.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pressure {
    tight: bool,
    full: bool,
    leader: Option<ChildId>,
}

impl Pressure {
    pub(super) const fn is_tight(&self) -> bool {
        self.tight
    }
}

impl Bridge {
    /// Pauses and resumes children as it follows from the last input.
    pub(super) fn pace(&mut self) {
        self.apply_reports();
        let pressure = self.pressure_now();
        if mem::replace(&mut self.pressure, pressure) != self.pressure {
            self.behind = self.seats.children().map(|child| child.id).collect();
        }
        if self.paused.is_empty() && self.behind.is_empty() {
            return;
        }
        for id in mem::take(&mut self.paused) {
            match self.reads(id) {
                false => self.paused.push(id),
                true => self.resume(id),
            }
        }
        for id in mem::take(&mut self.behind) {
            // Of a guest, the process is paused.
            let id = self.seats.child(id).map_or(id, Child::process);
            if !self.reads(id) {
                self.pause(id);
            }
        }
    }

    fn pressure_now(&self) -> Pressure {
        let budget = &self.cx.budget;
        let tight = budget.is_tight();
        Pressure { tight, full: tight && budget.is_full(), leader: self.leader() }
    }

    /// Whether this child is to be read now.
    pub(super) fn reads(&self, id: ChildId) -> bool {
        let queue = self.cx.config.queue;
        let reads = match self.seats.get(id) {
            Some(Seat::Session(session)) => session.streams.wants(queue),
            Some(Seat::Shared(worker)) => worker.wants(queue),
            Some(Seat::Host(host)) => {
                let queue = host.queue(queue);
                let mut guests = host.guests().filter_map(|guest| self.seats.get(guest));
                guests.all(|seat| seat.streams().is_none_or(|streams| streams.wants(queue)))
            }
            Some(Seat::Prewarmed(_) | Seat::Leaving(_)) => true,
            None => return true,
        };
        reads && self.has_room_to_read(id)
    }

    /// Whether other sessions wait because the client of this one is behind.
    pub(super) fn holds_up(&self, id: ChildId) -> bool {
        let Some(Seat::Session(session)) = self.seats.get(id) else { return false };
        let host = session.child.host().and_then(|host| self.seats.host(host));
        host.is_some_and(|host| {
            host.guest_count() > 1 && !session.streams.wants(host.queue(self.cx.config.queue))
        })
    }

    /// A shared process was not read for `stall`. While others wait for it, the reader that is
    /// behind for longest loses its exchange, and a session those of all its requests.
    pub(super) fn hold_due(&mut self, id: ChildId) {
        let holder = self.holder(id);
        let Some(child) = self.seats.child_mut(id) else { return };
        let wait = if holder.is_some() { PATIENCE } else { self.cx.config.stall };
        child.renew_hold(wait, &mut self.cx);
        let Some((owner, behind)) = holder else { return };
        self.cut(behind.exchange);
        if owner != id {
            self.with_streams(owner, Streams::cut_posts);
        }
    }

    /// The reader that keeps others of a shared process waiting for longest, and whose it is: a
    /// session's, or the process's own.
    fn holder(&self, id: ChildId) -> Option<(ChildId, Behind)> {
        let queue = self.cx.config.queue;
        match self.seats.get(id)? {
            Seat::Shared(worker) => Some((id, worker.holder(queue)?)),
            Seat::Host(host) => {
                let queue = host.queue(queue);
                let waits = |guest: &ChildId| host.keeps_waiting(*guest);
                let streams = host.guests().filter(waits).filter_map(|guest| {
                    let streams = self.seats.get(guest)?.streams()?;
                    Some((guest, streams.farthest_behind(queue)?))
                });
                streams.min_by_key(|(_, behind)| behind.since)
            }
            Seat::Session(_) | Seat::Prewarmed(_) | Seat::Leaving(_) => None,
        }
    }

    fn pause(&mut self, id: ChildId) {
        let is_shared = matches!(self.seats.get(id), Some(Seat::Shared(_) | Seat::Host(_)));
        let Some(child) = self.seats.child_mut(id) else { return };
        if child.stage == Stage::Queued || child.paused.is_some() {
            return;
        }
        child.paused = Some(0);
        self.paused.push(id);
        self.cx.push(Output::Pause { child: id });
        if is_shared {
            child.begin_hold(&mut self.cx);
        }
    }

    fn resume(&mut self, id: ChildId) {
        if let Some(child) = self.seats.child_mut(id) {
            child.paused = None;
            self.cx.push(Output::Resume { child: id });
            child.end_hold(&mut self.cx);
            child.wait_rest(&mut self.cx);
        }
    }

    /// Counts bytes read of a paused child. A driver that goes on reading is reported, once for
    /// each pause. Returns false if there is no memory left for what such a driver reads.
    pub(super) fn may_read(&mut self, id: ChildId, bytes: usize) -> bool {
        let (tight, full) = (self.cx.budget.is_tight(), self.cx.budget.is_full());
        let Some(child) = self.seats.child_mut(id) else { return true };
        if tight {
            self.behind.push(id);
        }
        let Some(late) = &mut child.paused else { return true };
        let before = mem::replace(late, late.saturating_add(bytes));
        let misused = *late > LATE;
        if before <= LATE && misused {
            self.cx.notice(Notice::Misuse { rule: "a paused child is not read until it resumes" });
        }
        !(misused && full)
    }
}
