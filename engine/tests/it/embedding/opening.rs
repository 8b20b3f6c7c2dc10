//! What a driver is told when it is to start a child, and what it tells of that.

use mcp_bridge::{Config, Eras, Head, Input, Notice, Output};

use super::rig::Rig;
use super::{INITIALIZE, POST};

#[test]
fn a_child_is_opened_for_the_request_that_needs_it_and_one_ahead_for_none() {
    let mut rig = Rig::new(Config::default());
    for number in 1..=2 {
        assert_eq!(rig.ask(&POST, INITIALIZE), 200);
        assert_eq!(rig.opened_for.map(|exchange| exchange.number()), Some(number));
    }
    let mut rig = Rig::new(Config { prewarm: 1, ..Config::default() });
    rig.tell(Input::Tick);
    rig.drain();
    assert_eq!((rig.opened.len(), rig.opened_for), (1, None));

    // Of 2026-07-28.
    let mut rig = Rig::new(Config::default());
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let era = [("MCP-Protocol-Version", &b"2026-07-28"[..]), ("Mcp-Method", b"tools/list")];
    let fields = [super::JSON[0], super::JSON[1], era[0], era[1]];
    let head = Head { fields: &fields, ..POST };
    rig.ask(&head, body);
    assert_eq!(rig.opened_for.map(|exchange| exchange.number()), Some(1));
    // The probe ends the first process: the second is for the same request.
    let mut rig = Rig::new(Config { eras: Eras::Both, ..Config::default() });
    rig.probed = true;
    rig.ask(&head, body);
    assert_eq!(rig.opened.len(), 2);
    assert_eq!(rig.opened_for.map(|exchange| exchange.number()), Some(1));
}

#[test]
fn a_request_that_opens_a_session_is_known_to_carry_it() {
    let mut rig = Rig::new(Config { sse_endpoint: Some("/sse".into()), ..Config::default() });
    let fields = [super::JSON[0], ("Accept", &b"text/event-stream"[..])];
    let get = Head { method: "GET", path: "/sse", authority: None, fields: &fields };
    assert_eq!(rig.ask(&get, b""), 200);
    let (exchange, session) = (rig.answers[0].0, rig.bridge.sessions().next());
    assert_eq!(session, None, "it is not open before it is initialized");
    let carried = rig.bridge.session_carried_by(exchange);
    assert_eq!(carried.map(|session| session.number()), Some(1));
}

/// The notices of a session whose child has this process id.
fn notices(pid: Option<u32>) -> Vec<String> {
    let mut rig = Rig::new(Config::default());
    let mut notices = Vec::new();
    let admitted = rig.bridge.admit(&POST).expect("it is let in");
    let body = INITIALIZE;
    rig.tell(Input::Request { admitted, head: &POST, body, random: [1; 16] });
    for _ in 0..100 {
        match rig.bridge.poll_output() {
            Some(Output::Open { child, .. }) => rig.tell(Input::Opened { child, pid }),
            Some(Output::Notice(notice)) => {
                notices.push(notice.to_string());
                if matches!(notice, Notice::SessionOpened { .. }) {
                    rig.tell(Input::Shutdown);
                }
            }
            Some(other) => rig.carry_out(other),
            None => break,
        }
    }
    notices
}

#[test]
fn what_is_no_process_has_no_process_id() {
    let known = notices(Some(42));
    assert!(known.iter().filter(|text| text.contains("pid 42")).count() >= 3, "{known:?}");
    let none = notices(None);
    assert!(none.len() == known.len() && !none.join("").contains("pid"), "{none:?}");
}

#[test]
fn why_a_child_was_not_started_is_told_in_two_ways() {
    let mut rig = Rig::new(Config::default());
    let admitted = rig.bridge.admit(&POST).expect("it is let in");
    let exchange = admitted.exchange();
    rig.tell(Input::Request { admitted, head: &POST, body: INITIALIZE, random: [1; 16] });
    let Some(Output::Open { child, .. }) = rig.bridge.poll_output() else { panic!("it is opened") };
    rig.tell(Input::OpenFailed { child, reason: "/srv/secret: os error 2", public: "not found" });
    let mut logged = String::new();
    while let Some(output) = rig.bridge.poll_output() {
        match output {
            Output::Notice(notice) => logged += &notice.to_string(),
            other => rig.carry_out(other),
        }
    }
    assert_eq!(rig.status(exchange), 502);
    let answer = String::from_utf8_lossy(&rig.answers[0].2);
    assert!(answer.contains("not found") && !answer.contains("secret"), "{answer}");
    assert!(logged.contains("/srv/secret: os error 2"), "{logged}");
}
