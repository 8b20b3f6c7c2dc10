//! Whatever a child does wrong, by the list of its misdeeds: its own call comes to the end that the
//! list says, and a session beside it notices nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{PATIENCE, Reply};
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, initialize, script};
use crate::support::proxy::Proxy;

#[path = "../../child/misdeeds.rs"]
pub(super) mod list;

use list::Then;

/// What a silent call may take before it is taken for one.
const SILENCE: Duration = Duration::from_millis(150);

/// The session beside works.
#[track_caller]
fn works(session: &Session<'_>, name: &str) {
    let answer = session.script("\"ok\"", json!([{"answer": "fine"}]));
    assert_eq!(answer.text(), "fine", "beside one that {name}");
}

/// The text of an answer, or the message of an error.
fn told(answer: &Answer) -> Result<String, String> {
    let last = answer.last();
    match last["error"]["message"].as_str() {
        Some(message) => Err(message.to_owned()),
        None => Ok(last["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()),
    }
}

fn judge(session: &Session<'_>, name: &str, steps: &Value, then: Then) {
    let conn = session.post(&script("\"bad\"", "", steps));
    match then {
        Then::Answered => {
            let answer = Answer::read(conn);
            assert_eq!(told(&answer), Ok("right".into()), "{name}: {answer:?}");
            let own = |message: &&String| message.contains("\"id\":\"bad\"");
            assert_eq!(answer.messages.iter().filter(own).count(), 1, "{name}: {answer:?}");
            works(session, name);
        }
        Then::Refused => {
            let answer = Answer::read(conn);
            assert_eq!(answer.last()["id"], "bad", "{name}");
            assert!(told(&answer).is_err(), "{name}: {answer:?}");
            works(session, name);
        }
        Then::Ended => {
            let answer = Answer::read(conn);
            assert_eq!(answer.last()["id"], "bad", "{name}");
            assert!(told(&answer).is_err(), "{name}: {answer:?}");
            // The next call has another process.
            works(session, name);
        }
        Then::Silent | Then::Mute => {
            let mut conn = conn;
            conn.patience(SILENCE);
            assert!(conn.try_head().is_err(), "{name}: it was answered");
            conn.patience(PATIENCE);
            if then == Then::Silent {
                works(session, name);
            }
            // It ends with the session, if not before.
            assert!(session.delete().status() < 300, "{name}");
            assert!(told(&Answer::read(conn)).is_err(), "{name}");
        }
    }
}

#[test]
fn there_are_many_misdeeds_each_with_its_name() {
    let mut names: Vec<&str> = list::DURING.iter().map(|(name, ..)| *name).collect();
    names.extend(list::AT_START.iter().map(|(name, ..)| name));
    names.extend(list::AT_END.iter().map(|(name, _)| name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "{count}");
}

#[test]
fn a_misdeed_in_a_call_hurts_that_call_and_no_other_session() {
    let proxy = Proxy::child(&[]);
    let beside = Session::open(&proxy);
    for (name, steps, then) in list::DURING {
        let session = Session::open(&proxy);
        judge(&session, name, &list::steps(steps, *then), *then);
        works(&beside, name);
        if matches!(then, Then::Answered | Then::Refused | Then::Ended) {
            assert!(session.delete().status() < 300, "{name}");
        }
    }
    assert!(beside.delete().status() < 300);
    proxy.childless(PATIENCE);
    let log = proxy.log();
    assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "control characters in the log");
}

#[test]
fn a_misdeed_at_the_start_is_a_5xx_and_leaves_nothing() {
    for (name, option, steps) in list::AT_START {
        let proxy = Proxy::child(&[option, steps]);
        let start = Instant::now();
        let reply: Reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
        assert!((500..600).contains(&reply.status()), "{name}: {reply:?}");
        assert_eq!(reply.json()["id"], "init", "{name}");
        assert_eq!(reply.head.field("mcp-session-id"), None, "{name}");
        assert!(start.elapsed() < Duration::from_secs(5), "{name}: {:?}", start.elapsed());
        proxy.childless(PATIENCE);
        assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200, "{name}");
    }
}

#[test]
fn a_misdeed_at_the_end_keeps_no_process_and_no_other_session() {
    for (name, steps) in list::AT_END {
        let proxy = Proxy::child(&["--eof", steps]);
        let (session, beside) = (Session::open(&proxy), Session::open(&proxy));
        assert!(session.delete().status() < 300);
        works(&beside, name);
        let start = Instant::now();
        while proxy.children().len() > 1 {
            works(&beside, name);
            assert!(start.elapsed() < PATIENCE, "{name}: {:?}", proxy.children());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
