//! The floor: the same bytes over HTTP with no child, no session table and no second thread. What
//! it costs, sockets cost; nothing that really bridges can be cheaper.
//!
//! Usage: `floor PORT`

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use hyper_mcp_proxy_bench::bytes::{find, number_of, value_of};
use hyper_mcp_proxy_bench::http::broken;
use hyper_mcp_proxy_bench::mcp;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};

/// The event data of the listener.
const LISTENER: u64 = u64::MAX;
/// A buffer above this is given back after the request.
const KEEP: usize = 16 * 1024;

struct Client {
    socket: TcpStream,
    held: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("floor PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = Vec::with_capacity(128);
    let mut piece = vec![0; 64 * 1024];
    loop {
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = event.data.u64();
            if data == LISTENER {
                let (socket, _) = listener.accept()?;
                socket.set_nodelay(true)?;
                let place = clients.iter().position(Option::is_none).unwrap_or(clients.len());
                epoll::add(&poll, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
                clients.resize_with(clients.len().max(place + 1), || None);
                clients[place] = Some(Client { socket, held: Vec::new() });
                continue;
            }
            let client = &mut clients[data as usize];
            if client.as_mut().is_some_and(|client| client.serve(&mut piece).is_err()) {
                *client = None;
            }
        }
    }
}

impl Client {
    fn serve(&mut self, piece: &mut [u8]) -> io::Result<()> {
        let count = self.socket.read(piece)?;
        if count == 0 {
            return Err(broken("closed"));
        }
        self.held.extend_from_slice(&piece[..count]);
        // One client sends one request at a time.
        let Some(end) = find(&self.held, b"\r\n\r\n") else { return Ok(()) };
        let head = &self.held[..end];
        let length = find(head, b"Content-Length: ").and_then(|at| {
            let digits = head[at + 16..].split(|byte| *byte == b'\r').next()?;
            str::from_utf8(digits).ok()?.parse().ok()
        });
        let whole = end + 4 + length.unwrap_or(0);
        if self.held.len() < whole {
            return Ok(());
        }
        let done = answer(&self.held[..end], &self.held[end + 4..whole], &self.socket);
        self.held.clear();
        self.held.shrink_to(KEEP);
        done
    }
}

fn answer(head: &[u8], body: &[u8], mut socket: &TcpStream) -> io::Result<()> {
    if head.starts_with(b"GET") && find(head, b": none").is_none() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        return socket.write_all(head.as_bytes());
    }
    if !head.starts_with(b"POST") {
        return socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
    let Some(id) = value_of(body, br#""id":"#) else {
        return socket.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    };
    let begin = &body[..body.len().min(1024)];
    let has = |what: &str| find(begin, what.as_bytes()).is_some();
    let result = if has(r#""initialize""#) {
        mcp::INITIALIZED.to_owned()
    } else if has(r#""progress""#) {
        return stream(id, begin, socket);
    } else if has(r#""blob""#) {
        return blob(id, begin, socket);
    } else if has(r#""sink""#) {
        mcp::text("taken")
    } else {
        mcp::echo().to_owned()
    };
    let mut line = Vec::new();
    mcp::answer(id, result.as_bytes(), &mut line);
    let length = line.len() - 1;
    let mut out = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-type: application/json\r\n\
         mcp-session-id: 00000000000000000000000000000000\r\n\r\n"
    )
    .into_bytes();
    out.extend_from_slice(&line[..length]);
    socket.write_all(&out)
}

/// The events of a call that wants to be told of progress, in as few writes as they fill.
fn stream(id: &[u8], call: &[u8], mut socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let count = number_of(call, br#""count":"#).unwrap_or(0);
    let mut events = Vec::new();
    for number in 1..=count {
        events.extend_from_slice(b"data: ");
        mcp::progress(id, number, &mut events);
        events.push(b'\n');
        if events.len() > 60 * 1024 {
            chunk(&mut events, socket)?;
        }
    }
    events.extend_from_slice(b"data: ");
    mcp::answer(id, mcp::text("done").as_bytes(), &mut events);
    events.push(b'\n');
    chunk(&mut events, socket)?;
    socket.write_all(b"0\r\n\r\n")
}

fn chunk(events: &mut Vec<u8>, mut socket: &TcpStream) -> io::Result<()> {
    let mut out = format!("{:x}\r\n", events.len()).into_bytes();
    out.append(events);
    out.extend_from_slice(b"\r\n");
    socket.write_all(&out)
}

fn blob(id: &[u8], call: &[u8], mut socket: &TcpStream) -> io::Result<()> {
    let size = number_of(call, br#""size":"#).unwrap_or(0);
    let mut length = 0;
    mcp::blob(id, size, |piece| {
        length += piece.len();
        Ok(())
    })?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-type: application/json\r\n\r\n"
    );
    socket.write_all(head.as_bytes())?;
    mcp::blob(id, size, |piece| socket.write_all(piece))
}
