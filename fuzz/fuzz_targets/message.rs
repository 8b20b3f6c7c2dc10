//! The envelope reader under the fuzzer.
#![no_main]

#[path = "../../engine/tests/fuzz/message.rs"]
mod body;
#[path = "../../engine/tests/world/json.rs"]
#[allow(dead_code, reason = "the world uses the rest")]
mod json;

/// The one part of the world that the body asks for.
mod sim {
    pub(crate) use super::json;
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
