//! What is a message and what is none; what a splice changes.

use super::members::{self, MEMBERS, TELLING};
use super::*;
use alloc::format;
use alloc::string::String;

fn reason(text: &str) -> (&'static str, &'static str) {
    match Message::parse(text.as_bytes()) {
        Ok(message) => (
            "ok",
            match message.kind() {
                Kind::Request { .. } => "request",
                Kind::Notification { .. } => "notification",
                Kind::Result { .. } => "result",
                Kind::Error { .. } => "error",
            },
        ),
        Err(Malformed::Parse(reason)) => ("parse", reason),
        Err(Malformed::Invalid(reason, _)) => ("invalid", reason),
    }
}

#[test]
fn kinds() {
    for (rest, kind) in [
        (r#""id":1,"method":"a""#, "request"),
        (r#""id":"","method":"a","params":{}"#, "request"),
        (r#""method":"a","params":[]"#, "notification"),
        (r#""id":-1.5e3,"result":null"#, "result"),
        (r#""id":"x","error":{}"#, "error"),
        (r#""\u0069d":1,"m\u0065thod":"a""#, "request"),
    ] {
        assert_eq!(reason(&format!("{{\"jsonrpc\":\"2.0\",{rest}}}")), ("ok", kind), "{rest}");
    }
}

#[test]
fn a_method_that_no_text_spells_is_empty() {
    let text = br#"{"jsonrpc":"2.0","method":"a\udddd","params":{}}"#;
    let message = Message::parse(text).unwrap();
    assert_eq!(message.method(), None);
    assert_eq!(message.kind(), Kind::Notification { method: Cow::Borrowed("") });
}

#[test]
fn what_is_no_message() {
    for (text, wanted) in [
        ("", "parse"),
        ("{", "parse"),
        ("{} {}", "parse"),
        ("\u{feff}{}", "parse"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a"}x"#, "parse"),
        ("42", "invalid"),
        ("null", "invalid"),
        ("{}", "invalid"),
        (r#"{"id":1,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":[],"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":{},"result":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","result":1}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"\u0069d":2,"method":"a"}"#, "invalid"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","x":1,"\u0078":2}"#, "invalid"),
    ] {
        assert_eq!(reason(text).0, wanted, "{text}");
    }
    assert_eq!(
        Message::parse(b"\"\xff\"").map(|m| m.kind()).unwrap_err().reason(),
        "it is not UTF-8"
    );
}

#[test]
fn what_is_wrong_is_said() {
    for (text, wanted) in [
        (r#"{"jsonrpc":"2.0","error":1}"#, "a response must have an id"),
        (r#"{"jsonrpc":"2.0","result":1}"#, "a response must have an id"),
        (r#"{"jsonrpc":"2.0","id":1,"error":1}"#, "an error must be an object"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "a message has a method, a result or an error"),
    ] {
        assert_eq!(reason(text).1, wanted, "{text}");
        assert_eq!(format!("{}", Message::parse(text.as_bytes()).unwrap_err()), wanted);
    }
}

#[test]
fn a_message_has_so_many_members_and_so_long_an_id_and_no_more() {
    let unknown = |count: usize| (0..count).map(|n| format!(r#","x{n}":0"#)).collect::<String>();
    let members = |count| format!(r#"{{"jsonrpc":"2.0","method":"a"{}}}"#, unknown(count - 2));
    assert_eq!(reason(&members(MEMBERS)).0, "ok");
    assert_eq!(reason(&members(MEMBERS + 1)), ("invalid", "the message has too many members"));
    let id = |length| format!(r#"{{"jsonrpc":"2.0","id":{},"method":"a"}}"#, "1".repeat(length));
    assert_eq!(reason(&id(ID)).0, "ok");
    assert_eq!(reason(&id(ID + 1)), ("invalid", "the id is too long"));
}

#[test]
fn an_invalid_message_still_tells_its_id() {
    let text = br#"{"jsonrpc":"2.0","id":7,"method":1}"#;
    assert_eq!(
        Message::parse(text).map(|m| m.kind()),
        Err(Malformed::Invalid("a method must be a string", Some(b"7")))
    );
}

#[test]
fn each_name_that_the_bridge_acts_on_stands_once() {
    let doubtful = |params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{{params}}}}}"#);
        Message::parse(text.as_bytes()).unwrap().is_doubtful()
    };
    let all = TELLING.map(|name| format!(r#""{name}":{{}}"#));
    assert!(!doubtful(&all.join(",")));
    for again in &all {
        assert!(doubtful(&format!("{},{again}", all.join(","))), "{again}");
    }
    for name in ["x", "progressToken"] {
        assert!(!doubtful(&format!(r#""{name}":1,"{name}":2"#)), "{name} is no request's");
    }
    let places = TELLING.map(|name| members::param(name.as_bytes()));
    assert!(places.into_iter().enumerate().all(|(place, found)| found == Some(place)));
}

fn spliced(text: &str, change: Splice<'_>) -> String {
    let mut out = Vec::new();
    Message::parse(text.as_bytes()).unwrap().splice(&change, &mut out);
    // No more is taken than may be needed: a message may be long.
    assert!(out.capacity() <= text.len() + change.growth());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_splice_changes_what_it_names_and_nothing_else() {
    let text = " {\r\n \"params\":{\"x\":1.10,\"x\":12345678901234567890,\"progressToken\":9,\
                \"_meta\":{\"progressToken\":\"t\"}},\t\"id\" : \"a\\u0062\",\n\
                \"method\":\"m\",\"jsonrpc\":\"2.0\"}\n";
    let change = Splice { id: Some(b"41"), token: Some(b"42"), ..Splice::default() };
    assert_eq!(
        spliced(text, change),
        "{   \"params\":{\"x\":1.10,\"x\":12345678901234567890,\"progressToken\":9,\
         \"_meta\":{\"progressToken\":42}},\t\"id\" : 41, \"method\":\"m\",\"jsonrpc\":\"2.0\"}"
    );
    let kept = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
    assert_eq!(spliced(kept, Splice::default()), kept);
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q","r":1}}"#;
    let change = Splice { request_id: Some(b"5"), id: Some(b"no"), ..Splice::default() };
    assert_eq!(spliced(cancel, change), cancel.replace("\"q\"", "5"));
}

#[test]
fn ids_are_the_same_by_meaning_and_type() {
    assert!(same_id(b"1", b"1") && same_id(b"\"a\\u0062\"", b"\"ab\""));
    assert!(!same_id(b"\"2\"", b"123") && !same_id(b"123", b"\"2\""));
    assert!(same_id(b"1", b"1.0") && !same_id(b"1", b"\"1\"") && !same_id(b"\"a\"", b"\"b\""));
}

#[test]
fn batches() {
    assert!(batch(b"{}").is_none());
    assert!(matches!(batch(b"[]"), Some(Err(Malformed::Invalid(..)))));
    assert!(matches!(batch(b"[1"), Some(Err(Malformed::Parse(_)))));
    assert_eq!(batch(b" [ {} , [1] ] ").unwrap().unwrap(), [&b"{}"[..], b"[1]"]);
}

#[test]
fn a_text_that_is_given_away_becomes_what_a_splice_makes() {
    for text in [
        r#"{"jsonrpc":"2.0","id":12,"result":{"a":[1,2]}}"#,
        "{\"id\" : 12 ,\r\"jsonrpc\":\"2.0\",\"result\":\"\\r\"} \r ",
        r#"{"jsonrpc":"2.0","error":{"code":1,"message":"x"},"id":12}"#,
    ] {
        let message = Message::parse(text.as_bytes()).expect("it is a message");
        for id in [&b"1"[..], b"12", b"\"a longer one\""] {
            let mut wanted = Vec::new();
            message.splice(&Splice { id: Some(id), ..Splice::default() }, &mut wanted);
            let renamed = message.renamed(id).expect("it has an id");
            assert_eq!(renamed.apply(text.into()), wanted);
        }
    }
    for text in [r#"{"jsonrpc":"2.0","method":"x"}"#, r#" {"jsonrpc":"2.0","id":1,"result":1}"#] {
        let message = Message::parse(text.as_bytes()).expect("it is a message");
        assert!(message.renamed(b"1").is_none());
    }
}

#[test]
fn a_request_has_one_progress_token_that_can_be_replaced() {
    let fault = |meta: &str| {
        let head = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"#;
        let text = format!("{head}{{{meta}}}}}");
        Message::parse(text.as_bytes()).unwrap().token_fault()
    };
    let of = |token: &str| fault(&format!("\"_meta\":{{\"progressToken\":{token}}}"));
    let digits = |length: usize| format!("3.{}", "0".repeat(length - 2));
    let string = |length: usize| format!("\"{}\"", "3".repeat(length - 2));
    for token in ["1", "-0", "1e400", "\"\"", "\"\\ud800\"", "null", &digits(ID), &string(ID)] {
        assert_eq!(of(token), None, "{token}");
    }
    for token in ["true", "false", "[3]", "{\"a\":3}", "[]", "{}"] {
        assert_eq!(of(token), Some("a progress token must be a string or a number"), "{token}");
    }
    for token in [digits(ID + 1), string(ID + 1), digits(3 * ID)] {
        assert_eq!(of(&token), Some("the progress token is too long"));
    }
    for meta in [
        r#""_meta":{"progressToken":3,"progressToken":"x"}"#,
        r#""_meta":{"progressToken":3,"progress\u0054oken":"x"}"#,
        r#""_meta":{"progresstoken":3}"#,
        r#""_meta":{"progressToken\u0000":3}"#,
        r#""_meta":{"progressToken":3},"_meta":{}"#,
        r#""_meta":{},"\u005fmeta":{"progressToken":3}"#,
        r#""_META":{"progressToken":3}"#,
    ] {
        assert_eq!(
            fault(meta),
            Some(
                "a name in params appears twice, or differs from another one only in case or control characters"
            ),
            "{meta}"
        );
    }
    // What is nested deeper, or stands elsewhere, is no token.
    for meta in [
        r#""_meta":{"x":{"progressToken":[3]}}"#,
        r#""arguments":{"_meta":{"progressToken":[3]}}"#,
        r#""progressToken":[3]"#,
        r#""_meta":[{"progressToken":[3]}]"#,
    ] {
        assert_eq!(fault(meta), None, "{meta}");
    }
}
