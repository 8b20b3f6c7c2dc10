//! One line of JSON for each measurement, and what is made of many latencies.

use std::fmt::Write as _;
use std::time::Duration;

/// Collects names and numbers, and prints them as one JSON object.
#[derive(Debug, Default)]
pub struct Report(String);

impl Report {
    /// Adds a number.
    pub fn add(&mut self, name: &str, value: f64) {
        let comma = if self.0.is_empty() { "" } else { "," };
        // A string takes all.
        let _ = write!(self.0, "{comma}\"{name}\":{value:.3}");
    }

    /// Prints it.
    pub fn print(self) {
        println!("{{{}}}", self.0);
    }
}

/// A percentile of sorted latencies, in microseconds.
pub fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |latency| micros(*latency))
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
