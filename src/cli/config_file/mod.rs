//! The file of `--config`: servers by name, in JSON. The formats of MCP clients, with the map under
//! `mcpServers` or `servers`, comments and trailing commas, are accepted as well, and entries that
//! only clients use are skipped and logged: members of a server, and servers with an address in
//! place of a command.
//!
//! An error names the place and the member, and never a value: variables may be secrets.

pub(crate) mod dotenv;
mod expand;
mod jsonc;
mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use mcp_bridge::{Eras, Limits};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use expand::Expander;
pub(crate) use expand::Variables;
use members::{Chosen, Flag, Member, Named, Number, Pairs, Part, Seconds, Text, Texts};

/// Servers in one file.
const SERVERS: usize = 256;
/// Bytes of a name: it is part of a path.
const NAME: usize = 64;
/// The member that holds the servers in the files of MCP clients, and in that of VS Code.
const WRAPPERS: [&str; 2] = ["mcpServers", "servers"];

/// Members that mark a server which clients reach over HTTP.
const ADDRESSES: [&str; 3] = ["url", "serverUrl", "httpUrl"];

/// The contents of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definitions {
    /// The servers, in the file's order.
    pub(crate) servers: Vec<Definition>,
    /// Names of those with an address and without a command.
    pub(crate) remote: Vec<String>,
}

/// One server as the file defines it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// A file with more variables.
    pub(crate) env_file: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) eras: Option<Eras>,
    pub(crate) limits: Limits,
    /// How long its sessions may have no call before they sleep; zero is for ever.
    pub(crate) sleep: Option<Duration>,
    /// Whether its sessions share processes.
    pub(crate) share: Option<bool>,
    pub(crate) tools: Tools,
    /// Members that are ignored.
    pub(crate) unknown: Vec<String>,
}

/// The tools of a server that clients may see and call, by patterns in which `*` is any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tools {
    /// If there are any, only these.
    pub(crate) allow: Option<Vec<String>>,
    /// None of these.
    pub(crate) deny: Vec<String>,
}

/// Parses a file's text, or returns what is wrong with it.
pub(crate) fn parse(text: &[u8], variables: Variables<'_>) -> Result<Definitions, String> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(String::from("it is UTF-16: save it as UTF-8"));
    }
    // A byte order mark, which some editors write (RFC 8259, section 8.1).
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = jsonc::plain(text)
        .map_err(|line| format!("a comment has no end, it begins at line {line}"))?;
    let outline = serde_json::from_slice(&text).map_err(|error| reason(&error))?;
    let shape = Shape::of(&outline)?;
    let mut file = serde_json::Deserializer::from_slice(&text);
    let all = AllServers { shape: &shape, expander: &Expander::new(variables) };
    let found = match shape.wrapper {
        Some(_) => file.deserialize_map(Wrapped(all)),
        None => all.deserialize(&mut file),
    };
    let found = found.map_err(|error| reason(&error))?;
    match (found.servers.is_empty(), found.remote.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err(String::from("it defines no server")),
        (true, false) => Err(String::from("it defines no server with a \"command\"")),
    }
}

/// The text of an error, without the value that it concerns: its place comes first.
fn reason(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at {place}")).unwrap_or(&text);
    let expected = text.rfind(", expected ").filter(|_| text.starts_with("invalid "));
    let said = match expected {
        _ if error.is_eof() => String::from("the text ends too early"),
        _ if error.is_syntax() => format!("it is not valid JSON: {text}"),
        Some(at) => must_be(&text[at + ", expected ".len()..]),
        None => text.to_owned(),
    };
    if error.line() == 0 { said } else { format!("{place}: {said}") }
}

/// What was expected, as a rule.
fn must_be(expected: &str) -> String {
    match expected.rsplit_once(" to be ") {
        Some((what, kind)) => format!("{what} must be {kind}"),
        None => format!("it must be {expected}"),
    }
}

/// What a file holds, found before its values are read: the variables of a server that is not
/// started here need not be set.
#[derive(Default)]
struct Shape {
    /// The member with the servers, if they are not at the top.
    wrapper: Option<&'static str>,
    kinds: BTreeMap<String, Kind>,
}

/// The kinds of servers in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A server with a command.
    Started,
    /// A server with an address, started elsewhere.
    Called,
    Disabled,
}

impl Kind {
    fn of(server: &Value) -> Self {
        let has = |member: &str| server.get(member).is_some();
        match server.get("disabled") {
            Some(Value::Bool(true)) => Self::Disabled,
            _ if !has("command") && ADDRESSES.into_iter().any(has) => Self::Called,
            _ => Self::Started,
        }
    }
}

impl Shape {
    fn of(file: &Value) -> Result<Self, String> {
        let Value::Object(top) = file else { return Ok(Self::default()) };
        // By this name a server can be meant.
        let is_server = |value: &Value| {
            ["command", "url"].iter().any(|member| value.get(member).is_some_and(Value::is_string))
        };
        let [common, other] = WRAPPERS;
        let is_other = top.get(other).is_some_and(|value| value.is_object() && !is_server(value));
        let wrapper = match (top.contains_key(common), is_other) {
            (true, true) => {
                return Err(format!("it has both {common:?} and {other:?}: remove one of them"));
            }
            (true, false) => Some(common),
            (false, true) => Some(other),
            (false, false) => None,
        };
        let servers = wrapper.map_or(file, |wrapper| &file[wrapper]);
        let servers = servers.as_object().into_iter().flatten();
        let kinds = servers.map(|(name, server)| (name.clone(), Kind::of(server)));
        Ok(Self { wrapper, kinds: kinds.collect() })
    }
}

/// A file with its servers under a member.
struct Wrapped<'a>(AllServers<'a>);

impl<'de> Visitor<'de> for Wrapped<'_> {
    type Value = Definitions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if self.0.shape.wrapper != Some(&*key) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if found.replace(map.next_value_seed(self.0)?).is_some() {
                return Err(A::Error::custom(format!("{key:?} is defined twice")));
            }
        }
        Ok(found.unwrap_or_default())
    }
}

/// A map of servers.
#[derive(Clone, Copy)]
struct AllServers<'a> {
    shape: &'a Shape,
    expander: &'a Expander<'a>,
}

impl<'de> DeserializeSeed<'de> for AllServers<'_> {
    type Value = Definitions;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllServers<'_> {
    type Value = Definitions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of servers by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Definitions::default();
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            check_name(&name).map_err(A::Error::custom)?;
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the server {name:?} is defined twice")));
            }
            if names.len() > SERVERS {
                return Err(A::Error::custom(format!("there are more than {SERVERS} servers")));
            }
            let server = OneServer { name: &name, expander: self.expander };
            match self.shape.kinds.get(&name) {
                Some(Kind::Started) | None => found.servers.push(map.next_value_seed(server)?),
                Some(Kind::Called) => {
                    map.next_value::<IgnoredAny>()?;
                    found.remote.push(name);
                }
                Some(Kind::Disabled) => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let dots = matches!(name, "." | "..");
    match !dots && (1..=NAME).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(()),
        false => Err(format!(
            "the name {name:?} can't be a part of a path: it takes up to {NAME} letters, digits \
             and - . _ ~"
        )),
    }
}

/// A server that is started here.
struct OneServer<'a> {
    name: &'a str,
    expander: &'a Expander<'a>,
}

impl<'de> DeserializeSeed<'de> for OneServer<'_> {
    type Value = Definition;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneServer<'_> {
    type Value = Definition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server {:?} to be an object with a \"command\"", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { name, expander } = self;
        let mut server = Definition { name: name.to_owned(), ..Definition::default() };
        let mut seen = BTreeSet::new();
        while let Some(member) = map.next_key::<String>()? {
            let value = Member { server: name, member: &member, part: Part::All, expander };
            match &*member {
                "command" => server.command = map.next_value_seed(Text(value))?,
                "args" => server.args = map.next_value_seed(Texts(value))?,
                "env" => server.env = map.next_value_seed(Pairs(value))?,
                "envFile" => server.env_file = Some(map.next_value_seed(Text(value))?),
                "cwd" => server.cwd = Some(map.next_value_seed(Text(value))?),
                "eras" => server.eras = Some(map.next_value_seed(Named(value))?),
                "sessionKeepAlive" => {
                    server.limits.idle = Some(map.next_value_seed(Seconds(value))?);
                }
                "sleep" => server.sleep = Some(map.next_value_seed(Seconds(value))?),
                "share" => server.share = Some(map.next_value_seed(Flag(value))?),
                "maxSessions" => server.limits.sessions = Some(map.next_value_seed(Number(value))?),
                "requestTimeout" => {
                    server.limits.request = Some(map.next_value_seed(Seconds(value))?);
                }
                "tools" => server.tools = map.next_value_seed(Chosen(value))?,
                "disabled" => _ = map.next_value_seed(Flag(value))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    // Known to all clients: the server has a command, not an address.
                    server.unknown.extend((member != "type").then(|| member.clone()));
                }
            }
            if !seen.insert(member.clone()) {
                return Err(A::Error::custom(format!("{value} is defined twice")));
            }
        }
        if server.command.is_empty() {
            let member = Member { server: name, member: "command", part: Part::All, expander };
            return Err(A::Error::custom(format!("{member} is missing: name the program")));
        }
        Ok(server)
    }
}
