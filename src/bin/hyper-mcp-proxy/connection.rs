//! One connection: one task, one request at a time, everything under a deadline.
//!
//! A request is read through the gate and judged by its head before its content is read. While its
//! answer is awaited or streams, the socket is read on, into the gate's own buffer: that is how a
//! lost client is noticed, and what a client sends ahead is kept for its turn. All that is there to
//! be sent is sent in one call.

use std::future::poll_fn;
use std::net::TcpStream;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future::yield_now;
use http_types::Request;
use hyper_mcp_proxy::{Body, Exchange, Input, Response};
use rustix::buffer::spare_capacity;
use rustix::io::{write, writev};
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::deadlines::{Deadline, Idle};
use crate::gate::{Gate, Phase, Refusal, Step};
use crate::http::{self, Framing};
use crate::hub::{Hub, SCRATCH};
use crate::mailbox::{End, Mailbox};
use crate::outgoing::Outgoing;
use crate::reactor::Source;

/// Between requests. Longer than the pauses of a chatting client, shorter than for ever.
const IDLE: Duration = Duration::from_secs(60);
/// From the first byte of a head to its last. A head is small; slower is an attack.
const HEAD: Duration = Duration::from_secs(10);
/// From the head to the last byte of the content.
const CONTENT: Duration = Duration::from_secs(30);
/// Without progress while sending.
const STALL: Duration = Duration::from_secs(30);
/// After a refusal, for the client to read it: closing at once, with bytes of the client unread,
/// would make its system throw the answer away.
const LINGER: Duration = Duration::from_millis(500);
/// What is read and dropped meanwhile: twice the default limit of a message, because many clients
/// read nothing before they have sent all.
const LINGER_BYTES: usize = 32 * 1024 * 1024;
/// From the end of a client's bytes to the question whether it still reads: most answers come
/// within it, and clients that close half a connection are simple ones, best not asked.
const HALF: Duration = Duration::from_millis(30);
/// Reads in a row before others have their turn.
const READS: usize = 16;
/// An interim response says nothing to a client that still reads, and breaks the connection of one
/// that doesn't.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Content of a refused request that is read so that the connection can go on.
const DISCARD: usize = 64 * 1024;
/// What a client may send ahead. Above it, its loss is noticed only when sending.
const AHEAD: usize = 64 * 1024;
/// The least room for content to be read into without a copy.
const DIRECT: usize = 4096;

/// Why the connection does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// There is nobody to tell anything.
    Close,
    /// The answer is sent; leave the client the time to read it.
    Linger,
    /// The client has to be told this first.
    Refuse(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// What the wait for the engine's answer ended with.
enum Said {
    Response(Response),
    More,
}

struct Connection {
    hub: Rc<Hub>,
    socket: Source<TcpStream>,
    gate: Gate,
    deadline: Deadline,
    mailbox: Rc<Mailbox>,
    out: Outgoing,
    phase: Option<Phase>,
    idle: Idle,
    /// The head of the request whose content is being read.
    request: Option<Box<Request>>,
    /// What it will be answered without the engine.
    refused: Option<Box<Response>>,
    exchange: Option<Exchange>,
    /// The client sends no more, but may still read.
    half_closed: bool,
    /// Whether an interim response may be sent to learn if it does.
    may_probe: bool,
    reads: usize,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(hub: Rc<Hub>, socket: Source<TcpStream>) {
    let mut connection = Connection {
        gate: Gate::new(hub.head_limit),
        deadline: Deadline::new(&hub.deadlines),
        mailbox: Rc::default(),
        hub,
        socket,
        out: Outgoing::default(),
        phase: None,
        idle: Idle::New,
        request: None,
        refused: None,
        exchange: None,
        half_closed: false,
        may_probe: false,
        reads: 0,
    };
    let stop = loop {
        if let Err(stop) = connection.turn().await {
            break stop;
        }
    };
    connection.stop(stop).await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.lose();
        self.hub.connections.set(self.hub.connections.get() - 1);
        self.hub.closed.wake();
    }
}

impl Connection {
    /// One request and its answer.
    async fn turn(&mut self) -> Result<(), Stop> {
        self.read_request().await?;
        self.idle = Idle::Used;
        self.deadline.clear();
        let Some(request) = self.request.take() else { return Err(Stop::Close) };
        let is_head = self.gate.method() == "HEAD";
        let is_old = self.gate.is_old();
        let keep_alive = self.gate.keeps_alive() && !self.hub.is_draining();
        if let Some(response) = self.refused.take() {
            self.gate.release();
            self.send_whole(*response, is_head, keep_alive).await?;
            return keep_or_stop(keep_alive);
        }
        let exchange = http::with_head(&request, &self.gate, |head| {
            self.hub.request(&self.mailbox, head, self.gate.content())
        });
        drop(request);
        self.exchange = Some(exchange);
        self.gate.release();
        let answered = self.answer(is_head, is_old, keep_alive).await;
        self.lose();
        self.mailbox.reset();
        answered?;
        keep_or_stop(keep_alive && !(self.half_closed && self.gate.held() == 0))
    }

    /// The exchange is over for this side, whatever the engine thinks.
    fn lose(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.hub.lose(exchange);
        }
    }

    async fn read_request(&mut self) -> Result<(), Stop> {
        self.phase = None;
        loop {
            match self.gate.poll()? {
                Step::More(phase) => {
                    self.begin(phase);
                    self.read_some().await?;
                }
                Step::Head => self.judge().await?,
                Step::Continue => {
                    self.out.frame(INTERIM);
                    self.send().await?;
                    self.phase = None;
                }
                Step::Whole => return Ok(()),
            }
        }
    }

    /// Sets the deadline of a phase when it begins.
    fn begin(&mut self, phase: Phase) {
        if self.phase.replace(phase) == Some(phase) {
            return;
        }
        let now = self.hub.now();
        match phase {
            // Somebody waits for the place.
            Phase::Idle if self.hub.crowded.get() => self.deadline.set_idle(now, self.idle),
            Phase::Idle => self.deadline.set_idle(now.after(IDLE), self.idle),
            Phase::Head => self.deadline.set(now.after(HEAD)),
            Phase::Content => self.deadline.set(now.after(CONTENT)),
        }
    }

    /// Shows the head to the engine, and decides what becomes of the content.
    async fn judge(&mut self) -> Result<(), Stop> {
        let request = http::decode(&self.gate).ok_or(Refusal::new(400, "the head is malformed"))?;
        let verdict = http::with_head(&request, &self.gate, |head| self.hub.admit(head));
        match verdict {
            Ok(limit) => self.gate.admit(limit)?,
            Err(response) => {
                let length = self.gate.declared().filter(|_| !self.gate.expects_continue());
                if length.is_none_or(|length| length > DISCARD as u64) && length != Some(0) {
                    let is_head = self.gate.method() == "HEAD";
                    self.send_whole(response, is_head, false).await?;
                    return Err(Stop::Linger);
                }
                self.gate.admit(DISCARD)?;
                self.refused = Some(Box::new(response));
            }
        }
        self.request = Some(request);
        Ok(())
    }

    /// Waits for bytes and takes them.
    async fn read_some(&mut self) -> Result<(), Stop> {
        self.reads += 1;
        if self.reads.is_multiple_of(READS) {
            yield_now().await;
        }
        poll_fn(|cx| match self.poll_read(cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(match self.gate.end() {
                Ok(()) => Err(Stop::Close),
                Err(refusal) => Err(Stop::Refuse(refusal)),
            }),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::Close)),
            Poll::Pending => self.deadline.poll(cx).map(|()| Err(self.too_slow())),
        })
        .await
    }

    fn too_slow(&self) -> Stop {
        match self.phase {
            Some(Phase::Head) => Refusal::new(408, "the head took too long").into(),
            Some(Phase::Content) => Refusal::new(408, "the content took too long").into(),
            _ => Stop::Close,
        }
    }

    /// Reads once: how many bytes came.
    fn poll_read(&mut self, cx: &Context<'_>) -> Poll<rustix::io::Result<usize>> {
        if let Some((buffer, missing)) = self.gate.content_room()
            && missing >= DIRECT
        {
            // Room for as much as came already, so that a claimed length alone reserves nothing.
            buffer.reserve(missing.min(buffer.len().max(SCRATCH)));
            let room = buffer.capacity() - buffer.len();
            let op = |fd: &TcpStream| recv(fd, spare_capacity(buffer), RecvFlags::empty());
            return self.socket.poll_read(cx, op).map_ok(|(count, _)| {
                if count < room {
                    self.socket.drained();
                }
                count
            });
        }
        let mut scratch = self.hub.scratch.borrow_mut();
        let op = |fd: &TcpStream| recv(fd, &mut scratch[..], RecvFlags::empty());
        self.socket.poll_read(cx, op).map_ok(|(count, _)| {
            if count < SCRATCH {
                self.socket.drained();
            }
            self.gate.feed(&scratch[..count]);
            count
        })
    }

    /// Sends what the engine says on the exchange, to its end.
    async fn answer(&mut self, is_head: bool, is_old: bool, keep_alive: bool) -> Result<(), Stop> {
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
        self.out.frame(&http::encode(&response, framing, keep_alive));
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

    /// Puts all that there is of the stream into one chunk; tells whether it ended.
    fn gather(&mut self, framing: Framing) -> Option<End> {
        let mut pieces = Vec::new();
        while let Some(piece) = self.mailbox.take_send() {
            pieces.push(piece);
        }
        let size = pieces.iter().map(Vec::len).sum();
        let is_chunked = framing == Framing::Chunked;
        if size > 0 && is_chunked {
            self.out.frame(http::chunk_size(size).as_bytes());
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

    /// Waits for the engine to say something, or for the client to leave.
    async fn said(&mut self) -> Result<Said, Stop> {
        poll_fn(|cx| {
            if let Some(response) = self.mailbox.take_response() {
                return Poll::Ready(Ok(Said::Response(response)));
            }
            if self.mailbox.has_more() {
                return Poll::Ready(Ok(Said::More));
            }
            self.mailbox.waker.register(cx);
            self.poll_loss(cx).map(|()| Err(Stop::Close))
        })
        .await
    }

    /// Waits for the client to leave, and keeps what it sends instead.
    ///
    /// The end of its bytes is either that or half of it: some clients close their sending side
    /// once they have asked. While no answer has begun, an interim response finds out; later, and
    /// to HTTP/1.0, it counts as the client's leave.
    fn poll_loss(&mut self, cx: &Context<'_>) -> Poll<()> {
        while !self.half_closed && self.gate.held() < AHEAD {
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

    /// Sends an interim response; nothing else waits to be sent.
    fn probe(&self, cx: &Context<'_>) -> bool {
        let sent = self.socket.poll_write(cx, |fd| write(fd, INTERIM));
        matches!(sent, Poll::Ready(Ok(count)) if count == INTERIM.len())
    }

    async fn send_whole(
        &mut self,
        response: Response,
        is_head: bool,
        keep_alive: bool,
    ) -> Result<(), Stop> {
        let content = match &response.body {
            Body::Whole(content) => content.len(),
            Body::Stream => 0,
        };
        self.out.frame(&http::encode(&response, Framing::Length(content), keep_alive));
        if let Body::Whole(content) = response.body
            && !is_head
        {
            self.out.payload(content);
        }
        self.send().await
    }

    /// Sends all that is to be sent, and tells the engine what was taken.
    async fn send(&mut self) -> Result<(), Stop> {
        let mut waits = false;
        poll_fn(|cx| {
            while !self.out.is_empty() {
                let op = |fd: &TcpStream| self.out.with_slices(|slices| writev(fd, slices));
                match self.socket.poll_write(cx, op) {
                    Poll::Ready(Ok(count)) => {
                        let bytes = self.out.advance(count);
                        if bytes > 0
                            && let Some(exchange) = self.exchange
                        {
                            self.hub.feed(Input::Taken { exchange, bytes });
                        }
                        waits = false;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Stop::Close)),
                    Poll::Pending => {
                        if !std::mem::replace(&mut waits, true) {
                            self.deadline.set(self.hub.now().after(STALL));
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
        })
        .await
    }

    async fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Close => return,
            Stop::Linger => {}
            Stop::Refuse(refusal) => {
                log::debug!(target: "http", "refused {}: {}", refusal.status, refusal.reason);
                if self.send_whole(http::refused(refusal), false, false).await.is_err() {
                    return;
                }
            }
        }
        self.linger().await;
    }

    /// Reads and drops what the client still sends, for a while.
    async fn linger(&self) {
        if self.half_closed || shutdown(self.socket.get(), Shutdown::Write).is_err() {
            return;
        }
        self.deadline.set(self.hub.now().after(LINGER));
        let mut left = LINGER_BYTES;
        poll_fn(|cx| {
            let mut scratch = self.hub.scratch.borrow_mut();
            for _ in 0..READS {
                let op = |fd: &TcpStream| recv(fd, &mut scratch[..], RecvFlags::empty());
                match self.socket.poll_read(cx, op) {
                    Poll::Ready(Ok((count @ 1.., _))) if count < left => left -= count,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return self.deadline.poll(cx),
                }
            }
            cx.waker().wake_by_ref();
            self.deadline.poll(cx)
        })
        .await;
    }
}

/// Without a further request the client has all it asked for, and is told so by the end.
fn keep_or_stop(keep_alive: bool) -> Result<(), Stop> {
    if keep_alive { Ok(()) } else { Err(Stop::Linger) }
}
