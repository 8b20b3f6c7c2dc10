//! The laws of what clients get, and of the state after each step.

use std::collections::BTreeSet;

use mcp_bridge::Exchange;
use mcp_bridge::message::{Kind, Message};

use super::driver::numbered;
use super::{Ask, Judged, Law, World};
use crate::stage::hold;

impl World {
    /// A client gets a message, or a whole answer with this status.
    pub(super) fn answered(&mut self, exchange: Exchange, status: u16, body: &[u8]) -> Judged {
        let Some(asked) = self.asked.get(&exchange) else { return Ok(()) };
        let (client, ask) = (asked.client, asked.ask.clone());
        let text = String::from_utf8_lossy(body).into_owned();
        let own = format!("\"for\":\"c{client}.\"");
        let foreign = text.contains("\"for\":") && !text.contains(&own);
        hold!(Own, !foreign, "client {client} gets {text}");
        let known = &mut self.clients[client];
        hold!(Fate, status != 404 || known.deleted, "client {client}: 404, and not deleted");
        let Ok(message) = Message::parse(body) else { return Ok(()) };
        match message.kind() {
            Kind::Request { id, .. } => {
                known.asked.push(String::from_utf8_lossy(id).into_owned());
                self.counts.asked += 1;
                hold!(Asked, known.roots, "client {client} can't be asked: {text}");
                return Ok(());
            }
            Kind::Notification { method } => {
                known.heard.extend(numbered(&text, "\"all\":\"n"));
                self.counts.progress += u64::from(method == "notifications/progress");
                if method == "notifications/message" {
                    self.counts.logs += 1;
                    let much = known.level == Some("error") && text.contains("\"info\"");
                    let sure = !known.level_unsure;
                    hold!(Wants, !(much && sure), "client {client} wants errors, gets {text}");
                }
                return Ok(());
            }
            Kind::Result { .. } | Kind::Error { .. } => {}
        }
        let granted = matches!(message.kind(), Kind::Result { .. });
        let Some(asked) = self.asked.get_mut(&exchange) else { return Ok(()) };
        asked.answers += 1;
        hold!(Once, asked.answers == 1, "{exchange} has two answers");
        self.concluded(client, &ask, granted, &text)
    }

    /// A request of a client has its answer.
    fn concluded(&mut self, client: usize, ask: &Ask, granted: bool, text: &str) -> Judged {
        let known = &mut self.clients[client];
        match ask {
            Ask::Call(call) if granted => {
                self.counts.answers += 1;
                let own = text.contains(&format!("\"call\":\"n{call}.\""));
                hold!(Own, own, "call {call} is answered by {text}");
            }
            Ask::Call(call) => {
                let known = &self.clients[client];
                let mut there = self.processes.values().flat_map(|process| &process.calls);
                let runs = there.any(|at| at.call == *call);
                let awake = self.place_of(client).is_some() && !self.clients[client].deleted;
                let fated = known.fated.contains(call);
                hold!(Fate, fated || !(runs && awake), "call {call} of client {client}: {text}");
            }
            Ask::Level(level) => {
                known.level_unsure = false;
                if granted {
                    known.level = Some(level);
                }
            }
            Ask::Subscribe(uri) => {
                known.unsure.remove(uri);
                if granted {
                    known.uris.insert(uri.clone());
                }
            }
            Ask::Unsubscribe(uri) => {
                known.unsure.remove(uri);
                if granted {
                    known.uris.remove(uri);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The laws of the state after each step.
    pub(super) fn holds(&self) -> Judged {
        let open = |asked: &super::Asked| asked.deaf && !asked.over && !asked.apart;
        let its = |asked: &super::Asked| Some(asked.client) == self.holder;
        let mut rest = self.asked.iter().filter(|(_, asked)| open(asked) && its(asked));
        if let Some((exchange, _)) = rest.next() {
            hold!(Held, false, "client {:?} holds others up by {exchange} as well", self.holder);
        }
        for roots in [false, true] {
            let its = self
                .processes
                .values()
                .filter(|process| process.lines > 0 && process.roots == roots);
            hold!(One, its.count() < 2, "two processes of one kind");
        }
        for (pipe, process) in &self.processes {
            if !process.greeted || !process.owes.is_empty() {
                continue;
            }
            let served: Vec<_> =
                self.served(*pipe).into_iter().map(|client| &self.clients[client]).collect();
            let unsure: BTreeSet<_> = served.iter().flat_map(|client| &client.unsure).collect();
            let wanted: BTreeSet<_> = served.iter().flat_map(|client| &client.uris).collect();
            let sure = |uri: &&String| !unsure.contains(*uri);
            let has = process.uris.iter().filter(sure).collect::<BTreeSet<_>>();
            let wanted = wanted.into_iter().filter(sure).collect::<BTreeSet<_>>();
            hold!(Wants, has == wanted, "{pipe} is subscribed to {has:?}, wanted {wanted:?}");
            if served.iter().any(|client| client.level_unsure) {
                continue;
            }
            let levels = served.iter().filter_map(|client| client.level);
            if let Some(most) = levels.min() {
                let level = process.level.as_deref();
                hold!(Wants, level == Some(most), "{pipe} logs {level:?}, wanted {most}");
            }
        }
        Ok(())
    }
}
