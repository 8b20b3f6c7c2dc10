//! `story`: what goes into the engine, written as the transcripts write it; what they expect is
//! passed over, and so is every line that makes no sense. Whatever the story, each exchange ends
//! once, no order is for a child that is gone, nothing spins, nothing stays, and told again it
//! comes to the same.

use std::time::Duration;

use super::driver::Driver;
use super::text::{Act, Case};

/// No wait is longer.
const WAIT: Duration = Duration::from_secs(3600);
/// No more children are kept ready: with thousands of them a story takes half a minute.
const PREWARM: usize = 64;

/// Each `case` is a story of its own.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for story in text.split("\ncase ") {
        let case = Case::loose(story);
        assert_eq!(tell(&case), tell(&case), "told again, it comes to something else");
    }
}

/// All that the engine wanted done, and what it was asked.
fn tell(case: &Case) -> Vec<String> {
    let mut config = case.config.clone();
    config.prewarm = config.prewarm.min(PREWARM);
    if config.check().is_err() {
        return Vec::new();
    }
    let mut driver = Driver::new(config);
    driver.is_played = case.recording.is_some();
    let mut told = Vec::new();
    for step in &case.steps {
        if !driver.can(&step.act) {
            continue;
        }
        let judged = match &step.act {
            Act::Wait(time) => driver.act(&Act::Wait((*time).min(WAIT))),
            Act::At(time) => driver.act(&Act::At((*time).min(WAIT))),
            act => driver.act(act),
        };
        judged.unwrap_or_else(|wrong| panic!("{wrong}"));
        told.extend(driver.done.drain(..).map(|output| format!("{output:?}")));
        match &step.act {
            Act::Wants(number, _) => {
                told.extend(driver.wants(*number).map(|wants| wants.to_string()));
            }
            Act::Stat(..) => told.push(format!("{:?}", driver.bridge.stats())),
            Act::Idle => told.push(driver.bridge.is_idle().to_string()),
            _ => {}
        }
    }
    driver.end().unwrap_or_else(|wrong| panic!("{wrong}"));
    told.extend(driver.done.iter().map(|output| format!("{output:?}")));
    told
}
