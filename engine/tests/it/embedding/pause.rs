//! When a child is read: pauses and resumes are outputs, and one who ignores them is reported.

use std::time::Duration;

use mcp_bridge::{ChildId, Config, Head, Input, Notice, Output};

use super::rig::Rig;
use super::{CALL, INITIALIZE, JSON, POST};

/// One message of the child for its client.
const NEWS: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\
      \"data\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}}\n";

/// A session with a call whose answer is a stream, of which nothing is taken from now on.
fn unread(config: Config) -> (Rig, ChildId) {
    let mut rig = Rig::new(config);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let session = rig.session.clone();
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", session.as_bytes())];
    rig.reads = false;
    rig.child = |_| None;
    assert_eq!(rig.ask(&Head { fields: &fields, ..POST }, CALL), 200);
    let child = rig.opened[0];
    (rig, child)
}

#[test]
fn a_child_is_paused_behind_what_its_output_brought_and_resumed_when_that_is_taken() {
    let (mut rig, child) = unread(Config { queue: 1000, ..Config::default() });
    // The first event, without a message.
    let mut sent = rig.answers.last().expect("the stream").2.len();
    let paused = (0..100).find_map(|count| {
        rig.tell(Input::Stdout { child, bytes: NEWS });
        let mut outputs = Vec::new();
        while let Some(output) = rig.bridge.poll_output() {
            outputs.push(output);
        }
        let bytes = outputs.iter().map(|output| match output {
            Output::Send { bytes, .. } => bytes.len(),
            _ => 0,
        });
        sent += bytes.sum::<usize>();
        let pauses = outputs.contains(&Output::Pause { child });
        assert_eq!(pauses, sent >= 1000, "after {count} messages");
        pauses.then(|| assert!(matches!(&outputs[..], [Output::Send { .. }, Output::Pause { .. }])))
    });
    assert!(paused.is_some());
    let exchange = rig.answers.last().expect("the stream").0;
    rig.tell(Input::Taken { exchange, bytes: sent - 1000 });
    assert_eq!(rig.bridge.poll_output(), None, "as much as the queue holds waits");
    rig.tell(Input::Taken { exchange, bytes: 1 });
    assert_eq!(rig.bridge.poll_output(), Some(Output::Resume { child }));
    assert_eq!(rig.bridge.poll_output(), None);
}

#[test]
fn a_driver_that_reads_a_paused_child_is_reported_and_holds_no_more_than_the_budget() {
    let config = Config { budget: 4 << 20, message: 1 << 18, ..Config::default() };
    let most = config.memory(1);
    let (mut rig, child) = unread(config);
    let piece = NEWS.repeat(300);
    let (mut given, mut reports) = (0, 0);
    while given < 8 << 20 {
        rig.tell(Input::Stdout { child, bytes: &piece });
        given += piece.len();
        while let Some(output) = rig.bridge.poll_output() {
            if let Output::Notice(notice @ Notice::Misuse { .. }) = &output {
                let told = notice.to_string();
                assert!(told.contains("a paused child") && given > 2 << 20, "{given}: {told}");
                reports += 1;
            }
            rig.carry_out(output);
        }
        assert!(rig.bridge.buffered() <= most, "{} after {given}", rig.bridge.buffered());
    }
    assert!(reports == 1 && rig.pauses.0 == 1, "{reports} {:?}", rig.pauses);
}

#[test]
fn what_a_driver_has_read_already_is_no_misuse() {
    let (mut rig, child) = unread(Config::default());
    let piece = NEWS.repeat(500);
    for _ in 0..100 {
        if rig.pauses.0 > 0 {
            break;
        }
        rig.tell(Input::Stdout { child, bytes: &piece });
        rig.drain();
    }
    assert_eq!(rig.pauses, (1, 0));
    // Twice what is left in its pipe when it has ended, and no more.
    let late = NEWS.iter().copied().cycle().take((2 << 20) + 1).collect::<Vec<_>>();
    let (more, last) = late.split_at(2 << 20);
    for bytes in more.chunks(piece.len()) {
        rig.tell(Input::Stdout { child, bytes });
        rig.drain();
    }
    assert!(!rig.misused);
    rig.tell(Input::Stdout { child, bytes: last });
    rig.drain();
    assert!(rig.misused);
}

#[test]
fn children_are_paused_while_the_memory_is_used_up_by_others() {
    let config = Config { budget: 4 << 20, message: 1 << 16, ..Config::default() };
    let mut rig = Rig::new(config);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let mut uploads = rig.bridge.budget().share();
    uploads.hold(4 << 20);
    rig.tell(Input::Tick);
    rig.drain();
    assert_eq!(rig.pauses, (1, 0));
    drop(uploads);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.pauses, (1, 1));
}

/// Answers calls with twelve thousand bytes, which is little.
fn wordy(line: &[u8]) -> Option<Vec<u8>> {
    let answer = String::from_utf8(super::rig::child(line)?).ok()?;
    let long = format!("\"result\":\"{}\"", "x".repeat(12_000));
    Some(answer.replace("\"result\":{}", &long).into_bytes())
}

#[test]
fn while_memory_is_short_and_nothing_can_be_freed_the_engine_does_not_wake() {
    let config = Config { budget: 1 << 18, message: 1 << 16, ..Config::default() };
    let mut rig = Rig::new(config);
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let session = rig.session.clone();
    let fields = [JSON[0], JSON[1], ("Mcp-Session-Id", session.as_bytes())];
    (rig.reads, rig.child) = (false, wordy);
    for _ in 0..10 {
        assert_eq!(rig.ask(&Head { fields: &fields, ..POST }, CALL), 200);
    }
    assert!(rig.bridge.buffered() > 115_000, "half of the budget, but for a message");
    rig.pass(Duration::from_secs(5));
    let due = rig.bridge.poll_timeout().expect("clients that read nothing are dropped");
    assert!(due.since_origin() > rig.now + Duration::from_secs(20), "it wakes at {due}");
    assert!(rig.aborted.is_empty() && rig.bridge.buffered() > 115_000);
}
