//! The program that is measured: started by a command line with `{port}` in it, looked at through
//! `/proc`, ended by its process id.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::http::{Acks, Connection, Target, broken, plain, post};
use crate::mcp;

/// How long a peer may take to listen, to answer and to end. The slowest known starts in 3 s; under
/// a profiler it takes ten times as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks whether it listens or has ended.
const LOOK: Duration = Duration::from_micros(200);

pub struct Peer {
    process: Child,
    pub target: Target,
    began: Instant,
}

/// What `/proc` says of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vitals {
    pub cpu: Duration,
    pub user_ticks: u64,
    pub system_ticks: u64,
    pub rss_kib: u64,
    pub peak_kib: u64,
    pub threads: u64,
    pub descriptors: u64,
}

/// An open session.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
}

impl Peer {
    /// Starts it on a free port.
    pub fn launch(template: &str, path: &str) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut words =
            template.split_whitespace().map(|word| word.replace("{port}", &port.to_string()));
        let program = words.next().ok_or_else(|| broken("an empty command"))?;
        let began = Instant::now();
        let process = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { process, target: Target { address, path: path.to_owned() }, began })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How long ago it was started.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until it listens.
    pub fn wait(&mut self, acks: Acks) -> io::Result<Connection> {
        loop {
            if let Ok(socket) = TcpStream::connect(self.target.address) {
                socket.set_read_timeout(Some(PATIENCE))?;
                return Connection::new(socket, acks);
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(broken(&format!("the peer ended: {status}")));
            }
            if self.age() > PATIENCE {
                return Err(broken("the peer does not listen"));
            }
            sleep(LOOK);
        }
    }

    /// Opens a session on a connection.
    pub fn open(&self, connection: &mut Connection) -> io::Result<Session> {
        let body = mcp::initialize();
        connection.ask(&post(&self.target, None, &body))?;
        if connection.reader.status != 200 {
            return Err(broken(&format!("initialize: status {}", connection.reader.status)));
        }
        let id = connection.reader.session.take();
        let id = id.ok_or_else(|| broken("initialize: no session id"))?;
        connection.ask(&post(&self.target, Some(&id), &mcp::initialized()))?;
        Ok(Session { id })
    }

    /// Ends a session.
    pub fn delete(&self, connection: &mut Connection, session: &Session) -> io::Result<()> {
        connection.ask(&plain(&self.target, "DELETE", &session.id))
    }

    /// What `/proc` says of it now.
    pub fn vitals(&self) -> io::Result<Vitals> {
        vitals(self.pid())
    }

    /// Makes the peak of its memory what it has now.
    pub fn reset_peak(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5")
    }

    /// Ends it: politely, then for certain. How long it took.
    pub fn end(mut self) -> io::Result<Duration> {
        let began = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while began.elapsed() < PATIENCE {
            if self.process.try_wait()?.is_some() {
                return Ok(began.elapsed());
            }
            sleep(Duration::from_millis(1));
        }
        self.process.kill()?;
        self.process.wait()?;
        Err(broken("the peer did not end by SIGTERM"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended; then this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn vitals(pid: u32) -> io::Result<Vitals> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything, but it ends at the last parenthesis.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let tick =
        |at: usize| after.split_whitespace().nth(at).and_then(|w| w.parse().ok()).unwrap_or(0);
    Ok(Vitals {
        cpu: cpu(pid)?,
        user_ticks: tick(11),
        system_ticks: tick(12),
        rss_kib: field("VmRSS:"),
        peak_kib: field("VmHWM:"),
        threads: field("Threads:"),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
    })
}

/// CPU of all its threads, to the nanosecond. Threads that ended are not in it.
fn cpu(pid: u32) -> io::Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}
