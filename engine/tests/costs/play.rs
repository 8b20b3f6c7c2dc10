//! The engine before peers that send what is dear to read: requests and lines of a child, of which
//! those that a shape measures go through a hook.

use std::time::Duration;

use mcp_bridge::{Body, Bridge, ChildId, Config, Eras, Exchange, Head, Input, Instant, Output};

/// Hands the engine one input and takes what it asks for.
pub(crate) type Hook = fn(&mut Bridge, Input<'_>, Instant) -> Vec<Output>;

/// Which era the servers speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Session,
    Modern,
}

pub(crate) const SESSION_FIELDS: [(&str, &str); 3] = [
    ("host", "127.0.0.1:8080"),
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
];
pub(crate) const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

pub(crate) struct World {
    pub(crate) bridge: Bridge,
    pub(crate) speaks: Speaks,
    /// The revision that session-era servers choose.
    pub(crate) revision: &'static str,
    /// What servers say that they can do, and their name.
    pub(crate) offers: String,
    pub(crate) name: String,
    /// Header fields of all requests.
    pub(crate) fields: Vec<(&'static str, String)>,
    hook: Hook,
    measures: bool,
    /// Bytes of all inputs that were measured.
    pub(crate) bytes: usize,
    /// The child that wrote or was written to last.
    pub(crate) child: Option<ChildId>,
    /// Ids of calls that the children have not answered.
    pub(crate) asked: Vec<String>,
    /// The status and the text of the last response.
    pub(crate) status: u16,
    pub(crate) text: Vec<u8>,
    pub(crate) session: String,
    /// Who takes nothing of what it is given, and what was given to it.
    pub(crate) deaf: Deaf,
    pub(crate) given: Vec<Vec<u8>>,
    /// All that there were.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) children: Vec<ChildId>,
    pub(crate) now: Duration,
}

/// Which peers take nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Deaf {
    pub(crate) clients: bool,
    pub(crate) children: bool,
    /// Requests of these methods get no answer.
    pub(crate) methods: &'static [&'static str],
}

pub(crate) fn direct(bridge: &mut Bridge, input: Input<'_>, now: Instant) -> Vec<Output> {
    bridge.handle(input, now);
    std::iter::from_fn(|| bridge.poll_output()).collect()
}

/// What stands between two others, the first time that it does.
fn between<'a>(text: &'a [u8], before: &str, after: char) -> Option<&'a str> {
    let text = &text[..text.len().min(2000)];
    let at = text.windows(before.len()).position(|window| window == before.as_bytes())?;
    let text = &text[at + before.len()..];
    let end = text.iter().position(|byte| *byte == after as u8)?;
    std::str::from_utf8(&text[..end]).ok()
}

impl World {
    pub(crate) fn new(hook: Hook) -> Self {
        Self::with(Config::default(), hook)
    }

    /// One of this configuration, for all eras.
    pub(crate) fn with(config: Config, hook: Hook) -> Self {
        let config = Config { loopback: false, eras: Eras::Both, ..config };
        Self {
            bridge: Bridge::new(config).expect("a good configuration"),
            speaks: Speaks::Session,
            revision: "2025-06-18",
            offers: String::from(
                r#"{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}"#,
            ),
            name: String::from("s"),
            fields: Vec::new(),
            hook,
            measures: false,
            bytes: 0,
            child: None,
            asked: Vec::new(),
            status: 0,
            text: Vec::new(),
            session: String::new(),
            deaf: Deaf::default(),
            given: Vec::new(),
            exchanges: Vec::new(),
            children: Vec::new(),
            now: Duration::from_secs(1),
        }
    }

    /// Does something that is measured.
    pub(crate) fn measured(&mut self, work: impl FnOnce(&mut Self)) {
        self.measures = true;
        work(self);
        self.measures = false;
    }

    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.now += Duration::from_micros(50);
        let now = Instant::new(self.now);
        let size = match &input {
            Input::Request { body, head, .. } => {
                body.len() + head.fields.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>()
            }
            Input::Stdout { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let outputs = if self.measures && size > 0 {
            self.bytes += size;
            (self.hook)(&mut self.bridge, input, now)
        } else {
            direct(&mut self.bridge, input, now)
        };
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Open { child, .. } => {
                self.children.push(child);
                self.feed(Input::Opened { child, pid: Some(1) });
            }
            Output::Write { child, bytes } => {
                self.child = Some(child);
                if !self.deaf.children {
                    self.feed(Input::StdinTaken { child, bytes: bytes.len() });
                }
                for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.read(child, line);
                }
                if self.deaf.children {
                    self.given.push(bytes);
                }
            }
            Output::Respond { exchange, response } => {
                self.status = response.status;
                let mut fields = response.fields.iter();
                if let Some((_, id)) = fields.find(|(name, _)| *name == "mcp-session-id") {
                    self.session = id.to_string();
                }
                if let Body::Whole(text) = response.body {
                    self.text = text;
                    if self.deaf.clients {
                        return self.given.push(std::mem::take(&mut self.text));
                    }
                    self.feed(Input::Delivered { exchange });
                }
            }
            Output::Send { bytes, .. } if self.deaf.clients => self.given.push(bytes),
            Output::Send { exchange, bytes } => {
                self.feed(Input::Taken { exchange, bytes: bytes.len() });
                self.text = bytes;
            }
            _ => {}
        }
    }

    /// A child reads a line. What opens a session and subscribes it answers at once.
    fn read(&mut self, child: ChildId, line: &[u8]) {
        let (Some(id), Some(method)) =
            (between(line, "\"id\":", ','), between(line, "\"method\":\"", '"'))
        else {
            return;
        };
        if self.deaf.methods.contains(&method) {
            self.asked.push(id.to_string());
            return;
        }
        let offers = &self.offers;
        let server = format!(r#"{{"name":"{}","version":"1"}}"#, self.name);
        let answer = match (method, self.speaks) {
            ("initialize", Speaks::Session) => format!(
                r#""result":{{"protocolVersion":"{}","capabilities":{offers},"serverInfo":{server}}}"#,
                self.revision
            ),
            ("server/discover", Speaks::Modern) => format!(
                r#""result":{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{offers},"_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}}}"#
            ),
            ("initialize", _) => {
                String::from(r#""error":{"code":-32602,"message":"unsupported version"}"#)
            }
            ("server/discover", _) => String::from(r#""error":{"code":-32601,"message":"no"}"#),
            ("resources/subscribe" | "resources/unsubscribe", _) => String::from(r#""result":{}"#),
            _ => {
                self.asked.push(id.to_string());
                return;
            }
        };
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}\n");
        let measures = std::mem::replace(&mut self.measures, false);
        self.feed(Input::Stdout { child, bytes: line.as_bytes() });
        self.measures = measures;
    }

    /// A request with these fields.
    pub(crate) fn send(&mut self, method: &str, fields: &[(&str, &str)], body: &[u8]) -> Exchange {
        let more = std::mem::take(&mut self.fields);
        let all = fields.iter().copied().chain(more.iter().map(|(name, value)| (*name, &**value)));
        let fields: Vec<_> = all.map(|(name, value)| (name, value.as_bytes())).collect();
        let head = Head { method, path: "/mcp", authority: None, fields: &fields };
        let exchange = match self.bridge.admit(&head) {
            Ok(admitted) => {
                let exchange = admitted.exchange();
                let random = u128::from(exchange.number()).to_be_bytes();
                self.exchanges.push(exchange);
                self.feed(Input::Request { admitted, head: &head, body, random });
                exchange
            }
            Err(refusal) => panic!("it is let in: {refusal:?}"),
        };
        self.fields = more;
        exchange
    }

    /// A message of a client: of this session, or of none.
    pub(crate) fn post(&mut self, body: &str) -> Exchange {
        let session = self.session.clone();
        let fields = [&SESSION_FIELDS[..], &[("mcp-session-id", &*session)]].concat();
        let fields = &fields[..if session.is_empty() { 3 } else { 4 }];
        self.send("POST", fields, body.as_bytes())
    }

    /// A request of 2026-07-28.
    pub(crate) fn ask(&mut self, method: &str, name: Option<&str>, body: &str) -> Exchange {
        let mut fields = [&SESSION_FIELDS[..], &[VERSION, ("mcp-method", method)]].concat();
        fields.extend(name.map(|name| ("mcp-name", name)));
        self.send("POST", &fields, body.as_bytes())
    }

    /// Opens a session.
    pub(crate) fn open(&mut self) {
        self.initialize(r#"{"elicitation":{}}"#, "c");
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.text));
    }

    /// A client of these capabilities, and of this name, begins a session.
    pub(crate) fn initialize(&mut self, capabilities: &str, name: &str) {
        self.session = String::new();
        self.post(&format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-06-18","capabilities":{capabilities},"clientInfo":{{"name":"{name}","version":"1"}}}}}}"#
        ));
    }

    /// What the child that was written to last writes.
    pub(crate) fn say(&mut self, line: &str) {
        self.say_bytes(line.as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, line: &[u8]) {
        let child = self.child.expect("a child");
        let line = [line, b"\n"].concat();
        self.feed(Input::Stdout { child, bytes: &line });
    }

    /// The child's answer to the call that came last.
    pub(crate) fn answer(&mut self, member: &str, value: &str) {
        let id = self.asked.pop().expect("a call");
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{value}}}"#));
    }
}
