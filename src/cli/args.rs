//! The command line: its syntax and its meaning. Every mistake is found here or before the program
//! listens, and reported in one line.

#![allow(rustdoc::bare_urls, reason = "these doc comments are what --help prints")]

mod patterns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use argh::FromArgs;
use mcp_bridge::{Config, Eras};

use crate::cli::exit::Exit;
use crate::cli::launch::{Common, ConfigFile, Found, Server};
use crate::logging::Format;
use crate::os::memory;
use crate::os::sockets::Place;
use patterns::{all, is_host_pattern, is_origin};

/// The hidden first argument with which the program starts itself as the demonstration server.
pub(crate) const DEMO_SERVER: &str = "--demo-server";

/// Options with a value. This module splits `--name=value` and `-nVALUE`, because argh does not.
const LONG: [&str; 23] = [
    "--host",
    "--port",
    "--unix",
    "--endpoint",
    "--session-keep-alive",
    "--max-sessions",
    "--max-message",
    "--max-memory",
    "--request-timeout",
    "--drain-timeout",
    "--allow-origin",
    "--allow-host",
    "--config",
    "--cwd",
    "--env",
    "--eras",
    "--health",
    "--log-format",
    "--metrics",
    "--node",
    "--prewarm",
    "--header-env",
    "--affinity",
];
/// Bytes of a node's name: with the 33 that follow it, a session id has at most the 64 bytes that
/// the tables of reverse proxies allow.
const NODE: usize = 31;
/// Header fields that identify a client: a user, a tenant, an application, a conversation, and as
/// many more.
const AFFINITY: usize = 8;
/// The largest number of processes accepted: more than a system has.
const PROCESSES: usize = 1_000_000;
/// The longest wait in seconds, some thirty years. An integer, because it is printed: the standard
/// library's float formatting adds 10 KB.
const SECONDS: u32 = 1_000_000_000;
/// The longest message in GiB, far below an overflow of sums of sizes.
const GIBIBYTES: usize = if usize::BITS < 64 { 1 } else { 1024 };
const SHORT: [&str; 3] = ["-H", "-p", "-e"];

/// Puts an MCP server that speaks stdio on the network: clients speak Streamable HTTP to the proxy,
/// and each session gets a server process of its own.
#[allow(rustdoc::bare_urls, reason = "it is the help that is printed")]
#[derive(FromArgs, Debug)]
#[cfg_attr(test, derive(argh::ArgsInfo))]
#[argh(help_triggers("-h", "--help"))]
struct Flags {
    /// address or name to listen on (127.0.0.1)
    #[argh(option, short = 'H', arg_name = "host")]
    host: Option<String>,
    /// port to listen on; 0 picks a free one (8080)
    #[argh(option, short = 'p', from_str_fn(port), arg_name = "port")]
    port: Option<u16>,
    /// path of a Unix socket to listen on instead, open to the same user only
    #[argh(option, arg_name = "socket")]
    unix: Option<PathBuf>,
    /// path of the MCP endpoint (/mcp)
    #[argh(option, short = 'e', default = "String::from(\"/mcp\")", arg_name = "path")]
    endpoint: String,
    /// how long an unused session lives; 0 means no limit (300)
    #[argh(option, from_str_fn(seconds), arg_name = "seconds")]
    session_keep_alive: Option<Duration>,
    /// maximum concurrent sessions, one process each (64)
    #[argh(option, from_str_fn(some), arg_name = "n")]
    max_sessions: Option<usize>,
    /// longest message, either way, in bytes or with K, M, G (16M)
    #[argh(option, from_str_fn(size), arg_name = "bytes")]
    max_message: Option<usize>,
    /// what messages on their way may take together, in bytes or with K, M, G (a quarter of the
    /// memory, from 64M to 256M)
    #[argh(option, from_str_fn(size), arg_name = "bytes")]
    max_memory: Option<usize>,
    /// how long a call may run; 0 means no limit (0)
    #[argh(option, from_str_fn(seconds), arg_name = "seconds")]
    request_timeout: Option<Duration>,
    /// how long calls may go on after SIGTERM or SIGINT (10)
    #[argh(option, from_str_fn(seconds), arg_name = "seconds")]
    drain_timeout: Option<Duration>,
    /// additional web origin to allow besides local ones, such as https://app.example; * is any
    /// (repeatable)
    #[argh(option, arg_name = "origin")]
    allow_origin: Vec<String>,
    /// host name that requests may be for, with or without a port; * is any (repeatable)
    #[argh(option, arg_name = "host")]
    allow_host: Vec<String>,
    /// JSON file of servers by their names, each of which is at /NAME/mcp; SIGHUP reads it again
    #[argh(option, arg_name = "file")]
    config: Option<PathBuf>,
    /// directory that the server starts in
    #[argh(option, arg_name = "dir")]
    cwd: Option<PathBuf>,
    /// variable for the server's environment (repeatable)
    #[argh(option, arg_name = "name=value")]
    env: Vec<String>,
    /// give the server only the variables set by --env
    #[argh(switch)]
    clear_env: bool,
    /// which revisions clients may use: auto, sessions, modern (2026-07-28) or both (auto)
    #[argh(option, default = "Eras::Auto", arg_name = "eras")]
    eras: Eras,
    /// path of the health check, or "off" (/healthz)
    #[argh(option, default = "String::from(\"/healthz\")", arg_name = "path")]
    health: String,
    /// path of the metrics for Prometheus, if any
    #[argh(option, arg_name = "path")]
    metrics: Option<String>,
    /// name of this node among others, with which its session ids begin
    #[argh(option, arg_name = "name")]
    node: Option<String>,
    /// servers to start before anybody asks, when starting takes long (0)
    #[argh(option, from_str_fn(count), arg_name = "n")]
    prewarm: Option<usize>,
    /// pass this request header to that client's server as an environment variable (repeatable)
    #[argh(option, arg_name = "header=variable")]
    header_env: Vec<String>,
    /// header field whose value names a client of 2026-07-28, which gets a process of its own where
    /// processes are shared (repeatable)
    #[argh(option, arg_name = "header")]
    affinity: Vec<String>,
    /// leave traceparent, tracestate and baggage headers out of the messages that the server gets
    #[argh(switch)]
    no_trace_context: bool,
    /// text or json (text)
    #[argh(option, default = "Format::Text", arg_name = "format")]
    log_format: Format,
    /// serve the demonstration server that is built in
    #[argh(switch)]
    demo: bool,
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    /// the server and its arguments, after --
    #[argh(positional, greedy, arg_name = "COMMAND")]
    #[allow(dead_code, reason = "only for the help: the command is taken off before")]
    command: Vec<String>,
}

/// The flags as data, for the manual page and the shell completions.
#[cfg(test)]
pub(crate) fn definition() -> argh::CommandInfoWithArgs {
    <Flags as argh::ArgsInfo>::get_args_info()
}

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) place: Place,
    /// Whether the operator has named the place.
    pub(crate) is_placed: bool,
    pub(crate) log_format: Format,
    /// Complete, except for whether the listener is bound to loopback only.
    pub(crate) config: Config,
    pub(crate) servers: Found,
    /// The file to reload them from.
    pub(crate) file: Option<ConfigFile>,
}

/// Parses the arguments, without the program's own name.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Options, Exit> {
    let (flags, command) = split(args)?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let flags = Flags::from_args(&["hyper-mcp-proxy"], &flags).map_err(|early| {
        match early.status {
            Ok(()) => Exit::Print(format!("{}\n", early.output.trim_end())),
            // The first line is the reason; the rest names the help.
            Err(()) => Exit::usage(format!("{} (see --help)", first_line(&early.output))),
        }
    })?;
    if flags.version {
        return Err(Exit::Print(
            concat!("hyper-mcp-proxy ", env!("CARGO_PKG_VERSION"), "\n").into(),
        ));
    }
    let (servers, file) = servers(&flags, command)?;
    Ok(Options {
        place: place(&flags)?,
        is_placed: flags.host.is_some() || flags.port.is_some() || flags.unix.is_some(),
        log_format: flags.log_format,
        config: config(flags)?,
        servers,
        file,
    })
}

/// Separates our options, in the form that argh accepts, from the command. The command follows
/// `--`, or begins with the first argument that is not an option.
fn split(args: Vec<OsString>) -> Result<(Vec<String>, Vec<OsString>), Exit> {
    let mut flags = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        if !arg.as_encoded_bytes().starts_with(b"-") {
            return Ok((flags, std::iter::once(arg).chain(args).collect()));
        }
        let arg = utf8(arg)?;
        if let Some((name, value)) = arg.split_once('=').filter(|(name, _)| LONG.contains(name)) {
            flags.extend([name.to_owned(), value.to_owned()]);
        } else if LONG.contains(&&*arg) || SHORT.contains(&&*arg) {
            flags.push(arg);
            flags.extend(args.next().map(utf8).transpose()?);
        } else if let Some(name) = SHORT.iter().find(|&&name| arg.starts_with(name)) {
            let value = &arg[name.len()..];
            let value = value.strip_prefix('=').unwrap_or(value);
            flags.extend([(*name).to_owned(), value.to_owned()]);
        } else {
            flags.push(arg);
        }
    }
    Ok((flags, args.collect()))
}

fn utf8(arg: OsString) -> Result<String, Exit> {
    let bad = |arg: OsString| format!("an option is not UTF-8: {}", arg.to_string_lossy());
    arg.into_string().map_err(|arg| Exit::usage(bad(arg)))
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("bad arguments");
    line.trim().trim_end_matches('.').to_owned()
}

fn place(flags: &Flags) -> Result<Place, Exit> {
    let Some(path) = &flags.unix else {
        let host = flags.host.clone().unwrap_or_else(|| String::from("127.0.0.1"));
        return Ok(Place::Tcp { host, port: flags.port.unwrap_or(8080) });
    };
    if flags.host.is_some() || flags.port.is_some() {
        return Err(Exit::usage("--unix takes the place of --host and --port"));
    }
    Ok(Place::Unix(path.clone()))
}

/// The servers, and the file to reload them from, if there is one.
fn servers(flags: &Flags, command: Vec<OsString>) -> Result<(Found, Option<ConfigFile>), Exit> {
    let env = flags.env.iter().map(|pair| variable(pair)).collect::<Result<Vec<_>, _>>()?;
    let eras = flags.eras;
    let common = Common { cwd: flags.cwd.clone(), env, clear_env: flags.clear_env, eras };
    let endpoint = flags.endpoint.clone();
    if let Some(file) = &flags.config {
        if flags.demo || !command.is_empty() {
            return Err(Exit::usage("--config names the servers: it takes no command, no --demo"));
        }
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let taken = flags.metrics.iter().chain([&flags.health]).cloned().collect();
        let file = ConfigFile { file, endpoint, taken, common };
        return Ok((file.read()?, Some(file)));
    }
    let (name, args) = command_of(flags.demo, command)?;
    let launch = common.launch(name, args)?;
    let server = Server {
        name: None,
        path: endpoint,
        launch,
        eras,
        unknown: Vec::new(),
        placeholders: Vec::new(),
    };
    Ok((Found { servers: vec![server], remote: Vec::new() }, None))
}

fn command_of(demo: bool, command: Vec<OsString>) -> Result<(OsString, Vec<OsString>), Exit> {
    match (demo, command.split_first()) {
        (true, None) => {
            // Without /proc the program is found as it was started.
            let own = std::env::current_exe().map(PathBuf::into_os_string);
            let own = own.or_else(|error| std::env::args_os().next().ok_or(error));
            let own = own.map_err(|error| Exit::Fail {
                code: 1,
                reason: format!("the program's own file can't be found: {error}"),
            })?;
            Ok((own, vec![DEMO_SERVER.into()]))
        }
        (true, Some(_)) => Err(Exit::usage("--demo is a server itself and takes no command")),
        (false, Some((name, args))) => Ok((name.clone(), args.to_vec())),
        (false, None) => {
            Err(Exit::usage("no server command: give one after --, or --config FILE, or --demo"))
        }
    }
}

fn variable(pair: &str) -> Result<(OsString, OsString), Exit> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() && !pair.contains('\0') => {
            Ok((name.into(), value.into()))
        }
        _ => Err(Exit::usage(format!("--env takes NAME=VALUE, not {pair:?}"))),
    }
}

/// Header fields that describe the connection and not the client.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether this is the name of a header field that can identify a client.
fn is_field(header: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !header.is_empty()
        && header.bytes().all(token)
        && !FRAMING.iter().any(|field| header.eq_ignore_ascii_case(field))
}

/// The header fields that identify a client.
fn affinity(headers: Vec<String>) -> Result<Vec<String>, Exit> {
    if headers.len() > AFFINITY {
        return Err(Exit::usage(format!("--affinity can be given {AFFINITY} times at most")));
    }
    match headers.iter().find(|header| !is_field(header)) {
        Some(bad) => Err(Exit::usage(format!("--affinity can't take the header field {bad:?}"))),
        None => Ok(headers),
    }
}

/// A header field, and the variable that gets its value.
fn header_variable(pair: &str) -> Result<(String, String), Exit> {
    let name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match pair.split_once('=') {
        Some((header, _)) if FRAMING.iter().any(|field| header.eq_ignore_ascii_case(field)) => {
            Err(Exit::usage(format!("--header-env can't take {header}, a field of the connection")))
        }
        Some((header, variable))
            if is_field(header) && !variable.is_empty() && variable.bytes().all(name) =>
        {
            Ok((header.to_owned(), variable.to_owned()))
        }
        _ => Err(Exit::usage(format!("--header-env takes HEADER=VARIABLE, not {pair:?}"))),
    }
}

fn config(flags: Flags) -> Result<Config, Exit> {
    check_path("--endpoint", &flags.endpoint)?;
    let health = Some(flags.health).filter(|path| !path.is_empty() && path != "off");
    if let Some(path) = &health {
        check_path("--health", path)?;
        if *path == flags.endpoint {
            return Err(Exit::usage("--health and --endpoint are the same path"));
        }
    }
    if let Some(path) = &flags.metrics {
        check_path("--metrics", path)?;
        if *path == flags.endpoint || Some(path) == health.as_ref() {
            return Err(Exit::usage("--metrics needs a path of its own"));
        }
    }
    let header_env = flags.header_env.iter().map(|pair| header_variable(pair));
    let header_env = header_env.collect::<Result<Vec<_>, _>>()?;
    let default = Config::default();
    let none_if_zero = |wait: Duration| Some(wait).filter(|wait| !wait.is_zero());
    let sessions = flags.max_sessions.unwrap_or(default.sessions);
    let message = flags.max_message.unwrap_or(default.message);
    let budget = memory::budget(flags.max_memory, message).map_err(Exit::usage)?;
    let config = Config {
        endpoint: flags.endpoint,
        health,
        metrics: flags.metrics,
        eras: flags.eras,
        header_env,
        affinity: affinity(flags.affinity)?,
        trace_context: !flags.no_trace_context,
        node: flags.node.map(node).transpose()?,
        prewarm: flags.prewarm.unwrap_or(default.prewarm).min(sessions),
        allow_hosts: all(
            flags.allow_host,
            is_host_pattern,
            "--allow-host takes a host name or an address, with or without a port, such as \
             mcp.example.com or [::1]:8080, or * for any; there are no other wildcards",
        )?,
        allow_origins: all(
            flags.allow_origin,
            is_origin,
            "--allow-origin takes what a browser sends, as https://app.example, without a path",
        )?,
        sessions,
        // The shared processes of 2026-07-28 have the same limit again.
        pool: sessions,
        message,
        budget,
        idle: flags.session_keep_alive.map_or(default.idle, none_if_zero),
        request: flags.request_timeout.map_or(default.request, none_if_zero),
        drain: flags.drain_timeout.unwrap_or(default.drain),
        ..default
    };
    let flag = |field: &str| format!("--{}", field.replace('_', "-"));
    let checked = config.check();
    checked.map_err(|error| Exit::usage(format!("{} {}", flag(error.field), error.reason)))?;
    Ok(config)
}

/// A name that is valid in a header field, in a map of a reverse proxy, and in a regular
/// expression.
fn node(name: String) -> Result<String, Exit> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    match (1..=NODE).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(name),
        false => Err(Exit::usage(format!(
            "--node takes up to {NODE} letters, digits and - . _, not {name:?}"
        ))),
    }
}

fn check_path(flag: &str, path: &str) -> Result<(), Exit> {
    let good = path.bytes().all(|b| b.is_ascii_graphic() && !b"\"#<>?\\^`{|}".contains(&b));
    match good && path.starts_with('/') {
        true => Ok(()),
        false => {
            let example = if flag == "--endpoint" { "mcp" } else { &flag[2..] };
            Err(Exit::usage(format!("{flag} takes a path such as /{example}, not {path:?}")))
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| String::from("it takes a number from 0 to 65535"))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count <= PROCESSES);
    count.ok_or_else(|| format!("it takes a number from 0 to {PROCESSES}"))
}

fn some(text: &str) -> Result<usize, String> {
    let some = count(text).ok().filter(|count| *count > 0);
    some.ok_or_else(|| format!("it takes a number from 1 to {PROCESSES}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let limits = 0.0..=f64::from(SECONDS);
    let seconds = text.parse::<f64>().ok().filter(|seconds| limits.contains(seconds));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or_else(|| format!("it takes seconds from 0 to {SECONDS}, such as 1.5"))
}

fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => Some(1),
        "K" | "KIB" => Some(1 << 10),
        "M" | "MIB" => Some(1 << 20),
        "G" | "GIB" => Some(1 << 30),
        _ => None,
    };
    let size = digits.parse::<usize>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    let size = size.filter(|size| (1..=GIBIBYTES << 30).contains(size));
    size.ok_or_else(|| format!("it takes bytes from 1 to {GIBIBYTES}G, such as 16M"))
}
