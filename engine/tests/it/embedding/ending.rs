//! The shutdown sequence of one process under all short sequences of what can happen to it.

use mcp_bridge::{Config, Exit, Input, Output, SessionNumber};

use super::rig::Rig;
use super::{INITIALIZE, POST};

/// What can happen: the next wait is due, the process closes its output, its session is ended, the
/// program is told to end, the process exits.
const STEPS: [Step; 5] = [Step::Due, Step::Closed, Step::End, Step::Shutdown, Step::Exit];
const DEPTH: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Due,
    Closed,
    End,
    Shutdown,
    Exit,
}

/// The orders that the process got, in a session that is open.
fn play(steps: &[Step]) -> (Rig, Vec<u8>) {
    let mut rig = Rig::new(Config { restart: false, ..Config::default() });
    assert_eq!(rig.ask(&POST, INITIALIZE), 200);
    let (child, mut orders) = (rig.opened[0], Vec::new());
    for step in steps {
        let due = rig.bridge.poll_timeout();
        match step {
            Step::Due => {
                rig.now = due.map_or(rig.now, |due| due.since_origin().max(rig.now));
                rig.tell(Input::Tick);
            }
            Step::Closed => rig.tell(Input::StdoutClosed { child }),
            Step::End => rig.tell(Input::End { session: SessionNumber::from_number(1) }),
            Step::Shutdown => rig.tell(Input::Shutdown),
            Step::Exit => rig.tell(Input::Exited { child, exit: Exit::Code(0), stderr: b"" }),
        }
        while let Some(output) = rig.bridge.poll_output() {
            match output {
                Output::CloseStdin { .. } => orders.push(0),
                Output::Terminate { .. } => orders.push(1),
                Output::Kill { .. } => orders.push(2),
                Output::Open { .. } => panic!("{steps:?}: another process starts"),
                _ => {}
            }
        }
    }
    (rig, orders)
}

/// Plays these steps, and all that can follow.
fn explore(steps: &mut Vec<Step>, before: &[u8], played: &mut usize) {
    let (rig, orders) = play(steps);
    *played += 1;
    let (given, new) = orders.split_at(before.len());
    assert_eq!(given, before, "{steps:?}: the same again");
    assert!(orders.is_sorted_by(|one, next| one < next), "{steps:?}: {orders:?}");
    let (last, shutdowns) = (steps.last(), steps.iter().filter(|s| **s == Step::Shutdown).count());
    if last == Some(&Step::Exit) {
        assert!(new.is_empty(), "{steps:?}: it is gone, and gets {new:?}");
        assert_eq!(rig.bridge.stats().children, 0, "{steps:?}");
        assert!(shutdowns == 0 || rig.bridge.poll_timeout().is_none(), "{steps:?}: a wait is left");
        return;
    }
    let (begun, killed) = (!orders.is_empty(), orders.contains(&2));
    assert!(begun || shutdowns == 0 && !steps.contains(&Step::End), "{steps:?}: it stays");
    assert!(killed || shutdowns < 2, "{steps:?}: it is not killed at once");
    let waits = rig.bridge.poll_timeout().is_some();
    assert!(!begun || killed || waits, "{steps:?}: no step follows {orders:?}");
    assert!(last != Some(&Step::Due) || before.is_empty() || killed || !new.is_empty());
    if steps.len() < DEPTH {
        for step in STEPS {
            steps.push(step);
            explore(steps, &orders, played);
            steps.pop();
        }
    }
}

#[test]
fn after_any_eight_steps_a_process_was_told_to_end_in_order_and_gets_the_next_order_in_time() {
    let mut played = 0;
    explore(&mut Vec::new(), &[], &mut played);
    assert!(played > 100_000, "{played}");
}
