//! The file of `--config`: servers by name, in JSON. The format of MCP clients, with the map under
//! `mcpServers`, is accepted as well, and entries that only clients use are skipped and logged:
//! members of a server, and servers with an address instead of a command.
//!
//! An error names the place and the member, and never a value: variables may be secrets.

use std::collections::BTreeSet;
use std::fmt;

use mcp_bridge::Eras;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Servers in one file.
const SERVERS: usize = 256;
/// Bytes of a name: it is part of a path.
const NAME: usize = 64;
/// The member that holds the servers in the files of MCP clients.
const WRAPPER: &str = "mcpServers";

/// The member that holds the servers in the files of VS Code.
const OTHER_WRAPPER: &str = "servers";

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
    pub(crate) cwd: Option<String>,
    pub(crate) eras: Option<Eras>,
    /// Members that are ignored.
    pub(crate) unknown: Vec<String>,
    /// Members with a text that clients substitute, such as `${HOME}`, and that text.
    pub(crate) placeholders: Vec<String>,
}

/// Parses a file's text, or returns what is wrong with it.
pub(crate) fn parse(text: &[u8]) -> Result<Definitions, String> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(String::from("it is UTF-16: save it as UTF-8"));
    }
    // A byte order mark, which some editors write (RFC 8259, section 8.1).
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut file = serde_json::Deserializer::from_slice(text);
    let grammar = |error| format!("{}{}", reason(&error), hint(text, &error));
    let shape = file.deserialize_map(HasWrapper).map_err(grammar)?;
    file.end().map_err(grammar)?;
    let mut file = serde_json::Deserializer::from_slice(text);
    let found = match shape.wrapped {
        true => file.deserialize_map(Wrapped),
        false => AllServers.deserialize(&mut file),
    };
    let found = found.map_err(|error| match shape.wrapped_otherwise {
        true => format!(
            "{}; if this is VS Code's file, rename {OTHER_WRAPPER:?} to {WRAPPER:?}",
            reason(&error)
        ),
        false => reason(&error),
    })?;
    match (found.servers.is_empty(), found.remote.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err(String::from("it defines no server")),
        (true, false) => Err(String::from("it defines no server with a \"command\"")),
    }
}

/// The text of an error, without the value that it concerns.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(", expected ").filter(|_| text.starts_with("invalid ")) {
        Some(at) => text[at + 2..].to_owned(),
        None => text,
    }
}

/// The fix for text that is not JSON, if it can be guessed.
fn hint(text: &[u8], error: &serde_json::Error) -> &'static str {
    let line = text.split(|byte| *byte == b'\n').nth(error.line().wrapping_sub(1));
    let at = error.column().wrapping_sub(1);
    match line.and_then(|line| line.get(at..)) {
        Some([b'/', b'/' | b'*', ..]) => ": JSON has no comments, remove them",
        _ => "",
    }
}

/// Whether the servers are under a member of their own.
struct HasWrapper;

/// The members of a file that may hold the servers.
struct Shape {
    wrapped: bool,
    wrapped_otherwise: bool,
}

impl<'de> Visitor<'de> for HasWrapper {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of servers by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape { wrapped: false, wrapped_otherwise: false };
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if key == WRAPPER && std::mem::replace(&mut shape.wrapped, true) {
                return Err(A::Error::custom(format!("{WRAPPER:?} is defined twice")));
            }
            shape.wrapped_otherwise |= key == OTHER_WRAPPER;
        }
        Ok(shape)
    }
}

struct Wrapped;

impl<'de> Visitor<'de> for Wrapped {
    type Value = Definitions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HasWrapper.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Definitions::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == WRAPPER {
                found = map.next_value_seed(AllServers)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A map of servers.
struct AllServers;

impl<'de> DeserializeSeed<'de> for AllServers {
    type Value = Definitions;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllServers {
    type Value = Definitions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HasWrapper.expecting(f)
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
            match map.next_value_seed(OneServer(&name))? {
                One::Started(server) => found.servers.push(server),
                One::Called => found.remote.push(name),
                One::Disabled => {}
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

/// The kinds of servers in a file.
enum One {
    /// A server with a command.
    Started(Definition),
    /// A server with an address, started elsewhere.
    Called,
    Disabled,
}

/// The server of this name.
struct OneServer<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for OneServer<'_> {
    type Value = One;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneServer<'_> {
    type Value = One;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server {:?} to be an object with a \"command\"", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let name = self.0;
        let mut server = Definition { name: name.to_owned(), ..Definition::default() };
        let mut seen = BTreeSet::new();
        let mut disabled = false;
        while let Some(member) = map.next_key::<String>()? {
            let value = Member { server: name, member: &member, part: Part::All };
            match &*member {
                "command" => server.command = map.next_value_seed(Text(value))?,
                "args" => server.args = map.next_value_seed(Texts(value))?,
                "env" => server.env = map.next_value_seed(Pairs(value))?,
                "cwd" => server.cwd = Some(map.next_value_seed(Text(value))?),
                "eras" => server.eras = Some(map.next_value_seed(Named(value))?),
                "disabled" => disabled = map.next_value_seed(Flag(value))?,
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
        if disabled {
            return Ok(One::Disabled);
        }
        if !seen.contains("command") && ADDRESSES.iter().any(|member| seen.contains(*member)) {
            return Ok(One::Called);
        }
        if server.command.is_empty() {
            let member = Member { server: name, member: "command", part: Part::All };
            return Err(A::Error::custom(format!("{member} is missing: what is to be started?")));
        }
        server.placeholders = placeholders(&server);
        Ok(One::Started(server))
    }
}

/// Bytes of a placeholder that are logged: the name of a variable, not a default value after it.
const PLACEHOLDER: usize = 64;

/// Each member of a server that has a placeholder, with its first one.
fn placeholders(server: &Definition) -> Vec<String> {
    let variables = server.env.iter().map(|(name, value)| (format!("env.{name}"), value));
    let args = server.args.iter().map(|arg| (String::from("args"), arg));
    let rest = [("command", Some(&server.command)), ("cwd", server.cwd.as_ref())];
    let rest = rest.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut found = Vec::new();
    for (member, value) in rest.chain(args).chain(variables) {
        found.extend(placeholder(value).map(|name| format!("{name} in {member:?}")));
    }
    found.dedup();
    found
}

/// The first `${NAME}` of a text; with more after the name (`${NAME:-default}`), only the name.
fn placeholder(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("${")?;
    let (inner, _) = rest.split_once('}')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = inner.split(|c| !is_name(c)).next().filter(|name| !name.is_empty())?;
    let name = &name[..name.len().min(PLACEHOLDER)];
    let more = if name.len() < inner.len() { "..." } else { "" };
    Some(format!("${{{name}{more}}}"))
}

/// A member of a server.
#[derive(Clone, Copy)]
struct Member<'a> {
    server: &'a str,
    member: &'a str,
    part: Part<'a>,
}

/// The part of a member that is meant.
#[derive(Clone, Copy)]
enum Part<'a> {
    All,
    /// One element of a list.
    Element,
    /// One variable.
    Variable(&'a str),
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::All => {}
            Part::Element => f.write_str("each element of ")?,
            Part::Variable(name) => write!(f, "the value of {name:?} in ")?,
        }
        write!(f, "the member {:?} of the server {:?}", self.member, self.server)
    }
}

impl Member<'_> {
    /// A text that can be an argument or a variable.
    fn check<E: Error>(self, text: String) -> Result<String, E> {
        if text.contains('\0') { Err(E::custom(format!("{self} has a NUL"))) } else { Ok(text) }
    }
}

struct Text<'a>(Member<'a>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a string", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.check(text.to_owned())
    }
}

struct Named<'a>(Member<'a>);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Eras;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Eras, D::Error> {
        let name = json.deserialize_str(Text(self.0))?;
        name.parse().map_err(|reason| D::Error::custom(format!("{}: {reason}", self.0)))
    }
}

struct Texts<'a>(Member<'a>);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<String>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be a list of strings", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        let element = Member { part: Part::Element, ..self.0 };
        while let Some(text) = seq.next_element_seed(Text(element))? {
            texts.push(text);
        }
        Ok(texts)
    }
}

struct Pairs<'a>(Member<'a>);

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be an object of strings", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(A::Error::custom(format!("{} has a bad name: {name:?}", self.0)));
            }
            let variable = Member { part: Part::Variable(&name), ..self.0 };
            let value = map.next_value_seed(Text(variable))?;
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

struct Flag<'a>(Member<'a>);

impl<'de> DeserializeSeed<'de> for Flag<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_bool(self)
    }
}

impl Visitor<'_> for Flag<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to be true or false", self.0)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<bool, E> {
        Ok(flag)
    }
}
