//! Children of the session era behind clients of 2026-07-28: their handshake, and what they ask.

use super::super::World;
use super::super::model::Version;
use super::super::text::{Style, Text, payload, plain};
use super::client::CAPABILITIES;
use super::listen::OFFERS;
use super::{Question, To};

/// What a child may ask, and which capability that needs.
const ASKS: [(&str, Option<&str>); 6] = [
    ("elicitation/create", Some("elicitation")),
    ("sampling/createMessage", Some("sampling")),
    ("roots/list", Some("roots")),
    ("elicitation/create", Some("elicitation")),
    ("ping", None),
    ("x/ask", None),
];
/// Methods whose answer may ask the client for input.
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// Which capability a client must have to be asked this.
fn needs(method: &str) -> Option<&'static str> {
    ASKS.iter().find(|(known, _)| *known == method).and_then(|(_, needs)| *needs)
}

/// Whether a request of this method may ask its client.
pub(super) fn may_ask(method: &str) -> bool {
    ASKING.contains(&method)
}

impl World<'_> {
    /// The answer to the engine's `initialize`.
    pub(super) fn tell_hello(&mut self, child: usize, id: &[u8]) {
        let id = String::from_utf8_lossy(id);
        if self.children[child].temper.declines {
            return self.decline_hello(child, id.as_bytes());
        }
        let logs = !self.dice.one_in(3);
        let offers = self.dice.pick(&OFFERS);
        let version = self.dice.pick(&Version::ALL).name();
        let (offered, lists) = offers;
        let logging = if logs { "\"logging\":{},\"tasks\":{}," } else { "" };
        let capabilities = format!("{{{logging}{offered}}}");
        let result = format!(
            "{{\"protocolVersion\":\"{version}\",\"capabilities\":{capabilities},\
             \"serverInfo\":{}}}",
            server(child)
        );
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        self.modern.desks[child].logs = logs;
        self.modern.desks[child].lists = lists;
        if let Some(line) = self.children[child].out.back_mut() {
            line.opens = true;
            line.greets = true;
        }
    }

    /// An error to the engine's `initialize`: the child has no use then.
    pub(super) fn decline_hello(&mut self, child: usize, id: &[u8]) {
        self.decline_probe(child, id);
        if let Some(line) = self.children[child].out.back_mut() {
            line.declines = true;
        }
    }

    /// A question to whoever made the call.
    pub(super) fn say_question(&mut self, child: usize) {
        let (method, _) = self.dice.pick(&ASKS);
        let number = self.modern.questions.len();
        let params = payload(&mut self.dice, 'q', number, 0);
        let id = if self.dice.one_in(2) { format!("\"e{number}\"") } else { format!("{number}") };
        let extra = match self.dice.below(3) {
            0 => ",\"task\":{\"ttl\":1},\"elicitationId\":\"x\"",
            1 => ",\"_meta\":{\"progressToken\":1}",
            _ => "",
        };
        let written = format!("{}{extra}}}", &params[..params.len() - 1]);
        let members = vec![
            ("jsonrpc", plain("\"2.0\"")),
            ("id", plain(id.clone())),
            ("method", plain(format!("\"{method}\""))),
            ("params", plain(written)),
        ];
        let text = Text::object(Style::Compact, members);
        self.new_question(child, Some(id), method, params);
        self.write_line(child, text.fill(&super::Holes::default()), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.asks.push(number);
        }
    }

    pub(super) fn new_question(
        &mut self,
        child: usize,
        id: Option<String>,
        method: &'static str,
        params: String,
    ) {
        self.modern.questions.push(Question {
            child,
            id,
            method,
            params,
            of: None,
            heard: false,
            held: false,
            unsure: false,
            park: None,
            replied: false,
        });
    }

    /// A question is heard: it belongs to the only call that may ask, and waits or not.
    pub(super) fn hear_question(&mut self, child: usize, number: usize) {
        let of = self.only_asking(child).filter(|turn| !self.is_of_several(child, *turn));
        let unsure = !self.is_first() || !self.modern.desks[child].was_ready || self.is_over(child);
        let turns = &self.modern.turns;
        let early = !turns.iter().any(|turn| turn.child == Some(child) && may_ask(turn.method));
        let known = &mut self.modern.questions[number];
        known.held = of.is_none() && (early || unsure);
        known.heard = true;
        known.of = of;
        known.unsure = unsure;
        let method = known.method;
        let needs = needs(method);
        let refused = of.is_none() && !early && !unsure;
        // The engine may know which calls were over, and takes such a child for one that asks late.
        self.modern.maybe_late |= of.is_none();
        self.modern.late |= refused && needs.is_some_and(|needs| self.is_asking_late(child, needs));
        let Some(turn) = of else { return };
        // What a client can't be asked, the child has to do without.
        let can = self.can_be_asked(turn, method);
        let turn = &mut self.modern.turns[turn];
        turn.parking |= !turn.moved && can;
    }

    /// Whether the client of a request can be asked this.
    pub(super) fn can_be_asked(&self, turn: usize, method: &str) -> bool {
        let (_, _, can) = CAPABILITIES[self.modern.turns[turn].capabilities];
        needs(method).is_some_and(|needs| can.contains(&needs))
    }

    /// Whether a child that asks was answered for, and nothing else shows that it may be at work.
    fn is_asking_late(&self, child: usize, needs: &str) -> bool {
        let turns = || self.modern.turns.iter().filter(|turn| turn.child == Some(child));
        let can = turns().all(|turn| CAPABILITIES[turn.capabilities].2.contains(&needs));
        let quiet = turns().all(|turn| turn.answer.is_some() && !turn.cancelled && !turn.aborted);
        let parked = self.modern.parks.iter().any(|park| park.child == child);
        can && quiet && !parked && !self.children[child].temper.lies
    }

    /// Whether a question that this child asks now may be of another call than this: children ask
    /// late, and it has had another that may ask.
    pub(super) fn is_of_several(&self, child: usize, turn: usize) -> bool {
        self.modern.late && self.has_had_another(child, turn)
    }

    /// The same, perhaps: a child that answers before it is answered may ask late, or be
    /// passed over.
    pub(super) fn may_be_of_several(&self, child: usize, turn: usize) -> bool {
        self.modern.maybe_late && self.has_had_another(child, turn)
    }

    /// Whether a child has had another call than this that may ask.
    fn has_had_another(&self, child: usize, turn: usize) -> bool {
        let root = self.modern.turns[turn].root;
        let mut turns = self.modern.turns.iter().filter(|turn| turn.child == Some(child));
        turns.any(|turn| may_ask(turn.method) && turn.root != root)
    }

    /// The only call at this child that may ask its client, running or waiting.
    fn only_asking(&self, child: usize) -> Option<usize> {
        let waits = self.modern.parks.iter().rfind(|park| {
            !park.over && !park.resend && park.early.is_none() && park.child == child
        });
        if let Some(park) = waits {
            return Some(park.turn);
        }
        let mut asking = (0..self.modern.turns.len()).filter(|turn| {
            let known = &self.modern.turns[*turn];
            known.child == Some(child) && may_ask(known.method) && self.is_awaited(*turn)
        });
        asking.next().filter(|_| asking.next().is_none())
    }

    /// The child ends a call that waits, by a page to visit or by what nobody can read.
    pub(super) fn end_parked(&mut self, turn: usize, question: Option<usize>) {
        let known = &self.modern.turns[turn];
        let (child, id) = (known.child, known.given.id.clone());
        let turns = &self.modern.turns;
        let place = self.modern.parks.iter().rposition(|park| {
            let waits = &turns[park.turn];
            let runs = !park.over && !park.resend && park.early.is_none();
            runs && waits.child == child && waits.given.id == id
        });
        let Some(place) = place else { return self.end_parking(turn, question) };
        self.drop_questions(place);
        let (turns, park) = (&self.modern.turns, &mut self.modern.parks[place]);
        let (_, _, can) = CAPABILITIES[turns[park.turn].capabilities];
        park.resend = question.is_some();
        park.lacks = question.is_some() && !can.contains(&"elicitation");
        park.over |= question.is_none();
        if let Some(question) = question {
            self.modern.questions[question].of = Some(park.turn);
        }
    }

    /// A call that had begun ends: what it asked is asked no longer, even if it may have been asked
    /// before the call.
    pub(super) fn drop_questions(&mut self, park: usize) {
        for asked in self.modern.questions.iter_mut().filter(|asked| asked.park == Some(park)) {
            asked.held = false;
            // It was not answered yet.
            self.modern.maybe_late |= !asked.replied;
        }
    }

    /// The child ends a call, by a page to visit or by what nobody can read. The engine has told
    /// the client to come back, in an output that is not drained yet, and the client has left
    /// meanwhile.
    fn end_parking(&mut self, turn: usize, question: Option<usize>) {
        let Some(turn) = self.parking(turn) else { return };
        self.modern.turns[turn].sent_away |= question.is_some();
        self.modern.turns[turn].garbled |= question.is_none();
        if let Some(question) = question {
            self.modern.questions[question].of = Some(turn);
        }
    }

    /// The request of this call that ends with `input_required`, in an output that is not drained
    /// yet.
    fn parking(&self, turn: usize) -> Option<usize> {
        let asks = |other: &usize| {
            let (other, known) = (&self.modern.turns[*other], &self.modern.turns[turn]);
            let same = other.child == known.child && other.given.id == known.given.id;
            same && other.parking && other.in_flight()
        };
        (turn..self.modern.turns.len()).find(asks)
    }

    /// An answer while its call waits: for whoever comes back.
    pub(super) fn answer_while_parked(&mut self, turn: usize, word: usize) -> Option<To> {
        // Its client may have left by now, but is asked to come back.
        if let Some(turn) = self.parking(turn) {
            self.modern.turns[turn].early.get_or_insert(word);
            self.modern.maybe_late = true;
            return Some(To::Maybe(turn));
        }
        let known = &self.modern.turns[turn];
        let (child, id) = (known.child, known.given.id.clone());
        let turns = &self.modern.turns;
        let park = self.modern.parks.iter_mut().rposition(|park| {
            let waits = &turns[park.turn];
            !park.over && !park.resend && waits.child == child && waits.given.id == id
        })?;
        let known = &mut self.modern.parks[park];
        if known.early.is_some() {
            return Some(To::Nobody);
        }
        known.early = Some(word);
        // It has ended the call that it asked for.
        let asked = |question: &Question| question.park == Some(park) && !question.replied;
        let open = self.modern.questions.iter().any(asked);
        self.modern.maybe_late |= open;
        Some(To::Park(park))
    }
}

/// How a child names itself.
pub(in super::super) fn server(child: usize) -> String {
    format!("{{\"name\":\"@h{child}@\",\"version\":\"1.10\"}}")
}
