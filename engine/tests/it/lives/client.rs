//! What happens: clients ask, processes answer or crash, time passes, the proxy is killed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mcp_bridge::{Bridge, Config, Exit, Input};

use super::{Ask, Asked, Client, Counts, Judged, Law, Setting, World, faults};
use crate::stage::{self, Dice, Run as _, Stage, at, hold};

/// Clients of one run.
const CLIENTS: u64 = 9;
/// Limits that are reached often.
fn config(dice: &mut Dice) -> Config {
    let seconds = Duration::from_secs;
    Config {
        sessions: 2 + dice.below(3) as usize,
        starting: 1 + dice.below(3) as usize,
        asleep: 1 + dice.below(2) as usize,
        prewarm: dice.below(2) as usize,
        idle: Some(seconds(20)).filter(|_| !dice.one_in(3)),
        sleep: Some(seconds(10)).filter(|_| dice.one_in(3)),
        expiry: Some(seconds(100)).filter(|_| !dice.one_in(4)),
        spare: seconds(3),
        start: seconds(5),
        breaker_starts: 3,
        breaker_wait: seconds(4),
        persist: true,
        ..Config::default()
    }
}

impl World {
    pub(super) fn new(seed: u64, fault: Option<faults::Fault>) -> Self {
        let mut dice = Dice::new(seed);
        let config = config(&mut dice);
        Self {
            stage: Stage::new(dice, config.clone()),
            config,
            clients: Vec::new(),
            children: BTreeMap::new(),
            asked: BTreeMap::new(),
            given: BTreeMap::new(),
            calls: 0,
            saved: BTreeMap::new(),
            saving: VecDeque::new(),
            sleepers: BTreeSet::new(),
            fault,
            counts: Counts::default(),
        }
    }

    pub(super) fn happen(&mut self) -> Judged {
        match self.stage.dice.below(20) {
            0 => self.initialize(),
            1..=6 => self.call(),
            7 => self.set(),
            8 => self.get(),
            9..=12 => return self.answer(),
            13 | 14 => self.crash(),
            15 => return self.pass(1000),
            16 if self.stage.dice.one_in(3) => return self.pass(150_000),
            16 => return self.pass(30_000),
            17 => self.save(),
            18 => self.end_one(),
            _ if self.stage.dice.one_in(12) => return self.restart(),
            _ => self.leave(),
        }
        Ok(())
    }

    /// A client sends a request.
    pub(super) fn ask(&mut self, client: usize, ask: Ask, method: &str, body: &str) {
        let id = self.clients[client].id.clone().unwrap_or_default();
        let exchange = self.stage.request(&id, method, body);
        let decoder = stage::decoder();
        let asked = Asked { client, ask, answers: 0, over: false, streams: false, decoder };
        self.asked.insert(exchange, asked);
        self.clients[client].used = self.stage.now;
    }

    fn initialize(&mut self) {
        if self.clients.len() as u64 >= CLIENTS {
            return self.call();
        }
        let client = self.clients.len();
        self.clients.push(Client::default());
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"c{client}"}}}}}}"#
        );
        self.ask(client, Ask::Initialize, "POST", &body);
    }

    /// A client that was told of its session and has not deleted it.
    pub(super) fn some_client(&mut self) -> Option<usize> {
        let there = |client: &Client| client.id.is_some() && !client.deleted;
        let there: Vec<usize> =
            (0..self.clients.len()).filter(|client| there(&self.clients[*client])).collect();
        let place = self.stage.dice.place(there.len());
        there.get(place).copied()
    }

    fn call(&mut self) {
        let Some(client) = self.some_client() else { return };
        if !self.clients[client].initialized {
            self.clients[client].initialized = true;
            let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
            return self.ask(client, Ask::Tell, "POST", body);
        }
        self.calls += 1;
        let call = self.calls;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{call},"method":"tools/call","params":{{"name":"t","call":"n{call}."}}}}"#
        );
        self.ask(client, Ask::Call(call), "POST", &body);
    }

    fn set(&mut self) {
        let Some(client) = self.some_client() else { return };
        self.calls += 1;
        let id = self.calls;
        let (setting, method, params) = match self.stage.dice.below(2) {
            0 => (Setting::Level, "logging/setLevel", String::from(r#"{"level":"error"}"#)),
            _ => {
                let uri = format!("a:{}", self.stage.dice.below(3));
                let params = format!(r#"{{"uri":"{uri}"}}"#);
                (Setting::Subscribe(uri), "resources/subscribe", params)
            }
        };
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        self.ask(client, Ask::Set(setting), "POST", &body);
    }

    fn get(&mut self) {
        let Some(client) = self.some_client() else { return };
        self.ask(client, Ask::Get, "GET", "");
    }

    /// A client, or the embedder, ends a session.
    fn end_one(&mut self) {
        if !self.stage.dice.one_in(4) {
            return;
        }
        let Some(client) = self.some_client() else { return };
        match self.clients[client].number {
            Some(session) if self.stage.dice.one_in(2) => {
                self.clients[client].revoked = true;
                self.tell(Input::End { session });
            }
            _ => {
                self.clients[client].deleted = true;
                self.ask(client, Ask::Delete, "DELETE", "");
            }
        }
    }

    /// A client gives an exchange up.
    fn leave(&mut self) {
        let open: Vec<_> = self.asked.iter().filter(|(_, asked)| !asked.over).collect();
        let place = self.stage.dice.place(open.len());
        let Some(exchange) = open.get(place).map(|(exchange, _)| **exchange) else { return };
        self.asked.remove(&exchange);
        self.tell(Input::Lost { exchange });
    }

    fn crash(&mut self) {
        let alive: Vec<_> = self.children.keys().copied().collect();
        let place = self.stage.dice.place(alive.len());
        let Some(pipe) = alive.get(place).copied() else { return };
        self.children.remove(&pipe);
        self.tell(Input::Exited { child: pipe, exit: Exit::Signal(9), stderr: b"" });
    }

    /// A process answers the first that it owes, or says something by itself.
    fn answer(&mut self) -> Judged {
        let alive = self.children.iter().filter(|(_, child)| !child.owes.is_empty());
        let alive: Vec<_> = alive.map(|(pipe, _)| *pipe).collect();
        let place = self.stage.dice.place(alive.len());
        let Some(pipe) = alive.get(place).copied() else { return Ok(()) };
        let changes = self.stage.dice.one_in(12);
        let fails = self.stage.dice.one_in(10);
        let Some(child) = self.children.get_mut(&pipe) else { return Ok(()) };
        let Some((id, method)) = child.owes.pop_front() else { return Ok(()) };
        let (id, own) = (String::from_utf8_lossy(&id).into_owned(), pipe.number());
        let of = child.client.unwrap_or(usize::MAX);
        let answer = match &*method {
            "initialize" if fails => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"no"}}}}"#)
            }
            "initialize" => {
                let more = if changes { r#","tools":{}"# } else { "" };
                if changes && child.again {
                    self.clients[of].changed = true;
                }
                // What a first process says by itself is what later ones are held to.
                let more = if child.again { more } else { "" };
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-11-25","capabilities":{{"logging":{{}}{more}}},"serverInfo":{{"name":"s"}}}}}}"#
                )
            }
            _ => format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"by":{own},"for":"c{of}","what":"{method}"}}}}"#
            ),
        };
        let note = format!(
            "\n{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\",\"params\":{{\"for\":\"c{of}\"}}}}\n"
        );
        let pipe = self.fault.map_or(pipe, |fault| fault.speaker(self, pipe));
        let text = answer + &note;
        self.tell(Input::Stdout { child: pipe, bytes: text.as_bytes() });
        Ok(())
    }

    pub(super) fn save(&mut self) {
        let Some((session, record)) = self.saving.pop_front() else { return };
        let text = String::from_utf8_lossy(&record).into_owned();
        let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..32));
        self.saved.insert(id.unwrap_or_default().to_owned(), (record, self.stage.now));
        self.tell(Input::Saved { session });
    }

    /// The proxy is killed, and started again.
    fn restart(&mut self) -> Judged {
        self.counts.restarts += 1;
        self.asked.clear();
        self.children.clear();
        self.saving.clear();
        self.sleepers.clear();
        self.stage.bridge = Bridge::new(self.config.clone()).expect("a good configuration");
        for client in &mut self.clients {
            client.number = None;
            client.child = None;
            // Nobody was told of it, and nobody will be.
            client.ended |= client.id.is_none();
        }
        let records: Vec<_> = self.saved.clone().into_iter().collect();
        for (id, (record, saved)) in records {
            let restored =
                self.stage.bridge.restore(&record, self.stage.now - saved, at(self.stage.now));
            let client = self.clients.iter_mut().find(|client| client.id.as_ref() == Some(&id));
            match (restored, client) {
                (Ok(number), Some(client)) => {
                    hold!(Ends, !client.ended, "{id} is restored after its end");
                    client.number = Some(number);
                    // What happened after its last record is not known any more.
                    client.used = saved;
                    // It had, or has, what its record says.
                    client.uris = stage::uris(&record);
                    client.level = stage::says(&record, "\"level\":\"error\"");
                    client.initialized &= stage::says(&record, "\"initialized\":true");
                }
                (Ok(number), None) => self.tell(Input::End { session: number }),
                (Err(error), client) => {
                    use mcp_bridge::RestoreError::{Expired, Full};
                    let may = matches!(error, Expired | Full);
                    hold!(Saved, may, "{id} is not restored: {error}");
                    client.into_iter().for_each(|client| client.ended = true);
                    self.saved.remove(&id);
                }
            }
        }
        for client in self.clients.iter_mut().filter(|client| client.number.is_none()) {
            let told = client.id.is_some() && !client.ended;
            hold!(Saved, !told, "a session that its client was told of is lost");
        }
        Ok(())
    }
}
