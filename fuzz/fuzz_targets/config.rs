//! The file of `--config` under the fuzzer. The program is no library, so its module is mounted
//! here.
#![no_main]

#[path = "."]
mod cli {
    #[path = "../../src/cli/config_file/mod.rs"]
    pub(crate) mod config_file;
}
#[path = "../../src/tests/config_file/twin/mod.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
