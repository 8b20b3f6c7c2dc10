//! Where the system lets the program make cgroups, each child has one: what hides from a walk of
//! the tree ends with it, and no cgroup is left behind. Where it does not, the tree is walked.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use super::trees::{self, named, word};
use crate::support::cgroup;
use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, Session, initialize};
use crate::support::process::until;
use crate::support::proxy::{CHILD, Proxy, program};

/// A daemon that has put off the mark by which a walk finds it.
const UNMARKED: &str = "exec bash -c 'ulimit -x 7; exec setsid -f setsid -f sleep N'";

#[test]
fn what_hides_from_a_walk_ends_with_its_session() {
    if !cgroup::can_be_made() {
        return;
    }
    let proxy = Proxy::child(&[]);
    // It was there before: for a walk, the daemon could be its own.
    let other = Session::open(&proxy);
    let session = Session::open(&proxy);
    let started = word();
    trees::start(&session, UNMARKED, &started);
    assert!(session.delete().status() < 300);
    trees::is_gone(&[("a daemon without a mark", started)]);
    let answer = other.script("1", json!([{"answer": "still here"}]));
    assert!(answer.last()["result"].is_object(), "{answer:?}");
}

#[test]
fn each_child_has_a_cgroup_and_none_is_left() {
    if !cgroup::can_be_made() {
        return;
    }
    for signals in [1, 2] {
        let mut proxy = Proxy::child(&["--eof", r#"[{"sleep": 60000}]"#]);
        {
            let sessions = [Session::open(&proxy), Session::open(&proxy)];
            assert_eq!(cgroup::children(proxy.pid()).len(), 2);
            sessions[0].script("1", json!([{"exit": 1}]));
            until("its cgroup", PATIENCE, || cgroup::children(proxy.pid()).len() == 1);
            trees::start(&sessions[1], UNMARKED, &word());
        }
        proxy.signal(Signal::TERM);
        if signals == 2 {
            proxy.logged(&["SIGTERM received", "draining"]);
            proxy.signal(Signal::TERM);
        }
        proxy.ended(PATIENCE);
        assert_eq!(cgroup::of(proxy.pid()), None);
    }
}

#[test]
fn a_command_that_does_not_start_leaves_no_cgroup() {
    if !cgroup::can_be_made() {
        return;
    }
    let file = std::env::temp_dir().join(format!("no-interpreter-{}", std::process::id()));
    fs::write(&file, "#!/nowhere/to/be/found\n").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    let proxy = Proxy::start(&[], &[file.to_str().unwrap()]);
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize("2025-06-18"));
    assert!(reply.status() >= 500, "{reply:?}");
    proxy.logged(&["the interpreter that its first line"]);
    assert_eq!(cgroup::children(proxy.pid()).len(), 0);
    fs::remove_file(&file).unwrap();
}

/// Nobody could end them when it was killed.
#[test]
fn daemons_of_a_killed_proxy_end_when_the_next_one_starts() {
    if !cgroup::can_be_made() {
        return;
    }
    let mut killed = Proxy::child(&[]);
    let started = word();
    {
        let session = Session::open(&killed);
        trees::start(&session, "setsid -f sleep N", &started);
    }
    killed.signal(Signal::KILL);
    killed.ended(PATIENCE);
    let next = Proxy::child(&[]);
    until("the daemon", PATIENCE, || named(&started).is_empty());
    until("the cgroup", PATIENCE, || cgroup::of(killed.pid()).is_none());
    drop(next);
}

#[test]
fn where_no_cgroup_can_be_made_the_tree_is_walked() {
    let Some((_, point)) = cgroup::own() else {
        eprintln!("SKIPPED: there is no cgroup2, and the other tests have walked");
        return;
    };
    let own = program(&[]);
    let line = format!("mount -o remount,bind,ro {} && exec \"$0\" \"$@\"", point.display());
    let arguments = ["-m", "sh", "-c", &line];
    let trial = Command::new("unshare").args(arguments).arg("true").status();
    if !trial.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mount namespace can be made here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(arguments).arg(own.get_program()).args(["--port", "0", "--", CHILD]);
    command.env("RUST_LOG", "debug");
    let proxy = Proxy::run(command);
    proxy.logged(&["found by a walk of their trees"]);
    let session = Session::open(&proxy);
    let started = trees::start_all(&session);
    assert_eq!(cgroup::of(proxy.pid()), None);
    assert!(session.delete().status() < 300);
    trees::is_gone(&started);
}

/// Has the system start nothing in the cgroups of a proxy: below a threaded one they are invalid.
fn refuse(proxy: &Proxy) {
    let folder = cgroup::of(proxy.pid()).unwrap();
    fs::write(folder.join("cgroup.type"), "threaded").unwrap();
}

/// A program in debug mode, with the signal SIGUSR1 blocked and SIGUSR2 ignored.
fn odd(flags: &[&str]) -> Proxy {
    let own = program(&[]);
    let mut command = Command::new("env");
    command.args(["--block-signal=USR1", "--ignore-signal=USR2"]).arg(own.get_program());
    command.args(["--port", "0"]).args(flags).args(["--", CHILD]).env("RUST_LOG", "debug");
    Proxy::run(command)
}

/// What the operator is told where the kernel starts nothing in a cgroup.
const NONE: &str = "no process can be started in a cgroup";

#[test]
fn where_nothing_can_be_started_in_a_cgroup_the_tree_is_walked() {
    if !cgroup::can_be_made() {
        return;
    }
    let proxy = odd(&[]);
    refuse(&proxy);
    let session = Session::open(&proxy);
    proxy.logged(&[NONE]);
    let started = trees::start_all(&session);
    assert!(session.delete().status() < 300);
    trees::is_gone(&started);
    until("its cgroup", PATIENCE, || cgroup::children(proxy.pid()).is_empty());
}

/// What a process has from its start: signals, limits but for the mark, environment, folder, and
/// the number of its descriptors.
fn start_of(pid: u32) -> Vec<String> {
    let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap();
    let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
    let (status, limits, environ) = (text("status"), text("limits"), text("environ"));
    let signals = status.lines().filter(|line| line.starts_with("Sig") && !line.contains("SigQ"));
    let limits = limits.lines().filter(|line| !line.contains("file locks"));
    let mut found: Vec<String> = signals.chain(limits).map(String::from).collect();
    let mut variables: Vec<_> = environ.split('\0').map(String::from).collect();
    variables.sort();
    found.extend(variables);
    found.push(format!("{:?}", fs::read_link(format!("/proc/{pid}/cwd"))));
    found.push(format!("{:?}", fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()));
    found.push(text("cmdline"));
    found
}

#[test]
fn a_process_starts_the_same_in_a_cgroup_and_out_of_one() {
    if !cgroup::can_be_made() {
        return;
    }
    for more in [&[][..], &["--clear-env"], &["--cwd", "/"]] {
        let flags = [&["--env", "PATH=/usr/bin", "--env", "TOLD=it"], more].concat();
        let [inside, outside] = [false, true].map(|refuses| {
            let proxy = odd(&flags);
            if refuses {
                refuse(&proxy);
            }
            let pid = Session::open(&proxy).pid();
            match refuses {
                true => drop(proxy.logged(&[NONE])),
                false => assert!(!proxy.log().contains(NONE)),
            }
            start_of(pid)
        });
        assert_eq!(inside, outside);
        assert!(inside.iter().any(|line| line == "SigBlk:\t0000000000000000"), "{inside:?}");
    }
}
