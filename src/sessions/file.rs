//! The file itself: opened and locked, read, appended to, and written anew. All of it waits for the
//! disk: on the program's thread before it serves, on another thread from then on.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_bridge::Bridge;

use crate::os::private;
use crate::sessions::format::{self, Change, Entry, FRAME, HEADER, Reader};
use crate::sessions::index::{Index, Place};

/// The longest line.
const LINE: usize = FRAME + Bridge::RECORD;
/// The longest file. The records of all sessions that the engine keeps by default fit many times.
const FILE: u64 = 1 << 30;
/// The file is written anew when it has more bytes without a use than with one, and more than this.
/// So it takes at most twice what it holds, and each byte is written twice.
const WASTE: u64 = 1 << 20;
/// Attempts to lock the file, and the pause between them: 5 s in all, for an earlier process of
/// this program that still ends.
const TURNS: u32 = 250;
const TURN: Duration = Duration::from_millis(20);

/// What is behind the last line that is known to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Nothing,
    /// A part of a write.
    Torn,
    /// A write that the disk has failed to keep, and perhaps not that alone.
    Unsure,
}

/// The file, locked for this process.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    end: u64,
    tail: Tail,
    index: Index,
}

impl Log {
    /// Opens and reads the file, or makes it: the log, and whether the last write of an earlier run
    /// was cut. What is in the file stays as it is.
    pub(crate) fn open(path: &Path) -> Result<(Self, bool), String> {
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        let file = locked(&path)?;
        let mut log = Self { path, file, end: 0, tail: Tail::Unsure, index: Index::default() };
        let is_torn = log.read()?;
        Ok((log, is_torn))
    }

    fn read(&mut self) -> Result<bool, String> {
        let broken = |error: io::Error| format!("it can't be read: {error}");
        let length = self.file.metadata().map_err(broken)?.len();
        if length > FILE {
            return Err(format!("it has more than {FILE} bytes; name another file"));
        }
        let (mut reader, mut line) = (Reader::default(), Vec::new());
        let mut file = BufReader::new(&self.file);
        loop {
            line.clear();
            let most = LINE as u64;
            let count = (&mut file).take(most).read_until(b'\n', &mut line).map_err(broken)?;
            if count == 0 {
                return Ok(reader.is_torn());
            }
            let entry = reader.line(&line).map_err(|refusal| refusal.to_string())?;
            entry.iter().for_each(|entry| self.index.follow(entry, self.end, count));
            self.end += count as u64;
        }
    }

    /// The sessions, with the places of their records.
    pub(crate) fn places(&self) -> Vec<(u64, Place)> {
        self.index.places()
    }

    pub(crate) fn knows(&self, session: u64) -> bool {
        self.index.knows(session)
    }

    /// The record at a place.
    pub(crate) fn record(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut line = vec![0; place.length];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.at))?;
        file.read_exact(&mut line)?;
        match format::decode(&line).map(|entry| entry.change) {
            Some(Change::Saved(record)) => Ok(record.to_vec()),
            _ => Err(io::Error::other("another program has changed it")),
        }
    }

    /// Adds the entries and waits until they are on the disk. After an error none of them counts.
    pub(crate) fn append(&mut self, entries: &[Entry<'_>]) -> io::Result<()> {
        if self.tail == Tail::Unsure || !private::is_at(&self.file, &self.path)? {
            self.compact()?;
        }
        if self.tail == Tail::Torn {
            self.file.set_len(self.end)?;
            self.tail = Tail::Nothing;
        }
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for (i, entry) in entries.iter().enumerate() {
            format::encode(&Entry { begins: i == 0, ..*entry }, &mut text);
            ends.push(text.len());
        }
        if self.end + text.len() as u64 > FILE {
            return Err(io::Error::other(format!("it would have more than {FILE} bytes")));
        }
        self.tail = Tail::Torn;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&text)?;
        self.tail = Tail::Unsure;
        self.file.sync_data()?;
        self.tail = Tail::Nothing;
        let mut from = 0;
        for (entry, end) in entries.iter().zip(ends) {
            self.index.follow(entry, self.end + from as u64, end - from);
            from = end;
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// Whether most of the file is of no use.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.end - self.index.bytes() > WASTE.max(self.index.bytes())
    }

    /// Writes the file anew, without what is of no use.
    pub(crate) fn compact(&mut self) -> io::Result<()> {
        self.replace(&self.places())
    }

    /// Writes the file anew with these sessions alone, each with its number from now on and the
    /// place of its record until now.
    pub(crate) fn replace(&mut self, kept: &[(u64, Place)]) -> io::Result<()> {
        let is_own = private::is_at(&self.file, &self.path)?;
        if !is_own && std::fs::symlink_metadata(&self.path).is_ok() {
            return Err(io::Error::other("another file has its name; move that one away"));
        }
        let beside = beside(&self.path);
        // What an earlier run that was killed has left. A link is removed, not what it names.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = self.write_beside(&beside, kept);
        let (file, index, end) = made.inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })?;
        std::fs::rename(&beside, &self.path)?;
        (self.file, self.index, self.end, self.tail) = (file, index, end, Tail::Unsure);
        private::sync_folder(&self.path)?;
        self.tail = Tail::Nothing;
        Ok(())
    }

    fn write_beside(&self, path: &Path, kept: &[(u64, Place)]) -> io::Result<(File, Index, u64)> {
        let file = private::create(path)?;
        // Before it has its name: whoever finds it there finds it locked.
        file.try_lock()?;
        let (mut out, mut index) = (BufWriter::new(&file), Index::default());
        out.write_all(HEADER)?;
        let (mut end, mut line) = (HEADER.len() as u64, Vec::new());
        for (session, place) in kept {
            let record = self.record(*place)?;
            let change = Change::Saved(&record);
            let entry = Entry { begins: true, time: place.time, session: *session, change };
            line.clear();
            format::encode(&entry, &mut line);
            out.write_all(&line)?;
            index.follow(&entry, end, line.len());
            end += line.len() as u64;
        }
        out.flush()?;
        drop(out);
        file.sync_all()?;
        Ok((file, index, end))
    }
}

/// The name of the new file while it is written: in the same folder, so that it can be renamed.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// The file at the path, made if there is none, once this process alone has it.
fn locked(path: &Path) -> Result<File, String> {
    for _ in 0..TURNS {
        let file = opened(path)?;
        match file.try_lock() {
            // Its predecessor may have put another file in its place meanwhile.
            Ok(()) if private::is_at(&file, path).unwrap_or(false) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => std::thread::sleep(TURN),
            Err(TryLockError::Error(error)) => {
                return Err(format!("it can't be locked: {error}; name a file on a local disk"));
            }
        }
    }
    Err("another process uses it; end that one, or name another file".into())
}

fn opened(path: &Path) -> Result<File, String> {
    let opened = match private::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match private::create(path) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => private::open(path),
            made => made,
        },
        opened => opened,
    };
    let file = opened.map_err(|error| match private::is_link(&error) {
        true => String::from("it is a symbolic link; name the file itself"),
        false => format!("it can't be opened: {error}; name a file that this user may make"),
    })?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a regular file; name another file".into());
    }
    match private::weakness(&found) {
        Some(weakness) => Err(weakness),
        None => Ok(file),
    }
}
