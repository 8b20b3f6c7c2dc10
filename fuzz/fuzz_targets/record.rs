//! Records of sessions under the fuzzer.
#![no_main]

#[path = "../../engine/tests/fuzz/record.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
