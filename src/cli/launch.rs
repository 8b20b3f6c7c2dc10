//! The servers: the one of the command line, or those of the file of `--config`, which is reloaded
//! on request. Every command is looked up before it is used.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_bridge::{Endpoint, Eras, Limits};

use crate::cli::config_file::{self, Definition, Definitions, Tools, dotenv};
use crate::cli::exit::Exit;
use crate::os::sys;
use crate::process::spawn::{Launch, find_program};

/// The longest file. With the most servers allowed, it leaves 4 KiB for each.
const FILE: u64 = 1024 * 1024;
/// The longest file of variables: as many as a process can have, by common limits of systems.
const VARIABLES: u64 = 128 * 1024;

/// A server and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its name in the file; none if it is the only one.
    pub(crate) name: Option<String>,
    /// The path of its endpoint.
    pub(crate) path: String,
    /// The path of HTTP+SSE, if that is offered.
    pub(crate) sse: Option<String>,
    pub(crate) launch: Launch,
    pub(crate) terms: Terms,
    /// Why it can't be started, if that was found ahead.
    pub(crate) fault: Option<Fault>,
    /// Members of its definition that are ignored.
    pub(crate) unknown: Vec<String>,
}

/// Why a server can't be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// For the operator.
    pub(crate) exit: Exit,
    /// For clients: nothing of the command or the host.
    pub(crate) public: &'static str,
}

/// What holds for the clients of a server. It may change while the server's processes stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The eras that they may use.
    pub(crate) eras: Eras,
    /// Limits in place of those of the flags.
    pub(crate) limits: Limits,
    /// How long their sessions may have no call before they sleep.
    pub(crate) sleep: Option<Duration>,
    /// Whether their sessions share processes.
    pub(crate) share: bool,
    pub(crate) tools: Tools,
}

impl Server {
    /// Logs the server, if there are several.
    pub(crate) fn log(&self) {
        let Some(name) = &self.name else { return };
        if self.fault.is_none() {
            log::info!(target: "proxy", "serving {name} at {}", self.path);
        }
        for member in &self.unknown {
            log::warn!(target: "proxy", "server {name:?}: unknown member {member:?} ignored");
        }
        if let Some(fault) = &self.fault {
            log::warn!(
                target: "proxy",
                "{} is disabled: {}", self.path, fault.exit.reason()
            );
        }
    }

    /// Logs what clients share.
    pub(crate) fn log_sharing(&self) {
        if self.terms.eras.shares() {
            log::warn!(
                target: "proxy",
                "{}: with --eras {}, all 2026-07-28 clients of a session-era server share its \
                 processes and the state in them",
                self.path,
                self.terms.eras
            );
        }
        if self.terms.share {
            log::warn!(
                target: "proxy",
                "{}: with --share, sessions of like clients share a process and the state in it",
                self.path
            );
        }
    }

    /// What the engine knows of it.
    pub(crate) fn endpoint(&self, server: mcp_bridge::Server) -> Endpoint<'_> {
        let Terms { eras, limits, sleep, share, tools } = &self.terms;
        let tools = mcp_bridge::Tools { allow: tools.allow.as_deref(), deny: &tools.deny };
        let fault = self.fault.as_ref().map(|fault| fault.public);
        let (path, name) = (&*self.path, self.name.as_deref());
        let sse = self.sse.as_deref();
        let (eras, limits, sleep, share) = (*eras, *limits, *sleep, *share);
        Endpoint { path, name, sse, server, eras, limits, sleep, share, tools, fault }
    }

    /// Whether it has the same command and path as the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Self { terms: other.terms.clone(), ..self.clone() } == *other
    }
}

/// Servers, and names of others that can't be served.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) servers: Vec<Server>,
    /// Those with an address and without a command.
    pub(crate) remote: Vec<String>,
}

impl Found {
    /// Logs the servers that are skipped.
    pub(crate) fn log(&self) {
        for name in &self.remote {
            log::warn!(
                target: "proxy",
                "server {name:?} is skipped: it has a url and no command, so clients call it directly"
            );
        }
    }
}

/// The settings of every server that does not override them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common {
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) clear_env: bool,
    pub(crate) eras: Eras,
    pub(crate) sleep: Option<Duration>,
    pub(crate) share: bool,
}

impl Common {
    /// How to start this command.
    pub(crate) fn launch(&self, name: OsString, args: Vec<OsString>) -> Result<Launch, Exit> {
        if let Some(cwd) = &self.cwd
            && !cwd.is_dir()
        {
            return Err(Exit::usage(format!("--cwd: {} is not a directory", cwd.display())));
        }
        let paths = self.env.iter().rev().filter(|(name, _)| name == "PATH");
        let path = paths.map(|(_, value)| value.clone()).next();
        let path = path.or_else(|| std::env::var_os("PATH"));
        let program =
            find_program(Path::new(&name), path).map_err(|error| not_found(&name, &error))?;
        let Self { cwd, env, clear_env, .. } = self.clone();
        Ok(Launch { name, program, args, cwd, env, clear_env })
    }
}

/// Uses the exit codes of `env` and the shells.
fn not_found(name: &OsStr, error: &io::Error) -> Exit {
    let name = name.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let hint = match name.contains(char::is_whitespace) {
                true => "; if this includes arguments, give each of them separately",
                false => "",
            };
            Exit::Fail { code: 127, reason: format!("command not found: {name}{hint}") }
        }
        _ => Exit::Fail { code: 126, reason: format!("command can't be run: {name}: {error}") },
    }
}

/// The file that names the servers, and the settings needed to read it again.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    pub(crate) file: PathBuf,
    /// The part of a path after the server's name.
    pub(crate) endpoint: String,
    /// The same for HTTP+SSE, if that is offered.
    pub(crate) sse: Option<String>,
    /// Paths already in use.
    pub(crate) taken: Vec<String>,
    pub(crate) common: Common,
}

impl ConfigFile {
    /// Reads the file: all of its servers, or why it is rejected.
    pub(crate) fn read(&self) -> Result<Found, Exit> {
        let within = |reason| format!("{}: {reason}", self.file.display());
        let text = read(&self.file, FILE);
        let text = text.map_err(|error| Exit::usage(within(unreadable(&error))))?;
        let found = config_file::parse(&text, &|name| std::env::var_os(name));
        let Definitions { servers, remote } =
            found.map_err(|reason| Exit::usage(within(reason)))?;
        let servers = servers.into_iter().map(|server| self.server(server));
        let servers = servers.collect::<Result<Vec<_>, Exit>>();
        let servers = servers.map_err(|exit| exit.map(within))?;
        let mut faults = servers.iter().map(|server| server.fault.as_ref());
        match faults.next().flatten() {
            Some(first) if faults.all(|fault| fault.is_some()) => {
                Err(first.exit.clone().map(within))
            }
            _ => Ok(Found { servers, remote }),
        }
    }

    fn server(&self, found: Definition) -> Result<Server, Exit> {
        let path = format!("/{}{}", found.name, self.endpoint);
        let sse = self.sse.as_ref().map(|sse| format!("/{}{sse}", found.name));
        if let Some(path) = [&path].into_iter().chain(&sse).find(|path| self.taken.contains(path)) {
            return Err(Exit::usage(format!(
                "the server {:?} would be at {path}, which is the path of --health or --metrics",
                found.name
            )));
        }
        let (launch, fault) = match self.launch(&found) {
            Ok(launch) => (launch, None),
            Err(fault) => (Launch::default(), Some(fault)),
        };
        let Definition { name, eras, limits, sleep, share, tools, unknown, .. } = found;
        let sleep = sleep.or(self.common.sleep).filter(|wait| !wait.is_zero());
        let (eras, share) = (eras.unwrap_or(self.common.eras), share.unwrap_or(self.common.share));
        let terms = Terms { eras, limits, sleep, share, tools };
        Ok(Server { name: Some(name), path, sse, launch, terms, fault, unknown })
    }

    /// How to start a server, or why it can't be started.
    fn launch(&self, found: &Definition) -> Result<Launch, Fault> {
        let of = |member: &str| format!("the member {member:?} of the server {:?}", found.name);
        let mut common = self.common.clone();
        let cwd = found.cwd.as_ref().map(PathBuf::from);
        if let Some(cwd) = cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            let reason = format!("{} is not a directory: {}", of("cwd"), cwd.display());
            let public = "its working directory does not exist";
            return Err(Fault { exit: Exit::usage(reason), public });
        }
        // A path is relative to the server's working directory, as it is for clients.
        let within = |path: PathBuf| match &cwd {
            Some(cwd) => cwd.join(path),
            None => path,
        };
        if let Some(file) = found.env_file.as_ref().map(|file| within(file.into())) {
            let bad = |reason| {
                let reason = format!("{}: {}: {reason}", of("envFile"), file.display());
                Fault { exit: Exit::usage(reason), public: "its file of variables can't be used" }
            };
            let text = read(&file, VARIABLES).map_err(|error| bad(error.to_string()))?;
            let text = String::from_utf8(text).map_err(|_| bad(String::from("it is not UTF-8")))?;
            let variables = dotenv::parse(&text).map_err(bad)?;
            common
                .env
                .extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        let env = found.env.iter().map(|(name, value)| (name.into(), value.into()));
        common.env.extend(env);
        let mut command = PathBuf::from(&found.command);
        if command.components().count() > 1 {
            command = within(command);
        }
        common.cwd = cwd.clone().or(common.cwd);
        let args = found.args.iter().map(OsString::from).collect();
        let launch = common.launch(command.into(), args);
        launch.map_err(|exit| Fault {
            exit: exit.map(|reason| format!("{}: {reason}", of("command"))),
            public: "its program was not found or can't be run",
        })
    }
}

/// Why a file can't be read.
fn unreadable(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => format!("it can't be read: {error}"),
        None => error.to_string(),
    }
}

/// The text of a file that has at most this many bytes.
fn read(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = sys::open_file(file)?;
    // Any other kind of file may block.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    file.take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(text)
}
