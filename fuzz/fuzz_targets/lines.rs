//! The line splitter under the fuzzer.
#![no_main]

#[path = "../../engine/tests/fuzz/lines.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
