//! Placeholders of recordings without contents.

use crate::record::masks::Masks;

fn masked(masks: &mut Masks, text: &str) -> String {
    String::from_utf8(masks.masked(text.as_bytes())).expect("a good text stays one")
}

#[test]
fn what_the_protocol_says_stays_and_contents_do_not() {
    let text = r#"{"jsonrpc":"2.0","id":"a-7","method":"tools/call","params":{"name":"pay","arguments":{"to":"Ada","id":"Ada","amount":98.6,"rush":true},"_meta":{"progressToken":5,"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let mut masks = Masks::default();
    let shown = masked(&mut masks, text);
    assert_eq!(shown.len(), text.len());
    for kept in [
        r#""id":"a-7","method":"tools/call""#,
        r#""params":{"name":"pay","#,
        r#""rush":true"#.split_once(':').expect("a member").1,
        r#""progressToken":5"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
    ] {
        assert!(shown.contains(kept), "{kept} in {shown}");
    }
    for gone in ["Ada", "98.6", "amount", "rush", "\"to\""] {
        assert!(!shown.contains(gone), "{gone} in {shown}");
    }
    let first = shown.split_once(r#""arguments":{""#).expect("arguments").1;
    let values: Vec<_> = first.split('"').filter(|part| part.len() == 3).collect();
    assert_eq!(values[0], values[1], "the same text has the same placeholder: {shown}");
    assert_ne!(masked(&mut masks, r#"["Bob"]"#), masked(&mut masks, r#"["Eve"]"#));
}

#[test]
fn what_is_malformed_keeps_its_length_and_stays_malformed() {
    let mut masks = Masks::default();
    for bad in [
        r#"{"a":tru}"#,
        r#"{"a":"\q"}"#,
        r#"{"a":"open"#,
        r#"{"a":"\"#,
        "Listening on port 8080!",
        "}}]]{",
        "",
        "\u{e9}t\u{e9}",
    ] {
        let shown = masks.masked(bad.as_bytes());
        assert_eq!(shown.len(), bad.len(), "{bad}");
        let is_json = serde_json::from_slice::<serde_json::Value>(&shown).is_ok();
        assert!(!is_json, "{bad} is {}", String::from_utf8_lossy(&shown));
    }
    let deep = "[".repeat(100_000) + "\"secret\"" + &"]".repeat(100_000);
    assert!(!masked(&mut masks, &deep).contains("secret"));
    let bytes = [b'"', 0xc3, b'"'];
    assert!(serde_json::from_slice::<String>(&masks.masked(&bytes)).is_err());
}
