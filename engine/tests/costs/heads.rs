//! Heads that are dear to read, and streams that are dear to resume.

use crate::play::{SESSION_FIELDS, VERSION};
use crate::shapes::{Play, add, list_annotated, modern_call};

/// Heads, and streams that are resumed.
pub(crate) fn heads(all: &mut Vec<(String, Play)>) {
    let long = |piece: &str| piece.repeat(15_000 / piece.len());
    for (name, method, field, value) in [
        ("commas", "POST", "accept", long(",")),
        ("ranges", "POST", "accept", long("a/b;q=0.1,")),
        ("parameters", "POST", "accept", format!("a/b{}", long(";a=b"))),
        ("preflight", "OPTIONS", "access-control-request-headers", long("mcp-param-a,")),
    ] {
        add(all, format!("head: {name}"), move |world, _| {
            let fields = [
                SESSION_FIELDS[0],
                SESSION_FIELDS[1],
                ("origin", "http://localhost"),
                (field, &value),
            ];
            world.measured(|world| _ = world.send(method, &fields, b"{}"));
        });
    }
    add(all, "head: many Mcp-Param", |world, _| {
        list_annotated(world);
        let names: Vec<String> = (0..64).map(|n| format!("mcp-param-p{n}")).collect();
        let mut fields =
            [&SESSION_FIELDS[..], &[VERSION, ("mcp-method", "tools/call"), ("mcp-name", "t")]]
                .concat();
        fields.extend(names.iter().map(|name| (&**name, "x")));
        let arguments: Vec<String> = (0..64).map(|n| format!(r#""p{n}":"x""#)).collect();
        let text = modern_call(&format!(r#""arguments":{{{}}}"#, arguments.join(",")));
        world.measured(|world| _ = world.send("POST", &fields, text.as_bytes()));
        assert_eq!(world.asked.len(), 1);
    });
    add(all, "resume over tiny events", |world, _| {
        world.open();
        let session = world.session.clone();
        let mut fields = vec![SESSION_FIELDS[0], ("accept", "text/event-stream")];
        fields.push(("mcp-session-id", &session));
        world.send("GET", &fields, b"");
        for _ in 0..30_000 {
            world.say(r#"{"jsonrpc":"2.0","method":"x"}"#);
        }
        fields.push(("last-event-id", "0-30000"));
        world.measured(|world| _ = world.send("GET", &fields, b""));
    });
}
