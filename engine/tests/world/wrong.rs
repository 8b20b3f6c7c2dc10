//! What clients do wrong, one fault at a time, so that the status is known.

use mcp_bridge::Eras;

use super::World;
use super::json;
use super::law::{Broken, Judged, Law, require};
use super::model::{Ask, ToldKind, Version};

const GOOD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";
const OPEN: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}";

/// Bodies that are no message. Each is refused with 400 and reaches no child.
const BODIES: [&[u8]; 38] = [
    b"",
    b" ",
    b"{",
    b"{}",
    b"[]",
    b"nul",
    b"42",
    b"null",
    b"\"x\"",
    b"{\"jsonrpc\":\"2.0\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1}",
    b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0069d\":2,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/list\"}",
    b"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
    b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"a\"}{\"jsonrpc\":\"2.0\",\"method\":\"b\"}",
    b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
    b"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}",
    b"{\"id\":1,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"Method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\\u0000\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
    b"{\"jsonrpc\":\"2.0\",\"result\":{}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\xff\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\n\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"ping\"}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":[3]}}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":true}}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":3},\
      \"_meta\":{}}}",
    b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\"progressToken\":3,\
      \"progressToken\":\"a\"}}}",
];

impl World<'_> {
    pub(super) fn wrong_body(&mut self) -> Judged {
        let body = self.dice.pick(&BODIES);
        let session = self.a_session();
        let heading = self.heading("POST", session);
        let ask = Ask::Wrong { statuses: &[400], why: "a body that is no message", code: "" };
        self.ask(ask, session, Vec::new(), &heading, body)
    }

    pub(super) fn wrong_head(&mut self) -> Judged {
        let session = self.a_session();
        let mut heading = self.heading("POST", session);
        let mut body = if session.is_some() { GOOD } else { OPEN };
        let (statuses, why): (&'static [u16], _) = match self.dice.below(12) {
            0 => {
                heading.path = String::from("/elsewhere");
                (&[404], "another path")
            }
            1 => {
                heading.method = "PUT";
                (&[405], "another method")
            }
            2 => {
                let host = self.dice.pick(&["evil.example", "127.0.0.1.evil.example:80", ""]);
                heading.set("Host", Some(host));
                (&[400, 403, 421], "another host")
            }
            3 => {
                heading.set("Host", None);
                (&[400, 403, 421], "no host")
            }
            4 => {
                let evil = ["http://evil.example", "null", "http://localhost.evil.example", ""];
                heading.set("Origin", Some(self.dice.pick(&evil)));
                (&[403], "another origin")
            }
            5 => {
                let types = [None, Some("text/plain"), Some("multipart/form-data"), Some("")];
                heading.set("Content-Type", self.dice.pick(&types));
                (&[415], "another content type")
            }
            6 => {
                heading.set("Accept", Some(self.dice.pick(&["text/html", "*/*;q=0", "image/*"])));
                (&[406], "nothing acceptable")
            }
            7 if session.is_some() => {
                heading = self.heading("GET", session);
                heading.set("Accept", Some("application/json"));
                body = b"";
                (&[406], "a stream as JSON")
            }
            8 => {
                heading.path.push_str("//");
                (&[404], "another path")
            }
            9 => {
                heading = self.heading("GET", None);
                heading.set("Accept", Some("text/event-stream"));
                body = b"";
                (&[400, 405], "GET without a session")
            }
            10 => {
                heading = self.heading("DELETE", None);
                body = b"";
                (&[400, 405], "DELETE without a session")
            }
            _ => return self.wrong_version(),
        };
        self.ask(Ask::Wrong { statuses, why, code: "" }, session, Vec::new(), &heading, body)
    }

    fn wrong_version(&mut self) -> Judged {
        let Some(session) = self.a_session() else { return Ok(()) };
        if self.sessions[session].version < Some(Version::V2025_06_18) {
            return self.health();
        }
        let mut heading = self.heading("POST", Some(session));
        let versions = ["1999-01-01", "2025-06-18 x", "", "latest"];
        heading.set("MCP-Protocol-Version", Some(self.dice.pick(&versions)));
        let ask = Ask::Wrong { statuses: &[400], why: "an unknown protocol version", code: "" };
        self.ask(ask, Some(session), Vec::new(), &heading, GOOD)
    }

    fn health(&mut self) -> Judged {
        let Some(path) = self.config.health.clone() else { return Ok(()) };
        let mut heading = self.heading("GET", None);
        heading.path = path;
        heading.set("Host", Some("10.0.0.1"));
        self.ask(Ask::Health, None, Vec::new(), &heading, b"")
    }

    /// A session id that is missing, or nobody's, or of a session that is over.
    pub(super) fn wrong_session(&mut self) -> Judged {
        let method = self.dice.pick(&["POST", "GET", "DELETE"]);
        let body = if method == "POST" { GOOD } else { b"" };
        let mut heading = self.heading(method, None);
        heading.set("Accept", Some("application/json, text/event-stream"));
        if method == "POST" && self.dice.one_in(3) {
            let ask = Ask::Wrong { statuses: &[400], why: "no session id", code: "" };
            return self.ask(ask, None, Vec::new(), &heading, body);
        }
        let over: Vec<usize> = (0..self.sessions.len())
            .filter(|number| self.sessions[*number].over_settled)
            .filter(|number| self.sessions[*number].id.is_some())
            .collect();
        let id = if over.is_empty() || self.dice.one_in(3) {
            let odd = ["0", "", "00000000000000000000000000000000", "a b", "~", "%00"];
            self.dice.pick(&odd).to_string()
        } else {
            let session = over[self.dice.below(over.len())];
            self.sessions[session].id.clone().unwrap_or_default()
        };
        heading.set("Mcp-Session-Id", Some(&id));
        let statuses: &'static [u16] = if id.is_empty() { &[400, 404, 405] } else { &[404] };
        let ask = Ask::Wrong { statuses, why: "a session that is none", code: "" };
        self.ask(ask, None, Vec::new(), &heading, body)
    }

    /// It carries a response to nothing, which need not be accepted.
    pub(super) fn is_odd(&self, number: usize) -> bool {
        self.told
            .iter()
            .any(|told| told.exchange == number && matches!(told.kind, ToldKind::Reply(_)))
    }

    /// A refusal whose code is known names the request.
    pub(super) fn judge_refusal(&self, number: usize, body: &[u8], id: Option<&[u8]>) -> Judged {
        let Ask::Wrong { code, why, .. } = self.exchanges[number].ask else { return Ok(()) };
        if code.is_empty() || self.exchanges[number].status == 503 {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(body);
        let error = json::member(body, "error").unwrap_or_default();
        let told = json::member(error, "code").unwrap_or_default();
        let era = told == b"-32600" && self.may_refuse_for_era(why);
        let owed = self.config.eras == Eras::Sessions && self.may_refuse_for_era(why);
        require!(Eras, era || !owed, "{number}: {why} is judged, though no client may use it");
        require!(
            Refusal,
            era || told == code.as_bytes(),
            "{number}: not {code} for {why}: {shown}"
        );
        let named = id == Some(super::modern::WRONG_ID.as_bytes());
        require!(Refusal, named, "{number}: whose refusal is {shown}");
        Ok(())
    }
}
