//! What malformed lines are read as.

use super::loose::*;
use super::*;
use crate::api::config::Config;
use crate::api::handles::{ChildId, Server};
use crate::context::ids::CallId;

fn answers(text: &[u8]) -> Vec<&[u8]> {
    match parse(text).map_err(|malformed| read(text, &malformed)) {
        Err(Odd::Answers(ids)) => ids,
        _ => Vec::new(),
    }
}

#[test]
fn what_is_no_message_may_still_answer_a_call() {
    for text in [
        &br#"{"jsonrpc":"2.0","id":3,"result":{"x":NaN}}"#[..],
        br#"{"jsonrpc":"2.0","result":{"x":[-Infinity,"}"]},"id":3}"#,
        br#"{"jsonrpc":"2.0","result":{"x":NaN,"y":"\"},\"id\":4\\"},"id":3}"#,
        br#"{"id":3,"error":"#,
        br#"{"jsonrpc":"2.0","id":3}"#,
        br#"{"jsonrpc":"1.0","id":3,"result":{}}"#,
        br#"{"jsonrpc":2.0,"id":3,"result":{}}"#,
        br#"{"jsonrpc":"2.0","id":3,"result":1,"error":{"code":1,"message":""}}"#,
        br#"{"jsonrpc":"2.0","id":3,"error":{"message":"no code"}}"#,
        br#"{"jsonrpc":"2.0","id":3,"error":{"code":"-1","message":"a string"}}"#,
        br#"{"jsonrpc":"2.0","id":3,"error":{"code":1.5,"message":"a fraction"}}"#,
        br#"{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":null}}"#,
        br#"{"jsonrpc":"2.0","id":3,"error":"no object"}"#,
        b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":\"\xff\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":\"\t\"}",
        br#"{"jsonrpc":"2.0","id":3,"result":{}}Content-Length: 7"#,
        br#"{"jsonrpc":"2.0","id":3,"result":{"a":"cut"#,
    ] {
        assert_eq!(answers(text), [b"3"], "{}", String::from_utf8_lossy(text));
    }
    let both = br#"{"jsonrpc":"2.0","id":3,"result":1} {"jsonrpc":"2.0","id":4,"result":1}"#;
    assert_eq!(answers(both), [b"3", b"4"]);
    let array = br#"[{"jsonrpc":"2.0","id":3,"result":NaN},{"jsonrpc":"2.0","id":4,"error":"#;
    let malformed = Malformed::Parse("");
    assert_eq!(read(array, &malformed), Odd::Answers(alloc::vec![b"3", b"4"]));
}

#[test]
fn a_log_record_answers_nothing() {
    for text in [
        &br#"{"level":30,"time":1,"pid":7,"id":3,"msg":"handled"}"#[..],
        br#"{"level":50,"id":3,"error":"timeout","msg":"failed"}"#,
        br#"{"event":"done","id":3,"result":"ok","level":"info"}"#,
        br#"{"level":"info","id":3,"duration":NaN,"result":"ok"}"#,
        br#"{"level":"info","id":3,"result":"cut"#,
        br#"{"level":"debug","jsonrpc":"2.0","id":3,"msg":"handled"}"#,
        br#"{"level":"debug","jsonrpc":"2.0","id":3,"method":"tools/call","result":1}"#,
        br#"{"id":3}"#,
        br#"{"id":3,"result":{}}"#,
        br#"{"jsonrpc":"2.0","id":3,"res"#,
        br#"{"jsonrpc":"2.0","id":3"#,
        br#"[DEBUG] {"jsonrpc":"2.0","id":3,"result":{}}"#,
        br#"sent {"jsonrpc":"2.0","id":3,"result":{}}"#,
        br#"["id",3]"#,
        br#"{"jsonrpc":"2.0","result":{"x":NaN,"id":3}}"#,
    ] {
        assert!(answers(text).is_empty(), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn null_stands_for_no_member() {
    for (text, corrected) in [
        (
            r#"{"jsonrpc":"2.0","id":3,"result":{"x":1.10},"error":null}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":{"x":1.10}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":null,"params":null,"result":{},"error":null}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"result":null,"error":{"code":1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"m"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":3,"result":null,"error":null}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":null}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"notifications/x","params":null}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"roots/list","params":null,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#,
        ),
    ] {
        let malformed = parse(text.as_bytes()).unwrap_err();
        let read = read(text.as_bytes(), &malformed);
        assert_eq!(read, Odd::Message(corrected.as_bytes().to_vec()), "{text}");
    }
    // Two readers may read these differently.
    for text in [
        r#"{"jsonrpc":"2.0","id":3,"result":{},"error":null,"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{},"error":{"code":1,"message":""},"error":null}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":null}"#,
    ] {
        let malformed = parse(text.as_bytes()).unwrap_err();
        assert!(!matches!(read(text.as_bytes(), &malformed), Odd::Message(_)), "{text}");
    }
}

#[test]
fn a_member_that_is_null_counts_as_one_of_the_most_that_a_message_has() {
    for (unknown, good) in [(MEMBERS - 4, true), (MEMBERS - 3, false)] {
        let unknown: String = (0..unknown).map(|n| alloc::format!(",\"x{n}\":0")).collect();
        let text = r#"{"jsonrpc":"2.0","id":3,"result":{},"error":null"#;
        let text = [text, &*unknown, "}"].concat();
        let malformed = parse(text.as_bytes()).unwrap_err();
        assert_eq!(matches!(read(text.as_bytes(), &malformed), Odd::Message(_)), good);
    }
}

#[test]
fn an_error_without_an_id_is_known() {
    let error = r#"{"code":-32700,"message":"Parse error"}"#;
    for start in ["{\"jsonrpc\":\"2.0\",", "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":null,"] {
        let text = [start, "\"error\":", error, "}"].concat();
        let malformed = parse(text.as_bytes()).unwrap_err();
        assert_eq!(read(text.as_bytes(), &malformed), Odd::Nameless(error.into()));
    }
    // What asks as well, or is of another protocol, is none.
    for start in
        ["\"jsonrpc\":\"2.0\",\"method\":\"m\",", "\"jsonrpc\":\"1.0\",", "\"jsonrpc\":12.03,"]
    {
        let text = ["{", start, "\"error\":", error, "}"].concat();
        let malformed = parse(text.as_bytes()).unwrap_err();
        let read = read(text.as_bytes(), &malformed);
        assert!(!matches!(read, Odd::Nameless(_)), "{text}");
    }
}

#[test]
fn malformed_lines_have_names() {
    const TEXT: &str = "text that is not JSON, such as a log line, which belongs on standard error";
    for (text, name) in [
        (&b"Content-Length: 52\r"[..], Wrote::ContentLength),
        (b"content-length:52", Wrote::ContentLength),
        (b"Content-Type: application/vscode-jsonrpc; charset=utf-8", Wrote::ContentLength),
        (b"HTTP/1.1 200 OK", Wrote::Http),
        (b"\xff\xfe{\0\"\0", Wrote::Utf16),
        (b"\xfe\xff\0{\0\"", Wrote::Utf16),
        (b"\xff\xfe", Wrote::Other(TEXT)),
        (b"{\0\"\0j\0", Wrote::Utf16),
        (b"\0{\0\"\0j", Wrote::Utf16),
        (b"{\"level\":30}", Wrote::Record),
        (b"{}", Wrote::Record),
        (b"{\"jsonrpc\":\"2.0\",\"result\":{}}", Wrote::Nameless),
        (b"Listening", Wrote::Other(TEXT)),
        ("\u{1f680} 2 tools".as_bytes(), Wrote::Other(TEXT)),
        (b" 12:00:00 ready", Wrote::Other(TEXT)),
        (b"{\"jsonrpc\":", Wrote::Other("the text ends within a value")),
        (b"\0\0\0\0", Wrote::Other("a value was expected")),
    ] {
        let malformed = parse(text).unwrap_err();
        assert_eq!(wrote(text, &malformed), name, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn each_kind_is_told_once_and_the_more_informative_counts() {
    let kinds = [
        Wrote::Other(""),
        Wrote::Record,
        Wrote::Nameless,
        Wrote::Unended,
        Wrote::Fragment,
        Wrote::Http,
        Wrote::Utf16,
        Wrote::ContentLength,
        Wrote::Echo,
    ];
    assert!(kinds.is_sorted_by_key(|kind| kind.bit()));
    assert_eq!(kinds.iter().fold(0, |bits, kind| bits | kind.bit()), (1 << kinds.len()) - 1);
}

#[test]
fn a_batch_has_so_many_messages_and_no_more() {
    let read = |count: usize| {
        let message = r#"{"jsonrpc":"2.0","method":"m"}"#;
        let line = alloc::format!("[{}]", alloc::vec![message; count].join(","));
        let (mut good, mut malformed) = (0, 0);
        each_message(line.as_bytes(), |_, read| {
            *if read.is_ok() { &mut good } else { &mut malformed } += 1;
            None
        });
        (good, malformed)
    };
    assert_eq!(read(BATCH), (BATCH, 0));
    assert_eq!(read(BATCH + 1), (0, 1));
}

#[test]
fn a_message_on_several_lines_is_put_together() {
    let part = |text: &str, fragments: &mut Fragments| {
        let malformed = parse(text.as_bytes()).unwrap_err();
        fragments.take(text.as_bytes(), &malformed)
    };
    for (text, answered) in [
        ("{\n  \"jsonrpc\": \"2.0\",\n  \"id\": 3,\n  \"result\": {\n", Some(3)),
        ("{\n\t\"id\": \"3\",\n\t\"error\": {},\n\t\"jsonrpc\": \"2.0\"\n}", Some(3)),
        ("{\"jsonrpc\": \"2.0\",\n \"id\": 3.0,\n \"result\": {}}", Some(3)),
        ("{\n \"jsonrpc\": \"2.0\",\n \"id\": 3,\n \"method\": \"x\",\n \"result\": 1\n}", None),
        ("{\n \"jsonrpc\": \"2.0\",\n \"result\": {\n  \"id\": 3\n }\n}", None),
        ("{\n \"level\": 30,\n \"id\": 3,\n \"result\": 1\n}", None),
        ("{\n \"jsonrpc\": \"2.0\",\n \"result\":\n {\n },\n \"id\": 3\n}", Some(3)),
        ("{\n\"jsonrpc\": \"2.0\",\n\"id\": 3,\n\"result\": {}\n}", Some(3)),
        ("{\n \"jsonrpc\": \"2.0\",\n{\n \"id\": 3,\n \"result\": 1\n}", None),
    ] {
        let mut fragments = Fragments::default();
        let found: Vec<_> = text.lines().map(|line| part(line, &mut fragments)).collect();
        assert!(found.iter().all(Option::is_some), "{text}");
        assert_eq!(found.into_iter().flatten().flatten().next(), answered.map(CallId), "{text}");
    }
    assert_eq!(part("Listening", &mut Fragments::default()), None);
}

#[test]
fn an_unfinished_line_that_is_given_up_counts_no_more() {
    let mut cx = Context::new(Config::default());
    let mut child = Child::new(ChildId(1), Server::default(), alloc::sync::Arc::default(), &cx);
    assert!(child.lines.feed(br#"{"jsonrpc":"2.0","id":3,"result":{}}"#).take().is_none());
    child.account();
    assert!(child.held() > 0);
    child.wait_line(&mut cx);
    cx.now = cx.now.after(PAUSE);
    // It answers a call that is over.
    assert_eq!(child.unended(&mut cx).map(|(ids, _)| ids.len()), Some(0));
    assert_eq!(child.held(), 0);
}
