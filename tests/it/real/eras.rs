//! Which eras clients may use, before servers of each: what a client is told, and how many
//! processes it costs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::several::{Config, hang_up};
use crate::support::http::{PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, MODERN, QUIET, Session, initialize};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy};

const VERSION: &str = "2026-07-28";

/// A file with a line for each process of the server that was started.
struct Starts(PathBuf);

impl Starts {
    fn new(name: &str) -> Self {
        let starts = std::env::temp_dir().join(format!("hmp-{}-{name}", std::process::id()));
        fs::write(&starts, "").unwrap();
        Self(starts)
    }

    fn count(&self) -> usize {
        fs::read_to_string(&self.0).unwrap().lines().count()
    }

    /// A server that notes its start, and does this then and when it is asked for its era.
    fn server(&self, then: &Value, discover: &Value) -> Vec<String> {
        let note = json!({"append": self.0});
        let start = [&[note][..], then.as_array().unwrap()].concat();
        let (start, discover) = (json!(start).to_string(), discover.to_string());
        [CHILD, "--start", &start, "--discover", &discover].map(String::from).to_vec()
    }

    fn proxy(&self, flags: &[&str], then: &Value, discover: &Value) -> Proxy {
        let server = self.server(then, discover);
        Proxy::start(flags, &server.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for Starts {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A request in the way of 2026-07-28.
fn ask(proxy: &Proxy, path: &str, method: &str, name: Option<&str>) -> Reply {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {}});
    let mut params = json!({"_meta": meta});
    let mut fields = vec![BOTH, JSON, ("MCP-Protocol-Version", VERSION), ("Mcp-Method", method)];
    if let Some(name) = name {
        params["name"] = json!(name);
        fields.push(("Mcp-Name", name));
    }
    let body = json!({"jsonrpc": "2.0", "id": "m", "method": method, "params": params});
    let mut conn = proxy.connect();
    // A server that is silent is waited for.
    conn.patience(2 * PATIENCE);
    conn.request(&format!("POST {path}"), &fields, body.to_string().as_bytes());
    conn.reply()
}

#[track_caller]
fn is_refused(reply: &Reply, words: &str) {
    let error = &reply.json()["error"];
    assert_eq!((reply.status(), &error["code"]), (400, &json!(-32600)), "{reply:?}");
    assert_eq!(reply.json()["id"], "m", "{reply:?}");
    assert!(error["message"].as_str().unwrap().contains(words), "{reply:?}");
}

/// The lines that the only process of a session has read.
fn seen(session: &Session<'_>) -> String {
    session.call("1", "seen", json!({})).text()
}

#[test]
fn a_fallback_to_a_session_costs_one_start() {
    let starts = Starts::new("fallback");
    let declines = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"no"}}"#;
    let proxy = starts.proxy(&[], &json!([]), &json!([{"write": format!("{declines}\n")}]));
    is_refused(&ask(&proxy, "/mcp", "server/discover", None), "--eras both");
    let session = Session::open(&proxy);
    assert_eq!((starts.count(), proxy.children().len()), (1, 1));
    for method in ["server/discover", "tools/list", "subscriptions/listen"] {
        is_refused(&ask(&proxy, "/mcp", method, None), "--eras both");
    }
    let read = seen(&session);
    assert_eq!(read.matches("server/discover").count(), 1, "{read}");
    assert_eq!((starts.count(), proxy.children().len()), (1, 1));
    proxy.logged(&["a 2026-07-28 client of /mcp was refused"]);
    let log = proxy.log();
    assert_eq!(log.matches("a 2026-07-28 client of /mcp was refused").count(), 1, "{log}");
    // A second client has a process of its own.
    let other = Session::open(&proxy);
    assert_ne!(
        session.call("2", "pid", json!({})).text(),
        other.call("2", "pid", json!({})).text()
    );
    assert_eq!(starts.count(), 2);
}

#[test]
fn the_process_that_was_asked_ends_if_nobody_comes() {
    let proxy = Proxy::child(&[]);
    is_refused(&ask(&proxy, "/mcp", "server/discover", None), "--eras both");
    assert_eq!(proxy.children().len(), 1);
    let waited = proxy.childless(Duration::from_secs(20));
    assert!(waited > Duration::from_secs(8), "{waited:?}");
    Session::open(&proxy);
}

#[test]
fn a_server_of_both_eras_that_starts_slowly_is_started_once_and_asked_once() {
    let starts = Starts::new("slow");
    let discover = serde_json::from_str(MODERN).unwrap();
    let proxy = starts.proxy(&[], &json!([{"sleep": 6500}]), &discover);
    let discovered = ask(&proxy, "/mcp", "server/discover", None);
    assert_eq!(discovered.status(), 200, "{discovered:?}");
    let read = ask(&proxy, "/mcp", "tools/call", Some("seen")).body;
    assert!(read.contains("server/discover") && !read.contains("initialize"), "{read}");
    assert_eq!((starts.count(), proxy.children().len()), (1, 1));
    proxy.logged(&["ready", "protocol 2026-07-28"]);
}

#[test]
fn a_server_that_ignores_the_probe_is_served_by_a_process_that_was_not_asked() {
    for (flags, most) in [(&[][..], 2), (&["--eras", "both"][..], 2)] {
        let starts = Starts::new("mute");
        let proxy = starts.proxy(flags, &json!([]), &json!([]));
        let reply = ask(&proxy, "/mcp", "tools/call", Some("seen"));
        let read = if flags.is_empty() {
            is_refused(&reply, "did not answer");
            seen(&Session::open(&proxy))
        } else {
            assert_eq!(reply.status(), 200, "{reply:?}");
            reply.body
        };
        assert!(read.contains("initialize") && !read.contains("server/discover"), "{read}");
        assert_eq!(starts.count(), most);
    }
}

#[test]
fn the_program_says_at_its_start_what_is_shared() {
    for eras in ["both", "modern"] {
        let proxy = Proxy::start(&["--eras", eras], &[CHILD]);
        let line = proxy.logged(&["WARN", "/mcp", "share its processes", eras]);
        assert_eq!(proxy.log().matches("share its processes").count(), 1, "{line}");
    }
    for eras in ["auto", "sessions"] {
        let proxy = Proxy::start(&["--eras", eras], &[CHILD]);
        assert!(!proxy.log().contains("share"), "{}", proxy.log());
    }
}

#[test]
fn one_era_alone() {
    let proxy = Proxy::start(&["--eras=sessions"], &[CHILD]);
    is_refused(&ask(&proxy, "/mcp", "server/discover", None), "--eras auto");
    proxy.logged(&["INFO", "a 2026-07-28 client of /mcp was refused", "--eras auto"]);
    assert!(proxy.children().is_empty());
    Session::open(&proxy);

    let proxy = Proxy::start(&["--eras=modern"], &[CHILD]);
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
    assert_eq!(reply.status(), 400, "{reply:?}");
    assert!(reply.body.contains("--eras auto"), "{reply:?}");
    assert!(proxy.children().is_empty());
    assert_eq!(ask(&proxy, "/mcp", "tools/call", Some("pid")).status(), 200);
}

#[test]
fn the_eras_of_a_server_are_read_again_and_its_processes_stay() {
    let file = |eras: Option<&str>| {
        let mut server = json!({"command": CHILD});
        if let Some(eras) = eras {
            server["eras"] = json!(eras);
        }
        json!({"one": server, "other": {"command": CHILD, "eras": "both"}})
    };
    let config = Config::new("eras", &file(None));
    let proxy = config.start(&["--eras", "sessions"]);
    let pid = |path: &str| {
        let reply = ask(&proxy, path, "tools/call", Some("pid"));
        assert_eq!(reply.status(), 200, "{reply:?}");
        reply.json()["result"]["content"][0]["text"].to_string()
    };
    is_refused(&ask(&proxy, "/one/mcp", "tools/call", Some("pid")), "--eras auto");
    let other = pid("/other/mcp");

    config.write(&file(Some("both")).to_string());
    hang_up(&proxy, &["servers: 2, new or changed: 1"]);
    proxy.logged(&["WARN", "/one/mcp", "share its processes"]);
    let one = pid("/one/mcp");

    config.write(&file(Some("auto")).to_string());
    proxy.signal(rustix::process::Signal::HUP);
    until("the file is read", PATIENCE, || proxy.log().matches("new or changed: 1").count() == 2);
    is_refused(&ask(&proxy, "/one/mcp", "tools/call", Some("pid")), "--eras both");

    config.write(&file(Some("both")).to_string());
    proxy.signal(rustix::process::Signal::HUP);
    until("the file is read", PATIENCE, || proxy.log().matches("new or changed: 1").count() == 3);
    assert_eq!((pid("/one/mcp"), pid("/other/mcp")), (one, other));

    config.write(&file(Some("all")).to_string());
    hang_up(&proxy, &["unchanged", "\"eras\"", "\"one\"", "auto, sessions, modern or both"]);
}
