//! What becomes of the records of sessions that an earlier run has left.

use std::time::Duration;

use mcp_bridge::{Config, Input, Instant, SessionNumber};

use super::rig::Rig;
use super::{INITIALIZE, POST};

/// The record of a session with this id.
fn record(id: &str) -> String {
    let start = format!(r#"{{"format":1,"id":"{id}","path":"/mcp","env":[],"initialize":{{}},"#);
    start
        + r#""version":"?","modern":false,"capabilities":{},"server":null,"initialized":false,"#
        + r#""uris":[]}"#
}

fn restore(rig: &mut Rig, record: &str) -> Result<SessionNumber, String> {
    let restored = rig.bridge.restore(record.as_bytes(), Duration::ZERO, Instant::default());
    restored.map_err(|error| error.to_string())
}

#[test]
fn why_a_record_makes_no_session_is_told() {
    let mut rig = Rig::new(Config::default());
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let open = rig.session.clone();
    let used = restore(&mut rig, &record(&open));
    assert_eq!(used, Err("another session has the same id".into()));
    let torn = restore(&mut rig, "torn");
    assert_eq!(torn, Err("the record is cut short or no session's".into()));
    // A session can be restored beside an open one with another id.
    assert!(restore(&mut rig, &record(&"7".repeat(open.len()))).is_ok());
}

#[test]
fn sessions_that_sleep_take_a_quarter_of_the_memory_and_give_it_back() {
    const MANY: usize = 20;
    let numbered = |number: usize| record(&format!("{number:032x}"));
    let mut rig = Rig::new(Config::default());
    assert!(restore(&mut rig, &numbered(1)).is_ok());
    let budget = 4 * MANY * rig.bridge.buffered();

    let mut rig = Rig::new(Config { budget, message: budget / 8, ..Config::default() });
    let full = Err("the limit of sleeping sessions is reached".into());
    let made: Vec<_> = (1..).map_while(|n| restore(&mut rig, &numbered(n)).ok()).collect();
    assert_eq!(made.len(), MANY + 1, "the last one fills it");
    rig.tell(Input::End { session: made[0] });
    assert!(restore(&mut rig, &numbered(0)).is_ok());
    assert_eq!(restore(&mut rig, &numbered(1)), full);
}
