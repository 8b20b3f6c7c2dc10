//! Reading a request: parsed by the gate, checked by the engine before its content is read.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::{Connection, INTERIM, NO_MEMORY, Stop};
use crate::hub::SCRATCH;
use crate::limits::deadlines::Wait;
use crate::os::sys::OwnedFd;
use crate::reactor::turns;
use hyper_mcp_gate::{Phase, Refusal, Step};

/// Longest wait between requests. Balancers close idle connections after a minute: a longer wait
/// here keeps them from sending a request on a connection that is being closed. `http` announces
/// it.
const IDLE: Duration = Duration::from_secs(75);
/// From the first byte of a head to its last. A head is small; a slower one is an attack.
const HEAD: Duration = Duration::from_secs(10);
/// From the head to the last byte of the content.
const CONTENT: Duration = Duration::from_secs(30);
/// Content of a refused request that is read so that the connection can continue.
const DISCARD: usize = 64 * 1024;
/// The least room for reading content without a copy.
const DIRECT: usize = 4096;
/// Bytes that each connection may hold without a share of the memory for contents: a usual request.
/// A thousand connections hold 4 MiB this way.
const FREE: usize = 4 * 1024;

impl Connection {
    pub(super) async fn read_request(&mut self) -> Result<(), Stop> {
        self.phase = None;
        self.admitted = None;
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
        let (wait, limit) = match phase {
            // Another connection waits for this one's place.
            Phase::Idle if self.hub.crowded.get() => (self.idle, Duration::ZERO),
            Phase::Idle => (self.idle, IDLE),
            Phase::Head => (Wait::Rest, HEAD),
            Phase::Content => (Wait::Rest, CONTENT),
        };
        self.deadline.set_wait(now.after(limit), wait, now, self.gate.held());
    }

    /// Passes the head to the engine, and decides what happens to the content.
    async fn judge(&mut self) -> Result<(), Stop> {
        let malformed = Refusal::new(400, "the request head is malformed");
        if !self.decoder.decode(&self.gate) {
            return Err(malformed.into());
        }
        let verdict = self.decoder.with_head(&self.gate, |head| {
            self.entry = self.hub.entry(head);
            self.hub.admit(head, self.door)
        });
        match verdict.ok_or(malformed)? {
            Ok(admitted) => {
                self.gate.admit(admitted.limit())?;
                // Before it is read: its client need not send it for nothing.
                let length = self.gate.declared().unwrap_or_default();
                if !self.hub.contents.has_room(usize::try_from(length).unwrap_or(usize::MAX)) {
                    return Err(NO_MEMORY.into());
                }
                self.admitted = Some(admitted);
            }
            Err(response) => {
                let length = self.gate.declared().filter(|_| !self.gate.expects_continue());
                if length.is_none_or(|length| length > DISCARD as u64) && length != Some(0) {
                    let is_head = self.gate.is_for_head();
                    let sent = self.send_whole(response, is_head, false).await;
                    self.end_entry(sent.is_ok());
                    return Err(sent.err().unwrap_or(Stop::Linger));
                }
                self.gate.admit(DISCARD)?;
                self.refused = Some(Box::new(response));
            }
        }
        Ok(())
    }

    /// Waits for bytes and processes them.
    async fn read_some(&mut self) -> Result<(), Stop> {
        poll_fn(|cx| {
            if let Some(why) = self.deadline.take_evicted() {
                return Poll::Ready(Err(why.into()));
            }
            ready!(self.turn.poll(cx));
            self.poll_some(cx)
        })
        .await
    }

    fn poll_some(&mut self, cx: &Context<'_>) -> Poll<Result<(), Stop>> {
        match self.poll_read(cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(match self.gate.end() {
                Ok(()) => Err(Stop::Close),
                Err(refusal) => Err(Stop::Refuse(refusal)),
            }),
            Poll::Ready(Ok(_)) => Poll::Ready(self.account()),
            Poll::Ready(Err(Errno::NOBUFS)) => Poll::Ready(Err(NO_MEMORY.into())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::Close)),
            Poll::Pending => {
                self.turn.rest();
                self.deadline.poll(cx).map(|()| Err(self.too_slow()))
            }
        }
    }

    /// Counts the bytes held. If all connections together hold too many, the slowest upload is
    /// aborted, which may be this one.
    fn account(&self) -> Result<(), Stop> {
        while !self.hold() {
            let size = self.gate.held();
            if !self.hub.deadlines.evict_upload(&self.deadline, size, self.hub.now()) {
                return Err(NO_MEMORY.into());
            }
        }
        Ok(())
    }

    /// Counts the bytes held. Returns false if there is no room for them.
    pub(super) fn hold(&self) -> bool {
        self.share.hold(self.gate.held().saturating_sub(FREE))
    }

    fn too_slow(&self) -> Stop {
        match self.phase {
            Some(Phase::Head) => Refusal::new(408, "the request head took too long").into(),
            Some(Phase::Content) => Refusal::new(408, "the request body took too long").into(),
            _ => Stop::Close,
        }
    }

    /// Reads once. Returns the number of bytes.
    pub(super) fn poll_read(&mut self, cx: &Context<'_>) -> Poll<rustix::io::Result<usize>> {
        self.read(cx).map_ok(|count| {
            self.turn.spend(turns::units(count));
            self.deadline.moved(count, self.hub.now());
            count
        })
    }

    fn read(&mut self, cx: &Context<'_>) -> Poll<rustix::io::Result<usize>> {
        if let Some((buffer, missing)) = self.gate.content_room()
            && missing >= DIRECT
        {
            // Room for as many bytes as arrived already, so that a claimed length alone reserves
            // nothing.
            if buffer.try_reserve(missing.min(buffer.len().max(SCRATCH))).is_err() {
                return Poll::Ready(Err(Errno::NOBUFS));
            }
            let room = buffer.capacity() - buffer.len();
            let op = |fd: &OwnedFd| recv(fd, spare_capacity(buffer), RecvFlags::empty());
            return self.socket.poll_read(cx, op).map_ok(|(count, _)| {
                if count < room {
                    self.socket.drained();
                }
                count
            });
        }
        let mut scratch = self.hub.scratch.borrow_mut();
        let op = |fd: &OwnedFd| recv(fd, &mut scratch[..], RecvFlags::empty());
        let (count, _) = ready!(self.socket.poll_read(cx, op))?;
        if count < SCRATCH {
            self.socket.drained();
        }
        Poll::Ready(if self.gate.feed(&scratch[..count]) { Ok(count) } else { Err(Errno::NOBUFS) })
    }
}
