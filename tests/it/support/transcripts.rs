//! The player of the engine's transcripts, for recordings of the program.

#[path = "../../../engine/tests/it/transcripts/config.rs"]
mod config;
#[path = "../../../engine/tests/it/transcripts/driver.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest")]
mod driver;
#[path = "../../../engine/tests/it/transcripts/item.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest")]
mod item;
#[path = "../../../engine/tests/it/transcripts/parts.rs"]
mod parts;
#[path = "../../../engine/tests/it/transcripts/play.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest")]
mod play;
#[path = "../../../engine/tests/it/transcripts/shape.rs"]
mod shape;
#[path = "../../../engine/tests/it/transcripts/terms.rs"]
mod terms;
#[path = "../../../engine/tests/it/transcripts/text.rs"]
#[allow(dead_code, reason = "the engine's tests use the rest")]
mod text;
#[path = "../../../engine/tests/it/transcripts/words.rs"]
mod words;

/// Plays a recording: what differs, if anything does.
pub(crate) fn play(recording: &str) -> Result<(), String> {
    let cases = text::parse("recording", recording);
    assert_eq!(cases.len(), 1, "{recording}");
    play::play(&cases[0], play::Cut::AsWritten)
}
