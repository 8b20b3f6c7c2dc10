//! The least of an HTTP/1.1 client: requests as bytes, and responses read as they come.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::net::sockopt::set_tcp_quickack;

use crate::bytes::find;
use crate::mcp;

/// What is read in one call.
const READ: usize = 256 * 1024;

/// When the client acknowledges what it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// At once: a peer that leaves Nagle's algorithm on pays nothing for it.
    Quick,
    /// When the kernel thinks it right, which may be 40 ms later.
    Delayed,
}

/// A POST of `body`, in the session if there is one.
pub fn post(target: &Target, session: Option<&str>, body: &str) -> Vec<u8> {
    let length = body.len();
    let extra =
        format!("Content-Type: application/json\r\nAccept: {BOTH}\r\nContent-Length: {length}\r\n");
    request(target, "POST", session, &extra, body)
}

/// A request without content.
pub fn plain(target: &Target, method: &str, session: &str) -> Vec<u8> {
    let extra = if method == "GET" { "Accept: text/event-stream\r\n" } else { "" };
    request(target, method, Some(session), extra, "")
}

const BOTH: &str = "application/json, text/event-stream";

fn request(
    target: &Target,
    method: &str,
    session: Option<&str>,
    extra: &str,
    body: &str,
) -> Vec<u8> {
    let Target { address, path } = target;
    let version = mcp::VERSION;
    let session = session
        .map(|id| format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: {version}\r\n"))
        .unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench\r\n{extra}{session}\r\n{body}"
    )
    .into_bytes()
}

/// Where the peer listens.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Head,
    Length(usize),
    Chunked,
}

/// Reads one response after the other.
#[derive(Debug)]
pub struct Reader {
    /// What came and is not taken apart yet.
    raw: Vec<u8>,
    at: usize,
    framing: Framing,
    /// What is left of the chunk.
    chunk: usize,
    pub status: u16,
    pub session: Option<String>,
    pub is_stream: bool,
    /// The content so far, if it is kept.
    pub body: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            raw: Vec::new(),
            at: 0,
            framing: Framing::Head,
            chunk: 0,
            status: 0,
            session: None,
            is_stream: false,
            body: Vec::new(),
        }
    }
}

impl Reader {
    /// Takes bytes; whether the response is whole now.
    pub fn feed(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.raw.extend_from_slice(bytes);
        let whole = self.advance()?;
        self.raw.drain(..self.at);
        self.at = 0;
        Ok(whole)
    }

    /// Makes way for the next response.
    pub fn next(&mut self) {
        self.framing = Framing::Head;
        self.body.clear();
        self.body.shrink_to(64 * 1024);
        self.raw.shrink_to(64 * 1024);
    }

    /// Whether the head is read.
    pub fn has_head(&self) -> bool {
        self.framing != Framing::Head
    }

    fn rest(&self) -> &[u8] {
        &self.raw[self.at..]
    }

    fn advance(&mut self) -> io::Result<bool> {
        loop {
            match self.framing {
                Framing::Head => {
                    let Some(end) = find(self.rest(), b"\r\n\r\n") else { return Ok(false) };
                    self.head(end)?;
                    self.at += end + 4;
                }
                Framing::Length(length) => {
                    let missing = length - self.body.len();
                    let count = missing.min(self.rest().len());
                    self.take(count);
                    return Ok(count == missing);
                }
                Framing::Chunked if self.chunk > 0 => {
                    let count = self.chunk.min(self.rest().len());
                    self.take(count);
                    self.chunk -= count;
                    if self.chunk > 0 {
                        return Ok(false);
                    }
                }
                Framing::Chunked => match self.size_line()? {
                    None => return Ok(false),
                    Some(0) => return Ok(true),
                    Some(size) => self.chunk = size,
                },
            }
        }
    }

    fn take(&mut self, count: usize) {
        self.body.extend_from_slice(&self.raw[self.at..self.at + count]);
        self.at += count;
    }

    /// The size of the next chunk, its line and the break before it stepped over; the last chunk
    /// only with the break that follows.
    fn size_line(&mut self) -> io::Result<Option<usize>> {
        let begun = !self.body.is_empty();
        let skip = if begun && self.rest().starts_with(b"\r\n") { 2 } else { 0 };
        let line = &self.rest()[skip..];
        let Some(end) = find(line, b"\r\n").filter(|end| *end > 0) else { return Ok(None) };
        let digits = line[..end].split(|byte| *byte == b';').next().unwrap_or_default();
        let size =
            str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.ok_or_else(|| broken("a bad chunk"))?;
        let after = if size == 0 { 4 } else { 2 };
        if line.len() < end + after {
            return Ok(None);
        }
        self.at += skip + end + after;
        Ok(Some(size))
    }

    fn head(&mut self, end: usize) -> io::Result<()> {
        let text = str::from_utf8(&self.raw[self.at..self.at + end]);
        let text = text.map_err(|_| broken("a head that is no text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)).and_then(|s| s.parse().ok());
        self.status = status.ok_or_else(|| broken("a bad status line"))?;
        self.framing = Framing::Length(0);
        self.is_stream = false;
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().map_err(|_| broken("a bad length"))?;
                self.framing = Framing::Length(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                self.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("mcp-session-id") {
                self.session = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("content-type") {
                self.is_stream = value.starts_with("text/event-stream");
            }
        }
        Ok(())
    }
}

/// An error of the benchmark's own.
pub fn broken(what: &str) -> io::Error {
    io::Error::other(what)
}

/// A connection that blocks.
#[derive(Debug)]
pub struct Connection {
    pub socket: TcpStream,
    pub reader: Reader,
    pub acks: Acks,
    piece: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(target: &Target, acks: Acks) -> io::Result<Self> {
        let socket = TcpStream::connect(target.address)?;
        Self::new(socket, acks)
    }

    /// A connection on a socket that is connected.
    pub fn new(socket: TcpStream, acks: Acks) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        set_tcp_quickack(&socket, acks == Acks::Quick)?;
        Ok(Self { socket, reader: Reader::default(), acks, piece: Vec::new() })
    }

    /// Sends a request and reads its response whole.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.reader.next();
        self.socket.write_all(request)?;
        while !self.read()? {}
        Ok(())
    }

    /// Sends a request and reads the head of its response.
    pub fn ask_head(&mut self, request: &[u8]) -> io::Result<()> {
        self.reader.next();
        self.socket.write_all(request)?;
        while !self.reader.has_head() {
            self.read()?;
        }
        Ok(())
    }

    /// Reads once: whether the response is whole.
    pub fn read(&mut self) -> io::Result<bool> {
        self.piece.resize(READ, 0);
        let count = self.socket.read(&mut self.piece)?;
        if count == 0 {
            return Err(broken("the peer closed the connection"));
        }
        // The kernel goes back to its own mind after a while.
        set_tcp_quickack(&self.socket, self.acks == Acks::Quick)?;
        self.reader.feed(&self.piece[..count])
    }
}
