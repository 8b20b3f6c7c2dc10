//! Sending a response: the outputs of the engine, as they come, while the client is connected.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mcp_bridge::{Body, Input, Response};

use super::{Connection, INTERIM, Stop};
use crate::http::heads::{self, Framing};
use crate::http::mailbox::End;
use crate::limits::deadlines::Wait;
use crate::os::sys::{OwnedFd, write, writev};
use crate::reactor::turns;

/// Longest time without progress while sending.
const STALL: Duration = Duration::from_secs(30);
/// From the end of a client's bytes to the probe whether it still reads. Most answers come within
/// this time, and clients that close half a connection are simple ones, which an interim response
/// may confuse.
const HALF: Duration = Duration::from_millis(30);
/// Bytes that a client may send ahead while memory lasts. Above this, its loss is noticed only when
/// sending.
const AHEAD: usize = 64 * 1024;

/// The result of the wait for the engine's output.
enum Said {
    Response(Response),
    More,
}

impl Connection {
    /// Sends the engine's response on the exchange, to its end.
    pub(super) async fn answer(
        &mut self,
        is_head: bool,
        is_old: bool,
        keep_alive: bool,
    ) -> Result<(), Stop> {
        self.may_probe = !is_old;
        let said = self.said().await;
        self.may_probe = false;
        self.deadline.clear();
        let response = match said? {
            Said::Response(response) => response,
            Said::More => return Err(Stop::Close),
        };
        if matches!(response.body, Body::Whole(_)) {
            return self.send_whole(response, is_head, keep_alive).await;
        }
        let framing = if is_old { Framing::Close } else { Framing::Chunked };
        self.head(&response, framing, keep_alive);
        if is_head {
            return self.send().await;
        }
        loop {
            let end = self.gather(framing);
            self.send().await?;
            match end {
                None => match self.said().await? {
                    Said::More => {}
                    Said::Response(_) => return Err(Stop::Close),
                },
                Some(End::Finished) => return Ok(()),
                Some(End::Aborted) => return Err(Stop::Close),
            }
        }
    }

    /// Joins all available pieces of the stream into one chunk. Returns how the stream ended, if it
    /// did.
    fn gather(&mut self, framing: Framing) -> Option<End> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.mailbox.take_send() {
            if let Some(entry) = &mut self.entry {
                entry.piece(&piece);
            }
            pieces.push(piece);
        }
        let size = pieces.iter().map(Vec::len).sum();
        let is_chunked = framing == Framing::Chunked;
        if size > 0 && is_chunked {
            self.out.frame(heads::chunk_size(size).as_bytes());
        }
        for piece in pieces {
            self.out.payload(piece);
        }
        if size > 0 && is_chunked {
            self.out.frame(b"\r\n");
        }
        let end = self.mailbox.end_of_stream();
        if end == Some(End::Finished) && is_chunked {
            self.out.frame(b"0\r\n\r\n");
        }
        end
    }

    /// Waits for output of the engine, or for the loss of the client.
    async fn said(&mut self) -> Result<Said, Stop> {
        poll_fn(|cx| {
            if let Some(response) = self.mailbox.take_response() {
                return Poll::Ready(Ok(Said::Response(response)));
            }
            if self.mailbox.has_more() {
                return Poll::Ready(Ok(Said::More));
            }
            self.mailbox.waker.register(cx);
            let lost = self.poll_loss(cx);
            if lost.is_pending() {
                self.turn.rest();
            }
            lost.map(|()| Err(Stop::Close))
        })
        .await
    }

    /// Waits for the loss of the client, and keeps the bytes that it sends meanwhile.
    ///
    /// The end of its bytes can also be a half-close: some clients close their sending side after
    /// the request. Before the answer has begun, an interim response finds out; later, and with
    /// HTTP/1.0, the end counts as the loss of the client.
    fn poll_loss(&mut self, cx: &Context<'_>) -> Poll<()> {
        while !self.half_closed && self.gate.held() < AHEAD && self.hold() {
            ready!(self.turn.poll(cx));
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) if self.may_probe => {
                    self.half_closed = true;
                    self.deadline.set(self.hub.now().after(HALF));
                }
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        if self.half_closed && self.may_probe && self.deadline.poll(cx).is_ready() {
            self.may_probe = false;
            if !self.probe(cx) {
                return Poll::Ready(());
            }
        }
        self.socket.poll_broken(cx)
    }

    /// Sends an interim response. Nothing else is waiting to be sent.
    fn probe(&self, cx: &Context<'_>) -> bool {
        let sent = self.socket.poll_write(cx, |fd| write(fd, INTERIM));
        matches!(sent, Poll::Ready(Ok(count)) if count == INTERIM.len())
    }

    /// Queues the head of a response.
    fn head(&mut self, response: &Response, framing: Framing, keep_alive: bool) {
        if let Some(entry) = &mut self.entry {
            entry.respond(response);
            let id = response.fields.iter().find(|(name, _)| *name == "mcp-session-id");
            let named = id.and_then(|(_, id)| self.hub.session_number(id));
            let carried =
                || self.exchange.and_then(|exchange| self.hub.session_carried_by(exchange));
            entry.session(named.or_else(carried));
        }
        let head = self.hub.heads.borrow_mut().encode(response, framing, keep_alive);
        self.out.head(head);
    }

    pub(super) async fn send_whole(
        &mut self,
        response: Response,
        is_head: bool,
        keep_alive: bool,
    ) -> Result<(), Stop> {
        let content = match &response.body {
            Body::Whole(content) => content.len(),
            Body::Stream => 0,
        };
        self.head(&response, Framing::Length(content), keep_alive);
        if let Body::Whole(content) = response.body
            && !is_head
        {
            self.out.payload(content);
        }
        self.send().await
    }

    /// Sends all queued bytes, and reports the bytes written to the engine.
    pub(super) async fn send(&mut self) -> Result<(), Stop> {
        let (since, mut sent, mut waits, mut waited) = (self.hub.now(), 0, false, false);
        let all = poll_fn(|cx| {
            while !self.out.is_empty() {
                ready!(self.turn.poll(cx));
                let op = |fd: &OwnedFd| self.out.with_slices(|slices| writev(fd, slices));
                match self.socket.poll_write(cx, op) {
                    Poll::Ready(Ok(count)) => {
                        self.turn.spend(turns::units(count));
                        sent += count;
                        let bytes = self.out.advance(count);
                        // A complete response is delivered in a moment.
                        let is_last = self.out.is_empty() && self.mailbox.is_whole();
                        if bytes > 0
                            && !is_last
                            && let Some(exchange) = self.exchange
                        {
                            self.hub.feed(Input::Taken { exchange, bytes });
                        }
                        waits = false;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Stop::Close)),
                    Poll::Pending => {
                        self.turn.rest();
                        if !std::mem::replace(&mut waits, true) {
                            let now = self.hub.now();
                            self.deadline.set_wait(now.after(STALL), Wait::Rest, since, 0);
                            self.deadline.moved(sent, now);
                            waited = true;
                        }
                        if self.mailbox.is_aborted() {
                            return Poll::Ready(Err(Stop::Close));
                        }
                        self.mailbox.waker.register(cx);
                        return self.deadline.poll(cx).map(|()| Err(Stop::Close));
                    }
                }
            }
            Poll::Ready(Ok(()))
        });
        let all = all.await;
        if waited {
            self.deadline.clear();
        }
        all
    }
}
