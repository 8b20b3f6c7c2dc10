//! The answer to a health check: whether a client would be served, and the state of each server.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::Bridge;
use crate::api::response::{self, Response};
use crate::api::stats::ServerStats;
use crate::codec::object::quoted;
use crate::front::session::Session;

impl Bridge {
    pub(super) fn health(&self) -> Response {
        let (failing, all) = (self.failing(), self.servers.current().count());
        let word = match failing.len() {
            _ if self.draining => Cow::Borrowed("draining"),
            0 => Cow::Borrowed("ok"),
            1 if all == 1 => Cow::Borrowed("the server fails at start"),
            count => Cow::Owned(format!("{count} of {all} servers fail at start")),
        };
        // A node that can serve at least one client is useful.
        let serves = self.seats.sessions().any(Session::is_open)
            || self.seats.shared().any(|worker| worker.is_ready());
        let lost = self.draining || all > 0 && failing.len() == all && !serves;
        let status = if lost { 503 } else { 200 };
        let sessions = self.seats.session_count();
        let mut body = format!("{{\"status\":\"{word}\",\"sessions\":{sessions}");
        if !failing.is_empty() {
            list(&mut body, "failing", failing.iter().map(|path| json(path)));
        }
        let servers = self.server_stats();
        list(&mut body, "servers", servers.iter().map(|stats| self.server_health(stats)));
        body.push_str("}\n");
        let mut response = response::json(status, body.into_bytes());
        response.fields.to_mut().push(("cache-control", Cow::Borrowed("no-store")));
        response
    }

    /// The state of one server as a JSON object.
    fn server_health(&self, stats: &ServerStats) -> String {
        let servers = &self.servers;
        let state = match (servers.fault(stats.server), stats.fails) {
            (Some(_), _) => "disabled",
            (None, true) => "failing",
            (None, false) => "ok",
        };
        let path = json(servers.path(stats.server));
        let name = servers.name(stats.server).map_or_else(|| path.clone(), json);
        let ServerStats { sessions, asleep, .. } = stats;
        format!(
            r#"{{"name":{name},"path":{path},"state":"{state}","sessions":{sessions},"asleep":{asleep}}}"#
        )
    }
}

fn json(text: &str) -> String {
    String::from_utf8_lossy(&quoted(text)).into_owned()
}

/// Adds a member whose value is a list.
fn list(body: &mut String, name: &str, values: impl Iterator<Item = String>) {
    body.push_str(&format!(",\"{name}\":["));
    for (number, value) in values.enumerate() {
        body.push_str(if number == 0 { "" } else { "," });
        body.push_str(&value);
    }
    body.push(']');
}
