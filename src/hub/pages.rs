//! The pages for operators: whether the program lives and is ready, and its metrics.

use std::borrow::Cow;
use std::net::IpAddr;

use mcp_bridge::{Admitted, Body, Head, Response};

use super::Hub;
use crate::http::metrics::{self, Gauges};

/// Whether the program runs at all.
const LIVE: &str = "/livez";
/// Whether a client should come here: the health check by another name.
const READY: &str = "/readyz";
/// The path of the metrics at an address of their own.
pub(crate) const METRICS: &str = "/metrics";

/// Where the pages are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages {
    /// The path of the health check.
    pub(crate) health: Option<String>,
    /// The path of the metrics.
    pub(crate) metrics: Option<String>,
    /// Whether `Host` has to be a name of this machine at the address of their own.
    pub(crate) is_aside_local: bool,
}

/// Which listener a connection is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The one of the endpoints.
    Front,
    /// That of --metrics-listen, which has the pages and nothing else.
    Side,
}

impl Hub {
    /// Judges a head before its content is read: an error is the whole answer.
    pub(crate) fn admit(&self, head: &Head<'_>, door: Door) -> Result<Admitted, Response> {
        let is_read = matches!(head.method, "GET" | "HEAD");
        let (path, _) = head.place();
        let is_metrics = self.pages.metrics.as_deref() == Some(path);
        let is_page = self.is_page(path);
        match door {
            Door::Side if !is_page || !is_read || !self.may_read(head) => {
                return Err(plain(
                    404,
                    "nothing is served at this path; this address has the health and metrics pages only\n",
                ));
            }
            Door::Side if is_metrics => return Err(self.metrics()),
            _ if is_page && is_read && path == LIVE => return Err(plain(200, "ok\n")),
            _ => {}
        }
        let admitted = self.bridge.borrow_mut().admit(&self.aliased(*head));
        let admitted = admitted.map_err(|refusal| {
            self.log(&refusal.event);
            refusal.response
        })?;
        // The engine holds nothing for what it has let in.
        if is_metrics { Err(self.metrics()) } else { Ok(admitted) }
    }

    /// The head under the name that the engine knows.
    pub(super) fn aliased<'a>(&'a self, head: Head<'a>) -> Head<'a> {
        match &self.pages.health {
            Some(health) if head.place().0 == READY && self.is_page(READY) => {
                Head { path: health, ..head }
            }
            _ => head,
        }
    }

    /// Whether this is the path of a page, and of no server.
    pub(super) fn is_page(&self, path: &str) -> bool {
        let Pages { health, metrics, .. } = &self.pages;
        let is_probe = health.is_some() && matches!(path, LIVE | READY);
        let is_named = [health, metrics].iter().any(|page| page.as_deref() == Some(path));
        is_named || is_probe && !self.paths.borrow().iter().any(|server| server == path)
    }

    /// Whether the `Host` is one that no page of another name in a browser sends.
    fn may_read(&self, head: &Head<'_>) -> bool {
        let host = head.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = host.and_then(|(_, host)| str::from_utf8(host).ok()).unwrap_or_default();
        let digits = host.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = digits.strip_suffix(':').unwrap_or(host);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        !self.pages.is_aside_local
            || name.eq_ignore_ascii_case("localhost")
            || address.parse::<IpAddr>().is_ok()
    }

    fn metrics(&self) -> Response {
        let bridge = self.bridge.borrow();
        let servers = self.servers.borrow();
        let named = bridge.server_stats().into_iter().map(|stats| {
            let server = servers.get(&stats.server);
            let name = server.map(|server| server.name.as_ref().unwrap_or(&server.path).clone());
            (name.unwrap_or_default(), stats)
        });
        let gauges = Gauges {
            buffered: bridge.buffered(),
            budget: self.limits.0,
            max_sessions: self.limits.1,
            connections: self.connections.get(),
            max_connections: self.capacity.get(),
            is_draining: self.leaving.get(),
            uptime: self.origin.elapsed(),
        };
        let named: Vec<_> = named.collect();
        let text = metrics::text(&gauges, &bridge.stats(), &named, bridge.refusals());
        let kind = Cow::Borrowed("text/plain; version=0.0.4");
        let fields = Cow::Owned(vec![("content-type", kind)]);
        Response { status: 200, fields, body: Body::Whole(text.into_bytes()) }
    }
}

fn plain(status: u16, text: &str) -> Response {
    let kind = Cow::Borrowed("text/plain");
    let fields =
        Cow::Owned(vec![("content-type", kind), ("cache-control", Cow::Borrowed("no-store"))]);
    Response { status, fields, body: Body::Whole(text.as_bytes().to_vec()) }
}
