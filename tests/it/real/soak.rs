//! Everything at once for a while: good and bad clients before good and bad children, and then the
//! program is as it was.

use std::time::{Duration, Instant};

use serde_json::json;

use super::misdeeds::list;
use super::vectors::list as vectors;
use crate::support::http::PATIENCE;
use crate::support::mcp::{BOTH, JSON, PRIMED, QUIET, Session, initialize, script};
use crate::support::process;
use crate::support::proxy::{CHILD, Proxy};

/// Clients at once.
const CLIENTS: u64 = 8;

/// How long; ten minutes where there is time (`SOAK=600`).
fn seconds() -> u64 {
    std::env::var("SOAK").map_or(20, |seconds| seconds.parse().unwrap())
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

/// Something that a client does.
fn act(proxy: &Proxy, vectors: &[vectors::Vector], dice: &mut Dice) {
    match dice.roll(8) {
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
        2 | 3 => {
            let Some(session) = open(proxy, dice) else { return };
            let answer = session.script("1", json!([{"answer": "right"}]));
            assert_eq!(answer.text(), "right");
            if dice.roll(2) == 0 {
                drop(session.listen());
            }
            assert!(session.delete().status() < 300);
        }
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
        for client in 0..CLIENTS {
            let vectors = &vectors;
            scope.spawn(move || {
                let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 8 | client));
                while start.elapsed() < time {
                    act(proxy, vectors, &mut dice);
                }
            });
        }
    });
    proxy.childless(2 * PATIENCE);
    process::until("no connection", PATIENCE, || process::usage(proxy.pid()).0 < 64);
    std::thread::sleep(Duration::from_secs(2));
    process::usage(proxy.pid())
}

#[test]
#[ignore = "takes a while by design"]
fn everything_at_once_for_a_while() {
    // A session whose server died sleeps, and takes memory, until it expires.
    let waits = ["--session-keep-alive", "1", "--session-expiry", "1"];
    let flags = [&waits[..], &["--max-sessions", "16"]].concat();
    let proxy = Proxy::start(&flags, &[CHILD]);
    let third = Duration::from_secs(seconds()) / 3;
    let used = [1, 2, 3].map(|seed| run(&proxy, third, seed));
    println!("descriptors, threads, KiB: {used:?}");
    for later in &used[1..] {
        assert_eq!((later.0, later.1), (used[0].0, used[0].1), "descriptors, threads");
    }
    // What leaks grows each time. What a large message leaves in the allocator comes by chance.
    let growth = used.windows(2).map(|pair| pair[1].2.saturating_sub(pair[0].2)).min();
    assert!(growth.is_some_and(|growth| growth <= 512), "{used:?}");
    assert!(used[2].2 <= used[0].2 + 4 * 1024, "{used:?}");
    drop(Session::open(&proxy));
}
