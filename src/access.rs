//! The access log: a record for each request, with what was asked and how it ended, and nothing of
//! what a message says. It is off unless it is asked for: it costs a second look at each message.

use std::time::Instant;

use log::Level;
use log::kv::Value;
use mcp_bridge::message::Message;
use mcp_bridge::{Body, Head, Response};

use crate::logging;

/// The target of its records.
pub(crate) const TARGET: &str = "access";
/// The longest name of a method, a tool or a user that is logged whole.
const NAME: usize = 128;

/// Whether and how requests are logged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Whether a flag asks for it; `RUST_LOG` may as well.
    pub(crate) is_on: bool,
    /// The field that names the user, in lower case.
    pub(crate) user: Option<String>,
}

impl Access {
    /// The request with this head, of a server that may have a name; none if it is not logged.
    pub(crate) fn entry(
        &self,
        head: &Head<'_>,
        server: impl FnOnce() -> Option<String>,
    ) -> Option<Box<Entry>> {
        if !log::log_enabled!(target: TARGET, Level::Info) {
            return None;
        }
        let named = |(name, value): &(&str, &[u8])| {
            (self.user.as_deref() == Some(*name)).then(|| short(&String::from_utf8_lossy(value)))
        };
        Some(Box::new(Entry {
            since: Instant::now(),
            verb: short(head.method),
            path: short(head.place().0),
            user: head.fields.iter().find_map(named),
            server: server(),
            method: None,
            name: None,
            session: None,
            status: 0,
            code: None,
            received: 0,
            sent: 0,
        }))
    }
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Entry {
    since: Instant,
    verb: String,
    path: String,
    server: Option<String>,
    user: Option<String>,
    method: Option<String>,
    name: Option<String>,
    session: Option<u64>,
    status: u16,
    code: Option<i64>,
    received: usize,
    sent: usize,
}

impl Entry {
    /// The content is there.
    pub(crate) fn content(&mut self, content: &[u8]) {
        self.received = content.len();
        if content.trim_ascii_start().starts_with(b"[") {
            self.method = Some(String::from("batch"));
        } else if let Ok(message) = Message::parse(content) {
            self.method = message.method().map(|method| short(&method));
            let name = ["tools/call", "prompts/get"].iter().any(|method| message.calls(method));
            let name = message.param("name").filter(|_| name);
            let name = name.and_then(|name| serde_json::from_slice::<String>(name).ok());
            self.name = name.map(|name| short(&name));
        }
    }

    /// It is of this session.
    pub(crate) fn session(&mut self, number: Option<u64>) {
        self.session = number.or(self.session);
    }

    pub(crate) fn respond(&mut self, response: &Response) {
        self.status = response.status;
        if let Body::Whole(body) = &response.body {
            self.sent += body.len();
            self.look(body);
        }
    }

    /// A piece of the stream.
    pub(crate) fn piece(&mut self, bytes: &[u8]) {
        self.sent += bytes.len();
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| line.strip_prefix(b"data: ")).for_each(|data| self.look(data));
    }

    /// Keeps the code of a message that is an error.
    fn look(&mut self, text: &[u8]) {
        // Most messages are none, and need not be read again.
        if !text.windows(ERROR.len()).any(|window| window == ERROR) {
            return;
        }
        let Ok(message) = Message::parse(text) else { return };
        if let Some(error) = message.error()
            && let Ok(error) = serde_json::from_slice::<serde_json::Value>(error)
        {
            self.code = error["code"].as_i64();
        }
    }

    /// Logs it. `is_whole` tells whether the client took the whole response.
    pub(crate) fn end(self, is_whole: bool) {
        let ms = self.since.elapsed().as_micros() as f64 / 1000.0;
        let mut text = format!("{} {} {}", self.verb, self.path, self.status);
        let mut fields: Vec<(&str, Value<'_>)> = vec![
            ("http", Value::from(&*self.verb)),
            ("path", Value::from(&*self.path)),
            ("status", Value::from(self.status)),
        ];
        let words = [
            ("server", &self.server),
            ("method", &self.method),
            ("name", &self.name),
            ("user", &self.user),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                text += &format!(" {name}={}", quoted(value));
                fields.push((name, Value::from(&**value)));
            }
        }
        if let Some(session) = self.session {
            text += &format!(" session={session}");
            fields.push(("session", Value::from(session)));
        }
        if let Some(code) = self.code {
            text += &format!(" code={code}");
            fields.push(("code", Value::from(code)));
        }
        text += &format!(" in={} out={} ms={ms}", self.received, self.sent);
        fields.push(("in", Value::from(self.received)));
        fields.push(("out", Value::from(self.sent)));
        fields.push(("ms", Value::from(ms)));
        if !is_whole {
            text += " cut";
            fields.push(("cut", Value::from(true)));
        }
        logging::record(Level::Info, TARGET, &fields, format_args!("{text}"));
    }
}

/// What every error has.
const ERROR: &[u8] = b"\"error\"";

fn short(text: &str) -> String {
    match text.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// In quotation marks if a reader could take it for more than one value.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
    match !value.is_empty() && value.chars().all(is_plain) {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}
