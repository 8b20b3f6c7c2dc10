//! The servers behind the bridge: the path of each, and what is known of its command.
//!
//! A session belongs to the path where it was opened, a child to the command that started it. When
//! a path gets another command, open sessions continue and only new ones get it, and knowledge of
//! one command is never applied to another. A server that has lost its path is retired: it is known
//! until its last child is gone, and no child is started for it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::api::eras::Eras;
use crate::api::handles::{Pipe, Server};
use crate::api::io::Endpoint;
use crate::context::knowledge::{Knowledge, Spoken};
use crate::http::header_params::HeaderParams;
use crate::table::Table;

/// What is known of a server.
#[derive(Debug, Default)]
pub(crate) struct Known {
    path: String,
    current: bool,
    /// The eras that its clients may use.
    eras: Eras,
    /// Whether a refusal for the era was logged.
    told_refusal: bool,
    /// The eras that its command speaks, and the header parameters of its tools.
    pub(crate) knowledge: Knowledge,
    pub(crate) header_params: HeaderParams,
    /// Its prewarmed children.
    pub(crate) spares: VecDeque<Pipe>,
}

/// All servers. The paths of the current ones are distinct.
#[derive(Debug)]
pub(crate) struct Servers(Table<Server, Known>);

impl Servers {
    /// One server at this path.
    pub(crate) fn one(path: &str, eras: Eras) -> Self {
        let mut servers = Self(Table::default());
        servers.set(&[Endpoint { path, server: Server::default(), eras }]);
        servers
    }

    /// Makes these the current servers. Of two at one path, the later one counts.
    pub(crate) fn set(&mut self, servers: &[Endpoint<'_>]) {
        self.0.values_mut().for_each(|known| known.current = false);
        for Endpoint { path, server, eras } in servers {
            if let Some(earlier) = self.at(path) {
                self.of(earlier).current = false;
            }
            let known = self.of(*server);
            known.path = String::from(*path);
            known.current = true;
            known.told_refusal &= known.eras == *eras;
            known.eras = *eras;
        }
    }

    /// The server of new sessions at this path.
    pub(crate) fn at(&self, path: &str) -> Option<Server> {
        let here = self.0.iter().find(|(_, known)| known.current && known.path == path);
        here.map(|(server, _)| *server)
    }

    /// The path of a server that a request path names: clients may append a slash.
    pub(crate) fn named<'a>(&self, path: &'a str) -> Option<&'a str> {
        let is_path = |path: &&str| self.0.values().any(|known| known.path == *path);
        let bare = || path.strip_suffix('/').filter(|bare| !bare.ends_with('/'));
        Some(path).filter(is_path).or_else(|| bare().filter(is_path))
    }

    /// Whether this server is, or was, at this path.
    pub(crate) fn is_at(&self, server: Server, path: &str) -> bool {
        self.get(server).is_some_and(|known| known.path == path)
    }

    pub(crate) fn path(&self, server: Server) -> &str {
        self.get(server).map_or("", |known| &known.path)
    }

    pub(crate) fn get(&self, server: Server) -> Option<&Known> {
        self.0.get(&server)
    }

    /// The eras that its clients may use.
    pub(crate) fn eras(&self, server: Server) -> Eras {
        self.get(server).map(|known| known.eras).unwrap_or_default()
    }

    /// What is known of its processes with these variables.
    pub(crate) fn spoken(&self, server: Server, env: &[(String, String)]) -> Spoken {
        self.get(server).map(|known| known.knowledge.of(env)).unwrap_or_default()
    }

    /// Whether a process of it has spoken 2026-07-28.
    pub(crate) fn is_modern(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.knowledge.is_modern())
    }

    pub(crate) fn learn(&mut self, server: Server) -> &mut Knowledge {
        &mut self.of(server).knowledge
    }

    /// Whether this is its first refusal of a client for the era.
    pub(crate) fn is_first_refusal(&mut self, server: Server) -> bool {
        !core::mem::replace(&mut self.of(server).told_refusal, true)
    }

    pub(crate) fn of(&mut self, server: Server) -> &mut Known {
        self.0.or_default(server)
    }

    pub(crate) fn current(&self) -> impl Iterator<Item = (Server, &Known)> {
        self.0.iter().filter(|(_, known)| known.current).map(|(server, known)| (*server, known))
    }

    pub(crate) fn is_current(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.current)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Prewarmed children of retired servers.
    pub(crate) fn retired_spares(&self) -> Vec<Pipe> {
        let retired = self.0.values().filter(|known| !known.current);
        retired.flat_map(|known| known.spares.iter().copied()).collect()
    }

    pub(crate) fn has_retired(&self) -> bool {
        self.0.values().any(|known| !known.current)
    }

    /// Forgets retired servers that are unused.
    pub(crate) fn forget(&mut self, is_used: impl Fn(Server) -> bool) {
        self.0.retain(|server, known| known.current || is_used(*server));
    }
}
