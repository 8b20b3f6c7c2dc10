//! Faults in how children are treated, and in what the engine says of itself.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mcp_bridge::{Cause, ChildId, Config, Input, Instant, Notice, Output};

use super::{LENGTH, SEEDS, Spoil, change, noticed, replace, roughly_noticed, without};
use crate::world::sim;
use sim::dice;
use sim::law::Law;
use sim::subject::Fault;

fn writes(mut with: impl FnMut(&mut Vec<u8>)) -> impl Fault {
    change(move |output| {
        if let Output::Write { bytes, .. } = output {
            with(bytes);
        }
    })
}

#[test]
fn a_ping_without_an_answer_is_noticed() {
    let pong = |output: &Output| match output {
        Output::Write { bytes, .. } => bytes.ends_with(b"\"result\":{}}\n"),
        _ => false,
    };
    noticed(Law::Prompt, || without(pong));
}

#[test]
fn an_answer_by_another_spelling_that_is_dropped_is_noticed() {
    struct Strict;
    impl Fault for Strict {
        fn swallows(&mut self, input: &Input<'_>) -> bool {
            let Input::Stdout { bytes, .. } = input else { return false };
            String::from_utf8_lossy(bytes).contains(".0,\"result\":")
        }
    }
    noticed(Law::Prompt, || Strict);
}

#[test]
fn a_request_that_is_changed_is_noticed() {
    noticed(Law::StdinLines, || writes(|bytes| replace(bytes, "\"v\":1.10", "\"v\":1.1")));
}

#[test]
fn a_request_on_two_lines_is_noticed() {
    noticed(Law::StdinLines, || writes(|bytes| replace(bytes, ",\"params\"", ",\n\"params\"")));
}

#[test]
fn an_id_that_is_used_twice_is_noticed() {
    noticed(Law::StdinIds, || writes(|bytes| replace(bytes, "\"id\":3,", "\"id\":2,")));
}

#[test]
fn a_cancellation_of_something_else_is_noticed() {
    noticed(Law::Cancel, || writes(|bytes| replace(bytes, "\"requestId\":", "\"requestId\":9")));
}

#[test]
fn a_signal_that_comes_early_is_noticed() {
    noticed(Law::Ladder, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            let child = match output {
                Output::CloseStdin { child } => Some(child),
                _ => None,
            };
            into.push_back(output);
            into.extend(child.map(|child| Output::Terminate { child }));
        })
    });
}

#[test]
fn a_child_that_is_not_killed_is_noticed() {
    noticed(Law::LadderDue, || without(|output| matches!(output, Output::Kill { .. })));
}

#[test]
fn a_child_without_an_owner_is_noticed() {
    noticed(Law::NoOrphan, || without(|output| matches!(output, Output::CloseStdin { .. })));
}

#[test]
fn a_child_that_is_not_read_is_noticed() {
    struct Blind;
    impl Fault for Blind {
        fn wants(&mut self, _wants: bool) -> bool {
            false
        }
    }
    noticed(Law::Wants, || Blind);
}

#[test]
fn a_child_that_is_read_while_memory_is_short_is_noticed() {
    let paces = |output: &Output| matches!(output, Output::Pause { .. } | Output::Resume { .. });
    roughly_noticed(Law::Pace, || without(paces));
}

/// The same for children that start meanwhile.
#[derive(Default)]
struct Fresh {
    opened: BTreeSet<ChildId>,
}

impl Fault for Fresh {
    fn swallows(&mut self, _input: &Input<'_>) -> bool {
        self.opened.clear();
        false
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        match output {
            Output::Open { child, .. } => _ = self.opened.insert(child),
            Output::Pause { child } if self.opened.contains(&child) => return,
            _ => {}
        }
        into.push_back(output);
    }
}

#[test]
fn a_child_that_starts_while_memory_is_short_and_is_read_is_noticed() {
    roughly_noticed(Law::Pace, Fresh::default);
}

/// Does not see the field by which clients are told apart.
struct Blur;

impl Fault for Blur {
    fn hides(&mut self, name: &str) -> bool {
        name == "x-user"
    }
}

#[test]
fn a_process_that_two_clients_share_by_mistake_is_noticed() {
    roughly_noticed(Law::Sharing, || Blur);
}

/// Pauses a child that is gone, when something happens after that.
#[derive(Default)]
struct Ghost {
    gone: Option<ChildId>,
    due: Option<ChildId>,
}

impl Fault for Ghost {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.due = self.due.or_else(|| self.gone.take());
        if let Input::Exited { child, .. } = input {
            self.gone = Some(*child);
        }
        false
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        into.extend(self.due.take().map(|child| Output::Pause { child }));
        into.push_back(output);
    }
}

#[test]
fn a_pause_of_a_child_that_is_gone_is_noticed() {
    noticed(Law::Ladder, Ghost::default);
}

#[test]
fn a_false_cause_is_noticed() {
    noticed(Law::Ending, || {
        change(|output| {
            if let Output::Notice(Notice::SessionEnded { cause, .. }) = output {
                *cause = Cause::Deleted;
            }
        })
    });
}

#[test]
fn a_log_that_quotes_messages_is_noticed() {
    noticed(Law::Secret, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            if let Output::Notice(Notice::MalformedLine { line, .. }) = &output {
                let reason = format!("a line that is no message: {line}");
                into.push_back(Output::Notice(Notice::Refused { status: 0, reason }));
            }
            into.push_back(output);
        })
    });
}

#[test]
fn a_breaker_that_opens_early_is_noticed() {
    struct Hasty;
    impl Fault for Hasty {
        fn config(&mut self, config: &mut Config) {
            config.breaker_starts = 1;
        }
    }
    noticed(Law::Breaker, || Hasty);
}

#[test]
fn limits_that_are_not_kept_are_noticed() {
    struct Loose;
    impl Fault for Loose {
        fn config(&mut self, config: &mut Config) {
            config.sessions *= 8;
            config.calls *= 8;
            config.starting *= 8;
        }
    }
    noticed(Law::Limits, || Loose);
}

#[test]
fn a_false_account_is_noticed() {
    struct Account(usize);
    impl Fault for Account {
        fn buffered(&mut self, _bytes: usize) -> usize {
            self.0
        }
    }
    noticed(Law::Buffered, || Account(usize::MAX));
    noticed(Law::Buffered, || Account(0));
}

#[test]
fn bytes_that_are_kept_and_not_charged_are_noticed() {
    struct Skimmed;
    impl Fault for Skimmed {
        fn buffered(&mut self, bytes: usize) -> usize {
            bytes / 2
        }
    }
    noticed(Law::Buffered, || Skimmed);
}

#[test]
fn bytes_that_are_charged_and_never_given_back_are_noticed() {
    struct Leaking(usize);
    impl Fault for Leaking {
        fn buffered(&mut self, bytes: usize) -> usize {
            self.0 = self.0.max(bytes);
            self.0
        }
    }
    noticed(Law::Empty, || Leaking(0));
}

#[test]
fn memory_pressure_that_comes_late_is_noticed() {
    struct Late;
    impl Fault for Late {
        fn config(&mut self, config: &mut Config) {
            config.budget *= 8;
        }
    }
    noticed(Law::Pace, || Late);
}

#[test]
fn a_deadline_that_stays_is_noticed() {
    struct Stuck;
    impl Fault for Stuck {
        fn timeout(&mut self, _timeout: Option<Instant>) -> Option<Instant> {
            Some(Instant::default())
        }
    }
    noticed(Law::NoSpin, || Stuck);
}

#[test]
fn wakes_for_nothing_are_noticed() {
    #[derive(Default)]
    struct Restless(Option<Instant>);
    impl Fault for Restless {
        fn timeout(&mut self, timeout: Option<Instant>) -> Option<Instant> {
            let again = self.0.map(|last| last.after(Duration::from_millis(250)));
            self.0 = timeout.min(again.or(timeout));
            self.0
        }
    }
    roughly_noticed(Law::NoSpin, Restless::default);
}

#[test]
fn an_engine_that_is_never_idle_is_noticed() {
    struct Busy;
    impl Fault for Busy {
        fn idle(&mut self, _idle: bool) -> bool {
            false
        }
    }
    noticed(Law::Empty, || Busy);
}

#[test]
fn a_run_that_differs_is_noticed() {
    let noticed = (1..=SEEDS).any(|seed| {
        let case = dice::case(seed, LENGTH);
        let mut fault = change(|output| {
            if let Output::Respond { response, .. } = output {
                for (name, value) in response.fields.to_mut() {
                    if *name == "retry-after" {
                        *value = Cow::Borrowed("77");
                    }
                }
            }
        });
        match (sim::run(&case), sim::run_spoilt(&case, &mut fault)) {
            (Ok(first), Ok(second)) => sim::require_same(first, second).is_err(),
            _ => false,
        }
    });
    assert!(noticed);
}
