//! Sessions that outlive this process: the file of `--sessions`.
//!
//! `format` is the file's text, `index` where what is in it, `file` all that waits for the disk.
//! `keeper` writes what the engine wants kept. Before the program serves, the sessions of the run
//! before are made again here.

pub(crate) mod file;
pub(crate) mod format;
mod index;
pub(crate) mod keeper;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use file::Log;
use keeper::Keeper;
use mcp_bridge::RestoreError;

use crate::hub::Hub;

/// The sessions of an earlier run, in their file, which nobody else uses now.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    log: Log,
}

impl Kept {
    /// Opens the file, which stays as it is.
    pub(crate) fn open(path: PathBuf) -> Result<Self, String> {
        let opened = Log::open(&path).map_err(|reason| complaint(&path, &reason))?;
        let (log, is_torn) = opened;
        if is_torn {
            log::info!(
                target: "proxy",
                "sessions of {}: the last write was cut and is dropped; no client knows of it",
                path.display()
            );
        }
        Ok(Self { path, log })
    }

    /// Makes its sessions again and keeps them from now on.
    pub(crate) fn start(mut self, hub: &Rc<Hub>) -> Result<Rc<Keeper>, String> {
        self.restore(hub).map_err(|reason| complaint(&self.path, &reason))?;
        let keeper = Rc::new(Keeper::new(self.path, self.log));
        hub.keep(Rc::clone(&keeper));
        hub.executor.spawn(keeper::run(Rc::clone(hub), Rc::clone(&keeper))).detach();
        Ok(keeper)
    }

    /// What can't be made again leaves the file.
    fn restore(&mut self, hub: &Hub) -> Result<(), String> {
        let now = keeper::wall_clock();
        let mut places = self.log.places();
        // The engine takes as many as may sleep: those that were used last.
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.time));
        let (mut sessions, mut dropped) = (Vec::new(), BTreeMap::<String, usize>::new());
        for (_, place) in places {
            let record = self.log.record(place);
            let record = record.map_err(|error| format!("it can't be read: {error}"))?;
            let age = Duration::from_millis(now.saturating_sub(place.time));
            match hub.with_engine(|engine| engine.restore(&record, age, hub.now())) {
                Ok(session) => sessions.push((session.number(), place)),
                Err(RestoreError::Format) => return Err(LATER.into()),
                Err(error) => *dropped.entry(reason(error)).or_default() += 1,
            }
        }
        self.log.replace(&sessions).map_err(|error| {
            format!("it can't be written: {error}; let this program make files in its folder")
        })?;
        self.log(sessions.len(), &dropped);
        Ok(())
    }

    fn log(&self, kept: usize, dropped: &BTreeMap<String, usize>) {
        let path = self.path.display();
        let reasons: Vec<_> =
            dropped.iter().map(|(why, count)| format!("{why}: {count}")).collect();
        let dropped = match dropped.values().sum::<usize>() {
            0 => String::new(),
            count => format!(", dropped: {count} ({})", reasons.join("; ")),
        };
        log::info!(target: "proxy", "sessions of {path}: asleep: {kept}{dropped}");
    }
}

/// Why a record makes no session, and the flag that would change it.
fn reason(error: RestoreError) -> String {
    match error {
        RestoreError::Never => format!("{error}, see --session-restart"),
        error => error.to_string(),
    }
}

/// A record that this version can't read is not lost to the version that can.
const LATER: &str = "a later version of this program has written it, so it was left as it is; use \
                     that version, or name another file";

fn complaint(path: &std::path::Path, reason: &str) -> String {
    format!("--sessions: {}: {reason}", path.display())
}
