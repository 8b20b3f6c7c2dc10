//! The child alone over its pipes: what any proxy in front of it pays at least for the child.
//!
//! Usage: `pipe CHILD COUNT` prints one line of JSON.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use hyper_mcp_proxy_bench::bytes::find;
use hyper_mcp_proxy_bench::mcp;
use hyper_mcp_proxy_bench::report::{Report, micros, percentile};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// As many children as the proxies have in the test of many calls.
const CHILDREN: usize = 8;
/// As large as the proxies' large messages.
const LARGE: usize = (16 << 20) - 4096;
/// Progress notifications of one call.
const EVENTS: usize = 50_000;

struct Pipe {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl Pipe {
    fn open(child: &str) -> Done<Self> {
        let mut process =
            Command::new(child).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = process.stdin.take().ok_or("no stdin")?;
        let stdout = process.stdout.take().ok_or("no stdout")?;
        let stdout = BufReader::with_capacity(64 * 1024, stdout);
        Ok(Self { process, stdin, stdout, line: Vec::new() })
    }

    fn write(&mut self, message: &str) -> Done {
        self.stdin.write_all(message.as_bytes())?;
        Ok(())
    }

    /// Reads lines up to the answer; how many they were.
    fn read(&mut self) -> Done<usize> {
        for count in 1.. {
            self.line.clear();
            if self.stdout.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            if find(&self.line[..self.line.len().min(64)], b"\"result\"").is_some() {
                return Ok(count);
            }
        }
        Err("the child ended".into())
    }

    fn ask(&mut self, message: &str) -> Done<usize> {
        self.write(message)?;
        self.read()
    }

    fn end(self) -> Done {
        let Self { mut process, stdin, .. } = self;
        drop(stdin);
        process.wait()?;
        Ok(())
    }
}

fn main() -> Done {
    let mut args = std::env::args().skip(1);
    let child = args.next().ok_or("pipe CHILD COUNT")?;
    let count: usize = args.next().ok_or("pipe CHILD COUNT")?.parse()?;
    let line = |message: String| message + "\n";
    let mut report = Report::default();

    let began = Instant::now();
    let mut pipe = Pipe::open(&child)?;
    pipe.ask(&line(mcp::initialize()))?;
    report.add("start_ms", micros(began.elapsed()) / 1e3);

    let call = line(mcp::call("1", "echo", &format!(r#""text":"{}""#, mcp::TEXT)));
    let mut latencies = (0..count)
        .map(|_| {
            let began = Instant::now();
            pipe.ask(&call)?;
            Ok(began.elapsed())
        })
        .collect::<Done<Vec<Duration>>>()?;
    latencies.sort_unstable();
    report.add("p50_us", percentile(&latencies, 50));

    let events = format!(r#""count":{EVENTS}"#);
    let progress = line(mcp::call_with_progress("1", "progress", &events));
    let began = Instant::now();
    let seen = pipe.ask(&progress)?;
    report.add("events_per_s", (seen - 1) as f64 / began.elapsed().as_secs_f64());

    let large = line(mcp::call("1", "blob", &format!(r#""size":{LARGE}"#)));
    let began = Instant::now();
    pipe.ask(&large)?;
    report.add("down_ms", micros(began.elapsed()) / 1e3);
    let large = line(mcp::call("1", "sink", &format!(r#""text":"{}""#, "x".repeat(LARGE))));
    let began = Instant::now();
    pipe.ask(&large)?;
    report.add("up_ms", micros(began.elapsed()) / 1e3);
    pipe.end()?;

    let mut pipes = (0..CHILDREN).map(|_| Pipe::open(&child)).collect::<Done<Vec<_>>>()?;
    let began = Instant::now();
    for _ in 0..count / CHILDREN {
        pipes.iter_mut().try_for_each(|pipe| pipe.write(&call))?;
        pipes.iter_mut().try_for_each(|pipe| pipe.read().map(drop))?;
    }
    let calls = (count / CHILDREN * CHILDREN) as f64;
    report.add("calls_per_s", calls / began.elapsed().as_secs_f64());
    pipes.into_iter().try_for_each(Pipe::end)?;
    report.print();
    Ok(())
}
