//! Every limit and every wait, with the reason for its default.
//!
//! Plain data. Sizes are in bytes, waits are durations, counts are counts. What `Config` bounds,
//! nothing in the engine exceeds.

mod check;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::eras::Eras;
use crate::api::limits::{ANNOTATIONS, KNOWN_ERAS};
use crate::api::rule::{self, Rule};
pub use check::ConfigError;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// What a process takes in the tables beside what is kept for its peers.
const PROCESS: usize = 8 * KIB;

/// The settings of an engine, given once, at [`Bridge::new`](crate::Bridge::new).
///
/// Fields are added in minor versions: name those that differ and take the rest from the default.
/// What a client gets at a limit is in docs/reference.md, "Status codes".
///
/// # Zero and the largest value
///
/// A count or a size of zero is none: no session, no shared child, nothing kept. A wait of zero is
/// over at once. The largest value is no limit, and so is `None` of a wait; a wait that ends later
/// than the last representable [`Instant`](crate::Instant) never ends. What could not work is an
/// error of [`check`](Self::check):
///
/// - zero for `starting`, `calls`, `listeners`, `message`, `head`, `queue` and `breaker_starts`;
/// - a `budget` of less than four bytes;
/// - less than a millisecond for `start`, `keep_alive`, `idle`, `sleep`, `request`, `probe`, `park`
///   and `stall`;
/// - more than 1024 for `prewarm`, and with it more than 1024 for `breaker_starts` or less than a
///   millisecond for `breaker_wait`;
/// - a path, a node or a variable that can't be one.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config};
/// use std::time::Duration;
///
/// let config = Config {
///     allow_origins: vec![String::from("https://app.example.com")],
///     message: 1 << 20,
///     request: Some(Duration::from_secs(600)),
///     ..Config::default()
/// };
/// let bridge = Bridge::new(config)?;
/// assert!(bridge.is_idle());
/// # Ok::<(), mcp_bridge::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the MCP endpoint, compared as it stands in the request's target. Where there are
    /// several servers, [`Input::Servers`](crate::Input::Servers) gives their paths instead.
    pub endpoint: String,
    /// The path of the transport HTTP+SSE of 2024-11-05, if it is offered: a GET there opens a
    /// session, whose process starts with its `initialize` and ends with the stream. Its driver
    /// passes queries on, as [`Head::path`](crate::Head::path) says. None. Where there are several
    /// servers, [`Input::Servers`](crate::Input::Servers) gives their paths instead.
    pub sse_endpoint: Option<String>,
    /// The path that answers a health check, if any. Exempt from the Host and Origin rules,
    /// because probes come by address, and it says nothing that they protect.
    pub health: Option<String>,
    /// The path of a page of metrics, if any. Its head is judged here; the page is the driver's,
    /// which drops what [`Bridge::admit`](crate::Bridge::admit) gives, and answers with what
    /// [`Bridge::server_stats`](crate::Bridge::server_stats) tells. `Host` may be any IP address
    /// there, because Prometheus asks by address and a page that rebinds a name sends the name.
    pub metrics: Option<String>,
    /// Which eras clients may use. Where there are several servers,
    /// [`Input::Servers`](crate::Input::Servers) says it of each instead.
    pub eras: Eras,
    /// The name of this node, with which session ids and request states begin, so that a front can
    /// find by them which of its nodes is meant. Visible ASCII.
    pub node: Option<String>,
    /// Whether the listener is bound to a loopback address only. Then `Host` must be a loopback
    /// name or listed in `allow_hosts`: DNS rebinding is stopped by the name that the browser
    /// believes in. A Unix socket is none, because no browser reaches it.
    pub loopback: bool,
    /// Further `Host` values that are let in: a host, or a host with its port; `*` is any. If
    /// `loopback` is false, an empty list is any.
    pub allow_hosts: Vec<String>,
    /// `Origin` values that are let in beside loopback ones: scheme, host and port as a browser
    /// writes them; `*` is any.
    pub allow_origins: Vec<String>,
    /// Header fields whose values reach the child of the session, each with the name of the
    /// variable that gets it. What a front proxy has found out about a client goes to that
    /// client's child and to no other; a session, and a shared child, is for one set of values.
    pub header_env: Vec<(String, String)>,
    /// Header fields whose values name a client of 2026-07-28: requests with the same values stay
    /// on one child, which no other client uses. A request without them shares with others without.
    /// With `share` they divide sessions likewise.
    /// Up to 4 KiB of values in a request.
    pub affinity: Vec<String>,
    /// Whether the header fields `traceparent`, `tracestate` and `baggage` go into the `_meta` of
    /// the message that they come with, where that has none of its own.
    pub trace_context: bool,
    /// What an operator can do about a [`Rule`], as the end of a sentence: it follows the engine's
    /// text after a semicolon in the errors that clients get. If it is empty, the texts name the
    /// rules alone.
    pub remedies: Vec<(Rule, Cow<'static, str>)>,

    /// Sessions at once, each with a process of its own. 64 suits a small host; above it a client
    /// is asked to retry. As many children again may be on their way out.
    pub sessions: usize,
    /// Children that start at once. 8, because a start is the costly moment of a child (`npx` loads
    /// hundreds of files); further sessions wait for their turn within `start`.
    pub starting: usize,
    /// Calls in flight in one session, and at one shared child, and as many open subscriptions
    /// there, which are no calls: the next goes to another of `pool`.
    /// 256 is far above what clients run in parallel and bounds the tables.
    pub calls: usize,
    /// Children that are started ahead of any client, and not yet written to. 0; a server that
    /// takes long to start is worth one or two. None where `header_env` makes children differ.
    pub prewarm: usize,
    /// Children that the stateless era's requests share, at once: sets of client capabilities, or
    /// calls at once that may require input of their client. 64, because each costs what a session
    /// costs.
    pub pool: usize,
    /// Calls at once that wait for their client's input. 64.
    pub parked: usize,
    /// Resources at once that are subscribed to at one shared child; more go to another. 256.
    pub subscriptions: usize,
    /// Bytes that the engine and its driver keep for all peers together: messages on their way, in
    /// and out, and events to be resumed. Large requests are refused first, then all new ones;
    /// readers that take nothing lose what waits for them. 256 MiB lets several large messages
    /// pass at once.
    pub budget: usize,
    /// One message, either way, and so a request's body and a child's line. As much again holds the
    /// answers to a batch until all are there, and, in one session, calls that may have to be made
    /// again. 16 MiB carries a large file in Base64. At most a quarter of `budget`.
    pub message: usize,
    /// A request's head, for the driver's reader. 16 KiB is what common front proxies pass on.
    pub head: usize,
    /// GET streams of one session at once; the oldest ends for one more. A client has one; 8 leaves
    /// room for those that broke and whose end is not noticed yet.
    pub listeners: usize,
    /// Events kept in one session to be resumed or to wait for a reader. 1 MiB.
    pub replay: usize,
    /// Bytes of one session's answers and streams that their peers have not taken, above which its
    /// child is not read. What a piece of the child's output, or a resume, brings at once comes on
    /// top. 256 KiB keeps a fast peer busy. A shared child is read up to twice that, so that
    /// readers who are behind leave room for the others.
    pub queue: usize,
    /// Bytes that one child's standard input has not taken, above which a POST is answered 503.
    /// A message is accepted into an empty queue whatever its size. 1 MiB.
    pub stdin: usize,

    /// From the acceptance of `initialize` to the child's answer. 60 s: a first `npx` downloads.
    pub start: Duration,
    /// The silence after which a call becomes a stream in a session of 2025-11-25 or later, where
    /// the priming event makes it resumable. 50 ms keeps quick answers plain JSON.
    pub promote_primed: Duration,
    /// The same in older sessions, where all that a stream brings is a sign of life. 15 s.
    pub promote: Duration,
    /// The silence after which an open stream gets a comment. 15 s: below the idle limits of
    /// common proxies (60 s).
    pub keep_alive: Duration,
    /// The reconnection time that a primed stream proposes (WHATWG SSE, `retry`). 1 s.
    pub retry: Duration,
    /// How long a session lives without a call that somebody waits for, a stream that somebody
    /// reads, or a request. 300 s; `None` is for ever.
    pub idle: Option<Duration>,
    /// Whether a session outlives its process. One whose process crashed, or that was idle for
    /// `idle`, sleeps: the next message that needs a process starts one, which gets the same
    /// handshake. If not, it ends.
    pub restart: bool,
    /// How long a session sleeps before it ends, from the last request of its client on. 24 h: a
    /// client that is closed in the evening goes on in the morning. `None` is for ever.
    pub expiry: Option<Duration>,
    /// Sessions that sleep at once; for one more, the one that was unused for longest ends. 10,000
    /// take 20 MiB. Together they take at most a quarter of `budget`.
    pub asleep: usize,
    /// How long a session may have no call in flight before it falls asleep, also while its client
    /// holds streams open. `None`, because a server may do something between calls. Where there
    /// are several servers, [`Input::Servers`](crate::Input::Servers) says it of each instead.
    pub sleep: Option<Duration>,
    /// Whether sessions share processes: all those whose clients ask for the same revision, declare
    /// the same capabilities, and have the same values of `header_env` and `affinity`. False,
    /// because a process then keeps the state of several clients. Where there are several servers,
    /// [`Input::Servers`](crate::Input::Servers) says it of each instead.
    pub share: bool,
    /// How long a session must have been unused, without a call or a stream, to be put to sleep
    /// when `sessions` are awake and another is to be. 30 s: no pause between two calls.
    pub spare: Duration,
    /// Whether the driver keeps sessions over its own restarts: then
    /// [`Output::Save`](crate::Output::Save) comes for each.
    pub persist: bool,
    /// How long a call may run, and how long a subscription may take to begin. `None`, because
    /// agents run for hours.
    pub request: Option<Duration>,
    /// How long a child may leave `server/discover` unanswered. 5 s. Then it gets a `ping`: one
    /// that answers that is given as long again and taken for one of the session era, one that
    /// does not may only start slowly, and is waited for as long as `start` permits.
    pub probe: Duration,
    /// How long a child that was asked for its era, and answered that it is of the session era,
    /// waits for the `initialize` of the client that was refused. 10 s: SDKs send it at once.
    pub fallback: Duration,
    /// How long a call waits for the input that its client was asked for (MCP 2026-07-28 "Multi
    /// Round-Trip Requests"). 5 minutes: a person reads and types.
    pub park: Duration,
    /// How long a peer may take nothing of what it was given, or too little while others wait for
    /// the same child or for memory, before it loses its exchange; and a shared child before
    /// another takes its requests. 30 s.
    pub stall: Duration,
    /// How long events of an ended stream are kept for a resume. 60 s.
    pub keep_ended: Duration,
    /// From a child's closed standard output to the end of its session, so that its exit status
    /// can be told. 80 ms.
    pub exit_grace: Duration,
    /// From a child's closed standard input to `SIGTERM`. 2 s: MCP "Lifecycle, Shutdown" requires
    /// to wait, and well-behaved children need milliseconds.
    pub term_grace: Duration,
    /// From `SIGTERM` to `SIGKILL`. 2 s.
    pub kill_grace: Duration,
    /// How long calls in flight may go on after [`Input::Shutdown`](crate::Input::Shutdown). 10 s.
    pub drain: Duration,
    /// Starts that fail in a row before such starts are refused for `breaker_wait`: all of that
    /// server if no client can have caused it, else those with the same variables or of clients
    /// that say the same. 5.
    pub breaker_starts: u32,
    /// How long they are refused after that. 10 s.
    pub breaker_wait: Duration,
}

impl Config {
    /// What an operator can do about this rule, if [`remedies`](Self::remedies) says it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::{Config, Rule};
    ///
    /// let remedies = vec![(Rule::Sessions, "set MAX_SESSIONS to allow more".into())];
    /// let config = Config { remedies, ..Config::default() };
    /// assert_eq!(config.remedy(Rule::Sessions), Some("set MAX_SESSIONS to allow more"));
    /// assert_eq!(config.remedy(Rule::Memory), None);
    /// ```
    pub fn remedy(&self, rule: Rule) -> Option<&str> {
        rule::remedy(rule, &self.remedies)
    }

    /// The most that [`Bridge::buffered`](crate::Bridge::buffered) can return for an engine with
    /// that many servers, in bytes: the `budget`, what it remembers of the servers' tools, and what
    /// each process takes by itself.
    ///
    /// On top come the program, the message that is being worked on, and what an allocator rounds
    /// up.
    ///
    /// # Examples
    ///
    /// ```
    /// use mcp_bridge::Config;
    ///
    /// let small = Config { budget: 64 << 20, ..Config::default() };
    /// assert!(small.memory(1) < 66 << 20 && small.memory(1) > small.budget);
    /// ```
    pub fn memory(&self, servers: usize) -> usize {
        let spares = self.prewarm.saturating_mul(servers);
        let processes = self.sessions.saturating_add(self.pool).saturating_add(spares);
        let known = (ANNOTATIONS + KNOWN_ERAS).saturating_mul(servers);
        self.budget.saturating_add(known).saturating_add(processes.saturating_mul(PROCESS))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::from("/mcp"),
            sse_endpoint: None,
            health: Some(String::from("/healthz")),
            metrics: None,
            eras: Eras::Auto,
            node: None,
            loopback: true,
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            header_env: Vec::new(),
            affinity: Vec::new(),
            trace_context: true,
            remedies: Vec::new(),
            sessions: 64,
            starting: 8,
            calls: 256,
            prewarm: 0,
            pool: 64,
            parked: 64,
            subscriptions: 256,
            budget: 256 * MIB,
            message: 16 * MIB,
            head: 16 * KIB,
            listeners: 8,
            replay: MIB,
            queue: 256 * KIB,
            stdin: MIB,
            start: Duration::from_secs(60),
            promote_primed: Duration::from_millis(50),
            promote: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
            retry: Duration::from_secs(1),
            idle: Some(Duration::from_secs(300)),
            restart: true,
            expiry: Some(Duration::from_secs(24 * 60 * 60)),
            asleep: 10_000,
            sleep: None,
            share: false,
            spare: Duration::from_secs(30),
            persist: false,
            request: None,
            probe: Duration::from_secs(5),
            fallback: Duration::from_secs(10),
            park: Duration::from_secs(300),
            stall: Duration::from_secs(30),
            keep_ended: Duration::from_secs(60),
            exit_grace: Duration::from_millis(80),
            term_grace: Duration::from_secs(2),
            kill_grace: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            breaker_starts: 5,
            breaker_wait: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_is_held_is_the_budget_and_a_little() {
        let one = Config { budget: 1000, sessions: 1, pool: 0, ..Config::default() };
        assert_eq!(one.memory(0), 1000 + 8 * KIB);
        assert_eq!(
            one.memory(3),
            1000 + 8 * KIB + 3 * 320 * KIB,
            "annotations and eras of each server"
        );
        let more = Config { sessions: 3, pool: 2, prewarm: 2, ..one };
        assert_eq!(more.memory(3), 1000 + (3 + 2 + 2 * 3) * 8 * KIB + 3 * 320 * KIB);
    }

    #[test]
    fn each_rule_has_its_own_remedy() {
        let remedies = Rule::ALL.map(|rule| (rule, alloc::format!("{rule:?}").into()));
        let config = Config { remedies: remedies.into(), ..Config::default() };
        for rule in Rule::ALL {
            assert_eq!(config.remedy(rule), Some(&*alloc::format!("{rule:?}")));
        }
    }

    #[test]
    fn sizes_are_in_powers_of_two() {
        let Config { message, replay, stdin, queue, head, budget, .. } = Config::default();
        assert_eq!(budget, 256 << 20);
        assert_eq!((message, replay, stdin), (16 << 20, 1 << 20, 1 << 20));
        assert_eq!((queue, head), (256 << 10, 16 << 10));
    }
}
