//! What becomes of exchanges: each event goes to the session or worker whose stream the exchange
//! carries, or to the response that is on its way.

use super::{Bridge, Seat};
use crate::api::handles::{ChildId, Exchange, SessionNumber};
use crate::context::Context;
use crate::context::ids::StreamId;
use crate::stream::set::Streams;

impl Bridge {
    pub(super) fn carried(&self, exchange: Exchange) -> Option<(ChildId, StreamId)> {
        self.cx.responses.carrier(exchange)
    }

    pub(super) fn taken(&mut self, exchange: Exchange, bytes: usize) {
        let Some((id, number)) = self.carried(exchange) else {
            return self.cx.pay(exchange, bytes);
        };
        self.with_streams(id, |streams, cx| streams.taken(number, bytes, cx));
    }

    pub(super) fn delivered(&mut self, exchange: Exchange) {
        if let Some((pipe, number)) = self.carried(exchange) {
            self.with_streams(pipe, |streams, cx| streams.delivered(number, cx));
        }
        self.cx.responses.end(exchange);
    }

    /// Works on the streams that are known under this number: those of a child's clients, or of a
    /// session that sleeps.
    #[inline]
    pub(super) fn with_streams(
        &mut self,
        pipe: ChildId,
        work: impl FnOnce(&mut Streams, &mut Context),
    ) {
        let awake = self.seats.get_mut(pipe).and_then(Seat::streams_mut);
        let streams = awake.or_else(|| {
            self.sleepers.get_mut(SessionNumber(pipe.0)).map(|asleep| &mut asleep.streams)
        });
        if let Some(streams) = streams {
            work(streams, &mut self.cx);
        }
    }

    pub(super) fn lost(&mut self, exchange: Exchange) {
        let Some((id, number)) = self.carried(exchange) else {
            self.cx.responses.end(exchange);
            return;
        };
        match self.seats.serving(id) {
            Some(front) => {
                front.lost(number, &mut self.cx);
                self.end_left(id);
            }
            None => self.with_streams(id, |streams, cx| streams.lost(number, cx)),
        }
    }

    /// Others wait for memory, or for a child, and the client of an exchange reads too slowly.
    pub(super) fn cut(&mut self, exchange: Exchange) {
        let Some((id, number)) = self.carried(exchange) else {
            return self.cx.foreclose(exchange);
        };
        match self.seats.serving(id) {
            Some(front) => {
                front.cut(number, &mut self.cx);
                self.end_left(id);
            }
            None => self.with_streams(id, |streams, cx| streams.cut(number, cx)),
        }
    }
}
