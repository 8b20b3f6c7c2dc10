//! Starting a child: the operator's command, in a session of its own, with three pipes and no other
//! descriptor. Nothing of a request reaches the command.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

#[cfg(target_os = "linux")]
use crate::os::clone::Start;
use crate::os::sys::{self, OwnedFd};
use crate::os::systemd;
use crate::process::group::{self, Process};
use crate::process::tree::Place;
use crate::reactor::{Reactor, Source, Use};

/// How to start a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The program name as given, for `argv[0]`.
    pub(crate) name: OsString,
    /// The file found under that name.
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) clear_env: bool,
}

/// Why a child was not started.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) blame: Blame,
    /// For the log: names and paths included.
    pub(crate) reason: String,
    /// For the client: nothing of the command or the host.
    pub(crate) public: &'static str,
}

/// What is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The command.
    Server,
    /// This process or its host, which is out of a resource.
    System,
}

/// A running child, and our ends of its pipes.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) stdin: Source<OwnedFd>,
    pub(crate) stdout: Source<OwnedFd>,
    pub(crate) stderr: Source<OwnedFd>,
}

impl Launch {
    /// Starts a child at this place. On the main thread only: see [`sys::prepare`].
    pub(crate) fn start(
        &self,
        reactor: &Rc<Reactor>,
        env: Vec<(String, String)>,
        place: &Place<'_>,
    ) -> io::Result<Started> {
        let (stdin_theirs, stdin) = sys::pipe_to_child()?;
        let (stdout_theirs, stdout) = sys::pipe_from_child()?;
        let (stderr_theirs, stderr) = sys::pipe_from_child()?;
        // Fallible steps of our own come first: no child may run unwatched.
        let stdin = Source::new(reactor, stdin, Use::PipeOut)?;
        let stdout = Source::new(reactor, stdout, Use::PipeIn)?;
        let stderr = Source::new(reactor, stderr, Use::PipeIn)?;
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        if self.clear_env {
            command.env_clear();
        }
        // Before the operator's variables, which may set these for the server.
        for name in systemd::VARIABLES {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(env);
        let ends = [stdin_theirs.into(), stdout_theirs.into(), stderr_theirs.into()];
        let process = match self.start_in_cgroup(place, &command, &ends) {
            Some(started) => started?,
            None => {
                sys::prepare(&mut command, &self.name, place.mark());
                group::start(command, ends)?
            }
        };
        Ok(Started { process, stdin, stdout, stderr })
    }

    /// Starts the command in the cgroup of the place, if it has one and the system does that.
    #[cfg(target_os = "linux")]
    fn start_in_cgroup(
        &self,
        place: &Place<'_>,
        command: &Command,
        ends: &[OwnedFd; 3],
    ) -> Option<io::Result<Process>> {
        let (name, is_env_cleared) = (&*self.name, self.clear_env);
        let start = Start { command, name, is_env_cleared, mark: place.mark() };
        Some(place.start(&start, ends)?.map(Process))
    }

    /// There are no cgroups.
    #[cfg(not(target_os = "linux"))]
    fn start_in_cgroup<T>(&self, _: &Place<'_>, _: &Command, _: &T) -> Option<io::Result<Process>> {
        None
    }

    /// Why the program did not start, with the name of the program.
    pub(crate) fn explain(&self, error: &io::Error) -> Refusal {
        if let Some((public, remedy)) = sys::shortage(error) {
            return Refusal { blame: Blame::System, reason: format!("{public}; {remedy}"), public };
        }
        let name = self.name.to_string_lossy();
        let (public, reason) = match (error.kind(), &self.cwd) {
            (io::ErrorKind::NotFound, Some(cwd)) if !cwd.is_dir() => (
                "its working directory does not exist",
                format!("{name}: its working directory {} does not exist", cwd.display()),
            ),
            (io::ErrorKind::NotFound, _) if self.program.exists() => (
                "its interpreter was not found",
                format!(
                    "{name}: the interpreter that its first line or its header names is not there"
                ),
            ),
            (io::ErrorKind::NotFound, _) => {
                ("its program was not found", format!("{name}: {error}"))
            }
            (io::ErrorKind::PermissionDenied, _) => {
                ("its program may not be run", format!("{name}: {error}"))
            }
            _ => ("the system refused to run its program", format!("{name}: {error}")),
        };
        Refusal { blame: Blame::Server, reason, public }
    }
}

/// Finds the file for a command name, as a shell does.
pub(crate) fn find_program(name: &Path, path: Option<OsString>) -> io::Result<PathBuf> {
    if name.as_os_str().as_encoded_bytes().iter().any(|byte| sys::SEPARATORS.contains(byte)) {
        // Absolute, so that the child's own working directory does not change its meaning.
        let files = sys::spellings(&std::path::absolute(name)?);
        let mut refusal = io::ErrorKind::NotFound.into();
        for file in files {
            match is_program(&file) {
                Ok(true) => return Ok(file),
                Ok(false) => refusal = io::ErrorKind::PermissionDenied.into(),
                Err(error) => refusal = error,
            }
        }
        return Err(refusal);
    }
    let path = path.unwrap_or_else(|| sys::PATH.into());
    std::env::split_paths(&path)
        .flat_map(|directory| sys::spellings(&directory.join(name)))
        .find(|file| is_program(file).unwrap_or(false))
        .and_then(|file| std::path::absolute(file).ok())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn is_program(file: &Path) -> io::Result<bool> {
    let found = std::fs::metadata(file)?;
    Ok(found.is_file() && sys::is_runnable(&found))
}
