//! The tools of a server that its clients see: others are cut out of the results of `tools/list`,
//! and the rest of the result keeps its bytes.

use alloc::string::String;
use alloc::vec::Vec;

use super::Child;
use crate::api::terms::Tools;
use crate::codec::json::{NotJson, Scanner, Span};
use crate::codec::message::Message;
use crate::codec::object;
use crate::codec::rpc;
use crate::context::ids::CallId;

/// The patterns of the tools that clients see.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    allow: Option<Vec<String>>,
    deny: Vec<String>,
}

impl From<Tools<'_>> for Offer {
    fn from(tools: Tools<'_>) -> Self {
        Self { allow: tools.allow.map(<[_]>::to_vec), deny: tools.deny.to_vec() }
    }
}

impl Offer {
    /// Whether clients see every tool.
    const fn is_all(&self) -> bool {
        self.allow.is_none() && self.deny.is_empty()
    }

    /// Whether clients see the tool of this name, given as a JSON text. They see no tool whose name
    /// is not a string, or has a NUL: a server written in C may read it up to there.
    fn has(&self, name: Option<&[u8]>) -> bool {
        let tools = Tools { allow: self.allow.as_deref(), deny: &self.deny };
        let name = name.and_then(object::string).filter(|name| !name.contains('\0'));
        name.is_some_and(|name| tools.offers(&name))
    }

    /// Whether clients may make this request: they call no tool that they don't see.
    pub(crate) fn allows(&self, request: &Message<'_>) -> bool {
        self.is_all() || !request.calls("tools/call") || self.has(request.param("name"))
    }

    /// The result of a `tools/list` without the tools that clients don't see, if it has any.
    fn within(&self, result: &[u8]) -> Option<Vec<u8>> {
        let mut cuts = Vec::new();
        let read = Scanner::new(result).members(|scanner, name| {
            match **name == *b"tools" && scanner.peek() == b'[' {
                true => self.cut(scanner, result, &mut cuts),
                false => scanner.value().map(|_| ()),
            }
        });
        if read.is_err() || cuts.is_empty() {
            return None;
        }
        let mut kept = Vec::with_capacity(result.len());
        let mut from = 0;
        for cut in cuts {
            kept.extend_from_slice(&result[from..cut.start]);
            from = cut.end;
        }
        kept.extend_from_slice(&result[from..]);
        Some(kept)
    }

    /// Steps over an array of tools; adds what is to be cut out of it, a comma with each tool.
    fn cut<'a>(
        &self,
        scanner: &mut Scanner<'a>,
        result: &'a [u8],
        cuts: &mut Vec<Span>,
    ) -> Result<(), NotJson> {
        // Where the last tool ends, and where the last that stays does.
        let (mut last, mut stays): (Option<usize>, Option<usize>) = (None, None);
        // The tools before the first that stays.
        let mut before: Option<Span> = None;
        scanner.elements(|scanner| {
            let tool = scanner.value()?;
            let end = tool.end;
            match (self.has_tool(result.get(tool.clone()).unwrap_or_default()), stays, last) {
                (true, None, _) => {
                    // What is cut goes up to this tool.
                    cuts.extend(before.take().map(|span| span.start..tool.start));
                    stays = Some(end);
                }
                (true, ..) => stays = Some(end),
                (false, Some(_), Some(last)) => cuts.push(last..end),
                (false, ..) => {
                    let start = before.take().map_or(tool.start, |span| span.start);
                    before = Some(start..end);
                }
            }
            last = Some(end);
            Ok(())
        })?;
        cuts.extend(before);
        Ok(())
    }

    /// Whether clients see a tool as a list describes it: by each name that it has.
    fn has_tool(&self, tool: &[u8]) -> bool {
        let (mut named, mut seen) = (false, true);
        let read = Scanner::new(tool).members(|scanner, key| {
            let value = scanner.value()?;
            if **key == *b"name" {
                named = true;
                seen &= self.has(tool.get(value));
            }
            Ok(())
        });
        read.is_ok() && named && seen
    }
}

impl Child {
    /// The answer to a `tools/list` without the tools that clients don't see, if it has any.
    pub(crate) fn offered(&self, answer: &Message<'_>) -> Option<Vec<u8>> {
        let offer = &self.terms.offer;
        let id = answer.id().filter(|_| !offer.is_all())?;
        let call = CallId::read(id).and_then(|id| self.calls.get(&id));
        call.filter(|call| call.lists_tools)?;
        let result = offer.within(answer.result()?)?;
        Some(rpc::response(id, "result", result))
    }

    /// Whether its clients may make this request.
    pub(crate) fn offers(&self, request: &Message<'_>) -> bool {
        self.terms.offer.allows(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(result: &str) -> Option<String> {
        let deny = [String::from("x*")];
        let offer = Offer::from(Tools { allow: None, deny: &deny });
        offer.within(result.as_bytes()).map(|kept| String::from_utf8(kept).unwrap())
    }

    #[test]
    fn what_is_not_offered_is_cut_out_with_its_comma() {
        let (a, b) = (r#"{"name": "a"}"#, r#"{"t":[1],"name":"b"}"#);
        let (x, y) = (r#"{"name":"x1"}"#, r#"{"name" : "\u0078"}"#);
        for (tools, wanted) in [
            (alloc::format!("[{a}, {b}]"), None),
            (String::from("[]"), None),
            (alloc::format!("[ {x} ]"), Some(String::from("[  ]"))),
            (alloc::format!("[{x} , {y}]"), Some(String::from("[]"))),
            (alloc::format!("[ {x} , {a} , {b} ]"), Some(alloc::format!("[ {a} , {b} ]"))),
            (alloc::format!("[{a} , {x}\t, {b} ]"), Some(alloc::format!("[{a}\t, {b} ]"))),
            (alloc::format!("[{a},{x},{y}]"), Some(alloc::format!("[{a}]"))),
            (alloc::format!("[{x},{y},{a},{x},{b},{y}]"), Some(alloc::format!("[{a},{b}]"))),
            (alloc::format!("[{a},5,{{}}]"), Some(alloc::format!("[{a}]"))),
            (alloc::format!(r#"[{{"name":"a","name":"x"}},{b}]"#), Some(alloc::format!("[{b}]"))),
        ] {
            let around = |tools: &str| alloc::format!(r#"{{"a":1, "tools":{tools}, "z":[{x}]}}"#);
            assert_eq!(kept(&around(&tools)), wanted.map(|tools| around(&tools)), "{tools}");
        }
        assert_eq!(kept(r#"{"tools":5}"#), None);
    }
}
