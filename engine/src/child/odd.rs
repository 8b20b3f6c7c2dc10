//! Lines of a server that are no JSON-RPC messages: what each is all the same.
//!
//! Servers log to standard output, frame messages as another protocol does, write every member of
//! an object, or write what no client can read. A call must not hang by that, and a log record must
//! not end one.

mod loose;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::event::{Cause, Notice};
use crate::api::instant::Instant;
use crate::child::{Child, decimal, own_id};
use crate::codec::copy::Copy;
use crate::codec::json::{self, Scanner, Span};
use crate::codec::lines::Lines;
use crate::codec::message::{
    self, ENVELOPE, ERROR, JSONRPC, Kind, MEMBERS, METHOD, Malformed, Message, NAME, PARAMS,
    RESULT, envelope,
};
use crate::codec::number::Number;
use crate::codec::object::string;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::timers::{Deadline, Wait};
use loose::{Fragments, answered};

/// How long a child that frames or encodes its messages in another way may yet take to answer
/// `initialize`: what wrapped it may have written that, and not the child itself.
pub(crate) const ALIEN: Duration = Duration::from_secs(5);

/// For how long a child may leave a line without its end before that is told. Large messages come
/// in pieces, but without a pause.
const PAUSE: Duration = Duration::from_secs(5);
/// The same after a header of another framing, which needs no newline.
const FRAMED: Duration = Duration::from_millis(100);

/// Messages of one batch of a child: four times as many as the answers to the largest batch of a
/// client. What one line costs is bounded by it; a longer one is noise.
const BATCH: usize = 1024;

/// How much of a line that is no message an operator gets to see, in bytes.
const SHOWN: usize = 200;

/// What a server writes in the place of messages, as far as that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// Nothing that has a name: why it is no message.
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
    /// A request of ours.
    Echo,
}

impl Wrote {
    /// Why that is no message, for a person.
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

    /// A bit for each kind, so that each is told once; the higher tells more.
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

    /// Whether a server that writes so writes no message at all.
    const fn is_alien(self) -> bool {
        matches!(self, Self::ContentLength | Self::Utf16)
    }
}

/// What a text that is no message is all the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Odd<'a> {
    /// A message, once members that are null are left out.
    Message(Vec<u8>),
    /// The error of a response that names no request.
    Nameless(Vec<u8>),
    /// Answers that can't be passed on: the ids that they name, as they are spelled.
    Answers(Vec<&'a [u8]>),
    Noise(Wrote),
}

/// One message of a server, whose errors a client can read.
pub(crate) fn parse(text: &[u8]) -> Result<Message<'_>, Malformed<'_>> {
    let mut parsed = Message::parse(text);
    if let Ok(message) = &parsed
        && message.kind() == Kind::Error
        && let Some(reason) = message.payload().and_then(lack)
    {
        parsed = Err(Malformed::Invalid(reason, message.id()));
    }
    parsed
}

/// What an error lacks that clients insist on (JSON-RPC 2.0 "Error object").
fn lack(error: &[u8]) -> Option<&'static str> {
    let member = |name| json::member(error, &(0..error.len()), name).map(|span| &error[span]);
    let code = member("code").and_then(Number::read);
    if !code.is_some_and(|code| code.is_integer()) {
        return Some("its error has no code that is an integer");
    }
    let message = member("message").is_some_and(|message| message.first() == Some(&b'"'));
    if message { None } else { Some("its error has no message") }
}

/// Reads a text that is no message.
#[cold]
pub(crate) fn read<'a>(text: &'a [u8], malformed: &Malformed<'a>) -> Odd<'a> {
    if matches!(malformed, Malformed::Invalid(..))
        && let Some(odd) = mended(text)
    {
        return odd;
    }
    let broken = matches!(malformed, Malformed::Parse(_));
    let ids = answered(text, broken);
    if ids.is_empty() { Odd::Noise(wrote(text, malformed)) } else { Odd::Answers(ids) }
}

/// A message whose sender writes every member, also those that it has not: null stands for none.
/// The result of a response may be null.
fn mended<'a>(text: &[u8]) -> Option<Odd<'a>> {
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

/// Where the members of JSON-RPC's stand in an object; `None` if one is there twice, or if there
/// are more members than a message may have.
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

/// What noise is.
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
    } else if let Malformed::Invalid("a response has an id", _) = malformed {
        Wrote::Nameless
    } else {
        Wrote::Other(malformed.reason())
    }
}

/// UTF-16 has a mark at its start, or a NUL beside each of the characters that JSON begins with.
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

/// What a child wrote in the place of messages.
#[derive(Debug, Default)]
pub(crate) struct Noises {
    told: u16,
    /// Of those that have a name, the one that tells most.
    named: Option<Wrote>,
    fragments: Fragments,
    /// When the line that is not ended grew last, and the wait for its end.
    grew: Instant,
    unended: Deadline,
}

impl Noises {
    /// Whether what was written shows that the child speaks in another way.
    pub(crate) fn is_alien(&self) -> bool {
        self.named.is_some_and(Wrote::is_alien)
    }

    /// Why nothing that was written is an answer to `initialize`, if that has a name.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.named.map(|wrote| Cause::Unreadable(wrote.reason()))
    }
}

/// What comes of a text that is no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    Nothing,
    /// It is this message.
    Message(Vec<u8>),
    /// An answer to this request, on several lines. A server that has answered on one may show so
    /// what it sends next.
    Shown(u64),
    /// These requests have an answer that can't be passed on, for this reason.
    Spoilt(Vec<u64>, &'static str),
}

impl Child {
    /// It wrote what is no message. `only` gives the only request that waits for it.
    #[cold]
    pub(crate) fn meant(
        &mut self,
        text: &[u8],
        malformed: &Malformed<'_>,
        only: impl FnOnce(&Self) -> Option<u64>,
        cx: &mut Context,
    ) -> Meant {
        let (ids, mut wrote) = match read(text, malformed) {
            Odd::Message(line) => return Meant::Message(line),
            Odd::Nameless(error) => match (only(self), lack(&error)) {
                (Some(id), None) => return Meant::Message(response(id, &error)),
                (Some(id), Some(reason)) => (alloc::vec![id], Wrote::Other(reason)),
                (None, _) => (Vec::new(), Wrote::Nameless),
            },
            Odd::Answers(ids) => {
                let ids = ids.into_iter().filter_map(own_id).collect();
                (ids, Wrote::Other(malformed.reason()))
            }
            Odd::Noise(wrote) => match self.noises.fragments.take(text, malformed) {
                None => (Vec::new(), wrote),
                Some(id) => {
                    self.tell_noise(Wrote::Fragment, text, cx);
                    let id = id.filter(|id| self.is_in_flight(*id));
                    return id.map_or(Meant::Nothing, Meant::Shown);
                }
            },
        };
        let ids: Vec<u64> = ids.into_iter().filter(|id| self.is_in_flight(*id)).collect();
        if let (Wrote::Other(_), Some(named), false) = (wrote, self.noises.named, ids.is_empty())
            && named.is_alien()
        {
            wrote = named;
        }
        self.tell_noise(wrote, text, cx);
        if ids.is_empty() { Meant::Nothing } else { Meant::Spoilt(ids, wrote.reason()) }
    }

    /// Notes what is no message; the first of each kind is told.
    pub(crate) fn tell_noise(&mut self, wrote: Wrote, text: &[u8], cx: &mut Context) {
        let known = self.noises.named.map_or(Wrote::Other("").bit(), Wrote::bit);
        if wrote.bit() > known {
            self.noises.named = Some(wrote);
        }
        if self.noises.told & wrote.bit() == 0 {
            self.noises.told |= wrote.bit();
            let line = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).into_owned();
            cx.notice(Notice::Noise { pipe: self.pipe, reason: wrote.reason(), line });
        }
    }

    /// It has begun a line.
    pub(crate) fn wait_line(&mut self, cx: &mut Context) {
        let wait = if self.noises.is_alien() { FRAMED } else { PAUSE };
        self.noises.grew = cx.now;
        let when = cx.now.after(wait);
        cx.timers.no_later(&mut self.noises.unended, when, Wait::Line(self.pipe));
    }

    /// The wait for the end of a line is due, but the line is not read now.
    pub(crate) fn wait_line_anew(&mut self, cx: &mut Context) -> Option<Cause> {
        self.noises.unended.spend();
        self.wait_line(cx);
        None
    }

    /// It has no line to end any more.
    pub(crate) fn forget_line(&mut self, cx: &mut Context) {
        cx.timers.clear(&mut self.noises.unended, Wait::Line(self.pipe));
    }

    /// The wait for the end of a line is due. If it will not come, the requests that are answered
    /// in what is there, and why that is no answer. Only what is whole is taken for one.
    pub(crate) fn unended(&mut self, cx: &mut Context) -> Option<(Vec<u64>, &'static str)> {
        self.noises.unended.spend();
        let wait = if self.noises.is_alien() { FRAMED } else { PAUSE };
        let when = self.noises.grew.after(wait);
        if self.lines.buffered() == 0 {
            return None;
        }
        if when > cx.now {
            cx.timers.set(&mut self.noises.unended, when, Wait::Line(self.pipe));
            return None;
        }
        let text = self.lines.begun();
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).to_vec();
        let ids = if is_whole(&text) { answered(&text, true) } else { Vec::new() };
        let ids: Vec<u64> = ids.into_iter().filter_map(own_id).collect();
        let wrote = self.noises.named.filter(|named| named.is_alien()).unwrap_or(Wrote::Unended);
        self.tell_noise(wrote, &text, cx);
        if ids.is_empty() {
            return None;
        }
        self.lines = Lines::new(cx.config.message);
        Some((ids.into_iter().filter(|id| self.is_in_flight(*id)).collect(), wrote.reason()))
    }

    /// The request of ours that this one is, if it is what a child sends back as it got it: no
    /// server asks such a thing.
    pub(crate) fn echoed(&mut self, request: &Message<'_>, cx: &mut Context) -> Option<u64> {
        let id = request.id().and_then(own_id).filter(|id| self.is_in_flight(*id))?;
        let method = request.method()?;
        let asked = ["initialize", "server/discover", "completion/complete", "logging/setLevel"];
        let asks = ["tools/", "prompts/", "resources/", "subscriptions/"];
        if !asked.contains(&&*method) && !asks.iter().any(|start| method.starts_with(start)) {
            return None;
        }
        self.tell_noise(Wrote::Echo, b"", cx);
        Some(id)
    }
}

/// Whether a text is JSON values, one after the other, and the last one whole.
fn is_whole(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    while scanner.end().is_err() {
        if scanner.value().is_err() {
            return false;
        }
    }
    true
}

/// A response of the child's to the request of that number.
fn response(id: u64, error: &[u8]) -> Vec<u8> {
    rpc::response(decimal(id, &mut [0; 20]), "error", error)
}

/// Takes what one line of a child holds: a message, or a batch of them. The cause, if one of them
/// ends what the child serves.
pub(crate) fn each_message(
    line: &[u8],
    mut take: impl FnMut(&[u8], &Result<Message<'_>, Malformed<'_>>) -> Option<Cause>,
) -> Option<Cause> {
    let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let texts = match message::batch_of(text, BATCH) {
        None => return take(text, &parse(text)),
        Some(Err(malformed)) => return take(text, &Err(malformed)),
        Some(Ok(texts)) if texts.len() > BATCH => {
            let malformed = Malformed::Invalid("a batch of too many messages", None);
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
