//! Header parameters: arguments of a tool that a client repeats as `Mcp-Param-*` header fields
//! (MCP 2026-07-28 "Custom Headers from Tool Parameters").
//!
//! A stdio server never sees headers, so the check is the bridge's. What a tool annotates is
//! learned from the `tools/list` answers that pass by; the bridge sends no request of its own.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::api::io::env_size;
use crate::api::limits::ANNOTATIONS;
use crate::codec::json::{self, Name, NotJson, Scanner, Span};
use crate::codec::message::Message;
use crate::codec::object;
use crate::http::fault::Fault;
use crate::http::field::{self, Fields};
use crate::http::metadata::{SHOWN, decode, mismatch};
use crate::table::Table;

/// What an annotation and a tool count beside their text; and a name that leads to an argument.
const OVERHEAD: usize = 128;
const NAME: usize = 48;
/// Annotations of one tool: far above what servers have.
const PARAMS: usize = 64;
/// Objects within each other that lead to an argument.
const DEPTH: usize = 64;
/// Bytes of an argument that may be a number in another spelling.
const NUMBER: usize = 16 * 1024;

const PREFIX: &str = "mcp-param-";

/// An argument that is repeated in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Param {
    /// The field's name without its prefix, in lower case.
    header: String,
    /// The member names that lead to the argument.
    path: Vec<String>,
}

/// The variables that a child has of its clients' header fields: what one such child says of its
/// tools must not touch the clients of another.
type Env = [(String, String)];

/// A tool of the children with these variables.
#[derive(Debug)]
struct Tool {
    env: Vec<(String, String)>,
    params: Vec<Param>,
}

/// The annotations of all tools, by name.
#[derive(Debug, Default)]
pub(crate) struct HeaderParams {
    tools: Table<String, Vec<Tool>>,
    held: usize,
}

impl HeaderParams {
    /// Learns from the result of a `tools/list` of a child with these variables.
    pub(crate) fn learn(&mut self, env: &Env, result: &[u8]) {
        // What is no object of an array of tools teaches nothing.
        let _ = Scanner::new(result).members(|scanner, name| {
            if **name != *b"tools" {
                return scanner.value().map(|_| ());
            }
            scanner.elements(|scanner| {
                if let Some((name, params)) = read_tool(scanner, result)? {
                    self.replace(&name, env, params);
                }
                Ok(())
            })
        });
    }

    fn replace(&mut self, name: &str, env: &Env, params: Vec<Param>) {
        self.forget(name, env);
        if params.is_empty() {
            return;
        }
        let tool = Tool { env: env.to_vec(), params };
        let size = tool.size(name);
        if self.held + size <= ANNOTATIONS {
            self.held += size;
            self.tools.or_default(String::from(name)).push(tool);
        }
    }

    fn forget(&mut self, name: &str, env: &Env) {
        let Some(tools) = self.tools.get_mut(name) else { return };
        if let Some(place) = tools.iter().position(|tool| tool.env == env) {
            self.held -= tools.swap_remove(place).size(name);
        }
        if tools.is_empty() {
            self.tools.remove(name);
        }
    }

    /// Whether the head of a `tools/call` repeats what the tool's annotations require.
    pub(crate) fn agree(
        &self,
        env: &Env,
        message: &Message<'_>,
        fields: &Fields<'_>,
    ) -> Result<(), Fault> {
        let name = message.param("name").and_then(object::string);
        let tools = name.and_then(|name| self.tools.get(&*name));
        let tool = tools.and_then(|tools| tools.iter().find(|tool| tool.env == env));
        let Some(tool) = tool else { return Ok(()) };
        let arguments = message.param("arguments").unwrap_or(b"{}");
        let mut bodies = alloc::vec![None; tool.params.len()];
        let scanner = &mut Scanner::new(arguments);
        // They were scanned before.
        let _ = find(scanner, arguments, 0, &tool.params, &mut bodies);
        let mut headers = alloc::vec![Header::None; tool.params.len()];
        for (full, value) in fields {
            let Some(name) = announced(full) else { continue };
            // Names begin alike more often than they end so.
            let end = name.as_bytes().last().map(u8::to_ascii_lowercase);
            let named = |param: &Param| {
                param.header.as_bytes().last().copied() == end
                    && param.header.eq_ignore_ascii_case(name)
            };
            if let Some(place) = tool.params.iter().position(named) {
                headers[place] = headers[place].and(field::text(full, value)?);
            }
        }
        for ((param, body), header) in tool.params.iter().zip(bodies).zip(headers) {
            let body = body.filter(|body| says_something(body));
            let (header, agrees) = match (header, body) {
                (Header::None, body) => (None, body.is_none()),
                (Header::One(header), None) => (Some(header), false),
                (Header::One(header), Some(body)) => {
                    (Some(header), decode(header).is_some_and(|header| same(&header, body)))
                }
                (Header::More(first), _) => (Some(first), false),
            };
            if !agrees {
                let name = alloc::format!("Mcp-Param-{}", param.header);
                return Err(mismatch(
                    &name,
                    header,
                    &body.map_or_else(|| "no value".into(), excerpt),
                ));
            }
        }
        Ok(())
    }
}

/// The fields that repeat one argument.
#[derive(Clone, Copy)]
enum Header<'a> {
    None,
    One(&'a str),
    /// Several, of which this is the first.
    More(&'a str),
}

impl<'a> Header<'a> {
    const fn and(self, value: &'a str) -> Self {
        match self {
            Self::None => Self::One(value),
            Self::One(first) | Self::More(first) => Self::More(first),
        }
    }
}

impl Tool {
    fn size(&self, name: &str) -> usize {
        let params = self.params.iter().map(|param| {
            let path: usize = param.path.iter().map(|name| NAME + name.len()).sum();
            OVERHEAD + param.header.len() + path
        });
        OVERHEAD + name.len() + env_size(&self.env) + params.sum::<usize>()
    }
}

impl Param {
    /// The name that leads on from a depth.
    fn step(&self, depth: usize) -> &[u8] {
        self.path.get(depth).map_or(&b""[..], |name| name.as_bytes())
    }
}

/// Of a field's name, what comes after the prefix.
fn announced(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// Steps over a value of the arguments and notes where the params' values stand in it, the last
/// of each name. The params are sorted, and lead here by their first names.
fn find<'a>(
    scanner: &mut Scanner<'a>,
    text: &'a [u8],
    depth: usize,
    params: &[Param],
    bodies: &mut [Option<&'a [u8]>],
) -> Result<(), NotJson> {
    if scanner.peek() != b'{' {
        return scanner.value().map(|_| ());
    }
    scanner.members(|scanner, name| {
        let name = name.text();
        let start = params.partition_point(|param| param.step(depth) < &*name);
        let count = params[start..].partition_point(|param| param.step(depth) == &*name);
        let (named, found) = (&params[start..start + count], &mut bodies[start..start + count]);
        found.fill(None);
        scanner.peek();
        let from = scanner.position();
        let is_deep = |param: &Param| param.path.len() > depth + 1;
        let here = named.partition_point(|param| !is_deep(param));
        match named.get(here..).filter(|deep| !deep.is_empty()) {
            None => _ = scanner.value()?,
            Some(deep) => find(scanner, text, depth + 1, deep, &mut found[here..])?,
        }
        found[..here].fill(text.get(from..scanner.position()));
        Ok(())
    })
}

/// Whether an argument has a value that a field could repeat.
fn says_something(body: &[u8]) -> bool {
    match body.first() {
        Some(b'"') => json::is_text(body),
        Some(b'n') | None => false,
        Some(_) => true,
    }
}

/// The start of what an argument says.
fn excerpt(body: &[u8]) -> String {
    match body.first() {
        Some(b'"') => json::excerpt(body, SHOWN),
        _ => String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]).into_owned(),
    }
}

/// Whether a field says what the body says; integers by their value.
fn same(header: &str, body: &[u8]) -> bool {
    let is_text = body.first() == Some(&b'"');
    if if is_text { json::says(body, header.as_bytes()) } else { header.as_bytes() == body } {
        return true;
    }
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let said = || {
        let body = Some(body).filter(|body| body.len() <= NUMBER)?;
        if is_text {
            json::decoded(body)
        } else {
            core::str::from_utf8(body).ok().map(Cow::Borrowed)
        }
    };
    let body = || said().and_then(|said| number(&said));
    number(header).is_some_and(|header| body() == Some(header))
}

/// Steps over what may be a tool; gives its name and its annotations.
#[expect(clippy::type_complexity, reason = "a tool, or what is none, or what is no JSON")]
fn read_tool<'a>(
    scanner: &mut Scanner<'a>,
    text: &'a [u8],
) -> Result<Option<(Cow<'a, str>, Vec<Param>)>, NotJson> {
    if scanner.peek() != b'{' {
        return scanner.value().map(|_| None);
    }
    let (mut name, mut schema) = (None, Schema::default());
    scanner.members(|scanner, key| {
        match &**key {
            b"name" => name = object::string(&text[scanner.value()?]),
            b"inputSchema" => {
                schema = Schema { text, ..Schema::default() };
                schema.read(scanner)?;
            }
            _ => _ = scanner.value()?,
        }
        Ok(())
    })?;
    Ok(name.map(|name| (name, schema.params())))
}

/// The annotations of a tool's input schema that keep the rules; others are as if they were not
/// there.
#[derive(Default)]
struct Schema<'a> {
    text: &'a [u8],
    /// The names that lead to where it is read.
    path: Vec<Name<'a>>,
    found: Vec<Param>,
    /// Bytes of what was found. What can't be kept is not collected.
    size: usize,
}

impl<'a> Schema<'a> {
    /// Steps over a schema.
    fn read(&mut self, scanner: &mut Scanner<'a>) -> Result<(), NotJson> {
        if scanner.peek() != b'{' {
            return scanner.value().map(|_| ());
        }
        let (mut header, mut kind) = (None, None);
        let before = self.found.len();
        scanner.members(|scanner, name| {
            match &**name {
                b"x-mcp-header" => header = Some(scanner.value()?),
                b"type" => kind = Some(scanner.value()?),
                b"properties" if self.path.len() < DEPTH && scanner.peek() == b'{' => {
                    self.found.truncate(before);
                    scanner.members(|scanner, name| {
                        self.path.push(name.clone());
                        self.read(scanner)?;
                        self.path.pop();
                        Ok(())
                    })?;
                }
                _ => _ = scanner.value()?,
            }
            Ok(())
        })?;
        if let (Some(header), Some(kind), false) = (header, kind, self.path.is_empty()) {
            self.add(header, kind);
        }
        Ok(())
    }

    /// Adds an annotation, if it is one.
    fn add(&mut self, header: Span, kind: Span) {
        let kind = &self.text[kind];
        let plain = ["string", "integer", "boolean"]
            .iter()
            .any(|plain| kind.first() == Some(&b'"') && json::spells(kind, plain));
        if !plain || self.found.len() >= PARAMS {
            return;
        }
        let Some(header) = object::string(&self.text[header]).filter(|text| is_token(text)) else {
            return;
        };
        if self.found.iter().any(|param| param.header.eq_ignore_ascii_case(&header)) {
            return;
        }
        let path: usize = self.path.iter().map(|name| name.spelling().len()).sum();
        self.size += header.len() + path;
        if self.size <= ANNOTATIONS {
            let name = |name: &Name<'_>| String::from_utf8(name.text().into_owned()).ok();
            let path = self.path.iter().map(name).collect::<Option<Vec<_>>>();
            let header = header.to_ascii_lowercase();
            self.found.extend(path.map(|path| Param { header, path }));
        }
    }

    /// What was found, in the order of the names.
    fn params(mut self) -> Vec<Param> {
        if self.size > ANNOTATIONS {
            return Vec::new();
        }
        self.found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        self.found
    }
}

/// RFC 9110, "Tokens".
fn is_token(text: &str) -> bool {
    let special = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const LIST: &[u8] = br#"{"tools":[{"name":"plain","inputSchema":{}},{"name":"t","inputSchema":{
        "properties":{"region":{"type":"string","x-mcp-header":"Region"},
        "n":{"type":"integer","x-mcp-header":"N"},"f":{"type":"number","x-mcp-header":"F"},
        "o":{"type":"object","properties":{"deep":{"type":"boolean","x-mcp-header":"Deep"}}},
        "bad":{"type":"string","x-mcp-header":"a b"},
        "list":{"type":"array","items":{"properties":{"x":{"type":"string","x-mcp-header":"X"}}}}}}}]}"#;

    fn agrees(arguments: &str, fields: &[(&str, &str)]) -> bool {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let mut known = HeaderParams::default();
        known.learn(&[], LIST);
        let text = alloc::format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
        );
        known.agree(&[], &Message::parse(text.as_bytes()).unwrap(), &fields).is_ok()
    }

    #[test]
    fn the_head_repeats_what_the_body_says() {
        assert!(agrees("{}", &[]) && !agrees("{}", &[("Mcp-Param-Region", "eu")]));
        assert!(agrees(r#"{"region":null,"f":1.5,"bad":"x","list":[{"x":"y"}]}"#, &[]));
        assert!(agrees(r#"{"region":"eu"}"#, &[("MCP-PARAM-REGION", "eu")]));
        assert!(agrees(r#"{"region":"\u00e9"}"#, &[("mcp-param-region", "=?base64?w6k=?=")]));
        let n = |text: &str| agrees(text, &[("Mcp-Param-N", "42.0"), ("Mcp-Param-Unknown", "x")]);
        let long = |zeros| n(&alloc::format!(r#"{{"n":42.{}}}"#, "0".repeat(zeros)));
        assert!(n(r#"{"n":42}"#) && long(16_381) && !long(16_382));
        assert!(agrees(r#"{"o":{"deep":true}}"#, &[("Mcp-Param-Deep", "true")]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "EU")]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "=?base64?w6k?=")]));
        assert!(!agrees(r#"{"o":{"deep":true}}"#, &[("Mcp-Param-Deep", "false")]));
        let twice = [("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")];
        assert!(!agrees(r#"{"region":"eu"}"#, &twice));
        let long = alloc::format!("[\"{}\"]", "é".repeat(SHOWN));
        assert!(excerpt(long.as_bytes()).chars().count() >= SHOWN, "as much as is shown");
    }

    #[test]
    fn a_later_list_replaces_what_was_known() {
        let mut known = HeaderParams::default();
        known.learn(&[], LIST);
        assert_eq!(known.tools.len(), 1);
        known.learn(&[], br#"{"tools":[{"name":"t","inputSchema":{}}]}"#);
        known.learn(&[], b"{\"tools\":7}");
        assert!(known.tools.is_empty() && known.held == 0);
    }

    #[test]
    fn what_one_clients_server_says_does_not_touch_another() {
        let env = |who: &str| Vec::from([("WHO".to_string(), who.to_string())]);
        let mut known = HeaderParams::default();
        known.learn(&env("ada"), LIST);
        let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":1}}}"#;
        let call = Message::parse(call).unwrap();
        assert!(known.agree(&env("ada"), &call, &[]).is_err());
        assert!(known.agree(&env("bob"), &call, &[]).is_ok());
        known.learn(&env("bob"), LIST);
        known.learn(&env("ada"), br#"{"tools":[{"name":"t"}]}"#);
        assert!(known.agree(&env("ada"), &call, &[]).is_ok());
        assert!(known.agree(&env("bob"), &call, &[]).is_err());
    }

    #[test]
    fn a_tool_counts_with_all_that_is_kept_of_it() {
        let env = Vec::from([("WHO".to_string(), "ada".to_string())]);
        let mut known = HeaderParams::default();
        known.learn(&env, LIST);
        // The name, the variable, and three annotations: "region", "n", and "deep" in "o".
        let params = (6 + 6) + (1 + 1) + (4 + 1 + 4);
        assert_eq!(known.held, 4 * OVERHEAD + 4 * NAME + 1 + (3 + 3) + params);
    }

    #[test]
    fn a_schema_that_is_none_or_too_deep_hides_no_other() {
        let known_at = |depth: usize| {
            let (start, end) = (r#"{"properties":{"a":"#.repeat(depth), "}}".repeat(depth));
            let list = alloc::format!(
                r#"{{"tools":[{{"name":"none","inputSchema":{{"properties":7}}}},{{"name":"t",
                "inputSchema":{start}{{"type":"string","x-mcp-header":"A"}}{end}}}]}}"#
            );
            let mut known = HeaderParams::default();
            known.learn(&[], list.as_bytes());
            known.tools.len()
        };
        assert_eq!((known_at(1), known_at(DEPTH), known_at(DEPTH + 1)), (1, 1, 0));
    }

    #[test]
    fn a_tool_has_so_many_annotations_and_no_more() {
        let properties: Vec<String> = (0..PARAMS + 1)
            .map(|n| alloc::format!(r#""p{n}":{{"type":"string","x-mcp-header":"P{n}"}}"#))
            .collect();
        let tool = alloc::format!(
            r#"{{"name":"t","inputSchema":{{"properties":{{{}}}}}}}"#,
            properties.join(",")
        );
        let read = read_tool(&mut Scanner::new(tool.as_bytes()), tool.as_bytes());
        assert_eq!(read.unwrap().map(|(_, params)| params.len()), Some(PARAMS));
    }

    #[test]
    fn a_tool_whose_annotations_are_too_long_has_none() {
        let tool = r#"{"name":"t","inputSchema":{"properties":{
            "":{"type":"string","x-mcp-header":"X"},"a":{"type":"string","x-mcp-header":"B"}}}}"#;
        let tool = tool.replace('X', &"X".repeat(ANNOTATIONS));
        let read = read_tool(&mut Scanner::new(tool.as_bytes()), tool.as_bytes()).unwrap();
        assert!(read.is_some_and(|(_, params)| params.is_empty()));
    }

    /// However many tools there are, and however long their names.
    #[test]
    fn what_is_kept_is_bounded() {
        let mut known = HeaderParams::default();
        for n in 0..2000 {
            let name = alloc::format!("{n}{}", "x".repeat(n * 10));
            let schema = r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}"#;
            let list =
                alloc::format!(r#"{{"tools":[{{"name":"{name}","inputSchema":{schema}}}]}}"#);
            known.learn(&[], list.as_bytes());
            assert!(known.held <= ANNOTATIONS);
        }
        let held = |(name, tools): (&String, &Vec<Tool>)| {
            tools.iter().map(|tool| tool.size(name)).sum::<usize>()
        };
        assert_eq!(known.held, known.tools.iter().map(held).sum::<usize>());
        assert!(known.tools.len() > 100);
    }
}
