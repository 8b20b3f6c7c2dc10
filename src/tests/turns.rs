//! Turns: nobody waits for long, however much others have to do.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mcp_bridge::Config;
use rustix::io::ioctl_fionbio;
use smol::LocalExecutor;

use crate::http::connection;
use crate::hub::Door;
use crate::hub::{Hub, SCRATCH};
use crate::os::sys::OwnedFd;
use crate::process::line_reader::{LINES, LineReader};
use crate::reactor::turns::{REQUEST, SHORT, Turn, Turns};
use crate::reactor::{Clock, Reactor, Source, Use};

/// A clock at which nothing is ever due.
struct Never;

impl Clock for Never {
    fn next(&self) -> Option<Instant> {
        None
    }

    fn fire(&self) {}
}

fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn a_task_with_more_to_do_waits_for_its_turn() {
    let turns: Rc<Turns> = Rc::default();
    let (mut one, mut two) = (Turn::new(&turns), Turn::new(&turns));
    for turn in [&mut one, &mut two] {
        for _ in 0..SHORT {
            assert!(turn.poll(&nobody()).is_ready());
            turn.spend(1);
        }
        assert!(turn.poll(&nobody()).is_pending());
        turn.rest();
        assert!(turn.poll(&nobody()).is_pending(), "rest leaves no queue");
    }
    // In order, one at a time.
    turns.next();
    assert!(two.poll(&nobody()).is_pending());
    assert!(one.poll(&nobody()).is_ready());
    one.spend(1000 * SHORT);
    assert!(one.poll(&nobody()).is_ready(), "a long turn is limited in time alone");
    std::thread::sleep(Duration::from_millis(1));
    assert!(one.poll(&nobody()).is_pending());
    turns.next();
    assert!(one.poll(&nobody()).is_pending() && two.poll(&nobody()).is_ready());
    // Without more to do it goes on as it began.
    two.rest();
    two.spend(SHORT - 1);
    assert!(two.poll(&nobody()).is_ready());
}

#[test]
fn a_task_that_is_gone_takes_no_turn() {
    let turns: Rc<Turns> = Rc::default();
    let mut all: Vec<_> = (0..3).map(|_| Turn::new(&turns)).collect();
    for turn in &mut all {
        turn.spend(SHORT);
        assert!(turn.poll(&nobody()).is_pending());
    }
    all.drain(..2);
    turns.next();
    assert!(all[0].poll(&nobody()).is_ready());
    assert!(turns.is_empty());
}

/// Between two looks at the descriptors one of them goes on, whatever their number.
#[test]
fn tasks_with_much_to_do_go_on_one_at_a_time() {
    let reactor = Reactor::new().unwrap();
    let executor = LocalExecutor::new();
    let (looks, most) = (Cell::new(0_usize), Cell::new(0));
    let polled: Rc<Cell<usize>> = Rc::default();
    for _ in 0..50 {
        let mut turn = Turn::new(&reactor.turns);
        let polled = Rc::clone(&polled);
        let busy = poll_fn(move |cx| {
            polled.set(polled.get() + 1);
            while turn.poll(cx).is_ready() {
                turn.spend(SHORT);
                std::hint::spin_loop();
            }
            Poll::<()>::Pending
        });
        executor.spawn(busy).detach();
    }
    let work = poll_fn(|cx| {
        polled.set(0);
        while executor.try_tick() {}
        if looks.get() > 0 {
            most.set(most.get().max(polled.get()));
        }
        looks.set(looks.get() + 1);
        cx.waker().wake_by_ref();
        if looks.get() == 200 { Poll::Ready(()) } else { Poll::Pending }
    });
    reactor.run(&Never, work);
    assert_eq!(most.get(), 1);
}

fn filled(bytes: &[u8]) -> (Rc<Reactor>, LineReader) {
    let reactor = Reactor::new().unwrap();
    let (reader, mut writer): (PipeReader, _) = std::io::pipe().unwrap();
    ioctl_fionbio(&reader, true).unwrap();
    writer.write_all(bytes).unwrap();
    let end = Source::new(&reactor, OwnedFd::from(reader), Use::PipeIn).unwrap();
    (reactor, LineReader::new(end))
}

#[test]
fn a_piece_of_what_a_child_says_has_few_lines() {
    let scratch = RefCell::new(vec![0; SCRATCH]);
    for line in [&b"x\n"[..], b"\n", b"[\n", b"\xff\xfe\n", b"{\"a\": 1}\r\n"] {
        let said = line.repeat(60_000 / line.len());
        let (_reactor, mut reader) = filled(&said);
        let mut got = Vec::new();
        while got.len() < said.len() {
            let mut lines = 0;
            let units = reader.poll(&nobody(), &scratch, |piece| {
                lines = piece.iter().filter(|&&byte| byte == b'\n').count();
                got.extend_from_slice(piece);
            });
            assert!((1..=LINES).contains(&lines), "{lines} lines of {line:?}");
            assert!(units >= lines, "{units} units for {lines} lines");
        }
        assert!(got == said);
        // The other end is closed.
        reader.retry();
        assert_eq!(reader.poll(&nobody(), &scratch, |piece| assert_eq!(piece, b"")), 1);
        assert_eq!(reader.poll(&nobody(), &scratch, |_| unreachable!()), 0);
    }
    // A long line is given as it is read.
    let (_reactor, mut reader) = filled(&[b'x'; 60_000]);
    assert!(reader.poll(&nobody(), &scratch, |piece| assert_eq!(piece.len(), 60_000)) > 10);
}

/// How many requests of those that come together are answered before others have their turn.
#[test]
fn of_requests_that_come_together_the_first_few_are_answered() {
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200"),
        ("GET /mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
        ("GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n", ""),
        ("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", "4"),
    ] {
        let reactor = Reactor::new().unwrap();
        let config = Config { loopback: true, ..Config::default() };
        let hub = Hub::new(config, None, Rc::clone(&reactor), Default::default())
            .expect("a good configuration");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        client.write_all(request.repeat(200).as_bytes()).unwrap();
        let socket = Source::new(&reactor, OwnedFd::from(socket), Use::Socket).unwrap();
        hub.connections.set(1);
        hub.executor.spawn(connection::serve(Rc::clone(&hub), socket, Door::Front)).detach();
        while hub.executor.try_tick() {}
        let mut answers = vec![0; 1 << 20];
        let count = client.read(&mut answers).unwrap();
        let answers = String::from_utf8_lossy(&answers[..count]).into_owned();
        let begin = format!("HTTP/1.1 {status}");
        let answered = answers.matches(&begin).count();
        assert!((1..=SHORT / REQUEST).contains(&answered), "{answered} of {request:?}: {answers}");
    }
}
