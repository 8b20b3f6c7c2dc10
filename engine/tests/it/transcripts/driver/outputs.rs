//! Which outputs may come, in which phase of their exchange and their child.

use mcp_bridge::{Body, Notice, Output, Response};

use super::{Driver, Phase};

impl Driver {
    /// Notes an output, and whether it may come at all.
    pub(super) fn note(&mut self, output: Output) -> Result<(), String> {
        match &output {
            Output::Open { child, .. } => {
                if self.pipes.insert(child.number(), *child).is_some() {
                    return Err(format!("{child} is opened twice"));
                }
            }
            Output::Write { child, .. }
            | Output::Pause { child }
            | Output::Resume { child }
            | Output::CloseStdin { child }
            | Output::Terminate { child }
            | Output::Kill { child }
                if self.gone.contains(&child.number()) || self.child(child.number()).is_err() =>
            {
                return Err(format!("{output:?} is for a child that is gone"));
            }
            Output::Write { bytes, .. } if !bytes.ends_with(b"\n") => {
                return Err(format!("half a line: {output:?}"));
            }
            Output::Write { child, bytes } => {
                *self.unread.entry(child.number()).or_default() += bytes.len();
            }
            Output::Respond { exchange, response } => self.responds(exchange.number(), response)?,
            Output::Send { exchange, bytes } => {
                self.step(exchange.number(), Phase::Streams, Phase::Streams, bytes.len())?;
            }
            Output::Finish { exchange } => {
                self.step(exchange.number(), Phase::Streams, Phase::Over, 0)?;
            }
            Output::Abort { exchange } => match self.exchanges.get_mut(&exchange.number()) {
                // What is broken off may not have been answered at all.
                Some(known) if known.0 != Phase::Over || known.1 > 0 => *known = (Phase::Over, 0),
                _ => return Err(format!("{exchange:?} has ended before")),
            },
            Output::Notice(Notice::Dropping { child }) if !self.drops.insert(child.number()) => {
                return Err(format!("told again: {output:?}"));
            }
            Output::Pause { .. }
            | Output::Resume { .. }
            | Output::CloseStdin { .. }
            | Output::Terminate { .. }
            | Output::Kill { .. }
            | Output::Save { .. }
            | Output::Forget { .. }
            | Output::Notice(_) => {}
        }
        self.done.push(output);
        Ok(())
    }

    pub(super) fn responds(&mut self, exchange: u64, response: &Response) -> Result<(), String> {
        for (name, value) in response.fields.iter() {
            if !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
                return Err(format!("no field value: {name}: {value}"));
            }
        }
        match &response.body {
            Body::Whole(body) => self.step(exchange, Phase::Asked, Phase::Over, body.len()),
            Body::Stream => self.step(exchange, Phase::Asked, Phase::Streams, 0),
        }
    }

    fn step(&mut self, of: u64, from: Phase, to: Phase, given: usize) -> Result<(), String> {
        let (phase, left) = self.exchanges.get_mut(&of).ok_or("no such exchange")?;
        if *phase != from {
            return Err(format!("exchange {of} is {phase:?}, so it can't become {to:?}"));
        }
        *phase = to;
        *left += given;
        Ok(())
    }
}
