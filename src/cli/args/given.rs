//! The flags as argh parses them, each with its kind of value. What they are for is in the table of
//! flags, which prints the help; a test holds the two together.

use std::path::PathBuf;
use std::time::Duration;

use argh::FromArgs;
use mcp_bridge::Eras;

use crate::logging::Format;

/// The largest number of processes accepted: more than a system has.
const PROCESSES: usize = 1_000_000;
/// The longest wait in seconds, some thirty years. An integer, because it is printed: the standard
/// library's float formatting adds 10 KB.
const SECONDS: u32 = 1_000_000_000;
/// The longest message in GiB, far below an overflow of sums of sizes.
const GIBIBYTES: usize = if usize::BITS < 64 { 1 } else { 1024 };

/// The flags.
#[derive(FromArgs, Debug)]
pub(super) struct Given {
    #[argh(option, short = 'H', hidden_help)]
    pub(super) host: Option<String>,
    #[argh(option, short = 'p', from_str_fn(port), hidden_help)]
    pub(super) port: Option<u16>,
    #[argh(option, hidden_help)]
    pub(super) unix: Option<PathBuf>,
    #[argh(option, short = 'e', default = "String::from(\"/mcp\")", hidden_help)]
    pub(super) endpoint: String,
    #[argh(option, hidden_help)]
    pub(super) sse_endpoint: Option<String>,
    #[argh(option, hidden_help)]
    pub(super) config: Option<PathBuf>,
    #[argh(switch, hidden_help)]
    #[allow(dead_code, reason = "it is looked for before: it holds for errors of the others too")]
    pub(super) check: bool,
    #[argh(option, hidden_help)]
    pub(super) cwd: Option<PathBuf>,
    #[argh(option, hidden_help)]
    pub(super) env: Vec<String>,
    #[argh(switch, hidden_help)]
    pub(super) clear_env: bool,
    #[argh(option, default = "Eras::Auto", hidden_help)]
    pub(super) eras: Eras,
    #[argh(option, from_str_fn(count), hidden_help)]
    pub(super) prewarm: Option<usize>,
    #[argh(switch, hidden_help)]
    pub(super) demo: bool,
    #[argh(option, from_str_fn(seconds), hidden_help)]
    pub(super) session_keep_alive: Option<Duration>,
    #[argh(option, from_str_fn(restart), hidden_help)]
    pub(super) session_restart: Option<bool>,
    #[argh(option, from_str_fn(seconds), hidden_help)]
    pub(super) session_expiry: Option<Duration>,
    #[argh(option, from_str_fn(seconds), hidden_help)]
    pub(super) sleep: Option<Duration>,
    #[argh(switch, hidden_help)]
    pub(super) share: bool,
    #[argh(option, hidden_help)]
    pub(super) sessions: Option<PathBuf>,
    #[argh(option, hidden_help)]
    pub(super) header_env: Vec<String>,
    #[argh(option, hidden_help)]
    pub(super) affinity: Vec<String>,
    #[argh(option, hidden_help)]
    pub(super) node: Option<String>,
    #[argh(option, from_str_fn(some), hidden_help)]
    pub(super) max_sessions: Option<usize>,
    #[argh(option, from_str_fn(size), hidden_help)]
    pub(super) max_message: Option<usize>,
    #[argh(option, from_str_fn(size), hidden_help)]
    pub(super) max_memory: Option<usize>,
    #[argh(option, from_str_fn(seconds), hidden_help)]
    pub(super) request_timeout: Option<Duration>,
    #[argh(option, from_str_fn(seconds), hidden_help)]
    pub(super) drain_timeout: Option<Duration>,
    #[argh(option, hidden_help)]
    pub(super) allow_host: Vec<String>,
    #[argh(option, hidden_help)]
    pub(super) allow_origin: Vec<String>,
    #[argh(option, default = "String::from(\"/healthz\")", hidden_help)]
    pub(super) health: String,
    #[argh(option, hidden_help)]
    pub(super) metrics: Option<String>,
    #[argh(option, hidden_help)]
    pub(super) metrics_listen: Option<String>,
    #[argh(switch, hidden_help)]
    pub(super) no_trace_context: bool,
    #[argh(option, default = "Format::Text", hidden_help)]
    pub(super) log_format: Format,
    #[argh(switch, hidden_help)]
    pub(super) access_log: bool,
    #[argh(option, hidden_help)]
    pub(super) access_user: Option<String>,
    #[argh(option, hidden_help)]
    pub(super) record: Option<PathBuf>,
    #[argh(switch, hidden_help)]
    pub(super) record_contents: bool,
    #[argh(option, from_str_fn(size), hidden_help)]
    pub(super) record_limit: Option<usize>,
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

/// Whether sessions outlive their servers.
fn restart(text: &str) -> Result<bool, String> {
    match text {
        "on-demand" => Ok(true),
        "never" => Ok(false),
        _ => Err(String::from("it takes on-demand or never")),
    }
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
