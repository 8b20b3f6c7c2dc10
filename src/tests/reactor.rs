//! The reactor, and its portable twin.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{PipeReader, PipeWriter, Write};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::io::{ioctl_fionbio, read, write};

use crate::reactor::{Clock, Reactor, Source, Use, portable};

/// A clock that is due once, and then never.
#[derive(Default)]
struct Alarm {
    at: Cell<Option<Instant>>,
    fired: Cell<Option<Instant>>,
}

impl Clock for Alarm {
    fn next(&self) -> Option<Instant> {
        self.at.get()
    }

    fn fire(&self) {
        if self.at.get().is_some_and(|at| at <= Instant::now()) {
            self.at.set(None);
            self.fired.set(Some(Instant::now()));
        }
    }
}

/// A clock at which nothing is ever due, and how often it was looked at.
#[derive(Default)]
struct Looks(Cell<u32>);

impl Clock for Looks {
    fn next(&self) -> Option<Instant> {
        None
    }

    fn fire(&self) {
        self.0.set(self.0.get() + 1);
    }
}

fn pipe(reactor: &Rc<Reactor>) -> (Source<PipeReader>, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&reader, true).unwrap();
    (Source::new(reactor, reader, Use::PipeIn).unwrap(), writer)
}

fn poll_read(source: &Source<PipeReader>, cx: &Context<'_>) -> Poll<usize> {
    let mut buffer = [0; 16];
    source.poll_read(cx, |fd| read(fd, &mut buffer)).map(|count| {
        let count = count.unwrap();
        if count < 16 {
            source.drained();
        }
        count
    })
}

#[test]
fn bytes_from_another_thread_wake_the_reader() {
    let reactor = Reactor::new().unwrap();
    let (source, mut writer) = pipe(&reactor);
    let thread = std::thread::spawn(move || {
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(2));
            writer.write_all(b"abc").unwrap();
        }
    });
    let mut total = 0;
    reactor.run(
        &Alarm::default(),
        poll_fn(|cx| {
            loop {
                match poll_read(&source, cx) {
                    Poll::Ready(0) => return Poll::Ready(()),
                    Poll::Ready(count) => total += count,
                    Poll::Pending => return Poll::Pending,
                }
            }
        }),
    );
    assert_eq!(total, 60);
    thread.join().unwrap();
}

/// The end is told even if it came together with the last bytes, which one short read took.
#[test]
fn the_end_behind_the_last_bytes_is_seen() {
    let reactor = Reactor::new().unwrap();
    let (source, mut writer) = pipe(&reactor);
    let mut seen = Vec::new();
    let mut writer = Some(writer.write_all(b"last").map(|()| writer).unwrap());
    reactor.run(
        &Alarm::default(),
        poll_fn(|cx| {
            while let Poll::Ready(count) = poll_read(&source, cx) {
                seen.push(count);
                drop(writer.take());
                if count == 0 {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        }),
    );
    assert_eq!(seen, [4, 0]);
}

#[test]
fn a_full_pipe_wakes_the_writer_when_it_is_read() {
    let reactor = Reactor::new().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    let source = Source::new(&reactor, writer, Use::PipeOut).unwrap();
    let total = 1 << 20;
    let thread = std::thread::spawn(move || {
        let mut read = 0;
        let mut buffer = vec![0; 5000];
        while read < total {
            read += std::io::Read::read(&mut reader, &mut buffer).unwrap();
        }
        read
    });
    let mut sent = 0;
    reactor.run(
        &Alarm::default(),
        poll_fn(|cx| {
            while sent < total {
                let piece = vec![0; (total - sent).min(10_000)];
                match source.poll_write(cx, |fd| write(fd, &piece)) {
                    Poll::Ready(count) => sent += count.unwrap(),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        }),
    );
    assert_eq!(thread.join().unwrap(), total);
}

#[test]
fn it_sleeps_until_the_clock_is_due() {
    let reactor = Reactor::new().unwrap();
    let alarm = Alarm::default();
    let start = Instant::now();
    alarm.at.set(Some(start + Duration::from_millis(30)));
    let polls = Cell::new(0);
    reactor.run(
        &alarm,
        poll_fn(|_| {
            polls.set(polls.get() + 1);
            if alarm.fired.get().is_some() { Poll::Ready(()) } else { Poll::Pending }
        }),
    );
    assert!(alarm.fired.get().unwrap() >= start + Duration::from_millis(30));
    assert!(polls.get() <= 3, "{} polls: it does not sleep", polls.get());
}

/// What runs after a wake reckons with the time of that wake, whatever woke it.
#[test]
fn the_clock_is_looked_at_after_each_wake() {
    fn woken_thrice(looks: &Looks) -> impl Future<Output = ()> {
        let mut wakes = 0;
        poll_fn(move |cx| {
            assert!(looks.0.get() >= wakes, "{} looks, {wakes} wakes", looks.0.get());
            wakes += 1;
            cx.waker().wake_by_ref();
            if wakes > 3 { Poll::Ready(()) } else { Poll::Pending }
        })
    }
    let looks = Looks::default();
    Reactor::new().unwrap().run(&looks, woken_thrice(&looks));
    let looks = Looks::default();
    portable::Reactor::new().unwrap().run(&looks, woken_thrice(&looks));
}

#[test]
fn a_wake_from_another_thread_is_never_lost() {
    let reactor = Reactor::new().unwrap();
    let (send, receive) = std::sync::mpsc::channel::<std::task::Waker>();
    let thread = std::thread::spawn(move || receive.into_iter().for_each(std::task::Waker::wake));
    let mut rounds = 0;
    let start = Instant::now();
    reactor.run(
        &Alarm::default(),
        poll_fn(|cx| {
            rounds += 1;
            if rounds > 2000 {
                return Poll::Ready(());
            }
            send.send(cx.waker().clone()).unwrap();
            Poll::Pending
        }),
    );
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(send);
    thread.join().unwrap();
}

/// A descriptor that was closed leaves nothing behind that could wake who has its place.
#[test]
fn places_are_used_again() {
    let reactor = Reactor::new().unwrap();
    for _ in 0..1000 {
        let (source, mut writer) = pipe(&reactor);
        writer.write_all(b"x").unwrap();
        drop(source);
        let (next, _writer) = pipe(&reactor);
        let cx = Context::from_waker(std::task::Waker::noop());
        assert!(poll_read(&next, &cx).is_pending());
    }
}
