//! The event codec under the fuzzer.
#![no_main]

#[path = "../../engine/tests/fuzz/sse.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
