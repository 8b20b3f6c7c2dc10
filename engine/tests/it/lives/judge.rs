//! The laws of answers, and of the state after each step.

use std::collections::BTreeSet;

use mcp_bridge::Exchange;
use mcp_bridge::message::{Kind, Message};

use super::{Ask, Judged, Law, World};
use crate::stage::hold;

impl World {
    /// A client gets a message, or a whole answer with this status.
    pub(super) fn answered(&mut self, exchange: Exchange, status: u16, body: &[u8]) -> Judged {
        let Some((client, ask)) = self.ask_of(exchange) else { return Ok(()) };
        let text = String::from_utf8_lossy(body).into_owned();
        let own = format!("\"for\":\"c{client}\"");
        let foreign = text.contains("\"for\":") && !text.contains(&own);
        hold!(Own, !foreign, "client {client} gets {text}");
        if status == 404 {
            let known = &self.clients[client];
            let ended = known.ended || known.deleted || known.revoked || known.changed;
            hold!(Ends, ended, "client {client} gets 404, and its session has not ended");
            return Ok(());
        }
        let Ok(message) = Message::parse(body) else { return Ok(()) };
        if matches!(message.kind(), Kind::Request { .. } | Kind::Notification { .. }) {
            return Ok(());
        }
        let Some(asked) = self.asked.get_mut(&exchange) else { return Ok(()) };
        asked.answers += 1;
        hold!(Once, asked.answers == 1, "{exchange} has two answers");
        match (&ask, message.kind()) {
            (Ask::Call(call), Kind::Result { .. }) => {
                self.counts.answers += 1;
                let by = self.given.get(call).map(|pipe| format!("\"by\":{},", pipe.number()));
                let own = by.is_some_and(|by| text.contains(&by));
                hold!(Own, own, "call {call} went to {:?}, answer {text}", self.given.get(call));
            }
            (Ask::Call(call), _) => {
                let given = self.given.contains_key(call);
                let crashed = text.contains("ended during this call");
                self.counts.crashed += u64::from(crashed);
                self.counts.failed += u64::from(!crashed);
                hold!(Once, crashed <= given, "call {call} never reached a process: {text}");
            }
            (Ask::Set(setting), Kind::Result { .. }) => {
                let setting = setting.clone();
                self.granted(client, &setting);
            }
            _ => {}
        }
        Ok(())
    }

    /// The laws of the state after each step.
    pub(super) fn holds(&self) -> Judged {
        let stats = self.stage.bridge.stats();
        let (awake, asleep) = (stats.sessions, stats.asleep);
        let most = (self.config.sessions, self.config.asleep);
        hold!(Bounds, awake <= most.0 && asleep <= most.1, "{awake} and {asleep}, not {most:?}");
        let told = self.stage.bridge.sessions().count();
        let alive = self.clients.iter().filter(|client| client.number.is_some() && !client.ended);
        let alive = alive.count();
        hold!(Accounts, told == alive, "{told} sessions, {alive} have not ended");
        let numbers: BTreeSet<_> =
            self.stage.bridge.sessions().map(|session| session.number).collect();
        hold!(Accounts, numbers.len() == told, "a session is there twice");
        Ok(())
    }
}
