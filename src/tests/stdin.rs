//! What a child is to read: order, room, and what becomes of it when nobody reads.

use std::future::poll_fn;
use std::io::{PipeReader, Read};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mcp_bridge::Instant;

use crate::os::sys;
use crate::process::stdin::Stdin;
use crate::reactor::{Clock, Reactor, Source, Use};

/// A clock at which nothing is ever due.
struct Never;

impl Clock for Never {
    fn next(&self) -> Option<std::time::Instant> {
        None
    }

    fn fire(&self) {}
}

/// The time of a wake.
fn wake(number: u64) -> Instant {
    Instant::new(Duration::from_millis(number))
}

/// More than a pipe holds.
const MUCH: usize = 300_000;

fn stdin(reactor: &Rc<Reactor>) -> (Stdin, PipeReader) {
    let (theirs, ours) = sys::pipe_to_child().unwrap();
    (Stdin::new(Source::new(reactor, ours, Use::PipeOut).unwrap()), theirs)
}

#[test]
fn a_child_that_closed_its_input_is_told_of_once() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, theirs) = stdin(&reactor);
    let context = Context::from_waker(Waker::noop());
    stdin.poll(&context);
    assert!(!stdin.take_lost());
    drop(theirs);
    assert_eq!(stdin.write(b"one\n".to_vec(), wake(1)), 4, "it is done with");
    assert!(stdin.is_due() && stdin.take_lost());
    stdin.poll(&context);
    assert!(!stdin.take_lost() && !stdin.is_due());
}

#[test]
fn a_line_that_has_room_is_written_on_the_spot() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, mut theirs) = stdin(&reactor);
    assert_eq!(stdin.write(b"one\n".to_vec(), wake(1)), 4);
    assert_eq!(stdin.write(b"two\n".to_vec(), wake(2)), 4);
    assert!(!stdin.waits());
    let mut read = [0; 8];
    theirs.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"one\ntwo\n");
}

#[test]
fn what_comes_together_is_written_together() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, mut theirs) = stdin(&reactor);
    assert_eq!(stdin.write(b"one\n".to_vec(), wake(1)), 4);
    assert_eq!(stdin.write(b"two\n".to_vec(), wake(1)), 0);
    assert_eq!(stdin.write(b"three\n".to_vec(), wake(2)), 0, "nothing is overtaken");
    assert_eq!(stdin.poll(&Context::from_waker(Waker::noop())), 10);
    assert_eq!(stdin.write(b"four\n".to_vec(), wake(3)), 5);
    let mut read = [0; 19];
    theirs.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"one\ntwo\nthree\nfour\n");
}

#[test]
fn what_has_no_room_waits_and_nothing_is_lost_or_swapped() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, mut theirs) = stdin(&reactor);
    let mut sent = Vec::new();
    let mut done = 0;
    for byte in 0..30 {
        let line = vec![byte; MUCH / 30];
        sent.extend_from_slice(&line);
        done += stdin.write(line, wake(u64::from(byte)));
    }
    assert!(stdin.waits() && done > 0 && done < MUCH, "{done}");
    let reader = std::thread::spawn(move || {
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).unwrap();
        read
    });
    reactor.run(
        &Never,
        poll_fn(|cx| {
            while let count @ 1.. = stdin.poll(cx) {
                done += count;
            }
            if stdin.waits() { Poll::Pending } else { Poll::Ready(()) }
        }),
    );
    assert_eq!((done, stdin.close()), (MUCH, 0));
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn what_nobody_reads_is_told_as_done_with() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, theirs) = stdin(&reactor);
    let done = stdin.write(vec![1; MUCH], wake(1));
    assert_eq!(stdin.write(vec![2; 10], wake(2)), 0, "it waits behind the first");
    drop(theirs);
    let cx = Context::from_waker(Waker::noop());
    // One more try finds out, as soon as the reactor knows that there is something to find out.
    let later = poll_fn(|cx| match stdin.poll(cx) {
        0 => Poll::Pending,
        count => Poll::Ready(count),
    });
    assert_eq!(done + reactor.run(&Never, later), MUCH + 10);
    assert_eq!((stdin.poll(&cx), stdin.write(vec![3; 5], wake(3)), stdin.waits()), (0, 5, false));
}

#[test]
fn what_is_thrown_away_is_counted() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, mut theirs) = stdin(&reactor);
    let done = stdin.write(vec![1; MUCH], wake(1));
    assert_eq!(done + stdin.close(), MUCH);
    let mut read = Vec::new();
    theirs.read_to_end(&mut read).unwrap();
    assert_eq!(read.len(), done);
}

#[test]
fn a_child_that_closed_its_input_is_found_out_at_once() {
    let reactor = Reactor::new().unwrap();
    let (mut stdin, theirs) = stdin(&reactor);
    drop(theirs);
    assert_eq!((stdin.write(vec![1; 7], wake(1)), stdin.waits()), (7, false));
}
