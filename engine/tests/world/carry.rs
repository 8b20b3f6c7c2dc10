//! What the engine wants of the driver, carried out and judged at once: the children's side here,
//! the clients' side in `deliver`.

use core::time::Duration;

use mcp_bridge::{Cause, ChildId, Exit, Instant, Notice, Output};

use super::World;
use super::json;
use super::law::{Broken, Judged, Law, require};
use super::model::{Child, Route, Said, SaidKind, ToldKind};
use super::modern::REFUSED;
use super::setup;
use super::text::{Holes, nonce, same_name};
use super::wait::Hold;

/// What the engine may write for one call by itself: a cancellation.
const MADE: usize = 128;
/// How long a client has to answer a ping of its child.
const PONG: Duration = Duration::from_secs(5);
/// What the engine asks a shared child by itself, before its clients' requests.
const OWN: usize = 512;
/// Why a line has no place here.
const NO_REQUEST: &str = "the engine asks a child nothing of its own";

impl Said {
    /// Its client has had the time to answer it, if it is a ping.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at.after(PONG) <= now)
    }
}

impl World<'_> {
    pub(super) fn carry_out(&mut self, output: Output) -> Judged {
        self.note(|| format!("<- {}", brief(&output)));
        self.hard.output(&output)?;
        match output {
            Output::Open { child: process, .. } => self.open(process),
            Output::Write { child: process, bytes } => self.write(process, &bytes),
            Output::Pause { child: process } => self.pause(process, true),
            Output::Resume { child: process } => self.pause(process, false),
            Output::CloseStdin { child: process } => self.close_stdin(process),
            Output::Terminate { child: process } => {
                self.terminate(process);
                Ok(())
            }
            Output::Kill { child: process } => {
                self.kill(process);
                Ok(())
            }
            Output::Respond { exchange, response } => {
                self.respond(self.handles[&exchange], response)
            }
            Output::Send { exchange, bytes } => self.send(self.handles[&exchange], &bytes),
            Output::Finish { exchange } => self.finish(self.handles[&exchange]),
            Output::Abort { exchange } => self.abort(self.handles[&exchange]),
            Output::Save { .. } | Output::Forget { .. } => {
                require!(NoOrphan, false, "nothing is to be kept");
                Ok(())
            }
            Output::Notice(notice) => self.notice(&notice),
        }
    }

    /// Pauses and resumes come by turns, of children that are there. One that was wanted before the
    /// engine was told of an exit may be taken after that.
    fn pause(&mut self, process: ChildId, pauses: bool) -> Judged {
        let number = self.pipes.get(&process).copied();
        let is_there = number.is_some_and(|number| !self.children[number].gone_settled);
        require!(Pace, is_there, "{process} is paused or resumed and is not there");
        if let Some(number) = number {
            self.children[number].hold.turn(pauses, self.seen);
        }
        let turns = self.subject.pause(process, pauses);
        require!(Pace, turns, "{process} is paused twice, or resumed twice");
        Ok(())
    }

    fn open(&mut self, process: ChildId) -> Judged {
        let late = self.shutdowns > 0 && self.is_only();
        require!(NoOrphan, !late, "{process} opens when all shall end");
        let temper = setup::temper(&mut self.dice, &self.swarm);
        self.pipes.insert(process, self.children.len());
        self.modern.desks.push(super::modern::Desk::default());
        self.children.push(Child {
            id: process,
            session: None,
            temper,
            opened: false,
            backlog: 0,
            hold: Hold::default(),
            close_stdin: None,
            terminate: None,
            kill: None,
            out: std::collections::VecDeque::new(),
            offset: 0,
            partial: 0,
            wrote: false,
            out_closed: false,
            out_closed_told: false,
            in_closed_told: false,
            dead: None,
            gone: false,
            gone_settled: false,
            todo: Vec::new(),
            probe: None,
            ids: std::collections::BTreeSet::new(),
        });
        Ok(())
    }

    fn write(&mut self, process: ChildId, bytes: &[u8]) -> Judged {
        let number = self.pipes[&process];
        let child = &mut self.children[number];
        // What the engine says by itself is short, and no more than once for each call.
        let made = nonce(bytes, b'c').is_none() && nonce(bytes, b'm').is_none();
        let most = self.config.stdin + usize::from(self.modern.desks[number].shared) * OWN;
        // Calls that go on were let in before.
        let crossed = child.session.is_some_and(|s| self.upward.crossings.contains_key(&s));
        let most = most + usize::from(crossed) * self.config.calls * self.config.message;
        let fits = child.backlog <= most || made && bytes.len() <= MADE;
        require!(Limits, fits, "{process} is behind by {} bytes", child.backlog);
        child.backlog += bytes.len();
        for line in bytes[..bytes.len() - 1].split(|byte| *byte == b'\n') {
            self.read_line(number, line)?;
        }
        Ok(())
    }

    /// A line that a child gets.
    fn read_line(&mut self, number: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let refused = line.windows(REFUSED.len()).any(|window| window == REFUSED.as_bytes());
        require!(Refusal, !refused, "a child gets what was refused: {shown}");
        if let Some(session) = self.children[number].session.filter(|s| self.is_crossed(*s)) {
            return self.read_upward(number, session, line);
        }
        let Some(nonce) = nonce(line, b'c') else {
            if self.children[number].session.is_none() {
                return self.read_shared(number, line);
            }
            return self.read_made_line(number, line);
        };
        let shared = self.modern.desks[number].shared && !self.is_spare(number);
        require!(OwnSession, !shared, "a shared child gets a session's message: {shown}");
        require!(StdinLines, nonce < self.told.len(), "nobody said {shown}");
        let told = &mut self.told[nonce];
        require!(StdinLines, !told.seen, "a second time: {shown}");
        told.seen = true;
        let holes = told.text.read(line);
        require!(StdinLines, holes.is_some(), "changed: {shown}");
        let (holes, kind, session) = (holes.unwrap_or_default(), told.kind.clone(), told.session);
        let id = told.id.clone();
        self.bind(number, session, nonce)?;
        self.in_turn(session, nonce)?;
        match kind {
            ToldKind::Call(call) => self.read_call(number, call, holes),
            ToldKind::Notification(_) => Ok(()),
            ToldKind::Cancel { target } => self.read_cancel(number, &holes, &target),
            ToldKind::Reply(said) => {
                let same = holes.id.as_ref() == Some(&id);
                require!(StdinLines, same, "a reply with another id: {shown}");
                if let Some(said) = said {
                    self.said[said].replied = true;
                }
                Ok(())
            }
        }
    }

    /// A child belongs to the session of its first line, and that line is `initialize`.
    fn bind(&mut self, number: usize, session: usize, nonce: usize) -> Judged {
        let process = self.children[number].id;
        match self.children[number].session {
            Some(own) => {
                require!(OwnSession, own == session, "{process} gets session {session}'s message");
            }
            None => {
                let first = self.told[nonce].kind == ToldKind::Call(self.sessions[session].call);
                require!(StdinLines, first, "{process} does not start with initialize");
                let free = self.sessions[session].child.is_none();
                require!(NoOrphan, free, "session {session} has two children");
                self.judge_start(number, session)?;
                self.sessions[session].child = Some(number);
                self.children[number].session = Some(session);
            }
        }
        Ok(())
    }

    /// What a client said earlier was written earlier.
    pub(super) fn in_turn(&self, session: usize, nonce: usize) -> Judged {
        let later = self
            .told
            .iter()
            .enumerate()
            .skip(nonce + 1)
            .find(|(_, told)| told.session == session && told.seen);
        require!(StdinLines, later.is_none(), "@c{nonce}@ is written after {later:?}");
        Ok(())
    }

    pub(super) fn read_call(&mut self, number: usize, call: usize, holes: Holes) -> Judged {
        let process = self.children[number].id;
        let id = holes.id.clone().unwrap_or_default();
        let whole = !id.is_empty() && id.iter().all(u8::is_ascii_digit);
        let shown = String::from_utf8_lossy(&id).into_owned();
        require!(StdinIds, whole, "{process}: the id {shown} is no integer");
        require!(StdinIds, self.children[number].ids.insert(id), "{process}: id {shown} twice");
        let token = &holes.token;
        let asked = self.calls[call].holes.token.is_some();
        require!(StdinIds, token.is_some() == asked, "{process}: a token too many or too few");
        let rivals = self.calls.iter().enumerate().filter(|(other, rival)| {
            *other != call
                && rival.session == self.calls[call].session
                && rival.in_flight()
                && token.is_some()
                && rival.child.as_ref().is_some_and(|child| child.token == *token)
        });
        require!(StdinIds, rivals.count() == 0, "{process}: two calls in flight share {token:?}");
        self.calls[call].child = Some(holes);
        self.children[number].todo.push(call);
        Ok(())
    }

    /// A cancellation names a call that the client asked for under that id.
    fn read_cancel(&mut self, number: usize, holes: &Holes, target: &[u8]) -> Judged {
        let session = self.children[number].session;
        let found = self.calls.iter().position(|call| {
            Some(call.session) == session
                && call.child.as_ref().is_some_and(|child| child.id == holes.target)
        });
        let named = String::from_utf8_lossy(holes.target.as_deref().unwrap_or_default());
        require!(Cancel, found.is_some(), "the child knows no {named}");
        let call = &mut self.calls[found.unwrap_or_default()];
        let same = same_name(call.holes.id.as_deref(), target);
        require!(Cancel, same, "{named} is another call than the one that was cancelled");
        require!(Cancel, !call.over && !call.is_initialize, "{named} is over");
        // It was in flight, whatever the child has said since.
        call.cancelled |= !call.delivered;
        self.counts.cancels += 1;
        Ok(())
    }

    /// A line that no client said: only what ends a request may come from the engine itself.
    fn read_made_line(&mut self, number: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let method = json::member(line, "method").and_then(json::unquote);
        if method.as_deref() == Some("notifications/cancelled") {
            let params = json::member(line, "params").unwrap_or_default();
            let target = json::member(params, "requestId").map(<[u8]>::to_vec);
            let session = self.children[number].session;
            let named = |call: &super::model::Call| {
                call.child.as_ref().is_some_and(|child| child.id == target)
            };
            let known =
                self.calls.iter_mut().find(|call| Some(call.session) == session && named(call));
            let ended = known.as_ref().is_some_and(|call| !call.over || call.failed);
            require!(Cancel, ended, "a cancellation of nothing: {shown}");
            known.into_iter().for_each(|call| call.dropped = true);
            return Ok(());
        }
        if method.as_deref() == Some("server/discover") {
            return self.read_probe(number, line);
        }
        require!(StdinLines, method.is_none(), "{NO_REQUEST}: {shown}");
        self.read_reply_made(number, line)
    }

    /// The engine answers what the child asked: with an error, or a ping. That is one which the
    /// client can't be told now, and then never sees, or has not answered in time.
    pub(super) fn read_reply_made(&mut self, number: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let session = self.children[number].session;
        let id = json::member(line, "id").unwrap_or_default();
        let declines = json::member(line, "error").is_some();
        let pongs = json::member(line, "result") == Some(b"{}");
        let (seen, fresh) = (self.seen, &self.fresh);
        let answers = |(number, said): &(usize, &mut Said)| {
            let asked =
                Some(said.session) == session && said.kind == SaidKind::Ask && said.id == id;
            let pongs = pongs && said.is_ping() && !said.replied;
            asked && (declines || pongs && (said.is_late(seen) || fresh.contains(number)))
        };
        let said = self.said.iter_mut().enumerate().find(answers);
        require!(StdinLines, said.is_some(), "a response of the engine's own: {shown}");
        let Some((number, said)) = said.filter(|_| pongs) else { return Ok(()) };
        // Its client may have been told, or may yet be.
        said.route = if fresh.contains(&number) { Route::Never } else { Route::Any };
        said.replied = true;
        self.counts.pongs += 1;
        let session = self.sessions.get_mut(session.unwrap_or(usize::MAX));
        session.into_iter().for_each(|session| session.queued.retain(|said| *said != number));
        Ok(())
    }

    /// The engine asks for the child's era: only a child that declined `initialize`, and once.
    fn read_probe(&mut self, number: usize, line: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(line);
        let session = self.children[number].session.map(|session| &self.sessions[session]);
        let declined = session.is_some_and(|session| self.is_declined(session.call));
        require!(StdinLines, declined, "an era is asked for that is known: {shown}");
        let id = json::member(line, "id").map(<[u8]>::to_vec).unwrap_or_default();
        let child = &mut self.children[number];
        require!(StdinIds, child.ids.insert(id.clone()), "an id is used twice: {shown}");
        require!(StdinLines, child.probe.is_none(), "an era is asked for twice: {shown}");
        child.probe = Some(id);
        Ok(())
    }

    fn close_stdin(&mut self, process: ChildId) -> Judged {
        let number = self.pipes[&process];
        let now = self.seen;
        self.judge_spare_end(number)?;
        let child = &mut self.children[number];
        child.close_stdin = Some(now);
        // What it said since the engine gave it up does not count.
        let desk = &mut self.modern.desks[number];
        desk.ready &= desk.was_ready;
        desk.denied &= desk.was_ready || desk.class.is_some();
        let child = &mut self.children[number];
        if !child.temper.ignores_eof {
            child.dead = child.dead.or(Some(Exit::Code(0)));
        }
        self.end_session_of(number);
        Ok(())
    }

    fn terminate(&mut self, process: ChildId) {
        let number = self.pipes[&process];
        let child = &mut self.children[number];
        child.terminate = Some(self.seen);
        if !child.temper.ignores_term {
            child.dead = child.dead.or(Some(Exit::Signal(15)));
        }
        self.end_session_of(number);
    }

    fn kill(&mut self, process: ChildId) {
        let number = self.pipes[&process];
        let child = &mut self.children[number];
        child.kill = Some(self.seen);
        child.dead = child.dead.or(Some(Exit::Signal(9)));
        self.counts.kills += 1;
        self.end_session_of(number);
    }

    /// A child that is gone or told to go has no session any more.
    pub(super) fn end_session_of(&mut self, child: usize) {
        if let Some(session) = self.children[child].session {
            self.sessions[session].over = true;
            self.sessions[session].doomed = true;
        }
    }

    /// What the operator is told is true.
    fn notice(&mut self, notice: &Notice) -> Judged {
        match notice {
            Notice::SessionEnded { session, cause, .. } => {
                self.ended(ChildId::from_number(session.number()), *cause)
            }
            Notice::BreakerOpen { wait, .. } => {
                self.breaker = self.seen.after(*wait);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ended(&self, process: ChildId, cause: Cause) -> Judged {
        let Some(child) = self.pipes.get(&process).map(|number| &self.children[*number]) else {
            return Ok(());
        };
        let Some(session) = child.session.map(|session| &self.sessions[session]) else {
            return Ok(());
        };
        let call = &self.calls[session.call];
        let true_cause = match cause {
            Cause::Deleted => session.deleted,
            Cause::Idle => {
                self.config.idle.is_some_and(|idle| session.touched.after(idle) <= self.seen)
            }
            Cause::Exited(exit) => child.gone && child.dead == Some(exit),
            Cause::StdoutClosed => child.out_closed_told && !child.in_closed_told,
            Cause::StdinClosed => child.in_closed_told,
            Cause::LineTooLong => child.partial > self.config.message || session.doomed,
            Cause::NotStarted => child.gone && !child.opened,
            Cause::StartTimeout | Cause::Unreadable(_) => {
                session.asked.after(self.config.start) <= self.seen
            }
            Cause::Declined => call.answer.is_some() && !session.open,
            Cause::ClientLeft => self.exchanges[session.exchange].lost && !session.open,
            Cause::Shutdown => self.shutdowns > 0,
            Cause::Memory => self.pressed,
            // A cause that this world does not know can't be true in it.
            _ => false,
        };
        require!(Ending, true_cause, "{process} ended, but not by {cause:?}");
        Ok(())
    }
}

/// An output as the trace shows it.
fn brief(output: &Output) -> String {
    match output {
        Output::Write { child: process, bytes } => {
            format!("write {process} {}", String::from_utf8_lossy(bytes))
        }
        Output::Send { exchange, bytes } => {
            format!("send {exchange} {}", String::from_utf8_lossy(bytes).escape_debug())
        }
        Output::Respond { exchange, response } => {
            let body = match &response.body {
                mcp_bridge::Body::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                mcp_bridge::Body::Stream => String::from("(stream)"),
            };
            format!("respond {exchange} {} {:?} {body}", response.status, response.fields)
        }
        other => format!("{other:?}"),
    }
}
