//! Everything at once for a while: good and bad clients before good and bad children, and then the
//! program is as it was.

use std::time::{Duration, Instant};

use serde_json::json;

use super::kept::Folder;
use super::misdeeds::list;
use super::vectors::list as vectors;
use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, PRIMED, QUIET, Session, initialize, script};
use crate::support::process;
use crate::support::proxy::{CHILD, Proxy};

/// Times that the program is started, each time with the file of sessions of the time before.
const LIVES: u64 = 2;
/// Rounds of a life: what grows in each of them leaks.
const ROUNDS: u32 = 3;
/// Seconds until a session sleeps, or has no client.
const SLEEP: u64 = 1;
/// Seconds until a session whose process is gone is forgotten.
const EXPIRY: u64 = 3;

/// The most bytes that the file may have without a use, and the last record.
const WASTE: u64 = (1 << 20) + 8192;

/// A number that may be set from outside.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// How long; an hour where there is time (`SOAK=3600`).
fn seconds() -> u64 {
    setting("SOAK", 30)
}

/// Clients at once.
fn clients() -> u64 {
    setting("SOAK_CLIENTS", 8)
}

/// Most milliseconds that a client rests before it acts again: an hour beside other work
/// (`SOAK_REST=10000`).
fn rest() -> usize {
    setting("SOAK_REST", 0) as usize
}

/// Numbers that look like chance (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// A session, if there is room for one.
fn open<'a>(proxy: &'a Proxy, dice: &mut Dice) -> Option<Session<'a>> {
    let version = if dice.roll(2) == 0 { QUIET } else { PRIMED };
    let reply = proxy.exchange("POST /mcp", &[BOTH, JSON], &initialize(version));
    assert!(matches!(reply.status(), 200 | 503), "{reply:?}");
    let id = reply.head.field("mcp-session-id")?.to_owned();
    Some(Session { proxy, id, version })
}

/// Whether a session was there for a request. One that was used since then, and before it could
/// sleep, is; a client may be later than that, where the machine is slow.
#[track_caller]
fn was_there(status: u16, since: Instant) -> bool {
    let there = (200..300).contains(&status);
    let may_sleep = since.elapsed() >= Duration::from_secs(SLEEP);
    // There may be no room for its process, or it is forgotten.
    assert!(there || may_sleep && matches!(status, 404 | 503), "{status} after {since:?}");
    there
}

/// A client whose session sleeps, and is woken in half of the cases.
fn sleeper(proxy: &Proxy, dice: &mut Dice) {
    let since = Instant::now();
    let Some(session) = open(proxy, dice) else { return };
    let mut stream = session.send("GET /mcp", &[("Accept", "text/event-stream")], "");
    if was_there(stream.head().status, since) && dice.roll(2) == 0 {
        std::thread::sleep(Duration::from_millis(1200));
        let reply = session.post(&script("1", "", &json!([{"answer": "woken"}]))).reply();
        was_there(reply.status(), since);
    }
}

/// A client that calls, in half of the cases listens, and deletes its session.
fn good_client(proxy: &Proxy, dice: &mut Dice) {
    let mut since = Instant::now();
    let Some(session) = open(proxy, dice) else { return };
    let called = Instant::now();
    let answer = session.script("1", json!([{"answer": "right"}]));
    if !was_there(answer.head.status, since) {
        return;
    }
    assert_eq!(answer.text(), "right");
    since = called;
    if dice.roll(2) == 0 {
        let listened = Instant::now();
        let mut stream = session.send("GET /mcp", &[("Accept", "text/event-stream")], "");
        if !was_there(stream.head().status, since) {
            return;
        }
        since = listened;
    }
    was_there(session.delete().status(), since);
}

/// A client that reads some of a large answer, bit by bit, and leaves.
fn slow_reader(proxy: &Proxy, dice: &mut Dice) {
    let since = Instant::now();
    let Some(session) = open(proxy, dice) else { return };
    let steps = json!([
        {"write": "{\"jsonrpc\":\"2.0\",\"id\":$ID,\"result\":\""}, {"fill": 1 << 20},
        {"write": "\"}\n"}]);
    let mut conn = session.post(&script("1", "", &steps));
    // Hundreds of processes share the machine with this one.
    conn.patience(3 * PATIENCE);
    if !was_there(conn.head().status, since) {
        return;
    }
    for _ in 0..dice.roll(20) {
        conn.sip(4096);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Something that a client does.
fn act(proxy: &Proxy, vectors: &[vectors::Vector], dice: &mut Dice) {
    match dice.roll(10) {
        8 => sleeper(proxy, dice),
        9 => slow_reader(proxy, dice),
        0 => {
            let vector = &vectors[dice.roll(vectors.len())];
            let mut conn = proxy.connect();
            conn.trickle(&vector.bytes);
            if dice.roll(2) == 0 {
                conn.half_close();
                conn.until_closed();
            }
        }
        1 => {
            let mut conn = proxy.connect();
            let body = initialize(QUIET);
            conn.request("POST /mcp", &[BOTH, JSON], &body.as_bytes()[..dice.roll(body.len())]);
        }
        2 | 3 => good_client(proxy, dice),
        _ => {
            let Some(session) = open(proxy, dice) else { return };
            let (_, steps, then) = list::DURING[dice.roll(list::DURING.len())];
            let mut conn = session.post(&script("1", "7", &list::steps(steps, then)));
            conn.patience(Duration::from_millis(1 + dice.roll(300) as u64));
            let _ = conn.try_head();
            if dice.roll(2) == 0 {
                session.delete();
            }
        }
    }
}

/// Has all clients do things for so long; what the program uses when they are done.
fn run(proxy: &Proxy, time: Duration, seed: u64) -> (usize, usize, usize) {
    let vectors = vectors::all();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients() {
            let vectors = &vectors;
            scope.spawn(move || {
                let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 8 | client));
                while start.elapsed() < time {
                    act(proxy, vectors, &mut dice);
                    std::thread::sleep(Duration::from_millis(dice.roll(rest() + 1) as u64));
                }
            });
        }
    });
    proxy.childless(2 * PATIENCE);
    process::until("no connection", PATIENCE, || process::usage(proxy.pid()).0 < 64);
    std::thread::sleep(Duration::from_secs(EXPIRY + 1));
    process::usage(proxy.pid())
}

/// The program for so many rounds: what it uses after each stays the same.
fn live(proxy: &Proxy, time: Duration, life: u64) {
    let used: Vec<_> = (1..=u64::from(ROUNDS)).map(|n| run(proxy, time, life << 4 | n)).collect();
    eprintln!("descriptors, threads, KiB: {used:?}");
    for later in &used[1..] {
        assert_eq!((later.0, later.1), (used[0].0, used[0].1), "descriptors, threads");
    }
    // What leaks grows each time. What a large message leaves in the allocator comes by chance.
    let growth = used.windows(2).map(|pair| pair[1].2.saturating_sub(pair[0].2)).min();
    assert!(growth.is_some_and(|growth| growth <= 512), "{used:?}");
    let last = used[used.len() - 1].2;
    assert!(last <= used[0].2 + 4 * 1024, "{used:?}");
}

#[test]
#[ignore = "takes a while by design"]
fn everything_at_once_for_a_while() {
    let folder = Folder::new("soak");
    let file = folder.file();
    let most = (2 * clients()).to_string();
    let (sleep, expiry) = (SLEEP.to_string(), EXPIRY.to_string());
    let waits = ["--session-keep-alive", &sleep, "--sleep", &sleep, "--session-expiry", &expiry];
    let place = ["--max-sessions", &most, "--sessions", file.to_str().unwrap()];
    let round = Duration::from_secs(seconds()) / (ROUNDS * u32::try_from(LIVES).unwrap());
    for life in 0..LIVES {
        let mut proxy = Proxy::start(&[&waits[..], &place[..]].concat(), &[CHILD]);
        // Nothing but what was left asleep a moment ago is in the file.
        proxy.logged(&["asleep: 0"]);
        live(&proxy, round, life);
        drop(Session::open(&proxy).delete());
        proxy.signal(rustix::process::Signal::TERM);
        assert_eq!(proxy.ended(PATIENCE).code(), Some(0));
        let left = std::fs::metadata(&file).unwrap().len();
        assert!(left <= WASTE, "{left} bytes of sessions are left in the file");
    }
}
