//! `--sessions`: the file that sessions are kept in, and what goes on after a restart.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::http::PATIENCE;
use crate::support::proxy::{CHILD, Proxy, program};

/// How long a second process waits for the file, and some more.
pub(super) const WAIT: Duration = Duration::from_secs(15);
/// The first line of a file.
const HEADER: &str = "hyper-mcp-proxy sessions 1\n";
/// A whole line of it that begins a write; its checksum is Python's `zlib.crc32`.
const LINE: &str = "c132a6ff ^ + 1796055888123 7 {\"a\":\"record\"}\n";

/// A folder of its own with the file, gone at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hmp-{}-kept-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.0.join("sessions")
    }

    fn put(&self, content: impl AsRef<[u8]>, mode: u32) {
        let _ = fs::remove_file(self.file());
        fs::write(self.file(), content).unwrap();
        fs::set_permissions(self.file(), Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn program(&self) -> Command {
        program(&["--port", "0", "--sessions", self.file().to_str().unwrap(), "--", CHILD])
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn words(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// It does not start, says why, and changes nothing.
#[track_caller]
fn is_refused(folder: &Folder, words_of_it: &str) {
    let before = (fs::read(folder.file()).unwrap(), fs::metadata(folder.file()).unwrap());
    let output = folder.program().output().unwrap();
    let said = words(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--sessions: ") && said.contains(words_of_it), "{said}");
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    let after = (fs::read(folder.file()).unwrap(), fs::metadata(folder.file()).unwrap());
    assert_eq!(before.0, after.0);
    let about = |found: &fs::Metadata| (found.ino(), found.mode(), found.uid(), found.mtime_nsec());
    assert_eq!(about(&before.1), about(&after.1));
}

#[test]
fn a_file_that_is_not_its_own_is_refused_and_left_as_it_is() {
    let folder = Folder::new("refused");
    let damaged = format!("{HEADER}{LINE}torn\n{LINE}");
    for (content, said) in [
        ("precious\n", "not a file of sessions"),
        ("{\"mcpServers\":{}}", "not a file of sessions"),
        ("hyper-mcp-proxy sessions 2\nwhat is new\n", "version \"2\""),
        (damaged.as_str(), "line 3 is damaged"),
    ] {
        folder.put(content, 0o600);
        is_refused(&folder, said);
    }
    for mode in [0o644, 0o640, 0o604, 0o602] {
        folder.put(HEADER, mode);
        is_refused(&folder, "chmod 600");
    }
    folder.put(HEADER, 0o600);
    fs::rename(folder.file(), folder.0.join("other")).unwrap();
    symlink(folder.0.join("other"), folder.file()).unwrap();
    is_refused(&folder, "symbolic link");
    if rustix::process::geteuid().is_root() {
        folder.put(HEADER, 0o600);
        std::os::unix::fs::chown(folder.file(), Some(65_534), None).unwrap();
        is_refused(&folder, "belongs to the user 65534");
    }
}

#[test]
fn a_cut_write_is_dropped_and_told() {
    let folder = Folder::new("cut");
    for cut in ["c132a6ff ^ + 17960558", "hyper-mcp"] {
        let content = if cut.starts_with('c') { format!("{HEADER}{cut}") } else { cut.into() };
        folder.put(content, 0o600);
        let mut proxy = Proxy::run(folder.program());
        proxy.logged(&["INFO", "the last write was cut"]);
        proxy.signal(Signal::TERM);
        assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), HEADER);
    }
    // A record that the engine does not know is dropped, and counted.
    folder.put(format!("{HEADER}{LINE}"), 0o600);
    let proxy = Proxy::run(folder.program());
    proxy.logged(&["asleep: 0, dropped: 1 (", "the record is cut short or no session's: 1)"]);
}

/// Ends a watch, also by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nobody_else_may_read_the_file_at_any_moment() {
    let folder = Folder::new("mode");
    let (files, done) = ([folder.file(), folder.0.join("sessions.new")], AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = [0_u32; 2];
            while !done.load(Ordering::Relaxed) {
                for (seen, file) in seen.iter_mut().zip(&files) {
                    let Ok(found) = fs::symlink_metadata(file) else { continue };
                    assert_eq!(found.mode() & 0o077, 0, "{}", file.display());
                    *seen += 1;
                }
            }
            seen
        });
        // What fails below must end the watch as well.
        let stop = Stop(&done);
        for mask in ["0", "0777", "0277", "0022"] {
            let _ = fs::remove_file(folder.file());
            let script = format!("umask {mask}; exec \"$@\"");
            let plain = folder.program();
            let mut command = Command::new("sh");
            command.args(["-c", &script, "sh"]).arg(plain.get_program()).args(plain.get_args());
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let mut proxy = Proxy::run(command);
            assert_eq!(fs::metadata(folder.file()).unwrap().mode() & 0o7777, 0o600);
            proxy.signal(Signal::TERM);
            assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
        }
        drop(stop);
        let seen = watch.join().unwrap();
        assert!(seen[0] > 0, "{seen:?}");
    });
}

#[test]
fn one_process_uses_the_file_and_the_next_waits_for_it() {
    let folder = Folder::new("lock");
    let mut first = Proxy::run(folder.program());
    let start = Instant::now();
    let output = folder.program().output().unwrap();
    let (said, waited) = (words(&output), start.elapsed());
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another process uses it"), "{said}");
    assert!((Duration::from_secs(4)..WAIT).contains(&waited), "{waited:?}");
    // One that ends meanwhile makes way.
    let mut second = folder.program().stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.try_wait().unwrap().is_none());
    first.signal(Signal::TERM);
    assert_eq!(first.ended(PATIENCE).code(), Some(0));
    std::thread::sleep(Duration::from_secs(5));
    assert!(second.try_wait().unwrap().is_none(), "it serves");
    crate::support::process::signal(second.id(), Signal::TERM);
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success() && words(&output).contains("asleep: 0"), "{output:?}");
}

#[test]
fn a_file_that_can_not_be_is_told_at_the_start() {
    let folder = Folder::new("nowhere");
    let mut command = program(&["--port", "0", "--sessions", "/nowhere/sessions", "--", CHILD]);
    let output = command.output().unwrap();
    assert!(words(&output).contains("/nowhere/sessions: it can't be opened"), "{output:?}");
    // A name that is taken by a folder.
    fs::create_dir(folder.file()).unwrap();
    let output = folder.program().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(words(&output).contains("name a file"), "{output:?}");
}
