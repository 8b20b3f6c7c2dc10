//! The grammar and nothing else, at any depth and at any cut.

use super::*;
use alloc::format;

fn accepts(text: &str) -> bool {
    let mut scanner = Scanner::new(text.as_bytes());
    scanner.value().is_ok() && scanner.end().is_ok()
}

#[test]
fn the_grammar_and_nothing_else() {
    for good in [
        "0",
        "-0",
        "1.10",
        "1e2",
        "1E+2",
        "-12.5e-3",
        "\"\"",
        "\"a\\u00e9\\n\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],{}]",
        " { \"a\" : 1 , \"b\" : [ true , false , null ] } ",
        "\"\\ud800\"",
        "123456789012345678901234567890",
        "[[[[]]]]",
    ] {
        assert!(accepts(good), "{good}");
    }
    for bad in [
        "",
        " ",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "--1",
        "tru",
        "truee",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "[}",
        "{]",
        "1 1",
        "\u{feff}1",
        "[1}",
        "{\"a\":1]",
    ] {
        assert!(!accepts(bad), "{bad}");
    }
}

#[test]
fn agrees_with_serde_json_on_small_texts() {
    // Every text of up to five bytes over an alphabet in which all tokens occur.
    let alphabet = b"{}[]\",:0-1.e\\u t";
    let mut text = Vec::new();
    for length in 1..=5usize {
        for mut number in 0..alphabet.len().pow(length as u32) {
            text.clear();
            for _ in 0..length {
                text.push(alphabet[number % alphabet.len()]);
                number /= alphabet.len();
            }
            let ours = accepts(core::str::from_utf8(&text).unwrap());
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
            assert_eq!(ours, theirs, "{:?}", core::str::from_utf8(&text));
        }
    }
}

#[test]
fn depth_costs_no_stack() {
    let mut deep = alloc::vec![b'['; 100_000];
    deep.extend(core::iter::repeat_n(b']', 100_000));
    assert!(accepts(core::str::from_utf8(&deep).unwrap()));
    deep.pop();
    assert!(!accepts(core::str::from_utf8(&deep).unwrap()));
    let mixed = "{\"a\":[".repeat(5_000) + &"]}".repeat(5_000);
    assert!(accepts(&mixed));
    assert!(!accepts(&(String::from("{\"a\":[").repeat(5_000) + &"}]".repeat(5_000))));
}

#[test]
fn a_string_stops_where_it_must() {
    let control = Err("a control character within a string");
    for place in 1..40 {
        for (stop, wanted) in [
            (b'"', Ok(0..place + 1)),
            (b'\\', Err("an invalid escape sequence")),
            (0, control.clone()),
            (0x1f, control.clone()),
        ] {
            let mut text = alloc::vec![b'x'; 40];
            (text[0], text[place]) = (b'"', stop);
            let mut scanner = Scanner::new(&text);
            let stopped = scanner.value();
            let at = place + usize::from(stopped.is_ok());
            assert_eq!((stopped, scanner.at, scanner.ascii), (wanted, at, true), "{stop}, {place}");
        }
    }
}

#[test]
fn what_is_not_ascii_is_noted_wherever_it_stands() {
    for text in ["\"\u{80}\u{7f}\"", "[{\"é\":1}]", "[\"12345678\u{ffff}12345678\\n\",\"a\"]"] {
        let mut scanner = Scanner::new(text.as_bytes());
        assert_eq!((scanner.value(), scanner.ascii), (Ok(0..text.len()), false), "{text}");
    }
}

#[test]
fn members_by_name_whatever_their_spelling() {
    let text = br#"{"a":1,"\u0062":[2],"a":3}"#;
    let span = 0..text.len();
    assert_eq!(member(text, &span, "a").map(|s| &text[s]), Some(&b"3"[..]));
    assert_eq!(member(text, &span, "b").map(|s| &text[s]), Some(&b"[2]"[..]));
    assert_eq!(member(text, &span, "c"), None);
}

#[test]
fn a_string_says_the_same_to_every_reader() {
    let long = format!("\"\\u0061{}\"", "b".repeat(100));
    for raw in [
        r#""""#,
        r#""a""#,
        r#""\u0061""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\ud83d\ude00x""#,
        r#""ab\ncd""#,
        r#""\uD83D\uDE00\u00e9é""#,
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\ud83d""#,
        r#""\ude00""#,
        r#""\ufffd\u0000""#,
        &long,
    ] {
        let twin = serde_json::from_str::<String>(raw).ok();
        let said = twin.as_deref().unwrap_or("none");
        assert_eq!(says(raw.as_bytes(), said.as_bytes()), twin.is_some(), "{raw}");
        assert_eq!(is_text(raw.as_bytes()), twin.is_some(), "{raw}");
        assert!(!says(raw.as_bytes(), format!("{said}x").as_bytes()), "{raw}");
        let text = format!("{{{raw}:1}}");
        let mut scanner = Scanner::new(text.as_bytes());
        let read = scanner.members(|scanner, name| {
            assert_eq!(name.is(said.as_bytes()), twin.is_some(), "{raw}");
            assert_eq!(&*name.text(), twin.as_deref().unwrap_or(raw).as_bytes());
            match &twin {
                Some(said) if said.len() <= 48 => assert_eq!(&**name, said.as_bytes()),
                _ => assert_eq!(&**name, raw.as_bytes()),
            }
            scanner.value().map(|_| ())
        });
        assert_eq!(read, Ok(()));
        if let Some(said) = twin {
            for most in [0, 1, 2, 3, 80] {
                let shown: String = said.chars().take(most).collect();
                assert_eq!(excerpt(raw.as_bytes(), most), shown, "{raw}");
            }
        }
    }
    for raw in ["1", "null", "[]", "{}"] {
        assert!(!is_text(raw.as_bytes()), "{raw}");
    }
}
