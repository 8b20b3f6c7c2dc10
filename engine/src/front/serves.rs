//! What the two kinds of front do for the clients of their streams: how an exchange ends before its
//! answer, and the waits of calls.

use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::front::reads::Reads;
use crate::stream::set::Streams;

/// A front with clients of its own.
pub(crate) trait Serves: Reads {
    fn streams(&mut self) -> &mut Streams;

    /// The exchange that carried a stream was lost.
    fn lost(&mut self, number: StreamId, cx: &mut Context);

    /// A call was not answered, or a subscription not acknowledged, in time.
    fn overdue(&mut self, id: CallId, cx: &mut Context);

    /// A call that its client or its child wants to go on with later has waited long enough.
    fn pause_due(&mut self, id: CallId, cx: &mut Context);

    /// Others wait for memory, or for the child, and the client of a stream reads too slowly.
    fn cut(&mut self, number: StreamId, cx: &mut Context) {
        self.streams().cut(number, cx);
        self.lost(number, cx);
    }

    /// Handles a stream's wait when it is due. If its client stopped reading, and so `holds` others
    /// up, all its exchanges end: each could hold them up as long again.
    fn tick(&mut self, number: StreamId, holds: bool, cx: &mut Context) {
        if self.streams().tick(number, cx) {
            return;
        }
        self.lost(number, cx);
        if holds {
            self.streams().cut_posts(cx);
        }
    }
}
