//! The rough world: limits at their ends, time that stands still or leaps, outputs that are carried
//! out late, and a driver that errs in each way that the types allow. There is no model of what
//! should come of it, so the hard laws alone judge. A driver that errs has no claim to be told
//! things once and in order, but the engine may not panic, spin or grow by it, and it is empty when
//! all is gone.

mod clients;
mod config;
mod replies;
mod rest;

use core::time::Duration;
use std::collections::VecDeque;

use mcp_bridge::{Body, ChildId, Exchange, Exit, Input, Instant, Output, SessionNumber};

use super::dice::Dice;
use super::hard::Hard;
use super::json;
use super::law::{Broken, Judged, Law, require};
use super::subject::{Fault, Subject};
use super::text::nonce;
use clients::HELLO;
use replies::{Asked, answer};

/// Outputs that one drain may bring: `prewarm` and `breaker_starts` allow a thousand starts each.
const DRAIN: usize = 20_000;
const STEPS: usize = 400;
const ROUNDS: usize = 4000;

struct Client {
    exchange: Exchange,
    /// Bytes of its response that it has not taken.
    untaken: usize,
    whole: bool,
}

struct Process {
    id: ChildId,
    runs: bool,
    backlog: usize,
    /// Requests that it has not answered.
    asked: VecDeque<Asked>,
    /// It is a session's.
    owned: bool,
    dead: bool,
}

struct Rough<'a> {
    dice: Dice<'a>,
    subject: Subject<'a>,
    hard: Hard,
    errs: bool,
    /// The processes speak 2026-07-28, else the session era.
    modern: bool,
    /// A field of each request names its client.
    named: bool,
    /// The idle time.
    idle: Option<Duration>,
    now: Instant,
    clients: Vec<Client>,
    processes: Vec<Process>,
    sessions: Vec<String>,
    /// Where clients of HTTP+SSE post, and whether they have sent `initialize`.
    addresses: Vec<(String, bool)>,
    /// The next marks of clients and of processes.
    told: usize,
    said: usize,
    asked: u64,
}

/// Plays a case, perhaps with a spoilt engine.
pub(crate) fn run<'a>(bytes: &'a [u8], fault: Option<&'a mut dyn Fault>) -> Judged {
    let mut dice = Dice::new(bytes);
    let (errs, modern) = (dice.one_in(2), dice.one_in(3));
    let config = config::draw(&mut dice);
    let mut hard = Hard::new(&config, modern);
    hard.errs = errs;
    let rough = Rough {
        named: !(config.header_env.is_empty() && config.affinity.is_empty()),
        idle: config.idle,
        dice,
        subject: Subject::new(config, fault),
        hard,
        errs,
        modern,
        now: Instant::new(Duration::from_secs(1000)),
        clients: Vec::new(),
        processes: Vec::new(),
        sessions: Vec::new(),
        addresses: Vec::new(),
        told: 0,
        said: 0,
        asked: 0,
    };
    rough.play()
}

impl Rough<'_> {
    fn play(mut self) -> Judged {
        for _ in 0..STEPS {
            if self.dice.is_empty() {
                break;
            }
            self.step();
            if !self.dice.one_in(4) {
                self.drain()?;
            }
        }
        self.end()
    }

    fn tell(&mut self, input: Input<'_>) {
        self.hard.input(&input, self.now);
        self.subject.handle(input, self.now);
    }

    fn drain(&mut self) -> Judged {
        for _ in 0..DRAIN {
            let Some(output) = self.subject.poll_output() else {
                return self.hard.drained(&mut self.subject);
            };
            self.hard.output(&output)?;
            self.carry_out(output);
        }
        require!(NoSpin, false, "a drain brought more than {DRAIN} outputs");
        Ok(())
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Open { child: id, .. } => {
                let (runs, dead, owned) = (false, false, false);
                let asked = VecDeque::new();
                self.processes.push(Process { id, runs, backlog: 0, asked, owned, dead });
            }
            Output::Write { child, bytes } => {
                let Some(process) = self.processes.iter_mut().find(|p| p.id == child) else {
                    return;
                };
                process.backlog += bytes.len();
                for line in bytes.split(|byte| *byte == b'\n') {
                    let text = |name| json::member(line, name).map(String::from_utf8_lossy);
                    if let (Some(id), Some(method)) = (text("id"), text("method")) {
                        let (id, method) = (id.into_owned(), method.into_owned());
                        let owned = nonce(line, b'c').is_some();
                        process.owned |= owned;
                        process.asked.push_back(Asked { id, method, owned });
                    }
                }
            }
            Output::CloseStdin { child } | Output::Terminate { child } | Output::Kill { child } => {
                let kills = matches!(output, Output::Kill { .. });
                let obeys = kills || self.dice.one_in(2);
                let process = self.processes.iter_mut().find(|p| p.id == child);
                process.into_iter().for_each(|process| process.dead |= obeys);
            }
            Output::Respond { exchange, response } => {
                let mut fields = response.fields.iter();
                let session = fields.find(|(name, _)| *name == "mcp-session-id");
                self.sessions.extend(session.map(|(_, id)| id.to_string()));
                if let Body::Whole(body) = response.body {
                    self.gets(exchange, body.len(), true);
                }
            }
            Output::Send { exchange, bytes } => {
                let address =
                    bytes.strip_prefix(b"event: endpoint\nid: 0\ndata: ").map(<[u8]>::trim_ascii);
                let address = address.map(|text| String::from_utf8_lossy(text).into_owned());
                self.addresses.extend(address.map(|address| (address, false)));
                self.gets(exchange, bytes.len(), false);
            }
            Output::Finish { exchange } => self.gets(exchange, 0, true),
            Output::Abort { exchange } => self.clients.retain(|c| c.exchange != exchange),
            Output::Pause { .. } | Output::Resume { .. } => {}
            Output::Save { .. } | Output::Forget { .. } | Output::Notice(_) => {}
        }
    }

    fn gets(&mut self, exchange: Exchange, bytes: usize, whole: bool) {
        let client = self.clients.iter_mut().find(|client| client.exchange == exchange);
        client.into_iter().for_each(|client| {
            client.untaken += bytes;
            client.whole |= whole;
        });
    }

    fn step(&mut self) {
        match self.dice.below(24) {
            0 => self.post("initialize", HELLO.0, HELLO.1),
            1..4 => self.post(
                "tools/call",
                "\"params\":{\"name\":\"@c",
                "@\",\
                \"_meta\":{\"progressToken\":1}}",
            ),
            4 => self.post("notifications/initialized", "\"params\":{\"x\":\"@c", "@\"}"),
            5 => self.post(
                "notifications/cancelled",
                "\"params\":{\"requestId\":1,\"reason\":\"@c",
                "@\"}",
            ),
            6 => self.get("GET"),
            7 => self.get("DELETE"),
            8 => self.post_modern("tools/call", "\"name\":\"t\""),
            9 => self.post_modern(
                "subscriptions/listen",
                "\"notifications\":{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"a:/\"]}",
            ),
            10..14 => self.speak(),
            14 => self.take(),
            15 => self.lose(),
            16 => self.report(),
            17 => self.pass(),
            18 if self.errs => self.err(),
            20 => self.oldest(),
            21..24 => self.post_oldest(),
            _ => self.tell(Input::Tick),
        }
    }

    /// Some process answers what it was asked longest ago, or says something of its own.
    fn speak(&mut self) {
        let count = self.processes.len();
        if count == 0 {
            return;
        }
        let place = self.dice.below(count);
        let (process, mark) = (&mut self.processes[place], self.said);
        let child = process.id;
        if !process.runs {
            return self.report_of(place);
        }
        if !self.subject.wants(child) && !self.errs {
            return;
        }
        self.said += 1;
        let own = self.dice.one_in(4);
        let author = if process.owned { 's' } else { 'w' };
        let asked = if own { None } else { process.asked.pop_front() };
        let line = match asked {
            Some(asked) => answer(&asked, mark, self.modern),
            None => match self.dice.below(5) {
                0 => format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"ping\",\"x\":\"@{author}{mark}@\"}}"
                ),
                1 => String::from("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2}"),
                2 => format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{mark},\"method\":\"sampling/createMessage\",\"params\":{{}}}}"
                ),
                3 => "x".repeat(self.dice.pick(&[1, 100, 5000])),
                _ => format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"data\":\"@{author}{mark}@\"}}}}"
                ),
            },
        };
        let line = line + "\n";
        // In two pieces, or in one.
        let (first, rest) = line.split_at(if self.dice.one_in(4) { line.len() / 2 } else { 0 });
        for bytes in [first, rest].map(str::as_bytes) {
            self.tell(Input::Stdout { child, bytes });
        }
    }

    fn take(&mut self) {
        let count = self.clients.len();
        if count > 0 {
            let place = self.dice.below(count);
            let most = self.dice.pick(&[usize::MAX, 1, 100]);
            self.take_of(place, most);
        }
        for place in 0..self.processes.len() {
            let process = &mut self.processes[place];
            let (child, bytes) = (process.id, core::mem::take(&mut process.backlog));
            if process.runs && bytes > 0 {
                self.tell(Input::StdinTaken { child, bytes });
            }
        }
    }

    fn take_of(&mut self, place: usize, most: usize) {
        let client = &mut self.clients[place];
        let (exchange, bytes) = (client.exchange, client.untaken.min(most));
        client.untaken -= bytes;
        if client.whole && client.untaken == 0 {
            self.clients.swap_remove(place);
            self.tell(Input::Delivered { exchange });
        } else {
            self.tell(Input::Taken { exchange, bytes });
        }
    }

    fn lose(&mut self) {
        let count = self.clients.len();
        if count > 0 {
            let place = self.dice.below(count);
            let exchange = self.clients.swap_remove(place).exchange;
            self.tell(Input::Lost { exchange });
        }
    }

    fn report(&mut self) {
        let count = self.processes.len();
        if count > 0 {
            let place = self.dice.below(count);
            self.processes[place].dead |= self.dice.one_in(4);
            self.report_of(place);
        }
    }

    /// What the driver owes for this process.
    fn report_of(&mut self, place: usize) {
        let process = &mut self.processes[place];
        let child = process.id;
        if !process.runs {
            process.runs = true;
            if !self.dice.one_in(8) {
                return self.tell(Input::Opened { child, pid: Some(7) });
            }
            self.processes.swap_remove(place);
            let (reason, public) = ("no such file", "it can't be started");
            return match self.dice.one_in(2) {
                true => self.tell(Input::OpenFailed { child, reason, public }),
                false => self.tell(Input::Exhausted { child, reason, public }),
            };
        }
        if process.dead {
            self.processes.swap_remove(place);
            if self.dice.one_in(3) {
                self.tell(Input::StdoutClosed { child });
            }
            if self.dice.one_in(3) {
                self.tell(Input::Unread { child });
            }
            self.tell(Input::Exited { child, exit: Exit::Code(1), stderr: &[b'e'; 3000] });
        }
    }

    /// Time stands still, goes back, or leaps.
    fn pass(&mut self) {
        let leap = match self.dice.below(8) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(1),
            2 => Duration::from_millis(60),
            3 => Duration::from_secs(1),
            4 => Duration::from_secs(16),
            5 => Duration::from_secs(400),
            6 => Duration::from_secs(100_000_000_000),
            _ => return self.until_due(),
        };
        self.now = self.now.after(leap);
        self.tell(Input::Tick);
        if self.dice.one_in(8) {
            self.now = Instant::new(Duration::from_secs(self.dice.below(2000) as u64));
        }
    }

    fn until_due(&mut self) {
        self.now = self.now.max(self.subject.poll_timeout().unwrap_or_default());
        self.tell(Input::Tick);
    }

    /// Something that no driver may tell: late, twice, of handles that are nobody's, of bytes that
    /// were never given.
    fn err(&mut self) {
        let number = self.dice.pick(&[1, 2, 3, 4, 5, 1000, u64::MAX]);
        let (exchange, child) = (Exchange::from_number(number), ChildId::from_number(number));
        let session = SessionNumber::from_number(number);
        let bytes = self.dice.pick(&[0, 1, 100_000, usize::MAX]);
        let (reason, public) = ("", "");
        let input = match self.dice.below(15) {
            0 => Input::Taken { exchange, bytes },
            1 => Input::Delivered { exchange },
            2 => Input::Lost { exchange },
            3 => Input::Opened { child, pid: None },
            4 => Input::OpenFailed { child, reason, public },
            5 => Input::Exhausted { child, reason, public },
            6 => Input::Stdout { child, bytes: b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{" },
            7 => Input::StdinTaken { child, bytes },
            8 => Input::StdoutClosed { child },
            9 => Input::StdinClosed { child },
            10 => Input::Unread { child },
            11 => Input::Exited { child, exit: Exit::Unknown, stderr: b"" },
            12 => Input::End { session },
            13 => Input::Saved { session },
            _ => Input::Servers { servers: &[] },
        };
        self.tell(input);
    }

    /// Everybody goes, and nothing may be left.
    fn end(mut self) -> Judged {
        self.drain()?;
        self.rest()?;
        for place in (0..self.clients.len()).rev() {
            // Some stay and take what they get, so that each response has to have its end.
            if place % 2 == 0 {
                let exchange = self.clients.swap_remove(place).exchange;
                self.tell(Input::Lost { exchange });
            }
        }
        self.tell(Input::Shutdown);
        self.drain()?;
        self.tell(Input::Shutdown);
        for _ in 0..ROUNDS {
            self.drain()?;
            for place in (0..self.processes.len()).rev() {
                self.processes[place].runs = true;
                self.processes[place].dead = true;
                self.report_of(place);
            }
            self.drain()?;
            for place in (0..self.clients.len()).rev() {
                if self.clients[place].untaken > 0 || self.clients[place].whole {
                    self.take_of(place, usize::MAX);
                }
            }
            self.drain()?;
            if self.subject.poll_timeout().is_none() && self.processes.is_empty() {
                break;
            }
            self.until_due();
        }
        self.hard.end(&mut self.subject)
    }
}
