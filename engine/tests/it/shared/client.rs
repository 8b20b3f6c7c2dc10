//! What clients do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_bridge::{Bridge, Exit, Input, RestoreError};

use super::faults::Fault;
use super::{Ask, Asked, Client, Counts, Judged, Law, World, config};
use crate::stage::{self, Dice, Run as _, Stage, hold, says};

/// Clients of one run.
const CLIENTS: usize = 10;
impl World {
    pub(super) fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut dice = Dice::new(seed);
        let config = config(&mut dice);
        Self {
            stage: Stage::new(dice, config.clone()),
            config,
            saved: BTreeMap::new(),
            sleepers: BTreeSet::new(),
            clients: Vec::new(),
            processes: BTreeMap::new(),
            asked: BTreeMap::new(),
            last: 0,
            fault,
            behind: None,
            holder: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn happen(&mut self) -> Judged {
        (self.behind, self.holder) = (None, None);
        match self.stage.dice.below(28) {
            0 | 1 => self.initialize(),
            2..=7 => self.call(),
            8 => self.cancel(),
            9 | 10 => self.wish(),
            11 => self.get(),
            12 | 13 => self.reply(),
            14 => self.lose(),
            15 if self.stage.dice.one_in(2) => self.delete(),
            16..=24 => return self.speak(),
            25 if self.stage.dice.one_in(2) => self.crash(),
            26 if self.stage.dice.one_in(3) => return self.pass(40_000),
            26 if self.stage.dice.one_in(6) => return self.restart(),
            _ => return self.pass(500),
        }
        Ok(())
    }

    /// A client sends a request.
    fn ask(&mut self, client: usize, ask: Ask, method: &str, body: &str) {
        let id = self.clients[client].id.clone().unwrap_or_default();
        let exchange = self.stage.request(&id, method, body);
        self.clients[client].used = self.stage.now;
        if ask == Ask::Get {
            self.clients[client].stream = Some(exchange);
        }
        let deaf = client % 4 == 3 && matches!(ask, Ask::Call(_));
        let decoder = stage::decoder();
        let asked =
            Asked { client, ask, answers: 0, over: false, deaf, unread: 0, apart: false, decoder };
        self.asked.insert(exchange, asked);
    }

    fn initialize(&mut self) {
        if self.clients.len() >= CLIENTS {
            return self.call();
        }
        let client = self.clients.len();
        let roots = self.stage.dice.one_in(2);
        self.clients.push(Client { roots, ..Client::default() });
        let capabilities = if roots { r#"{"roots":{}}"# } else { "{}" };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"c{client}"}}}}}}"#
        );
        self.ask(client, Ask::Initialize, "POST", &body);
    }

    /// A client that was told of its session and has not deleted it.
    fn some_client(&mut self) -> Option<usize> {
        let there =
            |client: &usize| self.clients[*client].id.is_some() && !self.clients[*client].deleted;
        let there: Vec<usize> = (0..self.clients.len()).filter(there).collect();
        let place = self.stage.dice.place(there.len());
        there.get(place).copied()
    }

    /// All clients use the same ids and tokens.
    fn call(&mut self) {
        let Some(client) = self.some_client() else { return };
        if !self.clients[client].initialized {
            self.clients[client].initialized = true;
            let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
            return self.ask(client, Ask::Tell, "POST", body);
        }
        let open = |asked: &&Asked| asked.client == client && !asked.over;
        let calls = self.asked.values().filter(open).filter(|a| matches!(a.ask, Ask::Call(_)));
        let (id, call) = (calls.count(), self.next());
        self.clients[client].calls.insert(call);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t","of":"c{client}.","call":"n{call}.","_meta":{{"progressToken":"t"}}}}}}"#
        );
        self.ask(client, Ask::Call(call), "POST", &body);
    }

    /// A client cancels one of its calls.
    fn cancel(&mut self) {
        let Some(client) = self.some_client() else { return };
        let known = &mut self.clients[client];
        known.fated.extend(&known.calls);
        let body =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":0}}"#;
        self.counts.cancels += 1;
        self.ask(client, Ask::Tell, "POST", body);
    }

    fn wish(&mut self) {
        let Some(client) = self.some_client() else { return };
        let known = &mut self.clients[client];
        let uri = format!("a:{}", self.stage.dice.below(3));
        let (ask, method, params) = match self.stage.dice.below(3) {
            0 if known.level_unsure => return,
            0 => {
                known.level_unsure = true;
                let level = if self.stage.dice.one_in(2) { "debug" } else { "error" };
                (Ask::Level(level), "logging/setLevel", format!(r#"{{"level":"{level}"}}"#))
            }
            _ if !known.unsure.insert(uri.clone()) => return,
            1 => {
                let params = format!(r#"{{"uri":"{uri}"}}"#);
                (Ask::Unsubscribe(uri), "resources/unsubscribe", params)
            }
            _ => {
                let params = format!(r#"{{"uri":"{uri}"}}"#);
                (Ask::Subscribe(uri), "resources/subscribe", params)
            }
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":"w","method":"{method}","params":{params}}}"#);
        self.ask(client, ask, "POST", &body);
    }

    fn get(&mut self) {
        let client = self.some_client().filter(|client| self.clients[*client].stream.is_none());
        if let Some(client) = client {
            self.ask(client, Ask::Get, "GET", "");
        }
    }

    /// A client answers a question; now and then one that is another's.
    fn reply(&mut self) {
        let asked = |client: &usize| !self.clients[*client].asked.is_empty();
        let Some(of) = (0..self.clients.len()).find(asked) else { return };
        let Some(client) = self.some_client() else { return };
        if client != of && !self.stage.dice.one_in(3) {
            return;
        }
        let id = match client == of {
            true => self.clients[of].asked.remove(0),
            false => self.clients[of].asked[0].clone(),
        };
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"by":"c{client}."}}}}"#);
        self.ask(client, Ask::Tell, "POST", &body);
    }

    /// A client gives an exchange up.
    fn lose(&mut self) {
        let open: Vec<_> = self.asked.iter().filter(|(_, asked)| !asked.over).collect();
        let place = self.stage.dice.place(open.len());
        let Some(exchange) = open.get(place).map(|(exchange, _)| **exchange) else { return };
        if let Some(asked) = self.asked.remove(&exchange)
            && asked.ask == Ask::Get
        {
            self.clients[asked.client].stream = None;
        }
        self.tell(Input::Lost { exchange });
    }

    /// The clients that read nothing of their calls are gone.
    pub(super) fn lose_unread(&mut self) {
        let unread = self.asked.iter().filter(|(_, asked)| asked.deaf && !asked.over);
        for exchange in unread.map(|(exchange, _)| *exchange).collect::<Vec<_>>() {
            self.asked.remove(&exchange);
            self.tell(Input::Lost { exchange });
        }
    }

    fn delete(&mut self) {
        let Some(client) = self.some_client() else { return };
        self.clients[client].deleted = true;
        self.ask(client, Ask::Delete, "DELETE", "");
    }

    fn crash(&mut self) {
        let place = self.stage.dice.place(self.processes.len());
        let Some(pipe) = self.processes.keys().nth(place).copied() else { return };
        self.processes.remove(&pipe);
        self.counts.crashes += 1;
        self.tell(Input::Exited { child: pipe, exit: Exit::Signal(9), stderr: b"" });
    }

    /// The proxy is killed, and started again. What was under way is not known any more.
    fn restart(&mut self) -> Judged {
        self.counts.restarts += 1;
        self.asked.clear();
        self.processes.clear();
        self.sleepers.clear();
        self.stage.bridge = Bridge::new(self.config.clone()).expect("a good configuration");
        let mut lost: BTreeSet<_> = (0..self.clients.len()).collect();
        let mut full = 0;
        for (_, record) in std::mem::take(&mut self.saved) {
            let now = stage::at(self.stage.now);
            let restored = self.stage.bridge.restore(&record, Duration::ZERO, now);
            let session = match restored {
                Ok(session) => session,
                // Its client counts as lost below.
                Err(RestoreError::Full) => {
                    let asleep = self.stage.bridge.stats().asleep;
                    hold!(Fate, asleep >= self.config.asleep, "only {asleep} sleep, and all may");
                    full += 1;
                    continue;
                }
                Err(_) => {
                    return Err((Law::Fate, format!("a session is not restored: {restored:?}")));
                }
            };
            let id = |client: &&usize| self.clients[**client].id.as_deref();
            let of = lost.iter().find(|client| id(client).is_some_and(|id| says(&record, id)));
            let Some(client) = of.copied() else {
                // Its client never got the session id.
                self.tell(Input::End { session });
                continue;
            };
            lost.remove(&client);
            self.restored(client, &record)?;
            self.sleepers.insert(session);
            self.saved.insert(session, record);
        }
        for client in lost {
            let known = &mut self.clients[client];
            let had = known.id.is_some() && !known.deleted;
            hold!(Fate, !had || full > 0, "the session of client {client} is lost");
            full -= usize::from(had);
            // Its client never got the session id, or has deleted the session.
            known.deleted = true;
        }
        Ok(())
    }

    /// A session goes on from its record, which has what its client was granted.
    fn restored(&mut self, client: usize, record: &[u8]) -> Judged {
        let known = &mut self.clients[client];
        let uris = stage::uris(record);
        let differs =
            uris.symmetric_difference(&known.uris).find(|uri| !known.unsure.contains(*uri));
        hold!(Wants, differs.is_none(), "the record of client {client} is wrong: {differs:?}");
        let level = ["debug", "error"].into_iter().find(|level| says(record, level));
        let sure = !known.level_unsure;
        hold!(Wants, !sure || level == known.level, "the record of client {client}: {level:?}");
        known.initialized &= says(record, "\"initialized\":true");
        *known = Client {
            roots: known.roots,
            id: known.id.take(),
            initialized: known.initialized,
            level,
            uris,
            used: self.stage.now,
            ..Client::default()
        };
        Ok(())
    }
}
