//! What a front does with lines of its child that are no messages. It is the same in both fronts.

use crate::api::cause::Cause;
use crate::child::Child;
use crate::child::lease::Lease;
use crate::child::odd::{self, ALIEN, Meant, Wrote};
use crate::codec::message::{self, Message};
use crate::context::Context;
use crate::context::ids::CallId;

/// A front that reads the lines of a child.
pub(crate) trait Reads {
    /// The child, and the waits of its front.
    fn child(&mut self) -> (&mut Child, &mut Lease);

    /// Whether the child has answered its start.
    fn has_started(&self) -> bool;

    /// What a malformed text of the child is meant as.
    fn meant(&mut self, text: &[u8], as_read: &message::Malformed<'_>, cx: &mut Context) -> Meant;

    /// Handles a message that was corrected. Returns the cause, if the front ends by it.
    fn corrected(&mut self, message: &Message<'_>, cx: &mut Context) -> Option<Cause>;

    /// Ends a request whose answer can't be passed on with an error that says why. Returns the
    /// cause, if the front ends by it.
    fn spoilt(&mut self, id: CallId, reason: &'static str, cx: &mut Context) -> Option<Cause>;

    /// Handles a malformed text. If the request that it answers is known, that request ends in an
    /// error.
    fn malformed(
        &mut self,
        text: &[u8],
        as_read: &message::Malformed<'_>,
        cx: &mut Context,
    ) -> Option<Cause> {
        match self.meant(text, as_read, cx) {
            Meant::Nothing => {
                let started = self.has_started();
                let (child, lease) = self.child();
                if !started && child.malformed.is_alien() {
                    lease.wait_start_no_longer(ALIEN, cx);
                }
                None
            }
            Meant::Message(line) => {
                let message = odd::parse(&line).ok()?;
                self.corrected(&message, cx)
            }
            Meant::Shown(_) if self.has_started() => None,
            Meant::Shown(id) => self.spoilt(id, Wrote::Fragment.reason(), cx),
            Meant::Spoilt(ids, reason) => {
                ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
            }
        }
    }

    /// The child has begun a line and does not end it.
    fn unended(&mut self, cx: &mut Context) -> Option<Cause> {
        let (ids, reason) = self.child().0.unended(cx)?;
        ids.into_iter().filter_map(|id| self.spoilt(id, reason, cx)).last()
    }
}
