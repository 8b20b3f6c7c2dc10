//! The file of sessions under the fuzzer. The program is no library, so its module is mounted here.
#![no_main]

#[path = "."]
mod sessions {
    #[path = "../../src/sessions/format.rs"]
    pub(crate) mod format;
}
#[path = "../../src/tests/sessions/twin.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
