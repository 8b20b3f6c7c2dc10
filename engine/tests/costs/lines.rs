//! Lines of a child that are dear to read.

use crate::play::{Speaks, World};
use crate::shapes::{Play, add, answered, fill, modern_list};

/// Lines of a child.
#[expect(clippy::too_many_lines, reason = "a list of shapes")]
pub(crate) fn lines(all: &mut Vec<(String, Play)>) {
    for era in ["session", "upward", "modern", "downward"] {
        let open = move |world: &mut World| {
            if matches!(era, "upward" | "modern") {
                world.speaks = Speaks::Modern;
            }
            if matches!(era, "session" | "upward") {
                world.open();
            } else {
                world.ask("tools/list", None, &modern_list());
            }
        };
        for (name, piece) in [
            ("numbers", "0"),
            ("objects", "{}"),
            ("notifications", r#"{"jsonrpc":"2.0","method":"notifications/x"}"#),
            ("answers", r#"{"id":1,"result":{}}"#),
        ] {
            add(all, format!("{era}: line of {name}"), move |world, bytes| {
                open(world);
                let line = format!("[{}]", fill(piece, bytes));
                world.measured(|world| world.say(&line));
            });
        }
        add(all, format!("{era}: line that is no UTF-8"), move |world, bytes| {
            open(world);
            let mut line = br#"{"jsonrpc":"2.0","method":"x","params":{"x":""#.to_vec();
            line.resize(bytes, 0xff);
            line.extend_from_slice(b"\"}}");
            world.measured(|world| world.say_bytes(&line));
        });
        for (name, params) in [
            ("log", r#""level":"info","data":"#),
            ("progress", r#""progressToken":1,"progress":1,"message":"#),
            ("resources/updated", r#""uri":"u:1","x":"#),
            ("message", r#""x":"#),
        ] {
            add(all, format!("{era}: notification of {name}"), move |world, bytes| {
                open(world);
                let numbers = fill("0", bytes);
                let line = format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/{name}","params":{{{params}[{numbers}]}}}}"#
                );
                world.measured(|world| world.say(&line));
            });
        }
    }
    for (name, piece) in [
        ("numbers", "0"),
        ("objects", "{}"),
        (
            "tools",
            r#"{"name":"t#","execution":{},"inputSchema":{"type":"object"},"outputSchema":{}}"#,
        ),
        (
            "annotated tools",
            r#"{"name":"t","inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A#"}}}}"#,
        ),
    ] {
        answered(all, &format!("tools/list of {name}"), "tools/list", move |bytes| {
            format!(r#"{{"tools":[{}]}}"#, fill(piece, bytes))
        });
    }
    for (name, piece) in [
        ("annotations", r#""p#":{"type":"string","x-mcp-header":"P#"}"#),
        ("bad annotations", r#""p#":{"type":"string","x-mcp-header":" "}"#),
        ("numbers", r#""p":0"#),
    ] {
        answered(all, &format!("schema of {name}"), "tools/list", move |bytes| {
            let properties = fill(piece, bytes);
            format!(
                r#"{{"tools":[{{"name":"t","inputSchema":{{"properties":{{{properties}}}}},"outputSchema":{{"type":"object"}}}}]}}"#
            )
        });
    }
    answered(all, "structured list", "tools/call", |bytes| {
        format!(r#"{{"content":[],"structuredContent":[{}]}}"#, fill("0", bytes))
    });
    answered(all, "list of questions", "tools/call", |bytes| {
        let questions = fill(r#""q#":{"method":"elicitation/create","params":{}}"#, bytes);
        format!(r#"{{"resultType":"input_required","inputRequests":{{{questions}}}}}"#)
    });
}
