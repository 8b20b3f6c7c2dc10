//! What can go wrong before it listens: one clear line, and an exit status that is not zero.

use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::Instant;

use crate::support::http::PATIENCE;
use crate::support::proxy::{CHILD, Proxy, program};

fn output(flags: &[&str]) -> Output {
    let start = Instant::now();
    let output =
        program(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("it runs");
    assert!(start.elapsed() < PATIENCE);
    output
}

/// It fails with one line that has this.
#[track_caller]
fn fails(flags: &[&str], words: &str) {
    let output = output(flags);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{flags:?}: {text}");
    assert!(output.status.code().is_some(), "{flags:?}: {:?}", output.status);
    assert!(text.contains(words), "{flags:?}: {text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{flags:?}: {text}");
    assert!(!text.contains("panicked"), "{flags:?}: {text}");
}

#[test]
fn a_command_that_is_not_there() {
    fails(&["--port", "0", "--", "no-such-command-anywhere"], "no-such-command-anywhere");
    fails(&["--port", "0", "--", "/no/such/command"], "/no/such/command");
    fails(&["--port", "0", "--", "/"], "/");
    fails(&["--port", "0", "--cwd", "/no/such/folder", "--", CHILD], "/no/such/folder");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fails(&["--host", "127.0.0.1", "--port", &port, "--", CHILD], &port);
    fails(&["--host", "127.0.0.1", "--port", &port, "--", CHILD], "see --host and --port");
    let metrics = format!("127.0.0.1:{port}");
    fails(&["--port", "0", "--metrics-listen", &metrics, "--", CHILD], "see --metrics-listen");
}

#[test]
fn a_recording_that_cannot_be_made() {
    fails(&["--port", "0", "--record", "/", "--", CHILD], "--record: can't create /");
}

#[test]
fn flags_that_are_wrong() {
    for (flags, word) in [
        (&["--port", "x"][..], "port"),
        (&["--port", "70000"], "port"),
        (&["--no-such-flag"], "there is no option --no-such-flag"),
        (&["--env", "novalue"], "env"),
        (&["--endpoint", "mcp"], "endpoint"),
        (&["--health", "healthz"], "such as /health"),
        (&["--port", "70000"], "--port takes a number from 0 to 65535, not \"70000\""),
        (&["--max-sessions", "0"], "max-sessions"),
        (&["--max-sessions", "0"], "from 1 to 1000000"),
        (&["--max-sessions", "18446744073709551615"], "from 1 to 1000000"),
        (&["--prewarm", "-1"], "from 0 to 1000000"),
        (&["--max-message", "0"], "from 1 to 1024G, such as 16M"),
        (&["--max-message", "9999999G"], "max-message"),
        (&["--drain-timeout", "nan"], "seconds from 0 to 1000000000"),
        (&["--header-env", "Content-Length=SIZE"], "describes the connection"),
        (&["--affinity", "a b"], "can't take the header field"),
        (&["--affinity", "Connection"], "can't take the header field"),
        (&["--log-format", "xml"], "log-format"),
        (&["--allow-origin", "app.example"], "https://app.example"),
        (&["--allow-origin", "https://app.example/"], "without a path"),
        (&["--allow-host", "https://app.example"], "a host"),
        (&["--allow-host", "*.example.com"], "without other wildcards"),
        (&["--allow-host", "::1"], "[::1]"),
        (&["--allow-host", "mcp.example.com:http"], "a port"),
    ] {
        let all = [&["--host", "127.0.0.1"], flags, &["--", CHILD]].concat();
        let output = output(&all);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code().is_some_and(|code| code != 0), "{flags:?}: {text}");
        assert!(text.contains(word), "{flags:?}: {text}");
        assert!(!text.contains("panicked"), "{flags:?}: {text}");
    }
    fails(&["--port", "0"], "command");
}

#[test]
fn a_fault_is_told_by_the_status_if_nobody_reads_the_words() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = program(&["--no-such-flag"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn too_few_open_files_are_told() {
    for files in [7, 8, 9, 12, 14] {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
        shell.arg(program(&[]).get_program()).args(["--port", "0", "--", CHILD]);
        let output = shell.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{files}: {text}");
        assert!(text.contains("open files") && text.lines().count() == 1, "{files}: {text}");
    }
}

#[test]
fn help_and_version_are_told() {
    for flags in [["--version"], ["-V"]] {
        let output = output(&flags);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    }
    for flags in [["--help"], ["-h"]] {
        let output = output(&flags);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        for flag in [
            "host",
            "port",
            "endpoint",
            "session-keep-alive",
            "max-sessions",
            "max-message",
            "request-timeout",
            "drain-timeout",
            "allow-origin",
            "allow-host",
            "cwd",
            "env",
            "clear-env",
            "health",
            "log-format",
            "demo",
        ] {
            assert!(text.contains(&format!("--{flag}")), "{flag}: {text}");
        }
    }
}

#[test]
fn the_ready_line_tells_the_url() {
    for (host, start) in
        [("127.0.0.1", "http://127.0.0.1:"), ("localhost", "http://"), ("::1", "http://[::1]:")]
    {
        if host == "::1" && TcpListener::bind("[::1]:0").is_err() {
            continue; // A machine without IPv6.
        }
        let proxy = Proxy::start(&["--host", host, "--endpoint", "/x"], &[CHILD]);
        let line = proxy.logged(&[start]);
        assert!(line.contains(&format!(":{}/x", proxy.addr.port())), "{line}");
        assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
    }
}

#[test]
fn localhost_is_both_loopback_addresses() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // A machine without IPv6.
    }
    let proxy = Proxy::start(&["--host", "localhost"], &[CHILD]);
    for address in ["127.0.0.1", "[::1]"] {
        proxy.logged(&[&format!("http://{address}:{}/", proxy.addr.port())]);
    }
    assert!(std::net::TcpStream::connect(("::1", proxy.addr.port())).is_ok());
    assert!(std::net::TcpStream::connect(("127.0.0.1", proxy.addr.port())).is_ok());
}
