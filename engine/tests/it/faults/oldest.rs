//! Faults in what clients of HTTP+SSE get, in the rough world, where the hard laws judge alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mcp_bridge::{Exchange, Input, Output};

use super::{SEEDS, contains};
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;
use crate::world::sim::{dice, rough};

/// Bytes of a case.
const LENGTH: usize = 1200;

/// Some case of the rough world breaks this law with this fault, and no law without it.
fn noticed<F: Fault>(law: Law, fault: impl Fn() -> F) {
    let mut others = BTreeMap::new();
    for seed in 1..=SEEDS {
        let case = dice::case(seed, LENGTH);
        match rough::run(&case, Some(&mut fault())) {
            Err(broken) if broken.law == law => {
                let sound = rough::run(&case, None);
                return assert!(sound.is_ok(), "seed {seed}: {sound:?}");
            }
            Err(broken) => *others.entry(broken.law).or_insert(0) += 1,
            Ok(()) => {}
        }
    }
    panic!("{law:?} did not notice; others: {others:?}");
}

/// The exchange of a request that opens a stream of HTTP+SSE.
fn opening(input: &Input<'_>) -> Option<Exchange> {
    match input {
        Input::Request { admitted, head, .. } if head.method == "GET" && head.path == "/sse" => {
            Some(admitted.exchange())
        }
        _ => None,
    }
}

/// The engine does not get to know that the stream is lost.
#[derive(Default)]
struct Deaf(BTreeSet<Exchange>);

impl Fault for Deaf {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.0.extend(opening(input));
        matches!(input, Input::Lost { exchange } if self.0.contains(exchange))
    }
}

#[test]
fn a_process_that_outlives_its_clients_only_stream_is_noticed() {
    noticed(Law::NoOrphan, Deaf::default);
}

/// What a server says goes to the client that has opened its stream last.
#[derive(Default)]
struct Broadcast {
    all: BTreeSet<Exchange>,
    newest: Option<Exchange>,
}

impl Fault for Broadcast {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.all.extend(opening(input));
        false
    }

    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        match output {
            Output::Send { exchange, bytes } if self.all.contains(&exchange) => {
                if contains(&bytes, "event: endpoint") {
                    self.newest = Some(exchange);
                }
                let exchange = self.newest.unwrap_or(exchange);
                into.push_back(Output::Send { exchange, bytes });
            }
            Output::Finish { exchange } | Output::Abort { exchange } => {
                self.newest = self.newest.filter(|newest| *newest != exchange);
                into.push_back(output);
            }
            output => into.push_back(output),
        }
    }
}

#[test]
fn an_answer_on_another_clients_stream_is_noticed() {
    noticed(Law::OwnSession, Broadcast::default);
}
