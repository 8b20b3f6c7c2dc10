//! Header parameters: arguments of a tool that a client repeats as `Mcp-Param-*` header fields
//! (MCP 2026-07-28 "Custom Headers from Tool Parameters").
//!
//! A stdio server never sees headers, so the check is the bridge's. What a tool annotates is
//! learned from the `tools/list` answers that pass by; the bridge asks nothing of its own.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::Value;

use crate::fault::Fault;
use crate::json;
use crate::message::Message;
use crate::metadata::{decode, mismatch};
use crate::object;
use crate::table::Table;

/// Bytes of annotations that are kept, with the names of their tools: hundreds of tools. What a
/// server says beyond that is as if it had not annotated it.
pub(crate) const BYTES: usize = 256 * 1024;
/// What an annotation and a tool count beside their text.
const OVERHEAD: usize = 128;
/// Annotations of one tool: far above what servers have.
const PARAMS: usize = 64;

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
        let Some(tools) = json::member(result, &(0..result.len()), "tools") else { return };
        let Ok(tools) = json::elements(&result[tools.clone()]).map(|spans| {
            let base = &result[tools];
            spans.into_iter().map(|span| &base[span]).collect::<Vec<_>>()
        }) else {
            return;
        };
        for tool in tools {
            let whole = 0..tool.len();
            let name =
                json::member(tool, &whole, "name").and_then(|span| object::string(&tool[span]));
            let Some(name) = name else { continue };
            let schema = json::member(tool, &whole, "inputSchema").map(|span| &tool[span]);
            let params = schema.map(annotations).unwrap_or_default();
            self.forget(&name, env);
            let tool = Tool { env: env.to_vec(), params };
            let size = tool.size(&name);
            if !tool.params.is_empty() && self.held + size <= BYTES {
                self.held += size;
                self.tools.or_default(name.into_owned()).push(tool);
            }
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

    /// Whether the head of a `tools/call` repeats what the tool's annotations ask for.
    pub(crate) fn agree(
        &self,
        env: &Env,
        message: &Message<'_>,
        fields: &[(&str, &str)],
    ) -> Result<(), Fault> {
        let name = message.param("name").and_then(object::string);
        let tools = name.and_then(|name| self.tools.get(&*name));
        let tool = tools.and_then(|tools| tools.iter().find(|tool| tool.env == env));
        let Some(tool) = tool else { return Ok(()) };
        let arguments = message.param("arguments").unwrap_or(b"{}");
        for param in &tool.params {
            let values = fields.iter().filter(|(name, _)| param.is_named(name));
            let mut values = values.map(|(_, value)| *value);
            let (header, more) = (values.next(), values.next());
            let body = param.value(arguments);
            let agrees = match (&body, header) {
                (None, None) => true,
                (Some(body), Some(header)) => {
                    decode(header).is_some_and(|header| same(&header, body))
                }
                _ => false,
            };
            if !agrees || more.is_some() {
                let name = alloc::format!("Mcp-Param-{}", param.header);
                return Err(mismatch(&name, header, body.as_deref().unwrap_or("no value")));
            }
        }
        Ok(())
    }
}

impl Tool {
    fn size(&self, name: &str) -> usize {
        let env: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        let params = self.params.iter().map(|param| {
            let path: usize = param.path.iter().map(String::len).sum();
            OVERHEAD + param.header.len() + path
        });
        OVERHEAD + name.len() + env + params.sum::<usize>()
    }
}

impl Param {
    fn is_named(&self, name: &str) -> bool {
        let split = name.split_at_checked(PREFIX.len());
        split.is_some_and(|(prefix, rest)| {
            prefix.eq_ignore_ascii_case(PREFIX) && rest.eq_ignore_ascii_case(&self.header)
        })
    }

    /// What the arguments say, if they say something.
    fn value<'a>(&self, arguments: &'a [u8]) -> Option<Cow<'a, str>> {
        let mut value = arguments;
        for name in &self.path {
            value = &value[json::member(value, &(0..value.len()), name)?];
        }
        match value.first() {
            Some(b'"') => json::decoded(value),
            Some(b'n') | None => None,
            _ => core::str::from_utf8(value).ok().map(Cow::Borrowed),
        }
    }
}

/// Whether a field says what the body says; integers by their value.
fn same(header: &str, body: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    header == body || number(header).is_some_and(|header| number(body) == Some(header))
}

/// The annotations of a tool's input schema that keep the rules; others are as if they were not
/// there.
fn annotations(schema: &[u8]) -> Vec<Param> {
    let word = b"x-mcp-header";
    if !schema.windows(word.len()).any(|window| window == word) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(schema) = object::decode(schema) {
        collect(&schema, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Param>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        path.push(name.to_string());
        let header = property.get("x-mcp-header").and_then(Value::as_str);
        let kind = property.get("type").and_then(Value::as_str);
        if let Some(header) = header.filter(|header| is_token(header))
            && matches!(kind, Some("string" | "integer" | "boolean"))
            && found.len() < PARAMS
            && !found.iter().any(|param: &Param| param.header.eq_ignore_ascii_case(header))
        {
            found.push(Param { header: header.to_ascii_lowercase(), path: path.clone() });
        }
        collect(property, path, found);
        path.pop();
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

    const LIST: &[u8] = br#"{"tools":[{"name":"plain","inputSchema":{}},{"name":"t","inputSchema":{
        "properties":{"region":{"type":"string","x-mcp-header":"Region"},
        "n":{"type":"integer","x-mcp-header":"N"},"f":{"type":"number","x-mcp-header":"F"},
        "o":{"type":"object","properties":{"deep":{"type":"boolean","x-mcp-header":"Deep"}}},
        "bad":{"type":"string","x-mcp-header":"a b"},
        "list":{"type":"array","items":{"properties":{"x":{"type":"string","x-mcp-header":"X"}}}}}}}]}"#;

    fn agrees(arguments: &str, fields: &[(&str, &str)]) -> bool {
        let mut known = HeaderParams::default();
        known.learn(&[], LIST);
        let text = alloc::format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
        );
        known.agree(&[], &Message::parse(text.as_bytes()).unwrap(), fields).is_ok()
    }

    #[test]
    fn the_head_repeats_what_the_body_says() {
        assert!(agrees("{}", &[]));
        assert!(agrees(r#"{"region":null,"f":1.5,"bad":"x","list":[{"x":"y"}]}"#, &[]));
        assert!(agrees(r#"{"region":"eu"}"#, &[("MCP-PARAM-REGION", "eu")]));
        assert!(agrees(r#"{"region":"\u00e9"}"#, &[("mcp-param-region", "=?base64?w6k=?=")]));
        assert!(agrees(r#"{"n":42}"#, &[("Mcp-Param-N", "42.0"), ("Mcp-Param-Unknown", "x")]));
        assert!(agrees(r#"{"o":{"deep":true}}"#, &[("Mcp-Param-Deep", "true")]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "EU")]));
        assert!(!agrees(r#"{"region":"eu"}"#, &[("Mcp-Param-Region", "=?base64?w6k?=")]));
        assert!(!agrees("{}", &[("Mcp-Param-Region", "eu")]));
        assert!(!agrees(r#"{"o":{"deep":true}}"#, &[("Mcp-Param-Deep", "false")]));
        let twice = [("Mcp-Param-Region", "eu"), ("mcp-param-region", "eu")];
        assert!(!agrees(r#"{"region":"eu"}"#, &twice));
    }

    #[test]
    fn a_later_list_replaces_what_was_known() {
        let mut known = HeaderParams::default();
        known.learn(&[], LIST);
        assert_eq!(known.tools.len(), 1);
        known.learn(&[], br#"{"tools":[{"name":"t","inputSchema":{}}]}"#);
        assert!(known.tools.is_empty() && known.held == 0);
        known.learn(&[], b"{\"tools\":7}");
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
        // The name, the variable, and three annotations with where they lead: "region", "n" and
        // "o", "deep".
        let params = (6 + 6) + (1 + 1) + (4 + 1 + 4);
        assert_eq!(known.held, 4 * OVERHEAD + 1 + (3 + 3) + params);
    }

    #[test]
    fn a_tool_has_so_many_annotations_and_no_more() {
        let properties: Vec<String> = (0..PARAMS + 1)
            .map(|n| alloc::format!(r#""p{n}":{{"type":"string","x-mcp-header":"P{n}"}}"#))
            .collect();
        let schema = alloc::format!(r#"{{"properties":{{{}}}}}"#, properties.join(","));
        assert_eq!(annotations(schema.as_bytes()).len(), PARAMS);
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
            assert!(known.held <= BYTES);
        }
        let held = |(name, tools): (&String, &Vec<Tool>)| {
            tools.iter().map(|tool| tool.size(name)).sum::<usize>()
        };
        assert_eq!(known.held, known.tools.iter().map(held).sum::<usize>());
        assert!(known.tools.len() > 100);
    }
}
