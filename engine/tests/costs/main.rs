//! What a byte costs: no shape of a message costs much more than another, in time, in allocations
//! and in memory, and what is kept is counted. `bench/gate` counts the instructions of the same
//! shapes.

mod heads;
mod held;
mod lines;
mod play;
mod shapes;
mod things;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use mcp_bridge::{Bridge, Input, Output};

/// Of each message.
const BYTES: usize = 64 * 1024;
/// Allocations for one message, at the most: where a list has a limit, some for each element.
const ALLOCATIONS: usize = 700;
/// How much is held at the most while a message is read: a copy that goes on and one that is kept.
const PEAK: usize = 2 * BYTES + BYTES / 8;
/// How much dearer than a list of numbers a shape may be. In a release build a byte of that costs
/// 2 to 3 ns.
const TIMES: u32 = 15;

thread_local! {
    static COST: Cell<Cost> = const { Cell::new(Cost::NONE) };
}

/// What happened while it counts.
#[derive(Clone, Copy)]
struct Cost {
    counts: bool,
    allocations: usize,
    held: isize,
    peak: isize,
    time: Duration,
}

impl Cost {
    const NONE: Self =
        Self { counts: false, allocations: 0, held: 0, peak: 0, time: Duration::ZERO };
}

struct Counted;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

fn count(bytes: isize, allocations: usize) {
    // While a thread ends there is nothing to count.
    let _ = COST.try_with(|cost| {
        let mut now = cost.get();
        if now.counts {
            now.held += bytes;
            now.peak = now.peak.max(now.held);
            now.allocations += allocations;
            cost.set(now);
        }
    });
}

/// The processor's time of this thread, which a busy machine does not stretch.
#[cfg(target_os = "linux")]
fn time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Elsewhere only memory is counted.
#[cfg(not(target_os = "linux"))]
fn time() -> Duration {
    Duration::ZERO
}

fn hook(bridge: &mut Bridge, input: Input<'_>, now: mcp_bridge::Instant) -> Vec<Output> {
    let began = time();
    COST.set(Cost { counts: true, ..COST.get() });
    bridge.handle(input, now);
    let mut outputs = Vec::new();
    while let Some(output) = bridge.poll_output() {
        outputs.push(output);
    }
    let mut cost = COST.get();
    cost.counts = false;
    cost.time += time() - began;
    COST.set(cost);
    outputs
}

/// What a shape costs, and the bytes that it was given.
fn cost(play: &shapes::Play) -> (Cost, usize) {
    COST.set(Cost::NONE);
    let mut world = play::World::new(hook);
    play(&mut world, BYTES);
    (COST.get(), world.bytes)
}

/// The time of a number of bytes, for as many as a message has.
fn for_all(cost: Cost, bytes: usize) -> Duration {
    cost.time.mul_f64(BYTES as f64 / bytes.max(BYTES / 16) as f64)
}

#[test]
fn every_shape_is_cheap() {
    let all = shapes::all();
    let numbers = all.iter().find(|(name, _)| name == "no session: numbers");
    let numbers = &numbers.expect("it is there").1;
    let usual = cost(numbers);
    let mut dear = Vec::new();
    for (name, play) in &all {
        let (one, bytes) = cost(play);
        // Each tool with annotations is remembered, up to a limit, with its name and theirs.
        let most = if name.contains("annotated tools") { BYTES / 10 } else { ALLOCATIONS };
        let peak = one.peak.max(0) as usize;
        if one.allocations > most || peak > PEAK {
            dear.push(format!("{name}: {} allocations, {peak} bytes", one.allocations));
        }
        // A time is believed only if it comes three times.
        let slow = |(one, bytes): (Cost, usize), (twin, length): (Cost, usize)| {
            for_all(one, bytes) > for_all(twin, length) * TIMES
        };
        if slow((one, bytes), usual) && (0..2).all(|_| slow(cost(play), cost(numbers))) {
            dear.push(format!("{name}: {:?} for {bytes} bytes", one.time));
        }
    }
    assert!(dear.is_empty(), "too dear:\n{}", dear.join("\n"));
}
