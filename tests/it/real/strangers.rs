//! What somebody may try who can reach the address and no more: guesses, floods, claims, silence.
//! None of it starts anything, takes memory, or keeps others waiting.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::statuses::is_error;
use crate::support::http::{Conn, PATIENCE};
use crate::support::mcp::{BOTH, JSON, QUIET, Session, call, initialize, script};
use crate::support::process::{busy, memory, until};
use crate::support::proxy::{CHILD, Proxy, program};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// The best of some attempts: other programs may have loaded the machine during the others.
#[track_caller]
fn best(most: Duration, mut attempt: impl FnMut()) {
    let mut times = (0..10).map(|_| {
        let start = Instant::now();
        attempt();
        start.elapsed()
    });
    let least = times.find(|time| *time <= most);
    assert!(least.is_some(), "never within {most:?}");
}

#[test]
fn a_post_from_another_site_starts_nothing() {
    let proxy = Proxy::child(&[]);
    let body = initialize(QUIET);
    // What a page can send without being asked whether it may (WHATWG Fetch, "CORS-safelisted").
    for kind in [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "application/json, text/plain",
        "",
    ] {
        for origin in [None, Some(("Origin", "http://localhost:3000"))] {
            let fields: Vec<_> = [("Content-Type", kind)].into_iter().chain(origin).collect();
            is_error(&proxy.exchange("POST /mcp", &fields, &body), 415);
        }
        let fields = [("Content-Type", kind), ("Origin", "http://evil.test")];
        let reply = proxy.exchange("POST /mcp", &fields, &body);
        is_error(&reply, 403);
        assert_eq!(reply.head.field("access-control-allow-origin"), None);
    }
    is_error(&proxy.exchange("POST /mcp", &[], &body), 415);
    for line in ["GET /mcp", "PUT /mcp", "HEAD /mcp", "PATCH /mcp", "POST /", "POST /mcp//"] {
        let mut conn = proxy.connect();
        conn.request(line, &[BOTH, JSON], body.as_bytes());
        assert!(matches!(conn.head().status, 404 | 405 | 413), "{line}");
    }
    assert_eq!(proxy.children().len(), 0);
    assert!(!proxy.log().contains("opened"), "{}", proxy.log());
}

#[test]
fn guesses_of_session_ids_find_nothing_and_cost_nothing() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let mut conns: Vec<Conn> = (0..4).map(|_| proxy.connect()).collect();
    let mut before = 0;
    for guess in 0..10_000u64 {
        if guess == 1000 {
            before = memory(proxy.pid(), "VmRSS:");
        }
        // Mixed, so that no two are alike; a 64th keeps all but one digit of the real one.
        let mixed = guess.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut id = format!("{mixed:016x}{:016x}", mixed.rotate_left(17));
        if guess % 64 == 0 {
            let place = (guess / 64 % 32) as usize;
            let other = if session.id.as_bytes()[place] == b'7' { "8" } else { "7" };
            id = session.id.clone();
            id.replace_range(place..=place, other);
        }
        let (line, body) = match guess % 3 {
            0 => ("POST /mcp", PING),
            1 => ("GET /mcp", ""),
            _ => ("DELETE /mcp", ""),
        };
        let conn = &mut conns[(guess % 4) as usize];
        conn.request(line, &[BOTH, JSON, ("Mcp-Session-Id", &id)], body.as_bytes());
        assert_eq!(conn.reply().status(), 404, "{line} {id}");
    }
    let growth = memory(proxy.pid(), "VmRSS:").saturating_sub(before);
    assert!(growth <= 256, "{growth} KiB");
    assert_eq!(proxy.children().len(), 1);
    assert_eq!(session.script("1", json!([{"answer": "mine"}])).text(), "mine");
}

#[test]
fn five_thousand_initializes_over_the_cap_cost_nothing() {
    let proxy = Proxy::start(&["--max-sessions", "1"], &[CHILD]);
    let session = Session::open(&proxy);
    let body = initialize(QUIET);
    let mut conn = proxy.connect();
    let mut before = 0;
    for n in 0..5000 {
        if n == 500 {
            before = memory(proxy.pid(), "VmRSS:");
        }
        conn.request("POST /mcp", &[BOTH, JSON], body.as_bytes());
        assert_eq!(conn.reply().status(), 503);
    }
    let growth = memory(proxy.pid(), "VmRSS:").saturating_sub(before);
    assert!(growth <= 1024, "{growth} KiB");
    assert_eq!(proxy.children().len(), 1);
    assert_eq!(session.ask(PING).head.status, 200);
}

/// What is kept of a call while it is in flight is bounded: ids and tokens too.
#[test]
fn long_ids_and_tokens_are_not_kept() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let before = memory(proxy.pid(), "VmRSS:");
    let long = format!("\"{}\"", "i".repeat(1 << 20));
    let steps = json!({"steps": [{"sleep": 60_000}]});
    is_error(&session.post(&call(&long, "", "script", &steps)).reply(), 400);
    let kept = format!("\"{}\"", "t".repeat(4094));
    let calls: Vec<Conn> = (0..30)
        .map(|n| {
            is_error(&session.post(&call(&n.to_string(), &long, "script", &steps)).reply(), 400);
            session.post(&call(&n.to_string(), &kept, "script", &steps))
        })
        .collect();
    assert_eq!(session.script("\"a\"", json!([{"answer": "b"}])).text(), "b");
    // What was refused goes, but for what the allocator keeps for the next; what the calls keep
    // would stay.
    until("little is kept of the calls", PATIENCE, || {
        memory(proxy.pid(), "VmRSS:").saturating_sub(before) <= 20 * 1024
    });
    drop(calls);
}

#[test]
fn a_head_without_end_is_refused_early() {
    let proxy = Proxy::child(&[]);
    drop(Session::open(&proxy));
    let before = memory(proxy.pid(), "VmHWM:");
    let block = vec![b'x'; 1 << 20];
    for start in ["GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: ", "GET /", "X"] {
        let mut conn = proxy.connect();
        conn.send(start.as_bytes());
        // It is told before it has sent a megabyte, whatever it sends on.
        conn.trickle(&block);
        let status = conn.try_head().map(|head| head.status);
        assert!(matches!(status, Ok(414 | 431)), "{start}: {status:?}");
        for _ in 0..63 {
            conn.trickle(&block);
        }
        assert!(conn.is_closed() || conn.has_ended());
    }
    let many = "X: y\r\n".repeat(2000);
    let mut conn = proxy.connect();
    conn.trickle(format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes());
    assert_eq!(conn.head().status, 431);
    let growth = memory(proxy.pid(), "VmHWM:").saturating_sub(before);
    assert!(growth <= 256, "{growth} KiB");
}

#[test]
fn a_claimed_length_takes_nothing_and_is_refused_at_once() {
    let proxy = Proxy::child(&[]);
    let session = Session::open(&proxy);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Mcp-Session-Id: {}\r\n",
        session.id
    );
    best(Duration::from_millis(50), || {
        let mut conn = proxy.connect();
        conn.send(format!("{head}Content-Length: 1099511627776\r\n\r\n").as_bytes());
        is_error(&conn.reply(), 413);
        assert!(conn.is_closed());
    });
    // As much as is let in, by a hundred clients that send a byte each.
    let before = memory(proxy.pid(), "VmRSS:");
    let claims: Vec<Conn> = (0..100)
        .map(|_| {
            let mut conn = proxy.connect();
            conn.send(format!("{head}Content-Length: 16777216\r\n\r\n{{").as_bytes());
            conn
        })
        .collect();
    assert_eq!(session.ask(PING).head.status, 200);
    let growth = memory(proxy.pid(), "VmRSS:").saturating_sub(before);
    assert!(growth <= 100 * 32, "{growth} KiB for {} claims", claims.len());
}

#[test]
fn two_thousand_idle_connections_keep_nobody_waiting() {
    // They are open on this side too.
    let limit = getrlimit(Resource::Nofile);
    let want = limit.maximum.map_or(8192, |most| most.min(8192));
    setrlimit(Resource::Nofile, Rlimit { current: Some(want), ..limit }).unwrap();
    let crowd = if want < 4096 { want as usize / 2 } else { 2000 };
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\""]).arg(program(&[]).get_program());
    shell.args(["--port", "0", "--", CHILD]);
    let proxy = Proxy::run(shell);
    let session = Session::open(&proxy);
    let ask = |conn: &mut Conn| {
        let own = ("Mcp-Session-Id", session.id.as_str());
        conn.request("POST /mcp", &[BOTH, JSON, own], PING.as_bytes());
        conn.reply().status()
    };
    // One that was used is kept longer than those that never were.
    let mut mine = proxy.connect();
    assert_eq!(ask(&mut mine), 200);
    let conns: Vec<Conn> = (0..crowd).map(|_| proxy.connect()).collect();
    let (start, used) = (Instant::now(), busy(proxy.pid()));
    // On a connection that was there before, and on new ones.
    best(Duration::from_millis(100), || assert_eq!(ask(&mut mine), 200));
    best(Duration::from_millis(100), || assert_eq!(ask(&mut proxy.connect()), 200));
    std::thread::sleep(Duration::from_secs(1));
    let share = (busy(proxy.pid()) - used) / start.elapsed().as_secs_f64();
    assert!(share < 0.2, "it spins: {share}");
    assert!(conns.len() >= crowd);
    drop(conns);
    drop(Session::open(&proxy));
}

#[test]
#[ignore = "takes as long as the deadlines"]
fn readers_that_stop_lose_their_answers_and_nobody_else_notices() {
    let proxy = Proxy::child(&[]);
    let sessions: Vec<_> = (0..4).map(|_| Session::open(&proxy)).collect();
    let (other, slow) = sessions.split_first().unwrap();
    let before = memory(proxy.pid(), "VmRSS:");
    let large = json!([
        {"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\""}, {"fill": 8 << 20},
        {"write": "\"}\n"}]);
    let mut stopped: Vec<Conn> =
        slow.iter().map(|session| session.post(&script("1", "", &large))).collect();
    let start = Instant::now();
    let mut ends = None;
    while start.elapsed() < Duration::from_secs(45) && ends.is_none() {
        assert_eq!(other.ask(PING).head.status, 200);
        std::thread::sleep(Duration::from_millis(200));
        let gone = memory(proxy.pid(), "VmRSS:").saturating_sub(before) < 4096;
        ends = (gone && start.elapsed() > Duration::from_secs(5)).then(|| start.elapsed());
    }
    let ends = ends.expect("what nobody reads is given up");
    assert!(ends > Duration::from_secs(25), "{ends:?}");
    let peak = memory(proxy.pid(), "VmHWM:").saturating_sub(before);
    assert!(peak <= (3 * 8 + 8 + 4) * 1024, "{peak} KiB");
    for conn in &mut stopped {
        let head = conn.head();
        assert!(conn.body(&head).is_err(), "a broken answer must not look whole");
    }
    for session in slow {
        assert_eq!(session.ask(PING).head.status, 200);
    }
}

/// Of nothing that a client says is a line of the log made, and no authorization goes further.
#[test]
fn what_a_client_says_reaches_neither_the_log_nor_the_environment() {
    let mut program = program(&["--port", "0"]);
    program.env("RUST_LOG", "trace").arg("--").arg(CHILD);
    let proxy = Proxy::run(program);
    let body = initialize(QUIET).replace("\"test\"", "\"evil\\u001b[31m\\nforged\"");
    let fields = [BOTH, JSON, ("Authorization", "Bearer passthrough"), ("X-Env", "PWNED=1")];
    let reply = proxy.exchange("POST /mcp", &fields, &body);
    let id = reply.head.field("mcp-session-id").expect("a session").to_owned();
    let session = Session { proxy: &proxy, id, version: QUIET };
    let odd =
        r#"{"jsonrpc":"2.0","id":1,"method":"forged\n\u001b[2Jm","params":{"name":"x\r\ny"}}"#;
    let fields = [BOTH, JSON, ("Authorization", "Bearer passthrough")];
    assert_eq!(session.send("POST /mcp", &fields, odd).reply().status(), 200);
    proxy.exchange("GET /forged%0a%1b[31m", &[("User-Agent", "forged")], "");
    let raw = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: forged\x1b[31m\r\n\r\n";
    proxy.connect().send(raw);
    let env = session.call("2", "env", json!({})).text();
    assert!(!env.contains("passthrough") && !env.contains("PWNED"), "{env}");
    let seen = session.seen().join("\n");
    assert!(!seen.contains("passthrough"), "{seen}");
    assert!(session.delete().status() < 300);
    proxy.logged(&["ended"]);
    let log = proxy.log();
    for word in ["forged", "passthrough", "\u{1b}"] {
        assert!(!log.contains(word), "{word} in\n{log}");
    }
}

#[test]
fn it_listens_on_loopback_and_says_when_it_does_not() {
    let proxy = Proxy::start(&[], &[CHILD]);
    let listening = |pid: u32| -> Vec<String> {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let links = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let inodes: Vec<String> = links
            .filter_map(|link| {
                let name = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                Some(name.to_owned())
            })
            .collect();
        let tables =
            ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/net/{name}")));
        let text = tables.into_iter().flatten().collect::<String>();
        let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // State 0A is LISTEN; the tenth column is the inode.
        rows.filter(|row| row.get(3) == Some(&"0A") && inodes.iter().any(|i| row[9] == i))
            .map(|row| row[1].to_owned())
            .collect()
    };
    let own = listening(proxy.pid());
    assert!(!own.is_empty() && own.iter().all(|at| at.starts_with("0100007F:")), "{own:?}");
    assert!(!proxy.log().contains("no authentication"), "{}", proxy.log());
    let open = Proxy::start(&["--host", "0.0.0.0"], &[CHILD]);
    open.logged(&["WARN", "no authentication"]);
    until("it listens everywhere", PATIENCE, || {
        let all = listening(open.pid());
        !all.is_empty() && all.iter().all(|at| at.starts_with("00000000:"))
    });
}

#[test]
fn a_listed_header_reaches_its_clients_process_and_binds_the_session() {
    let flags = ["--header-env", "X-User=WHO", "--header-env", "authorization=TOKEN"];
    let proxy = Proxy::start(&flags, &[CHILD]);
    let open = |fields: &[(&str, &str)]| {
        let fields: Vec<_> = [BOTH, JSON].iter().chain(fields).copied().collect();
        let reply = proxy.exchange("POST /mcp", &fields, &initialize(QUIET));
        assert_eq!(reply.status(), 200, "{reply:?}");
        reply.head.field("mcp-session-id").unwrap().to_owned()
    };
    let env = |session: &str, fields: &[(&str, &str)]| {
        let own = [BOTH, JSON, ("Mcp-Session-Id", session)];
        let fields: Vec<_> = own.iter().chain(fields).copied().collect();
        proxy.exchange("POST /mcp", &fields, &call("2", "", "env", &json!({})))
    };
    let bob = [("X-User", "bob"), ("Authorization", "Bearer secret"), ("X-Other", "unlisted")];
    let session = open(&bob);
    let told = env(&session, &bob);
    assert_eq!(told.status(), 200);
    for (variable, value) in [("WHO", "bob"), ("TOKEN", "Bearer secret")] {
        assert!(told.body.contains(variable) && told.body.contains(value), "{}", told.body);
    }
    assert!(!told.body.contains("unlisted"), "{}", told.body);
    // To anybody else the session does not exist.
    for other in [&[("X-User", "alice"), bob[1]][..], &[bob[0]], &[]] {
        is_error(&env(&session, other), 404);
    }
    assert_eq!(env(&session, &[bob[1], bob[0]]).status(), 200);
    let alone = open(&[]);
    assert!(!env(&alone, &[]).body.contains("WHO"));
    // What could be read in two ways is refused.
    let twice = [BOTH, JSON, ("X-User", "bob"), ("x-user", "alice")];
    is_error(&proxy.exchange("POST /mcp", &twice, &initialize(QUIET)), 400);
    assert_eq!(proxy.children().len(), 2);
    let log = proxy.log();
    assert!(!log.contains("secret") && !log.contains("bob"), "{log}");
}
