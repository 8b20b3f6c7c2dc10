//! `cargo run -- 8080 COMMAND…` in this folder serves a command on `http://127.0.0.1:8080/mcp`,
//! HTTP/1.1 and HTTP/2 by prior knowledge; port 0 picks a free one.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::{env, io};

use hyper_embedding::children::Child;
use mcp_bridge::{Exit, Server};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

fn main() -> io::Result<()> {
    let mut args = env::args_os().skip(1);
    let port = args.next().and_then(|port| port.to_str()?.parse().ok());
    let (Some(port), command @ [_, ..]) = (port, &*args.collect::<Vec<_>>()) else {
        return Err(io::Error::other("usage: hyper-embedding PORT COMMAND [ARGUMENT…]"));
    };
    let command = command.to_vec();
    let start = move |_: Server, env| {
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).envs::<Vec<(String, String)>, _, _>(env).process_group(0);
        start(process)
    };
    hyper_embedding::serve(port, &[("/mcp", Server(0))], Box::new(start))
}

/// A process that leads a group.
fn start(mut command: Command) -> io::Result<Child> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
    let exit = async move {
        let status = child.wait().await;
        // What is left of its group: while it has members its number is taken, else nobody is hit.
        let _ = kill_process_group(group, Signal::KILL);
        match status.map(|status| (status.code(), status.signal())) {
            Ok((Some(code), _)) => Exit::Code(code),
            Ok((None, Some(signal))) => Exit::Signal(signal),
            _ => Exit::Unknown,
        }
    };
    let end = move |at_once| {
        let _ = kill_process_group(group, if at_once { Signal::KILL } else { Signal::TERM });
    };
    Ok(Child {
        pid: Some(pid),
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        end: Box::new(end),
        exit: Box::pin(exit),
    })
}
