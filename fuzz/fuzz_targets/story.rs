//! The whole engine under stories that the fuzzer writes.
#![no_main]

#[path = "../../engine/tests/fuzz/story.rs"]
mod body;
#[path = "../../engine/tests/it/transcripts/config.rs"]
mod config;
#[path = "../../engine/tests/it/transcripts/driver.rs"]
mod driver;
#[path = "../../engine/tests/it/transcripts/item.rs"]
#[allow(dead_code, reason = "the transcripts' player uses the rest")]
mod item;
#[path = "../../engine/tests/it/transcripts/parts.rs"]
mod parts;
#[path = "../../engine/tests/it/transcripts/shape.rs"]
#[allow(dead_code, reason = "the transcripts' player uses it")]
mod shape;
#[path = "../../engine/tests/it/transcripts/terms.rs"]
mod terms;
#[path = "../../engine/tests/it/transcripts/text.rs"]
#[allow(dead_code, reason = "the transcripts' player uses the rest")]
mod text;
#[path = "../../engine/tests/it/transcripts/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
