//! What children say: answers, progress, logs, requests of their own, and lies.

use mcp_bridge::Exit;

use super::World;
use super::client::notification;
use super::json;
use super::law::Judged;
use super::model::{Line, Route, Said, SaidKind, Version};
use super::setup::Command;
use super::text::{Holes, LINE_STYLES, Part, Style, Text, name, payload, plain, spelled};

const LOGS: [&str; 4] =
    ["notifications/message", "notifications/x", "notifications/tasks/status", "x"];
const CHANGES: [&str; 4] = [
    "notifications/tools/list_changed",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/updated",
];
const ASKS: [&str; 5] =
    ["sampling/createMessage", "elicitation/create", "roots/list", "ping", "x/ask"];
/// Lines that are no message. No client sees anything of them.
const NOISE: [&[u8]; 18] = [
    b"{",
    b"  \"jsonrpc\": \"2.0\",",
    b"  \"method\": \"x\"",
    b"}",
    b"listening on stdin",
    b"",
    b"   ",
    b"null",
    b"42",
    b"[]",
    b"{}",
    b"{\"jsonrpc\":\"2.0\"}",
    b"{\"level\":\"info\"}",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"method\":\"y\"}",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":\"\xc3\x28\"}}",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"x\"",
];

/// Log records, in which an id of a call stands for `#`.
const RECORDS: [&str; 6] = [
    "{\"level\":30,\"time\":1,\"id\":#,\"msg\":\"handled\"}",
    "{\"level\":50,\"id\":#,\"error\":\"timeout\",\"msg\":\"failed\"}",
    "{\"event\":\"done\",\"id\":\"#\",\"result\":{},\"level\":\"info\"}",
    "{\"level\":\"info\",\"id\":#,\"result\":NaN}",
    "{\"level\":\"debug\",\"jsonrpc\":\"2.0\",\"id\":#,\"method\":7}",
    "sent {\"jsonrpc\":\"2.0\",\"id\":#,\"result\":{}}",
];

impl Line {
    /// Its bytes without their end, which no limit counts.
    pub(crate) fn length(&self) -> usize {
        let line = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        line.strip_suffix(b"\r").unwrap_or(line).len()
    }
}

impl World<'_> {
    pub(super) fn line_style(&mut self) -> Style {
        if self.dice.one_in(2) { self.dice.pick(&LINE_STYLES) } else { Style::Compact }
    }

    /// A child that can speak and has read something.
    fn a_child(&mut self) -> Option<usize> {
        let able: Vec<usize> = (0..self.children.len())
            .filter(|number| self.children[*number].can_speak())
            .filter(|number| {
                let shared = self.modern.desks[*number].shared;
                // One that waits for a session says nothing.
                let quiet = shared && self.modern.desks[*number].denies && !self.shares();
                !quiet && shared || self.children[*number].session.is_some()
            })
            .collect();
        if able.is_empty() { None } else { Some(able[self.dice.below(able.len())]) }
    }

    /// The child answers one of its calls, whichever.
    pub(super) fn answer_one(&mut self) -> Judged {
        let Some(child) = self.a_child() else { return Ok(()) };
        if self.modern.desks[child].shared {
            return self.modern_answer(child);
        }
        if let Some(id) = self.children[child].probe.take_if(|id| !id.is_empty()) {
            self.children[child].probe = Some(Vec::new());
            let declines = self.children[child].temper.declines;
            match self.swarm.command {
                Command::Modern if !declines => self.tell_era(child, &id),
                _ => self.decline_probe(child, &id),
            }
            return self.maybe_read(child);
        }
        if let Some(session) = self.children[child].session.filter(|s| self.is_crossed(*s)) {
            return self.upward_answer(child, session);
        }
        let count = self.children[child].todo.len();
        if count == 0 || self.children[child].temper.mute {
            return self.act_of(child);
        }
        let place = self.dice.below(count);
        let call = self.children[child].todo.remove(place);
        let (text, holes) = self.answer_text(child, call);
        self.say(child, SaidKind::Answer(call), &text, &holes.0, holes.1);
        self.maybe_read(child)
    }

    /// A child of the session era knows no `server/discover`.
    pub(super) fn decline_probe(&mut self, child: usize, id: &[u8]) {
        let id = String::from_utf8_lossy(id);
        let error = "{\"code\":-32601,\"message\":\"what?\"}";
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        self.modern.desks[child].denies = true;
        if let Some(line) = self.children[child].out.back_mut() {
            line.denies = true;
        }
    }

    /// The answer to a call, and its holes as the child and as the client spell them.
    pub(super) fn answer_text(&mut self, child: usize, call: usize) -> (Text, (Holes, Holes)) {
        let (nonce, padding) = (self.said.len(), self.padding());
        let rest = payload(&mut self.dice, 's', nonce, padding);
        let opens = self.calls[call].is_initialize;
        let other_era = self.swarm.command == Command::Modern;
        let declines = opens && (self.children[child].temper.declines || other_era);
        let outcome = if declines || !opens && self.dice.one_in(5) {
            let code = self.dice.pick(&["-32602", "-32000", "7", "-32601"]);
            let error = format!("{{\"code\":{code},\"message\":\"no\\n\",\"data\":{rest}}}");
            ("error", plain(error))
        } else if opens {
            let version = self.dice.pick(&Version::ALL).name();
            let result = format!(
                "{{\"protocolVersion\":\"{version}\",\"capabilities\":{{}},\"serverInfo\":{rest}}}"
            );
            ("result", plain(result))
        } else {
            ("result", plain(rest))
        };
        let members = vec![("jsonrpc", plain("\"2.0\"")), ("id", vec![Part::Id]), outcome];
        let text = Text::object(self.line_style(), members);
        let given = self.calls[call].child.clone().unwrap_or_default();
        (text, (given, self.calls[call].holes.clone()))
    }

    /// Writes a message as one line.
    pub(super) fn say(
        &mut self,
        child: usize,
        kind: SaidKind,
        text: &Text,
        given: &Holes,
        asked: Holes,
    ) {
        let said = self.write_down(child, kind, text, asked);
        let bytes = text.fill(given);
        self.write_line(child, bytes, vec![said], None);
    }

    pub(super) fn write_down(
        &mut self,
        child: usize,
        kind: SaidKind,
        text: &Text,
        asked: Holes,
    ) -> usize {
        let session = self.children[child].session.unwrap_or(usize::MAX);
        self.said.push(Said {
            session,
            kind,
            expected: text.fill(&asked).trim_ascii().to_vec(),
            route: Route::Never,
            heard: None,
            seen: None,
            id: asked.id.unwrap_or_default(),
            replied: false,
            at: None,
        });
        self.said.len() - 1
    }

    pub(super) fn write_line(
        &mut self,
        child: usize,
        mut bytes: Vec<u8>,
        said: Vec<usize>,
        garbles: Option<usize>,
    ) {
        self.respell(&mut bytes);
        self.note(|| format!("   child {child} writes {}", String::from_utf8_lossy(&bytes)));
        let child = &mut self.children[child];
        if child.temper.bom && !child.wrote {
            bytes.splice(0..0, *b"\xef\xbb\xbf");
        }
        child.wrote = true;
        bytes.extend_from_slice(if child.temper.crlf { b"\r\n" } else { b"\n" });
        child.out.push_back(Line { bytes, said, garbles, ..Line::default() });
    }

    /// What a line says with other words: the number that it names is spelled otherwise, and a
    /// response has every member, the absent one as null.
    fn respell(&mut self, line: &mut Vec<u8>) {
        let responds = json::member(line, "method").is_none();
        let token = json::member(line, "params").and_then(|p| json::member(p, "progressToken"));
        let number = if responds { json::member(line, "id") } else { token };
        let number = number.filter(|number| number.iter().all(u8::is_ascii_digit));
        if let Some(number) = number.filter(|_| self.dice.one_in(3)) {
            let at = number.as_ptr() as usize - line.as_ptr() as usize;
            let spelled = spelled(&mut self.dice, &String::from_utf8_lossy(number));
            let end = at + number.len();
            line.splice(at..end, spelled.bytes());
        }
        // The engine has to write such a response anew, without white space.
        let compact = line.starts_with(b"{\"") && line.ends_with(b"}");
        let absent = match ["result", "error"].map(|name| json::member(line, name).is_some()) {
            [true, false] => ",\"error\":null}",
            [false, true] => ",\"method\":null,\"result\":null}",
            _ => return,
        };
        if responds && compact && self.dice.one_in(6) {
            line.pop();
            line.extend_from_slice(absent.as_bytes());
        }
    }

    /// What a child does of itself.
    pub(super) fn act(&mut self) -> Judged {
        let Some(child) = self.a_child() else { return Ok(()) };
        if self.modern.desks[child].shared {
            return self.modern_act(child);
        }
        self.act_of(child)
    }

    fn act_of(&mut self, child: usize) -> Judged {
        if let Some(session) = self.children[child].session.filter(|s| self.is_crossed(*s)) {
            return self.upward_act(child, session);
        }
        let temper = self.children[child].temper;
        match self.dice.below(8) {
            0 | 1 if temper.chatty => self.say_free(child),
            2 if temper.chatty => self.say_progress(child),
            3 if temper.asks => self.say_ask(child),
            4 if temper.noisy => self.say_noise(child),
            5 if temper.lies => self.say_lie(child),
            6 if temper.batches => self.say_batch(child),
            7 if temper.noisy => self.garble(child),
            _ => self.say_progress(child),
        }
        self.maybe_read(child)
    }

    /// A line that is no message.
    pub(super) fn say_noise(&mut self, child: usize) {
        let mut noise = self.dice.pick(&NOISE).to_vec();
        let known = self.children[child].ids.iter().next_back().cloned();
        if let Some(id) = known.filter(|_| self.dice.one_in(2)) {
            // A log record about a call.
            let record = self.dice.pick(&RECORDS);
            noise = record.replace('#', &String::from_utf8_lossy(&id)).into_bytes();
        }
        self.write_line(child, noise, Vec::new(), None);
    }

    /// Something that names no call.
    fn free_text(&mut self) -> (SaidKind, Text) {
        let prefers_get = self.dice.one_in(3);
        let method = if prefers_get { self.dice.pick(&CHANGES) } else { self.dice.pick(&LOGS) };
        let (nonce, padding) = (self.said.len(), self.padding());
        let params = payload(&mut self.dice, 's', nonce, padding);
        let text = Text::object(self.line_style(), notification(method, plain(params)));
        (SaidKind::Free { prefers_get }, text)
    }

    pub(super) fn say_free(&mut self, child: usize) {
        let (kind, text) = self.free_text();
        self.say(child, kind, &text, &Holes::default(), Holes::default());
    }

    /// Progress of a call in flight, or of one that is over.
    fn say_progress(&mut self, child: usize) {
        let session = self.children[child].session;
        let known: Vec<usize> = (0..self.calls.len())
            .filter(|call| Some(self.calls[*call].session) == session)
            .filter(|call| self.calls[*call].child.as_ref().is_some_and(|c| c.token.is_some()))
            .collect();
        let running: Vec<usize> =
            known.iter().copied().filter(|call| self.calls[*call].in_flight()).collect();
        let from = if running.is_empty() || self.dice.one_in(8) { &known } else { &running };
        if from.is_empty() {
            return self.say_free(child);
        }
        let call = from[self.dice.below(from.len())];
        let nonce = self.said.len();
        let rest = payload(&mut self.dice, 's', nonce, 0);
        let params = vec![
            Part::Text(format!("{{\"progress\":1.10,\"message\":{rest},\"progressToken\":").into()),
            Part::Token,
            Part::Text(b"}".to_vec()),
        ];
        let members = notification("notifications/progress", params);
        let text = Text::object(self.line_style(), members);
        let given = self.calls[call].child.clone().unwrap_or_default();
        let asked = self.calls[call].holes.clone();
        self.say(child, SaidKind::Progress(call), &text, &given, asked);
    }

    /// A request of its own, with an id that may be the same as one of the engine's.
    pub(super) fn say_ask(&mut self, child: usize) {
        let taken = self.children[child].ids.iter().next_back().cloned();
        let id = match taken {
            Some(id) if self.dice.one_in(3) => id,
            _ => name(&mut self.dice),
        };
        let method = self.dice.pick(&ASKS);
        let (nonce, padding) = (self.said.len(), self.padding());
        let params = payload(&mut self.dice, 's', nonce, padding);
        let members = vec![
            ("jsonrpc", plain("\"2.0\"")),
            ("id", vec![Part::Id]),
            ("method", plain(format!("\"{method}\""))),
            ("params", plain(params)),
        ];
        let text = Text::object(self.line_style(), members);
        let holes = Holes { id: Some(id), ..Holes::default() };
        self.say(child, SaidKind::Ask, &text, &holes, holes.clone());
    }

    /// A response that answers nothing.
    pub(super) fn say_lie(&mut self, child: usize) {
        let session = self.children[child].session;
        let known = self.children[child].ids.iter().next_back().cloned().unwrap_or_default();
        let known = String::from_utf8_lossy(&known).into_owned();
        let done = (0..self.calls.len())
            .rev()
            .find(|call| Some(self.calls[*call].session) == session && self.calls[*call].over);
        let id = match (self.dice.below(6), done) {
            (0, Some(call)) => {
                // An answer that comes twice, or late.
                let (text, holes) = self.answer_text(child, call);
                return self.say(child, SaidKind::Answer(call), &text, &holes.0, holes.1);
            }
            (1, _) => Some(format!("\"{known}.5\"")),
            (2, _) => None,
            (3, _) => Some(String::from("null")),
            (4, _) => Some(String::from("\"x\"")),
            _ => Some(String::from("987654321")),
        };
        let nonce = self.said.len();
        let rest = payload(&mut self.dice, 's', nonce, 0);
        let mut members = vec![("jsonrpc", plain("\"2.0\"")), ("result", plain(rest))];
        if let Some(id) = id {
            members.insert(1, ("id", plain(id)));
        }
        let text = Text::object(Style::Compact, members);
        self.say(child, SaidKind::Lie, &text, &Holes::default(), Holes::default());
    }

    /// Several messages in one line: right in 2025-03-26.
    fn say_batch(&mut self, child: usize) {
        let Some(session) = self.children[child].session else { return };
        let knows = self.sessions[session].version.is_some_and(Version::batches);
        let (mut pieces, mut said) = (Vec::new(), Vec::new());
        for _ in 0..=self.dice.below(3) {
            let may_answer = knows && self.dice.one_in(2) && !self.children[child].temper.mute;
            let call = if may_answer { self.children[child].todo.pop() } else { None };
            let (kind, text, given, asked) = if let Some(call) = call {
                let (text, (given, asked)) = self.answer_text(child, call);
                (SaidKind::Answer(call), text, given, asked)
            } else {
                let (kind, text) = self.free_text();
                (kind, text, Holes::default(), Holes::default())
            };
            said.push(self.write_down(child, kind, &text, asked));
            pieces.push(text.fill(&given));
        }
        let line = [b"[", pieces.join(&b", "[..]).as_slice(), b"]"].concat();
        self.write_line(child, line, said, None);
    }

    /// An answer that no JSON reader takes.
    pub(super) fn garble(&mut self, child: usize) {
        let Some(call) = self.children[child].todo.last().copied() else { return };
        if self.calls[call].is_initialize {
            return;
        }
        let id = self.calls[call].child.clone().unwrap_or_default().id.unwrap_or_default();
        let id = String::from_utf8_lossy(&id).into_owned();
        let mut line = match self.dice.below(3) {
            0 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"id\":{id},\"result\":{{}}}}"),
            1 => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":}}"),
            _ => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"x\":\"?\"}}}}"),
        }
        .into_bytes();
        for byte in line.iter_mut().filter(|byte| **byte == b'?') {
            *byte = 0xff;
        }
        self.write_line(child, line, Vec::new(), Some(call));
    }

    /// The child stops being one: it dies, closes stdout or writes a line without end.
    pub(super) fn break_child(&mut self) -> Judged {
        let Some(child) = self.a_child() else { return Ok(()) };
        let what = self.dice.below(4);
        let temper = self.children[child].temper;
        match what {
            0 if temper.frail => self.children[child].out_closed = true,
            1 if temper.greedy => {
                let bytes = vec![b'x'; self.config.message + 10];
                self.children[child].out.push_back(Line { bytes, ..Line::default() });
            }
            2 if temper.frail => {
                let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"cut".to_vec();
                let line = Line { bytes: line, ..Line::default() };
                self.children[child].out.push_back(line);
                self.children[child].dead = Some(Exit::Signal(11));
            }
            _ => {
                let code = i32::from(self.dice.byte());
                self.children[child].dead = Some(Exit::Code(code));
            }
        }
        self.note(|| format!("   child {child} breaks: {what}"));
        Ok(())
    }
}
