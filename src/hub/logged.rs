//! What the hub knows of those whom the log names.

use mcp_bridge::{Exchange, Head, Notice, SessionNumber};

use super::Hub;
use crate::access::Entry;
use crate::cli::launch;
use crate::logging::notices;

impl Hub {
    /// Logs a notice, with the name of the server that it is about.
    pub(super) fn log(&self, notice: &Notice) {
        notices::log(notice, |whose| {
            let children = self.children.borrow();
            let child = whose.child.and_then(|child| children.get(&child.number()));
            let of_session = || self.names.borrow().get(&whose.session?.number()).cloned();
            child.and_then(|child| child.name().map(String::from)).or_else(of_session)
        });
        match notice {
            Notice::SessionOpened { session, child, .. } => {
                let children = self.children.borrow();
                let name = children.get(&child.number()).and_then(|child| child.name());
                let name = name.map(|name| (session.number(), name.to_owned()));
                self.names.borrow_mut().extend(name);
            }
            Notice::SessionEnded { session, .. } => {
                self.names.borrow_mut().remove(&session.number());
            }
            _ => {}
        }
    }

    /// The request with this head for the access log; none for one for a page of the program.
    pub(crate) fn entry(&self, head: &Head<'_>) -> Option<Box<Entry>> {
        let (path, named) = head.place();
        if self.is_page(path) {
            return None;
        }
        let mut entry = self.access.entry(head, || self.name_at(path))?;
        let id = head.fields.iter().find(|(name, _)| *name == "mcp-session-id");
        let id = id.and_then(|(_, id)| str::from_utf8(id).ok()).or(named);
        entry.session(id.and_then(|id| self.session_number(id)));
        Some(entry)
    }

    /// The number of the session with this id.
    pub(crate) fn session_number(&self, id: &str) -> Option<u64> {
        self.bridge.borrow().session_number(id).map(SessionNumber::number)
    }

    /// The number of the session whose stream an exchange carries.
    pub(crate) fn session_carried_by(&self, exchange: Exchange) -> Option<u64> {
        self.bridge.borrow().session_carried_by(exchange).map(SessionNumber::number)
    }

    fn name_at(&self, path: &str) -> Option<String> {
        let servers = self.servers.borrow();
        let is_at =
            |server: &launch::Server| server.path == path || server.sse.as_deref() == Some(path);
        servers.values().find(|server| is_at(server))?.name.clone()
    }
}
