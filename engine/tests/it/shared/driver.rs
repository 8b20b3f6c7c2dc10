//! Carries out what the engine wants, and looks at it.

use mcp_bridge::message::{Kind, Message};
use mcp_bridge::{Body, Cause, ChildId, Exchange, Exit, Input, Notice, Output};

use super::{At, Client, Judged, Law, Process, World};
use crate::stage::{Run as _, hold};

/// What stands after these words, up to a full stop: a number.
pub(super) fn numbered(text: &str, words: &str) -> Option<u64> {
    text.split(words).nth(1)?.split('.').next()?.parse().ok()
}

impl World {
    pub(super) fn obey(&mut self, output: Output) -> Judged {
        match output {
            Output::Open { child, .. } if self.stage.dice.one_in(15) => {
                let (reason, public) = ("no such file", "it is not there");
                self.tell(Input::OpenFailed { child, reason, public });
            }
            Output::Open { child, .. } => {
                self.processes.insert(child, Process::default());
                self.tell(Input::Opened { child, pid: Some(7) });
            }
            Output::Write { child, bytes } => {
                self.tell(Input::StdinTaken { child, bytes: bytes.len() });
                for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    self.hears(child, line)?;
                }
            }
            Output::CloseStdin { child } => {
                if self.processes.remove(&child).is_some() {
                    self.tell(Input::Exited { child, exit: Exit::Code(0), stderr: b"" });
                }
            }
            Output::Respond { exchange, response } => {
                let id = response.fields.iter().find(|(name, _)| *name == "mcp-session-id");
                if let (Some((_, id)), Some(asked)) = (id, self.asked.get(&exchange)) {
                    self.clients[asked.client].id = Some(id.to_string());
                }
                if let Body::Whole(body) = response.body {
                    let reads = self.reads_whole(exchange, body.len());
                    self.answered(exchange, response.status, &body)?;
                    if reads {
                        self.tell(Input::Delivered { exchange });
                        self.over(exchange)?;
                    }
                }
            }
            Output::Send { exchange, bytes } => {
                if self.reads(exchange, bytes.len()) {
                    self.tell(Input::Taken { exchange, bytes: bytes.len() });
                }
                self.streamed(exchange, &bytes)?;
            }
            Output::Finish { exchange } if !self.reads(exchange, 0) => {}
            Output::Finish { exchange } => {
                self.tell(Input::Delivered { exchange });
                self.over(exchange)?;
            }
            Output::Abort { exchange } => {
                self.broken_off(exchange);
                self.over(exchange)?;
            }
            Output::Pause { child } => self.paces(child, true),
            Output::Resume { child } => {
                self.paces(child, false);
                self.holder = self.behind.take();
                self.counts.held += u64::from(self.holder.is_some());
            }
            Output::Notice(notice) => self.noticed(&notice)?,
            Output::Terminate { .. } | Output::Kill { .. } => {}
            Output::Save { session, record } => {
                self.saved.insert(session, record);
                self.tell(Input::Saved { session });
            }
            Output::Forget { session } => drop(self.saved.remove(&session)),
        }
        Ok(())
    }

    fn noticed(&mut self, notice: &Notice) -> Judged {
        match notice {
            Notice::SessionShares { .. } => self.counts.shared += 1,
            Notice::SessionAsleep { session, .. } => drop(self.sleepers.insert(*session)),
            Notice::SessionWoken { session, .. } => {
                self.sleepers.remove(session);
                self.counts.wakes += 1;
            }
            Notice::SessionEnded { session, cause, opened: true, .. } => {
                self.ended(*cause)?;
                self.sleepers.remove(session);
            }
            // A whole answer, of a session that has ended or sleeps: it holds nobody up.
            Notice::Undelivered { .. } => self.behind = None,
            _ => {}
        }
        Ok(())
    }

    /// A session has ended that nobody will wake: of one of the clients that have none any more.
    fn ended(&mut self, cause: Cause) -> Judged {
        let (expiry, now) = (self.config.expiry, self.stage.now);
        let asleep = self.sleepers.len();
        let expired = |known: &Client| expiry.is_some_and(|expiry| now - known.used >= expiry);
        let bridge = &self.stage.bridge;
        let gone = |known: &&mut Client| {
            let id = known.id.as_ref().filter(|_| !known.deleted);
            id.is_some_and(|id| bridge.session_number(id).is_none())
        };
        let mut gone = self.clients.iter_mut().filter(gone);
        match cause {
            Cause::Expired => {
                let client = gone.find(|known| expired(known));
                hold!(Fate, client.is_some(), "a session expires that was used");
                client.into_iter().for_each(|known| known.deleted = true);
                self.counts.expired += 1;
            }
            Cause::Crowded => {
                hold!(Fate, asleep >= self.config.asleep, "a session ends for room, and there is");
                gone.next().into_iter().for_each(|known| known.deleted = true);
                self.counts.crowded += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn paces(&mut self, pipe: ChildId, paused: bool) {
        self.processes.get_mut(&pipe).into_iter().for_each(|process| process.paused = paused);
    }

    /// Whether the client of an exchange reads what it is sent.
    fn reads(&mut self, exchange: Exchange, bytes: usize) -> bool {
        let deaf = self.asked.get_mut(&exchange).filter(|asked| asked.deaf);
        deaf.map(|asked| asked.unread += bytes).is_none()
    }

    /// The same of a whole answer.
    fn reads_whole(&mut self, exchange: Exchange, bytes: usize) -> bool {
        if let Some(client) = self.asked.get(&exchange).map(|asked| asked.client) {
            let sleeps = self.place_of(client).is_none();
            self.asked.entry(exchange).and_modify(|asked| asked.apart = sleeps);
        }
        self.reads(exchange, bytes)
    }

    /// An exchange is aborted. Its client may have held up others by all that it has not read.
    fn broken_off(&mut self, exchange: Exchange) {
        let Some(asked) = self.asked.get(&exchange).filter(|asked| asked.unread > 0) else {
            return;
        };
        let client = asked.client;
        let open = self.asked.values().filter(|asked| asked.client == client && !asked.over);
        let unread: usize = open.map(|asked| asked.unread).sum();
        let others = self.place_of(client).map_or(0, |pipe| self.served(pipe).len());
        if unread >= 2 * self.config.queue && others > 1 {
            self.behind = Some(client);
        }
    }

    fn over(&mut self, exchange: Exchange) -> Judged {
        let Some(asked) = self.asked.get_mut(&exchange) else { return Ok(()) };
        hold!(Once, !asked.over, "{exchange} ends twice");
        asked.over = true;
        let client = &mut self.clients[asked.client];
        client.stream.take_if(|stream| *stream == exchange);
        Ok(())
    }

    fn streamed(&mut self, exchange: Exchange, bytes: &[u8]) -> Judged {
        let Some(asked) = self.asked.get_mut(&exchange) else { return Ok(()) };
        let mut events = Vec::new();
        let _ = asked.decoder.feed(bytes, &mut events);
        for event in events.iter().filter(|event| !event.data.is_empty()) {
            self.answered(exchange, 200, event.data.as_bytes())?;
        }
        Ok(())
    }

    /// A process gets a line.
    fn hears(&mut self, pipe: ChildId, line: &[u8]) -> Judged {
        let Some(process) = self.processes.get_mut(&pipe) else { return Ok(()) };
        let text = String::from_utf8_lossy(line).into_owned();
        let message = Message::parse(line);
        let Ok(message) = message else { return Err((Law::Handshake, text)) };
        process.lines += 1;
        let method = message.method().unwrap_or_default().into_owned();
        let first = method == "initialize";
        hold!(Handshake, first == (process.lines == 1), "line {}: {text}", process.lines);
        let id = String::from_utf8_lossy(message.id().unwrap_or_default()).into_owned();
        match message.kind() {
            Kind::Request { .. } => {
                hold!(Handshake, process.ids.insert(id.clone()), "an id comes twice: {text}");
                process.roots |= method == "initialize" && text.contains("\"roots\"");
                self.requested(pipe, id, &method, &text)
            }
            Kind::Notification { .. } if method == "notifications/cancelled" => {
                let named = String::from_utf8_lossy(message.request_id().unwrap_or_default());
                let named = named.into_owned();
                self.is_told_to_stop(pipe, &named)
            }
            Kind::Notification { .. } => {
                process.initialized += usize::from(method == "notifications/initialized");
                hold!(Handshake, process.initialized < 2, "it is initialized twice");
                Ok(())
            }
            Kind::Result { .. } | Kind::Error { .. } => {
                let of = process.questions.remove(&id);
                let own = of.is_some_and(|of| text.contains(&format!("\"by\":\"c{of}.\"")));
                let refused = of.is_some() && text.contains("\"error\"");
                self.counts.refused += u64::from(refused);
                hold!(Asked, own || refused, "a question of client {of:?} is answered: {text}");
                Ok(())
            }
        }
    }

    fn requested(&mut self, pipe: ChildId, id: String, method: &str, text: &str) -> Judged {
        let Some(process) = self.processes.get_mut(&pipe) else { return Ok(()) };
        let uri = text.split("\"uri\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let uri = uri.unwrap_or_default().to_owned();
        match method {
            "tools/call" => {
                let token = text.contains(&format!("\"progressToken\":{id}}}"));
                hold!(Handshake, token, "the token is not the process's own: {text}");
                let client = numbered(text, "\"of\":\"c").unwrap_or_default() as usize;
                let call = numbered(text, "\"call\":\"n").unwrap_or_default();
                process.calls.push(At { id, client, call });
                return Ok(());
            }
            "resources/subscribe" => drop(process.uris.insert(uri)),
            "resources/unsubscribe" => drop(process.uris.remove(&uri)),
            "logging/setLevel" => {
                let debug = text.contains("\"debug\"");
                process.level = Some(String::from(if debug { "debug" } else { "error" }));
            }
            _ => {}
        }
        process.owes.push((id, method.to_owned()));
        Ok(())
    }

    /// A call is cancelled at its process, which may work on all the same.
    fn is_told_to_stop(&mut self, pipe: ChildId, id: &str) -> Judged {
        let works_on = self.stage.dice.one_in(2);
        let Some(process) = self.processes.get_mut(&pipe) else { return Ok(()) };
        let place = process.calls.iter().position(|at| at.id == *id);
        let Some(at) = place.map(|place| process.calls.remove(place)) else { return Ok(()) };
        if works_on {
            process.strays.push(at.clone());
        }
        let known = &self.clients[at.client];
        let own = known.deleted || known.fated.contains(&at.call);
        let left = self.place_of(at.client) != Some(pipe);
        hold!(Fate, own || left, "call {} is cancelled, and not by client {}", at.call, at.client);
        Ok(())
    }
}
