//! What peers can make the engine keep: each kind of it, of texts as long as is asked.

use mcp_bridge::Config;

use crate::held::{Kind, text};
use crate::play::{Deaf, Speaks, World};

/// Of a client that the bridge may ask for something.
const ASKED: &str = r#""elicitation":{}"#;

fn kind(name: &'static str, begin: fn(&mut World, usize)) -> Kind {
    Kind { name, config: Config::default, begin }
}

/// All kinds.
pub(crate) fn all() -> Vec<Kind> {
    let mut all = vec![
        kind("calls of a session", calls),
        kind("the token of a task", task_token),
        kind("pings of a child", pings),
        kind("pages that wait for an answer", pages),
        kind("a line that is begun", begun_line),
        kind("a refusal that is not read", refusal),
        kind("calls that are sent again", resent),
        kind("an initialize without an answer", |world, n| {
            world.deaf.methods = &["initialize"];
            open(world, n);
        }),
        kind("a client whose server is asked for its era", |world, n| {
            world.speaks = Speaks::Modern;
            world.deaf.methods = &["server/discover"];
            open(world, n);
        }),
        kind("what a session was opened with", opening),
        kind("a session at a server of 2026-07-28", crossing),
        kind("rounds of its calls", rounds),
        kind("events that wait", events),
        kind("an answer whose line came in pieces", pieces),
        kind("answers to a batch", batch),
        kind("requests to the bridge's own servers", requests),
    ];
    all.extend([
        kind("requests that wait for a server", waiting),
        kind("clients of a shared server", worker),
        kind("subscriptions", subscriptions),
        kind("calls that wait for input", parked),
        kind("answers that wait for their clients", answered_early),
        kind("tasks", tasks),
        kind("a text for several readers", common),
        kind("what clients do not read", unread),
        kind("what a child does not read", unwritten),
        kind("what waits for a session to wake", waking),
        Kind { name: "a session that sleeps", config: fields, begin: asleep },
        Kind { name: "guests of a process", config: shared, begin: guests },
        Kind { name: "questions of their process", config: shared, begin: questions },
        Kind { name: "guests whose process has not answered", config: shared, begin: greeting },
        Kind { name: "an answer that waits for its record", config: saved, begin: saving },
    ]);
    all
}

/// Texts of which a part is left out before they are kept: its length is what differs.
pub(crate) fn cut() -> Vec<Kind> {
    vec![
        kind("questions to a client", |world, n| {
            CALL.of(world);
            asks(world, n);
            asks(world, n);
        }),
        kind("questions that wait for a call", |world, n| {
            LIST.of(world);
            asks(world, n);
        }),
        kind("pages that a client is to visit", |world, n| {
            CALL.of(world);
            let page =
                format!(r#"{{"url":"http://u","message":"m","elicitationId":"{}"}}"#, text(n));
            let error =
                format!(r#"{{"code":-32042,"message":"m","data":{{"elicitations":[{page}]}}}}"#);
            world.answer("error", &error);
        }),
        kind("news without its subscription", |world, n| {
            world.speaks = Speaks::Modern;
            world.open();
            let meta = format!(r#""io.modelcontextprotocol/subscriptionId":["{}"]"#, text(n));
            let params = format!(r#""level":"info","data":1,"_meta":{{{meta}}}"#);
            world.say(&notification(&params));
        }),
        kind("a result without what is new in it", |world, n| {
            world.speaks = Speaks::Modern;
            world.open();
            request(world, "1", "tools/call", "");
            world.deaf.clients = true;
            world.answer("result", &format!(r#"{{"content":[],"cacheScope":"{}"}}"#, text(n)));
        }),
        kind("capabilities with white space", |world, n| {
            LIST.of(world);
            let space = " ".repeat(n);
            let capabilities = format!(r#"{{{ASKED},"x":[{space}]}}"#);
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
            );
            world.ask("tools/list", None, &text);
        }),
        Kind {
            name: "what guests have in common",
            config: shared,
            begin: |world, n| {
                let space = " ".repeat(n);
                world.initialize(&format!(r#"{{{ASKED},"x":[{space}]}}"#), "c");
            },
        },
    ]
}

pub(crate) fn fields() -> Config {
    Config {
        header_env: vec![("who".into(), "WHO".into())],
        affinity: vec!["key".into()],
        ..Config::default()
    }
}

fn shared() -> Config {
    Config { share: true, ..fields() }
}

fn saved() -> Config {
    Config { persist: true, ..Config::default() }
}

/// A client says much of itself, and the server as well.
fn open(world: &mut World, n: usize) {
    world.name = text(3 * n);
    world.offers =
        format!(r#"{{"resources":{{"subscribe":true}},"logging":{{}},"x":"{}"}}"#, text(4 * n));
    world.initialize(
        &format!(r#"{{{ASKED},"experimental":{{"{}":{{}}}}}}"#, text(6 * n)),
        &text(5 * n),
    );
}

/// A request of the session era, with all that has a name in it.
fn request(world: &mut World, id: &str, method: &str, params: &str) {
    world.post(&format!(
        r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{{{params}}}}}"#
    ));
}

fn calls(world: &mut World, n: usize) {
    world.deaf.methods = &["resources/subscribe"];
    world.open();
    let params =
        format!(r#""uri":"{}","_meta":{{"progressToken":"{}"}}"#, text(5 * n), text(4 * n));
    request(world, &text(3 * n), "resources/subscribe", &params);
}

fn task_token(world: &mut World, n: usize) {
    world.open();
    for token in 0..3 {
        let params = format!(
            r#""name":"t","task":{{}},"_meta":{{"progressToken":"{token}{}"}}"#,
            text(4 * n)
        );
        request(world, "1", "tools/call", &params);
        world.answer("result", r#"{"task":{"taskId":"t","status":"working"}}"#);
    }
}

fn pings(world: &mut World, n: usize) {
    world.open();
    request(world, "1", "tools/call", r#""name":"t""#);
    for id in 0..3 {
        world.say(&format!(r#"{{"jsonrpc":"2.0","id":"{id}{}","method":"ping"}}"#, text(4 * n)));
    }
}

fn pages(world: &mut World, n: usize) {
    world.open();
    // Whatever its port, this page is of this host.
    world.fields = vec![("origin", format!("http://localhost:{}", "0".repeat(4 * n)))];
    for id in 1..4 {
        request(world, &id.to_string(), "tools/call", "");
    }
}

fn begun_line(world: &mut World, n: usize) {
    world.open();
    world.say_part(text(10 * n).as_bytes());
}

fn opening(world: &mut World, n: usize) {
    open(world, n);
    request(world, "1", "resources/subscribe", &format!(r#""uri":"{}""#, text(5 * n)));
}

fn crossing(world: &mut World, n: usize) {
    world.speaks = Speaks::Modern;
    opening(world, n);
    request(world, &text(4 * n), "resources/subscribe", &format!(r#""uri":"y{}""#, text(4 * n)));
}

fn rounds(world: &mut World, n: usize) {
    world.speaks = Speaks::Modern;
    world.open();
    request(world, "1", &text(2 * n), &format!(r#""x":"{}""#, text(5 * n)));
    world.answer(
        "result",
        &format!(
            r#"{{"resultType":"input_required","requestState":"{}","inputRequests":{{"{}":{{"method":"{}"}},"b":{{"method":"elicitation/create","params":{{}}}}}}}}"#,
            text(4 * n),
            text(3 * n),
            text(2 * n)
        ),
    );
    let answer = text(6 * n);
    world.post(&format!(r#"{{"jsonrpc":"2.0","id":"bridge-1","result":{{"x":"{answer}"}}}}"#));
}

/// A log message.
fn notification(params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{{params}}}}}"#)
}

fn events(world: &mut World, n: usize) {
    world.open();
    for _ in 0..3 {
        world.say(&notification(&format!(r#""level":"info","data":"{}""#, text(4 * n))));
    }
}

/// An answer whose line came in pieces goes on in the buffer that they were put together in.
fn pieces(world: &mut World, n: usize) {
    world.open();
    request(world, "1", "tools/call", "");
    world.deaf.clients = true;
    let id = world.asked.pop().expect("a call");
    let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":"{}"}}}}"#, text(60 * n));
    let (start, end) = line.split_at(line.len() * 2 / 3);
    world.say_part(start.as_bytes());
    world.say(end);
}

fn batch(world: &mut World, n: usize) {
    world.revision = "2025-03-26";
    world.open();
    let call = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{}}}}"#);
    world.post(&format!("[{},{},{}]", call(1), call(2), call(3)));
    for _ in 0..2 {
        world.answer("result", &format!(r#"{{"x":"{}"}}"#, text(4 * n)));
    }
}

/// A request of 2026-07-28.
#[derive(Clone, Copy)]
struct Ask<'a> {
    id: &'a str,
    method: &'a str,
    name: Option<&'a str>,
    token: usize,
    /// Members of its params.
    params: &'a str,
    /// How much its client says of itself.
    says: usize,
}

const LIST: Ask<'_> =
    Ask { id: "1", method: "tools/list", name: None, token: 1, params: "", says: 1 };
const CALL: Ask<'_> =
    Ask { method: "tools/call", name: Some("t"), params: r#","name":"t""#, ..LIST };
const LISTEN: Ask<'_> = Ask { method: "subscriptions/listen", ..LIST };

impl Ask<'_> {
    fn of(self, world: &mut World) {
        let Self { id, method, name, params, says, .. } = self;
        let (capabilities, client, token) = (text(6 * says), text(5 * says), text(self.token));
        let capabilities = format!(
            r#"{{{ASKED},"extensions":{{"io.modelcontextprotocol/tasks":{{}},"{capabilities}":{{}}}}}}"#
        );
        let meta = format!(
            r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities},"io.modelcontextprotocol/clientInfo":{{"name":"{client}","version":"1"}}"#
        );
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{{"_meta":{{"progressToken":"{token}",{meta}}}{params}}}}}"#
        );
        world.ask(method, name, &text);
    }
}

fn requests(world: &mut World, n: usize) {
    LIST.of(world);
    let (id, method) = (&*text(3 * n), &*text(4 * n));
    Ask { id, method, token: 2 * n, ..LIST }.of(world);
}

fn waiting(world: &mut World, n: usize) {
    world.deaf.methods = &["server/discover", "initialize"];
    let params = &*format!(r#"{},"arguments":"{}""#, CALL.params, text(9 * n));
    Ask { params, ..CALL }.of(world);
}

fn worker(world: &mut World, n: usize) {
    world.offers = format!(r#"{{"x":"{}"}}"#, text(4 * n));
    Ask { says: n, ..LIST }.of(world);
    elicit(world, 3 * n, 7 * n);
}

/// The child asks for something.
fn elicit(world: &mut World, id: usize, message: usize) {
    world.say(&format!(
        r#"{{"jsonrpc":"2.0","id":"{}","method":"elicitation/create","params":{{"message":"{}","requestedSchema":{{}}}}}}"#,
        text(id),
        text(message)
    ));
}

/// The child asks for something, with much that clients do not get.
fn asks(world: &mut World, n: usize) {
    let task = format!(r#""task":{{"x":"{}"}}"#, text(n));
    world.say(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{{"message":"m","requestedSchema":{{}},{task}}}}}"#
    ));
}

fn subscriptions(world: &mut World, n: usize) {
    world.deaf.methods = &["resources/subscribe"];
    LIST.of(world);
    let uris = format!(r#""a{}","b{}","c{}""#, text(3 * n), text(4 * n), text(5 * n));
    let filter = format!(r#","notifications":{{"resourceSubscriptions":[{uris}]}}"#);
    Ask { params: &filter, ..LISTEN }.of(world);
}

fn parked(world: &mut World, n: usize) {
    CALL.of(world);
    elicit(world, 3 * n, 7 * n);
    elicit(world, 4 * n, 8 * n);
}

fn answered_early(world: &mut World, n: usize) {
    CALL.of(world);
    elicit(world, 3, 7);
    world.answer("result", &format!(r#"{{"content":[],"x":"{}"}}"#, text(9 * n)));
}

fn tasks(world: &mut World, n: usize) {
    world.speaks = Speaks::Modern;
    for number in 10..50 {
        CALL.of(world);
        let id = text(n.min(250));
        world.answer(
            "result",
            &format!(r#"{{"resultType":"task","taskId":"{number}{id}","status":"working"}}"#),
        );
    }
}

/// So many tasks of the shortest names.
pub(crate) fn short_tasks(world: &mut World, n: usize) {
    world.speaks = Speaks::Modern;
    for number in 0..n {
        CALL.of(world);
        let task = format!(r#"{{"resultType":"task","taskId":"{number}","status":"working"}}"#);
        world.answer("result", &task);
    }
}

/// A server says as much of its tools as is remembered, by arguments with the shortest names.
pub(crate) fn short_names(world: &mut World) {
    world.speaks = Speaks::Modern;
    let (open, close) = (r#"{"properties":{"a":"#.repeat(60), "}}".repeat(60));
    let argument = |n| format!(r#""{n}":{open}{{"type":"string","x-mcp-header":"{n}"}}{close}"#);
    let arguments: Vec<String> = (0..64).map(argument).collect();
    let schema = format!(r#"{{"properties":{{{}}}}}"#, arguments.join(","));
    for tool in 0..40 {
        LIST.of(world);
        let tool = format!(r#"{{"tools":[{{"name":"{tool}","inputSchema":{schema}}}]}}"#);
        world.answer("result", &tool);
    }
}

fn common(world: &mut World, n: usize) {
    LIST.of(world);
    let filter = r#","notifications":{"resourceSubscriptions":["u:1"]}"#;
    for _ in 0..3 {
        Ask { params: filter, ..LISTEN }.of(world);
    }
    world.deaf.clients = true;
    world.say(&format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"u:1","x":"{}"}}}}"#,
        text(300 * n)
    ));
}

fn unread(world: &mut World, n: usize) {
    world.open();
    for id in 1..4 {
        request(world, &id.to_string(), "tools/call", "");
    }
    world.deaf.clients = true;
    for _ in 0..3 {
        world.answer("result", &format!(r#"{{"x":"{}"}}"#, text(200 * n)));
    }
}

fn unwritten(world: &mut World, n: usize) {
    world.open();
    world.deaf.children = true;
    for id in 1..4 {
        request(world, &id.to_string(), "tools/call", &format!(r#""x":"{}""#, text(200 * n)));
    }
}

fn waking(world: &mut World, n: usize) {
    world.open();
    world.crash();
    world.deaf = Deaf { methods: &["initialize"], ..Deaf::default() };
    request(world, "1", "tools/call", &format!(r#""x":"{}""#, text(9 * n)));
}

fn owned(world: &mut World, n: usize) {
    world.fields = vec![("who", text(4 * n)), ("key", text(5 * n))];
}

pub(crate) fn asleep(world: &mut World, n: usize) {
    owned(world, n);
    world.speaks = Speaks::Modern;
    opening(world, n);
    world.crash();
}

fn guests(world: &mut World, n: usize) {
    owned(world, n);
    for guest in 0..3 {
        open(world, n);
        let uri = format!(r#""uri":"{guest}{}""#, text(5 * n));
        request(world, "1", "resources/subscribe", &uri);
    }
}

fn questions(world: &mut World, n: usize) {
    world.open();
    request(world, "1", "tools/call", "");
    for _ in 0..3 {
        world.say(&format!(
            r#"{{"jsonrpc":"2.0","id":"{}","method":"elicitation/create","params":{{"message":"m","requestedSchema":{{}},"_meta":{{"progressToken":"{}"}}}}}}"#,
            text(4 * n),
            text(3 * n)
        ));
    }
}

fn greeting(world: &mut World, n: usize) {
    world.deaf.methods = &["initialize"];
    for _ in 0..3 {
        open(world, n);
    }
}

fn saving(world: &mut World, n: usize) {
    open(world, n);
}

fn refusal(world: &mut World, n: usize) {
    world.open();
    world.deaf.clients = true;
    world.session = "x".into();
    request(world, &text(9 * n), "tools/call", "");
}

fn resent(world: &mut World, n: usize) {
    CALL.of(world);
    world.answer(
        "error",
        &format!(
            r#"{{"code":-32042,"message":"m","data":{{"elicitations":[{{"mode":"url","url":"http://{}","message":"{}"}}]}}}}"#,
            text(5 * n),
            text(3 * n)
        ),
    );
}
