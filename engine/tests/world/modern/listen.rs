//! Clients of 2026-07-28 that listen (MCP 2026-07-28 "Subscriptions"), and what children tell them.

use std::collections::BTreeSet;

use mcp_bridge::Instant;

use super::super::World;
use super::super::client::notification;
use super::super::law::Judged;
use super::super::model::{Ask, Line};
use super::super::text::{Holes, Part, Style, Text, name, payload, plain};
use super::client::{CAPABILITIES, VERSION};

/// What can be listened to: the filter's member, what a child must offer, and the notification.
pub(in super::super) const LISTS: [(&str, &str, &str); 3] = [
    ("toolsListChanged", "tools", "notifications/tools/list_changed"),
    ("promptsListChanged", "prompts", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "resources", "notifications/resources/list_changed"),
];
pub(super) const UPDATED: &str = "notifications/resources/updated";
const URIS: [&str; 3] = ["file:///a", "file:///b", "x:c"];
/// What a session-era child offers of it: the capabilities, and which of the lists.
pub(super) const OFFERS: [(&str, [bool; 3]); 2] = [
    (
        "\"tools\":{\"listChanged\":true},\
         \"resources\":{\"subscribe\":true,\"listChanged\":true}",
        [true, false, true],
    ),
    ("\"tools\":{},\"resources\":{\"subscribe\":true}", [false, false, false]),
];

/// One subscription of a client.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) exchange: usize,
    pub(crate) holes: Holes,
    pub(crate) text: Text,
    pub(crate) class: usize,
    pub(crate) capabilities: usize,
    pub(crate) lists: [bool; 3],
    pub(crate) uris: BTreeSet<&'static str>,
    pub(crate) asked: Instant,
    /// When its child got it, or was asked for the last of its resources.
    pub(crate) sent: Instant,
    pub(crate) crowded: bool,
    /// Its child, if the judge knows it, and its id there.
    pub(crate) child: Option<usize>,
    pub(crate) given: Option<Vec<u8>>,
    /// What its client was told that it gets.
    pub(crate) honoured: Option<([bool; 3], BTreeSet<String>)>,
    /// Resources that its child refused while it waited.
    pub(crate) refused: BTreeSet<String>,
    /// It was told so before the last drain.
    pub(crate) settled: bool,
    /// A child of its own era ended it, and so may the engine.
    pub(crate) ended: bool,
    pub(crate) cancelled: bool,
    /// Its client has its last message.
    pub(crate) over: bool,
    /// The engine broke it off.
    pub(crate) aborted: bool,
    pub(crate) last_heard: usize,
}

/// What a child tells who listens.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) child: usize,
    pub(crate) method: &'static str,
    pub(crate) uri: Option<&'static str>,
    /// Its params without what names the subscription.
    pub(crate) params: String,
    /// Whom it is for; a session-era child does not say.
    pub(crate) to: Option<usize>,
    /// It is the first message.
    pub(crate) acknowledges: Option<([bool; 3], BTreeSet<String>)>,
    pub(crate) heard: Option<usize>,
    /// Nobody can know who gets it.
    pub(crate) unsure: bool,
    pub(crate) seen: BTreeSet<usize>,
}

/// A resource that a session-era child was asked to tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// By this request.
    Asked(usize),
    Held,
    Refused,
}

impl World<'_> {
    /// A client listens: to lists, to resources, or to both.
    pub(in super::super) fn listen(&mut self) -> Judged {
        let mut heading = self.modern_heading("subscriptions/listen");
        if !heading.sse {
            heading.set("Accept", None);
            (heading.json, heading.sse) = (true, true);
        }
        let number = self.modern.listenings.len();
        let capabilities = self.capabilities();
        let (can, class, _) = CAPABILITIES[capabilities];
        let lists = [self.dice.one_in(2), self.dice.one_in(4), self.dice.one_in(2)];
        let mut uris = BTreeSet::new();
        for _ in 0..self.dice.below(3) {
            uris.insert(self.dice.pick(&URIS));
        }
        let quoted: Vec<String> = uris.iter().map(|uri| format!("\"{uri}\"")).collect();
        let mut filter: Vec<String> = Vec::new();
        for (wanted, (name, ..)) in lists.iter().zip(LISTS) {
            if *wanted {
                filter.push(format!("\"{name}\":true"));
            }
        }
        if !uris.is_empty() {
            filter.push(format!("\"resourceSubscriptions\":[{}]", quoted.join(",")));
        }
        let params = format!(
            "{{\"notifications\":{{{}}},\"_meta\":{{\
             \"io.modelcontextprotocol/protocolVersion\":\"{VERSION}\",\
             \"io.modelcontextprotocol/clientCapabilities\":{can},\"x\":\"@l{number}@\"}}}}",
            filter.join(",")
        );
        let members = vec![
            ("jsonrpc", plain("\"2.0\"")),
            ("id", vec![Part::Id]),
            ("method", plain("\"subscriptions/listen\"")),
            ("params", plain(params)),
        ];
        let text = Text::object(self.body_style(), members);
        let holes = Holes { id: Some(name(&mut self.dice)), ..Holes::default() };
        let body = text.fill(&holes);
        let crowded = self.is_turn_crowded(body.len());
        self.modern.listenings.push(Listening {
            exchange: self.exchanges.len(),
            holes,
            text,
            class,
            capabilities,
            lists,
            uris,
            asked: self.clock(),
            sent: self.clock(),
            crowded,
            child: None,
            given: None,
            honoured: None,
            refused: BTreeSet::new(),
            settled: false,
            ended: false,
            cancelled: false,
            over: false,
            aborted: false,
            last_heard: 0,
        });
        self.ask(Ask::Listen(number), None, Vec::new(), &heading, &body)
    }

    /// The subscription that this exchange carries.
    pub(in super::super) fn listening_of(&self, number: usize) -> Option<usize> {
        match self.exchanges[number].ask {
            Ask::Listen(listening) => Some(listening),
            _ => None,
        }
    }

    /// Its client listens on.
    pub(super) fn listens(&self, listening: usize) -> bool {
        let known = &self.modern.listenings[listening];
        !known.over && !known.aborted && self.exchanges[known.exchange].is_live()
    }

    /// Something for those who listen; false if there is nothing to tell.
    pub(super) fn say_news(&mut self, child: usize) -> bool {
        if self.modern.desks[child].session_era {
            self.answer_subscription(child) || self.say_change(child, None)
        } else {
            let mine = |listening: &usize| {
                let known = &self.modern.listenings[*listening];
                known.child == Some(child) && !known.ended && !known.cancelled
            };
            let all: Vec<usize> = (0..self.modern.listenings.len()).filter(mine).collect();
            if all.is_empty() {
                return false;
            }
            let listening = all[self.dice.below(all.len())];
            let acked = self
                .modern
                .news
                .iter()
                .any(|news| news.to == Some(listening) && news.acknowledges.is_some());
            match (acked, self.dice.below(10)) {
                (false, _) => self.acknowledge(child, listening),
                (true, 9) => self.end_listening(child, listening),
                (true, _) => {
                    self.say_change(child, Some(listening));
                }
            }
            true
        }
    }

    /// A session-era child answers a subscription.
    fn answer_subscription(&mut self, child: usize) -> bool {
        let Some((id, uri)) = self.modern.desks[child].asked.pop() else { return false };
        let accepts = !self.dice.one_in(4);
        let outcome =
            if accepts { "\"result\":{}" } else { "\"error\":{\"code\":1,\"message\":\"\"}" };
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{outcome}}}");
        self.write_line(child, line.into_bytes(), Vec::new(), None);
        if let Some(line) = self.children[child].out.back_mut() {
            let id = id.parse().unwrap_or_default();
            line.subscribed = uri.map(|uri| (uri, id, accepts));
        }
        true
    }

    fn acknowledge(&mut self, child: usize, listening: usize) {
        let known = &self.modern.listenings[listening];
        let (lists, mut uris) = (known.lists, known.uris.clone());
        if self.dice.one_in(4) {
            uris.pop_first();
        }
        let uris: BTreeSet<String> = uris.into_iter().map(String::from).collect();
        let mut honoured: Vec<String> = Vec::new();
        for (wanted, (name, ..)) in lists.iter().zip(LISTS) {
            if *wanted {
                honoured.push(format!("\"{name}\":true"));
            }
        }
        let quoted: Vec<String> = uris.iter().map(|uri| format!("\"{uri}\"")).collect();
        honoured.push(format!("\"resourceSubscriptions\":[{}]", quoted.join(",")));
        let params = format!("\"notifications\":{{{}}}", honoured.join(","));
        let news = News {
            acknowledges: Some((lists, uris)),
            ..new_news(child, "notifications/subscriptions/acknowledged", params)
        };
        self.write_news(News { to: Some(listening), ..news });
    }

    /// Something changed.
    fn say_change(&mut self, child: usize, to: Option<usize>) -> bool {
        let nonce = self.modern.news.len();
        let rest = payload(&mut self.dice, 'n', nonce, 0);
        let inner = &rest[1..rest.len() - 1];
        let lists = match to {
            Some(to) => self.modern.listenings[to].lists,
            None => [true; 3],
        };
        let list = self.dice.below(3);
        let uris: Vec<&'static str> = match to {
            Some(to) => self.modern.listenings[to].uris.iter().copied().collect(),
            None => URIS.to_vec(),
        };
        if !uris.is_empty() && (self.dice.one_in(2) || !lists[list]) {
            let uri = uris[self.dice.below(uris.len())];
            let params = format!("\"uri\":\"{uri}\",{inner}");
            self.write_news(News { to, uri: Some(uri), ..new_news(child, UPDATED, params) });
        } else if lists[list] {
            let (_, _, method) = LISTS[list];
            self.write_news(News { to, ..new_news(child, method, inner.to_string()) });
        } else {
            return false;
        }
        true
    }

    /// Writes it; each has a mark of its own.
    fn write_news(&mut self, mut news: News) {
        let number = self.modern.news.len();
        if !news.params.contains("@n") {
            news.params = format!("\"x\":\"@n{number}@\",{}", news.params);
        }
        let meta = match news.to {
            Some(to) => {
                let id = self.modern.listenings[to].given.clone().unwrap_or_default();
                let id = String::from_utf8_lossy(&id).into_owned();
                format!(",\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}")
            }
            None => String::new(),
        };
        let params = plain(format!("{{{}{meta}}}", news.params));
        let text = Text::object(self.line_style(), notification(news.method, params));
        let child = news.child;
        self.write_line(child, text.fill(&Holes::default()), Vec::new(), None);
        self.modern.news.push(news);
        if let Some(line) = self.children[child].out.back_mut() {
            line.news.push(number);
        }
    }

    /// A child of its own era ends a subscription.
    fn end_listening(&mut self, child: usize, listening: usize) {
        let known = &mut self.modern.listenings[listening];
        known.ended = true;
        let id = known.given.clone().unwrap_or_default();
        let id = String::from_utf8_lossy(&id).into_owned();
        let result = format!(
            "{{\"resultType\":\"complete\",\
             \"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}}}"
        );
        let members =
            vec![("jsonrpc", plain("\"2.0\"")), ("id", plain(id)), ("result", plain(result))];
        let text = Text::object(Style::Compact, members);
        self.write_line(child, text.fill(&Holes::default()), Vec::new(), None);
    }

    /// A child took longer for this request for a resource than it may.
    fn is_too_late(&self, child: usize, id: usize) -> bool {
        let asked = self.modern.desks[child].subscribed.get(id.to_string().as_bytes());
        let limit = self.config.request;
        asked.zip(limit).is_some_and(|((_, since), limit)| since.after(limit) <= self.clock())
    }

    /// A line is whole: who listens is told of it now.
    pub(super) fn hear_news(&mut self, child: usize, line: &Line) {
        // An older answer says nothing of what was asked for again.
        if let Some((uri, id, accepted)) = &line.subscribed
            && self.modern.desks[child].kept.get(uri) == Some(&Kept::Asked(*id))
        {
            let kept = if *accepted { Kept::Held } else { Kept::Refused };
            // One that came too late is given up before its answer is read.
            if !self.is_too_late(child, *id) {
                self.modern.desks[child].kept.insert(uri.clone(), kept);
            }
            let waits = self.modern.listenings.iter_mut().filter(|of| of.honoured.is_none());
            for known in waits.filter(|_| !accepted) {
                known.refused.insert(uri.clone());
            }
        }
        let unsure = !self.is_first() || self.is_over(child) || !self.modern.desks[child].was_ready;
        for news in &line.news {
            self.heard += 1;
            let known = &mut self.modern.news[*news];
            known.heard = Some(self.heard);
            known.unsure = unsure;
            self.modern.fresh_news.push(*news);
        }
    }
}

fn new_news(child: usize, method: &'static str, params: String) -> News {
    News {
        child,
        method,
        uri: None,
        params,
        to: None,
        acknowledges: None,
        heard: None,
        unsure: false,
        seen: BTreeSet::new(),
    }
}
