//! What is dear to read, as an attacker would send it: each shape by its name, for a message of
//! about so many bytes.

use crate::play::{Speaks, World};
use crate::{heads, lines};

/// What a shape does, given a number of bytes.
pub(crate) type Play = Box<dyn Fn(&mut World, usize)>;

/// Repeats a piece, with a number in the place of `#`, until it is so long.
pub(crate) fn fill(piece: &str, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    let mut number = 0;
    while text.len() < bytes {
        if number > 0 {
            text.push(',');
        }
        number += 1;
        match piece.split_once('#') {
            None => text.push_str(piece),
            Some((before, after)) => text.push_str(&format!("{before}{number}{after}")),
        }
    }
    text
}

/// Values of an argument.
fn values(bytes: usize) -> Vec<(&'static str, String)> {
    let long = |piece: &str| format!("\"{}\"", piece.repeat(bytes / piece.len()));
    let list = |piece: &str| format!("[{}]", fill(piece, bytes));
    let nest = |open: &str, inner: &str, close: &str| {
        let depth = bytes / (open.len() + close.len());
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    vec![
        ("a long string", long("a")),
        ("two-byte letters", long("é")),
        ("mixed letters", long("aé")),
        ("short escapes", long(r"\n")),
        ("long escapes", long(r"\u0041")),
        ("surrogates", long(r"\ud83d\ude00")),
        ("numbers", list("0")),
        ("long numbers", format!("[{}]", fill("1234567890.5e-10", bytes))),
        ("words", list("null")),
        ("empty strings", list("\"\"")),
        ("objects", list("{}")),
        ("small objects", list("{\"a\":1}")),
        ("nested arrays", nest("[", "", "]")),
        ("nested objects", nest("{\"a\":", "1", "}")),
        ("white space", format!("[0{}]", " ".repeat(bytes))),
        ("newlines", format!("[0{}]", "\r\n".repeat(bytes / 2))),
    ]
}

/// Members of an object, most of them names.
fn names(bytes: usize) -> Vec<(&'static str, String)> {
    [
        ("many names", r#""n#":0"#),
        ("short names", r#""a":0"#),
        ("near names", r#""Name#":0"#),
        ("nearest names", r#""ARGUMENTS":0"#),
        ("escaped names", r#""\u0061\u0062#":0"#),
        ("short escaped names", r#""\n":0"#),
        ("deleted names", "\"\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}#\":0"),
        ("controlled names", "\"\u{85}\u{85}\u{85}\u{85}\u{85}#\":0"),
        ("escaped controls", r#""\u0085\u0001\u007f#":0"#),
        ("folded names", "\"\u{17f}\u{212a}\u{17f}#\":0"),
        ("lone surrogates", r#""\ud800#":0"#),
        ("many _meta", r#""_meta":{"progressToken":1}"#),
        ("reserved names", r#""io.modelcontextprotocol/x#":0"#),
        ("many tokens", r#""progressToken":1"#),
        ("many states", r#""requestState":"x","inputResponses":{}"#),
    ]
    .into_iter()
    .map(|(name, piece)| (name, fill(piece, bytes)))
    .chain([("one long name", format!("\"{}\":0", "\u{7f}".repeat(bytes)))])
    .chain([("one escaped name", format!("\"{}\":0", r"\u0085".repeat(bytes / 6)))])
    .collect()
}

/// Params of a request or a result, as members of an object.
fn members(bytes: usize) -> Vec<(String, String)> {
    let values = values(bytes).into_iter();
    let values = values.map(|(name, value)| (name.to_string(), format!(r#""arguments":{value}"#)));
    let names_of = names(bytes).into_iter().map(|(name, text)| (name.to_string(), text));
    let meta = names(bytes).into_iter().map(|(name, text)| {
        (format!("{name} in _meta"), format!(r#""_meta":{{"progressToken":1,{text}}}"#))
    });
    values.chain(names_of).chain(meta).collect()
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","#;

fn call(members: &str) -> String {
    format!("{CALL}{members}}}}}")
}

const META: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}"#;

/// The same, with what a request of 2026-07-28 says of itself.
pub(crate) fn modern_call(members: &str) -> String {
    match members.strip_prefix(r#""_meta":{"progressToken":1,"#) {
        Some(rest) => call(&format!(r#""_meta":{{{META},"progressToken":1,{rest}"#)),
        None => call(&format!(r#"{members},"_meta":{{{META}}}"#)),
    }
}

pub(crate) fn add(
    all: &mut Vec<(String, Play)>,
    name: impl Into<String>,
    play: impl Fn(&mut World, usize) + 'static,
) {
    all.push((name.into(), Box::new(play)));
}

/// All shapes.
pub(crate) fn all() -> Vec<(String, Play)> {
    let mut all = Vec::new();
    for (place, (name, _)) in members(1).into_iter().enumerate() {
        requests(&mut all, place, &name);
        results(&mut all, place, &name);
    }
    whole_messages(&mut all);
    lists(&mut all);
    ids(&mut all);
    lines::lines(&mut all);
    heads::heads(&mut all);
    all
}

fn requests(all: &mut Vec<(String, Play)>, place: usize, name: &str) {
    let of = move |bytes: usize| members(bytes).swap_remove(place).1;
    add(all, format!("no session: {name}"), move |world, bytes| {
        let text = call(&of(bytes));
        world.measured(|world| _ = world.post(&text));
        assert_eq!(world.status, 400);
    });
    for (era, speaks) in [("session", Speaks::Session), ("upward", Speaks::Modern)] {
        add(all, format!("{era}: {name}"), move |world, bytes| {
            world.speaks = speaks;
            world.open();
            let text = call(&of(bytes));
            world.measured(|world| _ = world.post(&text));
            // What can be read in two ways is refused.
            assert_eq!(world.asked.len(), usize::from(world.status != 400));
        });
    }
    for (era, speaks) in [("modern", Speaks::Modern), ("downward", Speaks::Session)] {
        add(all, format!("{era}: {name}"), move |world, bytes| {
            world.speaks = speaks;
            let text = modern_call(&of(bytes));
            // The first starts the child.
            world.ask("tools/list", None, &modern_list());
            world.measured(|world| _ = world.ask("tools/call", Some("t"), &text));
        });
    }
}

pub(crate) fn modern_list() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{{"_meta":{{{META}}}}}}}"#)
}

/// A call of each kind of client is answered.
fn results(all: &mut Vec<(String, Play)>, place: usize, name: &str) {
    let of = move |bytes: usize| {
        let members = members(bytes).swap_remove(place).1;
        format!(r#"{{"content":[],{members}}}"#)
    };
    answered(all, &format!("result, {name}"), "tools/call", of);
}

pub(crate) fn answered(
    all: &mut Vec<(String, Play)>,
    name: &str,
    method: &'static str,
    of: impl Fn(usize) -> String + Clone + 'static,
) {
    for (era, speaks) in [("session", Speaks::Session), ("upward", Speaks::Modern)] {
        let of = of.clone();
        add(all, format!("{era}: {name}"), move |world, bytes| {
            world.speaks = speaks;
            world.open();
            world.post(&format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"t"}}}}"#
            ));
            let result = of(bytes);
            world.measured(|world| world.answer("result", &result));
        });
    }
    for (era, speaks) in [("modern", Speaks::Modern), ("downward", Speaks::Session)] {
        let of = of.clone();
        add(all, format!("{era}: {name}"), move |world, bytes| {
            world.speaks = speaks;
            let named = (method == "tools/call").then_some("t");
            world.ask(
                method,
                named,
                &modern_call("").replace(",,", ",").replace("tools/call", method),
            );
            let result = of(bytes);
            world.measured(|world| world.answer("result", &result));
        });
    }
}

/// Messages that are dear as a whole.
fn whole_messages(all: &mut Vec<(String, Play)>) {
    for (name, piece) in [
        ("top: many names", r#""n#":0"#),
        ("top: escaped names", r#""\u0061#":0"#),
        ("top: deleted names", "\"\u{7f}\u{7f}\u{7f}#\":0"),
        ("top: controlled names", "\"\u{85}\u{85}\u{85}#\":0"),
        ("top: many params", r#""params":{"name":1}"#),
    ] {
        add(all, name, move |world, bytes| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m",{}}}"#, fill(piece, bytes));
            world.measured(|world| _ = world.post(&text));
        });
    }
    add(all, "top: long names", |world, bytes| {
        let names = (0..60).map(|n| format!(r#""{}{n:02}":0"#, r"\u0061".repeat(bytes / 360)));
        let names: Vec<String> = names.collect();
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m",{}}}"#, names.join(","));
        world.measured(|world| _ = world.post(&text));
    });
    add(all, "top: broken at its end", |world, bytes| {
        let text = call(&format!(r#""arguments":[{}"#, fill("0", bytes)));
        world.measured(|world| _ = world.post(&text[..text.len() - 1]));
    });
    for (name, letter) in [("a long method", "m"), ("an escaped method", r"\u006d")] {
        for era in ["session", "downward"] {
            add(all, format!("{era}: {name}"), move |world, bytes| {
                let method = letter.repeat(bytes / letter.len());
                let meta = if era == "session" { "" } else { META };
                let text = format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{{{meta}}}}}}}"#
                );
                if era == "session" {
                    world.open();
                    world.measured(|world| _ = world.post(&text));
                } else {
                    world.measured(|world| _ = world.ask("m", None, &text));
                }
            });
        }
    }
}

/// Batches and other lists of a client.
fn lists(all: &mut Vec<(String, Play)>) {
    for (name, piece) in
        [("numbers", "0"), ("objects", "{}"), ("arrays", "[]"), ("strings", "\"\"")]
    {
        add(all, format!("batch: {name}"), move |world, bytes| {
            let text = format!("[{}]", fill(piece, bytes));
            world.measured(|world| _ = world.post(&text));
            assert_eq!(world.status, 400);
        });
    }
    for (name, piece) in [
        ("listen: empty URIs", r#""""#),
        ("listen: escaped URIs", r#""\u0061#""#),
        ("listen: many URIs", r#""a:#""#),
        ("listen: numbers", "0"),
    ] {
        add(all, name, move |world, bytes| {
            // Full children, each of which could be the one.
            for child in 0..8 {
                world.listen(&fill(&format!(r#""u:{child}:#""#), 2300));
            }
            let uris = fill(piece, bytes);
            world.measured(|world| world.listen(&uris));
        });
    }
    for (name, piece) in [
        ("capabilities: many names", r#""n#":{}"#),
        ("capabilities: escaped names", r#""\u0061#":{}"#),
        ("capabilities: experiments", r#""e":{"x#":{"z":1,"y":2,"x":3}}"#),
    ] {
        add(all, name, move |world, bytes| {
            let text = modern_list().replace(
                r#"{"elicitation":{}}"#,
                &format!(r#"{{"elicitation":{{}},{}}}"#, fill(piece, bytes.min(60_000))),
            );
            world.ask("tools/list", None, &text);
            world.measured(|world| _ = world.ask("tools/list", None, &text));
        });
    }
    for (name, value) in [("numbers", "[#]"), ("strings", r#""x#""#), ("names", "{\"#\":0}")] {
        annotated(all, name, value);
    }
    parked(all);
}

/// A server of 2026-07-28 lists a tool with 64 annotations.
pub(crate) fn list_annotated(world: &mut World) {
    world.speaks = Speaks::Modern;
    let properties: Vec<String> =
        (0..64).map(|n| format!(r#""p{n}":{{"type":"string","x-mcp-header":"P{n}"}}"#)).collect();
    world.ask("tools/list", None, &modern_list());
    world.answer(
        "result",
        &format!(
            r#"{{"tools":[{{"name":"t","inputSchema":{{"properties":{{{}}}}}}}]}}"#,
            properties.join(",")
        ),
    );
}

/// A tool with 64 annotations is called.
fn annotated(all: &mut Vec<(String, Play)>, name: &str, value: &'static str) {
    add(all, format!("annotated call: {name}"), move |world, bytes| {
        list_annotated(world);
        let text = modern_call(&format!(r#""arguments":{{"x":[{}]}}"#, fill(value, bytes)));
        world.measured(|world| _ = world.ask("tools/call", Some("t"), &text));
        assert_eq!(world.asked.len(), 1, "it has no such argument, so no field is missing");
    });
}

/// A call that waits for input is made again, in other letters.
fn parked(all: &mut Vec<(String, Play)>) {
    for (place, (name, _)) in members(1).into_iter().enumerate() {
        add(all, format!("retry: {name}"), move |world, bytes| {
            let members = members(bytes).swap_remove(place).1;
            let first = modern_call(&members);
            world.ask("tools/call", Some("t"), &first);
            if world.asked.is_empty() {
                // It can be read in two ways, and is refused.
                return;
            }
            world.say(
                r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}"#,
            );
            let state = String::from_utf8_lossy(&world.text).into_owned();
            let state = state.split(r#""requestState":""#).nth(1).and_then(|s| s.split('"').next());
            let state = state.expect("a state").to_string();
            let retry = first.replacen(
                r#""name":"t","#,
                &format!(
                    r#""requestState":"{state}","inputResponses":{{"input-1":{{}}}}, "name":"t","#
                ),
                1,
            );
            world.measured(|world| _ = world.ask("tools/call", Some("t"), &retry));
        });
    }
}

impl World {
    fn listen(&mut self, uris: &str) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"resourceSubscriptions":[{uris}]}},"_meta":{{{META}}}}}}}"#
        );
        self.ask("subscriptions/listen", None, &text);
    }
}

/// Ids that are dear to compare.
fn ids(all: &mut Vec<(String, Play)>) {
    for (name, letter) in [("plain", "a"), ("escaped", r"\u0061")] {
        for era in ["session", "upward"] {
            add(all, format!("{era}: cancel beside {name} ids"), move |world, bytes| {
                if era == "upward" {
                    world.speaks = Speaks::Modern;
                }
                world.revision = "2025-03-26";
                world.open();
                let letters = letter.repeat(4000 / letter.len());
                for n in 0..250 {
                    world.post(&format!(
                        r#"{{"jsonrpc":"2.0","id":"{letters}{n:04}","method":"tools/call","params":{{}}}}"#
                    ));
                }
                world.measured(|world| {
                    for n in 0..bytes.div_ceil(4096) {
                        world.post(&format!(
                            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":"{letters}{:04}"}}}}"#,
                            n + 5000
                        ));
                    }
                });
            });
        }
    }
}
