//! The gate: the only place that touches raw HTTP requests. Bytes in, a request or a refusal out.
//!
//! It does no I/O and knows no clock. It reads requests strictly by RFC 9112, under limits, each
//! byte once however the bytes are cut: what is malformed or ambiguous is refused, and after a
//! refusal nothing more is read, so that no byte of a doubtful request is taken for another
//! request. Bytes after a whole request stay for the next one.
//!
//! The life of a request: [`Gate::poll`] says [`Step::More`] until the head is whole, then
//! [`Step::Head`]; the caller judges the head and calls [`Gate::admit`] with a limit for the
//! content; then come [`Step::Continue`] at most once, [`Step::More`] while content is missing, and
//! [`Step::Whole`]; [`Gate::release`] makes way for the next request.
//!
//! ```
//! use hyper_mcp_gate::{Gate, Phase, Step};
//!
//! let mut gate = Gate::new(16 * 1024);
//! gate.feed(b"POST /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{");
//! assert_eq!(gate.poll()?, Step::Head);
//! assert_eq!((gate.method(), gate.path(), gate.declared()), ("POST", "/mcp", Some(2)));
//! gate.admit(1000)?;
//! assert_eq!(gate.poll()?, Step::More(Phase::Content));
//! gate.feed(b"}GET");
//! assert_eq!(gate.poll()?, Step::Whole);
//! assert_eq!(gate.content(), b"{}");
//! gate.release();
//! // The next request has begun.
//! assert_eq!(gate.poll()?, Step::More(Phase::Head));
//!
//! // Two lengths that differ: no byte after them is read.
//! let mut gate = Gate::new(16 * 1024);
//! gate.feed(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
//! assert_eq!(gate.poll().map_err(|refusal| refusal.status), Err(400));
//! # Ok::<(), hyper_mcp_gate::Refusal>(())
//! ```
#![forbid(unsafe_code)]

mod chunked;
mod head;
mod last;

use std::rc::Rc;

use chunked::Chunked;
use head::Parsed;
use last::Last;

/// The longest request target. Ours is a short path; 2 KiB leaves room for a query.
const TARGET: usize = 2048;
/// The longest request line: a target with the longest method and the version around it.
const LINE: usize = TARGET + 64;
/// The most header fields. Browsers behind two proxies send about 40.
const FIELDS: usize = 64;
/// The smallest buffer that is given back when a request is done. One below it serves the next
/// small request without a new allocation, and costs an idle connection little.
const KEEP: usize = 1024;

/// Why a request is turned away, and with which status. The connection can't go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code to answer with.
    pub status: u16,
    /// What was wrong, for the peer.
    pub reason: &'static str,
}

impl Refusal {
    /// The refusal of content where none is let in: [`Gate::admit`] with a limit of zero.
    pub const NO_CONTENT: Self =
        Self::new(413, "this request must not have a body; send it without one");

    /// A refusal with this status and reason.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

/// What is missing when more bytes are needed: it decides how long to wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request: none has begun.
    Idle,
    /// The rest of a head.
    Head,
    /// The rest of the content.
    Content,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Feed more bytes.
    More(Phase),
    /// A head is whole: judge it, then [`Gate::admit`] its content.
    Head,
    /// The client waits for `100 Continue` before it sends the content. Told once.
    Continue,
    /// The request is whole: use it, then [`Gate::release`] it.
    Whole,
}

#[derive(Debug)]
enum State {
    /// Between requests, or in an unfinished head.
    Head,
    /// A head waits to be judged.
    Judge,
    /// Content of known length.
    Sized,
    /// Content in the chunked coding.
    Chunked(Chunked),
    /// The request is whole.
    Whole,
    /// Refused: nothing is read any more.
    Refused(Refusal),
}

/// Reads the requests of one connection.
#[derive(Debug)]
pub struct Gate {
    head_limit: usize,
    buffer: Vec<u8>,
    /// Where the request begins in `buffer`. All other places count from the buffer's start too.
    start: usize,
    /// How far the search for the head's end has come.
    scanned: usize,
    /// Where the line that is being searched begins.
    line: usize,
    /// Whether the one empty line that may precede a request was skipped.
    skipped: bool,
    state: State,
    parsed: Parsed,
    last: Last,
    /// Whether this head is the last one again.
    again: bool,
    /// The content, decoded.
    content: (usize, usize),
    /// Where the bytes after this request begin.
    rest: usize,
    continue_due: bool,
}

impl Gate {
    /// A gate for a new connection.
    pub fn new(head_limit: usize) -> Self {
        Self {
            head_limit,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            line: 0,
            skipped: false,
            state: State::Head,
            parsed: Parsed::default(),
            last: Last::default(),
            again: false,
            content: (0, 0),
            rest: 0,
            continue_due: false,
        }
    }

    /// The same gate, which also keeps fields of these names. Each has to be single then, and
    /// visible ASCII, because something depends on it.
    pub fn keeping(mut self, names: &Rc<[String]>) -> Self {
        self.parsed.also = Rc::clone(names);
        self
    }

    /// Takes bytes from the peer. False if the system has no memory for them: then
    /// none is taken.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.buffer.try_reserve(bytes.len()).is_ok();
        if has_room {
            self.buffer.extend_from_slice(bytes);
        }
        has_room
    }

    /// Room to read content into without a copy: a buffer to append to and to nothing else, and
    /// how much is still missing, if that is known. Otherwise [`feed`](Self::feed) serves.
    pub fn content_room(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match self.state {
            State::Sized => {
                let missing = self.content.1.saturating_sub(self.buffer.len());
                Some((&mut self.buffer, missing))
            }
            _ => None,
        }
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Goes as far as the bytes allow.
    ///
    /// # Errors
    ///
    /// The request is malformed, ambiguous or too large. A refusal is final: it is the answer to
    /// each further call.
    pub fn poll(&mut self) -> Result<Step, Refusal> {
        let step = match &mut self.state {
            State::Head => self.poll_head(),
            State::Judge => Ok(Step::Head),
            State::Sized => Ok(self.poll_sized()),
            State::Chunked(chunked) => {
                let done = chunked.decode(&mut self.buffer);
                self.content.1 = chunked.decoded();
                self.rest = chunked.consumed();
                let begun = chunked.has_begun();
                done.map(|done| self.after_chunks(done, begun))
            }
            State::Whole => Ok(Step::Whole),
            State::Refused(refusal) => Err(*refusal),
        };
        step.inspect_err(|refusal| self.state = State::Refused(*refusal))
    }

    /// What the end of the peer's bytes means now: nothing if no request has begun.
    ///
    /// # Errors
    ///
    /// A request has begun and is not whole.
    pub fn end(&self) -> Result<(), Refusal> {
        match self.state {
            State::Head if self.held() == 0 => Ok(()),
            State::Whole => Ok(()),
            _ => Err(Refusal::bad("the request was cut off")),
        }
    }

    /// Lets the content of the judged head in, up to `limit` bytes.
    ///
    /// # Errors
    ///
    /// The head declares more than that. Content in the chunked coding is refused by
    /// [`poll`](Self::poll) once it is over the limit.
    pub fn admit(&mut self, limit: usize) -> Result<(), Refusal> {
        if !matches!(self.state, State::Judge) {
            return Ok(());
        }
        let begin = self.rest;
        self.continue_due = self.parsed.expects_continue;
        self.content = (begin, begin);
        self.state = match self.parsed.length {
            head::Length::None => State::Whole,
            head::Length::Chunked => State::Chunked(Chunked::new(begin, limit)),
            head::Length::Known(length) => match usize::try_from(length) {
                Ok(length) if length <= limit => {
                    self.content.1 = begin + length;
                    State::Sized
                }
                _ => State::Refused(chunked::over(limit)),
            },
        };
        match self.state {
            State::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Forgets the request that is done with, and keeps what came after it.
    pub fn release(&mut self) {
        if !matches!(self.state, State::Whole) {
            return;
        }
        self.start = self.rest;
        if self.start == self.buffer.len() {
            self.start = 0;
            if self.buffer.capacity() > KEEP {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        } else if self.start > self.buffer.len() / 2 {
            // Less is moved than was read since the last move, so the sum stays linear.
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.shrink_to(4 * self.buffer.len());
        }
        self.scanned = self.start;
        self.line = self.start;
        self.skipped = false;
        self.state = State::Head;
    }

    /// Whether a further request may follow on this connection.
    pub fn keeps_alive(&self) -> bool {
        self.parsed.keep_alive && matches!(self.state, State::Whole)
    }

    /// Whether the head is that of the request before it, but for the length of the content.
    pub fn repeats(&self) -> bool {
        self.again
    }

    /// Whether the client speaks HTTP/1.0, which knows no chunked coding.
    pub fn is_old(&self) -> bool {
        self.parsed.old
    }

    /// How the content's length is declared: `Some` if it is known.
    pub fn declared(&self) -> Option<u64> {
        match self.parsed.length {
            head::Length::None => Some(0),
            head::Length::Known(length) => Some(length),
            head::Length::Chunked => None,
        }
    }

    /// Whether the client waits for leave to send its content.
    pub fn expects_continue(&self) -> bool {
        self.parsed.expects_continue
    }

    /// The method.
    pub fn method(&self) -> &'static str {
        self.parsed.method
    }

    /// Whether the request asks for a head alone, as far as it came and whether or not it is good.
    pub fn is_for_head(&self) -> bool {
        self.buffer.get(self.start..).is_some_and(|request| request.starts_with(b"HEAD "))
    }

    /// The path of the target, without its query, as it stands on the wire.
    pub fn path(&self) -> &str {
        match self.text(self.parsed.path) {
            "" => "/",
            path => path,
        }
    }

    /// The target's path with its query, if it has one, as it stands on the wire.
    pub fn target(&self) -> &str {
        let (from, to) = self.parsed.path;
        match self.text((from, self.parsed.target_end)) {
            _ if from == to => "/",
            target => target,
        }
    }

    /// The fields that the program has a use for, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parsed.fields.iter().map(|&(name, value)| (self.text(name), self.text(value)))
    }

    /// The content of a whole request, free of any coding.
    pub fn content(&self) -> &[u8] {
        self.buffer.get(self.content.0..self.content.1).unwrap_or_default()
    }

    /// A piece of the head. It was seen to be ASCII when it was parsed.
    fn text(&self, (from, to): (usize, usize)) -> &str {
        let bytes = self.buffer.get(self.start + from..self.start + to).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }

    fn poll_head(&mut self) -> Result<Step, Refusal> {
        let repeated = self.find_last();
        self.again = repeated.is_some();
        if let Some(end) = repeated {
            self.rest = end;
            self.state = State::Judge;
            return Ok(Step::Head);
        }
        let Some(end) = self.find_end()? else {
            let phase = if self.held() == 0 { Phase::Idle } else { Phase::Head };
            return Ok(Step::More(phase));
        };
        let head = &self.buffer[self.start..end];
        self.parsed.read(head, TARGET)?;
        self.last.keep(head, self.parsed.digits);
        self.rest = end;
        self.state = State::Judge;
        Ok(Step::Head)
    }

    /// The end of a head that is the last one again, if that can be seen at once.
    fn find_last(&mut self) -> Option<usize> {
        if self.scanned > self.start {
            return None;
        }
        let bytes = &self.buffer[self.start..];
        let digits = self.last.find(bytes)?;
        let end = self.last.length() + digits.len();
        if end > self.head_limit || !self.parsed.repeat(digits) {
            return None;
        }
        self.scanned = self.start + end;
        self.line = self.scanned;
        Some(self.scanned)
    }

    /// Looks for the empty line that ends a head; on the way, refuses what no head can be.
    fn find_end(&mut self) -> Result<Option<usize>, Refusal> {
        while let Some(found) = find_line_feed(&self.buffer[self.scanned..]) {
            let feed = self.scanned + found;
            // First what came before, so that it does not matter in which pieces it came.
            self.bound_head(feed)?;
            if feed == self.line || self.buffer[feed - 1] != b'\r' {
                return Err(Refusal::bad("a line of the head does not end with CR LF"));
            }
            let empty = feed - 1 == self.line;
            let first = self.line == self.start;
            self.scanned = feed + 1;
            self.line = feed + 1;
            match (empty, first) {
                (true, true) if self.skipped => {
                    return Err(Refusal::bad("more than one empty line precedes the request"));
                }
                (true, true) => {
                    self.skipped = true;
                    self.start = feed + 1;
                }
                (true, false) => {
                    self.bound_head(feed + 1)?;
                    return Ok(Some(feed + 1));
                }
                (false, _) => {}
            }
        }
        self.scanned = self.buffer.len();
        self.bound_head(self.buffer.len())?;
        Ok(None)
    }

    /// Refuses a head, whole or not, that can't become a good one.
    fn bound_head(&self, end: usize) -> Result<(), Refusal> {
        let head = &self.buffer[self.start..end];
        match head {
            [] | [b'\r'] => return Ok(()),
            [first, ..] if !chunked::is_token(*first) => {
                return Err(Refusal::bad("this is not an HTTP request"));
            }
            _ => {}
        }
        let is_over = head.len() > self.head_limit;
        // The line break of the request line has not come yet.
        let is_line = self.line == self.start;
        match is_line && head.len() > LINE {
            true if !is_over || LINE < self.head_limit => Err(head::TARGET_TOO_LONG),
            _ if is_over => Err(head::TOO_LARGE),
            _ => Ok(()),
        }
    }

    fn poll_sized(&mut self) -> Step {
        if self.buffer.len() < self.content.1 {
            return self.wait_for_content(self.buffer.len() > self.content.0);
        }
        self.rest = self.content.1;
        self.state = State::Whole;
        Step::Whole
    }

    fn after_chunks(&mut self, done: bool, begun: bool) -> Step {
        if done {
            self.state = State::Whole;
            return Step::Whole;
        }
        self.wait_for_content(begun)
    }

    fn wait_for_content(&mut self, begun: bool) -> Step {
        // A client that has begun to send does not wait (RFC 9110, "Expect").
        if core::mem::take(&mut self.continue_due) && !begun {
            return Step::Continue;
        }
        Step::More(Phase::Content)
    }
}

/// Where the first LF is. The standard library searches for a byte with the system's fast search
/// in this way only.
pub fn find_line_feed(mut bytes: &[u8]) -> Option<usize> {
    use std::io::BufRead;
    let length = bytes.len();
    let whole = bytes;
    // Skipping in a slice can't fail.
    let skipped = bytes.skip_until(b'\n').unwrap_or(length);
    let last = skipped.checked_sub(1)?;
    (whole.get(last) == Some(&b'\n')).then_some(last)
}
