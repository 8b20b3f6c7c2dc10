//! What a child can do wrong, each by a name: steps that `test-child` takes in a call, and what its
//! client must be told then.

/// What becomes of the call, and of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the child takes the steps, the tests judge what comes of them")]
pub(crate) enum Then {
    /// The call gets its answer, `right`; the session goes on.
    Answered,
    /// The call gets an error; the session goes on.
    Refused,
    /// The call gets no answer of the child's; other calls of the session do.
    Silent,
    /// Neither does any other call.
    Mute,
    /// The call gets an error, and the session has ended.
    Ended,
}

use Then::{Answered, Ended, Mute, Refused, Silent};

const RIGHT: &str = r#"{"answer": "right"}"#;

/// During a call: its name, its steps, what comes of it. `RIGHT` is appended to the first kind.
pub(crate) const DURING: &[(&str, &str, Then)] = &[
    // Noise.
    ("prints a banner", r#"{"write": "Server v1.0 listening...\n"}"#, Answered),
    ("prints blank lines", r#"{"write": "\n\r\n   \n\t\n"}"#, Answered),
    ("prints NUL bytes", r#"{"hex": "00 00 00 0a"}"#, Answered),
    ("prints invalid UTF-8", r#"{"hex": "ff fe c3 28 f8 88 0a"}"#, Answered),
    ("prints terminal escapes", r#"{"hex": "1b5b324a 1b5d303b 07 0a"}"#, Answered),
    ("prints JSON that is no message", r#"{"write": "null\n42\n\"x\"\n[]\n{}\ntrue\n"}"#, Answered),
    ("prints half a message", r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"res\n"}"#, Answered),
    ("frames like a language server", r#"{"write": "Content-Length: 9\r\n\r\n"}"#, Answered),
    (
        "speaks another JSON-RPC",
        r#"{"write": "{\"jsonrpc\":\"1.0\",\"method\":\"x\"}\n"}"#,
        Answered,
    ),
    ("forges events", r#"{"write": "data: x\n\nevent: y\nid: 7\n\n: z\n"}"#, Answered),
    ("nests ten thousand deep", r#"{"repeat": [10000, "["]}, {"write": "\n"}"#, Answered),
    // Framing of what is right.
    ("begins with a byte order mark", r#"{"hex": "efbbbf"}"#, Answered),
    ("ends its lines with CR LF", r#"{"crlf": "right"}, {"sleep": 1}"#, Answered),
    ("writes single bytes", r#"{"dribble": "right"}, {"sleep": 1}"#, Answered),
    // Answers to nothing.
    ("answers an unknown id", r#"{"reply": "999999"}"#, Answered),
    ("answers with a negative id", r#"{"reply": "-1"}"#, Answered),
    ("answers with a fraction", r#"{"reply": "1.5"}"#, Answered),
    ("answers with a number beyond 64 bits", r#"{"reply": "123456789012345678901"}"#, Answered),
    ("answers with its id as another number", r#"{"reply": "\"$ID.5\""}"#, Answered),
    (
        "logs JSON with the id of the call",
        r#"{"write": "{\"level\":30,\"id\":$ID,\"error\":null,\"msg\":\"handled\"}\n"}"#,
        Answered,
    ),
    (
        "answers with its id as a string",
        concat!(
            r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":\"$ID\",\"result\":"#,
            r#"{\"content\":[{\"type\":\"text\",\"text\":\"right\"}]}}\n"}"#
        ),
        Answered,
    ),
    ("answers with null for an id", r#"{"reply": "null"}"#, Answered),
    ("answers with a boolean for an id", r#"{"reply": "true"}"#, Answered),
    ("answers with an array for an id", r#"{"reply": "[$ID]"}"#, Answered),
    ("answers with an object for an id", r#"{"reply": "{\"id\":$ID}"}"#, Answered),
    ("answers without an id", r#"{"write": "{\"jsonrpc\":\"2.0\",\"result\":{}}\n"}"#, Answered),
    ("answers twice", r#"{"answer": "right"}"#, Answered),
    ("answers a hundred times", r#"{"twice": 100}"#, Answered),
    ("reports on a call that is none", r#"{"progress": 77777}"#, Answered),
    (
        "asks with null for an id",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}\n"}"#,
        Answered,
    ),
    (
        "shows an answer on several lines",
        r#"{"write": "{\n \"jsonrpc\": \"2.0\",\n \"id\": $ID,\n \"result\": {}\n}\n"}"#,
        Answered,
    ),
    // Floods.
    (
        "floods notifications",
        r#"{"repeat": [20000, "{\"jsonrpc\":\"2.0\",\"method\":\"n/$N\"}\n"]}"#,
        Answered,
    ),
    ("floods noise", r#"{"repeat": [20000, "noise $N\n"]}"#, Answered),
    (
        "floods questions",
        r#"{"repeat": [300, "{\"jsonrpc\":\"2.0\",\"id\":\"q$N\",\"method\":\"ping\"}\n"]}"#,
        Answered,
    ),
    ("floods standard error", r#"{"stderr-fill": 10000000}"#, Answered),
    ("writes binary to standard error", r#"{"stderr-hex": "00 ff fe 1b5b41 c3 0a"}"#, Answered),
    // Answers that can't be passed on.
    (
        "answers with invalid UTF-8",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\""}, {"hex": "c328 227d 0a"}"#,
        Refused,
    ),
    ("answers with nothing", r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID}\n"}"#, Refused),
    (
        "answers with two ids",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":0,\"id\":$ID,\"result\":{}}\n"}"#,
        Refused,
    ),
    (
        "answers with a result and an error",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":1,\"error\":{}}\n"}"#,
        Refused,
    ),
    (
        "answers with an error that has no code",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"error\":{\"message\":\"no\"}}\n"}"#,
        Refused,
    ),
    (
        "answers with an error that has no id",
        concat!(
            r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":null,"#,
            r#"\"error\":{\"code\":-32700,\"message\":\"no\"}}\n"}"#
        ),
        Refused,
    ),
    // Silence.
    ("never answers", r#"{"sleep": 60000}"#, Silent),
    ("stops reading", r#"{"deaf": 60000}"#, Mute),
    ("stops itself", r#"{"exec": "kill -STOP $$"}"#, Mute),
    ("becomes another program", r#"{"exec": "exec sleep 60"}"#, Mute),
    ("becomes an echo", r#"{"exec": "exec cat"}"#, Mute),
    // Death.
    ("leaves without a fault", r#"{"exit": 0}"#, Ended),
    ("leaves with a fault", r#"{"exit": 42}"#, Ended),
    ("is killed", r#"{"exec": "kill -9 $$"}"#, Ended),
    ("crashes", r#"{"exec": "kill -11 $$"}"#, Ended),
    (
        "dies in the middle of its answer",
        r#"{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"resu"}, {"exit": 1}"#,
        Ended,
    ),
    (
        "leaves a child that holds its output",
        r#"{"spawn": "sleep 60"}, {"sleep": 20}, {"exit": 3}"#,
        Ended,
    ),
    ("closes its input and lives", r#"{"exec": "exec 0<&-; sleep 60"}"#, Ended),
    ("closes its output and lives", r#"{"exec": "exec 1>&-; exec sleep 60"}"#, Ended),
    ("writes a line over the limit", r#"{"fill": 16777217}, {"write": "\n"}"#, Ended),
    ("writes a line without end", r#"{"fill": 67108864}"#, Ended),
];

/// Before `initialize` is answered, or instead: the child's option, its steps. There is no session.
pub(crate) const AT_START: &[(&str, &str, &str)] = &[
    ("dies at once", "--start", r#"[{"exit": 1}]"#),
    ("is killed at once", "--start", r#"[{"exec": "kill -9 $$"}]"#),
    ("dies at initialize", "--initialize", r#"[{"exit": 1}]"#),
    ("closes its output at once", "--start", r#"[{"exec": "exec 1>&-; sleep 60"}]"#),
    ("begins with a line without end", "--start", r#"[{"fill": 67108864}]"#),
    (
        "answers initialize with nothing",
        "--initialize",
        r#"[{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID}\n"}]"#,
    ),
    (
        "frames its answer to initialize like a language server",
        "--initialize",
        concat!(
            r#"[{"write": "Content-Length: 36\r\n\r\n"#,
            r#"{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{}}"}, {"sleep": 60000}]"#
        ),
    ),
    ("sends initialize back", "--start", r#"[{"exec": "exec cat"}]"#),
    (
        "answers initialize with a result and an error",
        "--initialize",
        r#"[{"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":{},\"error\":{}}\n"}]"#,
    ),
];

/// At the end of its input, when it should leave.
pub(crate) const AT_END: &[(&str, &str)] = &[
    ("does not leave", r#"[{"sleep": 60000}]"#),
    ("floods its output instead", r#"[{"fill": 268435456}]"#),
    ("floods standard error instead", r#"[{"stderr-fill": 268435456}]"#),
    ("starts helpers instead", r#"[{"spawn": "sleep 60"}, {"spawn": "sleep 60"}]"#),
];

/// The steps of what is done during a call.
#[allow(dead_code, reason = "the child takes them one by one")]
pub(crate) fn steps(steps: &str, then: Then) -> serde_json::Value {
    let steps = if then == Answered { format!("{steps}, {RIGHT}") } else { steps.to_owned() };
    serde_json::from_str(&format!("[{steps}]")).expect("steps are JSON")
}
