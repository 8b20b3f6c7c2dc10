//! [`Bridge`]: takes inputs, gives outputs.

use crate::config::Config;
use crate::head::Head;
use crate::io::{Input, Output, Pipe, Response};
use crate::time::Instant;

/// The engine.
#[derive(Debug)]
pub struct Bridge {
    config: Config,
}

impl Bridge {
    /// An engine with nothing open.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
    /// Judges a head before its body is read: the body's limit, or the refusal to send.
    pub fn admit(&self, _head: &Head<'_>) -> Result<usize, Response> {
        Ok(self.config.message)
    }
    /// Tells the engine one thing that happened.
    pub fn handle(&mut self, _input: Input<'_>, _now: Instant) {}
    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
    /// When to call `handle(Input::Tick)` if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    /// Whether this pipe's stdout may be read now.
    pub fn wants(&self, _pipe: Pipe) -> bool {
        true
    }
    /// Bytes held now.
    pub fn buffered(&self) -> usize {
        0
    }
    /// Nothing open, nothing waiting.
    pub fn is_idle(&self) -> bool {
        true
    }
}
