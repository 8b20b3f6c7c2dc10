//! The recording of a run: what goes into the engine and what comes out of it, as a transcript that
//! `cargo test` plays (engine/tests/transcripts/README.md). Code about its text belongs here.
//!
//! The engine is a function of its inputs and their times, so they are all that a recording needs.
//! A step is one input with its outputs; a file that ends early has whole steps alone.

mod engine;
mod fields;
mod file;
pub(crate) mod masks;
mod names;
pub(crate) mod settings;
mod words;

pub(crate) use engine::Engine;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{io, str};

use mcp_bridge::{Body, Config, Exit, Head, Input, Instant, Output, Response};

use fields::Fields;
use file::File;
use masks::Masks;
use names::Names;

/// Where a recording goes, and what it may hold.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) file: PathBuf,
    /// The most bytes of the file.
    pub(crate) limit: usize,
    /// Whether it has the contents of messages.
    pub(crate) contents: bool,
}

/// The numbers of requests that are refused by their heads, and so get none from the engine, begin
/// above this.
const REFUSED: u64 = 1_000_000_000;

pub(crate) struct Recorder {
    file: File,
    /// Bytes that the file may still get.
    left: usize,
    /// The step that is being written.
    step: String,
    now: Instant,
    refused: u64,
    names: Names,
    fields: Fields,
    /// None if the contents are recorded as they are.
    masks: Option<Masks>,
    /// What children wrote of lines that are not complete. A line is masked as a whole.
    partial: BTreeMap<u64, Vec<u8>>,
}

impl Recorder {
    /// Creates the file.
    pub(crate) fn new(terms: &Terms, config: &Config) -> io::Result<Self> {
        let masks = (!terms.contents).then(Masks::default);
        let kind = if terms.contents { "whole" } else { "shapes" };
        let version = env!("CARGO_PKG_VERSION");
        let step = format!(
            "case a recording\n# Ours: recorded by hyper-mcp-proxy {version}\nrecording {kind}\n{}",
            settings::text(config)
        );
        Ok(Self {
            file: File::create(&terms.file)?,
            left: terms.limit,
            step,
            now: Instant::default(),
            refused: REFUSED,
            names: Names::default(),
            fields: Fields::new(config),
            masks,
            partial: BTreeMap::new(),
        })
    }

    /// A request was refused by its head.
    fn refused(&mut self, head: &Head<'_>, response: &Response) {
        self.refused += 1;
        self.request(self.refused, head, b"", None);
        self.response(self.refused, response);
    }

    /// Something happens.
    fn input(&mut self, input: &Input<'_>, now: Instant) {
        if now != self.now {
            self.now = now;
            let since = now.since_origin();
            self.line(format_args!("> at {}.{:09} s", since.as_secs(), since.subsec_nanos()));
        }
        match input {
            Input::Request { admitted, head, body, random } => {
                let number = admitted.exchange().number();
                let random = self.names.add(u128::from_be_bytes(*random), number);
                self.request(number, head, body, random);
            }
            Input::Lost { exchange } => self.line(format_args!("> lost {}", exchange.number())),
            Input::Delivered { exchange } => {
                self.line(format_args!("> delivered {}", exchange.number()));
            }
            Input::Taken { exchange, bytes } => {
                self.line(format_args!("> taken {} {bytes}", exchange.number()));
            }
            Input::Opened { child, pid } => {
                self.line(format_args!("> opened {child} {}", pid.unwrap_or_default()));
            }
            Input::OpenFailed { child, reason, public } => {
                let reason = self.words(reason);
                self.line(format_args!("> failed {child} {reason} | {public}"));
            }
            Input::Exhausted { child, reason, public } => {
                let reason = self.words(reason);
                self.line(format_args!("> exhausted {child} {reason} | {public}"));
            }
            Input::Stdout { child, bytes } => self.stdout(child.number(), bytes),
            Input::StdinTaken { child, bytes } => self.line(format_args!("> read {child} {bytes}")),
            Input::StdoutClosed { child } => self.line(format_args!("> stdout-closed {child}")),
            Input::Unread { child } => self.line(format_args!("> unread {child}")),
            Input::StdinClosed { child } => self.line(format_args!("> stdin-closed {child}")),
            Input::Exited { child, exit, stderr } => self.exited(child.number(), *exit, stderr),
            Input::Servers { servers } => {
                let servers: String = servers.iter().map(settings::server).collect();
                self.line(format_args!("> servers{servers}"));
            }
            Input::Shutdown => self.line(format_args!("> shutdown")),
            Input::Saved { session } => self.line(format_args!("> saved #{}", session.number())),
            // The program ends no session for an embedder.
            Input::End { .. } | Input::Tick => self.line(format_args!("> tick")),
        }
    }

    /// The engine wants something done for the last input.
    fn output(&mut self, output: &Output) {
        match output {
            Output::Open { server, child, env, .. } => {
                let of = if server.0 == 0 { String::new() } else { format!(" of {}", server.0) };
                let env = env.iter();
                let env: String = env
                    .map(|(name, value)| format!(" {name}={}", self.fields.secret(value)))
                    .collect();
                self.line(format_args!("< open {child}{of}{env}"));
            }
            Output::Write { child, bytes } => {
                self.line(format_args!("< write {child}"));
                self.pieces('<', bytes);
            }
            Output::CloseStdin { child } => self.line(format_args!("< close {child}")),
            Output::Terminate { child } => self.line(format_args!("< terminate {child}")),
            Output::Kill { child } => self.line(format_args!("< kill {child}")),
            Output::Respond { exchange, response } => self.response(exchange.number(), response),
            Output::Send { exchange, bytes } => {
                self.line(format_args!("< send {}", exchange.number()));
                self.events(bytes);
            }
            Output::Finish { exchange } => {
                self.line(format_args!("< finish {}", exchange.number()))
            }
            Output::Abort { exchange } => self.line(format_args!("< abort {}", exchange.number())),
            Output::Save { session, record } => {
                self.line(format_args!("< save #{}", session.number()));
                let record = self.shown(record);
                self.content('<', &record);
            }
            Output::Forget { session } => self.line(format_args!("< forget #{}", session.number())),
            // The inputs show what was read. A notice's words may come from a peer, and the log has
            // them.
            Output::Pause { .. } | Output::Resume { .. } | Output::Notice(_) => {}
        }
    }

    /// The step is whole. Returns whether there may be another: none follows one for which there
    /// is no room.
    fn end_step(&mut self) -> bool {
        let step = std::mem::take(&mut self.step);
        let held: usize = self.partial.values().map(Vec::len).sum();
        let why = match self.left.checked_sub(step.len()) {
            Some(left) if held <= left => {
                self.left = left;
                match self.file.write(step.into_bytes()) {
                    true => return true,
                    false => "the file is not written in time",
                }
            }
            _ => "the limit of --record-limit is reached",
        };
        log::warn!(target: "proxy", "the recording ends: {why}");
        false
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.step, "{line}");
    }

    fn request(&mut self, number: u64, head: &Head<'_>, body: &[u8], random: Option<u32>) {
        // Names that the body has are known before its head repeats them.
        let body = self.shown(body);
        // The gate has none that is not in Host.
        let Head { method, fields, .. } = head;
        let (path, named) = head.place();
        let named = named.map(|id| self.fields.session_id(id, &self.names));
        let named = named.map(|id| format!("?sessionId={id}"));
        let path = format!("{path}{}", named.unwrap_or_default());
        let random = random.map_or_else(String::new, |random| format!(" ~{random:x}"));
        self.line(format_args!("> {number} {method} {path}{random}"));
        let defaults: &[&str] = match *method {
            "POST" => &["host", "accept", "content-type"],
            "GET" => &["host", "accept"],
            _ => &["host"],
        };
        for name in defaults {
            if !fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                self.line(format_args!(">   {name}: -"));
            }
        }
        for (at, (name, value)) in fields.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            let again = fields[..at].iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
            let value = self.fields.value(&name, value, &self.names, self.masks.as_mut());
            let more = if again { "*" } else { "" };
            self.line(format_args!(">   {more}{name}: {value}"));
        }
        self.content('>', &body);
    }

    fn response(&mut self, number: u64, response: &Response) {
        let is_stream = response.body == Body::Stream;
        let stream = if is_stream { " stream" } else { "" };
        self.line(format_args!("< respond {number} {}{stream}", response.status));
        for name in ["cache-control", "content-type", "x-accel-buffering"] {
            if is_stream && !response.fields.iter().any(|(known, _)| *known == name) {
                self.line(format_args!("<   {name}: -"));
            }
        }
        for (name, value) in response.fields.iter() {
            let value = self.names.replaced(value.as_bytes());
            let value = String::from_utf8_lossy(&value).into_owned();
            self.line(format_args!("<   {name}: {value}"));
        }
        if let Body::Whole(body) = &response.body {
            let body = self.shown(body);
            self.content('<', &body);
        }
    }

    fn stdout(&mut self, number: u64, bytes: &[u8]) {
        let mut known = self.partial.remove(&number).unwrap_or_default();
        if self.masks.is_some() {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let (whole, rest) = bytes.split_at(end);
            if !rest.is_empty() || end == 0 {
                let mut kept = if end == 0 { std::mem::take(&mut known) } else { Vec::new() };
                kept.extend_from_slice(rest);
                self.partial.insert(number, kept);
            }
            known.extend_from_slice(whole);
        } else {
            known = bytes.to_vec();
        }
        if known.is_empty() {
            return self.line(format_args!("> tick"));
        }
        self.line(format_args!("> stdout #{number}"));
        self.pieces('>', &known);
    }

    fn exited(&mut self, number: u64, exit: Exit, stderr: &[u8]) {
        if let Some(rest) = self.partial.remove(&number) {
            self.line(format_args!("> stdout #{number}"));
            self.pieces('>', &rest);
        }
        let how = match exit {
            Exit::Code(code) => format!("code {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
            _ => String::from("unknown"),
        };
        self.line(format_args!("> exit #{number} {how}"));
        self.pieces('>', stderr);
    }

    /// Text in one line of the file.
    fn words(&mut self, text: &str) -> String {
        let text = String::from_utf8_lossy(&self.shown(text.as_bytes())).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace('@', "x")
    }

    /// The bytes with secrets replaced, and masked unless contents are asked for.
    fn shown(&mut self, bytes: &[u8]) -> Vec<u8> {
        let bytes = self.names.replaced(bytes);
        match &mut self.masks {
            Some(masks) => masks.masked(&bytes),
            None => self.fields.replaced(bytes.into_owned()),
        }
    }

    /// Messages, each on a line that is ended.
    fn pieces(&mut self, side: char, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = self.shown(line);
            self.piece(side, &line);
        }
    }

    /// Lines of an event stream.
    fn events(&mut self, bytes: &[u8]) {
        const DATA: &[u8] = b"data: ";
        // An address of our own.
        let is_endpoint = bytes.starts_with(b"event: endpoint\n");
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = match line.strip_prefix(DATA) {
                Some(data) if is_endpoint => [DATA, &self.names.replaced(data)].concat(),
                Some(data) => [DATA, &self.shown(data)].concat(),
                None => {
                    match str::from_utf8(line).ok().and_then(|line| line.strip_prefix("id: ")) {
                        Some(id) => format!("id: {}", self.names.event_id(id)).into_bytes(),
                        None => line.to_vec(),
                    }
                }
            };
            self.piece('<', &line);
        }
    }

    fn piece(&mut self, side: char, line: &[u8]) {
        match line.strip_suffix(b"\n").and_then(plain) {
            Some(line) => self.line(format_args!("{side}   | {line}")),
            None => self.percent(side, line),
        }
    }

    /// Content between whose lines there are line breaks.
    fn content(&mut self, side: char, bytes: &[u8]) {
        match bytes.split(|byte| *byte == b'\n').map(plain).collect::<Option<Vec<_>>>() {
            _ if bytes.is_empty() => {}
            // The first line break stands after something.
            Some(lines) if !lines[0].is_empty() => {
                for line in lines {
                    self.line(format_args!("{side}   | {line}"));
                }
            }
            _ => self.percent(side, bytes),
        }
    }

    fn percent(&mut self, side: char, bytes: &[u8]) {
        let mut text = String::with_capacity(bytes.len());
        for byte in bytes {
            match byte {
                b'%' | b'@' | 0..0x20 | 0x7f.. => {
                    let _ = write!(text, "%{byte:02X}");
                }
                byte => text.push(char::from(*byte)),
            }
        }
        self.line(format_args!("{side}   % {text}"));
    }
}

/// Text that a line can hold as it is: without the end of a line, and the start of a name that the
/// transcripts replace.
fn plain(line: &[u8]) -> Option<&str> {
    str::from_utf8(line).ok().filter(|line| !line.contains(['@', '\r', '\n']))
}
