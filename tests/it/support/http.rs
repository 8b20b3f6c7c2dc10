//! A blocking HTTP/1.1 client that hides nothing: raw bytes out; status, fields, chunks and
//! server-sent events in. No read waits longer than [`PATIENCE`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long anything may take that is no test of waiting.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The status line and the fields of a response, names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// The only value of this field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.fields);
        value
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Conn {
    pub(crate) fn open(addr: SocketAddr) -> Self {
        Self::try_open(addr).expect("somebody listens")
    }

    /// None if nobody listens.
    pub(crate) fn try_open(addr: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).ok()?;
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let conn = Self { stream, unread: Vec::new() };
        conn.patience(PATIENCE);
        Some(conn)
    }

    /// How long a read waits from now on.
    pub(crate) fn patience(&self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).unwrap();
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a request; `Host`, and `Content-Length` if there is content, are added.
    pub(crate) fn request(&mut self, line: &str, fields: &[(&str, &str)], body: &[u8]) {
        let host = self.stream.peer_addr().unwrap();
        let mut head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(head.as_bytes());
        // A peer that refuses the body may answer and close before it has read it.
        let _ = self.stream.write_all(body);
    }

    /// Reads some more; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut block = [0; 65536];
        let read = self.stream.read(&mut block)?;
        self.unread.extend_from_slice(&block[..read]);
        Ok(read > 0)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(self.unread[..end].to_vec()).unwrap();
                self.unread.drain(..end + 2);
                return Ok(line);
            }
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// The head of the final response: interim ones may come before it (RFC 9110, "Informational
    /// 1xx").
    pub(crate) fn try_head(&mut self) -> io::Result<Head> {
        loop {
            let head = self.any_head()?;
            if head.status >= 200 {
                return Ok(head);
            }
        }
    }

    /// The next head, which may be of an interim response.
    pub(crate) fn any_head(&mut self) -> io::Result<Head> {
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                assert_eq!(line, "");
                return Ok(Head { status, fields });
            };
            fields.push((name.to_lowercase(), String::from(value.trim())));
        }
    }

    pub(crate) fn head(&mut self) -> Head {
        self.try_head().expect("a response's head")
    }

    /// The next chunk; none at the last.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("size {size:?}"));
        let chunk = self.bytes(size)?;
        assert_eq!(self.bytes(2)?, b"\r\n", "after a chunk");
        Ok((size > 0).then_some(chunk))
    }

    /// The rest of a response with this head; an error if it is broken off.
    pub(crate) fn body(&mut self, head: &Head) -> io::Result<String> {
        let mut body = Vec::new();
        if head.field("transfer-encoding") == Some("chunked") {
            assert_eq!(head.field("content-length"), None);
            while let Some(chunk) = self.chunk()? {
                body.extend(chunk);
            }
        } else if let Some(length) = head.field("content-length") {
            body = self.bytes(length.parse().unwrap())?;
        } else if head.status != 204 {
            while self.more()? {}
            body = std::mem::take(&mut self.unread);
        }
        Ok(String::from_utf8(body).expect("UTF-8"))
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let head = self.head();
        let body = self.body(&head).expect("a whole response");
        Reply { head, body }
    }

    /// Drops all that still comes until the peer closes.
    pub(crate) fn until_closed(&mut self) {
        while !self.is_closed() {
            assert!(!self.unread.is_empty(), "it is neither closed nor is there more");
            self.unread.clear();
        }
    }

    /// Whether the peer closed the connection, with nothing left to read.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty()
            && match self.more() {
                Ok(more) => !more,
                Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
            }
    }

    /// Reads at most so many bytes, which stay unread here.
    pub(crate) fn sip(&mut self, most: usize) {
        let mut block = vec![0; most];
        let read = self.stream.read(&mut block).unwrap();
        assert!(read > 0, "the peer has closed");
        self.unread.extend_from_slice(&block[..read]);
    }

    /// Sends as much of this as there is room for, drops what has come, and waits for neither.
    pub(crate) fn exchange_at_once(&self, bytes: &[u8]) {
        let mut stream = &self.stream;
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write(bytes);
        let _ = stream.read(&mut [0; 65536]);
        stream.set_nonblocking(false).unwrap();
    }

    /// Sends something if it still can.
    pub(crate) fn trickle(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Whether the peer has closed by now, after whatever it sent.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.patience(Duration::from_millis(1));
        loop {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return true,
                Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
            }
        }
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
}

/// One server-sent event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type, unless it is that of messages.
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Option<String>,
    pub(crate) comment: bool,
}

impl Event {
    pub(crate) fn json(&self) -> serde_json::Value {
        let data = self.data.as_deref().unwrap_or_default();
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A response that is a stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    pub(crate) head: Head,
    conn: Conn,
    text: Vec<u8>,
    /// How much of `text` is known to hold no end of an event.
    searched: usize,
}

impl Events {
    /// Reads the head of a response that must be a stream.
    pub(crate) fn read(mut conn: Conn) -> Self {
        let head = conn.head();
        if !head.is_stream() {
            panic!("no stream: {head:?} {:?}", conn.body(&head));
        }
        assert_eq!(head.status, 200);
        Self { head, conn, text: Vec::new(), searched: 0 }
    }

    /// The next event, with comments; none at the stream's end, an error if it is broken off or
    /// nothing comes.
    pub(crate) fn try_any(&mut self) -> io::Result<Option<Event>> {
        loop {
            let unsearched = &self.text[self.searched..];
            if let Some(end) = unsearched.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..self.searched + end + 2).collect();
                self.searched = 0;
                return Ok(Some(event(std::str::from_utf8(&block).unwrap())));
            }
            self.searched = self.text.len().saturating_sub(1);
            match self.conn.chunk()? {
                Some(chunk) => self.text.extend(chunk),
                None => {
                    assert_eq!(self.text, b"", "half an event");
                    return Ok(None);
                }
            }
        }
    }

    /// The next event that is no comment.
    pub(crate) fn try_next(&mut self) -> io::Result<Option<Event>> {
        loop {
            match self.try_any()? {
                Some(event) if event.comment => {}
                event => return Ok(event),
            }
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.try_next().expect("a whole stream")
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> serde_json::Value {
        loop {
            let event = self.next().expect("a message, not the end of the stream");
            // A priming event has an id and no message.
            if event.data.as_deref().is_some_and(|data| !data.is_empty()) {
                return event.json();
            }
        }
    }

    /// Nothing comes for so long, not even the end.
    #[track_caller]
    pub(crate) fn is_silent(&mut self, time: Duration) {
        self.conn.patience(time);
        let next = self.try_next();
        self.conn.patience(PATIENCE);
        let kind = next.as_ref().map_err(io::Error::kind);
        let silent = matches!(kind, Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
        assert!(silent, "{next:?}");
    }

    pub(crate) fn patience(&self, time: Duration) {
        self.conn.patience(time);
    }
}

/// One event of WHATWG SSE from its lines.
fn event(block: &str) -> Event {
    let mut event = Event { comment: true, ..Event::default() };
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        event.comment = false;
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut event.data {
                Some(data) => *data = format!("{data}\n{value}"),
                None => event.data = Some(String::from(value)),
            },
            "id" => event.id = Some(String::from(value)),
            "retry" => event.retry = Some(value.parse().unwrap()),
            "event" if value == "message" => {}
            "event" => event.kind = Some(String::from(value)),
            _ => panic!("the field {name:?}"),
        }
    }
    event
}
