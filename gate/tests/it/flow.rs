//! How the gate is used piece by piece, and what that may cost.

use std::rc::Rc;

use hyper_mcp_gate::{Gate, Phase, Refusal, Step};

use crate::gate::{CONTENT_LIMIT, HEAD_LIMIT};
use crate::vectors::chunked;

#[test]
fn leave_to_send_is_given_once_and_only_to_who_waits() {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n";
    for (framing, begun) in [
        ("Content-Length: 3\r\n", "a"),
        ("Transfer-Encoding: chunked\r\n", "3"),
        ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n"),
    ] {
        let head = format!("{head}{framing}\r\n");
        let mut gate = Gate::new(HEAD_LIMIT);
        gate.feed(head.as_bytes());
        assert_eq!(gate.poll(), Ok(Step::Head));
        gate.admit(CONTENT_LIMIT).unwrap();
        assert_eq!(gate.poll(), Ok(Step::Continue));
        assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));
        gate.feed(begun.as_bytes());
        assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));

        let mut gate = Gate::new(HEAD_LIMIT);
        gate.feed(head.as_bytes());
        gate.feed(begun.as_bytes());
        assert_eq!(gate.poll(), Ok(Step::Head));
        gate.admit(CONTENT_LIMIT).unwrap();
        assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));
    }
    // HTTP/1.0 knows no interim responses.
    let mut gate = Gate::new(HEAD_LIMIT);
    gate.feed(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(gate.poll(), Ok(Step::Head));
    gate.admit(CONTENT_LIMIT).unwrap();
    assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));
}

#[test]
fn content_is_read_in_place() {
    let mut gate = Gate::new(HEAD_LIMIT);
    gate.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\nab");
    assert_eq!(gate.poll(), Ok(Step::Head));
    assert!(gate.content_room().is_none());
    gate.admit(CONTENT_LIMIT).unwrap();
    assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));
    let (buffer, missing) = gate.content_room().unwrap();
    assert_eq!(missing, 498);
    assert!(buffer.capacity() < 500, "a claimed length reserves nothing");
    buffer.extend_from_slice(&[b'c'; 498]);
    buffer.extend_from_slice(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(gate.poll(), Ok(Step::Whole));
    assert_eq!(gate.content().len(), 500);
    gate.release();
    assert_eq!(gate.poll(), Ok(Step::Head));
    assert_eq!(gate.path(), "/2");
}

#[test]
fn content_where_none_is_let_in_is_refused_by_name() {
    for rest in ["Content-Length: 1\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"] {
        let mut gate = Gate::new(HEAD_LIMIT);
        gate.feed(format!("GET / HTTP/1.1\r\nHost: h\r\n{rest}").as_bytes());
        assert_eq!(gate.poll(), Ok(Step::Head));
        let refused = gate.admit(0).and_then(|()| gate.poll().map(drop));
        assert_eq!(refused, Err(Refusal::NO_CONTENT), "{rest}");
    }
}

#[test]
fn framing_does_not_pile_up() {
    let mut gate = Gate::new(HEAD_LIMIT);
    gate.feed(chunked("").as_bytes());
    assert_eq!(gate.poll(), Ok(Step::Head));
    gate.admit(1 << 20).unwrap();
    for _ in 0..100_000 {
        gate.feed(b"1\r\nx\r\n");
        assert_eq!(gate.poll(), Ok(Step::More(Phase::Content)));
    }
    assert!(gate.held() < 100_200, "{}", gate.held());
    gate.feed(b"0\r\n\r\n");
    assert_eq!(gate.poll(), Ok(Step::Whole));
    assert_eq!(gate.content().len(), 100_000);
}

/// A long head must not take much more time than as many bytes in short heads, however they come.
#[test]
fn reading_is_linear() {
    let read = |fill: usize| {
        let mut gate = Gate::new(1 << 22);
        gate.feed(b"GET / HTTP/1.1\r\nHost: h\r\nX: ");
        for _ in 0..fill {
            gate.feed(b"x");
            assert!(gate.poll().is_ok());
        }
    };
    let time = |heads: usize, fill: usize| {
        let start = std::time::Instant::now();
        (0..heads).for_each(|_| read(fill));
        start.elapsed().as_secs_f64()
    };
    let best = |heads, fill| (0..3).map(|_| time(heads, fill)).fold(f64::MAX, f64::min);
    // If each byte meant a look at all before it, it would be 64 times as much. Both take as long
    // otherwise, so that other work of the machine delays both.
    let (short, long) = (best(64, 10_000), best(1, 640_000));
    assert!(long < short * 16.0, "{short} s, then {long} s");
}

#[test]
fn each_call_out_of_turn_changes_nothing() {
    let mut gate = Gate::new(HEAD_LIMIT);
    gate.feed(b"HEAD / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n");
    gate.feed(b"Content-Length: 2\r\n\r\nab");
    // Nothing is admitted before the head was read, and nothing released before the content.
    gate.admit(CONTENT_LIMIT).unwrap();
    gate.release();
    assert!(gate.is_for_head());
    for _ in 0..2 {
        assert_eq!(gate.poll(), Ok(Step::Head));
        assert!(gate.end().is_err(), "the request is not whole");
    }
    assert!(gate.expects_continue());
    gate.admit(CONTENT_LIMIT).unwrap();
    gate.admit(0).unwrap();
    for _ in 0..2 {
        assert_eq!(gate.poll(), Ok(Step::Whole));
        assert_eq!((gate.end(), gate.content()), (Ok(()), &b"ab"[..]));
    }
    gate.release();
    assert!(!gate.is_for_head());
    assert_eq!(gate.end(), Ok(()), "no request has begun");
}

#[test]
fn fields_that_are_kept_by_name_are_single() {
    let names: Rc<[String]> = Rc::new([String::from("x-user")]);
    for (fields, known) in [
        ("X-User: ann\r\n", Ok(Step::Head)),
        ("X-User: ann\r\nx-user: bob\r\n", Err(400)),
        ("X-User: \u{e9}\r\n", Err(400)),
        ("Y-User: ann\r\ny-user: bob\r\n", Ok(Step::Head)),
    ] {
        let mut gate = Gate::new(HEAD_LIMIT).keeping(&names);
        gate.feed(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes());
        assert_eq!(gate.poll().map_err(|refusal| refusal.status), known, "{fields}");
    }
}
