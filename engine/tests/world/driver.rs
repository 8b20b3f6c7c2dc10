//! The driver: tells the engine what happened, within the contract of `Input`, but as late, as
//! early and in as small pieces as the contract allows.

use core::time::Duration;

use mcp_bridge::{ChildId, Exchange as Number, Exit, Input, Instant};

use super::law::{Broken, Judged, Law, require};
use super::model::{Line, Pace, Phase};
use super::setup::Clients;
use super::{DRAIN, World};

/// Ticks of one long wait. Each tick must move the deadline on, so this is never met.
const TICKS: usize = 20_000;
/// Bytes of a case in which the program may end.
const LATE: usize = 250;
/// What a message may take beside its text.
const MORE: usize = 1024;
/// Rounds in which what is owed makes more be owed.
const ROUNDS: usize = 100;

impl World<'_> {
    /// Tells the engine one thing.
    pub(super) fn tell(&mut self, input: Input<'_>) -> Judged {
        self.note(|| brief(&input));
        self.seen = self.seen.max(self.now);
        let ticks = matches!(input, Input::Tick);
        self.ticked |= ticks;
        self.crossed |= !ticks && self.subject.is_due(self.seen);
        self.pending += 1;
        if let Input::Stdout { bytes, .. } = input {
            self.piece += bytes.len();
        }
        self.events += 1;
        let more = match input {
            // A resume is let in if all that may be kept has room.
            Input::Request { head, .. } if head.method == "GET" => self.config.replay + MORE,
            Input::Request { body, .. } => 2 * body.len() + MORE,
            Input::Stdout { bytes, .. } => 2 * bytes.len() + MORE,
            _ => 0,
        };
        self.pressed |= self.subject.buffered() + more > self.config.budget / 8;
        self.hard.input(&input, self.now);
        self.subject.handle(input, self.now);
        self.pressed |= self.subject.buffered() > self.config.budget / 8;
        Ok(())
    }

    /// Carries out all that the engine wants, then looks at what came of it.
    pub(super) fn drain(&mut self) -> Judged {
        for _ in 0..DRAIN {
            match self.subject.poll_output() {
                Some(output) => self.carry_out(output)?,
                None if self.deliver_one() => {}
                None => {
                    self.hard.drained(&mut self.subject)?;
                    return self.settle();
                }
            }
        }
        require!(NoSpin, false, "a drain brought more than {DRAIN} outputs");
        Ok(())
    }

    /// An answer of which all is said and taken is delivered. False if there is none.
    fn deliver_one(&mut self) -> bool {
        let mut open = self.open.iter().copied();
        let taken = open.find_map(|number| {
            let exchange = &mut self.exchanges[number];
            let ready = exchange.phase == Phase::Done && exchange.untaken == 0 && !exchange.lost;
            let first = ready && !std::mem::replace(&mut exchange.delivered, true);
            exchange.handle.filter(|_| first)
        });
        if let Some(exchange) = taken {
            let input = Input::Delivered { exchange };
            self.hard.input(&input, self.seen);
            self.subject.handle(input, self.seen);
        }
        taken.is_some()
    }

    /// What an eager driver does at once: bytes taken, children started.
    pub(super) fn oblige(&mut self) -> Judged {
        for _ in 0..ROUNDS {
            let mut owed = false;
            for place in 0..self.open.len() {
                let Some(number) = self.open.get(place).copied() else { break };
                let exchange = &self.exchanges[number];
                if exchange.lingers() && exchange.pace == Pace::Eager {
                    owed = true;
                    self.take(number, usize::MAX)?;
                }
            }
            for child in 0..self.children.len() {
                let known = &self.children[child];
                if known.gone {
                    continue;
                }
                if known.temper.prompt && known.can_speak() && self.is_greeted(child) {
                    owed = true;
                    self.modern_answer(child)?;
                    continue;
                }
                if known.backlog > 0 && known.temper.stdin == Pace::Eager && known.opened {
                    owed = true;
                    self.take_of_child(child, usize::MAX)?;
                } else if !known.opened && !self.swarm.sleepy {
                    owed = true;
                    self.open_child(child)?;
                }
            }
            self.drain()?;
            if !owed {
                return Ok(());
            }
        }
        require!(NoSpin, false, "what is owed is never paid");
        Ok(())
    }

    /// The peer of this exchange takes up to so many bytes.
    pub(super) fn take(&mut self, number: usize, most: usize) -> Judged {
        let now = self.clock();
        // Timers come first: a reader that is late has lost its stream already.
        let slow = self.keeps_waiting(number, now);
        let exchange = &mut self.exchanges[number];
        let bytes = exchange.untaken.min(most);
        let late = exchange.moved.after(self.config.stall) <= now;
        exchange.was_late |= (late || slow) && bytes > 0;
        if !(late && exchange.carries()) {
            exchange.untaken -= bytes;
            exchange.moved = now;
        }
        let handle = exchange.handle;
        match handle {
            Some(exchange) => self.tell(Input::Taken { exchange, bytes }),
            None => Ok(()),
        }
    }

    fn take_of_child(&mut self, child: usize, most: usize) -> Judged {
        let known = &mut self.children[child];
        let bytes = known.backlog.min(most);
        known.backlog -= bytes;
        let process = known.id;
        self.tell(Input::StdinTaken { child: process, bytes })
    }

    /// A slow reader takes something.
    pub(super) fn take_some(&mut self) -> Judged {
        let slow: Vec<usize> = self
            .open
            .iter()
            .copied()
            .filter(|number| self.exchanges[*number].lingers())
            .filter(|number| self.exchanges[*number].pace != Pace::Never)
            .collect();
        if slow.is_empty() {
            return Ok(());
        }
        let number = slow[self.dice.below(slow.len())];
        let most = self.dice.pick(&[usize::MAX, 1, 100, 700]);
        self.take(number, most)
    }

    /// A slow child reads something.
    pub(super) fn take_stdin(&mut self) -> Judged {
        let slow: Vec<usize> = (0..self.children.len())
            .filter(|child| !self.children[*child].gone && self.children[*child].opened)
            .filter(|child| self.children[*child].backlog > 0)
            .filter(|child| self.children[*child].temper.stdin != Pace::Never)
            .collect();
        if slow.is_empty() {
            return Ok(());
        }
        let child = slow[self.dice.below(slow.len())];
        let most = self.dice.pick(&[usize::MAX, 1, 100, 700]);
        self.take_of_child(child, most)
    }

    /// The driver reads a piece of some child's stdout.
    pub(super) fn read_some(&mut self) -> Judged {
        let full: Vec<usize> = (0..self.children.len())
            .filter(|child| !self.children[*child].out.is_empty() && !self.children[*child].gone)
            .collect();
        if full.is_empty() {
            return Ok(());
        }
        let child = full[self.dice.below(full.len())];
        let piece = self.dice.pick(&[65_536, 1, 2, 7, 40, 100, 300, 1000]);
        self.read(child, piece)
    }

    /// After a child wrote, mostly its whole output is told at once.
    pub(super) fn maybe_read(&mut self, child: usize) -> Judged {
        if self.dice.one_in(3) { Ok(()) } else { self.read(child, 65_536) }
    }

    /// Tells so many bytes of stdout, if the engine wants any.
    pub(super) fn read(&mut self, number: usize, most: usize) -> Judged {
        let process = self.children[number].id;
        if !self.subject.wants(process) || !self.children[number].opened {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut lines = Vec::new();
        let child = &mut self.children[number];
        while bytes.len() < most {
            let Some(line) = child.out.front() else { break };
            let rest = &line.bytes[child.offset..];
            let piece = &rest[..rest.len().min(most - bytes.len())];
            bytes.extend_from_slice(piece);
            child.offset += piece.len();
            child.partial += piece.len();
            if child.offset == line.bytes.len() {
                child.offset = 0;
                let whole = line.bytes.last() == Some(&b'\n');
                lines.extend(child.out.pop_front());
                if whole {
                    child.partial = 0;
                }
            }
        }
        // A message that is whole gets its newline without a pause: for want of that it would end.
        if let Some(line) = child.out.front().filter(|_| child.offset > 0) {
            let rest = &line.bytes[child.offset..];
            if matches!(rest, b"\n" | b"\r\n") {
                bytes.extend_from_slice(rest);
                child.offset = 0;
                child.partial = 0;
                lines.extend(child.out.pop_front());
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        // The last byte of a line that has begun may be half of its end.
        let message = self.config.message;
        let long = lines.iter().any(|line: &Line| line.length() > message);
        let endless = long || child.partial > message + 1;
        for line in lines {
            self.hear(number, &line);
        }
        self.doom_if(endless, number);
        self.tell(Input::Stdout { child: process, bytes: &bytes })
    }

    /// Something was told that ends the child's session.
    pub(super) fn doom_if(&mut self, ends: bool, child: usize) {
        self.modern.desks[child].doomed |= ends;
        if let Some(session) = self.children[child].session.filter(|_| ends) {
            self.sessions[session].doomed = true;
        }
    }

    /// Tells that a child runs, or that it can't be started.
    fn open_child(&mut self, number: usize) -> Judged {
        let gives_way = self.gives_way(number);
        let clock = self.clock();
        let child = &mut self.children[number];
        let process = child.id;
        if child.temper.fails_to_open {
            child.gone = true;
            // What can't be started to be asked can't be started to serve either.
            self.modern.failed_at = self.modern.failed_at.max(gives_way.then_some(clock));
            self.end_session_of(number);
            self.blameless += 1;
            return self.tell(Input::OpenFailed {
                child: process,
                reason: "/srv/child: no such file",
                public: "not found",
            });
        }
        child.opened = true;
        self.tell(Input::Opened { child: process, pid: Some(1000 + number as u32) })
    }

    /// What the driver owes for this child: nothing is left if false.
    pub(super) fn report_of(&mut self, number: usize) -> Result<bool, Broken> {
        let child = &self.children[number];
        let process = child.id;
        if child.gone {
            return Ok(false);
        }
        if !child.opened {
            self.open_child(number)?;
            return Ok(true);
        }
        let closed = child.out_closed && !child.out_closed_told;
        if child.dead.is_none() && !closed {
            return Ok(false);
        }
        if !child.out.is_empty() {
            // All that it wrote is told before its end is, as far as the engine wants it.
            if !self.subject.wants(process) {
                return Ok(false);
            }
            self.read(number, 65_536)?;
            return Ok(true);
        }
        let child = &mut self.children[number];
        if !child.out_closed_told && (child.dead.is_none() || self.dice.one_in(2)) {
            child.out_closed_told = true;
            child.out_closed = true;
            self.doom_if(true, number);
            // It closes its input as well, which is told first, last, or not at all.
            match self.dice.below(4) {
                0 => {
                    self.children[number].in_closed_told = true;
                    self.tell(Input::StdinClosed { child: process })?;
                    self.tell(Input::StdoutClosed { child: process })?;
                }
                1 => {
                    self.tell(Input::StdoutClosed { child: process })?;
                    self.tell(Input::StdinClosed { child: process })?;
                }
                _ => self.tell(Input::StdoutClosed { child: process })?,
            }
        } else if let Some(exit) = child.dead {
            child.gone = true;
            let unread = child.backlog > 0 && child.temper.stdin == Pace::Never;
            self.end_session_of(number);
            if unread {
                self.blameless += 1;
                self.tell(Input::Unread { child: process })?;
            }
            self.tell(Input::Exited { child: process, exit, stderr: b"last \xff words\n" })?;
        }
        Ok(true)
    }

    /// The driver tells something that it owes.
    pub(super) fn report(&mut self) -> Judged {
        let number = self.children.len();
        if number == 0 {
            return Ok(());
        }
        let start = self.dice.below(number);
        for step in 0..number {
            if self.report_of((start + step) % number)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Something about what is gone: tasks of a driver race.
    pub(super) fn stale(&mut self) -> Judged {
        let gone = self.children.iter().filter(|child| child.gone_settled);
        let gone: Vec<ChildId> = gone.map(|child| child.id).collect();
        let gone = (!gone.is_empty()).then(|| self.dice.pick(&gone));
        let done = self.exchanges.iter().position(|exchange| {
            exchange.phase == Phase::Done && exchange.untaken == 0 || exchange.lost_settled
        });
        let exchange = done.and_then(|number| self.exchanges[number].handle);
        let exchange = exchange.unwrap_or(Number::from_number(1_000_000));
        match (self.dice.below(9), gone) {
            (0, _) => self.tell(Input::Lost { exchange }),
            (1, _) => self.tell(Input::Taken { exchange, bytes: 3 }),
            (2, Some(process)) => self.tell(Input::Opened { child: process, pid: Some(1) }),
            (3, Some(process)) => {
                self.tell(Input::OpenFailed { child: process, reason: "late", public: "late" })
            }
            (4, Some(process)) => {
                self.tell(Input::Stdout { child: process, bytes: b"{\"late\":1}\nx" })
            }
            (5, Some(process)) => self.tell(Input::StdinTaken { child: process, bytes: 9 }),
            (6, Some(process)) => self.tell(Input::StdoutClosed { child: process }),
            (7, Some(process)) => self.tell(Input::StdinClosed { child: process }),
            (_, Some(process)) => {
                self.tell(Input::Exited { child: process, exit: Exit::Unknown, stderr: b"" })
            }
            _ => self.tell(Input::Tick),
        }
    }

    pub(super) fn moment(&mut self) -> Judged {
        let pause = self.dice.pick(&[1, 10, 49, 60, 1000]);
        self.now = self.now.after(Duration::from_millis(pause));
        Ok(())
    }

    /// The engine is woken when it asked to be, or a little later.
    pub(super) fn until_due(&mut self) -> Judged {
        if let Some(due) = self.subject.poll_timeout() {
            let late = self.dice.pick(&[0, 1, 5]);
            self.now = self.now.max(due.after(Duration::from_millis(late)));
        }
        self.tell(Input::Tick)
    }

    pub(super) fn while_passes(&mut self) -> Judged {
        let seconds = self.dice.pick(&[2, 1, 16, 31, 70, 310]);
        let until = self.now.after(Duration::from_secs(seconds));
        if self.swarm.sleepy && self.dice.one_in(2) {
            self.now = until;
            return self.tell(Input::Tick);
        }
        self.pass(until)
    }

    /// Lets time pass, with a tick at each deadline.
    pub(super) fn pass(&mut self, until: Instant) -> Judged {
        for _ in 0..TICKS {
            let due = self.subject.poll_timeout().filter(|due| *due <= until);
            let Some(due) = due else {
                self.now = self.now.max(until);
                return self.tell(Input::Tick);
            };
            self.now = self.now.max(due);
            self.tell(Input::Tick)?;
            self.drain()?;
            self.oblige()?;
        }
        require!(NoSpin, false, "{TICKS} ticks did not reach {until}");
        Ok(())
    }

    /// An input with a time that is past: it is read as the latest.
    pub(super) fn back(&mut self) -> Judged {
        let now = self.now;
        let back = self.dice.pick(&[1, 1000, 100_000, 2_000_000]);
        let past = now.since_origin().saturating_sub(Duration::from_millis(back));
        self.now = Instant::new(past);
        let judged = match (self.dice.one_in(2), self.swarm.clients) {
            (true, Clients::Modern) => self.modern_call(),
            (true, Clients::Session | Clients::Both) => self.call(),
            (false, _) => self.tell(Input::Tick),
        };
        self.now = now;
        judged?;
        self.drain()
    }

    pub(super) fn tick(&mut self) -> Judged {
        self.tell(Input::Tick)
    }

    /// The operator wants the program to end.
    pub(super) fn shut_down(&mut self) -> Judged {
        // Late, or every long case would be about nothing else.
        if self.dice.rest() < LATE { self.end_program() } else { Ok(()) }
    }

    pub(super) fn end_program(&mut self) -> Judged {
        self.shutdowns += 1;
        let now = self.now.max(self.seen);
        self.shutdown.get_or_insert(now);
        self.tell(Input::Shutdown)
    }
}

/// An input as the trace shows it. Requests are shown where they are asked.
fn brief(input: &Input<'_>) -> String {
    match input {
        Input::Request { admitted, .. } => format!("-> request {}", admitted.exchange()),
        Input::Stdout { child: process, bytes } => {
            format!("-> stdout {process} {}", String::from_utf8_lossy(bytes).escape_debug())
        }
        other => format!("-> {other:?}"),
    }
}
