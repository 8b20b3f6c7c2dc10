//! Carries out what the engine wants, and looks at it.

use mcp_bridge::message::{Kind, Message};
use mcp_bridge::{Body, Cause, ChildId, Exchange, Exit, Input, Notice, Output, SessionNumber};

use super::{Ask, Child, Judged, Law, Setting, World};
use crate::stage::{self, Run as _, hold};

impl World {
    pub(super) fn obey(&mut self, output: Output) -> Judged {
        match output {
            Output::Open { child: pipe, .. } if self.stage.dice.one_in(12) => {
                let (reason, public) = ("no such file", "it is not there");
                self.tell(Input::OpenFailed { child: pipe, reason, public });
            }
            Output::Open { child: pipe, .. } => {
                self.children.insert(pipe, Child::default());
                self.tell(Input::Opened { child: pipe, pid: Some(7) });
            }
            Output::Write { child: pipe, bytes } => {
                self.tell(Input::StdinTaken { child: pipe, bytes: bytes.len() });
                for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.hears(pipe, line)?;
                }
            }
            Output::CloseStdin { child: pipe } => {
                let exits = self.children.get_mut(&pipe).map(|child| child.leaving = true);
                if exits.is_some() {
                    self.children.remove(&pipe);
                    self.tell(Input::Exited { child: pipe, exit: Exit::Code(0), stderr: b"" });
                }
            }
            // Its processes say so little that there is nothing to hold back.
            Output::Pause { .. } | Output::Resume { .. } => {}
            Output::Terminate { .. } | Output::Kill { .. } => {}
            Output::Respond { exchange, response } => {
                let fields = response.fields.iter();
                let id = fields.clone().find(|(name, _)| *name == "mcp-session-id");
                if let Some((_, id)) = id {
                    self.is_told(exchange, id)?;
                }
                match response.body {
                    Body::Whole(body) => {
                        self.tell(Input::Delivered { exchange });
                        self.answered(exchange, response.status, &body)?;
                        self.over(exchange)?;
                    }
                    Body::Stream => {
                        if let Some(asked) = self.asked.get_mut(&exchange) {
                            hold!(Once, !asked.streams, "{exchange} has two heads");
                            asked.streams = true;
                        }
                    }
                }
            }
            Output::Send { exchange, bytes } => {
                self.tell(Input::Taken { exchange, bytes: bytes.len() });
                self.streamed(exchange, &bytes)?;
            }
            Output::Finish { exchange } => {
                self.tell(Input::Delivered { exchange });
                self.over(exchange)?;
            }
            Output::Abort { exchange } => self.over(exchange)?,
            Output::Save { session, record } => self.saving.push_back((session, record)),
            Output::Forget { session } => {
                self.saving.retain(|(saving, _)| *saving != session);
                let client = self.clients.iter().find(|client| client.number == Some(session));
                if let Some(id) = client.and_then(|client| client.id.clone()) {
                    self.saved.remove(&id);
                }
            }
            Output::Notice(notice) => self.noticed(&notice)?,
        }
        Ok(())
    }

    fn over(&mut self, exchange: Exchange) -> Judged {
        if let Some(asked) = self.asked.get_mut(&exchange) {
            hold!(Once, !asked.over, "{exchange} ends twice");
            asked.over = true;
        }
        Ok(())
    }

    /// A process gets a line.
    fn hears(&mut self, pipe: ChildId, line: &[u8]) -> Judged {
        let Some(child) = self.children.get_mut(&pipe) else { return Ok(()) };
        let Ok(message) = Message::parse(line) else {
            return Err((Law::Handshake, String::from_utf8_lossy(line).into_owned()));
        };
        child.lines += 1;
        let method = message.method().unwrap_or_default().into_owned();
        if child.lines == 1 {
            let text = String::from_utf8_lossy(line);
            let client = text
                .split("\"name\":\"c")
                .nth(1)
                .and_then(|rest| rest.split('"').next()?.parse::<usize>().ok());
            hold!(Handshake, method == "initialize", "{pipe} gets {method} first");
            child.client = client;
            let client = &mut self.clients[client.unwrap_or_default()];
            child.again = client.id.is_some();
            client.child = Some(pipe);
        }
        let of = child.client.unwrap_or_default();
        match &*method {
            "notifications/initialized" => child.initialized = true,
            "logging/setLevel" => child.level = true,
            "resources/subscribe" => {
                child.uris.extend(stage::uris(line));
            }
            "tools/call" => {
                let text = String::from_utf8_lossy(line);
                let call = text
                    .split("\"call\":\"n")
                    .nth(1)
                    .and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
                let call = call.unwrap_or_default();
                let client = &self.clients[of];
                let set = child.level >= client.level && child.uris.is_superset(&client.uris);
                let ready = child.initialized && set;
                hold!(Handshake, ready, "{pipe} gets call {call} before its settings");
                let before = self.given.insert(call, pipe);
                hold!(NeverAgain, before.is_none(), "call {call} went to {before:?} and {pipe}");
            }
            _ => {}
        }
        if matches!(message.kind(), Kind::Request { .. }) {
            let child = self.children.get_mut(&pipe);
            let id = message.id().unwrap_or_default().to_vec();
            child.into_iter().for_each(|child| child.owes.push_back((id.clone(), method.clone())));
        }
        Ok(())
    }

    /// A client is told of its session.
    fn is_told(&mut self, exchange: Exchange, id: &str) -> Judged {
        let durable = self.saved.contains_key(id);
        hold!(Saved, durable, "a client is told of a session that is not saved");
        let Some(asked) = self.asked.get(&exchange) else { return Ok(()) };
        let client = &mut self.clients[asked.client];
        client.id = Some(id.to_owned());
        client.used = self.stage.now;
        Ok(())
    }

    fn streamed(&mut self, exchange: Exchange, bytes: &[u8]) -> Judged {
        let Some(asked) = self.asked.get_mut(&exchange) else { return Ok(()) };
        let (client, mut events) = (asked.client, Vec::new());
        let _ = asked.decoder.feed(bytes, &mut events);
        for event in events {
            let known = &mut self.clients[client].events;
            let resumed = event.id.is_empty() || known.insert(event.id.clone());
            hold!(EventIds, resumed, "the event id {} comes twice", event.id);
            if !event.data.is_empty() {
                self.answered(exchange, 200, event.data.as_bytes())?;
            }
        }
        Ok(())
    }

    fn noticed(&mut self, notice: &Notice) -> Judged {
        match notice {
            Notice::SessionAsleep { session, .. } => {
                self.sleepers.insert(*session);
                self.counts.sleeps += 1;
            }
            Notice::SessionWoken { session, .. } => {
                self.sleepers.remove(session);
                self.counts.wakes += 1;
            }
            Notice::SessionOpened { session, child: pipe, .. } => {
                let client = self.children.get(pipe).and_then(|child| child.client);
                if let Some(client) = client {
                    self.clients[client].number = Some(*session);
                }
            }
            Notice::SessionEnded { session, cause, opened: true, .. } => {
                self.ended(*session, *cause)?;
                self.sleepers.remove(session);
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, session: SessionNumber, cause: Cause) -> Judged {
        let client = self.clients.iter_mut().find(|client| client.number == Some(session));
        let Some(client) = client else { return Ok(()) };
        let unused = self.stage.now.saturating_sub(client.used);
        let may = match cause {
            Cause::Deleted => client.deleted,
            Cause::Revoked => client.revoked,
            Cause::Changed(_) => client.changed,
            Cause::Expired => self.config.expiry.is_some_and(|expiry| unused >= expiry),
            Cause::Crowded => {
                self.stage.bridge.stats().asleep.max(self.sleepers.len()) >= self.config.asleep
            }
            _ => false,
        };
        hold!(Ends, may, "{session} ends after {unused:?}: {cause}");
        self.counts.expired += u64::from(cause == Cause::Expired);
        self.counts.crowded += u64::from(cause == Cause::Crowded);
        self.counts.changed += u64::from(matches!(cause, Cause::Changed(_)));
        client.ended = true;
        Ok(())
    }

    /// The answer of a setting says what later processes are told.
    pub(super) fn granted(&mut self, client: usize, setting: &Setting) {
        let client = &mut self.clients[client];
        match setting {
            Setting::Level => client.level = true,
            Setting::Subscribe(uri) => drop(client.uris.insert(uri.clone())),
        }
    }

    /// What an exchange is for.
    pub(super) fn ask_of(&self, exchange: Exchange) -> Option<(usize, Ask)> {
        self.asked.get(&exchange).map(|asked| (asked.client, asked.ask.clone()))
    }
}
