//! What a head may hold: bytes that are no text, and a host in one place or in two.

use mcp_bridge::{Config, Head};

use super::rig::Rig;
use super::{INITIALIZE, JSON, POST};

/// The status of `initialize` with this authority and these fields.
fn status(config: Config, authority: Option<&str>, fields: &[(&str, &[u8])]) -> u16 {
    let mut rig = Rig::new(config);
    let head = Head { authority, fields, ..POST };
    match rig.bridge.admit(&head) {
        Ok(_) => rig.ask(&head, INITIALIZE),
        Err(refusal) => refusal.response.status,
    }
}

#[test]
fn only_values_that_are_read_have_to_be_text() {
    let latin: &[u8] = b"J\xf6rg";
    let with = |config, name| status(config, None, &[JSON[0], JSON[1], (name, latin)]);
    assert_eq!(with(Config::default(), "X-Name"), 200);
    for read in ["Accept", "Origin", "Last-Event-ID", "Mcp-Session-Id"] {
        assert_eq!(with(Config::default(), read), 400, "{read}");
    }
    for read in ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"] {
        assert_eq!(with(Config::default(), read), 400, "{read}");
    }
    let alone = |fields: &[(&str, &[u8])]| status(Config::default(), None, fields);
    assert_eq!(alone(&[("Host", latin), JSON[1]]), 400);
    assert_eq!(alone(&[JSON[0], ("Content-Type", latin)]), 400);
    // Without its value a client would be taken for another.
    let named = String::from("x-name");
    let header_env = vec![(named.clone(), String::from("NAME"))];
    assert_eq!(with(Config { header_env, ..Config::default() }, "X-Name"), 400);
    assert_eq!(with(Config { affinity: vec![named], ..Config::default() }, "X-Name"), 400);
    // A trace context that is none is left out, and so is a name in a preflight.
    assert_eq!(with(Config::default(), "traceparent"), 200);
    assert_eq!(with(Config::default(), "Access-Control-Request-Headers"), 200);
}

#[test]
fn an_authority_is_the_host_and_a_host_field_beside_it_has_to_agree() {
    let bare = &JSON[1..];
    let ask = |authority, fields: &[(&str, &[u8])]| status(Config::default(), authority, fields);
    assert_eq!(ask(Some("localhost:8080"), bare), 200);
    assert_eq!(ask(Some("LOCALHOST"), &JSON), 200);
    assert_eq!(ask(Some("localhost:8080"), &JSON), 400, "Host says localhost");
    assert_eq!(ask(Some("example.com"), bare), 403);
    assert_eq!(ask(Some("example.com"), &JSON), 400);
    assert_eq!(ask(None, bare), 400, "there is none");
    assert_eq!(ask(Some("localhost"), &[JSON[0], JSON[0], JSON[1]]), 400, "Host twice");
    let listed =
        || Config { allow_hosts: vec![String::from("mcp.example.com")], ..Config::default() };
    assert_eq!(status(listed(), Some("mcp.example.com:443"), bare), 200);
}
