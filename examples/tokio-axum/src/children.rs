//! Child processes: each in a process group of its own, ended as the engine says, and told to be
//! gone when all that it wrote was told.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use mcp_bridge::{ChildId, Exit, Input};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::Hub;

const PIECE: usize = 16 * 1024;
/// For what a child left in its pipe; a process that left its group may hold that open.
const LAST_READS: Duration = Duration::from_secs(1);

pub struct Running {
    /// None once it has ended: its number is not ours any more.
    group: Option<Pid>,
    stdin: Option<UnboundedSender<Vec<u8>>>,
    pub paused: bool,
}

impl Running {
    pub fn write(&self, bytes: Vec<u8>) {
        if let Some(stdin) = &self.stdin {
            let _ = stdin.send(bytes);
        }
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Hub {
    pub(crate) fn start(
        self: &Arc<Self>,
        id: ChildId,
        env: Vec<(String, String)>,
    ) -> io::Result<(Running, u32)> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).envs(env).process_group(0).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let (lines, queue) = unbounded_channel();
        tokio::spawn(Arc::clone(self).write(id, stdin, queue));
        tokio::spawn(Arc::clone(self).attend(id, child, stdout));
        Ok((Running { group, stdin: Some(lines), paused: false }, pid))
    }

    /// Ends, and closes the child's input, when the engine has closed the queue.
    async fn write(
        self: Arc<Self>,
        id: ChildId,
        mut stdin: ChildStdin,
        mut queue: UnboundedReceiver<Vec<u8>>,
    ) {
        while let Some(lines) = queue.recv().await {
            for piece in lines.chunks(PIECE) {
                // What a child that closed its input is told is lost; its end tells the engine.
                let _ = stdin.write_all(piece).await;
                self.tell(Input::StdinTaken { child: id, bytes: piece.len() });
            }
        }
    }

    async fn read(self: Arc<Self>, id: ChildId, mut stdout: ChildStdout) {
        let mut buffer = vec![0; PIECE];
        loop {
            self.until(|state| {
                let child = state.children.get(&id);
                child.is_none_or(|child| !child.paused || child.group.is_none())
            })
            .await;
            match stdout.read(&mut buffer).await {
                Ok(count @ 1..) => self.tell(Input::Stdout { child: id, bytes: &buffer[..count] }),
                _ => return self.tell(Input::StdoutClosed { child: id }),
            }
        }
    }

    /// Waits for the child's end.
    async fn attend(self: Arc<Self>, id: ChildId, mut child: Child, stdout: ChildStdout) {
        let mut reader = tokio::spawn(Arc::clone(&self).read(id, stdout));
        let exit = match child.wait().await {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            },
            Err(_) => Exit::Unknown,
        };
        // What is left of its group is ended at once. While the group has members its number is
        // taken; if it has none, the signal finds nobody.
        if let Some(running) = self.lock().children.get_mut(&id) {
            running.kill();
            running.group = None;
        }
        self.progressed.notify_waiters();
        if timeout(LAST_READS, &mut reader).await.is_err() {
            reader.abort();
        }
        let mut state = self.lock();
        state.children.remove(&id);
        self.feed(&mut state, Input::Exited { child: id, exit, stderr: b"" });
    }
}
