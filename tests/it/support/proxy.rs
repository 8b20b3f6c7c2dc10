//! The program under test: started on a free port, its log kept, ended by its pid.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::http::{Conn, PATIENCE, Reply};
use super::process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hyper-mcp-proxy");
/// Where cargo puts the child, from the folder of the program. It names no place for an example.
const EXAMPLE: &str = "examples/test-child";

const FOLDER: usize = {
    let mut end = PROGRAM.len();
    while end > 0 && PROGRAM.as_bytes()[end - 1] != b'/' {
        end -= 1;
    }
    end
};

const CHILD_PATH: [u8; FOLDER + EXAMPLE.len()] = {
    let mut path = [0; FOLDER + EXAMPLE.len()];
    let (folder, example) = path.split_at_mut(FOLDER);
    folder.copy_from_slice(PROGRAM.as_bytes().split_at(FOLDER).0);
    example.copy_from_slice(EXAMPLE.as_bytes());
    path
};

/// The child that misbehaves on demand.
pub(crate) const CHILD: &str = match str::from_utf8(&CHILD_PATH) {
    Ok(path) => path,
    Err(_) => panic!("the program's path is UTF-8"),
};

/// Panics unless the child is there and as new as its source: `cargo test --test it` does not build
/// examples.
fn require_child() {
    let changed = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/child");
    let sources = ["program.rs", "misdeeds.rs"].map(|file| changed(&source.join(file)));
    let built = changed(Path::new(CHILD));
    let is_new = built.is_some() && sources.iter().all(|source| *source <= built);
    assert!(is_new, "{CHILD} is missing or old; build it: cargo build --example test-child");
}

#[derive(Debug)]
pub(crate) struct Proxy {
    process: Child,
    pub(crate) addr: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// Whether nobody reads its standard error.
    unread: Arc<AtomicBool>,
}

/// The program, not yet started.
pub(crate) fn program(flags: &[&str]) -> Command {
    static CHILD_IS_THERE: Once = Once::new();
    CHILD_IS_THERE.call_once(require_child);
    let mut command = Command::new(PROGRAM);
    command.args(flags).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

impl Proxy {
    /// In front of the child that misbehaves on demand, with these steps as its options.
    pub(crate) fn child(options: &[&str]) -> Self {
        Self::start(&[], &[&[CHILD], options].concat())
    }

    /// The same, with sessions that end with their processes.
    pub(crate) fn mortal(options: &[&str]) -> Self {
        Self::start(&["--session-restart", "never"], &[&[CHILD], options].concat())
    }

    /// In front of this command.
    pub(crate) fn start(flags: &[&str], command: &[&str]) -> Self {
        let mut program = program(&["--port", "0"]);
        program.args(flags).arg("--").args(command);
        Self::run(program)
    }

    /// With the built-in demo.
    pub(crate) fn demo() -> Self {
        Self::run(program(&["--port", "0", "--demo"]))
    }

    /// Starts it and waits for the line that says where it listens.
    pub(crate) fn run(program: Command) -> Self {
        let (log, stderr) = std::io::pipe().unwrap();
        Self::run_with(program, stderr.into(), log)
    }

    /// The same with this standard error, which is read from `log`.
    pub(crate) fn run_with(
        mut program: Command,
        stderr: Stdio,
        from: impl Read + Send + 'static,
    ) -> Self {
        let process = program.stderr(stderr).spawn().unwrap();
        // It holds the writing end as well.
        drop(program);
        let (log, unread) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, pauses) = (Arc::clone(&log), Arc::clone(&unread));
        std::thread::spawn(move || read(from, &kept, &pauses));
        // From here on a panic ends the process too.
        let mut proxy = Self { process, addr: ([127, 0, 0, 1], 0).into(), log, unread };
        process::until("the ready line", PATIENCE, || {
            let log = proxy.log();
            let ready = log.lines().find(|line| line.contains("listening on "));
            proxy.addr = ready.and_then(address).unwrap_or(proxy.addr);
            let ended = proxy.process.try_wait().unwrap();
            assert_eq!(ended, None, "{}", proxy.log());
            ready.is_some()
        });
        proxy
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Whether its standard error is read from now on.
    pub(crate) fn read_log(&self, reads: bool) {
        self.unread.store(!reads, Ordering::Relaxed);
    }

    /// Waits for a line of the log that has all of these; returns it.
    #[track_caller]
    pub(crate) fn logged(&self, parts: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = line {
                return String::from(line);
            }
            assert!(start.elapsed() < PATIENCE, "no line with {parts:?} in\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Processes of its that run.
    pub(crate) fn children(&self) -> Vec<u32> {
        process::children(self.pid()).0
    }

    /// Waits until no child runs and none is a zombie.
    #[track_caller]
    pub(crate) fn childless(&self, most: Duration) -> Duration {
        process::until("no child left", most, || {
            let (alive, dead) = process::children(self.pid());
            alive.is_empty() && dead.is_empty()
        })
    }

    pub(crate) fn connect(&self) -> Conn {
        Conn::open(self.addr)
    }

    /// One request on a connection of its own, and its whole response.
    pub(crate) fn exchange(&self, line: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let mut conn = self.connect();
        conn.request(line, fields, body.as_bytes());
        conn.reply()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits until all that it wrote before it ended is in the log: then the reader lets go of it.
    #[track_caller]
    fn read_out(&self) {
        self.read_log(true);
        process::until("the end of the log", PATIENCE, || Arc::strong_count(&self.log) == 1);
    }

    /// Waits for its end; the log is whole then.
    #[track_caller]
    pub(crate) fn ended(&mut self, most: Duration) -> ExitStatus {
        let mut status = None;
        process::until("the end of the program", most, || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        self.read_out();
        status.unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        #[cfg(target_os = "linux")]
        super::cgroup::sweep(self.pid());
        if std::thread::panicking() {
            eprintln!("--- log of the program\n{}\n---", self.log());
        } else {
            // A panic ends one task only, so it has to be looked for.
            self.read_out();
            assert!(!self.log().contains("fault: "), "{}", self.log());
        }
    }
}

/// Keeps the lines of a log, as long as it shall be read.
fn read(from: impl Read, log: &Mutex<Vec<String>>, pauses: &AtomicBool) {
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        log.lock().unwrap().push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        while pauses.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The address in a line that has a URL.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("http://")?;
    let end = url.find('/')?;
    url[..end].to_socket_addrs().ok()?.next()
}
