//! The engine under test, with a place where a test can spoil what comes out of it. A planted
//! fault shows that the law that forbids it can fail.

use core::hash::{Hash, Hasher};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, VecDeque};

use mcp_bridge::{
    Admitted, Body, Bridge, ChildId, Config, Head, Input, Instant, Output, Refusal, Response,
};

/// Spoils an engine.
pub(crate) trait Fault {
    /// What comes out instead of this output; the second is what came before.
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        into.push_back(output);
    }
    /// What the engine is told instead of the limits that the judge knows.
    fn config(&mut self, _config: &mut Config) {}
    /// Whether the engine does not get to know this.
    fn swallows(&mut self, _input: &Input<'_>) -> bool {
        false
    }
    /// Whether the engine does not get to know this field of a request.
    fn hides(&mut self, _name: &str) -> bool {
        false
    }
    fn timeout(&mut self, timeout: Option<Instant>) -> Option<Instant> {
        timeout
    }
    fn buffered(&mut self, bytes: usize) -> usize {
        bytes
    }
    fn wants(&mut self, wants: bool) -> bool {
        wants
    }
    fn idle(&mut self, idle: bool) -> bool {
        idle
    }
}

/// The engine, perhaps spoilt.
pub(crate) struct Subject<'f> {
    bridge: Bridge,
    fault: Option<&'f mut dyn Fault>,
    ready: VecDeque<Output>,
    digest: DefaultHasher,
    paused: BTreeSet<ChildId>,
}

impl<'f> Subject<'f> {
    pub(crate) fn new(mut config: Config, mut fault: Option<&'f mut dyn Fault>) -> Self {
        if let Some(fault) = &mut fault {
            fault.config(&mut config);
        }
        let digest = DefaultHasher::new();
        Self {
            bridge: Bridge::new(config).expect("a good configuration"),
            fault,
            ready: VecDeque::new(),
            digest,
            paused: BTreeSet::new(),
        }
    }

    pub(crate) fn admit(&mut self, head: &Head<'_>) -> Result<Admitted, Box<Refusal>> {
        let admitted = self.bridge.admit(head);
        match &admitted {
            Ok(admitted) => admitted.limit().hash(&mut self.digest),
            Err(refusal) => digest_response(&refusal.response, &mut self.digest),
        }
        admitted
    }

    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        let Some(fault) = &mut self.fault else { return self.bridge.handle(input, now) };
        if fault.swallows(&input) {
            return;
        }
        let Input::Request { admitted, head, body, random } = input else {
            return self.bridge.handle(input, now);
        };
        let fields: Vec<_> =
            head.fields.iter().copied().filter(|(name, _)| !fault.hides(name)).collect();
        let head = &Head { fields: &fields, ..*head };
        self.bridge.handle(Input::Request { admitted, head, body, random }, now);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let output = match &mut self.fault {
            None => self.bridge.poll_output(),
            Some(fault) => {
                while self.ready.is_empty() {
                    let Some(output) = self.bridge.poll_output() else { break };
                    fault.output(output, &mut self.ready);
                }
                self.ready.pop_front()
            }
        };
        if let Some(output) = &output {
            digest_output(output, &mut self.digest);
        }
        output
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let timeout = self.bridge.poll_timeout();
        match &mut self.fault {
            Some(fault) => fault.timeout(timeout),
            None => timeout,
        }
    }

    /// Whether a timer is due at this time. It runs before an input of this time.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.bridge.poll_timeout().is_some_and(|due| due <= now)
    }

    pub(crate) fn wants(&mut self, process: ChildId) -> bool {
        let wants = !self.paused.contains(&process);
        match &mut self.fault {
            Some(fault) => fault.wants(wants),
            None => wants,
        }
    }

    /// A child is paused, or resumed: whether it was not before.
    pub(crate) fn pause(&mut self, process: ChildId, pauses: bool) -> bool {
        if pauses { self.paused.insert(process) } else { self.paused.remove(&process) }
    }

    pub(crate) fn buffered(&mut self) -> usize {
        let bytes = self.bridge.buffered();
        match &mut self.fault {
            Some(fault) => fault.buffered(bytes),
            None => bytes,
        }
    }

    pub(crate) fn is_idle(&mut self) -> bool {
        let idle = self.bridge.is_idle();
        match &mut self.fault {
            Some(fault) => fault.idle(idle),
            None => idle,
        }
    }

    /// A number for all that came out so far.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }
}

fn digest_output(output: &Output, into: &mut DefaultHasher) {
    core::mem::discriminant(output).hash(into);
    match output {
        Output::Open { child: process, .. }
        | Output::Pause { child: process }
        | Output::Resume { child: process }
        | Output::CloseStdin { child: process }
        | Output::Terminate { child: process }
        | Output::Kill { child: process } => process.hash(into),
        Output::Write { child: process, bytes } => (process, bytes).hash(into),
        Output::Respond { exchange, response } => {
            exchange.hash(into);
            digest_response(response, into);
        }
        Output::Send { exchange, bytes } => (exchange, bytes).hash(into),
        Output::Finish { exchange } | Output::Abort { exchange } => exchange.hash(into),
        Output::Save { session, record } => (session, record).hash(into),
        Output::Forget { session } => session.hash(into),
        Output::Notice(notice) => notice.to_string().hash(into),
    }
}

fn digest_response(response: &Response, into: &mut DefaultHasher) {
    (response.status, &response.fields).hash(into);
    match &response.body {
        Body::Whole(bytes) => bytes.hash(into),
        Body::Stream => 1_u8.hash(into),
    }
}
