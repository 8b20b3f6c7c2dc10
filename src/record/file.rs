//! The way of a recording to its file: a bounded queue, and a thread that writes, so that the event
//! loop never waits for a disk.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::os::sys;

/// Bytes that wait to be written. It holds one of the largest messages with what is said about it.
const QUEUE: usize = 64 * 1024 * 1024;
/// How long the program waits at its end until all is written.
const FLUSH: Duration = Duration::from_millis(500);
/// Between two looks whether it is.
const LOOK: Duration = Duration::from_millis(1);
/// The thread needs little; the system's default is megabytes.
const STACK: usize = 64 * 1024;

pub(super) struct File {
    steps: Sender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that wait.
    held: AtomicUsize,
    failed: AtomicBool,
}

impl File {
    /// Creates the file, open to the same user only. One that is there stays as it is.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = sys::create_private(path)?;
        let (steps, waiting) = channel();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("record".into()).stack_size(STACK);
        thread.spawn(move || write(file, &waiting, &shared))?;
        Ok(Self { steps, state })
    }

    /// Takes a step to be written. False if there is no room, or the file can't be written.
    pub(super) fn write(&self, step: Vec<u8>) -> bool {
        let held = self.state.held.fetch_add(step.len(), Ordering::Relaxed) + step.len();
        held <= QUEUE && !self.state.failed.load(Ordering::Relaxed) && self.steps.send(step).is_ok()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let end = Instant::now() + FLUSH;
        while self.state.held.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            if self.state.failed.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// The thread.
fn write(mut file: fs::File, steps: &Receiver<Vec<u8>>, state: &State) {
    for step in steps {
        if let Err(error) = file.write_all(&step) {
            state.failed.store(true, Ordering::Relaxed);
            return log::error!(target: "proxy", "the recording can't be written: {error}");
        }
        state.held.fetch_sub(step.len(), Ordering::Relaxed);
    }
}
