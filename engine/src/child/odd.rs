//! Malformed lines: lines of a server that are not JSON-RPC messages, and what can be made of them.
//!
//! Servers write logs to standard output, frame messages as another protocol does, write every
//! member of an object, or write answers that no client can read. Such a line must not leave a call
//! waiting, and a log record must not end one.

mod loose;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::cause::Cause;
use crate::api::event::Notice;
use crate::api::instant::Instant;
use crate::child::Child;
use crate::codec::copy::Copy;
use crate::codec::json::{self, Scanner, Span};
use crate::codec::lines::Lines;
use crate::codec::message::{
    self, ENVELOPE, ERROR, JSONRPC, MEMBERS, METHOD, Malformed, Message, NAME, PARAMS, RESULT,
    envelope,
};
use crate::codec::number::Number;
use crate::codec::object::string;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::ids::CallId;
use crate::context::timers::{Deadline, Wait};
use loose::{Fragments, answered};

/// How much longer a child with another framing or encoding may take to answer `initialize`: the
/// line may come from a wrapper and not from the server.
pub(crate) const ALIEN: Duration = Duration::from_secs(5);

/// How long a line may stay without its end before this is logged. Large messages come in pieces,
/// but without a pause.
const PAUSE: Duration = Duration::from_secs(5);
/// The same after a header of another framing, which needs no newline.
const FRAMED: Duration = Duration::from_millis(100);

/// Messages in one batch of a child: four times the number of answers to a client's largest batch.
/// It bounds the cost of a line; a longer batch is malformed.
const BATCH: usize = 1024;

/// Bytes of a malformed line that are shown to an operator.
const SHOWN: usize = 200;

/// The kinds of malformed lines that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// A line of no named kind, with the reason why it is malformed.
    Other(&'static str),
    /// An object without `"jsonrpc"`.
    Record,
    /// A response that names no request.
    Nameless,
    /// A line without a newline at its end.
    Unended,
    /// A part of a message that is spread over several lines.
    Fragment,
    Http,
    Utf16,
    /// The headers of the Language Server Protocol.
    ContentLength,
    /// A copy of one of our requests.
    Echo,
}

impl Wrote {
    /// The reason shown to a person.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Other(reason) => reason,
            Self::Record => {
                "a JSON object without \"jsonrpc\", such as a log record, which belongs on standard \
                 error"
            }
            Self::Nameless => "a response without an id, which may be for any call in flight",
            Self::Fragment => {
                "the server spreads a message over several lines; MCP's stdio transport has one \
                 message a line"
            }
            Self::ContentLength => {
                "the server frames its messages with Content-Length headers; MCP's stdio transport \
                 is newline-delimited"
            }
            Self::Http => {
                "the server writes HTTP responses to standard output; start it in its stdio mode"
            }
            Self::Utf16 => "the server writes UTF-16; MCP's stdio transport is UTF-8",
            Self::Unended => {
                "there is no newline at its end; MCP's stdio transport ends each message with one"
            }
            Self::Echo => {
                "the server sends back what it is sent, as cat does; check the server's command"
            }
        }
    }

    /// A bit for each kind, so that each is logged once; a higher bit is more informative.
    pub(crate) const fn bit(self) -> u16 {
        match self {
            Self::Other(_) => 1,
            Self::Record => 1 << 1,
            Self::Nameless => 1 << 2,
            Self::Unended => 1 << 3,
            Self::Fragment => 1 << 4,
            Self::Http => 1 << 5,
            Self::Utf16 => 1 << 6,
            Self::ContentLength => 1 << 7,
            Self::Echo => 1 << 8,
        }
    }

    /// Whether a server that writes such lines writes no messages at all.
    const fn is_alien(self) -> bool {
        matches!(self, Self::ContentLength | Self::Utf16)
    }
}

/// What a malformed line can be read as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Odd<'a> {
    /// A message, once members that are null are removed.
    Message(Vec<u8>),
    /// The error of a response that names no request.
    Nameless(Vec<u8>),
    /// Answers that can't be passed on: their ids, as the child wrote them.
    Answers(Vec<&'a [u8]>),
    Malformed(Wrote),
}

/// Parses one message of a server, and checks that clients can read its error, if it is one.
pub(crate) fn parse(text: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    let mut parsed = Message::parse(text);
    if let Ok(message) = &parsed
        && let Some(reason) = message.error().and_then(lack)
    {
        parsed = Err(Malformed::Invalid(reason, message.id()));
    }
    parsed
}

/// What is missing in an error that clients insist on (JSON-RPC 2.0 "Error object").
fn lack(error: &[u8]) -> Option<&'static str> {
    let member = |name| json::member(error, &(0..error.len()), name).map(|span| &error[span]);
    let code = member("code").and_then(Number::read);
    if !code.is_some_and(|code| code.is_integer()) {
        return Some("its error has no code that is an integer");
    }
    let message = member("message").is_some_and(|message| message.first() == Some(&b'"'));
    if message { None } else { Some("its error has no message") }
}

/// Reads a malformed text.
#[cold]
pub(crate) fn read<'a>(text: &'a [u8], malformed: &Malformed<'a>) -> Odd<'a> {
    if matches!(malformed, Malformed::Invalid(..))
        && let Some(odd) = corrected(text)
    {
        return odd;
    }
    let broken = matches!(malformed, Malformed::Parse(_));
    let ids = answered(text, broken);
    if ids.is_empty() { Odd::Malformed(wrote(text, malformed)) } else { Odd::Answers(ids) }
}

/// Removes members that are null, for senders that write every member of an object. The result of a
/// response may be null.
fn corrected<'a>(text: &[u8]) -> Option<Odd<'a>> {
    let members = envelope_of(text)?;
    let member = |place: usize| members[place].as_ref().map(|span| &text[span.clone()]);
    let is_null = |place| member(place) == Some(b"null");
    let some = |place| member(place).filter(|value| *value != b"null");
    let says = |raw: &[u8], wanted| json::is_text(raw) && json::spells(raw, wanted);
    if !member(JSONRPC).is_some_and(|version| says(version, "2.0")) {
        return None;
    }
    let method = some(METHOD);
    let notifies =
        method.and_then(string).is_some_and(|method| method.starts_with("notifications/"));
    let mut absent = [false; ENVELOPE.len()];
    for place in [METHOD, PARAMS, ERROR] {
        absent[place] = is_null(place);
    }
    absent[RESULT] = is_null(RESULT) && (some(ERROR).is_some() || method.is_some());
    absent[NAME] = is_null(NAME) && notifies;
    let alone = method.is_none() && (member(RESULT).is_none() || absent[RESULT]);
    if let Some(error) = some(ERROR).filter(|error| error.first() == Some(&b'{'))
        && some(NAME).is_none()
        && alone
    {
        return Some(Odd::Nameless(error.to_vec()));
    }
    if !absent.contains(&true) {
        return None;
    }
    let mut copy = Copy::new(text, b"", 0);
    let is_absent = |name: &[u8]| envelope(name).is_some_and(|place| absent[place]);
    copy.object(|copy, name| if is_absent(name) { copy.drop() } else { Ok(false) }).ok()?;
    let text = copy.end(b"");
    parse(&text).is_ok().then_some(Odd::Message(text))
}

/// Finds the JSON-RPC members of an object; `None` if one is repeated, or if there are more members
/// than a message may have.
fn envelope_of(text: &[u8]) -> Option<[Option<Span>; ENVELOPE.len()]> {
    let mut members = <[Option<Span>; ENVELOPE.len()]>::default();
    let mut count = 0;
    let read = Scanner::new(text).members(|scanner, name| {
        count += 1;
        let value = scanner.value()?;
        let twice = envelope(name).is_some_and(|place| members[place].replace(value).is_some());
        if twice || count > MEMBERS { Err("no message") } else { Ok(()) }
    });
    read.is_ok().then_some(members)
}

/// The kind of a malformed text.
fn wrote(text: &[u8], malformed: &Malformed<'_>) -> Wrote {
    let begins = |start: &str| {
        text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start.as_bytes()))
    };
    if is_utf16(text) {
        Wrote::Utf16
    } else if begins("content-length:") || begins("content-type:") {
        Wrote::ContentLength
    } else if begins("http/1.") || begins("http/2") {
        Wrote::Http
    } else if let Malformed::Invalid(..) = malformed
        && text.trim_ascii_start().first() == Some(&b'{')
        && json::member(text, &(0..text.len()), "jsonrpc").is_none()
    {
        Wrote::Record
    } else if let Malformed::Invalid("a response must have an id", _) = malformed {
        Wrote::Nameless
    } else if let Malformed::Parse(_) = malformed
        && text
            .trim_ascii_start()
            .first()
            .is_some_and(|byte| !matches!(byte, 0..=b' ' | b'{' | b'['))
    {
        Wrote::Other("text that is not JSON, such as a log line, which belongs on standard error")
    } else {
        Wrote::Other(malformed.reason())
    }
}

/// UTF-16 starts with a byte order mark, or has a NUL beside each of the characters that JSON
/// begins with.
fn is_utf16(text: &[u8]) -> bool {
    match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => text.len() > 2,
        [a, b, c, d, ..] => {
            let pairs = [(*a == 0, *b == 0), (*c == 0, *d == 0)];
            pairs == [(true, false); 2] || pairs == [(false, true); 2]
        }
        _ => false,
    }
}

/// The malformed lines of a child.
#[derive(Debug, Default)]
pub(crate) struct MalformedLines {
    logged: u16,
    /// The most informative named kind so far.
    named: Option<Wrote>,
    fragments: Fragments,
    /// When the unfinished line last grew, and the wait for its end.
    grew: Instant,
    unended: Deadline,
}

impl MalformedLines {
    /// Whether the lines show that the child uses another framing or encoding.
    pub(crate) fn is_alien(&self) -> bool {
        self.named.is_some_and(Wrote::is_alien)
    }

    /// Why no line is an answer to `initialize`, if the kind has a name.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.named.map(|wrote| Cause::Unreadable(wrote.reason()))
    }
}

/// The outcome of a malformed text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    Nothing,
    /// The text is this message.
    Message(Vec<u8>),
    /// An answer to this request, spread over several lines. A server that has answered on one line
    /// may print its later messages this way.
    Shown(CallId),
    /// These requests have an answer that can't be passed on, for this reason.
    Spoilt(Vec<CallId>, &'static str),
}

impl Child {
    /// Handles a malformed text. `only` returns the only request that waits for an answer.
    /// `one_client` tells whether everything that the child says concerns one client: otherwise an
    /// error without an id may answer what another client sent, such as a notification. It ends the
    /// only call, and its text is passed on to nobody.
    #[cold]
    pub(crate) fn meant(
        &mut self,
        text: &[u8],
        malformed: &Malformed<'_>,
        only: impl FnOnce(&Self) -> Option<CallId>,
        one_client: bool,
        cx: &mut Context,
    ) -> Meant {
        let (ids, mut wrote) = match read(text, malformed) {
            Odd::Message(line) => return Meant::Message(line),
            Odd::Nameless(error) => match (only(self), lack(&error)) {
                (Some(id), None) if one_client || self.own.contains(&id) => {
                    return Meant::Message(response(id, &error));
                }
                (Some(id), None) => (alloc::vec![id], Wrote::Nameless),
                (Some(id), Some(reason)) => (alloc::vec![id], Wrote::Other(reason)),
                (None, _) => (Vec::new(), Wrote::Nameless),
            },
            Odd::Answers(ids) => {
                let ids = ids.into_iter().filter_map(CallId::read).collect();
                (ids, Wrote::Other(malformed.reason()))
            }
            Odd::Malformed(wrote) => match self.malformed.fragments.take(text, malformed) {
                None => (Vec::new(), wrote),
                Some(id) => {
                    self.log_malformed(Wrote::Fragment, text, cx);
                    let id = id.filter(|id| self.is_in_flight(*id));
                    return id.map_or(Meant::Nothing, Meant::Shown);
                }
            },
        };
        let ids: Vec<CallId> = ids.into_iter().filter(|id| self.is_in_flight(*id)).collect();
        if let (Wrote::Other(_), Some(named), false) = (wrote, self.malformed.named, ids.is_empty())
            && named.is_alien()
        {
            wrote = named;
        }
        self.log_malformed(wrote, text, cx);
        if ids.is_empty() { Meant::Nothing } else { Meant::Spoilt(ids, wrote.reason()) }
    }

    /// Records a malformed line; the first of each kind is logged.
    pub(crate) fn log_malformed(&mut self, wrote: Wrote, text: &[u8], cx: &mut Context) {
        let known = self.malformed.named.map_or(Wrote::Other("").bit(), Wrote::bit);
        if wrote.bit() > known {
            self.malformed.named = Some(wrote);
        }
        if self.malformed.logged & wrote.bit() == 0 {
            self.malformed.logged |= wrote.bit();
            let line = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).into_owned();
            cx.notice(Notice::MalformedLine { child: self.id, reason: wrote.reason(), line });
        }
    }

    /// Waits for the end of a line that has begun.
    pub(crate) fn wait_line(&mut self, cx: &mut Context) {
        let wait = if self.malformed.is_alien() { FRAMED } else { PAUSE };
        self.malformed.grew = cx.now;
        let when = cx.now.after(wait);
        cx.timers.no_later(&mut self.malformed.unended, when, Wait::Line(self.id));
    }

    /// Waits for the end of a line, if one has begun.
    pub(crate) fn wait_rest(&mut self, cx: &mut Context) {
        if self.lines.buffered() > 0 {
            self.wait_line(cx);
        }
    }

    /// The wait for the end of a line is due, but the child is paused: it waits again when it is
    /// resumed.
    pub(crate) fn line_is_not_read(&mut self) {
        self.malformed.unended.spend();
    }

    /// No line is unfinished any more.
    pub(crate) fn forget_line(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.malformed.unended, Wait::Line(self.id));
    }

    /// Handles the wait for the end of a line when it is due. If the end will not come, returns the
    /// requests that the unfinished text answers, and why the answers are unusable. Only complete
    /// values count as answers.
    pub(crate) fn unended(&mut self, cx: &mut Context) -> Option<(Vec<CallId>, &'static str)> {
        self.malformed.unended.spend();
        let wait = if self.malformed.is_alien() { FRAMED } else { PAUSE };
        let when = self.malformed.grew.after(wait);
        if self.lines.buffered() == 0 {
            return None;
        }
        if when > cx.now {
            cx.timers.set(&mut self.malformed.unended, when, Wait::Line(self.id));
            return None;
        }
        let text = self.lines.begun();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).to_vec();
        let ids = if is_whole(&text) { answered(&text, true) } else { Vec::new() };
        let ids: Vec<CallId> = ids.into_iter().filter_map(CallId::read).collect();
        let wrote = self.malformed.named.filter(|named| named.is_alien()).unwrap_or(Wrote::Unended);
        self.log_malformed(wrote, &text, cx);
        if ids.is_empty() {
            return None;
        }
        self.lines = Lines::new(cx.config.message);
        self.account();
        Some((ids.into_iter().filter(|id| self.is_in_flight(*id)).collect(), wrote.reason()))
    }

    /// The own request that this request copies, if it is one that the child echoed: no server
    /// sends such a request.
    pub(crate) fn echoed(&mut self, request: &Message<'_>, cx: &mut Context) -> Option<CallId> {
        let id = request.id().and_then(CallId::read).filter(|id| self.is_in_flight(*id))?;
        let method = request.method()?;
        let asked = ["initialize", "server/discover", "completion/complete", "logging/setLevel"];
        let asks = ["tools/", "prompts/", "resources/", "subscriptions/"];
        if !asked.contains(&&*method) && !asks.iter().any(|start| method.starts_with(start)) {
            return None;
        }
        self.log_malformed(Wrote::Echo, b"", cx);
        Some(id)
    }
}

/// Whether a text is a sequence of JSON values, the last one complete.
fn is_whole(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    while scanner.end().is_err() {
        if scanner.value().is_err() {
            return false;
        }
    }
    true
}

/// An error response of the child to this request.
fn response(id: CallId, error: &[u8]) -> Vec<u8> {
    rpc::response(id.digits(&mut itoa::Buffer::new()), "error", error)
}

/// Calls a function with each message of a child's line: one message, or a batch. Returns the
/// cause, if a message ends the session or worker.
pub(crate) fn each_message(
    line: &[u8],
    mut take: impl FnMut(&[u8], &Result<Message<'_>, Malformed<'_>>) -> Option<Cause>,
) -> Option<Cause> {
    let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let texts = match message::batch_of(text, BATCH) {
        None => return take(text, &parse(text)),
        Some(Err(malformed)) => return take(text, &Err(malformed)),
        Some(Ok(texts)) if texts.len() > BATCH => {
            let malformed = Malformed::Invalid("the batch has too many messages", None);
            return take(text, &Err(malformed));
        }
        Some(Ok(texts)) => texts,
    };
    let mut cause = None;
    for text in texts {
        let ended = take(text, &parse(text));
        cause = cause.or(ended);
    }
    cause
}

#[cfg(test)]
mod tests;
