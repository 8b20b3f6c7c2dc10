//! The simulated world over many seeds. A failure prints the seed and a case made small; the
//! environment variables `WORLD_SEED` (the first) and `WORLD_SEEDS` (how many) choose others.

#[path = "../world/mod.rs"]
pub(crate) mod sim;

use sim::dice;

/// Bytes of a case: about 200 events.
const LENGTH: usize = 1500;
const SEEDS: u64 = 10_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The shortest prefix that breaks a law, then without the pieces that it does not need.
fn shrink(case: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut small = (1..case.len())
        .map(|length| &case[..length])
        .find(|prefix| fails(prefix))
        .unwrap_or(case)
        .to_vec();
    for size in [64, 16, 4, 1] {
        let mut at = 0;
        while at + size <= small.len() {
            let mut shorter = small.clone();
            shorter.drain(at..at + size);
            if fails(&shorter) {
                small = shorter;
            } else {
                at += size;
            }
        }
    }
    small
}

/// Plays every `step`-th case.
fn play(first: u64, seeds: u64, step: usize) -> (usize, sim::Counts) {
    let (mut events, mut counts) = (0, sim::Counts::default());
    for seed in (first..first + seeds).step_by(step) {
        let case = dice::case(seed, LENGTH);
        match if seed % 16 == 0 { sim::run_twice(&case) } else { sim::run(&case) } {
            Ok(report) => {
                events += report.events;
                counts.add(&report.counts);
            }
            Err(broken) => tell(seed, &case, &broken),
        }
    }
    (events, counts)
}

fn tell(seed: u64, case: &[u8], broken: &sim::law::Broken) {
    let same = |case: &[u8]| sim::run(case).is_err_and(|other| other.law == broken.law);
    let small = shrink(case, same);
    let (judged, trace) = sim::trace(&small, None);
    let (length, trace) = (small.len(), trace.join("\n"));
    panic!("seed {seed}: {broken}\nin {length} bytes: {small:?}\n{trace}\n{judged:?}");
}

#[test]
fn every_law_holds_over_many_seeds() {
    let (first, seeds) = (number("WORLD_SEED", 1), number("WORLD_SEEDS", SEEDS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (events, counts) = std::thread::scope(|scope| {
        let offsets = 0..(threads as u64).min(seeds);
        let parts: Vec<_> = offsets
            .map(|offset| scope.spawn(move || play(first + offset, seeds - offset, threads)))
            .collect();
        let mut sum = (0, sim::Counts::default());
        for part in parts {
            let (events, counts) =
                part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum.0 += events;
            sum.1.add(&counts);
        }
        sum
    });
    println!("{events} events, {counts:?}");
    assert!(seeds < 1000 || counts.is_awake(), "the world sleeps: {counts:?}");
}
