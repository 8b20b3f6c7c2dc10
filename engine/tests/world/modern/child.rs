//! What shared children say.

use mcp_bridge::Exit;

use super::super::World;
use super::super::client::notification;
use super::super::law::Judged;
use super::super::model::Line;
use super::super::setup::Command;
use super::super::text::{Holes, Part, Style, Text, payload, plain};
use super::asking::may_ask;
use super::client::{CAPABILITIES, LEVELS};
use super::{To, Turn, Word, WordKind};

impl World<'_> {
    /// A shared child answers something that it was asked.
    pub(in super::super) fn modern_answer(&mut self, child: usize) -> Judged {
        let mute = self.children[child].temper.mute;
        if let Some(id) = self.modern.desks[child].discover.take_if(|_| !mute) {
            self.answer_discover(child, &id);
            return self.maybe_read(child);
        }
        if let Some(id) = self.modern.desks[child].hello.take_if(|_| !mute) {
            match self.swarm.command {
                Command::Modern => self.decline_hello(child, &id),
                Command::Dual | Command::Session => self.tell_hello(child, &id),
            }
            return self.maybe_read(child);
        }
        if let Some(id) = self.modern.desks[child].own.pop().filter(|_| !mute) {
            let outcome =
                self.dice.pick(&["\"result\":{}", "\"error\":{\"code\":7,\"message\":\"\"}"]);
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{outcome}}}");
            self.write_line(child, line.into_bytes(), Vec::new(), None);
            return self.maybe_read(child);
        }
        if !mute && self.dice.one_in(3) && self.say_news(child) {
            return self.maybe_read(child);
        }
        let count = self.modern.desks[child].todo.len();
        if count == 0 || mute {
            return self.modern_act(child);
        }
        let place = self.dice.below(count);
        let turn = self.modern.desks[child].todo[place];
        let asks = self.children[child].temper.asks && self.modern.desks[child].session_era;
        if asks && may_ask(self.modern.turns[turn].method) && self.dice.one_in(2) {
            self.say_question(child);
            return self.maybe_read(child);
        }
        self.modern.desks[child].todo.remove(place);
        self.answer_turn(child, turn);
        self.maybe_read(child)
    }

    /// Somebody waits to hear who this child is.
    pub(in super::super) fn is_greeted(&self, child: usize) -> bool {
        let desk = &self.modern.desks[child];
        let mute = self.children[child].temper.mute;
        !mute && (desk.discover.is_some() || desk.hello.is_some())
    }

    /// A child of the session era does not know what it is asked, or leaves at the question.
    fn answer_discover(&mut self, child: usize, id: &[u8]) {
        match self.swarm.command {
            Command::Modern | Command::Dual => self.tell_era(child, id),
            Command::Session if self.dice.one_in(6) => {
                self.children[child].dead = self.children[child].dead.or(Some(Exit::Code(1)));
            }
            Command::Session if self.dice.one_in(6) => {}
            Command::Session => self.decline_probe(child, id),
        }
    }

    /// The answer to the engine's question for the era.
    pub(in super::super) fn tell_era(&mut self, child: usize, id: &[u8]) {
        let id = String::from_utf8_lossy(id);
        let result = self.discovery(child);
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.opens = true;
        }
    }

    fn answer_turn(&mut self, child: usize, turn: usize) {
        let number = self.modern.words.len();
        let padding = self.padding();
        let rest = payload(&mut self.dice, 'w', number, padding);
        let echo = format!("\"echo\":\"@m{}@\"", self.modern.turns[turn].root);
        let session_era = self.modern.desks[child].session_era;
        if session_era && may_ask(self.modern.turns[turn].method) && self.dice.one_in(8) {
            return self.answer_with_url(child, turn);
        }
        let outcome = if self.dice.one_in(5) {
            let codes = ["-32602", "-32601", "-32021", "-32000", "7", "-32002"];
            let code = self.dice.pick(&codes);
            let error = format!("{{\"code\":{code},\"message\":\"no\",{echo},\"data\":{rest}}}");
            ("error", plain(error))
        } else {
            let kind = if session_era { "" } else { "\"resultType\":\"complete\"," };
            let meta = if self.dice.one_in(3) { ",\"_meta\":{\"y\":1.0}" } else { "" };
            ("result", plain(format!("{{{kind}{echo},\"x\":{rest}{meta}}}")))
        };
        let members = vec![("jsonrpc", plain("\"2.0\"")), ("id", vec![Part::Id]), outcome];
        let text = Text::object(self.line_style(), members);
        let given = self.modern.turns[turn].given.clone();
        self.utter(child, WordKind::Answer(turn), text, &given);
    }

    /// An error that asks the client to visit a page first (MCP 2025-11-25 "Elicitation").
    fn answer_with_url(&mut self, child: usize, turn: usize) {
        let number = self.modern.questions.len();
        let asked =
            format!("\"mode\":\"url\",\"url\":\"https://a.test\",\"message\":\"@q{number}@\"");
        self.new_question(child, None, "elicitation/create", format!("{{{asked}}}"));
        let id = self.modern.turns[turn].given.id.clone().unwrap_or_default();
        let id = String::from_utf8_lossy(&id);
        let data = format!("{{\"elicitations\":[{{{asked},\"elicitationId\":\"x\"}}]}}");
        let error = format!("{{\"code\":-32042,\"message\":\"go\",\"data\":{data}}}");
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.sends_away = Some((turn, number));
        }
    }

    /// Writes a message as one line.
    fn utter(&mut self, child: usize, kind: WordKind, text: Text, given: &Holes) {
        let bytes = text.fill(given);
        let word = Word { child, kind, text, to: To::Nobody, heard: None, seen: false };
        self.modern.words.push(word);
        self.write_line(child, bytes, Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.words.push(self.modern.words.len() - 1);
        }
    }

    /// What a shared child does of itself.
    pub(in super::super) fn modern_act(&mut self, child: usize) -> Judged {
        if self.may_be_a_sessions(child) {
            return Ok(());
        }
        let temper = self.children[child].temper;
        match self.dice.below(8) {
            0 | 1 if temper.chatty && self.say_news(child) => {}
            0 | 1 if temper.chatty => self.say_log(child),
            2 if temper.noisy => self.say_noise(child),
            3 if temper.lies => self.say_modern_lie(child),
            4 if temper.noisy => self.garble_turn(child),
            5.. if temper.asks && self.modern.desks[child].session_era => self.say_question(child),
            _ => self.say_modern_progress(child),
        }
        self.maybe_read(child)
    }

    fn say_log(&mut self, child: usize) {
        let level = self.dice.below(LEVELS.len());
        let number = self.modern.words.len();
        let data = payload(&mut self.dice, 'w', number, 0);
        let params = plain(format!("{{\"level\":\"{}\",\"data\":{data}}}", LEVELS[level]));
        let text = Text::object(self.line_style(), notification("notifications/message", params));
        self.utter(child, WordKind::Log(level), text, &Holes::default());
    }

    /// Progress of a request in flight, or of one that is over.
    fn say_modern_progress(&mut self, child: usize) {
        let known: Vec<usize> = (0..self.modern.turns.len())
            .filter(|turn| self.modern.turns[*turn].child == Some(child))
            .filter(|turn| self.modern.turns[*turn].given.token.is_some())
            .collect();
        let running: Vec<usize> =
            known.iter().copied().filter(|turn| self.modern.turns[*turn].in_flight()).collect();
        let from = if running.is_empty() || self.dice.one_in(8) { &known } else { &running };
        if from.is_empty() {
            return self.say_log(child);
        }
        let turn = from[self.dice.below(from.len())];
        let number = self.modern.words.len();
        let rest = payload(&mut self.dice, 'w', number, 0);
        let root = self.modern.turns[turn].root;
        let opening = format!(
            "{{\"progress\":1.10,\"echo\":\"@m{root}@\",\"message\":{rest},\"progressToken\":"
        );
        let params = [plain(opening), vec![Part::Token], plain("}")].concat();
        let text = Text::object(self.line_style(), notification("notifications/progress", params));
        let given = self.modern.turns[turn].given.clone();
        self.utter(child, WordKind::Progress(turn), text, &given);
    }

    /// A response that answers nothing, or answers again, or a request where none may be.
    fn say_modern_lie(&mut self, child: usize) {
        let over = (0..self.modern.turns.len()).rev().find(|turn| {
            let turn = &self.modern.turns[*turn];
            turn.child == Some(child) && !turn.in_flight()
        });
        let number = self.modern.words.len();
        let rest = payload(&mut self.dice, 'w', number, 0);
        let id = match (self.dice.below(6), over) {
            (0, Some(turn)) => return self.answer_turn(child, turn),
            (1, _) => "\"3x\"",
            (2, _) => "null",
            (3, _) => "987654321",
            (4, _) => "3.5",
            _ => "0",
        };
        let asks = self.dice.one_in(3);
        let outcome = if asks { "method\":\"x/ask\",\"params" } else { "result" };
        if asks {
            self.modern.desks[child].lies.push(id.to_string());
        }
        let members =
            vec![("jsonrpc", plain("\"2.0\"")), ("id", plain(id)), (outcome, plain(rest))];
        let text = Text::object(Style::Compact, members);
        self.utter(child, WordKind::Lie, text, &Holes::default());
    }

    /// An answer that no JSON reader takes.
    fn garble_turn(&mut self, child: usize) {
        let Some(turn) = self.modern.desks[child].todo.last().copied() else { return };
        let id = self.modern.turns[turn].given.id.clone().unwrap_or_default();
        let id = String::from_utf8_lossy(&id);
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"id\":{id},\"result\":{{}}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.garbles_turn = Some(turn);
        }
    }

    /// A line of a shared child is whole: what it says is said now.
    pub(in super::super) fn modern_hear(&mut self, child: usize, line: &Line) {
        if line.length() > self.config.message {
            self.modern.desks[child].doomed = true;
            return;
        }
        // What a process that gives way to another still says is not heard.
        let leaves = self.children[child].is_leaving();
        self.modern.desks[child].denied |= line.denies && !leaves;
        if line.opens && !leaves && !self.modern.desks[child].doomed {
            // What it says first counts.
            let desk = &mut self.modern.desks[child];
            desk.session_era |= line.greets && !desk.ready;
            desk.ready = true;
            self.failed_starts = 0;
        }
        self.modern.desks[child].doomed |= line.declines && !self.modern.desks[child].ready;
        if let Some(turn) = line.garbles_turn {
            match self.bearer(turn) {
                Some(turn) => self.modern.turns[turn].garbled = true,
                None => self.end_parked(turn, None),
            }
        }
        if let Some((turn, question)) = line.sends_away {
            self.modern.questions[question].heard = true;
            if let Some(turn) = self.bearer(turn) {
                // What it asked before may have been refused, for want of room, or as it may be
                // another's.
                let full = self.are_parks_full() || self.pressed;
                let full = full || self.may_be_of_several(child, turn);
                self.modern.questions[question].of = Some(turn);
                let known = &mut self.modern.turns[turn];
                let (_, _, can) = CAPABILITIES[known.capabilities];
                known.sent_away = true;
                // What it asked in the same step is not answered yet.
                self.modern.maybe_late |= known.parking;
                known.lacks |= (!known.parking || full) && !can.contains(&"elicitation");
                // Nor is what it asked before, if its client comes back in the same step.
                let back = known.retries.and_then(|retry| retry.park).filter(|_| known.parking);
                back.into_iter().for_each(|park| self.drop_questions(park));
            } else {
                self.end_parked(turn, Some(question));
            }
        }
        self.hear_news(child, line);
        for question in line.asks.iter().copied() {
            self.hear_question(child, question);
        }
        for word in line.words.iter().copied() {
            self.heard += 1;
            let to = self.word_to(child, word);
            let known = &mut self.modern.words[word];
            known.to = to;
            known.heard = Some(self.heard);
            self.modern.fresh.push(word);
        }
    }

    fn word_to(&mut self, child: usize, word: usize) -> To {
        let unsure = !self.is_first() || self.is_over(child);
        let to = match self.modern.words[word].kind {
            WordKind::Lie => To::Nobody,
            WordKind::Answer(turn) => {
                if let Some(to) = self.answer_while_parked(turn, word) {
                    return to;
                }
                let Some(turn) = self.bearer(turn) else { return To::Nobody };
                self.modern.turns[turn].answer = Some(word);
                To::Turn(turn)
            }
            WordKind::Progress(turn) => match self.bearer(turn) {
                Some(turn) if self.modern.turns[turn].holes.token.is_some() => To::Turn(turn),
                _ => To::Nobody,
            },
            WordKind::Log(level) => self.log_to(child, level),
        };
        match to {
            To::Turn(turn)
                if unsure || self.is_overdue(turn) || self.modern.turns[turn].parking =>
            {
                To::Maybe(turn)
            }
            To::Turn(turn) if !self.exchanges[self.modern.turns[turn].exchange].sse => {
                let answers = matches!(self.modern.words[word].kind, WordKind::Answer(_));
                if answers { To::Turn(turn) } else { To::Nobody }
            }
            to => to,
        }
    }

    /// A log message names no request: it is for the only one in flight, if that wants it.
    fn log_to(&self, child: usize, level: usize) -> To {
        let news = !self.is_first() || !self.modern.desks[child].was_ready;
        let asks = |turn: &Turn| turn.child == Some(child) && turn.parking;
        let unseen = news && self.modern.turns.iter().any(|turn| self.waits(turn));
        let late = (0..self.modern.turns.len()).any(|turn| {
            let here = self.modern.turns[turn].child == Some(child);
            here && self.is_overdue(turn) && self.is_awaited(turn)
        });
        // The engine sends a call whose time has come before it reads what the child says.
        let resent = (0..self.modern.turns.len()).any(|turn| {
            let due = self.settled_at(turn).is_some_and(|at| at <= self.clock());
            due && self.waits(&self.modern.turns[turn])
        });
        if late || unseen || resent || self.modern.turns.iter().any(asks) {
            return To::Any;
        }
        let waits =
            self.modern.parks.iter().any(|park| {
                !park.over && !park.resend && park.early.is_none() && park.child == child
            });
        let turns = self.modern.turns.iter().enumerate();
        let mut running =
            turns.filter(|(number, turn)| turn.child == Some(child) && self.is_awaited(*number));
        let (Some((only, turn)), None, false) = (running.next(), running.next(), waits) else {
            return To::Nobody;
        };
        let wanted = turn.level.is_some_and(|wanted| level >= wanted);
        let certain = self.carried(child) <= 1;
        if wanted && certain { To::Turn(only) } else { To::Nobody }
    }

    /// Of the call that this request made at its child, the request that waits for it now.
    pub(super) fn bearer(&self, turn: usize) -> Option<usize> {
        let (child, id) = (self.modern.turns[turn].child, &self.modern.turns[turn].given.id);
        let same = |other: &usize| {
            let other = &self.modern.turns[*other];
            other.child == child && other.given.id == *id
        };
        (turn..self.modern.turns.len()).filter(same).find(|turn| self.is_awaited(*turn))
    }

    /// Whether a request is in flight, and its client still there.
    pub(super) fn is_awaited(&self, turn: usize) -> bool {
        let turn = &self.modern.turns[turn];
        turn.in_flight() && self.exchanges[turn.exchange].is_live()
    }

    /// A request ran for as long as any may.
    pub(super) fn is_overdue(&self, turn: usize) -> bool {
        let turn = &self.modern.turns[turn];
        let limit = self.config.request;
        turn.child.is_some() && limit.is_some_and(|limit| turn.sent.after(limit) <= self.clock())
    }

    /// A child is on its way out, or will be.
    pub(super) fn is_over(&self, child: usize) -> bool {
        let (known, desk) = (&self.children[child], &self.modern.desks[child]);
        desk.doomed || known.gone || known.is_leaving() || self.shutdowns > 0
    }
}
