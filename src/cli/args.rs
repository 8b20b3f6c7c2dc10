//! The command line: its syntax and its meaning. Every mistake is found here or before the program
//! listens, and reported in one line.

mod given;
mod observe;
mod patterns;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use argh::FromArgs;
use mcp_bridge::Config;

use crate::access::Access;
use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::flags::flags;
use crate::cli::help;
use crate::cli::launch::{Common, ConfigFile, Found, Server, Terms};
use crate::cli::probe;
use crate::hub::Pages;
use crate::logging::{Format, remedies};
use crate::os::memory;
use crate::os::sockets::Place;
use crate::record;
use given::Given;
use patterns::{all, is_host_pattern, is_origin};

/// The hidden first argument with which the program starts itself as the demonstration server.
pub(crate) const DEMO_SERVER: &str = "--demo-server";

/// Bytes of a node's name: with the 33 that follow it, a session id has at most the 64 bytes that
/// the tables of reverse proxies allow.
const NODE: usize = 31;
/// Header fields that identify a client: a user, a tenant, an application, a conversation, and as
/// many more.
const AFFINITY: usize = 8;
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
    /// The file that keeps sessions.
    pub(crate) sessions: Option<PathBuf>,
    pub(crate) access: Access,
    /// Where the pages have an address of their own.
    pub(crate) aside: Option<Place>,
    pub(crate) pages: Pages,
    /// Where the run is recorded, if it is.
    pub(crate) record: Option<record::Terms>,
    /// Variables that look like the program's own, and are not.
    pub(crate) strange: Vec<String>,
}

/// Parses the arguments, without the program's own name, and the environment.
pub(crate) fn parse(
    args: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Options, Exit> {
    let mut arguments = Arguments::read(args)?;
    if arguments.has("help") {
        return Err(Exit::Print(help::text()));
    }
    if arguments.has("version") {
        return Err(Exit::Print(
            concat!("hyper-mcp-proxy ", env!("CARGO_PKG_VERSION"), "\n").into(),
        ));
    }
    if let Some(url) = arguments.value_of("probe") {
        return Err(probe::run(url));
    }
    arguments.add_environment(environment)?;
    let is_check = arguments.has("check");
    match (is_check, options(&arguments).map_err(|exit| arguments.with_variables(exit))) {
        (true, Ok(options)) => Err(summary(&options)),
        (true, Err(Exit::Fail { reason, .. })) => Err(Exit::Fail { code: 1, reason }),
        (_, options) => options,
    }
}

/// What `--check` says of a file and flags that are well-formed: a server that can't be started is
/// a failure.
fn summary(options: &Options) -> Exit {
    let servers = &options.servers.servers;
    let faults: Vec<_> = servers.iter().filter_map(|server| server.fault.as_ref()).collect();
    if !faults.is_empty() {
        let reasons: Vec<_> = faults.into_iter().map(|fault| fault.exit.reason()).collect();
        return Exit::Fail { code: 1, reason: reasons.join("; ") };
    }
    let line =
        |server: &Server| format!("{} starts {}\n", server.path, server.launch.program.display());
    Exit::Print(servers.iter().map(line).collect())
}

fn options(arguments: &Arguments) -> Result<Options, Exit> {
    let given = Given::from_args(&["hyper-mcp-proxy"], &arguments.texts());
    let given = given.map_err(|early| Exit::usage(complaint(first_line(&early.output))))?;
    let config = config(&given)?;
    let pages = observe::pages(&given, config.health.clone());
    let (servers, file) = servers(&given, arguments.command.clone(), &config)?;
    Ok(Options {
        place: place(&given)?,
        is_placed: given.host.is_some() || given.port.is_some() || given.unix.is_some(),
        log_format: given.log_format,
        config,
        servers,
        file,
        sessions: given.sessions.clone(),
        record: observe::record(&given)?,
        access: observe::access(&given)?,
        aside: given.metrics_listen.as_deref().map(observe::place).transpose()?,
        pages,
        strange: arguments.strange.clone(),
    })
}

/// The reason, in the parser's words.
fn first_line(text: &str) -> &str {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("bad arguments");
    line.trim().trim_end_matches('.')
}

/// The reason in the words of the other complaints: the flag first.
fn complaint(reason: &str) -> String {
    let parts = || {
        let (flag, rest) = reason.strip_prefix("Error parsing option '")?.split_once("' with ")?;
        let (value, form) = rest.strip_prefix("value '")?.rsplit_once("': it takes ")?;
        Some(format!("{flag} takes {form}, not {value:?} (see --help)"))
    };
    let unknown = || {
        let name = reason.strip_prefix("Unrecognized argument: ")?;
        let (bare, _) = name.split_once('=').unwrap_or((name, ""));
        Some(match flags().any(|flag| flag.is_called(bare)) {
            true => format!("{bare} takes no value (see --help)"),
            false => format!("there is no option {bare} (see --help)"),
        })
    };
    let bare = || {
        let flag = reason.strip_prefix("No value provided for option '")?.strip_suffix('\'')?;
        Some(format!("{flag} needs a value (see --help)"))
    };
    parts().or_else(unknown).or_else(bare).unwrap_or_else(|| format!("{reason} (see --help)"))
}

fn place(given: &Given) -> Result<Place, Exit> {
    let Some(path) = &given.unix else {
        let host = given.host.clone().unwrap_or_else(|| String::from("127.0.0.1"));
        return Ok(Place::Tcp { host, port: given.port.unwrap_or(8080) });
    };
    if given.host.is_some() || given.port.is_some() {
        return Err(Exit::usage("--unix can't be combined with --host and --port"));
    }
    Ok(Place::Unix(path.clone()))
}

/// The servers, and the file to reload them from, if there is one.
fn servers(
    given: &Given,
    command: Vec<OsString>,
    config: &Config,
) -> Result<(Found, Option<ConfigFile>), Exit> {
    let env = &given.env;
    let env = env.iter().map(|pair| variable(pair)).collect::<Result<Vec<_>, _>>()?;
    let cwd = given.cwd.clone();
    let (clear_env, eras, sleep, share) =
        (given.clear_env, config.eras, config.sleep, config.share);
    let common = Common { cwd, env, clear_env, eras, sleep, share };
    let (endpoint, sse) = (config.endpoint.clone(), config.sse_endpoint.clone());
    if let Some(file) = &given.config {
        if given.demo || !command.is_empty() {
            return Err(Exit::usage("--config can't be combined with a command or --demo"));
        }
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        let taken = config.metrics.iter().chain(&config.health).cloned().collect();
        let file = ConfigFile { file, endpoint, sse, taken, common };
        return Ok((file.read()?, Some(file)));
    }
    let (name, args) = command_of(given.demo, command)?;
    let launch = common.launch(name, args)?;
    let terms = Terms { eras, sleep, share, ..Terms::default() };
    let (path, unknown) = (endpoint, Vec::new());
    let server = Server { name: None, path, sse, launch, terms, fault: None, unknown };
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
        (true, Some(_)) => Err(Exit::usage("--demo can't be combined with a command")),
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
            Err(Exit::usage(format!(
                "--header-env can't take {header}: it describes the connection, not the client"
            )))
        }
        Some((header, variable))
            if is_field(header) && !variable.is_empty() && variable.bytes().all(name) =>
        {
            Ok((header.to_owned(), variable.to_owned()))
        }
        _ => Err(Exit::usage(format!("--header-env takes HEADER=VARIABLE, not {pair:?}"))),
    }
}

fn config(given: &Given) -> Result<Config, Exit> {
    let (endpoint, health, metrics) = paths(given)?;
    let sse_endpoint = sse_path(given, [Some(&endpoint), health.as_ref(), metrics.as_ref()])?;
    let header_env = given.header_env.iter().map(|pair| header_variable(pair));
    let header_env = header_env.collect::<Result<Vec<_>, _>>()?;
    let default = Config::default();
    let none_if_zero = |wait: Duration| Some(wait).filter(|wait| !wait.is_zero());
    let sessions = given.max_sessions.unwrap_or(default.sessions);
    let message = given.max_message.unwrap_or(default.message);
    let budget = memory::budget(given.max_memory, message).map_err(Exit::usage)?;
    let (allow_hosts, allow_origins) = allowed(given)?;
    let config = Config {
        endpoint,
        sse_endpoint,
        health,
        metrics: metrics.filter(|_| given.metrics_listen.is_none()),
        eras: given.eras,
        header_env,
        affinity: affinity(given.affinity.clone())?,
        persist: given.sessions.is_some(),
        trace_context: !given.no_trace_context,
        remedies: remedies::all(),
        node: given.node.clone().map(node).transpose()?,
        prewarm: given.prewarm.unwrap_or(default.prewarm).min(sessions),
        allow_hosts,
        allow_origins,
        sessions,
        // The shared processes of 2026-07-28 have the same limit again.
        pool: sessions,
        message,
        budget,
        idle: given.session_keep_alive.map_or(default.idle, none_if_zero),
        restart: given.session_restart.unwrap_or(default.restart),
        expiry: given.session_expiry.map_or(default.expiry, none_if_zero),
        sleep: given.sleep.and_then(none_if_zero),
        share: given.share,
        request: given.request_timeout.map_or(default.request, none_if_zero),
        drain: given.drain_timeout.unwrap_or(default.drain),
        ..default
    };
    let flag = |field: &str| format!("--{}", field.replace('_', "-"));
    let checked = config.check();
    checked.map_err(|error| Exit::usage(format!("{} {}", flag(error.field), error.reason)))?;
    Ok(config)
}

/// The paths of the endpoint, the health check and the metrics.
fn paths(given: &Given) -> Result<(String, Option<String>, Option<String>), Exit> {
    let (endpoint, metrics) = (given.endpoint.clone(), given.metrics.clone());
    let health = Some(given.health.clone()).filter(|path| !path.is_empty() && path != "off");
    check_path("--endpoint", &endpoint)?;
    if let Some(path) = &health {
        check_path("--health", path)?;
        if *path == endpoint {
            return Err(Exit::usage("--health and --endpoint must be different paths"));
        }
    }
    if let Some(path) = &metrics {
        check_path("--metrics", path)?;
        if *path == endpoint || Some(path) == health.as_ref() {
            return Err(Exit::usage("--metrics needs a path of its own"));
        }
    }
    Ok((endpoint, health, metrics))
}

/// The path of HTTP+SSE. That which is not asked for makes way for the others.
fn sse_path(given: &Given, others: [Option<&String>; 3]) -> Result<Option<String>, Exit> {
    let is_taken = |path: &String| others.iter().flatten().any(|other| *other == path);
    match &given.sse_endpoint {
        None => Ok(Some(String::from("/sse")).filter(|path| !is_taken(path))),
        Some(path) if path.is_empty() || path == "off" => Ok(None),
        Some(path) if is_taken(path) => Err(Exit::usage("--sse-endpoint needs a path of its own")),
        Some(path) => check_path("--sse-endpoint", path).map(|()| Some(path.clone())),
    }
}

/// The hosts and origins that are accepted.
fn allowed(given: &Given) -> Result<(Vec<String>, Vec<String>), Exit> {
    let hosts = all(
        given.allow_host.clone(),
        is_host_pattern,
        "--allow-host",
        "* or, without other wildcards, a host name or an address, with or without a port, such as \
         mcp.example.com or [::1]:8080",
    )?;
    let origins = all(
        given.allow_origin.clone(),
        is_origin,
        "--allow-origin",
        "* or an origin as a browser sends it, without a path, such as https://app.example",
    )?;
    Ok((hosts, origins))
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
            let example = match flag {
                "--endpoint" => "mcp",
                "--sse-endpoint" => "sse",
                page => &page[2..],
            };
            Err(Exit::usage(format!("{flag} takes a path such as /{example}, not {path:?}")))
        }
    }
}
