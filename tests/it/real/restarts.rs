//! Sessions that go on in another process of the program: after each way to end, at any moment,
//! with a full disk, and while clients call.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::kept::{Folder, WAIT};
use crate::support::http::{Conn, PATIENCE};
use crate::support::mcp::{Answer, BOTH, JSON, QUIET, Session, call, initialize};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy, program};

#[test]
fn sessions_go_on_after_each_way_to_end() {
    let folder = Folder::new("ways");
    let mut proxy = Proxy::run(folder.program());
    let ids: Vec<_> = (0..3).map(|_| Session::open(&proxy).id).collect();
    let ended = Session::open(&proxy);
    assert_eq!(ended.delete().status(), 200);
    let ended = ended.id;
    let mut pids = Vec::new();
    for signal in [Signal::TERM, Signal::KILL, Signal::INT] {
        proxy.signal(signal);
        proxy.ended(PATIENCE);
        proxy = Proxy::run(folder.program());
        proxy.logged(&["asleep: 3"]);
        assert!(proxy.children().is_empty());
        for id in &ids {
            let session = Session { proxy: &proxy, id: id.clone(), version: QUIET };
            let pid = session.pid();
            assert!(!pids.contains(&pid));
            pids.push(pid);
            // It is the session that it was: the child was told of the same client.
            assert!(session.seen()[0].contains(r#""clientInfo":{"name":"test""#));
        }
        let gone = Session { proxy: &proxy, id: ended.clone(), version: QUIET };
        assert_eq!(gone.post(&call("1", "", "pid", &json!({}))).reply().status(), 404);
    }
}

/// Killed twenty times at any moment, while sessions open: whoever was told of one has it.
#[test]
fn a_session_that_a_client_was_told_of_is_never_lost() {
    let folder = Folder::new("killed");
    let (mut told, mut moment) = (Vec::new(), 0x9e37_79b9_u64);
    for _ in 0..20 {
        let mut proxy = Proxy::run(folder.program());
        proxy.logged(&[&format!("asleep: {}", told.len())]);
        moment = moment.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wait = Duration::from_millis(moment >> 33 & 0x3ff);
        let address = proxy.addr;
        let opened = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..3).map(|_| scope.spawn(move || opened(address))).collect();
            std::thread::sleep(wait);
            proxy.signal(Signal::KILL);
            openers.into_iter().flat_map(|opener| opener.join().unwrap()).collect::<Vec<_>>()
        });
        proxy.ended(PATIENCE);
        told.extend(opened);
    }
    assert!(told.len() >= 5, "{}", told.len());
    let proxy = Proxy::run(folder.program());
    for id in told {
        let session = Session { proxy: &proxy, id, version: QUIET };
        session.pid();
        session.delete();
    }
}

/// Opens sessions until nobody listens any more: the ids of those that it was told of.
fn opened(address: SocketAddr) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(mut conn) = Conn::try_open(address) {
        conn.request("POST /mcp", &[BOTH, JSON], initialize(QUIET).as_bytes());
        let Ok(head) = conn.try_head() else { break };
        if head.status == 200 {
            ids.extend(head.field("mcp-session-id").map(String::from));
        }
        if ids.len() == 2 {
            break;
        }
    }
    ids
}

#[test]
fn the_program_serves_on_when_the_disk_is_full() {
    let folder = Folder::new("full");
    let mut full = Command::new("sh");
    // Files may have so many blocks of 512 bytes, and who writes more gets an error.
    full.args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"]);
    let plain = folder.program();
    full.arg(plain.get_program()).args(plain.get_args());
    full.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
    let mut proxy = Proxy::run(full);
    let sessions: Vec<_> = (0..20).map(|_| Session::open(&proxy)).collect();
    sessions.iter().for_each(|session| assert!(session.pid() > 0));
    proxy.logged(&["WARN", "sessions can't be saved in"]);
    assert_eq!(proxy.log().matches("can't be saved").count(), 1, "once a minute");
    let pid = rustix::process::Pid::from_raw(proxy.pid() as i32).unwrap();
    let room = rustix::process::Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    let raised = rustix::process::prlimit(Some(pid), rustix::process::Resource::Fsize, room);
    if raised.is_ok() {
        proxy.logged(&["INFO", "sessions are saved again in"]);
    }
    let ids: Vec<_> = sessions.iter().map(|session| session.id.clone()).collect();
    drop(sessions);
    proxy.signal(Signal::KILL);
    proxy.ended(PATIENCE);
    let proxy = Proxy::run(folder.program());
    if raised.is_ok() {
        proxy.logged(&["asleep: 20"]);
        let last = Session { proxy: &proxy, id: ids[19].clone(), version: QUIET };
        assert!(last.pid() > 0);
    }
}

/// Several times over, an upgrade while clients call in a loop. The sockets are the manager's.
#[test]
fn an_upgrade_under_load_fails_no_call() {
    let folder = Folder::new("upgrade");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let start = || Proxy::run(service(&socket, &folder));
    let mut proxy = start();
    let ids: Vec<_> = (0..4).map(|_| Session::open(&proxy).id).collect();
    let (done, calls) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; 4]);
    std::thread::scope(|scope| {
        let clients: Vec<_> = ids
            .iter()
            .zip(&calls)
            .map(|(id, calls)| {
                let done = &done;
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let mut conn = Conn::open(address);
                        conn.patience(WAIT);
                        let fields =
                            [BOTH, JSON, ("Mcp-Session-Id", id), ("MCP-Protocol-Version", QUIET)];
                        let body = call("1", "", "pid", &json!({}));
                        conn.request("POST /mcp", &fields, body.as_bytes());
                        let text = Answer::read(conn).text();
                        assert!(text.parse::<u32>().is_ok(), "{text}");
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for _ in 0..5 {
            let before: Vec<_> = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).collect();
            until("calls of all", WAIT, || {
                let now = calls.iter().map(|calls| calls.load(Ordering::Relaxed));
                clients.iter().any(|client| client.is_finished())
                    || now.zip(&before).all(|(now, before)| now > before + 5)
            });
            proxy.signal(Signal::TERM);
            assert_eq!(proxy.ended(WAIT).code(), Some(0));
            proxy = start();
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    proxy.logged(&["asleep: 4"]);
}

/// The program as a service manager starts it.
fn service(socket: &TcpListener, folder: &Folder) -> Command {
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"";
    let mut shell = Command::new("sh");
    let plain = folder.program();
    let args = plain.get_args().skip(2); // without --port 0
    shell.args(["-c", script, "sh"]).arg(plain.get_program()).args(args);
    let socket: OwnedFd = socket.try_clone().unwrap().into();
    shell.env_remove("RUST_LOG").stdin(socket).stdout(Stdio::null());
    shell
}

/// The sessions of several servers share the file. A server that is not there any more takes its
/// sessions along, and the log says how many.
#[test]
fn sessions_stay_with_the_server_that_they_were_opened_at() {
    let folder = Folder::new("several");
    let config = folder.file().with_extension("json");
    let serve = |names: &[&str]| {
        let server = |name: &&str| (String::from(*name), json!({"command": CHILD}));
        let servers: serde_json::Map<_, _> = names.iter().map(server).collect();
        std::fs::write(&config, json!({"mcpServers": servers}).to_string()).unwrap();
        let (file, config) = (folder.file(), config.to_str().unwrap());
        let flags = ["--port", "0", "--config", config, "--sessions", file.to_str().unwrap()];
        Proxy::run(program(&flags))
    };
    let mut proxy = serve(&["one", "two"]);
    let open = |path: &str| {
        let reply = proxy.exchange(&format!("POST {path}"), &[BOTH, JSON], &initialize(QUIET));
        (String::from(path), String::from(reply.head.field("mcp-session-id").unwrap()))
    };
    let opened = [open("/one/mcp"), open("/two/mcp"), open("/two/mcp")];
    let status = |proxy: &Proxy, path: &str, id: &str| {
        let fields = [BOTH, JSON, ("Mcp-Session-Id", id), ("MCP-Protocol-Version", QUIET)];
        let body = call("1", "", "pid", &json!({}));
        proxy.exchange(&format!("POST {path}"), &fields, &body).status()
    };
    proxy.signal(Signal::KILL);
    proxy.ended(PATIENCE);
    // In another order, so with other numbers.
    let mut proxy = serve(&["two", "three", "one"]);
    proxy.logged(&["asleep: 3"]);
    for (path, id) in &opened {
        assert_eq!(status(&proxy, path, id), 200);
        assert_eq!(status(&proxy, "/three/mcp", id), 404);
    }
    proxy.signal(Signal::TERM);
    proxy.ended(PATIENCE);
    let proxy = serve(&["one"]);
    proxy.logged(&["asleep: 1, dropped: 2 (no server is at the path of the session: 2)"]);
    assert_eq!(status(&proxy, &opened[0].0, &opened[0].1), 200);
}
