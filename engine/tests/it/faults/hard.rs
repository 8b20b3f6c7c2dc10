//! Faults that the hard laws notice by themselves. Other judges know some of these laws too, and
//! may be the first to complain; so each fault names the words of the check that is meant.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mcp_bridge::{ChildId, Config, Exchange, Instant, Notice, Output};

use super::{LENGTH, SEEDS, Spoil, change, contains, content, replace, without};
use crate::world::{ROUGH_LENGTH, sim};
use sim::law::{Judged, Law};
use sim::subject::Fault;
use sim::{dice, rough};

/// Some case breaks this law in these words with this fault, and no law without it.
fn told<F: Fault>(
    length: usize,
    play: impl Fn(&[u8], Option<&mut F>) -> Judged,
    (law, words): (Law, &str),
    fault: impl Fn() -> F,
) {
    let mut others = BTreeMap::new();
    for seed in 1..=SEEDS {
        let case = dice::case(seed, length);
        match play(&case, Some(&mut fault())) {
            Err(broken) if broken.law == law && broken.how.contains(words) => {
                let sound = play(&case, None);
                return assert!(sound.is_ok(), "seed {seed}: {sound:?}");
            }
            Err(broken) => _ = others.entry(broken.law).or_insert(broken.how),
            Ok(()) => {}
        }
    }
    panic!("{law:?} did not notice: {words}; others: {others:#?}");
}

/// In the rough world, which has no other judge.
fn roughly<F: Fault>(law: Law, words: &str, fault: impl Fn() -> F) {
    let play = |case: &[u8], fault: Option<&mut F>| {
        rough::run(case, fault.map(|fault| fault as &mut dyn Fault))
    };
    told(ROUGH_LENGTH, play, (law, words), fault);
}

fn commonly<F: Fault>(law: Law, words: &str, fault: impl Fn() -> F) {
    let play = |case: &[u8], fault: Option<&mut F>| match fault {
        Some(fault) => sim::run_spoilt(case, fault).map(drop),
        None => sim::run(case).map(drop),
    };
    told(LENGTH, play, (law, words), fault);
}

/// Each output, and what comes after it.
fn after(mut more: impl FnMut(&Output) -> Option<Output>) -> impl Fault {
    Spoil(move |output: Output, into: &mut VecDeque<Output>| {
        let next = more(&output);
        into.push_back(output);
        into.extend(next);
    })
}

/// Changes what processes get.
fn writes(mut with: impl FnMut(&mut ChildId, &mut Vec<u8>)) -> impl Fault {
    change(move |output| {
        if let Output::Write { child, bytes } = output {
            with(child, bytes);
        }
    })
}

/// What has this in it goes to the process that got the first of its kind.
fn astray(mark: &'static str) -> impl Fault {
    let mut first = None;
    writes(move |child, bytes| {
        if contains(bytes, mark) {
            *child = *first.get_or_insert(*child);
        }
    })
}

#[test]
fn a_line_without_its_end_is_noticed() {
    roughly(Law::StdinLines, "not whole lines", || {
        writes(|_, bytes| bytes.truncate(bytes.len() - 1))
    });
}

#[test]
fn a_message_that_nobody_said_is_noticed() {
    let from = |mark: &'static str, to: &'static str| {
        change(move |output| match output {
            Output::Write { bytes, .. } => replace(bytes, mark, to),
            output => _ = content(output).map(|(_, bytes)| replace(bytes, mark, to)),
        })
    };
    roughly(Law::StdinLines, "nobody said", || from("@c", "@c99"));
    roughly(Law::BytesUnchanged, "nobody said", || from("@s", "@s99"));
}

#[test]
fn a_message_that_a_process_gets_twice_is_noticed() {
    roughly(Law::StdinLines, "a second time", || {
        after(|output| match output {
            Output::Write { child, bytes } => {
                Some(Output::Write { child: *child, bytes: bytes.clone() })
            }
            _ => None,
        })
    });
}

#[test]
fn messages_that_change_places_are_noticed() {
    roughly(Law::StdinLines, "too late", || {
        let mut held: Option<Output> = None;
        Spoil(move |output: Output, into: &mut VecDeque<Output>| {
            let call = matches!(&output, Output::Write { bytes, .. } if contains(bytes, "@c")
                && !contains(bytes, "\"initialize\""));
            if call && held.is_none() {
                held = Some(output);
                return;
            }
            into.push_back(output);
            if call {
                into.extend(held.take());
            }
        })
    });
}

#[test]
fn a_message_to_another_sessions_process_is_noticed() {
    roughly(Law::OwnSession, "'s, and gets", || astray("\"@c"));
}

#[test]
fn a_message_to_another_clients_process_is_noticed() {
    roughly(Law::Sharing, "is another's, and gets", || astray("\"@c"));
    roughly(Law::Sharing, "serves ", || astray("\"@u"));
}

#[test]
fn a_process_that_is_opened_twice_is_noticed() {
    roughly(Law::NoOrphan, "is opened twice", || {
        after(|output| match output {
            Output::Open { server, child, exchange, env } => {
                let (server, child, exchange) = (*server, *child, *exchange);
                Some(Output::Open { server, child, exchange, env: env.clone() })
            }
            _ => None,
        })
    });
}

#[test]
fn an_order_for_nobody_is_noticed() {
    roughly(Law::NoOrphan, "which was never opened", || {
        after(|output| match output {
            Output::CloseStdin { .. } => {
                Some(Output::Kill { child: ChildId::from_number(u64::MAX) })
            }
            _ => None,
        })
    });
}

#[test]
fn a_response_to_nobody_is_noticed() {
    roughly(Law::EndsOnce, "which nobody opened", || {
        after(|output| match output {
            Output::Respond { .. } => {
                Some(Output::Finish { exchange: Exchange::from_number(u64::MAX) })
            }
            _ => None,
        })
    });
}

#[test]
fn a_response_without_an_end_is_noticed() {
    roughly(Law::EveryRequestEnds, "never ends", || {
        without(|output| matches!(output, Output::Finish { .. } | Output::Abort { .. }))
    });
}

#[test]
fn steps_that_come_twice_or_early_are_noticed() {
    roughly(Law::Ladder, "stdin is closed, but", || {
        after(|output| match output {
            Output::CloseStdin { child } => Some(Output::CloseStdin { child: *child }),
            _ => None,
        })
    });
    roughly(Law::Ladder, "SIGKILL at", || {
        after(|output| match output {
            Output::Terminate { child } => Some(Output::Kill { child: *child }),
            _ => None,
        })
    });
}

#[test]
fn steps_that_do_not_come_are_noticed() {
    let signal = |output: &Output| matches!(output, Output::Terminate { .. } | Output::Kill { .. });
    let any = move |output: &Output| signal(output) || matches!(output, Output::CloseStdin { .. });
    roughly(Law::LadderDue, "no SIGTERM at", || without(signal));
    roughly(Law::LadderDue, "is not killed at once", || without(any));
    commonly(Law::LadderDue, "stays after the drain", || without(any));
}

#[test]
fn more_processes_than_may_be_are_noticed() {
    struct Loose;
    impl Fault for Loose {
        fn config(&mut self, config: &mut Config) {
            config.sessions = config.sessions.saturating_add(64);
            config.pool = config.pool.saturating_add(64);
        }
    }
    roughly(Law::Limits, "are allowed", || Loose);
}

#[test]
fn a_session_id_in_the_log_is_noticed() {
    roughly(Law::Secret, "a session id in the log", || {
        after(|output| {
            let Output::Respond { response, .. } = output else { return None };
            let id = response.fields.iter().find(|(name, _)| *name == "mcp-session-id");
            id.map(|(_, id)| Output::Notice(Notice::Refused { status: 0, reason: id.to_string() }))
        })
    });
}

#[test]
fn a_wait_that_is_left_at_the_end_is_noticed() {
    /// Longer than any leap of time.
    struct Later(Duration);
    impl Fault for Later {
        fn timeout(&mut self, timeout: Option<Instant>) -> Option<Instant> {
            self.0 += Duration::from_secs(1);
            timeout.or_else(|| Some(Instant::new(self.0)))
        }
    }
    roughly(Law::Empty, "it waits until", || Later(Duration::from_secs(1 << 60)));
}

#[test]
fn a_stream_whose_address_names_no_session_is_noticed() {
    roughly(Law::Events, "the address", || {
        change(|output| {
            if let Output::Send { bytes, .. } = output {
                replace(bytes, "?sessionId=", "?session=");
            }
        })
    });
}
