//! Streams: what goes onto which, taking over, resuming, and the signs of life.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Conn, Events};
use crate::support::mcp::{Answer, PRIMED, QUIET, Session, notification, notify, script};
use crate::support::process::memory;
use crate::support::proxy::Proxy;

/// A step that sends a log message that belongs to no call.
fn log(text: &str) -> Value {
    notify("message", &json!({"level": "info", "data": text}))
}

fn data(message: &Value) -> &str {
    message["params"]["data"].as_str().unwrap_or_else(|| panic!("{message}"))
}

#[test]
fn a_stream_says_that_it_must_not_be_held_back() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let call = session.post(&script("1", "", &json!([log("a"), {"answer": "b"}])));
    for stream in [session.listen(), Events::read(call)] {
        assert_eq!(stream.head.field("x-accel-buffering"), Some("no"));
        assert_eq!(stream.head.field("cache-control"), Some("no-cache, no-transform"));
        assert_eq!(stream.head.field("mcp-session-id"), None);
    }
}

#[test]
fn a_quiet_call_becomes_resumable_in_the_revision_with_priming() {
    let proxy = Proxy::child(&[]);
    let session = Session::open_at(&proxy, PRIMED);
    let steps = json!([{"sleep": 400}, {"answer": "done"}]);
    let mut stream = Events::read(session.post(&script("1", "", &steps)));
    let primed = stream.next().unwrap();
    assert_eq!(primed.data.as_deref(), Some(""));
    assert!(primed.retry.is_some());
    let place = primed.id.expect("an event id");
    // The connection breaks before the answer; the call goes on.
    drop(stream);
    let mut stream = Events::read(session.resume(&place));
    assert_eq!(stream.message()["result"]["content"][0]["text"], "done");
    assert_eq!(stream.next(), None);
}

#[test]
fn older_clients_get_no_priming_event() {
    let proxy = Proxy::child(&[]);
    let session = Session::open_at(&proxy, QUIET);
    let steps = json!([{"sleep": 200}, log("a"), {"answer": "b"}]);
    let mut stream = Events::read(session.post(&script("1", "", &steps)));
    let first = stream.next().unwrap();
    assert_eq!((data(&first.json()), first.retry), ("a", None));
}

#[test]
fn a_cut_stream_resumes_where_it_was() {
    let proxy = Proxy::child(&[]);
    let session = Session::open_at(&proxy, PRIMED);
    let steps = json!([
        log("0"), log("1"), {"sleep": 300}, log("2"), log("3"), {"answer": "done"}]);
    let mut other = session.listen();
    assert_eq!(other.next().unwrap().data.as_deref(), Some(""), "the priming event");
    let mut stream = Events::read(session.post(&script("1", "\"t\"", &steps)));
    let mut place = None;
    while place.is_none() {
        let event = stream.next().unwrap();
        if event.data.as_deref().is_some_and(|text| text.contains("\"0\"")) {
            place = event.id;
        }
    }
    drop(stream);
    let place = place.unwrap();
    // As often as it asks, it gets what came after that place, on that stream only.
    for _ in 0..2 {
        let mut stream = Events::read(session.resume(&place));
        for text in ["1", "2", "3"] {
            assert_eq!(data(&stream.message()), text);
        }
        assert_eq!(stream.message()["result"]["content"][0]["text"], "done");
        assert_eq!(stream.next(), None);
    }
    other.is_silent(Duration::from_millis(100));
}

#[test]
fn foreign_future_and_malformed_places_give_nothing_of_others() {
    let proxy = Proxy::child(&[]);
    let (mine, theirs) = (Session::open_at(&proxy, PRIMED), Session::open_at(&proxy, PRIMED));
    let secret = json!([log("secret"), {"sleep": 100}, {"answer": "secret"}]);
    let mut stream = Events::read(theirs.post(&script("1", "", &secret)));
    let place = stream.next().unwrap().id.expect("an event id");
    let digits: String = place.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    for place in [&place, &digits, "", "x", "0", "-1", "1-1-1", "99999999999999999999999-1"] {
        let mut conn: Conn = mine.resume(place);
        conn.patience(Duration::from_millis(200));
        let head = conn.head();
        let text = conn.body(&head).unwrap_or_default();
        assert!(head.status == 400 || head.status == 200, "{place}: {head:?}");
        assert!(!text.contains("secret"), "{place}: {text}");
    }
}

#[test]
fn a_second_listener_takes_over_and_nothing_comes_twice() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut first = session.listen();
    let update = |uri: &str| {
        let updated = notify("resources/updated", &json!({"uri": uri}));
        session.script("1", json!([updated, {"answer": ""}]));
    };
    update("x://a");
    assert_eq!(first.message()["params"]["uri"], "x://a");
    let mut second = session.listen();
    // The first ends, one way or the other.
    assert!(matches!(first.try_next(), Ok(None) | Err(_)));
    update("x://b");
    assert_eq!(second.message()["params"]["uri"], "x://b");
    second.is_silent(Duration::from_millis(100));
}

#[test]
fn what_belongs_to_no_call_goes_to_one_stream() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    // The stream of the only call in flight.
    let mut standing = session.listen();
    let only = session.script("1", json!([log("only"), {"answer": "x"}]));
    assert_eq!(only.messages.len(), 2, "{only:?}");
    // Two calls: the listener's.
    let slow = session.post(&script("1", "", &json!([{"sleep": 300}, {"answer": "slow"}])));
    let two = session.script("2", json!([log("two"), {"answer": "x"}]));
    assert_eq!(two.messages.len(), 1, "{two:?}");
    assert_eq!(data(&standing.message()), "two");
    let slow = Answer::read(slow);
    assert_eq!(slow.messages.len(), 1, "{slow:?}");
    // No call: the listener's again.
    let later = format!("sleep 0.1; echo '{}'", notification("x", &json!({})));
    session.script("3", json!([{"spawn": later}, {"answer": "x"}]));
    assert_eq!(standing.message()["method"], "notifications/x");
    standing.is_silent(Duration::from_millis(100));
}

#[test]
fn what_nobody_reads_waits_for_a_listener() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let steps =
        json!([{"answer": "x"}, {"sleep": 50}, notify("x", &json!({})), {"stderr": "told\n"}]);
    session.script("1", steps);
    proxy.logged(&["told"]);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(session.listen().message()["method"], "notifications/x");
}

#[test]
fn a_flood_that_nobody_reads_is_dropped_and_hurts_nobody() {
    let proxy = Proxy::child(&[]);
    let (session, other) = (Session::open(&proxy), Session::open(&proxy));
    let before = memory(proxy.pid(), "VmRSS:");
    let padding = "x".repeat(60_000);
    let line = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\",\"params\":[$N,\"{padding}\"]}}\n"
    );
    // The call is answered first, so that the flood belongs to nobody.
    let steps = json!([{"answer": "x"}, {"repeat": [500, line]}, {"stderr": "flooded\n"}]);
    session.script("1", steps);
    assert_eq!(other.script("1", json!([{"answer": "y"}])).text(), "y");
    proxy.logged(&["flooded"]);
    let growth = memory(proxy.pid(), "VmHWM:").saturating_sub(before);
    assert!(growth <= 4 * 1024, "{growth} KiB");
    proxy.logged(&["no client reads its messages"]);
    // The newest of it waits, within the limit of the replay.
    let first = session.listen().message()["params"][0].as_u64().unwrap();
    assert!((480..500).contains(&first), "{first}");
}

#[test]
fn a_reader_that_stops_holds_up_nobody_else() {
    let proxy = Proxy::child(&[]);
    let (session, other) = (Session::open(&proxy), Session::open(&proxy));
    let progress = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\
         \"params\":{{\"progressToken\":$TOKEN,\"progress\":$N,\"message\":\"{}\"}}}}\n",
        "x".repeat(60_000)
    );
    let before = memory(proxy.pid(), "VmRSS:");
    let stalled =
        session.post(&script("1", "1", &json!([{"repeat": [500, progress]}, {"answer": "x"}])));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(other.script("1", json!([{"answer": "y"}])).text(), "y");
    let growth = memory(proxy.pid(), "VmRSS:").saturating_sub(before);
    assert!(growth <= 4 * 1024, "{growth} KiB");
    // It reads on, and nothing is missing.
    let answer = Answer::read(stalled);
    assert_eq!((answer.messages.len(), answer.text().as_str()), (501, "x"));
}

#[test]
#[ignore = "takes as long as the keep-alive"]
fn a_silent_stream_shows_that_it_lives() {
    let proxy = Proxy::child(&[]);
    let mut streams = Vec::new();
    for version in [QUIET, PRIMED] {
        let session = Session::open_at(&proxy, version);
        streams.push((version, "listener", session.listen()));
        let conn = session.post(&script("1", "", &json!([{"sleep": 60_000}])));
        conn.patience(Duration::from_secs(17));
        streams.push((version, "call", Events::read(conn)));
    }
    for (version, kind, stream) in &mut streams {
        stream.patience(Duration::from_secs(17));
        let primed = *version == PRIMED && stream.try_any().unwrap().is_some_and(|e| !e.comment);
        assert_eq!(primed, *version == PRIMED, "{version} {kind}");
        let event = stream.try_any().unwrap_or_else(|error| panic!("{version} {kind}: {error}"));
        assert!(event.is_some_and(|event| event.comment), "{version} {kind}");
    }
}
