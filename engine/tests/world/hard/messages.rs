//! Each message, by the mark that its author wrote into it: it reaches its own session alone, an
//! answer reaches who asked, all but the ids is as it was written, and it comes once and in order.
//! Where clients of 2026-07-28 share a process, an answer reaches the request that it is to, once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use mcp_bridge::{Body, ChildId, Exchange, Input, Output};

use super::super::events::Reader;
use super::super::json;
use super::super::law::{Broken, Judged, Law, require};
use super::super::text::nonce;

/// Where the engine may write something of its own: ids, and the names of progress.
const ID: &[&str] = &["id"];
const TOKEN: &[&str] = &["params", "_meta", "progressToken"];
const PROGRESS: &[&str] = &["params", "progressToken"];
const CANCELLED: &[&str] = &["params", "requestId"];
/// Where a client says with which call it goes on.
const STATE: &[&str] = &["params", "requestState"];

/// Where HTTP+SSE is spoken in the worlds that have it.
const OLDEST: &str = "/sse";

/// A request as its client sees it.
struct Asked {
    /// The exchange whose `initialize` opened its session: its own, if it is that.
    session: Option<Exchange>,
    /// The exchange whose stream it resumes: its own, if it resumes none.
    origin: Exchange,
    resumes: bool,
    reader: Reader,
}

/// A client's message with its mark.
struct Told {
    exchange: Exchange,
    text: Vec<u8>,
    written: bool,
}

/// A process's message with its mark.
struct Said {
    process: ChildId,
    text: Vec<u8>,
    /// Its place among all messages.
    heard: usize,
    /// It came out, on which stream and under which event id.
    seen: Option<(Exchange, Option<Vec<u8>>)>,
}

/// A request that a process got: who asked, and how the client spelled the id and the token.
#[derive(Clone)]
struct Call {
    exchange: Exchange,
    id: Vec<u8>,
    token: Option<Vec<u8>>,
}

/// Requests without a session, and what shared processes answer them.
#[derive(Default)]
struct Lone {
    /// Who sent the requests with these marks.
    told: BTreeMap<usize, Exchange>,
    /// Exchanges that go on with a call of an earlier one, which has its answer here.
    resumes: BTreeSet<Exchange>,
    calls: BTreeMap<(ChildId, u64), Exchange>,
    /// Answers by their marks: who asked, and whether it came out.
    answers: BTreeMap<usize, (Exchange, bool)>,
}

#[derive(Default)]
pub(super) struct Messages {
    translates: bool,
    /// A process is several sessions', and what it says of none may come to all of them.
    shares: bool,
    asked: BTreeMap<Exchange, Asked>,
    /// Sessions and events by their ids, as the exchange where they began.
    sessions: BTreeMap<String, Exchange>,
    events: BTreeMap<Vec<u8>, Exchange>,
    told: BTreeMap<usize, Told>,
    said: BTreeMap<usize, Said>,
    /// Whose session a process serves, its requests in flight, and what it has begun to write.
    owners: BTreeMap<ChildId, Exchange>,
    /// Exchanges with which a session of HTTP+SSE began, and those of them that are over.
    oldest: BTreeSet<Exchange>,
    ended: BTreeSet<Exchange>,
    calls: BTreeMap<(ChildId, u64), Call>,
    tokens: BTreeMap<(ChildId, u64), Call>,
    lone: Lone,
    begun: BTreeMap<ChildId, Vec<u8>>,
    /// The last message that came out on each stream: of those that came at once, of those that
    /// had waited for a stream, of progress, which waits for none, and of the answers that had
    /// waited for others of their batch.
    last: BTreeMap<Exchange, [usize; 4]>,
    /// The last of its client's messages that each session got.
    written: BTreeMap<Exchange, usize>,
    heard: usize,
    /// What was heard after this is of this step.
    before: usize,
    /// What was heard after this is of the last input.
    latest: usize,
}

impl Messages {
    pub(super) fn new(translates: bool, shares: bool) -> Self {
        Self { translates, shares, ..Self::default() }
    }

    pub(super) fn session_ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.keys().map(|id| &**id)
    }

    /// The processes whose client had one stream alone, and has it no more. One that is shared
    /// waits for others.
    pub(super) fn abandoned(&self) -> impl Iterator<Item = ChildId> {
        let left = |owner| !self.shares && self.ended.contains(owner);
        self.owners.iter().filter(move |(_, owner)| left(owner)).map(|(id, _)| *id)
    }

    pub(super) fn input(&mut self, input: &Input<'_>) {
        self.latest = self.heard;
        match input {
            Input::Request { admitted, head, body, .. } => {
                let exchange = admitted.exchange();
                let (path, query) = head.path.split_once('?').unwrap_or((head.path, ""));
                let is_oldest = path == OLDEST;
                if is_oldest && head.method == "GET" {
                    self.oldest.insert(exchange);
                }
                let field = |name: &str| {
                    let mut all = head.fields.iter();
                    all.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
                };
                let named = match is_oldest {
                    true => query.strip_prefix("sessionId=").map(str::as_bytes),
                    false => field("mcp-session-id").filter(|id| !id.is_empty()),
                };
                let session = match named {
                    Some(id) => {
                        str::from_utf8(id).ok().and_then(|id| self.sessions.get(id)).copied()
                    }
                    None => Some(exchange),
                };
                let event = field("last-event-id");
                let origin = event.and_then(|id| self.events.get(id));
                let mut origin = *origin.unwrap_or(&exchange);
                if is_oldest {
                    // What is asked is answered on the one stream.
                    origin = session.unwrap_or(exchange);
                }
                let (resumes, reader) = (event.is_some(), Reader::default());
                self.asked.insert(exchange, Asked { session, origin, resumes, reader });
                let lone = marks(body, b'u').into_iter().map(|mark| (mark, exchange));
                self.lone.told.extend(lone);
                if found(body, STATE).is_some() {
                    self.lone.resumes.insert(exchange);
                }
                for text in pieces(body) {
                    if let Some(mark) = nonce(text, b'c') {
                        let told = Told { exchange, text: text.to_vec(), written: false };
                        self.told.insert(mark, told);
                    }
                }
            }
            Input::Stdout { child: process, bytes } => self.hear(*process, bytes),
            Input::Lost { exchange } => self.over(*exchange),
            _ => {}
        }
    }

    /// An exchange brings nothing more.
    fn over(&mut self, exchange: Exchange) {
        if self.oldest.contains(&exchange) {
            self.ended.insert(exchange);
        }
    }

    fn hear(&mut self, process: ChildId, bytes: &[u8]) {
        let mut begun = self.begun.remove(&process).unwrap_or_default();
        // A long line may come in many pieces.
        let mut looked = begun.len();
        begun.extend_from_slice(bytes);
        while let Some(end) = begun[looked..].iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = begun.drain(..=looked + end).collect();
            looked = 0;
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            for text in pieces(line) {
                let id = number(text, ID).filter(|_| method(text).is_none());
                if let Some(asker) = id.and_then(|id| self.lone.calls.get(&(process, id))) {
                    let answers = marks(text, b'w').into_iter().map(|mark| (mark, (*asker, false)));
                    self.lone.answers.extend(answers);
                }
                for mark in marks(text, b's') {
                    self.heard += 1;
                    let (text, heard) = (text.to_vec(), self.heard);
                    self.said.insert(mark, Said { process, text, heard, seen: None });
                }
            }
        }
        self.begun.insert(process, begun);
    }

    pub(super) fn output(&mut self, output: &Output) -> Judged {
        match output {
            Output::Write { child: process, bytes } => {
                let lines = bytes.split(|byte| *byte == b'\n');
                lines.into_iter().try_for_each(|line| self.write(*process, line))
            }
            Output::Respond { exchange, response } => {
                let mut fields = response.fields.iter();
                if let Some((_, id)) = fields.find(|(name, _)| *name == "mcp-session-id") {
                    self.sessions.insert(id.to_string(), *exchange);
                }
                let Body::Whole(body) = &response.body else { return Ok(()) };
                pieces(body).into_iter().try_for_each(|text| self.deliver(*exchange, text, None))
            }
            Output::Send { exchange, bytes } => {
                let Some(asked) = self.asked.get_mut(exchange) else { return Ok(()) };
                let origin = asked.origin;
                for block in asked.reader.feed(bytes) {
                    if let Some(id) = &block.id {
                        self.events.entry(id.clone()).or_insert(origin);
                    }
                    let data = block.data.unwrap_or_default();
                    if block.event.as_deref() == Some(b"endpoint") {
                        let address = String::from_utf8_lossy(&data).into_owned();
                        let named = address.strip_prefix(OLDEST).unwrap_or_default();
                        let id = named.strip_prefix("?sessionId=").unwrap_or_default();
                        require!(Events, !id.is_empty(), "{exchange}: the address {address}");
                        self.sessions.insert(id.to_owned(), *exchange);
                        continue;
                    }
                    for text in pieces(&data) {
                        self.deliver(*exchange, text, Some(block.id.clone()))?;
                    }
                }
                Ok(())
            }
            Output::Finish { exchange } | Output::Abort { exchange } => {
                self.over(*exchange);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A process gets a line: a message of its own session's client, whole, once, in order.
    fn write(&mut self, process: ChildId, line: &[u8]) -> Judged {
        if let (Some(mark), Some(_), Some(id)) = (nonce(line, b'u'), method(line), number(line, ID))
        {
            let asker = self.lone.told.get(&mark);
            self.lone.calls.extend(asker.map(|asker| ((process, id), *asker)));
        }
        let Some(mark) = nonce(line, b'c') else { return Ok(()) };
        let shown = String::from_utf8_lossy(line);
        let Some(told) = self.told.get_mut(&mark) else {
            require!(StdinLines, false, "{process}: nobody said {shown}");
            return Ok(());
        };
        let session = self.asked.get(&told.exchange).and_then(|asked| asked.session);
        let opener = session.unwrap_or(told.exchange);
        let owner = *self.owners.entry(process).or_insert(opener);
        let owner = if self.shares { opener } else { owner };
        require!(OwnSession, session == Some(owner), "{process} is {owner}'s, and gets {shown}");
        let again = std::mem::replace(&mut told.written, true);
        require!(StdinLines, !again || self.translates, "{process}: a second time: {shown}");
        let last = self.written.entry(owner).or_default();
        require!(StdinLines, mark >= *last || self.translates, "{process}: too late: {shown}");
        *last = mark.max(*last);
        let same = masked(line) == masked(&told.text);
        require!(
            BytesUnchanged,
            same || self.translates,
            "{process}: it was said otherwise: {shown}"
        );
        if let (Some(own), Some(id)) = (number(line, ID), found(&told.text, ID)) {
            let token = found(&told.text, TOKEN).map(<[u8]>::to_vec);
            let call = Call { exchange: told.exchange, id: id.to_vec(), token };
            if let Some(token) = number(line, TOKEN) {
                self.tokens.insert((process, token), call.clone());
            }
            if method(line).is_some() {
                self.calls.insert((process, own), call);
            }
        }
        Ok(())
    }

    /// A client gets a message, in a body or as an event.
    fn deliver(
        &mut self,
        exchange: Exchange,
        text: &[u8],
        event: Option<Option<Vec<u8>>>,
    ) -> Judged {
        for mark in marks(text, b'w') {
            self.lone.deliver(exchange, text, mark)?;
        }
        let Some(mark) = nonce(text, b's') else { return Ok(()) };
        let shown = String::from_utf8_lossy(text);
        let Some(said) = self.said.get_mut(&mark) else {
            require!(BytesUnchanged, false, "{exchange}: nobody said {shown}");
            return Ok(());
        };
        let Some(asked) = self.asked.get(&exchange) else { return Ok(()) };
        // A process of the other era has got no message of its client before it may speak.
        let own =
            *self.owners.entry(said.process).or_insert_with(|| asked.session.unwrap_or(exchange));
        let same = asked.session == Some(own) || self.shares;
        require!(OwnSession, same, "{exchange} is told what is {own}'s: {shown}");
        let names = |method: &[u8]| method == b"\"notifications/progress\"";
        let opens = asked.session == Some(exchange);
        if self.shares && (opens || method(&said.text).is_some_and(|method| !names(method))) {
            return Ok(());
        }
        let id = event.flatten();
        if let Some((origin, seen)) = &said.seen {
            require!(OneStream, *origin == asked.origin, "{exchange}: on another too: {shown}");
            let again = asked.resumes && id.is_some() && *seen == id;
            require!(Once, again, "{exchange}: again: {shown}");
            return Ok(());
        }
        said.seen = Some((asked.origin, id));
        if !self.translates {
            let mut expected = without_nulls(&said.text);
            let call = match method(&expected) {
                None => number(&expected, ID).and_then(|id| self.calls.get(&(said.process, id))),
                Some(b"\"notifications/progress\"") => number(&expected, PROGRESS)
                    .and_then(|token| self.tokens.get(&(said.process, token))),
                Some(_) => None,
            };
            let answers = call.is_some() || method(&expected).is_some();
            require!(AnswerToAsker, answers, "{exchange}: answers nothing: {shown}");
            if let Some(call) = call {
                let origin = self.asked.get(&call.exchange).map(|asked| asked.origin);
                let right = origin == Some(asked.origin);
                require!(AnswerToAsker, right, "{exchange}: {} asked: {shown}", call.exchange);
                if let Some(place) = place(&expected, ID) {
                    expected.splice(place, call.id.clone());
                }
                if let (Some(place), Some(token)) = (place(&expected, PROGRESS), &call.token) {
                    expected.splice(place, token.clone());
                }
            }
            let same = text == expected;
            let expected = String::from_utf8_lossy(&expected);
            require!(BytesUnchanged, same, "{exchange}: {shown}, not {expected}");
        }
        let (heard, answers) = (said.heard, method(text).is_none());
        let progress = method(text).is_some_and(names);
        // What was heard before the last input of a step may have waited for that, or not.
        let waited = heard <= self.latest;
        let news = waited && !progress && !answers;
        let may = [heard > self.before, news, waited && progress, waited && answers];
        // One that may have come at once says nothing of those that waited.
        let mut last = self.last.entry(asked.origin).or_default().iter_mut().zip(may);
        let Some((last, _)) = last.find(|(last, may)| *may && **last <= heard) else {
            require!(Order, false, "{exchange}: too late on its stream: {shown}");
            return Ok(());
        };
        *last = heard;
        Ok(())
    }

    pub(super) fn drained(&mut self) {
        self.before = self.heard;
    }
}

impl Lone {
    /// A client gets an answer with this mark.
    fn deliver(&mut self, exchange: Exchange, text: &[u8], mark: usize) -> Judged {
        let Some((asker, seen)) = self.answers.get_mut(&mark) else { return Ok(()) };
        let own = *asker == exchange || self.resumes.contains(&exchange);
        let shown = String::from_utf8_lossy(text);
        require!(OwnCall, own, "{exchange}: {asker} asked: {shown}");
        require!(Once, !std::mem::replace(seen, true), "{exchange}: again: {shown}");
        Ok(())
    }
}

/// The messages of a text: the elements of a batch, or the text itself.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    json::elements(text).unwrap_or_else(|| vec![text])
}

/// All marks of this kind in a text.
pub(super) fn marks(text: &[u8], kind: u8) -> Vec<usize> {
    let at = (0..text.len()).filter(|at| text[*at..].starts_with(&[b'@', kind]));
    at.filter_map(|at| nonce(&text[at..], kind)).collect()
}

fn found<'a>(text: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    path.iter().try_fold(text, |raw, name| json::member(raw, name))
}

fn place(text: &[u8], path: &[&str]) -> Option<Range<usize>> {
    let raw = found(text, path)?;
    let start = raw.as_ptr() as usize - text.as_ptr() as usize;
    Some(start..start + raw.len())
}

/// A text without what the engine may change in it, and without the space between its tokens, which
/// a text of several lines must lose.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut masked = text.to_vec();
    let asks = method(text).is_some();
    for path in [ID, TOKEN, CANCELLED].iter().filter(|path| asks || **path != ID) {
        if let Some(place) = place(&masked, path) {
            masked.splice(place, *b"0");
        }
    }
    json::flat(&masked)
}

fn method(text: &[u8]) -> Option<&[u8]> {
    json::member(text, "method")
}

/// A text without the members of the envelope that say nothing, which clients can't read.
fn without_nulls(text: &[u8]) -> Vec<u8> {
    let mut rest = text.to_vec();
    for name in ["method", "result", "error"] {
        let nothing = format!(",\"{name}\":null").into_bytes();
        if json::member(&rest, name) == Some(b"null")
            && let Some(at) = rest.windows(nothing.len()).rposition(|part| part == nothing)
        {
            rest.drain(at..at + nothing.len());
        }
    }
    rest
}

/// The number that the engine chose, in whatever spelling.
fn number(text: &[u8], path: &[&str]) -> Option<u64> {
    let raw = found(text, path)?;
    let text = json::unquote(raw).or_else(|| String::from_utf8(raw.to_vec()).ok())?;
    let value: f64 = text.parse().ok()?;
    (value >= 0.0 && value.fract() == 0.0).then_some(value as u64)
}
