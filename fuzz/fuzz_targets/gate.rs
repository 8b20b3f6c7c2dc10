//! Raw HTTP at the gate under the fuzzer.
#![no_main]

#[path = "../../gate/tests/it/twin.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
