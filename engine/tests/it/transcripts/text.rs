//! The transcripts' format, which `tests/transcripts/README.md` explains: text in, cases out.

use std::time::Duration;

use mcp_bridge::{Config, Exit};

use super::config;
use super::item::{Content, Item};
use super::parts::{self, At};
use super::parts::{
    amount, child, clock, duration, exit, percent, request, respond, server, session,
};
use super::words;

/// One story, told to a fresh engine.
pub(crate) struct Case {
    pub(super) name: String,
    pub(super) line: usize,
    /// The engine does not do this yet.
    pub(super) pending: bool,
    /// Notices that may not come.
    pub(super) never: Vec<String>,
    pub(crate) config: Config,
    /// Whether it was recorded, and how.
    pub(crate) recording: Option<Recording>,
    pub(crate) steps: Vec<Step>,
    /// What ends a line of the content that is being read.
    ends: Ends,
}

/// A recording of a run: nobody takes or reads by himself, and no time passes, but as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// With the contents as they were.
    Whole,
    /// With placeholders for strings and numbers.
    Shapes,
}

/// One thing that happens, and all that the engine wants done for it.
pub(crate) struct Step {
    pub(super) line: usize,
    pub(crate) act: Act,
    pub(super) wanted: Vec<Item>,
}

/// A request as a client sends it.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub(crate) exchange: u64,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Random bytes that are not drawn as usual.
    pub(crate) random: Option<u32>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Content,
}

/// How much a peer takes.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    All,
    Bytes(usize),
}

/// What happens, or what is asked of the engine.
#[derive(Clone)]
pub(crate) enum Act {
    Request(Request),
    Lost(u64),
    /// From now on the exchange's peer takes only what it is told to.
    Stops(u64),
    Taken(u64, Amount),
    /// All of the exchange's response is taken. Whoever takes by himself tells so by himself.
    Delivered(u64),
    Opened(u64, u32),
    Failed(u64, String),
    Exhausted(u64, String),
    /// The child has ended and had read nothing.
    Unread(u64),
    Stdout(u64, Content),
    /// From now on the child reads only what it is told to.
    StopsReading(u64),
    Read(u64, Amount),
    StdoutClosed(u64),
    StdinClosed(u64),
    Exited(u64, Exit, Content),
    Servers(Vec<At>),
    /// The embedder ends that session.
    End(u64),
    /// The session of an earlier run, saved so long ago, is made again of this record.
    Restore(Duration, Content),
    Shutdown,
    Wait(Duration),
    /// So much time has passed since the beginning.
    At(Duration),
    /// A wait is due.
    Tick,
    /// The record of that session is kept.
    Saved(u64),
    /// Whether the child's output may be read.
    Wants(u64, bool),
    /// The value of a counter of `Stats`.
    Stat(String, u64),
    Idle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The lines of a body: a line break stands between them.
    Between,
    /// The lines of a pipe or a stream: each is ended.
    Line,
    /// The data of an event: an empty line follows.
    Event,
    /// No content is expected here.
    Nothing,
}

/// What opens most cases: a session of that version, open.
const SESSION: &str = include_str!("../../transcripts/session.part");

/// What opens cases of the stateless era: a shared child that speaks it, and one that does not.
const STATELESS: &str = include_str!("../../transcripts/stateless.part");
const TRANSLATED: &str = include_str!("../../transcripts/translated.part");

/// What opens cases of a session before a child that speaks only the stateless era.
const ACROSS: &str = include_str!("../../transcripts/across.part");
const SHARED: &str = include_str!("../../transcripts/shared.part");

/// Reads a file. Panics, with its number, at a line that it does not understand.
pub(super) fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut cited = true;
    for (number, line) in text.lines().enumerate() {
        let place = number + 1;
        if let Some(comment) = line.strip_prefix('#') {
            cited |= cites(comment);
        } else if let Some(name) = line.strip_prefix("case ") {
            assert!(cited, "{file}: the case before line {place} cites nothing");
            cited = false;
            cases.push(Case::new(name, place));
        } else if !line.is_empty() {
            let read = cases.last_mut().and_then(|case| case.line(line, place));
            assert!(read.is_some(), "{file}:{place}: not understood: {line}");
        }
    }
    assert!(cited, "{file}: the last case cites nothing");
    cases
}

/// Whether a comment says where the rule stands that its case shows.
fn cites(comment: &str) -> bool {
    ["MCP 20", "RFC ", "JSON-RPC 2.0", "WHATWG ", "Ours:"]
        .iter()
        .any(|source| comment.trim_start().starts_with(source))
}

impl Case {
    fn new(name: &str, line: usize) -> Self {
        let (name, config) = (String::from(name), Config::default());
        Self {
            name,
            line,
            pending: false,
            never: Vec::new(),
            config,
            recording: None,
            steps: Vec::new(),
            ends: Ends::Nothing,
        }
    }

    /// Reads what it understands, and passes over the rest.
    pub(crate) fn loose(text: &str) -> Self {
        let mut case = Self::new("", 0);
        for line in text.lines() {
            let _ = case.line(line, 0);
        }
        case
    }

    fn line(&mut self, line: &str, place: usize) -> Option<()> {
        let line = &*words::spelled(line);
        if let [">", exchange, "ASK", method, name @ ..] = &line.split(' ').collect::<Vec<_>>()[..]
        {
            return self.ask(exchange, method, name, place);
        }
        let (side, rest) = line.split_at_checked(1)?;
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match side {
            ">" | "<" if rest.starts_with("  ") => self.detail(side, rest.trim_start()),
            ">" => self.input(rest, place),
            "<" => self.output(rest),
            "=" => self.state(rest, place),
            _ => self.setting(line, place),
        }
    }

    /// A request with the head that 2026-07-28 asks for.
    fn ask(&mut self, exchange: &str, method: &str, name: &[&str], place: usize) -> Option<()> {
        self.line(&format!("> {exchange} POST"), place)?;
        self.line(">   mcp-protocol-version: 2026-07-28", place)?;
        self.line(&format!(">   mcp-method: {method}"), place)?;
        if name.is_empty() {
            return Some(());
        }
        self.line(&format!(">   mcp-name: {}", name.join(" ")), place)
    }

    fn lines(&mut self, lines: &str, place: usize) -> Option<()> {
        for line in lines.lines() {
            self.line(line, place)?;
        }
        Some(())
    }

    fn setting(&mut self, line: &str, place: usize) -> Option<()> {
        let (name, value) = line.split_once(' ')?;
        match name {
            "session" => self.lines(&SESSION.replace("VERSION", value), place),
            "shared" => self.lines(&SHARED.replace("CAPABILITIES", value), place),
            "across" => self.lines(&ACROSS.replace("VERSION", value), place),
            "child" if value == "stateless" => self.lines(STATELESS, place),
            "child" if value == "session-era" => self.lines(TRANSLATED, place),
            "config" => config::configure(&mut self.config, value),
            "recording" => {
                self.recording = Some(match value {
                    "whole" => Recording::Whole,
                    "shapes" => Recording::Shapes,
                    _ => return None,
                });
                Some(())
            }
            "never" => {
                self.never.push(String::from(value));
                Some(())
            }
            "pending" => {
                self.pending = true;
                Some(())
            }
            _ => None,
        }
    }

    fn state(&mut self, line: &str, place: usize) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let act = match words[..] {
            ["idle"] => Act::Idle,
            ["reads", of] => Act::Wants(child(of)?, true),
            ["waits", of] => Act::Wants(child(of)?, false),
            [name, value] => Act::Stat(String::from(name), value.parse().ok()?),
            _ => return None,
        };
        self.step(act, Ends::Nothing, place)
    }

    fn step(&mut self, act: Act, ends: Ends, line: usize) -> Option<()> {
        self.steps.push(Step { line, act, wanted: Vec::new() });
        self.ends = ends;
        Some(())
    }

    fn input(&mut self, line: &str, place: usize) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let (act, ends) = match words[..] {
            ["lost", exchange] => (Act::Lost(exchange.parse().ok()?), Ends::Nothing),
            ["stops", of] if of.starts_with('#') => (Act::StopsReading(child(of)?), Ends::Nothing),
            ["stops", exchange] => (Act::Stops(exchange.parse().ok()?), Ends::Nothing),
            ["taken", exchange, many] => {
                (Act::Taken(exchange.parse().ok()?, amount(many)?), Ends::Nothing)
            }
            ["delivered", exchange] => (Act::Delivered(exchange.parse().ok()?), Ends::Nothing),
            ["read", of, many] => (Act::Read(child(of)?, amount(many)?), Ends::Nothing),
            ["opened", of, pid] => (Act::Opened(child(of)?, pid.parse().ok()?), Ends::Nothing),
            ["failed", of, ref reason @ ..] => {
                (Act::Failed(child(of)?, reason.join(" ")), Ends::Nothing)
            }
            ["exhausted", of, ref reason @ ..] => {
                (Act::Exhausted(child(of)?, reason.join(" ")), Ends::Nothing)
            }
            ["unread", of] => (Act::Unread(child(of)?), Ends::Nothing),
            ["stdout", of] => (Act::Stdout(child(of)?, Content::new()), Ends::Line),
            ["stdout-closed", of] => (Act::StdoutClosed(child(of)?), Ends::Nothing),
            ["stdin-closed", of] => (Act::StdinClosed(child(of)?), Ends::Nothing),
            ["exit", of, ref how @ ..] => {
                (Act::Exited(child(of)?, exit(how)?, Content::new()), Ends::Line)
            }
            ["servers", ref servers @ ..] => {
                let servers = servers.iter().map(|text| server(text));
                (Act::Servers(servers.collect::<Option<_>>()?), Ends::Nothing)
            }
            ["at", time, "s"] => (Act::At(clock(time)?), Ends::Nothing),
            ["saved", of] => (Act::Saved(child(of)?), Ends::Nothing),
            ["end", of] => (Act::End(child(of)?), Ends::Nothing),
            ["restore", ref age @ ..] => {
                (Act::Restore(duration(&age.join(" "))?, Content::new()), Ends::Between)
            }
            ["tick"] => (Act::Tick, Ends::Nothing),
            ["shutdown"] => (Act::Shutdown, Ends::Nothing),
            ["wait", ref time @ ..] => (Act::Wait(duration(&time.join(" "))?), Ends::Nothing),
            [exchange, method, ref rest @ ..] => {
                (Act::Request(request(exchange, method, rest)?), Ends::Between)
            }
            _ => return None,
        };
        self.step(act, ends, place)
    }

    fn output(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let none = Content::new();
        let (item, ends) = match words[..] {
            ["open", of, ref rest @ ..] => {
                let (server, env) = match rest {
                    ["of", server, env @ ..] => (server.parse().ok()?, env),
                    env => (0, env),
                };
                let env = env.iter().map(|pair| pair.to_string()).collect();
                (Item::Open(child(of)?, server, env), Ends::Nothing)
            }
            ["write", of] => (Item::Write(child(of)?, none), Ends::Line),
            ["close", of] => (Item::CloseStdin(child(of)?), Ends::Nothing),
            ["terminate", of] => (Item::Terminate(child(of)?), Ends::Nothing),
            ["kill", of] => (Item::Kill(child(of)?), Ends::Nothing),
            ["save", of] => (Item::Save(child(of)?, none), Ends::Between),
            ["forget", of] => (Item::Forget(child(of)?), Ends::Nothing),
            ["finish", exchange] => (Item::Finish(exchange.parse().ok()?), Ends::Nothing),
            ["abort", exchange] => (Item::Abort(exchange.parse().ok()?), Ends::Nothing),
            ["notice", ..] => (Item::Notice(line.split_once(' ')?.1.into()), Ends::Nothing),
            ["send", exchange] => (Item::Send(exchange.parse().ok()?, none), Ends::Line),
            ["comment", exchange] => {
                (Item::Send(exchange.parse().ok()?, b":\n\n".to_vec()), Ends::Nothing)
            }
            ["event", exchange, id] => {
                let start = format!("event: message\nid: {id}\ndata: ").into_bytes();
                (Item::Send(exchange.parse().ok()?, start), Ends::Event)
            }
            ["message", exchange] => {
                let start = b"event: message\ndata: ".to_vec();
                (Item::Send(exchange.parse().ok()?, start), Ends::Event)
            }
            ["endpoint", exchange, address] => {
                let address = parts::address(address)?;
                let event = format!("event: endpoint\nid: 0\ndata: {address}\n\n");
                (Item::Send(exchange.parse().ok()?, event.into_bytes()), Ends::Nothing)
            }
            ["prime", exchange, id] => {
                let event = format!("id: {id}\nretry: 1000\ndata: \n\n").into_bytes();
                (Item::Send(exchange.parse().ok()?, event), Ends::Nothing)
            }
            ["respond", exchange, status, ref rest @ ..] => {
                respond(exchange, status.parse().ok()?, rest)?
            }
            _ => return None,
        };
        self.steps.last_mut()?.wanted.push(item);
        self.ends = ends;
        Some(())
    }

    /// A field or a line of content of what stands before.
    fn detail(&mut self, side: &str, line: &str) -> Option<()> {
        let step = self.steps.last_mut()?;
        let last = step.wanted.last_mut();
        if let Some(text) = line.strip_prefix('|').map(|l| l.strip_prefix(' ').unwrap_or(l)) {
            let content = content(side, &mut step.act, last)?;
            if self.ends == Ends::Between && !content.is_empty() {
                content.push(b'\n');
            }
            content.extend_from_slice(text.as_bytes());
            content.extend_from_slice(match self.ends {
                Ends::Between => b"",
                Ends::Line => b"\n",
                Ends::Event => b"\n\n",
                Ends::Nothing => return None,
            });
            return Some(());
        }
        if let Some(text) = line.strip_prefix("% ") {
            content(side, &mut step.act, last)?.extend(percent(text)?);
            return Some(());
        }
        let (name, value) = line.split_once(':')?;
        let value = value.trim_start();
        let value = match value.strip_prefix('@') {
            Some(number) => session(number.parse().ok()?),
            None => String::from(value),
        };
        let fields = match (side, &mut step.act, last) {
            (">", Act::Request(request), None) => &mut request.fields,
            ("<", _, Some(Item::Respond(_, _, fields, _))) => fields,
            _ => return None,
        };
        // `*` in front of a request's field adds one more of that name.
        match name.strip_prefix('*') {
            Some(name) => fields.push((String::from(name), value)),
            None => {
                fields.retain(|(known, _)| known != name);
                if value != "-" {
                    fields.push((String::from(name), value));
                }
            }
        }
        fields.sort();
        Some(())
    }
}

fn content<'a>(
    side: &str,
    act: &'a mut Act,
    last: Option<&'a mut Item>,
) -> Option<&'a mut Content> {
    match (side, act, last) {
        (">", Act::Request(Request { body: content, .. }), None)
        | (">", Act::Stdout(_, content) | Act::Exited(_, _, content), None)
        | (">", Act::Restore(_, content), None) => Some(content),
        ("<", _, Some(item)) => item.content(),
        _ => None,
    }
}
