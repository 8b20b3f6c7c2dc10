//! `world`: the whole engine in the simulated world, twice, since the same inputs must give the
//! same outputs.

use super::sim;

pub(crate) fn run(data: &[u8]) {
    if let Err(broken) = sim::run_twice(data) {
        let (judged, trace) = sim::trace(data, None);
        panic!("{broken}\n{}\n{judged:?}", trace.join("\n"));
    }
}
