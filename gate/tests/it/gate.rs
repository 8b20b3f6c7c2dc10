//! The gate against raw requests, good and bad, written from RFC 9110 and 9112. Each is fed whole,
//! in single bytes, and cut at every place: the outcome must be the same.

use hyper_mcp_gate::{Gate, Phase, Step};

use crate::vectors::{self, chunked};

pub(crate) const HEAD_LIMIT: usize = 16 * 1024;
pub(crate) const CONTENT_LIMIT: usize = 1000;

/// What became of the bytes: one line for each request, then how it stands.
fn run(pieces: &[&[u8]]) -> Vec<String> {
    let mut gate = Gate::new(HEAD_LIMIT);
    let mut seen = Vec::new();
    for piece in pieces {
        gate.feed(piece);
        if go(&mut gate, &mut seen) {
            return seen;
        }
    }
    seen.push(match gate.end() {
        Ok(()) => "end".to_owned(),
        Err(refusal) => format!("{} at the end", refusal.status),
    });
    seen
}

/// Whether it is over.
fn go(gate: &mut Gate, seen: &mut Vec<String>) -> bool {
    loop {
        match gate.poll() {
            Ok(Step::More(phase)) => {
                // Nothing that is held back may grow beyond what is let in.
                assert!(gate.held() <= HEAD_LIMIT + CONTENT_LIMIT + 70_000);
                assert!(phase != Phase::Idle || gate.held() == 0);
                return false;
            }
            Ok(Step::Head) => {
                if let Err(refusal) = gate.admit(CONTENT_LIMIT) {
                    seen.push(refusal.status.to_string());
                    return true;
                }
            }
            Ok(Step::Continue) => {}
            Ok(Step::Whole) => {
                let alive = gate.keeps_alive();
                seen.push(describe(gate));
                gate.release();
                if !alive {
                    seen.push("close".to_owned());
                    return true;
                }
            }
            Err(refusal) => {
                seen.push(refusal.status.to_string());
                assert_eq!(gate.poll(), Err(refusal), "a refusal is final");
                return true;
            }
        }
    }
}

fn describe(gate: &Gate) -> String {
    let fields: Vec<_> = gate.fields().map(|(name, value)| format!(" {name}={value}")).collect();
    let content = String::from_utf8_lossy(gate.content()).into_owned();
    format!("{} {}{} [{content}]", gate.method(), gate.path(), fields.concat())
}

/// The same bytes give the same outcome however they are cut.
fn outcome(bytes: &[u8]) -> String {
    let whole = run(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(&single), whole, "in single bytes: {:?}", String::from_utf8_lossy(bytes));
    for cut in 0..bytes.len().min(600) {
        let (one, two) = bytes.split_at(cut);
        assert_eq!(run(&[one, two]), whole, "cut at {cut}: {:?}", String::from_utf8_lossy(bytes));
    }
    whole.join("; ")
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, expected: &str) {
    let bytes = bytes.as_ref();
    assert_eq!(outcome(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
}

/// Each vector is right, and there are as many as were promised.
#[test]
fn vectors_are_judged_however_they_are_cut() {
    let vectors = vectors::all();
    assert!(vectors.len() >= 240, "{}", vectors.len());
    for vector in vectors {
        check(vector.bytes, &vector.expected);
    }
}

#[test]
fn heads_are_bounded() {
    let padded =
        |fill: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(fill));
    let most = HEAD_LIMIT - padded(0).len();
    check(padded(most), "GET / Host=h []; end");
    check(padded(most + 1), "431");
    check(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_LIMIT)), "431");
    let kept =
        |fill: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nAccept: {}\r\n\r\n", "x".repeat(fill));
    assert!(outcome(kept(7000).as_bytes()).ends_with("end"));
    check(kept(7200), "431");
    // Of a trace context that there is no room for nothing is kept, also of what follows.
    let trace = |fill: usize| format!("Tracestate: {}\r\n", "x".repeat(fill));
    let traced = format!("GET / HTTP/1.1\r\nHost: h\r\n{0}{0}{1}\r\n", trace(4000), trace(1));
    check(traced, "GET / Host=h []; end");
    // The first fault counts, however the bytes are cut.
    check(format!("GET /{}\n", "a".repeat(3000)), "414");
    check(format!("GET / HTTP/1.1\r\nX: {}\n", "x".repeat(HEAD_LIMIT)), "431");
    check(format!("GET /{}\n", "a".repeat(HEAD_LIMIT)), "414");
    // It is refused before its end has come, and whatever comes then.
    let mut gate = Gate::new(HEAD_LIMIT);
    gate.feed(b"GET / HTTP/1.1\r\nX: ");
    gate.feed(&vec![b'x'; HEAD_LIMIT]);
    assert_eq!(gate.poll().map_err(|refusal| refusal.status), Err(431));
}

/// A head that is the last one again, or nearly, is judged as if it were the first.
#[test]
fn a_head_that_comes_again_is_judged_like_any_other() {
    let sized = |length: &str, content: &str| {
        format!(
            "POST /m HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nAccept: a\r\n\r\n{content}"
        )
    };
    let first = sized("10", "0123456789");
    let plain = String::from("GET / HTTP/1.1\r\nHost: h\r\nAccept: a\r\n\r\n");
    let many = "x".repeat(100);
    let requests = [
        first.clone(),
        sized("9", "012345678"),
        sized("0", ""),
        sized("100", &many),
        sized("000000000000000000000100", &many),
        sized("0010", "0123456789"),
        sized("1001", ""),
        sized("99999999999999999999", ""),
        sized("", ""),
        sized("+1", "x"),
        sized("1x", "x"),
        sized("1 ", "x"),
        sized("1, 1", "x"),
        format!("12{first}"),
        format!("\r\n{first}"),
        first.replace("Accept: a", "Accept: b"),
        first.replace("POST /m", "POST /n"),
        first.replace("Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"),
        first.replace("1.1", "1.0"),
        plain.clone(),
        format!("1{plain}"),
        chunked("3\r\nabc\r\n0\r\n\r\n"),
    ];
    let begun = ["[0123456789]; end", "[]; end"];
    for (before, begun) in [&first, &plain].into_iter().zip(begun) {
        let alone = outcome(before.as_bytes());
        assert!(alone.ends_with(begun), "{alone}");
        for request in &requests {
            let then = outcome(request.as_bytes());
            let both = format!("{}; {then}", alone.trim_end_matches("; end"));
            let pair = [&**before, request, request].concat();
            check([&**before, request].concat(), &both);
            if then.ends_with("; end") {
                check(pair, &format!("{}; {then}", both.trim_end_matches("; end")));
            }
        }
    }
    let mut gate = Gate::new(HEAD_LIMIT);
    for (request, again) in [(0, false), (1, true), (3, true), (19, false), (0, false), (5, true)] {
        gate.feed(requests[request].as_bytes());
        assert_eq!(gate.poll(), Ok(Step::Head));
        assert_eq!(gate.repeats(), again, "request {request}");
        gate.admit(CONTENT_LIMIT).unwrap();
        assert_eq!(gate.poll(), Ok(Step::Whole));
        gate.release();
    }
}
