//! What a byte of each hostile shape costs the engine: callgrind counts within `measured_shape`,
//! and dumps at each `shape_ended`. The names of the shapes and their bytes are printed in order.
//!
//! Usage: `costs [BYTES [NAME]]`, of each message, and of the shapes whose names hold that alone.

#[path = "../../../engine/tests/costs/heads.rs"]
mod heads;
#[path = "../../../engine/tests/costs/lines.rs"]
mod lines;
#[path = "../../../engine/tests/costs/play.rs"]
mod play;
#[path = "../../../engine/tests/costs/shapes.rs"]
mod shapes;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use mcp_bridge::{Bridge, Input, Output};

static NANOS: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_shape(bridge: &mut Bridge, input: Input<'_>, now: mcp_bridge::Instant) -> Vec<Output> {
    bridge.handle(input, now);
    std::iter::from_fn(|| bridge.poll_output()).collect()
}

fn hook(bridge: &mut Bridge, input: Input<'_>, now: mcp_bridge::Instant) -> Vec<Output> {
    let began = Instant::now();
    let outputs = measured_shape(bridge, input, now);
    NANOS.fetch_add(began.elapsed().as_nanos() as u64, Relaxed);
    outputs
}

#[unsafe(no_mangle)]
#[inline(never)]
fn shape_ended(bytes: usize) -> usize {
    black_box(bytes)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let bytes = args.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(65_536);
    let part = args.next().unwrap_or_default();
    for (name, play) in shapes::all().iter().filter(|(name, _)| name.contains(&part)) {
        NANOS.store(0, Relaxed);
        let mut world = play::World::new(hook);
        play(&mut world, bytes);
        shape_ended(world.bytes);
        println!("{}\t{}\t{name}", world.bytes, NANOS.load(Relaxed));
    }
}
