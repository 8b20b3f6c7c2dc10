//! The servers: the one of the command line, or those of the file of `--config`, which is reloaded
//! on request. Every command is looked up before it is used.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mcp_bridge::Eras;

use crate::cli::config_file::{self, Definition, Definitions};
use crate::cli::exit::Exit;
use crate::os::sys;
use crate::process::spawn::{Launch, find_program};

/// The longest file. With the most servers allowed, it leaves 4 KiB for each.
const FILE: u64 = 1024 * 1024;

/// A server and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its name in the file; none if it is the only one.
    pub(crate) name: Option<String>,
    /// The path of its endpoint.
    pub(crate) path: String,
    pub(crate) launch: Launch,
    /// The eras that its clients may use.
    pub(crate) eras: Eras,
    /// Members of its definition that are ignored.
    pub(crate) unknown: Vec<String>,
    /// Texts of it that clients would substitute, and their members.
    pub(crate) placeholders: Vec<String>,
}

impl Server {
    /// Logs the server, if there are several.
    pub(crate) fn tell(&self) {
        let Some(name) = &self.name else { return };
        log::info!(target: "proxy", "serving {name} at {}", self.path);
        for member in &self.unknown {
            log::warn!(target: "proxy", "server {name:?}: unknown member {member:?} ignored");
        }
        for placeholder in &self.placeholders {
            log::warn!(
                target: "proxy",
                "server {name:?}: {placeholder} is not replaced: the server gets this text as it is"
            );
        }
    }

    /// Logs what clients of 2026-07-28 share.
    pub(crate) fn tell_of_eras(&self) {
        if self.eras.shares() {
            log::warn!(
                target: "proxy",
                "{}: if the server speaks only revisions with sessions, all 2026-07-28 clients \
                 share its processes, and so what it keeps in them (--eras {})",
                self.path,
                self.eras
            );
        }
    }

    /// Whether it has the same command and path as the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Self { eras: other.eras, ..self.clone() } == *other
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
    pub(crate) fn tell(&self) {
        for name in &self.remote {
            log::warn!(
                target: "proxy",
                "the server {name:?} is skipped: it has a url and no command"
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
                true => "; if this has arguments, give each of them apart from the command",
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
    /// Paths already in use.
    pub(crate) taken: Vec<String>,
    pub(crate) common: Common,
}

impl ConfigFile {
    /// Reads the file: all of its servers, or why it is rejected.
    pub(crate) fn read(&self) -> Result<Found, Exit> {
        let within = |reason| format!("{}: {reason}", self.file.display());
        let text = self.text().map_err(|error| Exit::usage(within(error.to_string())))?;
        let found = config_file::parse(&text).map_err(|reason| Exit::usage(within(reason)))?;
        let Definitions { servers, remote } = found;
        let servers = servers.into_iter().map(|server| {
            self.server(server).map_err(|exit| match exit {
                Exit::Fail { code, reason } => Exit::Fail { code, reason: within(reason) },
                exit @ Exit::Print(_) => exit,
            })
        });
        Ok(Found { servers: servers.collect::<Result<_, _>>()?, remote })
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let file = sys::open_file(&self.file)?;
        // Any other kind of file may block.
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut text = Vec::new();
        file.take(FILE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > FILE {
            return Err(io::Error::other(format!("it has more than {FILE} bytes")));
        }
        Ok(text)
    }

    fn server(&self, found: Definition) -> Result<Server, Exit> {
        let Definition { name, command, args, env, cwd, eras, unknown, placeholders } = found;
        let path = format!("/{name}{}", self.endpoint);
        if self.taken.contains(&path) {
            return Err(Exit::usage(format!(
                "the server {name:?} would have the path {path}, as --health or --metrics has"
            )));
        }
        let mut common = self.common.clone();
        let mut command = PathBuf::from(command);
        if let Some(cwd) = cwd.map(PathBuf::from) {
            if !cwd.is_dir() {
                return Err(Exit::usage(format!(
                    "the member \"cwd\" of the server {name:?} is not a directory: {}",
                    cwd.display()
                )));
            }
            // A path is relative to the server's working directory, as it is for clients.
            if command.components().count() > 1 {
                command = cwd.join(command);
            }
            common.cwd = Some(cwd);
        }
        common.env.extend(env.into_iter().map(|(name, value)| (name.into(), value.into())));
        let args = args.into_iter().map(OsString::from).collect();
        let launch = common.launch(command.into(), args).map_err(|exit| match exit {
            Exit::Fail { code, reason } => {
                let member = format!("the member \"command\" of the server {name:?}");
                Exit::Fail { code, reason: format!("{member}: {reason}") }
            }
            exit @ Exit::Print(_) => exit,
        })?;
        let eras = eras.unwrap_or(self.common.eras);
        Ok(Server { name: Some(name), path, launch, eras, unknown, placeholders })
    }
}
