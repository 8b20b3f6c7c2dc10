//! The engine, with its recorder if there is one.

use std::collections::VecDeque;
use std::ops::Deref;

use mcp_bridge::{Admitted, Bridge, Head, Input, Instant, Output, Refusal};

use super::Recorder;

pub(crate) struct Engine {
    bridge: Bridge,
    recorder: Option<Box<Recorder>>,
    /// What was recorded and not taken yet: outputs are recorded with the input that they are for.
    outputs: VecDeque<Output>,
}

impl Engine {
    pub(crate) fn new(bridge: Bridge, recorder: Option<Recorder>) -> Self {
        Self { bridge, recorder: recorder.map(Box::new), outputs: VecDeque::new() }
    }

    pub(crate) fn admit(&mut self, head: &Head<'_>) -> Result<Admitted, Box<Refusal>> {
        let admitted = self.bridge.admit(head);
        if let (Some(recorder), Err(refusal)) = (&mut self.recorder, &admitted) {
            recorder.refused(head, &refusal.response);
            self.end_step();
        }
        admitted
    }

    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        let Some(recorder) = &mut self.recorder else { return self.bridge.handle(input, now) };
        recorder.input(&input, now);
        self.bridge.handle(input, now);
        while let Some(output) = self.bridge.poll_output() {
            recorder.output(&output);
            self.outputs.push_back(output);
        }
        self.end_step();
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        // They came before those that the engine has now, if the recording ended meanwhile.
        self.outputs.pop_front().or_else(|| self.bridge.poll_output())
    }

    /// The engine itself. What is done to it is in no recording.
    pub(crate) const fn bridge(&mut self) -> &mut Bridge {
        &mut self.bridge
    }

    /// Waits, not for long, until the recording is written.
    pub(crate) fn end_recording(&mut self) {
        self.recorder = None;
    }

    fn end_step(&mut self) {
        self.recorder.take_if(|recorder| !recorder.end_step());
    }
}

impl Deref for Engine {
    type Target = Bridge;

    fn deref(&self) -> &Bridge {
        &self.bridge
    }
}
