//! Where it listens but for TCP: a Unix socket of its own, and the sockets of a service manager,
//! which it tells how it is.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::http::PATIENCE;
use crate::support::mcp::{PRIMED, Session, call, initialize, script};
use crate::support::process::{signal, until};
use crate::support::proxy::{CHILD, Proxy, program};

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hmp-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn connect(path: &str) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request on a connection of its own, and all that came for it.
fn ask(path: &str, line: &str, fields: &str, body: &str) -> String {
    let mut stream = connect(path);
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: front.example\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn is_socket(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

#[test]
fn a_unix_socket_serves_whoever_has_the_users_rights() {
    let folder = Folder::new("serves");
    let path = folder.file("mcp.sock");
    let mut proxy = Proxy::run(unix(&path));
    proxy.logged(&["listening on the Unix socket", &path, "/mcp"]);
    let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // No page in a browser gets here by itself, so a front may pass on any Host; but it may pass
    // on the request of a page, so Origin is judged as ever.
    let foreign = ask(&path, "POST /mcp", "Origin: http://evil.test\r\n", &initialize(PRIMED));
    assert!(foreign.starts_with("HTTP/1.1 403 ") && foreign.contains("--allow-origin"));
    let opened = ask(&path, "POST /mcp", "", &initialize(PRIMED));
    assert!(opened.starts_with("HTTP/1.1 200 "), "{opened}");
    let id = opened.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
    let session = format!("Mcp-Session-Id: {id}\r\n");
    let slow = script("7", "", &json!([{"sleep": 300}, {"answer": "over a file"}]));
    let stream = ask(&path, "POST /mcp", &session, &slow);
    assert!(stream.contains("text/event-stream") && stream.contains("over a file"), "{stream}");
    let got = ask(&path, "POST /mcp", &session, &call("8", "", "pid", &json!({})));
    assert!(got.contains("\"id\":8"), "{got}");
    assert!(ask(&path, "DELETE /mcp", &session, "").starts_with("HTTP/1.1 200 "));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
    assert!(!Path::new(&path).exists(), "the socket is still there");
}

fn unix(path: &str) -> Command {
    let mut command = program(&["--unix", path, "--", CHILD]);
    command.stderr(Stdio::piped());
    command
}

/// It does not start, and says so in one line with these words.
#[track_caller]
fn refused(path: &str, words: &str) {
    let output = unix(path).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(words) && text.contains(path), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
}

#[test]
fn a_socket_is_replaced_only_if_nobody_listens() {
    let folder = Folder::new("stale");
    let path = folder.file("mcp.sock");
    let mut first = Proxy::run(unix(&path));
    refused(&path, "another process listens");
    assert!(ask(&path, "GET /healthz", "", "").starts_with("HTTP/1.1 200 "));
    first.signal(Signal::KILL);
    first.ended(PATIENCE);
    assert!(is_socket(&path), "a killed process cleans nothing up");
    let second = Proxy::run(unix(&path));
    assert!(ask(&path, "GET /healthz", "", "").starts_with("HTTP/1.1 200 "));
    // A listener that does not get round to accepting is one, too.
    let busy = folder.file("busy.sock");
    let _busy = UnixListener::bind(&busy).unwrap();
    let mut filling = Vec::new();
    for _ in 0..4 {
        filling.push(UnixStream::connect(&busy).unwrap());
    }
    refused(&busy, "another process listens");
    drop(second);
}

#[test]
fn of_two_that_start_at_once_one_listens() {
    let folder = Folder::new("turns");
    let path = folder.file("mcp.sock");
    // What a killed process leaves.
    drop(UnixListener::bind(&path).unwrap());
    let left = fs::symlink_metadata(&path).unwrap().ino();
    let held = fs::File::open(&folder.0).unwrap();
    held.lock().unwrap();
    let mut started: Vec<_> = (0..2).map(|_| unix(&path).spawn().unwrap()).collect();
    std::thread::sleep(Duration::from_millis(300));
    // Neither does anything to the file while another process may be about to.
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), left);
    held.unlock().unwrap();
    let mut ended = Vec::new();
    until("one has ended", PATIENCE, || {
        ended = started.iter_mut().map(|one| one.try_wait().unwrap()).collect();
        ended.iter().any(Option::is_some)
    });
    let one = |code| ended.iter().filter(|exit| exit.and_then(|e| e.code()) == code).count();
    assert_eq!((one(Some(1)), one(None)), (1, 1), "{ended:?}");
    assert!(ask(&path, "GET /healthz", "", "").starts_with("HTTP/1.1 200 "));
    for mut process in started {
        let _ = process.kill();
        process.wait().unwrap();
    }
}

#[test]
fn no_other_file_is_touched() {
    let folder = Folder::new("files");
    for name in ["file", "link"] {
        let path = folder.file(name);
        match name {
            "file" => fs::write(&path, "precious").unwrap(),
            _ => std::os::unix::fs::symlink(folder.file("file"), &path).unwrap(),
        }
        refused(&path, "not a socket");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
    refused(&folder.file("no/such/folder"), "No such file");
    refused(&folder.file(&"long".repeat(40)), "too long");
    // Another's socket under our name stays when we end.
    let path = folder.file("taken.sock");
    let mut proxy = Proxy::run(unix(&path));
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    proxy.signal(Signal::TERM);
    proxy.ended(PATIENCE);
    assert!(is_socket(&path));
}

#[test]
fn a_second_signal_removes_the_socket_too() {
    let folder = Folder::new("hurried");
    let path = folder.file("mcp.sock");
    let mut proxy = Proxy::run(unix(&path));
    let opened = ask(&path, "POST /mcp", "", &initialize(PRIMED));
    let id = opened.lines().find(|line| line.starts_with("mcp-session-id: ")).unwrap();
    let mut stream = connect(&path);
    let body = script("1", "", &json!([{"sleep": 60_000}]));
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{id}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 64]).unwrap(), 64, "the call runs");
    proxy.signal(Signal::TERM);
    proxy.logged(&["draining"]);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(143));
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_signal_is_heeded_as_soon_as_there_is_a_socket() {
    let folder = Folder::new("prompt");
    let path = folder.file("mcp.sock");
    for _ in 0..20 {
        let mut process = unix(&path).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while UnixStream::connect(&path).is_err() {
            assert!(start.elapsed() < PATIENCE, "nobody listens");
            std::thread::yield_now();
        }
        signal(process.id(), Signal::TERM);
        assert_eq!(process.wait().unwrap().code(), Some(0));
        assert!(!Path::new(&path).exists());
    }
}

/// The program as a service manager starts it: with sockets from descriptor 3 on.
fn service(sockets: [OwnedFd; 2], flags: &[&str], command: &[&str]) -> Command {
    let [first, second] = sockets;
    // The pid is known only to the shell that becomes the program.
    let script = "exec 3<&0 4>&1 </dev/null >/dev/null; \
                  LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=a:b exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_hyper-mcp-proxy")]);
    shell.args(flags).arg("--").args(command);
    shell.env_remove("RUST_LOG").stdin(first).stdout(second);
    shell
}

#[test]
fn sockets_of_a_service_manager_are_used_and_left() {
    let folder = Folder::new("passed");
    let path = folder.file("mcp.sock");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let keep = [tcp.try_clone().unwrap().into(), unix.try_clone().unwrap().into()];
    let _keep: [OwnedFd; 2] = keep;
    let environment = r#"
        read line
        variables=$(env | grep -cE '^(LISTEN_|NOTIFY_)')
        echo "has $variables variables, $(ls /proc/self/fd | wc -l) descriptors" >&2
        cat"#;
    let flags = ["--port", "1"];
    let mut command = service([tcp.into(), unix.into()], &flags, &["sh", "-c", environment]);
    command.env("NOTIFY_SOCKET", folder.file("nobody-there"));
    let mut proxy = Proxy::run(command);
    assert_eq!(proxy.addr, address);
    proxy.logged(&["listening on the Unix socket", &path]);
    proxy.logged(&["WARN", "--port", "are ignored"]);
    // A page could rebind its name to the one of the two that is TCP, so both judge Host.
    assert_eq!(proxy.exchange("GET /mcp", &[], "").status(), 405);
    assert!(ask(&path, "GET /mcp", "", "").starts_with("HTTP/1.1 403 "));
    // The server knows nothing of it: no variable, and the descriptors of `ls` alone.
    let mut conn = proxy.connect();
    let json = ("Content-Type", "application/json");
    conn.request("POST /mcp", &[json], initialize(PRIMED).as_bytes());
    proxy.logged(&["has 0 variables, 4 descriptors"]);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
    assert!(is_socket(&path), "the manager's socket is the manager's");
}

#[test]
fn a_descriptor_that_is_no_listener_is_refused() {
    let (one, other) = UnixStream::pair().unwrap();
    let output = service([one.into(), other.into()], &[], &[CHILD]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("service manager") && text.contains("not a listening stream socket"),
        "{text}"
    );
    // Variables that are another process's mean nothing.
    let mut command = program(&["--port", "0", "--", CHILD]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    drop(Proxy::run(command));
}

/// What a service manager was told next.
fn told(manager: &UnixDatagram) -> String {
    let mut message = [0; 512];
    let length = manager.recv(&mut message).expect("it is told something");
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[test]
fn a_service_manager_is_told() {
    let folder = Folder::new("notify");
    let path = folder.file("notify.sock");
    let name = format!("hmp-test-{}", std::process::id());
    for at in [OsString::from(&path), OsString::from(format!("@{name}"))] {
        let manager = match at.to_str().and_then(|at| at.strip_prefix('@')) {
            None => UnixDatagram::bind(&path).unwrap(),
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                use std::os::unix::net::SocketAddr;
                let address = SocketAddr::from_abstract_name(name).unwrap();
                UnixDatagram::bind_addr(&address).unwrap()
            }
        };
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = program(&["--port", "0", "--drain-timeout", "1", "--", CHILD]);
        command.env("NOTIFY_SOCKET", &at);
        let mut proxy = Proxy::run(command);
        assert_eq!(told(&manager), "READY=1");
        // It is ready indeed.
        let session = Session::open(&proxy);
        drop(session.post(&script("1", "", &json!([{"sleep": 60_000}]))));
        manager.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(manager.recv(&mut [0; 64]).is_err(), "there was nothing more to tell");
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        proxy.signal(Signal::TERM);
        assert_eq!(told(&manager), "STOPPING=1");
        assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
    }
    until("the manager's socket is left alone", PATIENCE, || is_socket(&path));
}
