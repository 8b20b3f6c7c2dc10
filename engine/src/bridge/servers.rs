//! The servers behind the bridge: the paths and terms of each, what is known of its command, and
//! its prewarmed children.
//!
//! A session belongs to the path where it was opened, a child to the command that started it. When
//! a path gets another command, open sessions continue and only new ones get it, and knowledge of
//! one command is never applied to another. A server that has lost its paths is retired: it is
//! kept until its last child is gone, and no child is started for it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::knowledge::Knowledge;
use crate::api::config::Config;
use crate::api::eras::Eras;
use crate::api::handles::{ChildId, Server};
use crate::api::io::Endpoint;
use crate::child::known::Known;
use crate::child::terms::Terms;
use crate::codec::message::Message;
use crate::context::report::Lesson;
use crate::http::admission::Transport;
use crate::http::header_params::HeaderParams;
use crate::table::Table;

/// A server.
#[derive(Debug, Default)]
pub(super) struct Served {
    current: bool,
    /// What holds for its processes; each has it.
    terms: Arc<Terms>,
    /// Whether its sessions share processes.
    share: bool,
    /// Sessions at once, and as many shared processes, if it has a limit of its own.
    sessions: Option<usize>,
    /// Why it can't be started.
    fault: Option<String>,
    /// The name for health checks.
    name: Option<String>,
    /// Whether a refusal for the era was logged.
    told_refusal: bool,
    /// The eras that its command speaks, and the header parameters of its tools.
    knowledge: Knowledge,
    pub(super) header_params: HeaderParams,
    /// Its prewarmed children.
    pub(super) spares: VecDeque<ChildId>,
}

#[cfg(debug_assertions)]
impl Served {
    /// Whether these are its terms.
    pub(super) fn has_terms(&self, terms: &Arc<Terms>) -> bool {
        Arc::ptr_eq(&self.terms, terms)
    }
}

/// A path with the server that serves it, or has served it.
#[derive(Debug)]
struct Place {
    /// Sessions and parked calls share it: each is known at this path alone.
    path: Arc<str>,
    transport: Transport,
    server: Server,
    /// Whether new sessions and requests get this server here.
    current: bool,
}

/// All servers, and their paths. The paths of the current places are distinct.
#[derive(Debug, Default)]
pub(super) struct Servers {
    table: Table<Server, Served>,
    places: Vec<Place>,
}

impl Servers {
    /// The one server of a configuration.
    pub(super) fn one(config: &Config) -> Self {
        let mut servers = Self::default();
        let Config { endpoint, sse_endpoint, eras, sleep, share, .. } = config;
        let (sse, eras, sleep) = (sse_endpoint.as_deref(), *eras, *sleep);
        let (path, share) = (&**endpoint, *share);
        servers.set(&[Endpoint { path, sse, eras, sleep, share, ..Endpoint::default() }], config);
        servers
    }

    /// Makes these the current servers. Of two at one path, the later one counts; of one at two
    /// paths, the later eras.
    pub(super) fn set(&mut self, servers: &[Endpoint<'_>], config: &Config) {
        self.places.iter_mut().for_each(|place| place.current = false);
        for endpoint in servers {
            self.put(endpoint.path, Transport::Streamable, endpoint.server);
            if let Some(path) = endpoint.sse {
                self.put(path, Transport::Sse, endpoint.server);
            }
            let known = self.of(endpoint.server);
            known.told_refusal &= known.terms.eras == endpoint.eras;
            known.terms = Arc::new(Terms::new(endpoint, config));
            known.share = endpoint.share;
            known.sessions = endpoint.limits.sessions;
            known.fault = endpoint.fault.map(String::from);
            known.name = endpoint.name.map(String::from);
        }
        for (server, known) in self.table.iter_mut() {
            known.current = self.places.iter().any(|one| one.current && one.server == *server);
        }
        self.forget_places();
    }

    /// New sessions and requests at this path get this server.
    fn put(&mut self, path: &str, transport: Transport, server: Server) {
        for place in self.places.iter_mut().filter(|place| *place.path == *path) {
            place.current = false;
        }
        let mut here = self.places.iter_mut().filter(|place| *place.path == *path);
        match here.find(|place| (place.transport, place.server) == (transport, server)) {
            Some(place) => place.current = true,
            None => {
                let path = path.into();
                self.places.push(Place { path, transport, server, current: true });
            }
        }
    }

    /// Forgets earlier places that no session and no parked call uses.
    fn forget_places(&mut self) {
        self.places.retain(|place| place.current || Arc::strong_count(&place.path) > 1);
    }

    /// The server of new sessions at this path.
    pub(super) fn at(&self, path: &str) -> Option<Server> {
        let here = self.places.iter().find(|place| place.current && *place.path == *path);
        here.map(|place| place.server)
    }

    /// The path, shared with a session or call: the place is known as long as that has it.
    pub(super) fn kept_path(&self, path: &str) -> Arc<str> {
        let place = self.places.iter().find(|place| *place.path == *path);
        place.map_or_else(|| path.into(), |place| Arc::clone(&place.path))
    }

    /// The path of a server that a request path names, and what is spoken there: clients may
    /// append a slash.
    pub(super) fn named<'a>(&self, path: &'a str) -> Option<(&'a str, Transport)> {
        let spoken = |path: &'a str| {
            let here = || self.places.iter().filter(|place| *place.path == *path);
            let place = here().find(|place| place.current).or_else(|| here().next())?;
            Some((path, place.transport))
        };
        let bare = || path.strip_suffix('/').filter(|bare| !bare.ends_with('/'));
        spoken(path).or_else(|| spoken(bare()?))
    }

    /// The path of a server, for the operator: the first, if it has several.
    pub(super) fn path(&self, server: Server) -> &str {
        let is_its =
            |place: &&Place| (place.transport, place.server) == (Transport::Streamable, server);
        let places = || self.places.iter().filter(is_its);
        let place = places().find(|place| place.current).or_else(|| places().next());
        place.map_or("", |place| &*place.path)
    }

    pub(super) fn get(&self, server: Server) -> Option<&Served> {
        self.table.get(&server)
    }

    /// What holds for its processes.
    pub(super) fn terms(&self, server: Server) -> Arc<Terms> {
        self.get(server).map(|known| Arc::clone(&known.terms)).unwrap_or_default()
    }

    /// The eras that its clients may use.
    pub(super) fn eras(&self, server: Server) -> Eras {
        self.get(server).map(|known| known.terms.eras).unwrap_or_default()
    }

    /// Whether its clients may make this request.
    pub(super) fn allows(&self, server: Server, request: &Message<'_>) -> bool {
        self.get(server).is_none_or(|known| known.terms.offer.allows(request))
    }

    /// Whether its sessions share processes.
    pub(super) fn shares(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.share)
    }

    /// Sessions at once, and as many shared processes, if it has a limit of its own.
    pub(super) fn sessions(&self, server: Server) -> Option<usize> {
        self.get(server)?.sessions
    }

    /// Why it can't be started, if so.
    pub(super) fn fault(&self, server: Server) -> Option<&str> {
        self.get(server)?.fault.as_deref()
    }

    /// The name for health checks.
    pub(super) fn name(&self, server: Server) -> Option<&str> {
        self.get(server)?.name.as_deref()
    }

    /// What is known of its processes with these variables.
    pub(super) fn known(&self, server: Server, env: &[(String, String)]) -> Known {
        self.get(server).map(|known| known.knowledge.of(env)).unwrap_or_default()
    }

    /// Such a process has shown this. Returns whether that is new.
    pub(super) fn learn(
        &mut self,
        server: Server,
        env: &[(String, String)],
        lesson: Lesson,
    ) -> bool {
        self.of(server).knowledge.learn(env, lesson)
    }

    /// Whether this is its first refusal of a client for the era.
    pub(super) fn is_first_refusal(&mut self, server: Server) -> bool {
        !core::mem::replace(&mut self.of(server).told_refusal, true)
    }

    pub(super) fn of(&mut self, server: Server) -> &mut Served {
        self.table.or_default(server)
    }

    pub(super) fn current(&self) -> impl Iterator<Item = (Server, &Served)> {
        self.table.iter().filter(|(_, known)| known.current).map(|(server, known)| (*server, known))
    }

    pub(super) fn is_current(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.current)
    }

    pub(super) fn count(&self) -> usize {
        self.table.len()
    }

    /// Prewarmed children of retired servers.
    pub(super) fn retired_spares(&self) -> Vec<ChildId> {
        let retired = self.table.values().filter(|known| !known.current);
        retired.flat_map(|known| known.spares.iter().copied()).collect()
    }

    pub(super) fn has_retired(&self) -> bool {
        self.table.values().any(|known| !known.current)
    }

    /// Forgets retired servers that are unused.
    pub(super) fn forget(&mut self, is_used: impl Fn(Server) -> bool) {
        self.table.retain(|server, known| known.current || is_used(*server));
        self.forget_places();
    }
}
