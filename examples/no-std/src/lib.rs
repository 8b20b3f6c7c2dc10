//! The engine where there is no operating system: `no_std` with `alloc`. A [`Machine`] is the
//! engine behind numbers and bytes, so that a host in any language can drive it.
//!
//! For WebAssembly it is exported as functions, and `host.mjs` is a host for them: Node.js has
//! the sockets, processes and the clock, this module decides.
#![no_std]

extern crate alloc;

#[cfg(target_family = "wasm")]
mod wasm;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use mcp_bridge::{
    Admitted, Body, Bridge, ChildId, Config, Exchange, Exit, Head, Input, Instant, Output, Response,
};

/// What [`Machine::poll`] gives, in numbers; those of what [`Machine::tell`] takes are its own.
pub mod output {
    pub const NONE: u32 = 0;
    pub const OPEN: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const CLOSE_STDIN: u32 = 3;
    pub const TERMINATE: u32 = 4;
    pub const KILL: u32 = 5;
    pub const WHOLE: u32 = 6;
    pub const STREAM: u32 = 7;
    pub const SEND: u32 = 8;
    pub const FINISH: u32 = 9;
    pub const ABORT: u32 = 10;
    pub const NOTICE: u32 = 11;
    pub const PAUSE: u32 = 12;
    pub const RESUME: u32 = 13;
}

pub struct Machine {
    bridge: Bridge,
    /// Requests whose content the host reads.
    admitted: BTreeMap<u32, Admitted>,
    /// What the host says with the next call.
    pub inbox: Vec<u8>,
    /// What the last call says: content, or a head with its content.
    pub outbox: Vec<u8>,
    /// Which exchange or child the last output is for.
    pub number: u32,
}

impl Machine {
    /// An engine for a listener on loopback.
    pub fn new() -> Self {
        Self {
            bridge: Bridge::new(Config::default()).expect("the default can be"),
            admitted: BTreeMap::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            number: 0,
        }
    }

    /// Judges the head in the inbox: the largest content to read for the exchange `number`, or
    /// `None` and the refusal is in the outbox, which is empty if the head is no text. A head is
    /// lines: the method, the path, then names and values by turns.
    pub fn admit(&mut self) -> Option<u32> {
        self.outbox.clear();
        match with_head(&self.inbox, |head| self.bridge.admit(head))? {
            Ok(admitted) => {
                let limit = u32::try_from(admitted.limit()).unwrap_or(u32::MAX);
                self.number = admitted.exchange().number() as u32;
                self.admitted.insert(self.number, admitted);
                Some(limit)
            }
            Err(refusal) => {
                self.outbox = on_one_page(&refusal.response);
                None
            }
        }
    }

    /// The client left before its content was whole.
    pub fn withdraw(&mut self, exchange: u32) {
        self.admitted.remove(&exchange);
    }

    /// A request: its head is the first `head` bytes of the inbox, then come 16 random bytes, then
    /// its content.
    pub fn request(&mut self, exchange: u32, head: usize, now: Duration) {
        let Some((lines, rest)) = self.inbox.split_at_checked(head) else { return };
        let Some((random, body)) = rest.split_first_chunk() else { return };
        let Some(admitted) = self.admitted.remove(&exchange) else { return };
        with_head(lines, |head| {
            let request = Input::Request { admitted, head, body, random: *random };
            self.bridge.handle(request, Instant::new(now));
        });
    }

    /// All else that can happen: what, to which exchange or child, and a figure about it. What
    /// else there is to say is in the inbox.
    pub fn tell(&mut self, what: u32, number: u32, figure: i32, now: Duration) {
        let exchange = Exchange::from_number(number.into());
        let bytes = usize::try_from(figure).unwrap_or(0);
        let child = ChildId::from_number(number.into());
        let input = match what {
            0 => Input::Tick,
            1 => Input::Shutdown,
            2 => Input::Lost { exchange },
            3 => Input::Taken { exchange, bytes },
            4 => Input::Opened { child, pid: Some(figure.unsigned_abs()) },
            5 => {
                let reason = str::from_utf8(&self.inbox).unwrap_or("unknown");
                Input::OpenFailed { child, reason, public: "the system refused its program" }
            }
            6 => Input::Stdout { child, bytes: &self.inbox },
            7 => Input::StdinTaken { child, bytes },
            8 => Input::StdoutClosed { child },
            9 => {
                let exit = if figure < 0 { Exit::Signal(-figure) } else { Exit::Code(figure) };
                Input::Exited { child, exit, stderr: b"" }
            }
            10 => Input::Delivered { exchange },
            _ => return,
        };
        self.bridge.handle(input, Instant::new(now));
    }

    /// The next thing to do, one of [`output`]; for whom is `number`, with what is the outbox.
    pub fn poll(&mut self) -> u32 {
        self.outbox.clear();
        let Some(output) = self.bridge.poll_output() else { return output::NONE };
        match output {
            Output::Open { child, env, .. } => {
                self.outbox = lines(env.iter().map(|(name, value)| (&**name, &**value)));
                self.child(output::OPEN, child)
            }
            Output::Write { child, bytes } => {
                self.outbox = bytes;
                self.child(output::WRITE, child)
            }
            Output::Pause { child } => self.child(output::PAUSE, child),
            Output::Resume { child } => self.child(output::RESUME, child),
            Output::CloseStdin { child } => self.child(output::CLOSE_STDIN, child),
            Output::Terminate { child } => self.child(output::TERMINATE, child),
            Output::Kill { child } => self.child(output::KILL, child),
            Output::Respond { exchange, response } => {
                self.outbox = on_one_page(&response);
                match response.body {
                    Body::Whole(_) => self.peer(output::WHOLE, exchange),
                    Body::Stream => self.peer(output::STREAM, exchange),
                }
            }
            Output::Send { exchange, bytes } => {
                self.outbox = bytes;
                self.peer(output::SEND, exchange)
            }
            Output::Finish { exchange } => self.peer(output::FINISH, exchange),
            Output::Abort { exchange } => self.peer(output::ABORT, exchange),
            // Only with `Config::persist`, which is off.
            Output::Save { .. } | Output::Forget { .. } => self.poll(),
            Output::Notice(notice) => {
                self.outbox = alloc::format!("{notice}").into_bytes();
                output::NOTICE
            }
        }
    }

    fn child(&mut self, what: u32, child: ChildId) -> u32 {
        self.number = child.number() as u32;
        what
    }

    fn peer(&mut self, what: u32, exchange: Exchange) -> u32 {
        self.number = exchange.number() as u32;
        what
    }

    /// When a tick is due.
    pub fn timeout(&self) -> Option<Duration> {
        self.bridge.poll_timeout().map(Instant::since_origin)
    }

    pub fn is_idle(&self) -> bool {
        self.bridge.is_idle()
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

fn with_head<R>(lines: &[u8], f: impl FnOnce(&Head<'_>) -> R) -> Option<R> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut text = || str::from_utf8(lines.next()?).ok();
    let (method, path) = (text()?, text()?);
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        fields.push((str::from_utf8(name).ok()?, value));
    }
    Some(f(&Head { method, path, authority: None, fields: &fields }))
}

/// A response as lines, status, names and values by turns, up to an empty one; then its content.
fn on_one_page(response: &Response) -> Vec<u8> {
    let mut page = alloc::format!("{}\n", response.status).into_bytes();
    page.extend(lines(response.fields.iter().map(|(name, value)| (*name, &**value))));
    page.push(b'\n');
    if let Body::Whole(body) = &response.body {
        page.extend_from_slice(body);
    }
    page
}

fn lines<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    pairs.flat_map(|(name, value)| alloc::format!("{name}\n{value}\n").into_bytes()).collect()
}
