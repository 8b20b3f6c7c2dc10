//! A child, whatever it is: two ends of pipes, a way to end it, and its end.

use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use mcp_bridge::{ChildId, Exit, Input, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::Hub;

const PIECE: usize = 64 * 1024;
/// For what a child left in its pipe; a process that left its group may hold that open.
const LAST_READS: Duration = Duration::from_secs(1);

/// Starts a child of that server, with these variables.
pub type Start = dyn Fn(Server, Vec<(String, String)>) -> io::Result<Child>;

/// A child that was started.
pub struct Child {
    /// Its process id, if it is a process.
    pub pid: Option<u32>,
    pub stdin: Box<dyn AsyncWrite + Unpin>,
    pub stdout: Box<dyn AsyncRead + Unpin>,
    /// Asks it to end, or ends it if this is true.
    pub end: Box<dyn Fn(bool)>,
    /// Its end, with all that belongs to it.
    pub exit: Pin<Box<dyn Future<Output = Exit>>>,
}

/// One that runs, as the hub sees it.
pub(crate) struct Running {
    stdin: Option<UnboundedSender<Vec<u8>>>,
    paused: watch::Sender<bool>,
    end: Box<dyn Fn(bool)>,
}

impl Running {
    pub(crate) fn write(&self, bytes: Vec<u8>) {
        self.stdin.as_ref().map(|stdin| stdin.send(bytes));
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(crate) fn end(&self, at_once: bool) {
        (self.end)(at_once);
    }
}

impl Hub {
    pub(crate) fn open(self: &Rc<Self>, server: Server, id: ChildId, env: Vec<(String, String)>) {
        let child = match (self.start)(server, env) {
            Ok(child) => child,
            Err(error) => {
                let (reason, public) = (&*error.to_string(), "the system refused its program");
                return self.handle(Input::OpenFailed { child: id, reason, public });
            }
        };
        let (stdin, queue) = unbounded_channel();
        let (paused, gate) = watch::channel(false);
        let running = Running { stdin: Some(stdin), paused, end: child.end };
        self.children.borrow_mut().insert(id, running);
        spawn_local(Rc::clone(self).write(id, child.stdin, queue));
        spawn_local(Rc::clone(self).attend(id, child.exit, child.stdout, gate));
        self.handle(Input::Opened { child: id, pid: child.pid });
    }

    /// Ends, and closes the child's input, when the engine has closed the queue.
    async fn write(
        self: Rc<Self>,
        id: ChildId,
        mut stdin: Box<dyn AsyncWrite + Unpin>,
        mut queue: UnboundedReceiver<Vec<u8>>,
    ) {
        while let Some(lines) = queue.recv().await {
            for piece in lines.chunks(PIECE) {
                // What a child that closed its input is told is lost; its end tells the engine.
                let _ = stdin.write_all(piece).await;
                self.tell(Input::StdinTaken { child: id, bytes: piece.len() });
            }
        }
        let _ = stdin.shutdown().await;
    }

    async fn read(
        &self,
        mut stdout: Box<dyn AsyncRead + Unpin>,
        mut gate: watch::Receiver<bool>,
        tell: impl Fn(&[u8]),
    ) {
        let mut buffer = vec![0; PIECE];
        while gate.wait_for(|paused| !paused).await.is_ok() {
            match stdout.read(&mut buffer).await {
                Ok(count @ 1..) => tell(&buffer[..count]),
                _ => return,
            }
        }
    }

    /// Reads until the child has ended, and what it left.
    async fn attend(
        self: Rc<Self>,
        id: ChildId,
        mut exit: Pin<Box<dyn Future<Output = Exit>>>,
        stdout: Box<dyn AsyncRead + Unpin>,
        gate: watch::Receiver<bool>,
    ) {
        let tell = |bytes: &[u8]| self.tell(Input::Stdout { child: id, bytes });
        let mut read = pin!(self.read(stdout, gate, tell));
        let exit = tokio::select! {
            exit = &mut exit => {
                if let Some(child) = self.children.borrow_mut().get_mut(&id) {
                    child.pause(false);
                    child.end = Box::new(|_| {}); // Its number is not ours any more.
                }
                let _ = timeout(LAST_READS, read).await;
                exit
            }
            () = &mut read => {
                self.tell(Input::StdoutClosed { child: id });
                exit.await
            }
        };
        self.children.borrow_mut().remove(&id);
        self.tell(Input::Exited { child: id, exit, stderr: b"" });
    }
}
