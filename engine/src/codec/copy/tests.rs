//! What is not changed keeps its spelling.

use super::*;
use alloc::string::String;

/// Copies with one change of each kind.
fn copied(text: &str) -> Option<String> {
    let mut copy = Copy::new(text.as_bytes(), b"<", 64);
    let read = copy.members(|copy, name| match &**name {
        b"drop" => copy.drop(),
        b"set" => copy.set(b"7"),
        b"wrap" => copy.wrap(b"(", b")"),
        b"meta" if copy.peek() == b'{' => copy.unless_empty(|copy, name| match &**name {
            b"drop" => copy.drop(),
            _ => Ok(false),
        }),
        b"list" if copy.peek() == b'[' => {
            copy.begin();
            copy.objects(|copy, name| match &**name {
                b"drop" => copy.drop(),
                _ => Ok(false),
            })?;
            Ok(true)
        }
        _ => Ok(false),
    });
    read.ok()?;
    copy.add("more", b"1");
    copy.close(b'}');
    String::from_utf8(copy.end(b">")).ok()
}

#[test]
fn what_is_not_changed_keeps_its_spelling() {
    for (text, wanted) in [
        ("{}", r#"<{"more":1}>"#),
        (r#"{"a":1.10,"\u0062":[ 1 ]}"#, r#"<{"a":1.10,"\u0062":[ 1 ],"more":1}>"#),
        (r#"{ "a" : 1 , "b":2,"c" :3 }"#, r#"<{"a":1,"b":2,"c":3,"more":1}>"#),
        (r#"{"drop":1,"a":2}"#, r#"<{"a":2,"more":1}>"#),
        (r#"{"a":1,"drop":[2],"b":3,"drop":4}"#, r#"<{"a":1,"b":3,"more":1}>"#),
        (r#"{"a":1,"s\u0065t":2,"b":3}"#, r#"<{"a":1,"s\u0065t":7,"b":3,"more":1}>"#),
        (r#"{"wrap":[1],"a":2}"#, r#"<{"wrap":([1]),"a":2,"more":1}>"#),
        (r#"{"a":1,"meta":{"drop":1},"b":2}"#, r#"<{"a":1,"b":2,"more":1}>"#),
        (r#"{"meta":{},"b":2}"#, r#"<{"b":2,"more":1}>"#),
        (r#"{"meta":{"drop":1,"x":{}},"b":2}"#, r#"<{"meta":{"x":{}},"b":2,"more":1}>"#),
        (r#"{"meta":[],"b":2}"#, r#"<{"meta":[],"b":2,"more":1}>"#),
        (
            r#"{"list":[0,{"drop":1},[],{"a":1, "drop":2}, 5],"b":2}"#,
            r#"<{"list":[0,{},[],{"a":1},5],"b":2,"more":1}>"#,
        ),
        ("{\"a\":[1,\n2]}", r#"<{"a":[1, 2],"more":1}>"#),
    ] {
        assert_eq!(copied(text).as_deref(), Some(wanted), "{text}");
    }
    assert_eq!((copied("[]"), copied("{\"a\"}")), (None, None));
}
