//! What an embedder can do wrong, and what the engine does about it: each test is named by what
//! must hold, whatever a driver does.

mod ending;
mod heads;
mod opening;
mod pause;
mod records;
mod rig;

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_bridge::message::Message;
use mcp_bridge::{
    Bridge, Config, Endpoint, Eras, Exchange, Exit, Head, Input, Instant, Notice, Server, lines,
};
use rig::{Rig, child};

const JSON: [(&str, &[u8]); 2] = [("Host", b"localhost"), ("Content-Type", b"application/json")];
const POST: Head<'_> = Head { method: "POST", path: "/mcp", authority: None, fields: &JSON };
const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a"}}"#;

/// A whole life of a session: the statuses of `initialize`, a call and a DELETE.
fn life(config: Config) -> [u16; 3] {
    let mut rig = Rig::new(config);
    let opened = rig.ask(&POST, INITIALIZE);
    let session = rig.session.clone();
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", session.as_bytes())];
    let post = Head { fields: &fields, ..POST };
    let called = rig.ask(&post, CALL);
    let deleted = rig.ask(&Head { method: "DELETE", ..post }, b"");
    rig.tell(Input::Shutdown);
    rig.drain();
    assert!(rig.bridge.is_idle() && rig.bridge.buffered() == 0);
    [opened, called, deleted]
}

/// A change of one field of a configuration.
type Change = fn(&mut Config);

const WHOLE: [u16; 3] = [200, 200, 200];

#[test]
fn what_could_not_work_is_refused_by_name() {
    const ZERO: Duration = Duration::ZERO;
    let refused: [(&str, Change); 26] = [
        ("endpoint", |c| c.endpoint = String::new()),
        ("endpoint", |c| c.endpoint = String::from("mcp")),
        ("health", |c| c.health = Some(String::from("/mcp"))),
        ("health", |c| c.health = Some(String::from("/a b"))),
        ("metrics", |c| c.metrics = Some(String::from("/healthz"))),
        ("node", |c| c.node = Some(String::new())),
        ("node", |c| c.node = Some(String::from("a\r\nSet-Cookie: b"))),
        ("node", |c| c.node = Some(String::from("Köln"))),
        ("header_env", |c| c.header_env = vec![(String::from("x-a"), String::from("A=B"))]),
        ("budget", |c| c.budget = 3),
        ("starting", |c| c.starting = 0),
        ("calls", |c| c.calls = 0),
        ("listeners", |c| c.listeners = 0),
        ("message", |c| c.message = 0),
        ("head", |c| c.head = 0),
        ("queue", |c| c.queue = 0),
        ("start", |c| c.start = ZERO),
        ("keep_alive", |c| c.keep_alive = ZERO),
        ("idle", |c| c.idle = Some(ZERO)),
        ("request", |c| c.request = Some(ZERO)),
        ("stall", |c| c.stall = Duration::from_nanos(1)),
        ("breaker_starts", |c| c.breaker_starts = 0),
        ("prewarm", |c| c.prewarm = usize::MAX),
        ("breaker_starts", |c| (c.prewarm, c.breaker_starts) = (1, u32::MAX)),
        ("breaker_wait", |c| (c.prewarm, c.breaker_wait) = (1, ZERO)),
        ("probe", |c| c.probe = ZERO),
    ];
    for (field, change) in refused {
        let mut config = Config::default();
        change(&mut config);
        let error = Bridge::new(config).expect_err(field);
        assert_eq!(error.field, field, "{error}");
    }
}

#[test]
fn zero_is_none_of_something_or_at_once() {
    const ZERO: Duration = Duration::ZERO;
    // What is refused of a session, and what does not matter to it.
    let zero: [(Change, [u16; 3]); 17] = [
        (|c| c.sessions = 0, [503, 400, 405]),
        (|c| c.pool = 0, WHOLE),
        (|c| c.parked = 0, WHOLE),
        (|c| c.subscriptions = 0, WHOLE),
        (|c| c.replay = 0, WHOLE),
        (|c| c.stdin = 0, WHOLE),
        (|c| c.promote_primed = ZERO, WHOLE),
        (|c| c.promote = ZERO, WHOLE),
        (|c| c.retry = ZERO, WHOLE),
        (|c| c.fallback = ZERO, WHOLE),
        (|c| c.keep_ended = ZERO, WHOLE),
        (|c| c.exit_grace = ZERO, WHOLE),
        (|c| c.term_grace = ZERO, WHOLE),
        (|c| c.kill_grace = ZERO, WHOLE),
        (|c| c.drain = ZERO, WHOLE),
        (|c| c.breaker_wait = ZERO, WHOLE),
        (|c| c.prewarm = 0, WHOLE),
    ];
    for (number, (change, wanted)) in zero.into_iter().enumerate() {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(life(config), wanted, "change {number}");
    }
}

#[test]
fn the_largest_value_is_no_limit() {
    const ALL: usize = usize::MAX;
    const EVER: Duration = Duration::MAX;
    let config = Config {
        sessions: ALL,
        starting: ALL,
        calls: ALL,
        pool: ALL,
        parked: ALL,
        subscriptions: ALL,
        budget: ALL,
        message: ALL,
        head: ALL,
        listeners: ALL,
        replay: ALL,
        queue: ALL,
        stdin: ALL,
        start: EVER,
        promote_primed: EVER,
        promote: EVER,
        keep_alive: EVER,
        retry: EVER,
        idle: Some(EVER),
        request: Some(EVER),
        probe: EVER,
        fallback: EVER,
        park: EVER,
        stall: EVER,
        keep_ended: EVER,
        exit_grace: EVER,
        term_grace: EVER,
        kill_grace: EVER,
        drain: EVER,
        breaker_starts: u32::MAX,
        breaker_wait: EVER,
        ..Config::default()
    };
    assert_eq!(config.memory(ALL), ALL);
    assert_eq!(life(config), WHOLE);
    // The codecs have no sum that overflows either.
    let mut lines = lines::Lines::new(ALL);
    assert_eq!(lines.feed(b"one\n").next(), Some(Ok(&b"one"[..])));
}

#[test]
fn a_wait_can_be_added_to_the_time_of_the_last_input() {
    let mut rig = Rig::new(Config { idle: Some(Duration::MAX), ..Config::default() });
    rig.now = Duration::from_secs(10);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let due = rig.bridge.poll_timeout().expect("the idle session").since_origin();
    assert_eq!(due, rig.now + Duration::from_secs(365 * 24 * 60 * 60), "a year at the most");
}

#[test]
fn at_the_end_of_time_the_engine_rests() {
    let mut rig = Rig::new(Config::default());
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let session = rig.session.clone();
    let fields =
        [JSON[0], ("Accept", b"text/event-stream"), ("Mcp-Session-Id", session.as_bytes())];
    let get = Head { method: "GET", path: "/mcp", authority: None, fields: &fields };
    assert_eq!(rig.ask(&get, b""), 200);
    rig.now = Duration::MAX;
    for _ in 0..3 {
        rig.tell(Input::Tick);
        rig.drain();
    }
    assert!(rig.bridge.poll_timeout().is_some_and(|due| due > Instant::default()));
}

#[test]
fn a_command_that_always_fails_is_not_started_ahead_for_ever() {
    let mut rig = Rig::new(Config { prewarm: 8, ..Config::default() });
    rig.starts = false;
    rig.tell(Input::Tick);
    rig.drain();
    assert!(rig.bridge.poll_output().is_none());
}

#[test]
fn the_shortest_keep_alive_does_not_spin() {
    let config = Config { keep_alive: Duration::from_millis(1), ..Config::default() };
    assert_eq!(life(config), WHOLE);
}

#[test]
fn refusals_leave_nothing_in_the_engine() {
    let mut rig = Rig::new(Config::default());
    let nowhere = Head { path: "/nowhere", ..POST };
    let held = format!("{:?}", rig.bridge).len();
    for _ in 0..1000 {
        let refusal = rig.bridge.admit(&nowhere).expect_err("there is nothing");
        assert_eq!(refusal.response.status, 404);
        assert!(matches!(refusal.event, Notice::Refused { status: 404, .. }));
    }
    assert!(rig.bridge.poll_output().is_none());
    let more = format!("{:?}", rig.bridge).len();
    assert!(more < held + 100, "{held} bytes became {more}");
}

#[test]
fn a_body_over_the_limit_is_refused_whatever_the_driver_reads() {
    let mut rig = Rig::new(Config { message: 100, restart: false, ..Config::default() });
    assert_eq!(rig.ask(&POST, &[b' '; 101]), 413);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let get = Head { method: "GET", path: "/healthz", authority: None, fields: &[] };
    assert_eq!(rig.ask(&get, b"x"), 413);
    assert_eq!(rig.bridge.buffered(), 0);
}

#[test]
fn no_two_requests_have_one_number() {
    let mut rig = Rig::new(Config::default());
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        let admitted = rig.bridge.admit(&POST).expect("it is let in");
        assert!(seen.insert(admitted.exchange()));
    }
    // Nor is a number that the engine never gave anything to it.
    let exchange = Exchange::from_number(u64::MAX);
    rig.tell(Input::Taken { exchange, bytes: 1 });
    rig.tell(Input::Lost { exchange });
    assert!(rig.bridge.is_idle() && rig.bridge.poll_output().is_none());
}

/// `initialize`, with these random bytes: the status of its answer.
fn open_with(rig: &mut Rig, random: [u8; 16]) -> u16 {
    let admitted = rig.bridge.admit(&POST).expect("it is let in");
    let exchange = admitted.exchange();
    rig.tell(Input::Request { admitted, head: &POST, body: INITIALIZE, random });
    rig.drain();
    rig.status(exchange)
}

#[test]
fn random_bytes_that_are_in_use_are_a_fault_of_the_driver_and_join_nobody() {
    let mut rig = Rig::new(Config::default());
    assert_eq!(open_with(&mut rig, [7; 16]), 200);
    let first = rig.session.clone();
    assert_eq!(open_with(&mut rig, [7; 16]), 500);
    assert!(rig.misused && rig.bridge.stats().sessions == 1);
    assert_eq!((open_with(&mut rig, [8; 16]), rig.session == first), (200, false));

    // The first has not started yet.
    let mut rig = Rig::new(Config::default());
    let admitted = [(); 2].map(|()| rig.bridge.admit(&POST).expect("it is let in"));
    let exchanges = [admitted[0].exchange(), admitted[1].exchange()];
    for admitted in admitted {
        rig.tell(Input::Request { admitted, head: &POST, body: INITIALIZE, random: [7; 16] });
    }
    rig.drain();
    assert_eq!(exchanges.map(|exchange| rig.status(exchange)), [200, 500]);
    assert!(rig.misused && rig.bridge.stats().sessions == 1);
}

/// A child of the session era that asks the client of each call.
fn asks(line: &[u8]) -> Option<Vec<u8>> {
    let request = Message::parse(line).ok()?;
    match request.method().as_deref() {
        Some("server/discover") => {
            let id = str::from_utf8(request.id()?).expect("a number");
            let error = r#""error":{"code":-32601,"message":"unknown"}"#;
            Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{error}}}\n").into_bytes())
        }
        Some("tools/call") => Some(
            b"{\"jsonrpc\":\"2.0\",\"id\":\"question\",\"method\":\"elicitation/create\",\
              \"params\":{\"message\":\"sure?\",\"requestedSchema\":{}}}\n"
                .to_vec(),
        ),
        _ => child(line),
    }
}

#[test]
fn of_two_calls_with_the_same_random_bytes_one_waits_and_the_other_reaches_no_child() {
    let head: [(&str, &[u8]); 3] = [
        ("MCP-Protocol-Version", b"2026-07-28"),
        ("Mcp-Method", b"tools/call"),
        ("Mcp-Name", b"a"),
    ];
    let fields = [&JSON[..], &head].concat();
    let post = Head { fields: &fields, ..POST };
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}"#;
    let mut rig = Rig::new(Config { eras: Eras::Both, ..Config::default() });
    rig.child = asks;
    let admitted = [(); 2].map(|()| rig.bridge.admit(&post).expect("it is let in"));
    let exchanges = [admitted[0].exchange(), admitted[1].exchange()];
    for admitted in admitted {
        rig.tell(Input::Request { admitted, head: &post, body, random: [7; 16] });
    }
    rig.drain();
    assert_eq!(exchanges.map(|exchange| rig.status(exchange)), [200, 500]);
    assert!(rig.misused && rig.bridge.stats().calls == 1);
    let written = String::from_utf8_lossy(&rig.written);
    assert_eq!(written.matches(r#""method":"tools/call""#).count(), 1);
}

#[test]
fn of_a_process_that_is_gone_nothing_late_is_heard() {
    let head = [("MCP-Protocol-Version", &b"2026-07-28"[..]), ("Mcp-Method", b"tools/list")];
    let fields = [JSON[0], JSON[1], head[0], head[1]];
    let post = Head { fields: &fields, ..POST };
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let mut rig = Rig::new(Config { eras: Eras::Both, ..Config::default() });
    // The probe ends the first process, so another gets the handshake.
    rig.probed = true;
    let admitted = rig.bridge.admit(&post).expect("it is let in");
    let exchange = admitted.exchange();
    rig.tell(Input::Request { admitted, head: &post, body, random: [1; 16] });
    rig.drain();
    let [old, new] = *rig.opened else { panic!("two processes: {:?}", rig.opened) };
    assert_ne!(old, new);
    rig.tell(Input::StdoutClosed { child: old });
    rig.tell(Input::Stdout { child: old, bytes: b"{\"late\":1}\n" });
    rig.tell(Input::Exited { child: old, exit: Exit::Code(1), stderr: b"" });
    rig.drain();
    rig.pass(Duration::from_secs(1));
    assert_eq!((rig.bridge.stats().children, rig.status(exchange)), (1, 200));
    // It is still there, and is asked to end.
    rig.tell(Input::Shutdown);
    rig.drain();
    assert_eq!(rig.bridge.stats().children, 0);
}

#[test]
fn every_answer_is_delivered_or_broken_off_in_time() {
    let config = Config::default();
    let (stall, health) =
        (config.stall, Head { method: "GET", path: "/healthz", authority: None, fields: &[] });
    let mut rig = Rig::new(config);
    rig.reads = false;
    assert_eq!(rig.ask(&POST, b"no JSON"), 400);
    assert_eq!(rig.ask(&health, b""), 200);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let session = rig.session.clone();
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", session.as_bytes())];
    assert_eq!(rig.ask(&Head { method: "DELETE", fields: &fields, ..POST }, b""), 200);
    assert!(rig.bridge.stats().children == 0 && !rig.bridge.is_idle());
    rig.pass(stall);
    assert_eq!(rig.aborted.len(), 4);
    assert!(rig.bridge.is_idle() && rig.bridge.buffered() == 0);
    assert_eq!(rig.bridge.poll_timeout(), None);
}

#[test]
fn a_server_is_at_each_of_its_paths_and_a_session_where_it_was_opened() {
    let mut rig = Rig::new(Config::default());
    let eras = Eras::Auto;
    let at = |path, number| Endpoint { path, server: Server(number), eras, ..Endpoint::default() };
    rig.tell(Input::Servers { servers: &[at("/a", 1), at("/b", 1)] });
    let paths = ["/a", "/b"];
    let mut sessions = Vec::new();
    for path in paths {
        assert_eq!(rig.ask(&Head { path, ..POST }, INITIALIZE), 200, "{path}");
        sessions.push(rig.session.clone());
    }
    let called = |rig: &mut Rig| {
        let ask = |rig: &mut Rig, session: &str, path| {
            let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", session.as_bytes())];
            let head = Head { path, fields: &fields, ..POST };
            match rig.bridge.admit(&head) {
                Ok(_) => rig.ask(&head, CALL),
                Err(refusal) => refusal.response.status,
            }
        };
        [0, 1].map(|number| paths.map(|path| ask(rig, &sessions[number], path)))
    };
    assert_eq!(called(&mut rig), [[200, 404], [404, 200]]);
    // It moves, its first path gets another, and its second none.
    rig.tell(Input::Servers { servers: &[at("/a", 2), at("/c", 1)] });
    assert_eq!(called(&mut rig), [[200, 404], [404, 200]]);
    assert_eq!(rig.ask(&Head { path: "/b", ..POST }, INITIALIZE), 404);
    // What was of use to those sessions alone goes with them.
    for (session, path) in sessions.iter().zip(paths) {
        let fields = [JSON[0], ("Mcp-Session-Id", session.as_bytes())];
        assert_eq!(
            rig.ask(&Head { method: "DELETE", path, authority: None, fields: &fields }, b""),
            200
        );
    }
    assert!(rig.bridge.admit(&Head { path: "/b", ..POST }).is_err());
}

#[test]
fn a_session_that_the_embedder_ends_is_gone_for_its_client_and_only_that_one() {
    let mut rig = Rig::new(Config::default());
    rig.now = Duration::from_secs(5);
    let mut ids = Vec::new();
    for _ in 0..2 {
        assert_eq!(rig.ask(&POST, INITIALIZE), 200);
        ids.push(rig.session.clone());
    }
    let sessions: Vec<_> = rig.bridge.sessions().collect();
    let [first, second] = &*sessions else { panic!("two sessions: {sessions:?}") };
    assert_eq!((first.version, first.calls, first.server), ("2025-11-25", 0, Server(0)));
    assert_eq!(first.since, Instant::new(Duration::from_secs(5)));
    assert_eq!([first.child, second.child].map(|child| child.unwrap()), *rig.opened);
    // A call is in flight when its session ends: it is answered.
    let session = first.number;
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", ids[0].as_bytes())];
    let post = Head { fields: &fields, ..POST };
    rig.child = |_| None;
    assert_eq!(rig.ask(&post, CALL), 200);
    assert_eq!(rig.bridge.sessions().map(|session| session.calls).sum::<usize>(), 1);
    let said = |rig: &Rig| String::from_utf8_lossy(&rig.answers[2].2).contains("\"error\":");
    assert!(!said(&rig), "its stream has begun");
    rig.tell(Input::End { session });
    rig.drain();
    assert!(said(&rig));
    rig.child = child;
    assert_eq!(rig.ask(&post, CALL), 404);
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", ids[1].as_bytes())];
    assert_eq!(rig.ask(&Head { fields: &fields, ..POST }, CALL), 200);
    assert_eq!((rig.bridge.sessions().count(), rig.bridge.stats().children), (1, 1));
    // Of what is gone nothing can be ended.
    rig.tell(Input::End { session });
    assert!(rig.bridge.poll_output().is_none());
}

#[test]
fn a_session_whose_process_crashed_is_listed_without_it() {
    let mut rig = Rig::new(Config::default());
    rig.now = Duration::from_secs(5);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let number = rig.bridge.sessions().next().unwrap().number;
    assert_eq!(rig.bridge.session_number(&rig.session), Some(number));
    rig.tell(Input::Exited { child: rig.opened[0], exit: Exit::Code(1), stderr: b"" });
    rig.drain();
    let sessions: Vec<_> = rig.bridge.sessions().collect();
    let [asleep] = &*sessions else { panic!("one session: {sessions:?}") };
    assert_eq!((asleep.number, asleep.version, asleep.child), (number, "2025-11-25", None));
    assert_eq!(asleep.since, Instant::new(Duration::from_secs(5)));
    assert_eq!(rig.bridge.session_number(&rig.session), Some(number));
}

#[test]
fn with_an_output_that_was_not_taken_the_engine_is_not_idle() {
    let mut rig = Rig::new(Config::default());
    assert!(rig.bridge.is_idle());
    rig.tell(Input::Shutdown);
    assert!(!rig.bridge.is_idle());
    rig.drain();
    assert!(rig.bridge.is_idle());
}
