//! Plays a case to an engine, in every cut, and says what differs from the transcript.

use std::fmt::Write as _;

use mcp_bridge::ServerStats;

use super::driver::{Driver, expect};
use super::item::{Item, same};
use super::text::{Act, Case, Recording, Step};

/// How the children's output is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    AsWritten,
    Bytes,
    /// Pieces that follow each other with nothing between them but outputs come as one.
    Merged,
}

/// Plays it, whatever is done; how many bytes `Debug` takes to show what the engine holds then.
pub(super) fn held(case: &Case) -> Result<usize, String> {
    let mut driver = Driver::new(case.config.clone());
    for step in &case.steps {
        driver.act(&step.act)?;
        driver.done.clear();
    }
    Ok(format!("{:?}", driver.bridge).len())
}

/// Plays it; what differs from the transcript, if anything does.
pub(crate) fn play(case: &Case, cut: Cut) -> Result<(), String> {
    let mut driver = Driver::new(case.config.clone());
    driver.admits = cut == Cut::AsWritten;
    driver.is_played = case.recording.is_some();
    if cut == Cut::Bytes {
        driver.piece = 1;
    }
    let steps: Vec<Step> = case.steps.iter().map(Step::copy).collect();
    for step in if cut == Cut::Merged { merged(steps) } else { steps } {
        let place = format!("line {}", step.line);
        driver.act(&step.act).map_err(|wrong| format!("{place}: {wrong}"))?;
        asked(&driver, &step.act).map_err(|wrong| format!("{place}: {wrong}"))?;
        let done: Vec<Item> = driver.done.drain(..).map(Item::from).collect();
        let judged: Vec<Item> = done.iter().filter(|item| counts(case, item)).cloned().collect();
        if !same(&step.wanted, &judged, case.recording == Some(Recording::Shapes)) {
            return Err(format!(
                "{place}: wanted\n{}but done\n{}",
                text(&step.wanted),
                text(&done)
            ));
        }
    }
    if !case.steps.iter().any(|step| matches!(step.act, Act::Servers(_))) {
        added_up(&driver)?;
    }
    driver.end()
}

/// A notice counts in a case that names it, and there everywhere.
fn counts(case: &Case, item: &Item) -> bool {
    let Item::Notice(text) = item else { return true };
    case.never.contains(text) || case.steps.iter().any(|step| step.wanted.contains(item))
}

/// What is counted of each server is together what is counted of all, while none was removed.
fn added_up(driver: &Driver) -> Result<(), String> {
    let (all, each) = (driver.bridge.stats(), driver.bridge.server_stats());
    let sum = |of: fn(&ServerStats) -> u64| each.iter().map(of).sum::<u64>();
    for (name, all, sum) in [
        ("sessions", all.sessions as u64, sum(|stats| stats.sessions as u64)),
        ("asleep", all.asleep as u64, sum(|stats| stats.asleep as u64)),
        ("children", all.children as u64, sum(|stats| stats.children as u64)),
        ("calls", all.calls as u64, sum(|stats| stats.calls as u64)),
        ("failed starts", all.failed_starts, sum(|stats| stats.failed_starts)),
        ("requests", all.requests, sum(|stats| stats.requests)),
        ("opened", all.opened, sum(|stats| stats.opened)),
        ("woken", all.woken, sum(|stats| stats.woken)),
    ] {
        expect(&format!("the sum of all servers' {name}"), all, sum)?;
    }
    Ok(())
}

/// What the engine is asked, and must answer.
fn asked(driver: &Driver, act: &Act) -> Result<(), String> {
    match act {
        Act::Wants(child, wanted) => {
            expect("whether the child may be read", *wanted, driver.wants(*child)?)
        }
        Act::Stat(name, wanted) => expect(name, *wanted, stat(driver, name)?),
        Act::Restore(..) => {
            let refused = driver.restored.iter().filter_map(|one| one.err()).next();
            expect("what is wrong with the record", None, refused)
        }
        Act::Idle => expect("is idle", true, driver.bridge.is_idle()),
        _ => Ok(()),
    }
}

fn stat(driver: &Driver, name: &str) -> Result<u64, String> {
    let stats = driver.bridge.stats();
    Ok(match name {
        "sessions" => stats.sessions as u64,
        "asleep" => stats.asleep as u64,
        "woken" => stats.woken,
        "children" => stats.children as u64,
        "calls" => stats.calls as u64,
        "opened" => stats.opened,
        "failed-starts" => stats.failed_starts,
        "requests" => stats.requests,
        "dropped" => stats.dropped,
        "refused" => stats.refused,
        "buffered" => driver.bridge.buffered() as u64,
        name => counted(driver, name).ok_or_else(|| format!("no counter {name}"))?,
    })
}

/// A counter of all servers together: `calls-result`, say, or `ends-exited`.
fn counted(driver: &Driver, name: &str) -> Option<u64> {
    let all = driver.bridge.server_stats();
    let sum = |of: fn(&ServerStats) -> u64| Some(all.iter().map(of).sum());
    match name {
        "starts" => return sum(|stats| stats.starts.counts.iter().sum()),
        "start-failures" => return sum(|stats| stats.failed_starts),
        "start-ms" => return sum(|stats| stats.starts.sum.as_millis() as u64),
        "call-ms" => return sum(|stats| stats.durations.sum.as_millis() as u64),
        "shared" => return sum(|stats| stats.shared),
        _ => {}
    }
    let (kind, label) = name.split_once('-')?;
    let labelled = |of: fn(&ServerStats) -> &[(&'static str, u64)]| {
        let mut found = all.iter().flat_map(of).filter(|(known, _)| *known == label).peekable();
        found.peek()?;
        Some(found.map(|(_, count)| count).sum())
    };
    match kind {
        "calls" => labelled(|stats| &stats.outcomes),
        "ends" => labelled(|stats| &stats.ends),
        "sleeps" => labelled(|stats| &stats.sleeps),
        "refusals" => {
            let its = driver.bridge.refusals().filter(|(_, known, _)| *known == label);
            Some(its.map(|(.., count)| count).sum())
        }
        _ => None,
    }
}

fn text(items: &[Item]) -> String {
    items.iter().fold(String::new(), |mut text, item| {
        let _ = write!(text, "{item}");
        text
    })
}

impl Step {
    fn copy(&self) -> Self {
        Self { line: self.line, act: self.act.clone(), wanted: self.wanted.clone() }
    }
}

fn merged(steps: Vec<Step>) -> Vec<Step> {
    let mut merged: Vec<Step> = Vec::new();
    for step in steps {
        if let (Some(Step { act: Act::Stdout(last, all), wanted, .. }), Act::Stdout(child, bytes)) =
            (merged.last_mut(), &step.act)
            && last == child
        {
            all.extend_from_slice(bytes);
            wanted.extend(step.wanted);
        } else {
            merged.push(step);
        }
    }
    merged
}
