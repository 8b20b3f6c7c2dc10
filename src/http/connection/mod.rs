//! One connection: one task, one request at a time, a deadline for every phase.
//!
//! A request is parsed by the gate, and the engine checks its head before its content is read.
//! While its answer is awaited or sent, the socket is read into the gate's buffer: this detects the
//! loss of the client, and keeps pipelined requests. Everything that is ready to be sent goes out
//! in one call.

mod answer;
mod read;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use mcp_bridge::{Admitted, Exchange, Response};
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::access::Entry;
use crate::http::heads::{self, Decoder};
use crate::http::mailbox::Mailbox;
use crate::http::send_queue::Outgoing;
use crate::hub::{Door, Hub};
use crate::limits::deadlines::{Deadline, Evicted, Wait};
use crate::limits::uploads::Share;
use crate::os::sys::OwnedFd;
use crate::reactor::Source;
use crate::reactor::turns::{self, Turn};
use hyper_mcp_gate::{Gate, Phase, Refusal};

/// Time after a refusal in which the client can read it: an immediate close, with bytes of the
/// client unread, would make its system discard the answer.
const LINGER: Duration = Duration::from_millis(500);
/// Bytes that are read and discarded meanwhile: twice the default limit of a message, because many
/// clients read nothing before they have sent everything.
const LINGER_BYTES: usize = 32 * 1024 * 1024;
/// There is no memory for the content, or a faster upload needs it.
const NO_MEMORY: Refusal = Refusal::new(503, "too many large requests at once; retry in a moment");
/// An interim response is ignored by a client that still reads, and breaks the connection of one
/// that is gone.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Close at once.
    Close,
    /// The answer is sent: leave the client time to read it.
    Linger,
    /// Send this refusal first.
    Refuse(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

impl From<Evicted> for Stop {
    fn from(why: Evicted) -> Self {
        match why {
            Evicted::Place => {
                log::debug!(target: "http", "all connections are in use: one is closed to make room for another");
                Self::Close
            }
            Evicted::Memory => Self::Refuse(NO_MEMORY),
        }
    }
}

struct Connection {
    hub: Rc<Hub>,
    door: Door,
    socket: Source<OwnedFd>,
    gate: Gate,
    deadline: Deadline,
    mailbox: Rc<Mailbox>,
    out: Outgoing,
    phase: Option<Phase>,
    /// The wait between two requests.
    idle: Wait,
    /// Decodes the head of the request whose content is being read.
    decoder: Decoder,
    /// The engine's admission of the request that is being read.
    admitted: Option<Admitted>,
    /// The response to a request that never reaches the engine.
    refused: Option<Box<Response>>,
    exchange: Option<Exchange>,
    /// The request for the access log.
    entry: Option<Box<Entry>>,
    /// The client sends no more, but may still read.
    half_closed: bool,
    /// Whether an interim response may be sent to find out if the client still reads.
    may_probe: bool,
    turn: Turn,
    /// The connection's share of the memory for contents.
    share: Share,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(hub: Rc<Hub>, socket: Source<OwnedFd>, door: Door) {
    let share = Share::new(&hub.contents);
    let mut connection = Connection {
        gate: Gate::new(hub.head_limit).keeping(&hub.listed_fields),
        deadline: Deadline::new(&hub.deadlines).shares(&share),
        share,
        turn: Turn::new(&hub.reactor.turns),
        mailbox: Rc::default(),
        hub,
        door,
        socket,
        out: Outgoing::default(),
        phase: None,
        idle: Wait::First,
        decoder: Decoder::default(),
        admitted: None,
        refused: None,
        exchange: None,
        entry: None,
        half_closed: false,
        may_probe: false,
    };
    let stop = loop {
        if let Err(stop) = connection.serve_one().await {
            break stop;
        }
    };
    connection.stop(stop).await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.lose(false);
        self.hub.connections.set(self.hub.connections.get() - 1);
        self.hub.closed.wake();
    }
}

impl Connection {
    /// Reads one request and sends its answer.
    async fn serve_one(&mut self) -> Result<(), Stop> {
        // Of requests that arrived together, the first few are served at once.
        poll_fn(|cx| self.turn.poll(cx)).await;
        self.read_request().await?;
        self.turn.spend(turns::REQUEST);
        self.idle = Wait::Next;
        self.deadline.clear();
        let is_head = self.gate.is_for_head();
        let is_old = self.gate.is_old();
        let keep_alive = self.gate.keeps_alive() && !self.hub.leaving.get();
        if let Some(response) = self.refused.take() {
            self.release();
            let sent = self.send_whole(*response, is_head, keep_alive).await;
            self.end_entry(sent.is_ok());
            return sent.and_then(|()| keep_or_stop(keep_alive));
        }
        if let Some(entry) = &mut self.entry {
            entry.content(self.gate.content());
        }
        let admitted = self.admitted.take();
        self.exchange = admitted.and_then(|admitted| {
            self.decoder.with_head(&self.gate, |head| {
                self.hub.request(admitted, &self.mailbox, head, self.gate.content())
            })
        });
        self.release();
        let answered = self.answer(is_head, is_old, keep_alive).await;
        self.lose(answered.is_ok());
        self.end_entry(answered.is_ok());
        self.mailbox.reset();
        answered?;
        keep_or_stop(keep_alive && !(self.half_closed && self.gate.held() == 0))
    }

    /// Logs the request in the access log.
    fn end_entry(&mut self, took_all: bool) {
        if let Some(entry) = self.entry.take() {
            entry.end(took_all);
        }
    }

    /// Releases what a finished request held.
    fn release(&mut self) {
        self.gate.release();
        self.decoder.release();
        self.share.give_back();
    }

    /// Ends the exchange on this side, and reports it to the engine.
    fn lose(&mut self, took_all: bool) {
        if let Some(exchange) = self.exchange.take() {
            self.hub.lose(exchange, took_all);
        }
    }

    async fn stop(&mut self, stop: Stop) {
        let is_head = self.gate.is_for_head();
        // The bytes read are of no more use, and other connections may need the memory.
        self.gate = Gate::new(0);
        self.share.give_back();
        match stop {
            Stop::Close => return,
            Stop::Linger => {}
            Stop::Refuse(refusal) => {
                log::debug!(target: "http", "refused {}: {}", refusal.status, refusal.reason);
                if self.send_whole(heads::refused(refusal), is_head, false).await.is_err() {
                    return;
                }
            }
        }
        self.linger().await;
    }

    /// Reads and discards what the client still sends, for a while.
    async fn linger(&mut self) {
        if self.half_closed || shutdown(self.socket.get(), Shutdown::Write).is_err() {
            return;
        }
        let now = self.hub.now();
        self.deadline.set_wait(now.after(LINGER), Wait::Rest, now, 0);
        let mut left = LINGER_BYTES;
        poll_fn(|cx| {
            while self.turn.poll(cx).is_ready() {
                let mut scratch = self.hub.scratch.borrow_mut();
                let op = |fd: &OwnedFd| recv(fd, &mut scratch[..], RecvFlags::empty());
                match self.socket.poll_read(cx, op) {
                    Poll::Ready(Ok((count @ 1.., _))) if count < left => {
                        left -= count;
                        self.turn.spend(turns::units(count));
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.turn.rest();
                        break;
                    }
                }
            }
            self.deadline.poll(cx)
        })
        .await;
    }
}

/// Without keep-alive the connection ends, after the client had time to read the answer.
fn keep_or_stop(keep_alive: bool) -> Result<(), Stop> {
    if keep_alive { Ok(()) } else { Err(Stop::Linger) }
}
