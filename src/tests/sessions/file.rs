//! The file on a disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use crate::sessions::file::Log;
use crate::sessions::format::{Change, Entry, HEADER, encode};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sessions-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions")
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn saved(session: u64, record: &[u8]) -> Entry<'_> {
    Entry { begins: false, time: session * 1000, session, change: Change::Saved(record) }
}

fn records(log: &Log) -> Vec<(u64, Vec<u8>)> {
    let places = log.places().into_iter();
    places.map(|(session, place)| (session, log.record(place).unwrap())).collect()
}

/// A new file as the program has it when it serves.
fn started(folder: &Folder) -> Log {
    let (mut log, torn) = Log::open(&folder.file()).unwrap();
    assert!(!torn);
    log.compact().unwrap();
    log
}

#[test]
fn what_is_appended_is_there_again() {
    let folder = Folder::new("again");
    let mut log = started(&folder);
    log.append(&[saved(1, b"one"), saved(2, b"two")]).unwrap();
    let ended = Entry { change: Change::Ended, ..saved(1, b"") };
    let again = Entry { time: 5000, ..saved(2, b"again") };
    log.append(&[saved(3, b"three"), ended, again]).unwrap();
    let all = vec![(2, b"again".to_vec()), (3, b"three".to_vec())];
    assert_eq!(records(&log), all);
    let times = |log: &Log| log.places().iter().map(|(_, place)| place.time).collect::<Vec<_>>();
    assert_eq!(times(&log), [5000, 3000]);
    drop(log);
    let (mut log, torn) = Log::open(&folder.file()).unwrap();
    assert_eq!((records(&log), times(&log), torn), (all, vec![5000, 3000], false));
    // With other numbers, as in another run.
    let kept: Vec<_> = log.places().iter().map(|(n, place)| (n + 10, *place)).collect();
    log.replace(&kept).unwrap();
    log.append(&[saved(14, b"four")]).unwrap();
    assert_eq!(times(&log), [5000, 3000, 14_000]);
    drop(log);
    let (log, _) = Log::open(&folder.file()).unwrap();
    assert_eq!(log.places().iter().map(|(n, _)| *n).collect::<Vec<_>>(), [12, 13, 14]);
    assert_eq!(folder.names(), ["sessions"]);
}

#[test]
fn a_torn_end_is_read_over_and_then_gone() {
    let folder = Folder::new("torn");
    let mut log = started(&folder);
    log.append(&[saved(1, b"one")]).unwrap();
    let whole = fs::read(folder.file()).unwrap();
    drop(log);
    let mut text = whole.clone();
    encode(&Entry { begins: true, ..saved(2, b"two") }, &mut text);
    for end in whole.len() + 1..text.len() {
        fs::write(folder.file(), &text[..end]).unwrap();
        let (mut log, torn) = Log::open(&folder.file()).unwrap();
        assert!(torn && log.places().len() == 1, "{end}");
        log.append(&[saved(3, b"three")]).unwrap();
        drop(log);
        let (log, torn) = Log::open(&folder.file()).unwrap();
        assert_eq!((log.places().len(), torn), (2, false));
    }
}

#[test]
fn it_stays_in_proportion_to_what_it_holds() {
    let folder = Folder::new("waste");
    let mut log = started(&folder);
    let record = vec![b'x'; 60 * 1024];
    let (mut anew, mut longest) = (0, 0);
    for _ in 0..100 {
        log.append(&[saved(1, &record), saved(2, b"small")]).unwrap();
        longest = longest.max(fs::metadata(folder.file()).unwrap().len());
        if log.is_wasteful() {
            log.compact().unwrap();
            anew += 1;
        }
    }
    assert!((2..20).contains(&anew), "{anew}");
    assert!(longest < 2 << 20, "{longest}");
    assert_eq!(records(&log), [(1, record), (2, b"small".to_vec())]);
}

#[test]
fn only_its_user_has_permissions() {
    let folder = Folder::new("mode");
    let mut log = started(&folder);
    let mode = || fs::metadata(folder.file()).unwrap().mode() & 0o7777;
    assert_eq!(mode(), 0o600);
    log.append(&[saved(1, b"one")]).unwrap();
    log.compact().unwrap();
    assert_eq!(mode(), 0o600);
    drop(log);
    let before = fs::read(folder.file()).unwrap();
    for others in [0o640, 0o604, 0o620, 0o602, 0o601, 0o660, 0o666] {
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(others)).unwrap();
        let error = Log::open(&folder.file()).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
        assert_eq!((mode(), fs::read(folder.file()).unwrap()), (others, before.clone()));
    }
}

#[test]
fn other_kinds_of_files_are_refused() {
    let folder = Folder::new("kinds");
    drop(started(&folder));
    let other = folder.0.join("other");
    symlink(folder.file(), &other).unwrap();
    assert!(Log::open(&other).unwrap_err().contains("symbolic link"));
    // Nor is one followed that names nothing yet.
    let dangling = folder.0.join("dangling");
    symlink(folder.0.join("nothing"), &dangling).unwrap();
    assert!(Log::open(&dangling).unwrap_err().contains("symbolic link"));
    fs::remove_file(&other).unwrap();
    fs::hard_link(folder.file(), &other).unwrap();
    assert!(Log::open(&other).unwrap_err().contains("several names"));
    fs::remove_file(&other).unwrap();
    assert!(Log::open(&folder.0).unwrap_err().contains("can't be opened"));
    let fifo = folder.0.join("fifo");
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status();
    assert!(made.unwrap().success());
    assert!(Log::open(&fifo).unwrap_err().contains("not a regular file"));
    assert_eq!(folder.names(), ["dangling", "fifo", "sessions"]);
}

#[test]
fn what_is_beside_it_is_never_followed() {
    let folder = Folder::new("beside");
    let victim = folder.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.0.join("sessions.new")).unwrap();
    drop(started(&folder));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(folder.names(), ["sessions", "victim"]);
}

#[test]
fn a_file_that_was_moved_away_is_made_again_and_a_strange_one_is_left() {
    let folder = Folder::new("moved");
    let mut log = started(&folder);
    log.append(&[saved(1, b"one")]).unwrap();
    fs::rename(folder.file(), folder.0.join("backup")).unwrap();
    log.append(&[saved(2, b"two")]).unwrap();
    assert_eq!(records(&log).len(), 2);
    fs::remove_file(folder.file()).unwrap();
    fs::write(folder.file(), "mine").unwrap();
    let error = log.append(&[saved(3, b"three")]).unwrap_err();
    assert!(error.to_string().contains("another file has its name"), "{error}");
    assert_eq!(fs::read(folder.file()).unwrap(), b"mine");
    fs::remove_file(folder.file()).unwrap();
    log.append(&[saved(3, b"three")]).unwrap();
    drop(log);
    assert_eq!(Log::open(&folder.file()).unwrap().0.places().len(), 3);
    assert!(fs::read(folder.file()).unwrap().starts_with(HEADER));
}
