//! Starts that fail: who is refused for them, and who is not.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::http::{PATIENCE, Reply};
use crate::support::mcp::{BOTH, JSON, QUIET, Session, initialize};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy, program};

/// Opens a session with this for its client's name.
fn open(proxy: &Proxy, name: &str, fields: &[(&str, &str)]) -> Reply {
    let body = initialize(QUIET).replace(r#""name":"test""#, &format!(r#""name":"{name}""#));
    assert!(body.contains(name), "{body}");
    proxy.exchange("POST /mcp", &[&[BOTH, JSON], fields].concat(), &body)
}

fn statuses(proxy: &Proxy, name: &str, fields: &[(&str, &str)]) -> Vec<u16> {
    (0..6).map(|_| open(proxy, name, fields).status()).collect()
}

/// Five failures, and a refusal.
const REFUSED: [u16; 6] = [502, 502, 502, 502, 502, 503];

#[test]
fn one_tenants_bad_credential_refuses_no_other() {
    let command = format!("test \"$TOKEN\" = good || exit 1; exec {CHILD}");
    let proxy = Proxy::start(&["--header-env", "X-Token=TOKEN"], &["sh", "-c", &command]);
    assert_eq!(statuses(&proxy, "evil", &[("X-Token", "bad")]), REFUSED);
    assert_eq!(open(&proxy, "other", &[("X-Token", "bad")]).status(), 503);
    assert_eq!(open(&proxy, "good", &[("X-Token", "good")]).status(), 200);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    proxy.logged(&["WARN", "exited by itself", "exit code 1"]);
}

#[test]
fn what_one_client_says_refuses_no_other() {
    let command = format!("read line; case $line in *evil*) exit 1;; esac; {ANSWER}");
    let proxy = Proxy::start(&[], &["sh", "-c", &command]);
    assert_eq!(statuses(&proxy, "evil", &[]), REFUSED);
    assert_eq!(open(&proxy, "good", &[]).status(), 200);
    assert_eq!(proxy.exchange("GET /healthz", &[], "").json()["status"], "ok");
}

/// What a shell says to `initialize`; then it reads what comes.
const ANSWER: &str = r#"echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18",
"capabilities":{}}}' | tr -d '\n'; echo; while read line; do :; done"#;

#[test]
fn a_server_that_dies_before_it_reads_is_not_started_for_anybody() {
    let proxy = Proxy::start(&[], &["sh", "-c", "sleep 0.05; exit 3"]);
    let all: Vec<u16> = (0..6).map(|n| open(&proxy, &format!("n{n}"), &[]).status()).collect();
    assert_eq!(all, REFUSED);
    let health = proxy.exchange("GET /healthz", &[], "");
    assert_eq!((health.status(), &health.json()["failing"][0]), (503, &"/mcp".into()));
    assert_eq!(health.json()["servers"][0]["state"], "failing");
    proxy.logged(&["ERROR", "the server at /mcp fails at every start"]);
}

#[test]
fn what_the_proxy_lacks_is_not_held_against_the_server() {
    let program = program(&["--port", "0"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 44; exec \"$@\"", "sh"]).arg(program.get_program());
    limited.args(program.get_args()).env_remove("RUST_LOG").arg("--").arg(CHILD);
    let proxy = Proxy::run(limited);
    let mut open = Vec::new();
    let refused = loop {
        let reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
        match reply.head.field("mcp-session-id") {
            Some(id) => open.push(id.to_owned()),
            None => break reply,
        }
        assert!(open.len() < 20, "there is no limit");
    };
    assert_eq!(refused.status(), 503, "{refused:?}");
    assert!(refused.head.field("retry-after").is_some(), "{refused:?}");
    // The remedy is the operator's.
    assert!(refused.body.contains("out of descriptors; retry"), "{refused:?}");
    assert!(!refused.body.contains("44") && !refused.body.contains("ulimit"), "{refused:?}");
    proxy.logged(&["descriptors", "44", "ulimit -n", "LimitNOFILE="]);
    for _ in 0..8 {
        let again = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET));
        assert!(again.body.contains("descriptors"), "{again:?}");
    }
    let health = proxy.exchange("GET /healthz", &[], "");
    assert_eq!((health.status(), &health.json()["status"]), (200, &"ok".into()));
    let fields = [BOTH, JSON, ("Mcp-Session-Id", &open[0])];
    assert!(proxy.exchange("DELETE /mcp", &fields, "").status() < 300);
    until("a session again", PATIENCE, || {
        proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(QUIET)).status() == 200
    });
}

#[test]
fn the_limit_of_open_files_is_raised_for_the_proxy_and_not_for_servers() {
    let program = program(&["--port", "0"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -Sn 64; exec \"$@\"", "sh"]).arg(program.get_program());
    let server = format!("echo \"limit $(ulimit -Sn)\" >&2; exec {CHILD}");
    limited.args(program.get_args()).env_remove("RUST_LOG").args(["--", "sh", "-c", &server]);
    let proxy = Proxy::run(limited);
    let text = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    Session::open(&proxy);
    proxy.logged(&["child: ", "limit 64"]);
}

#[test]
fn a_script_without_its_interpreter_is_told_as_such() {
    let script = std::env::temp_dir().join(format!("no-interpreter-{}", std::process::id()));
    std::fs::write(&script, "#!/nowhere/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let proxy = Proxy::start(&[], &[script.to_str().unwrap()]);
    let refused = open(&proxy, "x", &[]);
    assert_eq!(refused.status(), 502);
    // Names and paths are the operator's.
    assert!(refused.body.contains("its interpreter was not found"), "{refused:?}");
    assert!(!refused.body.contains("no-interpreter"), "{refused:?}");
    proxy.logged(&["could not be started", "the interpreter", "is not there"]);
    proxy.logged(&["session #1 did not open"]);
    assert!(!proxy.log().contains("pid 0"), "{}", proxy.log());
    std::fs::remove_file(&script).unwrap();
}
