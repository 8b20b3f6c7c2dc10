//! Calls that wait for their client: what it is asked, and that it comes back once, in time, for
//! the same call (MCP 2026-07-28 "Multi Round-Trip Requests").

use super::super::World;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::text::{Holes, nonce, payload};
use super::asking::may_ask;
use super::client::{CAPABILITIES, Plan};
use super::{Park, Retry, To, Turn, WordKind};

/// The shortest state that can't be guessed: 128 bits in the densest spelling.
const STATE: usize = 22;

impl World<'_> {
    /// A client comes back to a call that waits: rightly, late, again, with another call, or with
    /// a state of its own making.
    pub(in super::super) fn retry(&mut self) -> Judged {
        let count = self.modern.parks.len();
        if count == 0 {
            return self.answer_one();
        }
        let back = self.dice.below(count.min(4)) + 1;
        let number = count - back;
        // Whether a limit sends back who came back before is not known yet.
        let park = &self.modern.parks[number];
        let full = !self.is_first() && self.children[park.child].backlog > 0;
        let full = full || self.pending > 1;
        if park.used && full {
            return self.answer_one();
        }
        let turn = &self.modern.turns[self.modern.parks[number].turn];
        let (method, shown, mut call) = (turn.method, turn.shown, turn.call.clone());
        let (mut root, capabilities) = (turn.root, turn.capabilities);
        let mut state = self.modern.parks[number].state.clone();
        let (mut park, mut good) = (Some(number), self.is_open(number));
        match self.dice.below(12) {
            10 => {
                // Another call of the same name.
                let of = nonce(call.as_bytes(), b'm').unwrap_or_default();
                root = self.modern.turns.len();
                call = call.replace(&format!("@m{of}@"), &format!("@m{root}@"));
                good = false;
            }
            11 => {
                let digit = if state.starts_with('0') { "1" } else { "0" };
                state.replace_range(0..1, digit);
                (park, good) = (None, false);
            }
            _ => {}
        }
        let (answers, brings) = self.answers(number);
        let more = format!(",\"inputResponses\":{answers},\"requestState\":\"{state}\"");
        let retries = Some(Retry { park, good: good && brings });
        self.send_plan(Plan { method, shown, call, more, capabilities, root, retries })
    }

    /// What a client brings, and whether it can be read at all.
    fn answers(&mut self, park: usize) -> (String, bool) {
        match self.dice.below(16) {
            14 => return (String::from("[]"), false),
            15 => return (String::from("{\"input-1\":\"yes\"}"), false),
            _ => {}
        }
        let turn = self.modern.turns.len();
        let mut members = Vec::new();
        for (key, question) in self.modern.parks[park].keys.clone() {
            if self.dice.one_in(6) {
                continue;
            }
            let number = self.modern.answers.len();
            self.modern.answers.push((turn, question));
            let answer = payload(&mut self.dice, 'a', number, 0);
            members.push(format!("\"{key}\":{answer}"));
        }
        if self.dice.one_in(4) {
            members.push(String::from("\"unasked\":{\"x\":\"@z@\"}"));
        }
        (format!("{{{}}}", members.join(",")), true)
    }

    /// Whether a client may still come back to this wait.
    fn is_open(&self, park: usize) -> bool {
        let known = &self.modern.parks[park];
        // One that is only doomed may still be answered.
        let child = &self.children[known.child];
        let gone = child.gone || child.is_leaving();
        let late = known.since.after(self.config.park) <= self.clock();
        let overdue = !known.resend && known.early.is_none() && self.is_overdue(known.turn);
        !(known.used || known.over || gone || late || overdue)
    }

    /// A good state is used up as it is sent, and the call goes on under the new request.
    pub(super) fn use_state(&mut self, turn: &mut Turn) {
        let Some(Retry { park: Some(park), good: true, .. }) = turn.retries else { return };
        let number = self.modern.turns.len();
        let known = &mut self.modern.parks[park];
        known.used = true;
        known.over = true;
        if known.resend {
            return;
        }
        let known = &self.modern.parks[park];
        let early = known.early;
        let brings = |question: &usize| self.modern.answers.contains(&(number, *question));
        let more = self.has_asked_more(known.turn);
        let mut keys = known.keys.iter().map(|(_, question)| question);
        let lacks = keys.any(|asked| !self.modern.questions[*asked].replied && !brings(asked));
        let lacks = lacks || more;
        // It is asked again for what it does not bring.
        turn.parking = lacks && early.is_none();
        let first = &self.modern.turns[known.turn];
        turn.child = first.child;
        turn.given = first.given.clone();
        turn.sent = first.sent;
        turn.answer = early;
    }

    /// Whether the child has sent further questions since the call's `input_required` result.
    fn has_asked_more(&self, turn: usize) -> bool {
        self.modern.questions.iter().any(|question| {
            let open = question.of == Some(turn) && question.park.is_none() && !question.replied;
            // An answer under the id of what it may not ask is not known apart.
            let lies = &self.modern.desks[question.child].lies;
            let sure = question.id.as_ref().is_some_and(|id| !lies.contains(id));
            open && sure && self.can_be_asked(turn, question.method)
        })
    }

    /// A limit kept a client from coming back: it may try again.
    pub(super) fn give_state_back(&mut self, turn: usize) {
        let known = &mut self.modern.turns[turn];
        let Some(Retry { park: Some(park), good: true, .. }) = known.retries else { return };
        self.modern.parks[park].lacks |= known.lacks;
        if known.sent_away || self.modern.parks[park].resend && known.asked < self.seen {
            // It came back, and the call was made again, or would have been.
            return;
        }
        // What the child asked or said at once with the refusal is asked of the wait, or ends it.
        let garbled = known.garbled;
        (known.parking, known.lacks) = (false, false);
        let questions = self.modern.questions.iter_mut();
        for question in questions.filter(|question| question.of == Some(turn)) {
            question.unsure = true;
        }
        let known = &mut self.modern.turns[turn];
        known.child = None;
        known.given = Holes::default();
        // What the child answered since is the wait's.
        let early = known.answer.take().or_else(|| known.early.take());
        if let Some(word) = early.map(|word| &mut self.modern.words[word]) {
            word.to = To::Park(park);
        }
        let known = &mut self.modern.parks[park];
        known.early = known.early.or(early);
        known.used = false;
        known.over = garbled;
    }

    /// A client is asked: for its own call, what it can be asked, and once.
    pub(super) fn asked_back(&mut self, number: usize, turn: usize, result: &[u8]) -> Judged {
        let shown = String::from_utf8_lossy(result).into_owned();
        let requests = json::member(result, "inputRequests").unwrap_or_default();
        let requests = json::members(requests).unwrap_or_default();
        require!(Translation, !requests.is_empty(), "{number} is asked nothing: {shown}");
        let mut keys = Vec::new();
        let (mut resend, mut child) = (false, 0);
        for (key, request) in requests {
            let question = self.judge_question(number, turn, request)?;
            let asked = &self.modern.questions[question];
            let made = self.modern.turns[turn].child.is_some();
            resend |= asked.id.is_none() || asked.held && !made;
            let twice = keys.iter().any(|(other, _)| *other == key);
            require!(Translation, !twice, "{number}: the key {key} comes twice: {shown}");
            child = self.modern.questions[question].child;
            keys.push((key, question));
        }
        let state = json::member(result, "requestState").and_then(json::unquote);
        let state = state.unwrap_or_default();
        require!(State, state.len() >= STATE, "{number}: a state that can be guessed: {shown}");
        let fresh = self.modern.parks.iter().all(|park| park.state != state);
        require!(State, fresh, "{number}: a state that was given before: {shown}");
        for (_, question) in &keys {
            self.modern.questions[*question].park = Some(self.modern.parks.len());
        }
        let since = self.seen;
        // An answer that came at once with a retry that is asked for more waits for the next one.
        let mut fresh = self.modern.fresh.iter().copied();
        let at_once = fresh.find(|word| {
            let word = &self.modern.words[*word];
            matches!(word.kind, WordKind::Answer(_)) && word.to == To::Maybe(turn) && !word.seen
        });
        let early = self.modern.turns[turn].early.or(at_once);
        if let Some(word) = early {
            self.modern.words[word].to = To::Park(self.modern.parks.len());
        }
        let known = &self.modern.turns[turn];
        let (_, _, can) = CAPABILITIES[known.capabilities];
        // What came after the question, at once, ended the call.
        resend |= known.sent_away;
        let lacks = known.sent_away && !can.contains(&"elicitation");
        // What nobody could read, at once with the question, ended it.
        let (used, over) = (false, known.garbled);
        let park = Park { turn, child, state, keys, since, used, resend, lacks, early, over };
        self.modern.parks.push(park);
        self.modern.turns[turn].moved = true;
        self.counts.modern.parks += 1;
        Ok(())
    }

    /// One question, as its client gets it.
    fn judge_question(&self, number: usize, turn: usize, request: &[u8]) -> Result<usize, Broken> {
        let shown = String::from_utf8_lossy(request);
        let question = nonce(request, b'q').filter(|q| *q < self.modern.questions.len());
        require!(Translation, question.is_some(), "{number}: nobody asked {shown}");
        let question = question.unwrap_or_default();
        let (known, asked) = (&self.modern.questions[question], &self.modern.turns[turn]);
        require!(Prompt, known.heard, "{number}: nobody asked yet {shown}");
        let of = known.of.map(|of| &self.modern.turns[of]);
        let own = of.is_some_and(|of| {
            let here = of.child == asked.child && of.given.id == asked.given.id;
            of.root == asked.root && (here || known.id.is_none())
        });
        // Before its first call may ask, a child asks for the process.
        let own = own || known.held && may_ask(asked.method);
        require!(OwnCall, own || known.unsure, "{number}: asked of another call: {shown}");
        require!(Once, !known.replied, "{number}: it was answered: {shown}");
        let method = json::member(request, "method").and_then(json::unquote).unwrap_or_default();
        require!(Translation, method == known.method, "{number}: not {}: {shown}", known.method);
        let params = json::member(request, "params").unwrap_or_default();
        let same = json::flat(params) == json::flat(known.params.as_bytes());
        require!(Translation, same, "{number}: {shown}, not {}", known.params);
        let (_, _, can) = CAPABILITIES[asked.capabilities];
        let needs = method.split('/').next().unwrap_or_default();
        let able = can.contains(&needs);
        require!(Translation, able, "{number} can't be asked {method}");
        Ok(question)
    }

    /// A response that a child gets: of the client that it asked, or of the engine for its sake.
    pub(super) fn read_reply(&mut self, child: usize, line: &[u8]) -> Judged {
        let (shown, process) = (String::from_utf8_lossy(line), self.children[child].id);
        let id = json::member(line, "id").map(|id| String::from_utf8_lossy(id).into_owned());
        let lie = self.modern.desks[child].lies.iter().any(|lie| Some(lie) == id.as_ref());
        let result = json::member(line, "result");
        if lie && result.is_none() {
            return Ok(());
        }
        let question = (0..self.modern.questions.len()).rev().find(|question| {
            let known = &self.modern.questions[*question];
            known.child == child && known.heard && !known.replied && known.id == id
        });
        require!(StdinLines, question.is_some(), "{process} asked nothing: {shown}");
        let question = question.unwrap_or_default();
        self.modern.questions[question].replied = true;
        let known = &self.modern.questions[question];
        if let Some(answer) = nonce(line, b'a') {
            let (turn, of) = self.modern.answers[answer.min(self.modern.answers.len() - 1)];
            require!(OwnCall, of == question, "{process}: the answer to another question: {shown}");
            let good = self.modern.turns[turn].retries.is_some_and(|retry| retry.good);
            require!(State, good, "{process}: by a state that is not good: {shown}");
            self.counts.modern.answered += 1;
            return Ok(());
        }
        if known.method == "ping" {
            require!(StdinLines, result == Some(b"{}"), "{process}: no answer to a ping: {shown}");
            return Ok(());
        }
        let waits = known.park.is_some_and(|park| {
            let ended = &self.modern.parks[park];
            self.is_open(park) && ended.early.is_none() && (known.held || !ended.resend)
        });
        require!(State, !waits, "{process}: its client may still answer: {shown}");
        let cancels = result == Some(b"{\"action\":\"cancel\"}");
        let declined = result.is_none() || cancels && known.method == "elicitation/create";
        require!(StdinLines, declined, "{process}: nobody said {shown}");
        Ok(())
    }

    /// No more calls wait than may, and none for longer than `Config` says.
    pub(super) fn judge_parks(&self) -> Judged {
        let open = self.modern.parks.iter().filter(|park| !self.has_ended(park)).count();
        let most = self.config.parked;
        require!(Limits, open <= most, "{open} calls wait, {most} are allowed");
        for park in self.modern.parks.iter().filter(|park| !park.over) {
            let late = park.since.after(self.config.park) <= self.seen;
            let turn = &self.modern.turns[park.turn];
            // One that is ended by it is told first.
            let (child, desk) = (&self.children[park.child], &self.modern.desks[park.child]);
            let live = !(child.gone || child.out_closed_told || desk.doomed || desk.over);
            let live = live && self.shutdowns == 0;
            let ended = park.resend || park.early.is_some() || turn.cancelled;
            let told = !(late && live) || ended;
            require!(Cancel, told, "{}'s client did not come back", turn.exchange);
        }
        Ok(())
    }

    /// No further call may wait, or might not when it would have.
    pub(super) fn are_parks_full(&self) -> bool {
        let open = self.modern.parks.iter().filter(|park| !park.over).count();
        open >= self.config.parked || !self.is_only()
    }

    /// From here on, what waited too long waits no more.
    pub(super) fn note_parks(&mut self) {
        for number in 0..self.modern.parks.len() {
            self.modern.parks[number].over = self.has_ended(&self.modern.parks[number]);
        }
    }

    /// Its time is up, its child is on its way out, or the call is wanted no more.
    fn has_ended(&self, park: &Park) -> bool {
        let late = park.since.after(self.config.park) <= self.seen;
        let child = &self.children[park.child];
        let gone = child.gone || child.is_leaving();
        park.over || late || gone || self.modern.turns[park.turn].cancelled
    }
}
