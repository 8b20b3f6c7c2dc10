//! Laws that can fail: for each law an engine spoilt on its way out, and the law that must notice.

mod calls;
mod children;
mod eras;
mod hard;
mod map;
mod modern;
mod oldest;
mod streams;
mod upward;

use std::collections::{BTreeMap, VecDeque};

use mcp_bridge::{Body, Exchange, Output};

use crate::world::{ROUGH_LENGTH, sim};
use sim::dice;
use sim::law::Law;
use sim::subject::Fault;

const LENGTH: usize = 1500;
/// A fault that this many cases do not show is not noticed.
const SEEDS: u64 = 3000;

/// Some case of the world breaks this law with this fault, and no law without it.
fn noticed<F: Fault>(law: Law, fault: impl Fn() -> F) {
    let mut others = BTreeMap::new();
    for seed in 1..=SEEDS {
        match sim::run_spoilt(&dice::case(seed, LENGTH), &mut fault()) {
            Err(broken) if broken.law == law => {
                let sound = sim::run(&dice::case(seed, LENGTH));
                return assert!(sound.is_ok(), "seed {seed}: {sound:?}");
            }
            Err(broken) => *others.entry(broken.law).or_insert(0) += 1,
            Ok(_) => {}
        }
    }
    panic!("{law:?} did not notice; others: {others:?}");
}

/// The same for a case of the rough world.
fn roughly_noticed<F: Fault>(law: Law, fault: impl Fn() -> F) {
    let noticed = (1..=SEEDS).find(|seed| {
        let case = dice::case(*seed, ROUGH_LENGTH);
        let judged = sim::rough::run(&case, Some(&mut fault()));
        judged.is_err_and(|broken| broken.law == law)
    });
    let seed = noticed.unwrap_or_else(|| panic!("{law:?} did not notice"));
    let sound = sim::rough::run(&dice::case(seed, ROUGH_LENGTH), None);
    assert!(sound.is_ok(), "seed {seed}: {sound:?}");
}

/// A fault in what comes out.
struct Spoil<F>(F);

impl<F: FnMut(Output, &mut VecDeque<Output>)> Fault for Spoil<F> {
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        (self.0)(output, into);
    }
}

/// Changes each output.
fn change(mut with: impl FnMut(&mut Output)) -> impl Fault {
    Spoil(move |mut output: Output, into: &mut VecDeque<Output>| {
        with(&mut output);
        into.push_back(output);
    })
}

/// Leaves outputs out.
fn without(mut meant: impl FnMut(&Output) -> bool) -> impl Fault {
    Spoil(move |output: Output, into: &mut VecDeque<Output>| {
        if !meant(&output) {
            into.push_back(output);
        }
    })
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8_lossy(bytes).replace(from, to);
    *bytes = text.into_bytes();
}

/// The bytes of a stream or of a whole body.
fn content(output: &mut Output) -> Option<(Exchange, &mut Vec<u8>)> {
    match output {
        Output::Send { exchange, bytes } => Some((*exchange, bytes)),
        Output::Respond { exchange, response } => match &mut response.body {
            Body::Whole(bytes) => Some((*exchange, bytes)),
            Body::Stream => None,
        },
        _ => None,
    }
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

/// The id of the event that is sent.
fn event_id(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().find_map(|line| line.strip_prefix("id: ").map(str::to_string))
}
