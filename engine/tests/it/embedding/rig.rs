//! A driver of the engine that does as it is told, but for what a test changes, and children that
//! answer at once.

use std::time::Duration;

use mcp_bridge::message::{Message, Splice};
use mcp_bridge::{
    Body, Bridge, ChildId, Config, Exchange, Exit, Head, Input, Instant, Notice, Output,
};

/// Outputs that one input may bring here; more would be a spin.
const MANY: usize = 5000;

/// An engine with a driver that does as it is told, and children that answer at once.
pub(super) struct Rig {
    pub(super) bridge: Bridge,
    pub(super) now: Duration,
    /// Whether children can be started.
    pub(super) starts: bool,
    pub(super) opened: Vec<ChildId>,
    /// The requests that the last child was opened for.
    pub(super) opened_for: Option<Exchange>,
    /// Status and content of each answer.
    pub(super) answers: Vec<(Exchange, u16, Vec<u8>)>,
    /// The id that the last new session told.
    pub(super) session: String,
    /// Whether clients take whole answers.
    pub(super) reads: bool,
    pub(super) aborted: Vec<Exchange>,
    /// A child's answer to a line.
    pub(super) child: fn(&[u8]) -> Option<Vec<u8>>,
    /// All that children were given.
    pub(super) written: Vec<u8>,
    /// Whether a child ends when it is asked for its era.
    pub(super) probed: bool,
    /// Whether the operator was told of a fault of the driver.
    pub(super) misused: bool,
    /// How often a child was paused, and resumed.
    pub(super) pauses: (u32, u32),
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self {
            bridge: Bridge::new(config).expect("a good configuration"),
            now: Duration::ZERO,
            starts: true,
            opened: Vec::new(),
            opened_for: None,
            answers: Vec::new(),
            session: String::new(),
            reads: true,
            aborted: Vec::new(),
            child,
            written: Vec::new(),
            probed: false,
            misused: false,
            pauses: (0, 0),
        }
    }

    pub(super) fn tell(&mut self, input: Input<'_>) {
        self.bridge.handle(input, Instant::new(self.now));
    }

    /// Does all that is asked for.
    pub(super) fn drain(&mut self) {
        for _ in 0..MANY {
            match self.bridge.poll_output() {
                None => return,
                Some(output) => self.carry_out(output),
            }
        }
        panic!("one input brings more than {MANY} outputs");
    }

    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Open { child, exchange, .. } if self.starts => {
                self.opened_for = exchange;
                self.opened.push(child);
                self.tell(Input::Opened { child, pid: Some(1) });
            }
            Output::Open { child, .. } => {
                self.tell(Input::OpenFailed {
                    child,
                    reason: "/srv/child: no such file",
                    public: "not found",
                });
            }
            Output::Write { child, bytes } => {
                self.tell(Input::StdinTaken { child, bytes: bytes.len() });
                self.written.extend_from_slice(&bytes);
                if self.probed && bytes.windows(15).any(|word| word == b"server/discover") {
                    let exit = Exit::Code(1);
                    return self.tell(Input::Exited { child, exit, stderr: b"" });
                }
                for line in bytes.split(|byte| *byte == b'\n').filter_map(self.child) {
                    self.tell(Input::Stdout { child, bytes: &line });
                }
            }
            Output::CloseStdin { child } => {
                self.tell(Input::Exited { child, exit: Exit::Code(0), stderr: b"" });
            }
            Output::Respond { exchange, response } => {
                let response_is_whole = matches!(response.body, Body::Whole(_));
                let mut fields = response.fields.iter();
                if let Some((_, id)) = fields.find(|(name, _)| *name == "mcp-session-id") {
                    self.session = id.to_string();
                }
                let content = match response.body {
                    Body::Whole(content) => content,
                    Body::Stream => Vec::new(),
                };
                if response_is_whole && self.reads {
                    self.tell(Input::Delivered { exchange });
                }
                self.answers.push((exchange, response.status, content));
            }
            Output::Send { exchange, bytes } => {
                if self.reads {
                    self.tell(Input::Taken { exchange, bytes: bytes.len() });
                }
                let answer = self.answers.iter_mut().rfind(|(known, ..)| *known == exchange);
                answer.expect("its head came before").2.extend(bytes);
            }
            Output::Finish { exchange } => self.tell(Input::Delivered { exchange }),
            Output::Abort { exchange } => self.aborted.push(exchange),
            Output::Save { session, .. } => self.tell(Input::Saved { session }),
            Output::Pause { .. } => self.pauses.0 += 1,
            Output::Resume { .. } => self.pauses.1 += 1,
            Output::Terminate { .. } | Output::Kill { .. } | Output::Forget { .. } => {}
            Output::Notice(notice) => {
                self.misused |= matches!(notice, Notice::Misuse { .. });
            }
        }
    }

    /// Sends a request and does all that is asked for; the status of its answer.
    pub(super) fn ask(&mut self, head: &Head<'_>, body: &[u8]) -> u16 {
        let admitted = self.bridge.admit(head).expect("it is let in");
        let exchange = admitted.exchange();
        let random = u128::from(exchange.number()).to_be_bytes();
        self.tell(Input::Request { admitted, head, body, random });
        self.drain();
        self.pass(Duration::from_millis(100));
        self.status(exchange)
    }

    /// The status of an exchange's answer, 0 if there is none.
    pub(super) fn status(&self, exchange: Exchange) -> u16 {
        let known = self.answers.iter().find(|(known, ..)| *known == exchange);
        known.map_or(0, |(_, status, _)| *status)
    }

    /// Lets time pass, with a tick at each wait.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..MANY {
            let due = self.bridge.poll_timeout().map(Instant::since_origin);
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = due.max(self.now);
            self.tell(Input::Tick);
            self.drain();
        }
        self.now = end;
        self.tell(Input::Tick);
        self.drain();
    }
}

/// A child: answers `initialize`, and any other request with an empty result.
pub(super) fn child(line: &[u8]) -> Option<Vec<u8>> {
    let request = Message::parse(line).ok().filter(Message::is_request)?;
    let result = match request.calls("initialize") {
        true => r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}"#,
        false => "{}",
    };
    let answer = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
    let mut line = Vec::new();
    let change = Splice { id: request.id(), ..Splice::default() };
    Message::parse(answer.as_bytes()).ok()?.splice(&change, &mut line);
    line.push(b'\n');
    Some(line)
}
