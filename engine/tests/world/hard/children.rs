//! Each process: it is opened once, gets whole lines, and is ended in steps that come in order and
//! in time. No order is given for one that is gone, and none is left at the end.

use std::collections::BTreeMap;

use mcp_bridge::{ChildId, Config, Input, Instant, Output};

use super::super::json;
use super::super::law::{Broken, Judged, Law, require};

/// When a step was wanted: the earliest and the latest that it may have been, as the driver may
/// take outputs late.
type Step = Option<[Instant; 2]>;

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    close_stdin: Step,
    terminate: Step,
    kill: Step,
    /// Bytes of a line that it has begun.
    begun: usize,
    paused: bool,
    gone: bool,
    /// It is gone, and all that the engine had wanted before is done.
    gone_settled: bool,
}

impl Process {
    fn is_leaving(&self) -> bool {
        self.close_stdin.is_some() || self.kill.is_some()
    }
}

#[derive(Default)]
pub(super) struct Children {
    all: BTreeMap<ChildId, Process>,
}

impl Children {
    pub(super) fn input(&mut self, input: &Input<'_>) {
        if let Input::OpenFailed { child: id, .. }
        | Input::Exhausted { child: id, .. }
        | Input::Exited { child: id, .. } = input
        {
            self.all.entry(*id).and_modify(|process| process.gone = true);
        }
        if let Input::Stdout { child: id, bytes } = input
            && let Some(process) = self.all.get_mut(id)
        {
            let end = bytes.iter().rposition(|byte| *byte == b'\n');
            process.begun = end.map_or(process.begun + bytes.len(), |at| bytes.len() - at - 1);
        }
    }

    /// `span` is the time since outputs were last taken; `hurry` is whether the program was told a
    /// second time to end.
    pub(super) fn output(
        &mut self,
        output: &Output,
        config: &Config,
        span: [Instant; 2],
        hurry: bool,
    ) -> Judged {
        let now = span[1];
        let id = match output {
            Output::Open { child: id, .. } => {
                let before = self.all.insert(*id, Process::default());
                require!(NoOrphan, before.is_none(), "{id} is opened twice");
                return Ok(());
            }
            Output::Write { child: id, .. }
            | Output::Pause { child: id }
            | Output::Resume { child: id }
            | Output::CloseStdin { child: id }
            | Output::Terminate { child: id }
            | Output::Kill { child: id } => *id,
            _ => return Ok(()),
        };
        let Some(process) = self.all.get_mut(&id) else {
            require!(NoOrphan, false, "an order for {id}, which was never opened");
            return Ok(());
        };
        require!(Ladder, !process.gone_settled, "{id} is gone, and gets {output:?}");
        let past = |step: Step, wait| step.is_some_and(|[at, _]| at.after(wait) <= now);
        match output {
            Output::Write { bytes, .. } => {
                require!(StdinLines, !process.is_leaving(), "{id}: a write after its end");
                judge_lines(id, bytes)?;
            }
            Output::Pause { .. } | Output::Resume { .. } => {
                let pauses = matches!(output, Output::Pause { .. });
                let turns = std::mem::replace(&mut process.paused, pauses) != pauses;
                require!(Pace, turns, "{id}: twice {output:?}");
            }
            Output::CloseStdin { .. } => {
                let first = !process.is_leaving() && process.terminate.is_none();
                require!(Ladder, first, "{id}: stdin is closed, but {process:?}");
                process.close_stdin = Some(span);
            }
            Output::Terminate { .. } => {
                let due = hurry || past(process.close_stdin, config.term_grace);
                let due = due && process.terminate.is_none();
                require!(Ladder, due, "{id}: SIGTERM at {now}, but {process:?}");
                process.terminate = Some(span);
            }
            _ => {
                let due = hurry || past(process.terminate, config.kill_grace);
                let due = due && process.kill.is_none();
                require!(Ladder, due, "{id}: SIGKILL at {now}, but {process:?}");
                process.kill = Some(span);
            }
        }
        Ok(())
    }

    /// After a tick each process has got the step that is due. `drained` is whether the time is
    /// over in which calls may go on after the program was told to end.
    pub(super) fn judge_due(&self, config: &Config, now: Instant, drained: bool) -> Judged {
        for (id, process) in self.all.iter().filter(|(_, process)| !process.gone) {
            let due = |step: Step, wait| step.is_some_and(|[_, at]| at.after(wait) <= now);
            let killed = process.kill.is_some();
            let stays = !killed && process.terminate.is_none();
            let late = due(process.close_stdin, config.term_grace) && stays;
            require!(LadderDue, !late, "{id}: no SIGTERM at {now}: {process:?}");
            let late = due(process.terminate, config.kill_grace) && !killed;
            require!(LadderDue, !late, "{id}: no SIGKILL at {now}: {process:?}");
            let stays = drained && !process.is_leaving();
            require!(LadderDue, !stays, "{id} stays after the drain: {process:?}");
        }
        Ok(())
    }

    /// There are as many processes as `Config` says, and as many again on their way out.
    pub(super) fn judge_limits(&self, config: &Config, hurry: bool) -> Judged {
        let alive = || self.all.iter().filter(|(_, process)| !process.gone);
        let most = config.sessions.saturating_add(config.pool).saturating_add(config.prewarm);
        let staying = alive().filter(|(_, process)| !process.is_leaving()).count();
        require!(Limits, staying <= most, "{staying} processes, {most} are allowed");
        let all = alive().count();
        require!(Limits, all <= most.saturating_mul(2), "{all} processes, twice {most} may be");
        let spared = alive().find(|(_, process)| hurry && process.kill.is_none());
        require!(LadderDue, spared.is_none(), "{spared:?} is not killed at once");
        Ok(())
    }

    /// While no input has room, no process is read, but for one in the middle of a long line, so
    /// that the line reaches its end.
    pub(super) fn judge_read(&self, config: &Config, held: usize) -> Judged {
        let message = config.message.min(config.budget / 4);
        if held <= config.budget - message {
            return Ok(());
        }
        let read = self.all.iter().filter(|(_, process)| !process.gone && !process.paused);
        let (long, short): (Vec<_>, Vec<_>) = read.partition(|(_, process)| process.begun > 0);
        require!(Pace, short.is_empty(), "{held} bytes are held, and they are read: {short:?}");
        require!(Pace, long.len() <= 1, "{held} bytes are held, and all of {long:?} are read");
        Ok(())
    }

    /// A process ends with the only stream that its client can have.
    pub(super) fn judge_abandoned(&self, id: ChildId) -> Judged {
        let stays = self.all.get(&id).is_some_and(|one| !one.gone && !one.is_leaving());
        require!(NoOrphan, !stays, "{id} stays, although its client's stream is over");
        Ok(())
    }

    pub(super) fn drained(&mut self) {
        self.all.values_mut().for_each(|process| process.gone_settled = process.gone);
    }

    pub(super) fn judge_end(&self) -> Judged {
        let left = self.all.iter().find(|(_, process)| !process.gone);
        require!(NoOrphan, left.is_none(), "{left:?} is left");
        Ok(())
    }
}

/// What a process gets is whole lines, each of them one JSON object.
fn judge_lines(id: ChildId, bytes: &[u8]) -> Judged {
    require!(StdinLines, bytes.last() == Some(&b'\n'), "{id}: a write is not whole lines");
    for line in bytes[..bytes.len() - 1].split(|byte| *byte == b'\n') {
        let object = json::valid(line) && json::members(line).is_some() && !line.contains(&b'\r');
        require!(StdinLines, object, "{id}: no object: {}", String::from_utf8_lossy(line));
    }
    Ok(())
}
