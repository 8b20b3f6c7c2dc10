//! What the child writes: answers to their calls, progress to its call, everything else to
//! exactly one stream.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Session;
use crate::child::{self, Child};
use crate::context::Context;
use crate::fault::Fault;
use crate::json;
use crate::message::{self, Kind, Malformed, Message, Splice};
use crate::notice::{Cause, Notice};
use crate::stream::STANDING;
use crate::time::Wait;
use crate::version::Version;

/// How much of a line that is no message an operator gets to see, in bytes.
const NOISE_SHOWN: usize = 200;

impl Session {
    /// One line of the child. The cause, if the session ends by it.
    pub(crate) fn line(
        &mut self,
        line: &[u8],
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        match message::batch(text) {
            None => self.text(text, child, cx),
            Some(Ok(texts)) => {
                let mut cause = None;
                for text in texts {
                    let ended = self.text(text, child, cx);
                    cause = cause.or(ended);
                }
                cause
            }
            Some(Err(malformed)) => self.noise(text, &malformed, child, cx),
        }
    }

    fn text(&mut self, text: &[u8], child: &mut Child, cx: &mut Context) -> Option<Cause> {
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(malformed) => return self.noise(text, &malformed, child, cx),
        };
        match message.kind() {
            Kind::Result | Kind::Error => return self.response(&message, child, cx),
            Kind::Notification if message.calls("notifications/progress") => {
                self.progress(&message, child, cx);
            }
            Kind::Request | Kind::Notification => {
                let mut data = Vec::new();
                message.splice(&Splice::default(), &mut data);
                let number = self.route(&message, child);
                self.streams.put(number, &data, cx);
            }
        }
        None
    }

    /// The answer to a call.
    fn response(
        &mut self,
        message: &Message<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        let id = message.id().and_then(child::own_id);
        let Some(call) = id.and_then(|id| child.end_call(id, cx)) else {
            // It was cancelled, timed out, or never asked.
            self.streams.dropped(cx);
            return None;
        };
        let mut data = Vec::new();
        message.splice(&Splice { id: Some(&call.id), ..Splice::default() }, &mut data);
        if !self.is_open() {
            return self.opened(message, call.stream, data, child, cx);
        }
        self.answer(call.stream, data, cx);
        None
    }

    /// The answer to `initialize`: the session is open, or was declined.
    fn opened(
        &mut self,
        message: &Message<'_>,
        number: u64,
        data: Vec<u8>,
        child: &Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        cx.timers.clear(&mut self.start, Wait::Start(self.pipe));
        let chosen = message.payload().filter(|_| message.kind() == Kind::Result).map(|result| {
            json::member(result, &(0..result.len()), "protocolVersion")
                .and_then(|span| json::decoded(&result[span]).map(|version| version.to_string()))
                .unwrap_or_default()
        });
        let Some(chosen) = chosen else {
            self.answer(number, data, cx);
            return Some(Cause::Declined);
        };
        self.version = Version::chosen(&chosen);
        self.streams.style = self.version.style();
        // A child that names no version has still opened the session.
        self.chosen = if chosen.is_empty() { String::from("?") } else { chosen };
        self.streams.answer(number, data, 200, Some(self.id), cx);
        self.contact = cx.now;
        self.wait_idle(cx);
        cx.stats.opened += 1;
        cx.notice(Notice::SessionOpened {
            pipe: self.pipe,
            pid: child.pid,
            version: self.chosen.chars().take(40).collect(),
            start: cx.now.since(self.began),
        });
        None
    }

    pub(super) fn answer(&mut self, number: u64, data: Vec<u8>, cx: &mut Context) {
        self.streams.answer(number, data, 200, None, cx);
        self.contact = cx.now;
    }

    /// Progress goes onto the stream of its call, with the token that its caller chose.
    fn progress(&mut self, message: &Message<'_>, child: &Child, cx: &mut Context) {
        let id = message.token().and_then(child::own_id).filter(|_| self.is_open());
        let call = id.and_then(|id| child.calls.get(id));
        let token = match call {
            Some(call) => call.token.as_deref(),
            None => id.and_then(|id| child.task_token(id)),
        };
        let number = match call {
            Some(call) if self.streams.carries(call.stream) => Some(call.stream),
            // Who takes only JSON can still listen; who left without an event id can't.
            Some(call) if !self.streams.is_awaited(call.stream) => None,
            _ => self.streams.carries(STANDING).then_some(STANDING),
        };
        let (Some(token), Some(number)) = (token, number) else {
            self.streams.dropped(cx);
            return;
        };
        let mut data = Vec::new();
        message.splice(&Splice { token: Some(token), ..Splice::default() }, &mut data);
        self.streams.put(number, &data, cx);
    }

    /// Where a message goes that names no call: the wire does not tell, so this is a rule.
    fn route(&self, message: &Message<'_>, child: &Child) -> u64 {
        let method = message.method().unwrap_or_default();
        if !self.is_open() {
            return STANDING;
        }
        let listening = self.streams.carries(STANDING);
        if listening
            && (method.ends_with("/list_changed") || method == "notifications/resources/updated")
        {
            return STANDING;
        }
        let latest = child.calls.last().map(|(_, call)| call.stream);
        let latest = latest.filter(|number| self.streams.carries(*number));
        match latest {
            Some(number) if child.calls.len() == 1 || !listening => number,
            _ => STANDING,
        }
    }

    /// A line that is no message. If it is an answer all the same, its call ends in an error.
    fn noise(
        &mut self,
        text: &[u8],
        malformed: &Malformed<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) -> Option<Cause> {
        if !core::mem::replace(&mut self.told_noise, true) {
            let shown = &text[..text.len().min(NOISE_SHOWN)];
            cx.notice(Notice::Noise {
                pipe: self.pipe,
                reason: malformed.reason(),
                line: String::from_utf8_lossy(shown).into_owned(),
            });
        }
        let id = message::answered_by(text).filter(|id| child.calls.get(*id).is_some())?;
        self.fail(id, &Fault::Garbled(malformed.reason()), child, cx);
        if self.is_open() { None } else { Some(Cause::Declined) }
    }
}
