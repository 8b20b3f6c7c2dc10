//! What processes say.

use std::collections::BTreeSet;

use mcp_bridge::{ChildId, Input};

use super::{At, Judged, Law, World};
use crate::stage::{Run as _, hold};

impl World {
    /// A process says something.
    pub(super) fn speak(&mut self) -> Judged {
        let place = self.stage.dice.place(self.processes.len());
        let Some(pipe) = self.processes.keys().nth(place).copied() else { return Ok(()) };
        if self.processes[&pipe].paused {
            return Ok(());
        }
        match self.stage.dice.below(12) {
            0..=2 => self.settle(pipe),
            3..=5 => self.answer(pipe),
            6 => self.report(pipe),
            7 => self.write_log(pipe),
            8 => self.ask_client(pipe),
            9 => self.end_stray(pipe),
            10 => return self.update(pipe),
            _ => return self.change_list(pipe),
        }
        Ok(())
    }

    fn say(&mut self, pipe: ChildId, line: &str) {
        let text = format!("{line}\n");
        self.tell(Input::Stdout { child: pipe, bytes: text.as_bytes() });
    }

    /// Answers a request that is no call: the oldest, so that its handshake comes first.
    fn settle(&mut self, pipe: ChildId) {
        let declines = self.stage.dice.one_in(15);
        let Some(process) = self.processes.get_mut(&pipe) else { return };
        if process.owes.is_empty() {
            return;
        }
        let (id, method) = process.owes.remove(0);
        let line = match &*method {
            "initialize" if declines => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-1,"message":"no"}}}}"#)
            }
            "initialize" => {
                process.greeted = true;
                format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"2025-11-25","capabilities":{{"logging":{{}}}},"serverInfo":{{"name":"s"}}}}}}"#
                )
            }
            "server/discover" => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no"}}}}"#)
            }
            _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        };
        self.say(pipe, &line);
    }

    /// One of the calls of a process, or of those that were cancelled.
    fn some_call(&mut self, pipe: ChildId, strays: bool) -> Option<At> {
        let process = self.processes.get(&pipe)?;
        let calls = if strays { &process.strays } else { &process.calls };
        let place = self.stage.dice.place(calls.len());
        calls.get(place).cloned()
    }

    fn answer(&mut self, pipe: ChildId) {
        let Some(At { id, client, call }) = self.some_call(pipe, false) else { return };
        let (id, client) = match self.fault {
            Some(fault) => fault.answer(self, pipe, (id, client)),
            None => (id, client),
        };
        if let Some(process) = self.processes.get_mut(&pipe) {
            process.calls.retain(|at| at.id != id);
        }
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"for":"c{client}.","call":"n{call}."}}}}"#
        );
        self.say(pipe, &line);
    }

    fn report(&mut self, pipe: ChildId) {
        let Some(At { id, client, .. }) = self.some_call(pipe, false) else { return };
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1,"for":"c{client}."}}}}"#
        );
        self.say(pipe, &line);
    }

    /// Logs something of a call, or of one that was cancelled.
    fn write_log(&mut self, pipe: ChildId) {
        let strays = self.stage.dice.one_in(3);
        let Some(At { client, .. }) = self.some_call(pipe, strays) else { return };
        let quiet = self.processes[&pipe].level.as_deref() == Some("error");
        let level = if self.stage.dice.one_in(2) && !quiet { "info" } else { "error" };
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","for":"c{client}."}}}}"#
        );
        self.say(pipe, &line);
    }

    /// Asks a client, for a call that it works on.
    fn ask_client(&mut self, pipe: ChildId) {
        let strays = self.stage.dice.one_in(3);
        let asked = self.some_call(pipe, strays).filter(|_| self.processes[&pipe].roots);
        let Some(At { client, .. }) = asked else { return };
        let id = format!("\"q{}\"", self.next());
        if let Some(process) = self.processes.get_mut(&pipe) {
            process.questions.insert(id.clone(), client);
        }
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list","params":{{"for":"c{client}."}}}}"#
        );
        self.say(pipe, &line);
    }

    /// Stops the work on a cancelled call: with an answer, or without.
    fn end_stray(&mut self, pipe: ChildId) {
        let Some(At { id, client, .. }) = self.some_call(pipe, true) else { return };
        if let Some(process) = self.processes.get_mut(&pipe) {
            process.strays.retain(|at| at.id != id);
        }
        if self.stage.dice.one_in(2) {
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"for":"c{client}."}}}}"#);
            self.say(pipe, &line);
        }
    }

    /// The clients whose sessions have this process.
    pub(super) fn served(&self, pipe: ChildId) -> Vec<usize> {
        let all = 0..self.clients.len();
        all.filter(|client| self.place_of(*client) == Some(pipe)).collect()
    }

    /// The process of a client's session, while that is awake.
    pub(super) fn place_of(&self, client: usize) -> Option<ChildId> {
        let number = self.stage.bridge.session_number(self.clients[client].id.as_ref()?)?;
        self.stage.bridge.sessions().find(|session| session.number == number)?.child
    }

    fn update(&mut self, pipe: ChildId) -> Judged {
        let uri = format!("a:{}", self.stage.dice.below(3));
        if !self.processes[&pipe].greeted || !self.processes[&pipe].uris.contains(&uri) {
            return Ok(());
        }
        let served = self.served(pipe);
        let wants = |client: &&usize, sure: bool| {
            let known = &self.clients[**client];
            known.unsure.contains(&uri) != sure && (!sure || known.uris.contains(&uri))
                || !sure && known.uris.contains(&uri)
        };
        let must: BTreeSet<usize> = served.iter().filter(|one| wants(one, true)).copied().collect();
        let may: BTreeSet<usize> = served.iter().filter(|one| wants(one, false)).copied().collect();
        let number = self.next();
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}","all":"n{number}."}}}}"#
        );
        self.say(pipe, &line);
        self.counts.updates += must.len() as u64;
        self.have_heard(number, &must, &may)
    }

    fn change_list(&mut self, pipe: ChildId) -> Judged {
        if !self.processes[&pipe].greeted {
            return Ok(());
        }
        let all = self.served(pipe).into_iter().collect();
        let number = self.next();
        let line = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{{"all":"n{number}."}}}}"#
        );
        self.say(pipe, &line);
        self.have_heard(number, &all, &all)
    }

    /// Who gets a notice to several: these must, if they listen, and those may.
    fn have_heard(&mut self, number: u64, must: &BTreeSet<usize>, may: &BTreeSet<usize>) -> Judged {
        self.drain()?;
        for (client, known) in self.clients.iter().enumerate() {
            let heard = known.heard.contains(&number);
            let lacks = must.contains(&client) && known.stream.is_some() && !heard;
            hold!(Told, !lacks, "client {client} does not get the notice n{number}");
            let wrong = heard && !may.contains(&client);
            hold!(Told, !wrong, "client {client} gets the notice n{number} of others");
        }
        Ok(())
    }
}
