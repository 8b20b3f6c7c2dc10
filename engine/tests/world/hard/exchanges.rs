//! Each exchange that was let in: a head, then what belongs to it, then one last output. Nothing
//! comes after that, and nothing for a client that left.

use std::collections::BTreeMap;

use mcp_bridge::{Body, Exchange, Input, Output};

use super::super::law::{Broken, Judged, Law, require};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No head yet.
    Waiting,
    Streaming,
    /// All of the response was given.
    Whole,
    /// The client has it, or it was broken off.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct State {
    stage: Stage,
    delivered: bool,
    lost: bool,
    /// It was lost, and all that the engine had wanted before is done.
    lost_settled: bool,
}

#[derive(Default)]
pub(super) struct Exchanges {
    all: BTreeMap<Exchange, State>,
}

impl Exchanges {
    pub(super) fn input(&mut self, input: &Input<'_>) {
        match input {
            Input::Request { admitted, .. } => {
                let new = State {
                    stage: Stage::Waiting,
                    delivered: false,
                    lost: false,
                    lost_settled: false,
                };
                self.all.insert(admitted.exchange(), new);
            }
            Input::Lost { exchange } => {
                self.all.entry(*exchange).and_modify(|state| state.lost = true);
            }
            Input::Delivered { exchange } => {
                self.all.entry(*exchange).and_modify(|state| state.delivered = true);
            }
            _ => {}
        }
    }

    pub(super) fn output(&mut self, output: &Output) -> Judged {
        use Stage::{Over, Streaming, Waiting, Whole};
        let (exchange, from, to): (_, &[Stage], _) = match output {
            Output::Respond { exchange, response } => {
                let streams = response.body == Body::Stream;
                (exchange, &[Waiting], if streams { Streaming } else { Whole })
            }
            Output::Send { exchange, .. } => (exchange, &[Streaming], Streaming),
            Output::Finish { exchange } => (exchange, &[Streaming], Whole),
            // Also after the whole response, if the client does not take it.
            Output::Abort { exchange } => (exchange, &[Waiting, Streaming, Whole], Over),
            _ => return Ok(()),
        };
        let Some(state) = self.all.get_mut(exchange) else {
            require!(EndsOnce, false, "an output for exchange {exchange}, which nobody opened");
            return Ok(());
        };
        require!(NothingAfterLoss, !state.lost_settled, "{exchange} is lost, and gets {output:?}");
        let stage = state.stage;
        require!(EndsOnce, from.contains(&stage), "{exchange} is {stage:?}, and gets {output:?}");
        state.stage = to;
        Ok(())
    }

    pub(super) fn drained(&mut self) {
        for state in self.all.values_mut() {
            state.lost_settled = state.lost;
            if state.delivered {
                state.stage = Stage::Over;
            }
        }
    }

    pub(super) fn judge_end(&self) -> Judged {
        let open = self.all.iter().find(|(_, state)| {
            !state.lost && matches!(state.stage, Stage::Waiting | Stage::Streaming)
        });
        require!(EveryRequestEnds, open.is_none(), "{open:?} never ends");
        Ok(())
    }
}
