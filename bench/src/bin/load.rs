//! The load generator: starts one peer, makes one measurement, prints one line of JSON, ends the
//! peer.
//!
//! Usage: `load MODE [name=value]… -- COMMAND…` with `{port}` in the command. Modes:
//!
//! - `start` — from the start of the peer to its first answer to `initialize`
//! - `calls` — `sessions`, of which `lanes` (all, if not given) make `count` calls in turn, each on
//!   a connection of its own; `flying` (calls at once, as many as lanes if not given), `streams`
//!   (sessions with an idle GET stream), and `acks=quick|delayed`
//! - `progress` — `count` notifications in each of `rounds` calls
//! - `life` — open, call and delete, `count` times
//! - `down`, `up` — one message of `size` bytes, `rounds` times
//! - `idle` — memory and descriptors at rest, of `sessions` and their GET streams, or of
//!   `connections`
//!
//! `path` is the endpoint's. With `pause=1` it prints its process id before and after the calls
//! and waits for a line of input each time, so that a tracer can be attached for just these.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hyper_mcp_proxy_bench::bytes::{count, find};
use hyper_mcp_proxy_bench::http::{Acks, Connection, broken, plain, post};
use hyper_mcp_proxy_bench::mcp;
use hyper_mcp_proxy_bench::peer::{Peer, Session, Vitals};
use hyper_mcp_proxy_bench::pump::{self, ID, Lane, Request};
use hyper_mcp_proxy_bench::report::{Report, micros, percentile};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// For memory to come to rest.
const REST: Duration = Duration::from_millis(700);

/// A text with which the message stays just below 16 MiB, a usual limit.
const LARGE: usize = (16 << 20) - 4096;

struct Run {
    options: BTreeMap<String, String>,
    peer: Peer,
    acks: Acks,
    report: Report,
}

fn main() -> Done {
    let mut args = std::env::args().skip(1);
    let mode = args.next().unwrap_or_default();
    let mut options = BTreeMap::new();
    for arg in args.by_ref().take_while(|arg| arg != "--") {
        let (name, value) = arg.split_once('=').ok_or("an option is name=value")?;
        options.insert(name.to_owned(), value.to_owned());
    }
    let command = args.collect::<Vec<_>>().join(" ");
    let acks = match options.get("acks").map(String::as_str) {
        Some("delayed") => Acks::Delayed,
        _ => Acks::Quick,
    };
    let path = options.get("path").map_or("/mcp", String::as_str);
    let peer = Peer::launch(&command, path)?;
    let mut run = Run { options, peer, acks, report: Report::default() };
    match &*mode {
        "start" => run.start(),
        "calls" => run.calls(),
        "progress" => run.progress(),
        "life" => run.life(),
        "down" => run.large(false),
        "up" => run.large(true),
        "idle" => run.idle(),
        _ => Err("no such mode".into()),
    }?;
    let Run { peer, mut report, .. } = run;
    report.add("end_ms", micros(peer.end()?) / 1e3);
    report.print();
    Ok(())
}

impl Run {
    fn option(&self, name: &str, default: usize) -> usize {
        self.options.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }

    fn start(&mut self) -> Done {
        let mut connection = self.peer.wait(self.acks)?;
        let session = self.peer.open(&mut connection)?;
        self.report.add("start_ms", micros(self.peer.age()) / 1e3);
        self.peer.delete(&mut connection, &session)?;
        Ok(())
    }

    fn connect(&self) -> io::Result<Connection> {
        Connection::open(&self.peer.target, self.acks)
    }

    fn open_many(&mut self, sessions: usize) -> Done<Vec<Session>> {
        let mut connection = self.peer.wait(self.acks)?;
        (0..sessions).map(|_| Ok(self.peer.open(&mut connection)?)).collect()
    }

    /// The GET stream of a session.
    fn listen(&self, session: &Session) -> io::Result<Connection> {
        let mut connection = self.connect()?;
        connection.ask_head(&plain(&self.peer.target, "GET", &session.id))?;
        match connection.reader.status {
            200 => Ok(connection),
            status => Err(broken(&format!("GET: status {status}"))),
        }
    }

    fn pause(&self) -> Done {
        if self.option("pause", 0) > 0 {
            println!("{}", self.peer.pid());
            io::stdin().lock().read_line(&mut String::new())?;
        }
        Ok(())
    }

    fn calls(&mut self) -> Done {
        let (sessions, total) = (self.option("sessions", 1), self.option("count", 1000));
        let lanes = self.option("lanes", sessions);
        let flying = self.option("flying", lanes);
        let sessions = self.open_many(sessions)?;
        let streams = self.option("streams", 0);
        let streams = sessions.iter().take(streams).map(|session| self.listen(session));
        let streams = streams.collect::<io::Result<Vec<_>>>()?;
        let text = format!(r#""text":"{}""#, mcp::TEXT);
        let body = mcp::call(ID, "echo", &text);
        let lane = |session: &Session| {
            let request = post(&self.peer.target, Some(&session.id), &body);
            Ok(Lane::new(self.connect()?, Request::new(request)?))
        };
        let mut lanes = sessions.iter().take(lanes).map(lane).collect::<io::Result<Vec<Lane>>>()?;
        let warm = self.option("warm", (total / 10).clamp(lanes.len(), 1000.max(lanes.len())));
        pump::run(&mut lanes, flying, warm)?;
        self.pause()?;
        let before = self.peer.vitals()?;
        let began = Instant::now();
        let mut latencies = pump::run(&mut lanes, flying, total)?;
        let took = began.elapsed();
        let after = self.peer.vitals()?;
        self.pause()?;
        latencies.sort_unstable();
        for (name, percent) in [("p50_us", 50), ("p90_us", 90), ("p99_us", 99)] {
            self.report.add(name, percentile(&latencies, percent));
        }
        self.report.add("calls_per_s", total as f64 / took.as_secs_f64());
        self.report.add("request_bytes", body.len() as f64);
        self.spent(&before, &after, total as f64);
        drop(streams);
        self.delete_all(&sessions)
    }

    fn spent(&mut self, before: &Vitals, after: &Vitals, calls: f64) {
        self.report.add("cpu_us", micros(after.cpu.saturating_sub(before.cpu)) / calls);
        let ticks = |vitals: &Vitals| (vitals.user_ticks as f64, vitals.system_ticks as f64);
        let (user, system) = (ticks(after).0 - ticks(before).0, ticks(after).1 - ticks(before).1);
        self.report.add("user_share", user / (user + system).max(1.0));
        self.report.add("threads", after.threads as f64);
        self.report.add("descriptors", after.descriptors as f64);
        self.report.add("rss_kib", after.rss_kib as f64);
        self.report.add("peak_kib", after.peak_kib as f64);
    }

    fn delete_all(&self, sessions: &[Session]) -> Done {
        let mut connection = self.connect()?;
        for session in sessions {
            self.peer.delete(&mut connection, session)?;
        }
        Ok(())
    }

    fn progress(&mut self) -> Done {
        let (events, rounds) = (self.option("count", 20_000), self.option("rounds", 3));
        let mut connection = self.peer.wait(self.acks)?;
        let session = self.peer.open(&mut connection)?;
        let request = |number: usize| {
            let arguments = format!(r#""count":{events}"#);
            let body = mcp::call_with_progress(&number.to_string(), "progress", &arguments);
            post(&self.peer.target, Some(&session.id), &body)
        };
        connection.ask(&request(0))?;
        let before = self.peer.vitals()?;
        let mut took = Duration::ZERO;
        let mut seen = 0;
        for round in 0..rounds {
            let request = request(round + 1);
            let began = Instant::now();
            connection.ask(&request)?;
            took += began.elapsed();
            if find(&connection.reader.body, b"done").is_none() {
                return Err("the call was not answered".into());
            }
            seen += count(&connection.reader.body, b"notifications/progress");
        }
        let after = self.peer.vitals()?;
        self.report.add("events_per_s", seen as f64 / took.as_secs_f64());
        self.report.add("lost", (events * rounds - seen) as f64);
        self.spent(&before, &after, (events * rounds) as f64);
        self.delete_all(&[session])
    }

    fn life(&mut self) -> Done {
        let lives = self.option("count", 100);
        let mut connection = self.peer.wait(self.acks)?;
        let call = mcp::call("1", "echo", &format!(r#""text":"{}""#, mcp::TEXT));
        let call = |session: &Session| post(&self.peer.target, Some(&session.id), &call);
        let mut before = self.peer.vitals()?;
        let mut began = Instant::now();
        // The first few warm up.
        let warm = (lives / 10).max(1);
        for number in 0..lives + warm {
            if number == warm {
                before = self.peer.vitals()?;
                began = Instant::now();
            }
            let session = self.peer.open(&mut connection)?;
            connection.ask(&call(&session))?;
            if find(&connection.reader.body, b"\"result\"").is_none() {
                return Err("the call was not answered".into());
            }
            self.peer.delete(&mut connection, &session)?;
        }
        let took = began.elapsed();
        self.report.add("lives_per_s", lives as f64 / took.as_secs_f64());
        let after = self.peer.vitals()?;
        self.spent(&before, &after, lives as f64);
        Ok(())
    }

    fn large(&mut self, up: bool) -> Done {
        let (size, rounds) = (self.option("size", LARGE), self.option("rounds", 3));
        let mut connection = self.peer.wait(self.acks)?;
        let session = self.peer.open(&mut connection)?;
        let request = |number: usize| {
            let id = number.to_string();
            let body = match up {
                true => mcp::call(&id, "sink", &format!(r#""text":"{}""#, "x".repeat(size))),
                false => mcp::call(&id, "blob", &format!(r#""size":{size}"#)),
            };
            post(&self.peer.target, Some(&session.id), &body)
        };
        self.peer.reset_peak()?;
        let mut latencies = Vec::new();
        for round in 0..rounds {
            let request = request(round + 1);
            let began = Instant::now();
            connection.ask(&request)?;
            latencies.push(began.elapsed());
            let got = connection.reader.body.len();
            let whole =
                if up { find(&connection.reader.body, b"taken").is_some() } else { got > size };
            if !whole {
                let status = connection.reader.status;
                return Err(format!("status {status}, {got} bytes").into());
            }
        }
        latencies.sort_unstable();
        let peak = self.peer.vitals()?.peak_kib;
        sleep(REST);
        self.report.add("ms", percentile(&latencies, 50) / 1e3);
        self.report.add("peak_mib", peak as f64 / 1024.0);
        self.report.add("after_mib", self.peer.vitals()?.rss_kib as f64 / 1024.0);
        self.delete_all(&[session])
    }

    /// Memory at rest. What a step has left would hide what the next one takes, so connections
    /// and sessions are not for the same run.
    fn idle(&mut self) -> Done {
        let (count, idle) = (self.option("sessions", 0), self.option("connections", 0));
        drop(self.peer.wait(self.acks)?);
        let fresh = self.settle("idle", 1.0, &Vitals::default())?;
        let connect = |run: &Self| {
            let mut connection = run.connect()?;
            connection.ask(&plain(&run.peer.target, "GET", "none"))?;
            Ok(connection)
        };
        let connections = (0..idle).map(|_| connect(self)).collect::<io::Result<Vec<_>>>()?;
        if idle > 0 {
            self.settle("connection", idle as f64, &fresh)?;
            drop(connections);
            self.settle("closed", 1.0, &Vitals::default())?;
        }
        if count == 0 {
            return Ok(());
        }
        let sessions = self.open_many(count)?;
        let open = self.settle("session", count as f64, &fresh)?;
        self.report.add("sessions_rss_kib", open.rss_kib as f64);
        let streams = sessions.iter().map(|session| self.listen(session));
        if let Ok(streams) = streams.collect::<io::Result<Vec<_>>>() {
            self.settle("stream", count as f64, &open)?;
            drop(streams);
        }
        self.delete_all(&sessions)?;
        self.settle("deleted", 1.0, &Vitals::default())?;
        Ok(())
    }

    fn settle(&mut self, name: &str, count: f64, before: &Vitals) -> Done<Vitals> {
        sleep(REST);
        let now = self.peer.vitals()?;
        let more = |now: u64, before: u64| (now as f64 - before as f64) / count;
        self.report.add(&format!("{name}_kib"), more(now.rss_kib, before.rss_kib));
        self.report.add(&format!("{name}_fds"), more(now.descriptors, before.descriptors));
        self.report.add(&format!("{name}_threads"), now.threads as f64);
        Ok(now)
    }
}
