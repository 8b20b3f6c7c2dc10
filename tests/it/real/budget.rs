//! One budget for all that is kept for peers (`--max-memory`): whatever clients and servers do, the
//! program takes little more than that, serves others meanwhile, and gives it back afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::{Value, json};

use crate::support::http::{Conn, PATIENCE};
use crate::support::mcp::{BOTH, JSON, MODERN, QUIET, Session, call, initialize, script};
use crate::support::process::{memory, signal, until};
use crate::support::proxy::{CHILD, Proxy};

const MIB: usize = 1 << 20;
/// What the program may take beside the budget, in KiB.
const BESIDE: usize = 16 * 1024;

/// How large an attack is.
#[derive(Clone, Copy)]
struct Size {
    message: usize,
    budget: usize,
    /// Sessions, or processes.
    many: usize,
    connections: usize,
}

/// Takes seconds.
const SMALL: Size = Size { message: 4 * MIB, budget: 16 * MIB, many: 10, connections: 300 };
/// The default of `--max-message`, and the largest default of `--max-memory`.
const FULL: Size = Size { message: 16 * MIB, budget: 256 * MIB, many: 60, connections: 900 };

impl Size {
    /// A text with which a message is nearly of the largest size.
    fn text(self) -> String {
        "x".repeat(self.fill())
    }

    const fn fill(self) -> usize {
        self.message - 8192
    }

    /// Sessions, each with this call, whose answer nobody reads.
    fn calls<'a>(self, proxy: &'a Proxy, steps: &Value) -> (Vec<Session<'a>>, Vec<Conn>) {
        let sessions: Vec<_> = (0..self.many).map(|_| Session::open(proxy)).collect();
        let calls = sessions.iter().map(|session| session.post(&script("1", "7", steps)));
        let calls = calls.collect();
        (sessions, calls)
    }

    /// Plays an attack, and judges what the program takes, whom it serves meanwhile, and what it
    /// keeps afterwards.
    fn bears<'a>(
        self,
        proxy: &'a Proxy,
        attack: impl FnOnce(Self) -> (Vec<Session<'a>>, Vec<Conn>),
    ) {
        let before = self.holds(proxy, attack);
        self.gives_back(proxy, before);
    }

    /// Plays an attack, and judges what the program takes and whom it serves meanwhile. Returns
    /// what it had before, in KiB.
    fn holds<'a>(
        self,
        proxy: &'a Proxy,
        attack: impl FnOnce(Self) -> (Vec<Session<'a>>, Vec<Conn>),
    ) -> usize {
        let (pid, ends) = (proxy.pid(), AtomicBool::new(false));
        let before = memory(pid, "VmRSS:");
        let (sessions, conns) = scope(|threads| {
            let neighbour = threads.spawn(|| {
                let (mut worst, mut asked) = (Duration::ZERO, 0);
                while !ends.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
                    worst = worst.max(start.elapsed());
                    asked += 1;
                    sleep(Duration::from_millis(50));
                }
                (worst, asked)
            });
            let held = attack(self);
            // Readers that take nothing are cut off after a second.
            sleep(Duration::from_secs(3));
            ends.store(true, Ordering::Relaxed);
            let (worst, asked) = neighbour.join().expect("a neighbour is served");
            assert!(worst < Duration::from_secs(3) && asked > 10, "{worst:?} of {asked}");
            held
        });
        let peak = memory(pid, "VmHWM:");
        assert!(peak <= self.budget / 1024 + BESIDE, "{} MiB", peak / 1024);
        drop(conns);
        for session in sessions {
            session.delete();
        }
        before
    }

    fn gives_back(self, proxy: &Proxy, before: usize) {
        let most = before + BESIDE.min(self.budget / 2 / 1024);
        let (now, what) = (|| memory(proxy.pid(), "VmRSS:"), "the memory is given back");
        until(what, PATIENCE, || now() <= most);
    }

    fn proxy(self, flags: &[&str], options: &[&str]) -> Proxy {
        let (message, budget) = (self.message.to_string(), self.budget.to_string());
        let own = ["--max-message", &message, "--max-memory", &budget];
        Proxy::start(&[&own, flags].concat(), &[&[CHILD], options].concat())
    }

    /// Answers of the largest size that nobody reads.
    fn unread_answers(self) {
        let proxy = self.proxy(&[], &[]);
        let start = r#"{"jsonrpc":"2.0","id":$ID,"result":""#;
        let steps = json!([{"write": start}, {"fill": self.fill()}, {"write": "\"}\n"}]);
        self.bears(&proxy, |size| size.calls(&proxy, &steps));
    }

    /// Messages for servers that do not read.
    fn deaf_servers(self) {
        let proxy = self.proxy(&[], &[]);
        self.bears(&proxy, |size| {
            let (sessions, mut conns) = size.calls(&proxy, &json!([{"deaf": 100_000}]));
            sleep(Duration::from_millis(500));
            let body = call("2", "", "x", &json!({"x": size.text()}));
            conns.extend(sessions.iter().map(|session| session.post(&body)));
            (sessions, conns)
        });
    }

    /// Each of many clients begins with the longest message, and the server is slow.
    fn long_beginnings(self) {
        let slow = json!([{"sleep": 100_000}]).to_string();
        let proxy = self.proxy(&[], &["--initialize", &slow]);
        let body = initialize(QUIET).replace("\"1\"", &format!("\"{}\"", self.text()));
        self.bears(&proxy, |size| {
            let begin = |_| {
                let mut conn = proxy.connect();
                conn.request("POST /mcp", &[BOTH, JSON], body.as_bytes());
                conn
            };
            (Vec::new(), (0..size.many).map(begin).collect())
        });
    }

    /// Requests of 2026-07-28 that wait for processes which do not say what they speak.
    fn shared_starts(self) {
        let slow = json!([{"sleep": 100_000}]).to_string();
        let proxy = self.proxy(&["--affinity", "X-Who"], &["--discover", &slow]);
        self.bears(&proxy, |size| {
            let text = size.text();
            let ask = |n: usize| modern(&proxy, &n.to_string(), "tools/list", &json!({"x": text}));
            (Vec::new(), (0..size.many).map(ask).collect())
        });
    }

    /// One notification of the largest size, for many subscriptions at one process.
    fn fan_out(self) {
        let proxy = self.proxy(&["--eras", "both"], &[]);
        self.bears(&proxy, |size| {
            let filter = json!({"notifications": {"resourceSubscriptions": ["a:b"]}});
            let listen = |_| modern(&proxy, "w", "subscriptions/listen", &filter);
            let mut conns: Vec<_> = (0..size.connections.min(250)).map(listen).collect();
            conns.iter_mut().for_each(|conn| assert_eq!(conn.head().status, 200));
            let start = concat!(
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","#,
                r#""params":{"uri":"a:b","x":""#
            );
            let steps = json!([{"write": start}, {"fill": size.fill()}, {"write": "\"}}\n"}]);
            let params = json!({"name": "script", "arguments": {"steps": steps}});
            conns.push(modern(&proxy, "c", "tools/call", &params));
            (Vec::new(), conns)
        });
    }

    /// Requests that do not go on, and what is sent ahead of their turn.
    fn unfinished_requests(self) {
        let proxy = self.proxy(&[], &[]);
        self.bears(&proxy, |size| {
            let session = Session::open(&proxy);
            let own = format!("Mcp-Session-Id: {}\r\n", session.id);
            let head =
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
            let block = " ".repeat(125_000);
            let begin = |n: usize| {
                let mut conn = proxy.connect();
                let text = match n % 3 {
                    0 => format!("{head}{own}Content-Length: 1000000\r\n\r\n{block}"),
                    1 => format!("{head}{own}Transfer-Encoding: chunked\r\n\r\n1e848\r\n{block}"),
                    _ => {
                        let body = script(&n.to_string(), "", &json!([{"sleep": 100_000}]));
                        let length = body.len();
                        format!("{head}{own}Content-Length: {length}\r\n\r\n{body}{block}")
                    }
                };
                conn.trickle(text.as_bytes());
                conn
            };
            let conns = (0..size.connections).map(begin).collect();
            (vec![session], conns)
        });
    }

    /// Many events that are tiny, kept to be resumed.
    fn tiny_events(self) {
        let proxy = self.proxy(&[], &[]);
        let line = "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n";
        let steps = json!([{"repeat": [40_000, line]}, {"answer": "a"}]);
        self.bears(&proxy, |size| size.calls(&proxy, &steps));
    }

    /// Streams of which nobody reads, several of each session.
    fn unread_streams(self) {
        let proxy = self.proxy(&[], &[]);
        let line = format!(
            concat!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","#,
                r#""params":{{"progressToken":$TOKEN,"progress":$N,"message":"{}"}}}}"#,
                "\n"
            ),
            "y".repeat(1000)
        );
        let steps = json!([{"repeat": [3000, line]}, {"sleep": 100_000}]);
        self.bears(&proxy, |size| {
            let (sessions, mut conns) = size.calls(&proxy, &steps);
            for session in &sessions {
                conns.push(session.send("GET /mcp", &[("Accept", "text/event-stream")], ""));
                conns.push(session.post(&script("2", "8", &steps)));
                conns.push(session.post(&script("3", "9", &steps)));
            }
            (sessions, conns)
        });
    }

    /// Calls that wait for their clients' input, their questions of the largest size, and nobody
    /// keeps a connection or comes back.
    fn parked_calls(self) {
        let proxy = self.proxy(&["--eras", "both"], &[]);
        let start = concat!(
            r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","#,
            r#""params":{"message":""#
        );
        let question = [json!({"write": start}), json!({"fill": self.fill() / 2})];
        let end = [json!({"write": "\"}}\n"}), json!({"sleep": 100_000})];
        let steps = json!([question, end].concat());
        let before = self.holds(&proxy, |size| {
            let text = "x".repeat(size.fill() / 2);
            let params =
                json!({"name": "script", "arguments": {"steps": steps, "x": text}, "_meta": {}});
            let calls =
                (0..size.many).map(|n| modern(&proxy, &n.to_string(), "tools/call", &params));
            let parked = calls.filter_map(|mut conn| {
                let head = conn.try_head().ok()?;
                let body = conn.body(&head).ok()?;
                Some(body.contains("input_required"))
            });
            let parked = parked.filter(|is_parked| *is_parked).count();
            assert!(parked > 0, "no call waits for input");
            (Vec::new(), Vec::new())
        });
        // A call waits for its client's input for minutes (`park`), unless its server ends.
        for pid in proxy.children() {
            signal(pid, Signal::KILL);
        }
        self.gives_back(&proxy, before);
    }

    /// Calls of the largest size by session clients, each kept to be made again, before a server of
    /// 2026-07-28 that does not answer them.
    fn kept_calls(self) {
        let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"no"}}"#;
        let declines = json!([{"write": format!("{error}\n")}]).to_string();
        let proxy = self.proxy(&[], &["--discover", MODERN, "--initialize", &declines]);
        self.bears(&proxy, |size| {
            let sessions: Vec<_> = (0..size.many).map(|_| Session::open(&proxy)).collect();
            let arguments = json!({"steps": [{"sleep": 100_000}], "x": size.text()});
            let body = call("1", "", "script", &arguments);
            let conns = sessions.iter().map(|session| session.post(&body)).collect();
            (sessions, conns)
        });
    }

    /// Heads that do not end, nearly of the largest size.
    fn half_heads(self) {
        let proxy = self.proxy(&[], &[]);
        self.bears(&proxy, |size| {
            let filler = format!("X-Filler: {}\r\n", "y".repeat(7000)).repeat(2);
            let head = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{filler}X-Half: ");
            let begin = |_| {
                let mut conn = proxy.connect();
                conn.trickle(head.as_bytes());
                conn
            };
            (Vec::new(), (0..size.connections).map(begin).collect())
        });
    }

    /// The same, beside calls whose clients send on while they wait.
    fn half_heads_beside_others(self) {
        let proxy = self.proxy(&[], &[]);
        self.bears(&proxy, |_| {
            let session = Session::open(&proxy);
            let slow = json!([{"sleep": 100_000}]);
            let ahead = format!("POST /mcp HTTP/1.1\r\n{}", "y".repeat(130_000));
            let mut conns = Vec::new();
            for number in 0..250 {
                let mut conn = session.post(&script(&number.to_string(), "", &slow));
                conn.trickle(ahead.as_bytes());
                conns.push(conn);
            }
            let filler = format!("X-Filler: {}\r\n", "y".repeat(7900)).repeat(2);
            let head = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{filler}X-Half: ");
            for _ in 0..750 {
                let mut conn = proxy.connect();
                conn.trickle(head.as_bytes());
                conns.push(conn);
            }
            (vec![session], conns)
        });
    }
}

/// A request in the way of 2026-07-28, of which nothing is read yet.
fn modern(proxy: &Proxy, id: &str, method: &str, params: &Value) -> Conn {
    let mut params = params.clone();
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let mut fields =
        vec![BOTH, JSON, ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)];
    fields.push(("X-Who", id));
    fields.extend(params["name"].as_str().map(|_| ("Mcp-Name", "script")));
    let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let mut conn = proxy.connect();
    conn.request("POST /mcp", &fields, body.to_string().as_bytes());
    conn
}

#[test]
fn unread_answers() {
    SMALL.unread_answers();
}

#[test]
fn deaf_servers() {
    SMALL.deaf_servers();
}

#[test]
fn long_beginnings() {
    SMALL.long_beginnings();
}

#[test]
fn shared_starts() {
    SMALL.shared_starts();
}

#[test]
fn fan_out() {
    SMALL.fan_out();
}

#[test]
fn unfinished_requests() {
    SMALL.unfinished_requests();
}

#[test]
fn tiny_events() {
    SMALL.tiny_events();
}

#[test]
fn unread_streams() {
    SMALL.unread_streams();
}

#[test]
fn parked_calls() {
    SMALL.parked_calls();
}

#[test]
fn kept_calls() {
    SMALL.kept_calls();
}

#[test]
fn half_heads() {
    SMALL.half_heads();
}

#[test]
fn half_heads_beside_others() {
    SMALL.half_heads_beside_others();
}

/// With the largest default budget. The endurance run of `.ci/run` runs these.
macro_rules! full {
    ($($name:ident)*) => {
        mod full {
            $(#[test] #[ignore = "takes the largest default budget, 256 MiB"] fn $name() {
                super::FULL.$name();
            })*
        }
    };
}

full! {
    unread_answers deaf_servers long_beginnings shared_starts fan_out unfinished_requests
    tiny_events unread_streams kept_calls half_heads parked_calls
}

#[test]
fn a_content_for_which_there_is_no_room_is_refused_before_it_is_read() {
    let slow = json!([{"sleep": 100_000}]).to_string();
    let proxy = SMALL.proxy(&[], &["--start", &slow]);
    // It is kept twice: as the line that the server does not read, and to be said again.
    let mut first = proxy.connect();
    let body = initialize(QUIET).replace("\"1\"", &format!("\"{}\"", SMALL.text()));
    first.request("POST /mcp", &[BOTH, JSON], body.as_bytes());
    until("there is no room", PATIENCE, || {
        let mut conn = proxy.connect();
        let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        let length = SMALL.message;
        let wait = format!("{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
        conn.send(wait.as_bytes());
        let head = conn.any_head();
        head.is_ok_and(|head| head.status == 503 && head.field("retry-after") == Some("1"))
    });
    // What is small is served.
    assert_eq!(proxy.exchange("GET /healthz", &[], "").status(), 200);
}

/// The system's own limit, below the budget: large work fails, and nothing ends but who needs the
/// memory.
#[test]
fn where_the_system_has_no_memory_large_messages_fail_and_the_program_goes_on() {
    let proxy = Proxy::start(&["--max-memory", "256M"], &[CHILD]);
    let other = Session::open(&proxy);
    let sessions: Vec<_> = (0..12).map(|_| Session::open(&proxy)).collect();
    let limit = memory(proxy.pid(), "VmSize:") as u64 * 1024 + 40 * MIB as u64;
    let pid = Pid::from_raw(i32::try_from(proxy.pid()).unwrap());
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    rustix::process::prlimit(pid, Resource::As, limit).unwrap();
    let start = r#"{"jsonrpc":"2.0","id":$ID,"result":""#;
    let steps = json!([{"write": start}, {"fill": FULL.fill()}, {"write": "\"}\n"}]);
    let unread: Vec<_> = sessions.iter().map(|one| one.post(&script("1", "", &steps))).collect();
    proxy.logged(&["server output held memory when the limit was reached", "--max-memory"]);
    assert_eq!(other.script("1", json!([{"answer": "a"}])).text(), "a");
    drop(unread);
}
