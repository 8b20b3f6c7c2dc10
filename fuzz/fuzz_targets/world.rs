//! The whole engine in the simulated world under the fuzzer.
#![no_main]

#[path = "../../engine/tests/fuzz/world.rs"]
mod body;
#[path = "../../engine/tests/world/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod sim;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
