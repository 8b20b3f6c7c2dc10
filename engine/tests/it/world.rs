//! The simulated world over many seeds. A failure prints the seed and a case made small; the
//! environment variables `WORLD_SEED` (the first) and `WORLD_SEEDS` (how many) choose others.

#[path = "../world/mod.rs"]
pub(crate) mod sim;

use std::collections::BTreeMap;

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

/// Cases of the rough world, and their bytes.
const ROUGH: u64 = 1000;
pub(crate) const ROUGH_LENGTH: usize = 1200;

#[test]
fn no_limit_and_no_misuse_breaks_a_hard_law() {
    let (first, seeds) = (number("WORLD_SEED", 1), number("WORLD_SEEDS", ROUGH).min(ROUGH));
    for seed in first..first + seeds {
        let judged = sim::rough::run(&dice::case(seed, ROUGH_LENGTH), None);
        assert!(judged.is_ok(), "seed {seed} of the rough world: {judged:?}");
    }
}

/// Cases of the world that once broke a law, and what was wrong.
const FOUND: [(u64, &str); 65] = [
    (59_799, "the judge forgot that a stream that was broken off may have more to bring"),
    (73_501, "the judge did not see that a server had asked when its calls were over"),
    (2_026_113_022_151_212, "the judge took what a call asks for what waits for the call to begin"),
    (2_026_113_023_540_970, "the judge forgot that a child may end before its call is sent again"),
    (2_026_113_021_000_730, "the judge took a pause from before an exit for one after it"),
    (2_026_120_100_100_470, "the engine let progress of an ended call excuse a late question"),
    (2_026_120_100_121_743, "the judge knew no memory that is too short for a question"),
    (2_026_120_100_201_779, "the judge let a client wait for a question it can't be asked"),
    (2_026_120_100_101_760, "the judge took a call whose time was up for one that still runs"),
    (1_084_039, "the judge forgot that a call whose time is up leaves a cancellation to be read"),
    (
        1_383_105,
        "the judge did not know that a child is ended which holds much of a memory used up",
    ),
    (1_452_827, "the judge lost a refusal that came while its client's return was refused"),
    (1_493_945, "the same, of an answer that nobody can read"),
    (2_026_120_103_540_783, "the judge counted progress of a call that was sent again meanwhile"),
    (1_137_124, "the judge did not take an answer beside its call's question for a late question"),
    (1_350_100, "the same, before a client that is asked for its roots"),
    (1_156_565, "the judge lost an answer that came while its client's return was refused"),
    (1_254_610, "the judge expected progress of a call that its client gave up while it was asked"),
    (1_263_906, "the judge did not know that a call is made again before its child is heard"),
    (1_023_886, "the judge took what waits in a batch and what waits for a stream for one"),
    (1_039_300, "the judge took a refusal that a batch holds for a subscription"),
    (1_056_477, "the judge did not count what waits in the engine for a reader that is behind"),
    (2_158_235, "the judge took the error of one call for that of another with the same id"),
    (2_172_753, "the judge did not know that a process that gives way may still fail to start"),
    (2_148_105, "the judge did not count the answer to a late ping in what a process has to read"),
    (2_506_103, "the same"),
    (2_147_886, "the judge wanted a process of its own for a call that comes back to its own"),
    (2_641_981, "the same"),
    (2_792_137, "the same"),
    (2_066_804, "the judge did not count a stream whose client left in the step of one too many"),
    (2_042_061, "the judge counted the end of a line to its length"),
    (2_207_536, "the judge did not know that one read may bring more than one message"),
    (2_333_002, "the judge did not know that a process that gives way may stay too long"),
    (
        2_381_221,
        "the judge wanted what a lost GET stream had not sent on the stream of a call at once",
    ),
    (2_958_964, "the same"),
    (2_369_396, "the judge did not know that kept events are dropped where memory is short"),
    (2_462_362, "the judge took a question for one that waits though too many waited already"),
    (2_571_005, "the same"),
    (2_688_524, "the same"),
    (2_119_774, "the engine let a message wait for the latest call though another could carry it"),
    (2_266_202, "the same"),
    (2_495_191, "the same, of a log message"),
    (2_670_549, "the judge counted a call as waiting whose process ended in the same step"),
    (2_991_547, "the judge read the end of a subscription before the time for it that was up"),
    (3_076_775, "the judge let a client that kept others waiting read before it was broken off"),
    (3_184_975, "the judge did not know that a client which brings no answer is asked again"),
    (10_365_876, "the judge did not count what the engine answered at a child that is held up"),
    (10_107_765, "the judge expected an answer that came when the time for its call was up"),
    (3_025_823, "the judge had what waits for a stream come before later progress, which does not"),
    (
        2_026_120_107_241_606,
        "the judge forgot a call whose client left as it was told to come back",
    ),
    (2_026_120_107_290_711, "the judge read an answer before the timeout of what it answers"),
    (
        20_519_973,
        "the judge took what came at once for what had waited, which comes in its own order",
    ),
    (20_356_703, "the judge waited for memory that sessions keep which sleep and never expire"),
    (
        20_926_677,
        "the judge took a question that may be of several calls for one that its call waits for",
    ),
    (20_430_253, "the judge looked for the exchange of a call that was being sent"),
    (22_014_037, "the judge forgot that an error of a batch comes in the place of an answer"),
    (22_051_457, "the same"),
    (22_211_260, "the judge read a request for input before the timeout of the call that asks"),
    (
        30_237_698,
        "the judge did not know that an error −32042 may come before the answer to a question",
    ),
    (30_411_708, "the same, in one step"),
    (30_269_534, "the judge did not count what a timer writes before the request that it meets"),
    (30_478_071, "the judge took a call whose answer is forgotten for one that fails"),
    (33_373_079, "the judge did not know that an error −32042 may meet its client's return"),
    (
        34_063_298,
        "the judge forgot questions that came after the `input_required` result of their call",
    ),
    (
        35_136_326,
        "the judge counted a call as over whose answer came after what it left no room for",
    ),
];

#[test]
fn what_broke_a_law_once_is_sound() {
    for (seed, wrong) in FOUND {
        let judged = sim::run(&dice::case(seed, LENGTH));
        assert!(judged.is_ok(), "seed {seed} of old, {wrong}: {judged:?}");
    }
}

/// What many cases came to.
#[derive(Default)]
struct Sum {
    events: usize,
    counts: sim::Counts,
    /// The seeds that failed, and how.
    broken: BTreeMap<u64, sim::law::Broken>,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.counts.add(&other.counts);
        self.broken.extend(other.broken);
    }
}

/// Plays every `step`-th case.
fn play(first: u64, seeds: u64, step: usize) -> Sum {
    let mut sum = Sum::default();
    for seed in (first..first + seeds).step_by(step) {
        let case = dice::case(seed, LENGTH);
        match if seed % 16 == 0 { sim::run_twice(&case) } else { sim::run(&case) } {
            Ok(report) => {
                sum.events += report.events;
                sum.counts.add(&report.counts);
            }
            Err(broken) => {
                sum.broken.insert(seed, broken);
            }
        }
    }
    sum
}

/// The first seed that failed, made small, and the names of the others.
fn tell(all: &BTreeMap<u64, sim::law::Broken>) {
    let Some((seed, broken)) = all.first_key_value() else { return };
    for (seed, broken) in all {
        eprintln!("seed {seed}: {:.160}", broken.to_string());
    }
    let case = dice::case(*seed, LENGTH);
    let same = |case: &[u8]| sim::run(case).is_err_and(|other| other.law == broken.law);
    let small = shrink(&case, same);
    let (judged, trace) = sim::trace(&small, None);
    let (length, trace) = (small.len(), trace.join("\n"));
    let count = all.len();
    panic!(
        "{count} seeds fail\nseed {seed}: {broken}\nin {length} bytes: {small:?}\n{trace}\n{judged:?}"
    );
}

#[test]
fn every_law_holds_over_many_seeds() {
    let (first, seeds) = (number("WORLD_SEED", 1), number("WORLD_SEEDS", SEEDS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sum = std::thread::scope(|scope| {
        let offsets = 0..(threads as u64).min(seeds);
        let parts: Vec<_> = offsets
            .map(|offset| scope.spawn(move || play(first + offset, seeds - offset, threads)))
            .collect();
        let mut sum = Sum::default();
        for part in parts {
            sum.add(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        sum
    });
    println!("{} events, {:?}", sum.events, sum.counts);
    tell(&sum.broken);
    assert!(seeds < 1000 || sum.counts.is_awake(), "the world sleeps: {:?}", sum.counts);
}
