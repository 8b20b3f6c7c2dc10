//! Several servers behind one program, and others from one moment to the next.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::http::{PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, QUIET, call, initialize};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy, program};

/// A file of servers, gone at the end.
pub(super) struct Config(PathBuf);

impl Config {
    pub(super) fn new(name: &str, servers: &Value) -> Self {
        let name = format!("hmp-{}-{name}.json", std::process::id());
        let config = Self(std::env::temp_dir().join(name));
        config.write(&servers.to_string());
        config
    }

    pub(super) fn write(&self, text: &str) {
        // In one step, as who edits it carefully would.
        let next = self.0.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &self.0).unwrap();
    }

    pub(super) fn start(&self, flags: &[&str]) -> Proxy {
        let mut command = program(&["--port", "0", "--config", self.0.to_str().unwrap()]);
        command.args(flags);
        Proxy::run(command)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A server that says who it is when it is asked for its environment.
fn server(who: &str) -> Value {
    json!({"command": CHILD, "env": {"WHO": who}})
}

fn post(proxy: &Proxy, path: &str, session: Option<&str>, body: &str) -> Reply {
    let session = session.map(|id| ("Mcp-Session-Id", id));
    let fields: Vec<_> = [BOTH, JSON].into_iter().chain(session).collect();
    proxy.exchange(&format!("POST {path}"), &fields, body)
}

fn open(proxy: &Proxy, path: &str) -> String {
    let reply = post(proxy, path, None, &initialize(QUIET));
    assert_eq!(reply.status(), 200, "{reply:?}");
    let id = reply.head.field("mcp-session-id").expect("a session id").to_owned();
    let done = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(proxy, path, Some(&id), done).status(), 202);
    id
}

/// What a session's child has in `WHO`.
fn who(proxy: &Proxy, path: &str, session: &str) -> String {
    let reply = post(proxy, path, Some(session), &call("1", "", "env", &json!({})));
    assert_eq!(reply.status(), 200, "{reply:?}");
    let text = reply.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    let variables: Vec<(String, String)> = serde_json::from_str(&text).unwrap();
    let who = variables.into_iter().find(|(name, _)| name == "WHO");
    who.expect("the variable").1
}

pub(super) fn hang_up(proxy: &Proxy, words: &[&str]) {
    proxy.signal(Signal::HUP);
    proxy.logged(&[&["SIGHUP"], words].concat());
}

#[test]
fn each_server_has_its_path_and_its_sessions() {
    let config =
        Config::new("paths", &json!({"mcpServers": {"a": server("anna"), "b": server("bert")}}));
    let proxy = config.start(&["--max-sessions", "2", "--metrics", "/metrics"]);
    proxy.logged(&["serving a at /a/mcp"]);
    let (a, b) = (open(&proxy, "/a/mcp"), open(&proxy, "/b/mcp"));
    assert_eq!(
        (who(&proxy, "/a/mcp", &a), who(&proxy, "/b/mcp", &b)),
        ("anna".into(), "bert".into())
    );
    proxy.logged(&["child #2 starts: b"]);
    for (path, session) in [("/a/mcp", &b), ("/b/mcp", &a)] {
        let body = call("1", "", "env", &json!({}));
        assert_eq!(post(&proxy, path, Some(session), &body).status(), 404);
        let fields = [("Mcp-Session-Id", session.as_str()), ("Accept", "text/event-stream")];
        assert_eq!(proxy.exchange(&format!("GET {path}"), &fields, "").status(), 404);
        assert_eq!(proxy.exchange(&format!("DELETE {path}"), &fields, "").status(), 404);
    }
    for path in ["/mcp", "/a", "/c/mcp", "//mcp"] {
        let reply = post(&proxy, path, None, &initialize(QUIET));
        assert!(reply.status() == 404 && reply.body.contains("--config"), "{path}: {reply:?}");
    }
    // One limit, one health, one table of metrics for all.
    let full = post(&proxy, "/b/mcp", None, &initialize(QUIET));
    assert!(full.status() == 503 && full.body.contains("--max-sessions"), "{full:?}");
    let health = proxy.exchange("GET /healthz", &[], "").json();
    let one = |name: &str| {
        let path = format!("/{name}/mcp");
        json!({"name": name, "path": path, "state": "ok", "sessions": 1, "asleep": 0})
    };
    assert_eq!(
        (&health["sessions"], &health["servers"]),
        (&2.into(), &json!([one("a"), one("b")]))
    );
    let metrics = proxy.exchange("GET /metrics", &[], "").body;
    for name in ["a", "b"] {
        let line = format!("mcp_proxy_sessions{{server=\"{name}\"}} 1\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[test]
fn hanging_up_reads_the_file_again_and_ends_nothing() {
    let config =
        Config::new("again", &json!({"a": server("1"), "b": server("1"), "c": server("1")}));
    let proxy = config.start(&[]);
    let paths = ["/a/mcp", "/b/mcp", "/c/mcp"];
    let old = paths.map(|path| open(&proxy, path));
    // The first is the same, the second another, the third is no more, the fourth is new.
    config.write(&json!({"a": server("1"), "b": server("2"), "d": server("2")}).to_string());
    hang_up(&proxy, &["servers: 3, new or changed: 2"]);
    proxy.logged(&["/c/mcp is no longer served"]);
    assert!(!proxy.log().contains("/b/mcp is no longer served"));
    for (path, session) in paths.iter().zip(&old) {
        assert_eq!(who(&proxy, path, session), "1", "{path}");
    }
    for (path, is) in [("/a/mcp", "1"), ("/b/mcp", "2"), ("/d/mcp", "2")] {
        assert_eq!(who(&proxy, path, &open(&proxy, path)), is, "{path}");
    }
    assert_eq!(post(&proxy, "/c/mcp", None, &initialize(QUIET)).status(), 404);
    let fields = [("Mcp-Session-Id", old[2].as_str())];
    assert_eq!(proxy.exchange("DELETE /c/mcp", &fields, "").status(), 200);
    // What was gone may come back.
    config.write(&json!({"c": server("3")}).to_string());
    hang_up(&proxy, &["servers: 1, new or changed: 1"]);
    assert_eq!(who(&proxy, "/c/mcp", &open(&proxy, "/c/mcp")), "3");
    assert_eq!(who(&proxy, "/a/mcp", &old[0]), "1");
}

#[test]
fn a_bad_file_changes_nothing_and_the_log_says_why() {
    let config = Config::new("bad", &json!({"a": server("1")}));
    let proxy = config.start(&[]);
    for (text, words) in [
        ("{\n\"a\": {\"command\": \"cat\"},,\n}", &["line 2 column"][..]),
        ("{\"b\": {\"command\": \"cat\", \"args\": \"x\"}}", &["\"args\"", "\"b\"", "line 1"]),
        (
            "{\"b\": {\"command\": \"no-such-command-anywhere\"}}",
            &["\"command\"", "no-such-command"],
        ),
        ("{\"b\": {\"command\": \"cat\", \"cwd\": \"/no/such/folder\"}}", &["\"cwd\"", "/no/such"]),
        ("{}", &["no server"]),
        ("{\"b\": {\"command\": \"cat -u\"}}", &["not found: cat -u", "arguments"]),
    ] {
        config.write(text);
        hang_up(&proxy, &[&["ERROR", "unchanged"], words].concat());
        assert_eq!(post(&proxy, "/b/mcp", None, &initialize(QUIET)).status(), 404);
    }
    fs::remove_file(&config.0).unwrap();
    hang_up(&proxy, &["unchanged", "No such file"]);
    assert_eq!(who(&proxy, "/a/mcp", &open(&proxy, "/a/mcp")), "1");
}

#[test]
fn a_bad_file_at_the_start_is_an_error_in_one_line() {
    for (text, code, words) in [
        ("{\"a\": {\"command\": \"cat\", \"env\": {\"KEY\": 5}}}", 2, &["\"env\"", "line 1"][..]),
        ("{\"a\": {\"command\": \"no-such-command-anywhere\"}}", 127, &["\"command\"", "\"a\""]),
        ("{\"healthz\": {\"command\": \"cat\"}}", 2, &["/healthz/mcp", "--health"]),
    ] {
        let config = Config::new("start", &Value::Null);
        config.write(text);
        let mut command = program(&["--port", "0", "--config", config.0.to_str().unwrap()]);
        let output = command.args(["--health", "/healthz/mcp"]).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

#[test]
fn flags_hold_for_all_servers_and_a_servers_own_come_on_top() {
    let servers = json!({"a": {"command": CHILD}, "b": server("own")});
    let config = Config::new("flags", &servers);
    let proxy = config.start(&["--env", "WHO=all", "--endpoint", "/v1/x", "--prewarm", "1"]);
    for (path, is) in [("/a/v1/x", "all"), ("/b/v1/x", "own")] {
        assert_eq!(who(&proxy, path, &open(&proxy, path)), is, "{path}");
    }
    // One waits for each server; those of a server that is no more go.
    assert_eq!(proxy.children().len(), 4);
    config.write(&json!({"b": server("own")}).to_string());
    hang_up(&proxy, &["servers: 1, new or changed: 0"]);
    until("three are left", PATIENCE, || proxy.children().len() == 3);
}

#[test]
fn a_server_that_is_called_and_not_started_is_passed_over_and_told() {
    let remote = json!({"type": "http", "url": "https://secret.test/mcp"});
    let config = Config::new("remote", &json!({"mcpServers": {"a": server("1"), "far": remote}}));
    let proxy = config.start(&[]);
    proxy.logged(&["WARN", "server \"far\" is skipped", "no command"]);
    assert_eq!(who(&proxy, "/a/mcp", &open(&proxy, "/a/mcp")), "1");
    assert_eq!(post(&proxy, "/far/mcp", None, &initialize(QUIET)).status(), 404);
    hang_up(&proxy, &["servers: 1, new or changed: 0"]);
    assert_eq!(proxy.log().matches("is skipped").count(), 2);
    assert!(!proxy.log().contains("secret"), "{}", proxy.log());
}

#[test]
fn a_file_that_became_a_pipe_keeps_nobody_waiting() {
    let config = Config::new("pipe", &json!({"a": server("1")}));
    let proxy = config.start(&[]);
    let session = open(&proxy, "/a/mcp");
    fs::remove_file(&config.0).unwrap();
    assert!(Command::new("mkfifo").arg(&config.0).status().unwrap().success());
    hang_up(&proxy, &["unchanged", "not a regular file"]);
    assert_eq!(who(&proxy, "/a/mcp", &session), "1");
}

#[test]
fn without_a_file_hanging_up_drains() {
    let mut proxy = Proxy::child(&[]);
    proxy.signal(Signal::HUP);
    proxy.logged(&["SIGHUP", "draining"]);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
}

/// As nohup(1) starts a program.
#[test]
fn a_hang_up_that_was_ignored_at_the_start_stays_ignored() {
    let own = program(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(own.get_program());
    command.args(["--port", "0", "--", CHILD]).env_remove("RUST_LOG");
    let mut proxy = Proxy::run(command);
    proxy.signal(Signal::HUP);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    assert!(!proxy.log().contains("SIGHUP"), "{}", proxy.log());
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
}

/// A service is hung up to make it read something again. It has nothing to read, and goes on.
#[test]
fn a_service_without_a_file_outlives_hanging_up() {
    let mut command = program(&["--port", "0", "--", CHILD]);
    command.env("NOTIFY_SOCKET", "/nowhere");
    let mut proxy = Proxy::run(command);
    proxy.signal(Signal::HUP);
    proxy.logged(&["SIGHUP", "no --config"]);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
}

/// It is a regular file, and to read it waits for what the kernel has to say.
#[test]
fn a_file_that_has_nothing_to_say_keeps_nobody_waiting() {
    let mut own = program(&["--port", "0", "--config", "/proc/kmsg"]);
    let mut process = own.stderr(Stdio::null()).spawn().unwrap();
    until("the end", PATIENCE, || process.try_wait().unwrap().is_some());
    assert_eq!(process.wait().unwrap().code(), Some(2));
}

#[test]
fn a_service_manager_is_told_of_the_reload() {
    let config = Config::new("reload", &json!({"a": server("1")}));
    let path = config.0.with_extension("sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = program(&["--port", "0", "--config", config.0.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &path);
    let proxy = Proxy::run(command);
    let told = || {
        let mut message = [0; 512];
        let length = manager.recv(&mut message).expect("it is told something");
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    assert_eq!(told(), "READY=1");
    proxy.signal(Signal::HUP);
    let reload = told();
    let time = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("it reloads");
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let ago = now.tv_sec - time.parse::<i64>().unwrap() / 1_000_000;
    assert!((0..=10).contains(&ago), "{reload:?}: {ago} s ago");
    assert_eq!(told(), "READY=1");
    fs::remove_file(&path).unwrap();
}

#[test]
fn the_first_line_has_the_address_of_each_server() {
    let config = Config::new("first", &json!({"a": server("1"), "b": server("2")}));
    let proxy = config.start(&[]);
    let log = proxy.log();
    let (first, at) = (log.lines().next().unwrap(), proxy.addr);
    assert!(first.contains(&format!("http://{at}/a/mcp and http://{at}/b/mcp")), "{first}");
}

#[test]
fn variables_come_from_the_environment_and_from_a_file() {
    let folder = std::env::temp_dir().join(format!("hmp-{}-variables", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(".env"), "# who\nWHO='from the file'\n").unwrap();
    let servers = json!({
        "a": {"command": CHILD, "cwd": folder, "envFile": ".env"},
        "b": {"command": CHILD, "env": {"WHO": "${UNSET_ANYWHERE:-the default}"}},
        "c": {"command": CHILD, "cwd": folder, "envFile": ".env", "env": {"WHO": "${env:PATH}"}}
    });
    let config = Config::new("variables", &servers);
    let proxy = config.start(&["--env", "WHO=from the flag"]);
    let asked = |path| who(&proxy, path, &open(&proxy, path));
    assert_eq!(asked("/a/mcp"), "from the file");
    assert_eq!(asked("/b/mcp"), "the default");
    assert_eq!(Some(asked("/c/mcp")), std::env::var("PATH").ok());
    drop(proxy);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_server_whose_command_is_missing_is_disabled_and_the_others_serve() {
    let servers = json!({
        "a": server("1"),
        "b": {"command": "no-such-command-anywhere"},
        "c": {"command": CHILD, "cwd": "/no/such/folder"},
        "d": {"command": CHILD, "envFile": "/no/such/file"}
    });
    let config = Config::new("disabled", &servers);
    let proxy = config.start(&[]);
    proxy.logged(&["WARN", "/b/mcp is disabled", "command not found: no-such-command-anywhere"]);
    proxy.logged(&["WARN", "/c/mcp is disabled", "/no/such/folder"]);
    proxy.logged(&["WARN", "/d/mcp is disabled", "/no/such/file"]);
    for (path, word) in [("/b/mcp", "program"), ("/c/mcp", "directory"), ("/d/mcp", "variables")] {
        let reply = post(&proxy, path, None, &initialize(QUIET));
        assert!(reply.status() == 503 && reply.body.contains(word), "{reply:?}");
        assert!(!reply.body.contains("no-such") && !reply.body.contains("/no/"), "{reply:?}");
    }
    assert_eq!(who(&proxy, "/a/mcp", &open(&proxy, "/a/mcp")), "1");
    let health = proxy.exchange("GET /healthz", &[], "");
    assert_eq!(health.status(), 200);
    assert_eq!(health.json()["failing"], json!(["/b/mcp", "/c/mcp", "/d/mcp"]));
    let states = health.json()["servers"].as_array().unwrap().clone();
    let states: Vec<_> = states.iter().map(|one| (&one["name"], &one["state"])).collect();
    let (a, b, ok, disabled) = (json!("a"), json!("b"), json!("ok"), json!("disabled"));
    assert_eq!(states[..2], [(&a, &ok), (&b, &disabled)]);
    // It is found now.
    config.write(&json!({"a": server("1"), "b": server("2")}).to_string());
    hang_up(&proxy, &["servers: 2, new or changed: 1"]);
    assert_eq!(who(&proxy, "/b/mcp", &open(&proxy, "/b/mcp")), "2");
    // A check fails by it, and so does a start without any other.
    for (flags, servers, code) in [
        (&["--check"][..], &servers, 1),
        (&[], &json!({"b": {"command": "no-such-command-anywhere"}}), 127),
    ] {
        let config = Config::new("missing", servers);
        let mut command = program(&["--port", "0", "--config", config.0.to_str().unwrap()]);
        let output = command.args(flags).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{log}");
        assert!(log.contains("no-such-command-anywhere"), "{log}");
    }
}

#[test]
fn a_check_lists_what_would_be_started() {
    let config = Config::new("check", &json!({"a": server("1")}));
    let mut command = program(&["--check", "--config", config.0.to_str().unwrap()]);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("/a/mcp starts {CHILD}\n"));
}

#[test]
fn a_tool_that_is_denied_is_neither_seen_nor_called() {
    let servers = json!({"a": {"command": CHILD, "tools": {"deny": ["env"]}}, "b": server("1")});
    let config = Config::new("tools", &servers);
    let proxy = config.start(&[]);
    for (path, code) in [("/a/mcp", json!(-32602)), ("/b/mcp", Value::Null)] {
        let session = open(&proxy, path);
        let reply = post(&proxy, path, Some(&session), &call("1", "", "env", &json!({})));
        assert_eq!(reply.json()["error"]["code"], code, "{reply:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_relative_command_is_found_where_the_server_starts() {
    let folder = std::env::temp_dir().join(format!("hmp-{}-relative", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(CHILD, folder.join("own-server")).unwrap();
    let servers = json!({"a": {"command": "./own-server", "cwd": folder, "env": {"WHO": "1"}}});
    let config = Config::new("relative", &servers);
    let proxy = config.start(&[]);
    assert_eq!(who(&proxy, "/a/mcp", &open(&proxy, "/a/mcp")), "1");
    drop(proxy);
    fs::remove_dir_all(folder).unwrap();
}
