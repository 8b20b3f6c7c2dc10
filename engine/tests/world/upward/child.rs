//! What children of 2026-07-28 say to a session: answers, questions inside of results, progress
//! over several rounds, and what they tell by a subscription.

use super::super::World;
use super::super::client::notification;
use super::super::json;
use super::super::law::Judged;
use super::super::model::{Line, Route, SaidKind};
use super::super::modern::server;
use super::super::text::{Holes, Text, payload, plain};
use super::{OFFERS, ROUNDS, Round};

/// What a child may ask, and its params' first members.
const ASKS: [(&str, &str); 4] = [
    ("elicitation/create", ""),
    ("sampling/createMessage", ""),
    ("roots/list", ""),
    ("elicitation/create", "\"mode\":\"url\",\"url\":\"https://a.test\","),
];
/// States, which go back as they are spelled.
const STATES: [&str; 3] = ["\"s\"", "\"\\u00e9\\/ \"", "\"12345678901234567890\""];

impl World<'_> {
    /// The child's answer to `server/discover`.
    pub(in super::super) fn discovery(&mut self, child: usize) -> String {
        let offers = self.dice.below(OFFERS.len());
        self.modern.desks[child].offers = offers;
        let (capabilities, ..) = OFFERS[offers];
        let server = server(child);
        format!(
            "{{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\
             \"capabilities\":{capabilities},\"ttlMs\":0,\"cacheScope\":\"public\",\
             \"_meta\":{{\"io.modelcontextprotocol/serverInfo\":{server}}}}}"
        )
    }

    /// Such a child answers something that it was asked.
    pub(in super::super) fn upward_answer(&mut self, child: usize, session: usize) -> Judged {
        let mute = self.children[child].temper.mute;
        let count = self.children[child].todo.len();
        let listens = self.upward.crossings[&session].listens.iter();
        let mut fresh = listens.filter(|listen| !listen.taken && !listen.over);
        let listens = fresh.next().map(|listen| listen.id);
        if let Some(listen) = listens.filter(|_| !mute)
            && (count == 0 || self.dice.one_in(2))
        {
            self.say_listening(child, session, listen);
            return self.maybe_read(child);
        }
        if count == 0 || mute {
            return self.upward_act(child, session);
        }
        let place = self.dice.below(count);
        let call = self.children[child].todo.remove(place);
        let method = json::unquote(format!("\"{}\"", self.calls[call].method).as_bytes());
        let may_ask = ["tools/call", "prompts/get", "resources/read"];
        let may_ask = may_ask.contains(&method.unwrap_or_default().as_str());
        if may_ask && self.children[child].temper.asks && self.dice.one_in(2) {
            self.say_wanted(child, call);
        } else {
            self.say_result(child, call);
        }
        self.maybe_read(child)
    }

    /// The first message of a subscription, or its end.
    fn say_listening(&mut self, child: usize, session: usize, id: usize) {
        let end = self.dice.below(8);
        let crossing = self.upward.crossings.entry(session).or_default();
        let Some(listen) = crossing.listens.iter_mut().find(|listen| listen.id == id) else {
            return;
        };
        listen.taken = true;
        let subscription = format!("\"io.modelcontextprotocol/subscriptionId\":{id}");
        let mut uris = listen.uris.clone();
        if end == 6 {
            uris.pop();
        }
        let line = if end == 7 {
            let error = "{\"code\":-32603,\"message\":\"no\"}";
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
        } else {
            let mut honoured: Vec<String> =
                listen.lists.iter().map(|name| format!("\"{name}\":true")).collect();
            let quoted: Vec<String> = uris.iter().map(|uri| format!("\"{uri}\"")).collect();
            if !uris.is_empty() {
                honoured.push(format!("\"resourceSubscriptions\":[{}]", quoted.join(",")));
            }
            let honoured = honoured.join(",");
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\
                 \"params\":{{\"_meta\":{{{subscription}}},\"notifications\":{{{honoured}}}}}}}"
            )
        };
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            line.listens = Some((id, Some(uris).filter(|_| end != 7)));
        }
    }

    /// The end of a call, with what only its own era knows.
    fn say_result(&mut self, child: usize, call: usize) {
        let (nonce, padding) = (self.said.len(), self.padding());
        let rest = payload(&mut self.dice, 's', nonce, padding);
        let inner = &rest[1..rest.len() - 1];
        let (said, told) = if self.dice.one_in(5) {
            let code = self.dice.pick(&["-32602", "-32000", "7", "-32601", "-32021"]);
            let error = format!("{{\"code\":{code},\"message\":\"no\",\"data\":{rest}}}");
            (("error", error.clone()), ("error", error))
        } else {
            let (said, told) = match self.dice.below(4) {
                0 => (
                    ",\"_meta\":{\"y\":1.0,\"io.modelcontextprotocol/serverInfo\":{}}",
                    ",\"_meta\":{\"y\":1.0}",
                ),
                1 => (
                    ",\"structuredContent\":[1.10],\"ttlMs\":5,\"cacheScope\":\"public\"",
                    ",\"structuredContent\":{\"result\":[1.10]}",
                ),
                2 => (",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{}}", ""),
                _ => (",\"structuredContent\":{\"a\":1}", ",\"structuredContent\":{\"a\":1}"),
            };
            let result = format!("{{\"resultType\":\"complete\",{inner}{said}}}");
            (("result", result), ("result", format!("{{{inner}{told}}}")))
        };
        let given = self.calls[call].child.clone().unwrap_or_default();
        let asked = self.calls[call].holes.clone();
        let line = self.response(said);
        let bytes = line.fill(&given);
        let told = self.response(told);
        let said = self.write_down(child, SaidKind::Answer(call), &told, asked);
        self.write_line(child, bytes, vec![said], None);
    }

    fn response(&mut self, (member, value): (&str, String)) -> Text {
        let id = vec![super::super::text::Part::Id];
        let members = vec![("jsonrpc", plain("\"2.0\"")), ("id", id), (member, plain(value))];
        Text::object(self.line_style(), members)
    }

    /// A result that asks the client for input, or only for another call.
    fn say_wanted(&mut self, child: usize, call: usize) {
        let (mut questions, mut said, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        let count = self.dice.pick(&[1, 2, 1, 0]);
        for number in 0..count {
            let (method, opening) = self.dice.pick(&ASKS);
            let rest = payload(&mut self.dice, 's', self.said.len(), 0);
            let params = format!("{{{opening}{}", &rest[1..]);
            requests.push(format!("\"k{number}\":{{\"method\":\"{method}\",\"params\":{params}}}"));
            let members =
                vec![("method", plain(format!("\"{method}\""))), ("params", plain(params))];
            let text = Text::object(super::super::text::Style::Compact, members);
            let kind = SaidKind::Question(call);
            let question = self.write_down(child, kind, &text, Holes::default());
            questions.push((format!("k{number}"), question));
            said.push(question);
        }
        let mut members = vec![String::from("\"resultType\":\"input_required\"")];
        if count > 0 {
            members.push(format!("\"inputRequests\":{{{}}}", requests.join(",")));
        }
        let state = if count == 0 || self.dice.one_in(2) {
            let state = self.dice.pick(&STATES);
            members.push(format!("\"requestState\":{state}"));
            Some(state.to_string())
        } else {
            None
        };
        let line = self.response(("result", format!("{{{}}}", members.join(","))));
        let given = self.calls[call].child.clone().unwrap_or_default();
        self.write_line(child, line.fill(&given), said, None);
        let since = self.clock();
        if let Some(line) = self.children[child].out.back_mut() {
            line.wants = Some((call, Round { questions, state, since }));
        }
    }

    /// What such a child does of itself.
    pub(in super::super) fn upward_act(&mut self, child: usize, session: usize) -> Judged {
        let temper = self.children[child].temper;
        match self.dice.below(8) {
            0 | 1 if temper.chatty => self.say_free(child),
            2 if temper.lies => self.say_ask(child),
            3 if temper.noisy => self.say_noise(child),
            4 if temper.lies => self.say_lie(child),
            5 if temper.noisy => self.garble(child),
            6 | 7 => self.say_update(child, session),
            _ => self.say_upward_progress(child, session),
        }
        self.maybe_read(child)
    }

    /// Something by a subscription: mostly by one that is acknowledged.
    fn say_update(&mut self, child: usize, session: usize) {
        let listens = &self.upward.crossings[&session].listens;
        let good = listens.iter().rev().find(|listen| listen.honoured.is_some() && !listen.over);
        let odd = self.dice.one_in(6) || good.is_none();
        let Some(listen) = (if odd { listens.last() } else { good }) else {
            return self.say_upward_progress(child, session);
        };
        let (id, uri) = (listen.id, listen.uris.first().cloned());
        let (nonce, padding) = (self.said.len(), self.padding());
        let rest = payload(&mut self.dice, 's', nonce, padding);
        let inner = &rest[1..rest.len() - 1];
        let (method, inner) = match uri {
            Some(uri) => ("notifications/resources/updated", format!("\"uri\":\"{uri}\",{inner}")),
            None => ("notifications/tools/list_changed", inner.to_string()),
        };
        let meta = format!("\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}");
        let style = self.line_style();
        let line = Text::object(style, notification(method, plain(format!("{{{inner},{meta}}}"))));
        let told = Text::object(style, notification(method, plain(format!("{{{inner}}}"))));
        let said = self.write_down(child, SaidKind::Update(id), &told, Holes::default());
        self.write_line(child, line.fill(&Holes::default()), vec![said], None);
    }

    /// Progress of a call in flight: mostly more than before.
    fn say_upward_progress(&mut self, child: usize, session: usize) {
        let running: Vec<usize> = (0..self.calls.len())
            .filter(|call| self.calls[*call].session == session)
            .filter(|call| self.calls[*call].child.as_ref().is_some_and(|c| c.token.is_some()))
            .filter(|call| self.calls[*call].in_flight() || self.calls[*call].rounds > 0)
            .collect();
        if running.is_empty() {
            return self.say_free(child);
        }
        let call = running[self.dice.below(running.len())];
        let known = &self.calls[call];
        let amount = known.progress.max(known.maybe) + self.dice.pick(&[1, 2, 1, 0]);
        let amount = amount.max(1);
        let nonce = self.said.len();
        let rest = payload(&mut self.dice, 's', nonce, 0);
        let opening = format!("{{\"progress\":{amount}.50,\"message\":{rest},\"progressToken\":");
        let token = vec![super::super::text::Part::Token];
        let params = [plain(opening), token, plain("}")].concat();
        let text = Text::object(self.line_style(), notification("notifications/progress", params));
        let given = self.calls[call].child.clone().unwrap_or_default();
        let asked = self.calls[call].holes.clone();
        let token = given.token.clone().unwrap_or_default();
        self.upward.progress.insert(self.said.len(), (amount, token));
        self.say(child, SaidKind::Progress(call), &text, &given, asked);
    }

    /// A line of such a child is whole: what it says beside its messages is said now.
    pub(in super::super) fn upward_hear(&mut self, child: usize, session: usize, line: &Line) {
        self.modern.desks[child].ready |= line.opens;
        let ended = self.sessions[session].over || self.sessions[session].doomed;
        if let Some((call, round)) = &line.wants
            && self.calls[*call].in_flight()
            && !ended
        {
            if self.calls[*call].rounds >= ROUNDS {
                self.calls[*call].exhausted = true;
            } else {
                let since = self.clock();
                self.upward.rounds.insert(*call, Round { since, ..round.clone() });
            }
        }
        let Some((id, honoured)) = &line.listens else { return };
        let clock = self.clock();
        let Some(crossing) = self.upward.crossings.get_mut(&session) else { return };
        if let Some(listen) = crossing.listens.iter_mut().find(|listen| listen.id == *id) {
            listen.over |= honoured.is_none();
            listen.ended = Some(clock).filter(|_| honoured.is_none());
            listen.honoured.clone_from(honoured);
        }
    }

    /// Where what only such a child says may come out; the rest goes as in every session.
    pub(in super::super) fn upward_route(&mut self, session: usize, said: usize) -> Option<Route> {
        if !self.is_crossed(session) {
            return None;
        }
        match self.said[said].kind {
            SaidKind::Ask => Some(Route::Never),
            SaidKind::Question(call) => {
                let round = self.upward.rounds.get(&call);
                let open = round.is_some_and(|r| r.questions.iter().any(|(_, of)| *of == said));
                let exchange = self.calls[call].exchange;
                let known = &self.exchanges[exchange];
                // What nobody could read may have ended the call; and at the limit of what is kept
                // of a session's calls a question may be too much.
                let sure = !self.calls[call].garbled && self.kept(session) <= self.config.message;
                Some(match open {
                    false => Route::Never,
                    true if known.is_live() && known.sse && sure => Route::Exchange(exchange),
                    true => Route::Any,
                })
            }
            SaidKind::Update(id) => {
                let listens = &self.upward.crossings[&session].listens;
                let open =
                    listens.iter().rev().find(|known| known.honoured.is_some() && !known.over);
                let open = open.is_some_and(|known| known.id == id);
                Some(match open {
                    true => self.free_route(session, true),
                    // What was asked for in the same step may have made it wanted again.
                    false if !self.is_first() => Route::Any,
                    false => Route::Never,
                })
            }
            SaidKind::Progress(call) => {
                let (amount, token) = self.upward.progress.get(&said).cloned()?;
                // A reply of its client in the same step may have sent the call again.
                let goes_on = self.goes_on(session) || !self.is_first();
                let known = &mut self.calls[call];
                let current = known.child.as_ref().and_then(|child| child.token.clone());
                if !known.in_flight() || current != Some(token) || amount <= known.progress {
                    return Some(Route::Never);
                }
                if goes_on || amount <= known.maybe {
                    known.maybe = known.maybe.max(amount);
                    return Some(Route::Any);
                }
                known.progress = amount;
                Some(Route::Call(call))
            }
            SaidKind::Answer(_) | SaidKind::Free { .. } | SaidKind::Lie => None,
        }
    }
}
