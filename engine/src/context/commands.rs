//! The servers behind the bridge: the paths of each, and what is known of its command.
//!
//! A session belongs to the path where it was opened, a child to the command that started it. When
//! a path gets another command, open sessions continue and only new ones get it, and knowledge of
//! one command is never applied to another. A server that has lost its paths is retired: it is
//! known until its last child is gone, and no child is started for it.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::config::Config;
use crate::api::eras::Eras;
use crate::api::handles::{ChildId, Server};
use crate::api::io::Endpoint;
use crate::api::terms::Limits;
use crate::context::knowledge::{Knowledge, Spoken};
use crate::context::offer::Offer;
use crate::http::admission::Transport;
use crate::http::header_params::HeaderParams;
use crate::table::Table;

/// What is known of a server.
#[derive(Debug, Default)]
pub(crate) struct Known {
    current: bool,
    /// The eras that its clients may use.
    eras: Eras,
    /// How long its sessions may have no call in flight before they fall asleep.
    pub(crate) sleep: Option<Duration>,
    /// Whether its sessions share processes.
    share: bool,
    limits: Limits,
    /// The tools that its clients see.
    offer: Offer,
    /// Why it can't be started.
    fault: Option<String>,
    /// The name for health checks.
    name: Option<String>,
    /// Whether a refusal for the era was logged.
    told_refusal: bool,
    /// The eras that its command speaks, and the header parameters of its tools.
    pub(crate) knowledge: Knowledge,
    pub(crate) header_params: HeaderParams,
    /// Its prewarmed children.
    pub(crate) spares: VecDeque<ChildId>,
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
pub(crate) struct Servers {
    known: Table<Server, Known>,
    places: Vec<Place>,
    /// Whether a server has terms of its own. Most have none, and pay nothing for them.
    has_terms: bool,
}

impl Servers {
    /// The one server of a configuration.
    pub(crate) fn one(config: &Config) -> Self {
        let mut servers = Self::default();
        let Config { endpoint, sse_endpoint, eras, sleep, share, .. } = config;
        let (sse, eras, sleep) = (sse_endpoint.as_deref(), *eras, *sleep);
        let (path, share) = (&**endpoint, *share);
        servers.set(&[Endpoint { path, sse, eras, sleep, share, ..Endpoint::default() }]);
        servers
    }

    /// Makes these the current servers. Of two at one path, the later one counts; of one at two
    /// paths, the later eras.
    pub(crate) fn set(&mut self, servers: &[Endpoint<'_>]) {
        self.places.iter_mut().for_each(|place| place.current = false);
        for endpoint in servers {
            self.put(endpoint.path, Transport::Streamable, endpoint.server);
            if let Some(path) = endpoint.sse {
                self.put(path, Transport::Sse, endpoint.server);
            }
            let known = self.of(endpoint.server);
            known.told_refusal &= known.eras == endpoint.eras;
            known.eras = endpoint.eras;
            known.sleep = endpoint.sleep;
            known.share = endpoint.share;
            known.limits = endpoint.limits;
            self.has_terms |= endpoint.limits != Limits::default() || !endpoint.tools.is_all();
            let known = self.of(endpoint.server);
            known.offer = endpoint.tools.into();
            known.fault = endpoint.fault.map(String::from);
            known.name = endpoint.name.map(String::from);
        }
        for (server, known) in self.known.iter_mut() {
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
    pub(crate) fn at(&self, path: &str) -> Option<Server> {
        let here = self.places.iter().find(|place| place.current && *place.path == *path);
        here.map(|place| place.server)
    }

    /// The path, shared with a session or call: the place is known as long as that has it.
    pub(crate) fn kept_path(&self, path: &str) -> Arc<str> {
        let place = self.places.iter().find(|place| *place.path == *path);
        place.map_or_else(|| path.into(), |place| Arc::clone(&place.path))
    }

    /// The path of a server that a request path names, and what is spoken there: clients may
    /// append a slash.
    pub(crate) fn named<'a>(&self, path: &'a str) -> Option<(&'a str, Transport)> {
        let spoken = |path: &'a str| {
            let here = || self.places.iter().filter(|place| *place.path == *path);
            let place = here().find(|place| place.current).or_else(|| here().next())?;
            Some((path, place.transport))
        };
        let bare = || path.strip_suffix('/').filter(|bare| !bare.ends_with('/'));
        spoken(path).or_else(|| spoken(bare()?))
    }

    /// The path of a server, for the operator: the first, if it has several.
    pub(crate) fn path(&self, server: Server) -> &str {
        let is_its =
            |place: &&Place| (place.transport, place.server) == (Transport::Streamable, server);
        let places = || self.places.iter().filter(is_its);
        let place = places().find(|place| place.current).or_else(|| places().next());
        place.map_or("", |place| &*place.path)
    }

    pub(crate) fn get(&self, server: Server) -> Option<&Known> {
        self.known.get(&server)
    }

    /// The eras that its clients may use.
    pub(crate) fn eras(&self, server: Server) -> Eras {
        self.get(server).map(|known| known.eras).unwrap_or_default()
    }

    /// Whether its sessions share processes.
    pub(crate) fn shares(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.share)
    }

    /// Limits of its own.
    pub(crate) fn limits(&self, server: Server) -> Limits {
        let known = if self.has_terms { self.get(server) } else { None };
        known.map(|known| known.limits).unwrap_or_default()
    }

    /// The tools that its clients see, if not all.
    pub(crate) fn offer(&self, server: Server) -> Option<&Offer> {
        let known = if self.has_terms { self.get(server) } else { None };
        known.map(|known| &known.offer).filter(|offer| !offer.is_all())
    }

    /// Why it can't be started, if so.
    pub(crate) fn fault(&self, server: Server) -> Option<&str> {
        self.get(server)?.fault.as_deref()
    }

    /// The name for health checks.
    pub(crate) fn name(&self, server: Server) -> Option<&str> {
        self.get(server)?.name.as_deref()
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
        self.known.or_default(server)
    }

    pub(crate) fn current(&self) -> impl Iterator<Item = (Server, &Known)> {
        self.known.iter().filter(|(_, known)| known.current).map(|(server, known)| (*server, known))
    }

    pub(crate) fn is_current(&self, server: Server) -> bool {
        self.get(server).is_some_and(|known| known.current)
    }

    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// Prewarmed children of retired servers.
    pub(crate) fn retired_spares(&self) -> Vec<ChildId> {
        let retired = self.known.values().filter(|known| !known.current);
        retired.flat_map(|known| known.spares.iter().copied()).collect()
    }

    pub(crate) fn has_retired(&self) -> bool {
        self.known.values().any(|known| !known.current)
    }

    /// Forgets retired servers that are unused.
    pub(crate) fn forget(&mut self, is_used: impl Fn(Server) -> bool) {
        self.known.retain(|server, known| known.current || is_used(*server));
        self.forget_places();
    }
}
