//! What clients of 2026-07-28 do wrong, one fault at a time (MCP 2026-07-28 "Server Validation"):
//! each is refused with the status and the code that it calls for, and reaches no child.

use super::super::World;
use super::super::ask::Heading;
use super::super::law::Judged;
use super::super::model::Ask;
use super::client::VERSION;

/// What must be refused says so. Its id is told in the refusal.
pub(in super::super) const REFUSED: &str = "@y@";
pub(in super::super) const ID: &str = "77";
/// Why it must be.
pub(in super::super) const KIND: &str = "what is no request of this era";

/// The fields that a good head repeats, as they are set or taken away, and the code for it.
const HEADS: [(&str, Option<&str>, &str); 9] = [
    ("MCP-Protocol-Version", None, "-32020"),
    ("MCP-Protocol-Version", Some("2025-11-25"), "-32020"),
    ("Mcp-Method", None, "-32020"),
    ("Mcp-Method", Some("tools/list"), "-32020"),
    ("Mcp-Name", None, "-32020"),
    ("Mcp-Name", Some("T"), "-32020"),
    ("Mcp-Name", Some("=?base64?dA?="), "-32020"),
    ("Mcp-Name", Some("=?base64?/w==?="), "-32020"),
    ("Mcp-Method", Some("tools/Call"), "-32020"),
];
/// Methods of the session era that this one does not have.
const REMOVED: [&str; 5] =
    ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "initialize"];

impl World<'_> {
    /// A request that must be refused, or a message that is none of this era's.
    pub(in super::super) fn wrong_modern(&mut self) -> Judged {
        match self.dice.below(9) {
            0..=2 => self.wrong_fields(),
            3 | 4 => self.wrong_metadata(),
            8 => self.wrong_token(),
            5 => self.wrong_version_of_both(),
            6 => self.wrong_kind(),
            _ => self.wrong_era(),
        }
    }

    fn good_heading(&mut self) -> Heading {
        let mut heading = self.modern_heading("tools/call");
        heading.set("Mcp-Name", Some("t"));
        heading
    }

    fn refuse(&mut self, heading: &Heading, body: &str, status: u16, code: &'static str) -> Judged {
        let statuses: &'static [u16] = match status {
            400 => &[400],
            404 => &[404],
            405 => &[405],
            _ => &[406],
        };
        let ask = Ask::Wrong { statuses, why: KIND, code };
        self.ask(ask, None, Vec::new(), heading, body.as_bytes())
    }

    fn wrong_fields(&mut self) -> Judged {
        let (name, value, code) = self.dice.pick(&HEADS);
        let mut heading = self.good_heading();
        heading.set(name, value);
        let body = body("tools/call", &meta(VERSION, ""));
        self.refuse(&heading, &body, 400, code)
    }

    fn wrong_metadata(&mut self) -> Judged {
        let heading = self.good_heading();
        let level = "\"io.modelcontextprotocol/logLevel\":\"loud\",";
        let metas = [
            String::from("\"_meta\":{}"),
            String::from("\"_meta\":7"),
            String::from("\"x\":{}"),
            format!("\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"{VERSION}\"}}"),
            meta(VERSION, level),
            meta(VERSION, "").replace("{},", "[],"),
        ];
        let number = self.dice.below(metas.len());
        self.refuse(&heading, &body("tools/call", &metas[number]), 400, "-32602")
    }

    /// A progress token that can't be replaced: a child could take it for another request's.
    fn wrong_token(&mut self) -> Judged {
        let heading = self.good_heading();
        let long = format!("\"progressToken\":3.{},", "0".repeat(4095));
        let tokens = [
            "\"progressToken\":[3],",
            "\"progressToken\":true,",
            "\"progressToken\":{\"x\":3},",
            "\"progressToken\":3,\"progressToken\":\"a\",",
            "\"progresstoken\":3,",
            &long,
        ];
        // A longer body than may be is refused for its length.
        let long = self.config.message > 2 * long.len();
        let token = self.dice.below(if long { tokens.len() } else { tokens.len() - 1 });
        self.refuse(&heading, &body("tools/call", &meta(VERSION, tokens[token])), 400, "-32600")
    }

    /// A version that nobody speaks, in the head as in the body.
    fn wrong_version_of_both(&mut self) -> Judged {
        let version = self.dice.pick(&["2027-01-01", "1999-01-01", "2025-11-25", ""]);
        let mut heading = self.good_heading();
        heading.set("MCP-Protocol-Version", Some(version));
        self.refuse(&heading, &body("tools/call", &meta(version, "")), 400, "-32022")
    }

    /// A notification, which comes to nothing; a response; a batch; no Accept that can be met.
    fn wrong_kind(&mut self) -> Judged {
        let mut heading = self.good_heading();
        match self.dice.below(4) {
            0 => {
                let method = "\"method\":\"notifications/x\"";
                let meta = meta(VERSION, "");
                let body = format!("{{\"jsonrpc\":\"2.0\",{method},\"params\":{{{meta}}}}}");
                self.ask(Ask::Tell, None, Vec::new(), &heading, body.as_bytes())
            }
            1 => {
                let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{ID},\"result\":\"{REFUSED}\"}}");
                self.refuse(&heading, &body, 400, "")
            }
            2 => {
                let body = format!("[{}]", body("tools/call", &meta(VERSION, "")));
                self.refuse(&heading, &body, 400, "")
            }
            _ => {
                heading = self.modern_heading("subscriptions/listen");
                heading.set("Accept", Some("application/json"));
                let body = body("subscriptions/listen", &meta(VERSION, ""));
                self.refuse(&heading, &body, 406, "-32600")
            }
        }
    }

    /// A method or a verb of the session era.
    fn wrong_era(&mut self) -> Judged {
        if self.dice.one_in(2) {
            let method = self.dice.pick(&REMOVED);
            let heading = self.modern_heading(method);
            return self.refuse(&heading, &body(method, &meta(VERSION, "")), 404, "-32601");
        }
        let verb = self.dice.pick(&["GET", "DELETE"]);
        let mut heading = self.heading(verb, None);
        heading.set("Accept", Some("text/event-stream"));
        heading.set("MCP-Protocol-Version", Some(VERSION));
        self.refuse(&heading, "", 405, "")
    }
}

fn meta(version: &str, more: &str) -> String {
    format!(
        "\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"{version}\",{more}\
         \"io.modelcontextprotocol/clientCapabilities\":{{}},\"x\":\"{REFUSED}\"}}"
    )
}

fn body(method: &str, meta: &str) -> String {
    let params = format!("{{\"name\":\"t\",\"arguments\":{{\"x\":\"{REFUSED}\"}},{meta}}}");
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{ID},\"method\":\"{method}\",\"params\":{params}}}")
}
