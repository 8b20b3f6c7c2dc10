//! Keeps the engine's sessions in the file: what has changed waits here, and a thread writes all of
//! it at once.
//!
//! The engine waits for the first record of a session before it tells the client of it. It does not
//! wait for a disk that fails or hangs: then the program serves on, says so, and tries again. What
//! waits is one record for each session at most, and the engine bounds those.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_bridge::{Input, Instant, SessionNumber};

use crate::hub::Hub;
use crate::limits::deadlines::Deadline;
use crate::reactor::WakerSlot;
use crate::sessions::file::Log;
use crate::sessions::format::{self, Entry};

/// How long a client waits for the disk before it is answered anyway.
const SLOW: Duration = Duration::from_secs(2);
/// How long until a write is tried again that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often at most the log says that sessions can't be saved.
const COMPLAINT: Duration = Duration::from_secs(60);
/// How long the program waits at its end for the disk.
const FLUSH: Duration = Duration::from_secs(5);

/// A change that is not written yet.
#[derive(Debug)]
struct Change {
    time: u64,
    /// The record that is saved, or none if the session has ended.
    record: Option<Vec<u8>>,
}

impl Change {
    fn entry(&self, session: u64) -> Entry<'_> {
        let change = match &self.record {
            Some(record) => format::Change::Saved(record),
            None => format::Change::Ended,
        };
        Entry { begins: false, time: self.time, session, change }
    }
}

#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    /// The file; none while a thread has it.
    log: RefCell<Option<Log>>,
    /// The last change of each session.
    queue: RefCell<BTreeMap<u64, Change>>,
    /// Sessions whose record is queued or being written, of which the engine wants to know.
    owed: RefCell<Vec<SessionNumber>>,
    /// Whether the disk fails or hangs, so that nobody waits for it.
    is_late: Cell<bool>,
    complained: Cell<Option<Instant>>,
    queued: WakerSlot,
    written: WakerSlot,
}

impl Keeper {
    pub(crate) fn new(path: PathBuf, log: Log) -> Self {
        Self {
            path,
            log: RefCell::new(Some(log)),
            queue: RefCell::default(),
            owed: RefCell::default(),
            is_late: Cell::default(),
            complained: Cell::default(),
            queued: WakerSlot::default(),
            written: WakerSlot::default(),
        }
    }

    /// Keeps this record: whether the engine is told when that is done. If not, it may go on.
    pub(crate) fn save(&self, session: SessionNumber, record: Vec<u8>) -> bool {
        self.push(session, Some(record));
        let waits = !self.is_late.get();
        if waits {
            self.owed.borrow_mut().push(session);
        }
        waits
    }

    /// Drops the record of a session.
    pub(crate) fn forget(&self, session: SessionNumber) {
        let log = self.log.borrow();
        if log.as_ref().is_some_and(|log| !log.knows(session.number())) {
            self.queue.borrow_mut().remove(&session.number());
        } else {
            drop(log);
            self.push(session, None);
        }
    }

    fn push(&self, session: SessionNumber, record: Option<Vec<u8>>) {
        let change = Change { time: wall_clock(), record };
        self.queue.borrow_mut().insert(session.number(), change);
        self.queued.wake();
    }

    fn complain(&self, now: Instant, error: &str) {
        let last = self.complained.get();
        if last.is_some_and(|last| now.since(last) < COMPLAINT) {
            return;
        }
        self.complained.set(Some(now));
        log::warn!(
            target: "proxy",
            "sessions can't be saved in {}: {error}; the proxy tries again, and sessions that \
             changed may be lost if it ends before",
            self.path.display()
        );
    }

    /// Waits until all is written, but not long.
    pub(crate) async fn flush(&self, hub: &Hub) {
        let deadline = Deadline::new(&hub.deadlines);
        deadline.set(hub.now().after(FLUSH));
        poll_fn(|cx| {
            self.written.register(cx);
            match self.is_done() {
                true => Poll::Ready(()),
                false => deadline.poll(cx),
            }
        })
        .await;
        if !self.is_done() {
            let path = self.path.display();
            log::warn!(target: "proxy", "the last changes of sessions were not written to {path}");
        }
    }

    fn is_done(&self) -> bool {
        self.queue.borrow().is_empty() && self.log.borrow().is_some()
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Writes for ever what is queued.
pub(crate) async fn run(hub: Rc<Hub>, keeper: Rc<Keeper>) {
    loop {
        poll_fn(|cx| {
            keeper.queued.register(cx);
            match keeper.queue.borrow().is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
        let owed = keeper.owed.borrow().len();
        let done = write(&hub, &keeper).await;
        let was_late = keeper.is_late.replace(done.is_err());
        settle(&hub, &keeper, if done.is_err() { usize::MAX } else { owed });
        match done {
            Ok(()) if was_late => log::info!(
                target: "proxy",
                "sessions are saved again in {}",
                keeper.path.display()
            ),
            Ok(()) => {}
            Err(error) => {
                keeper.complain(hub.now(), &error.to_string());
                pause(&hub, RETRY).await;
            }
        }
        keeper.written.wake();
    }
}

/// Writes what is queued now; after an error it is queued again. Where most of the file is of no
/// use, it is written anew the next time.
async fn write(hub: &Rc<Hub>, keeper: &Keeper) -> io::Result<()> {
    let batch = keeper.queue.take();
    let work = move |log: &mut Log| {
        let entries = batch.iter().map(|(session, change)| change.entry(*session));
        let entries: Vec<_> = entries.collect();
        let shrunk = if log.is_wasteful() { log.compact() } else { Ok(()) };
        let done = shrunk.and_then(|()| log.append(&entries));
        drop(entries);
        (batch, done)
    };
    let (batch, done) = on_thread(hub, keeper, work).await;
    if done.is_err() {
        let newer = keeper.queue.replace(batch);
        keeper.queue.borrow_mut().extend(newer);
    }
    done
}

/// Does something with the file on another thread. If that takes long, nobody waits for it.
async fn on_thread<T: Send + 'static>(
    hub: &Rc<Hub>,
    keeper: &Keeper,
    work: impl FnOnce(&mut Log) -> T + Send + 'static,
) -> T {
    let mut log = keeper.log.take().expect("it is back after each write, and one task writes");
    let mut working = pin!(smol::unblock(move || {
        let done = work(&mut log);
        (log, done)
    }));
    let deadline = Deadline::new(&hub.deadlines);
    deadline.set(hub.now().after(SLOW));
    let in_time = poll_fn(|cx| match working.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => deadline.poll(cx).map(|()| None),
    });
    let (log, done) = match in_time.await {
        Some(done) => done,
        None => {
            keeper.complain(hub.now(), "the disk does not answer");
            keeper.is_late.set(true);
            settle(hub, keeper, usize::MAX);
            working.await
        }
    };
    keeper.log.replace(Some(log));
    done
}

/// Lets the engine go on with so many of the sessions that it waits with.
fn settle(hub: &Hub, keeper: &Keeper, count: usize) {
    let mut owed = keeper.owed.borrow_mut();
    let count = count.min(owed.len());
    let due: Vec<_> = owed.drain(..count).collect();
    drop(owed);
    due.into_iter().for_each(|session| hub.feed(Input::Saved { session }));
}

async fn pause(hub: &Hub, time: Duration) {
    let deadline = Deadline::new(&hub.deadlines);
    deadline.set(hub.now().after(time));
    poll_fn(|cx| deadline.poll(cx)).await;
}
