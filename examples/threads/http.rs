//! Just enough HTTP/1.1: one request a connection, its content by `Content-Length`, its answer by
//! length or in chunks. What it can't frame without doubt it refuses.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mcp_bridge::{Admitted, Body, Exchange, Head, Input, Refusal, Response};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::{FAREWELL, Order, PIECE, Shared};

/// Connections at once: as many sessions, each with a stream and a few calls.
const CONNECTIONS: usize = 512;
/// What is read of a peer that is not listened to any more.
const LEFTOVERS: u64 = 1 << 16;
/// For a request's way in, and for each write of its answer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Shared {
    pub(crate) fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming() {
            let Ok(socket) = socket else {
                thread::sleep(FAREWELL); // Out of descriptors: some will be given back.
                continue;
            };
            let mut state = self.lock();
            if state.connections == CONNECTIONS {
                continue; // It is closed.
            }
            state.connections += 1;
            let shared = Arc::clone(self);
            thread::spawn(move || {
                let _ = shared.serve(&socket);
                let _ = socket.shutdown(Shutdown::Both);
                shared.lock().connections -= 1;
                shared.changed.notify_all();
            });
        }
    }

    fn serve(self: &Arc<Self>, socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let deadline = Instant::now() + PATIENCE;
        let mut start = Vec::new();
        let end = loop {
            if let Some(at) = start.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            match start.len() < self.head_limit {
                true => read_some(socket, &mut start, PIECE, deadline)?,
                false => return refuse(socket, "431 Request Header Fields Too Large"),
            }
        };
        let mut body = start.split_off(end);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        if request.parse(&start) != Ok(httparse::Status::Complete(end)) {
            return refuse(socket, "400 Bad Request");
        }
        let fields = request.headers.iter();
        let fields: Vec<_> = fields.map(|field| (field.name, field.value)).collect();
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return refuse(socket, "400 Bad Request");
        };
        let path = target.split('?').next().unwrap_or(target);
        let head = Head { method, path, authority: None, fields: &fields };
        let admitted = match self.lock().bridge.admit(&head) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let Refusal { response, event } = *refusal;
                eprintln!("{event}");
                let head = head_of(&response);
                let Body::Whole(body) = response.body else { return Ok(()) };
                return send_last(socket, &[head, body].concat());
            }
        };
        let length = match length(&fields) {
            Some(length) if length <= admitted.limit() => length,
            Some(_) => return refuse(socket, "413 Content Too Large"),
            None => return refuse(socket, "411 Length Required"),
        };
        if fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect")) {
            (&mut &*socket).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while body.len() < length {
            let missing = length - body.len();
            read_some(socket, &mut body, missing, deadline)?;
        }
        body.truncate(length);
        self.exchange(socket, admitted, &head, &body)
    }

    /// One request and its answer, with an eye on the peer.
    fn exchange(
        self: &Arc<Self>,
        socket: &TcpStream,
        admitted: Admitted,
        head: &Head<'_>,
        body: &[u8],
    ) -> io::Result<()> {
        let mut random = [0; 16];
        getrandom(&mut random, GetRandomFlags::empty())?;
        socket.set_read_timeout(None)?;
        let (sender, orders) = channel();
        let watched = socket.try_clone()?;
        let mut state = self.lock();
        let exchange = admitted.exchange();
        state.exchanges.insert(exchange, (sender, socket.try_clone()?));
        self.feed(&mut state, Input::Request { admitted, head, body, random });
        drop(state);
        let (gone, farewell) = channel::<()>();
        let shared = Arc::clone(self);
        thread::spawn(move || {
            // A peer that closes its side is gone; what it may send before, nobody reads.
            let _ = io::copy(&mut watched.take(LEFTOVERS), &mut io::sink());
            shared.lose(exchange);
            drop(gone);
        });
        let answered = self.answer(socket, exchange, orders, head.method == "HEAD");
        match &answered {
            Ok(()) => {
                self.tell(Input::Delivered { exchange });
                // Let it read to the end before the connection is closed.
                socket.shutdown(Shutdown::Write)?;
                let _ = farewell.recv_timeout(FAREWELL);
            }
            Err(_) => self.lose(exchange),
        }
        answered
    }

    fn lose(self: &Arc<Self>, exchange: Exchange) {
        let mut state = self.lock();
        state.exchanges.remove(&exchange);
        self.feed(&mut state, Input::Lost { exchange });
    }

    /// Sends what the engine orders, and tells it what the peer took.
    fn answer(
        self: &Arc<Self>,
        mut socket: &TcpStream,
        exchange: Exchange,
        orders: Receiver<Order>,
        only_head: bool,
    ) -> io::Result<()> {
        for order in orders {
            match order {
                Order::Head(response) => {
                    socket.write_all(&head_of(&response))?;
                    let Body::Whole(body) = response.body else { continue };
                    for piece in body.chunks(PIECE).filter(|_| !only_head) {
                        socket.write_all(piece)?;
                        self.tell(Input::Taken { exchange, bytes: piece.len() });
                    }
                    return Ok(());
                }
                Order::Piece(bytes) => {
                    for piece in bytes.chunks(PIECE) {
                        let size = format!("{:x}\r\n", piece.len());
                        socket.write_all(&[size.as_bytes(), piece, b"\r\n"].concat())?;
                        self.tell(Input::Taken { exchange, bytes: piece.len() });
                    }
                }
                Order::Finish => return socket.write_all(b"0\r\n\r\n"),
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// Reads once, at most `room` bytes, and not for longer than until the deadline.
fn read_some(
    mut socket: &TcpStream,
    bytes: &mut Vec<u8>,
    room: usize,
    deadline: Instant,
) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    socket.set_read_timeout(Some(left))?;
    let mut piece = [0; PIECE];
    let room = room.min(PIECE);
    match socket.read(&mut piece[..room])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count if Instant::now() < deadline => {
            bytes.extend_from_slice(&piece[..count]);
            Ok(())
        }
        _ => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The content's length; none if it is told in a way that is not known here, or twice.
fn length(fields: &[(&str, &[u8])]) -> Option<usize> {
    let named =
        |name: &'static str| move |field: &&(&str, &[u8])| field.0.eq_ignore_ascii_case(name);
    let mut lengths = fields.iter().filter(named("content-length")).map(|(_, value)| *value);
    let length = lengths.next().unwrap_or(b"0");
    let coded = fields.iter().any(|field| named("transfer-encoding")(&field));
    let clear = length.iter().all(u8::is_ascii_digit) && !coded && lengths.next().is_none();
    if clear { str::from_utf8(length).ok()?.parse().ok() } else { None }
}

/// A response's head. Of the fields that are the driver's, it leaves `date` away.
fn head_of(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} \r\nconnection: close\r\n", response.status);
    for (name, value) in response.fields.iter() {
        head += &format!("{name}: {value}\r\n");
    }
    head += &match &response.body {
        Body::Whole(body) => format!("content-length: {}\r\n\r\n", body.len()),
        Body::Stream => String::from("transfer-encoding: chunked\r\n\r\n"),
    };
    head.into_bytes()
}

fn refuse(socket: &TcpStream, status: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    send_last(socket, head.as_bytes())
}

/// Sends an answer to a peer that may still be sending: closed at once, it would not read it.
fn send_last(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    socket.write_all(bytes)?;
    socket.shutdown(Shutdown::Write)?;
    socket.set_read_timeout(Some(FAREWELL))?;
    io::copy(&mut socket.take(LEFTOVERS), &mut io::sink()).map(|_| ())
}
