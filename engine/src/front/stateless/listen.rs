//! `subscriptions/listen` (MCP 2026-07-28 "Subscriptions"). For a session-era child it is built
//! from `resources/subscribe`, counted by URI, and the `list_changed` notifications; its first
//! message says what is honoured, its last is the result.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Mode, Room, Worker};
use crate::api::limits;
use crate::child::OwnRequest;
use crate::codec::json::{self, Scanner};
use crate::codec::message::Message;
use crate::codec::object;
use crate::context::Context;
use crate::context::budget::Share;
#[cfg(debug_assertions)]
use crate::context::budget::Walk;
use crate::context::carrier::Common;
use crate::context::ids::{CallId, StreamId};
use crate::dialect::{self, LISTS, downward};
use crate::http::fault::Fault;
use crate::table::Table;

/// Overhead of a URI beside its text.
const URI: usize = 48;

/// Of a notification for several subscriptions, one copy is kept if it is longer than this part of
/// what is small: of shorter ones a copy for each costs less than the pieces.
const COMMON: usize = 16;

/// One subscription of a client.
#[derive(Debug, Default)]
struct Listen {
    /// Which of `LISTS` it includes.
    lists: [bool; 3],
    uris: Vec<String>,
    acknowledged: bool,
    /// Counts the URIs, here and in the table of resources.
    share: Option<Share>,
}

impl Listen {
    fn size(&self) -> usize {
        2 * self.uris.iter().map(|uri| uri.len() + URI).sum::<usize>()
    }

    fn account(&mut self) {
        let size = self.size();
        self.share.iter_mut().for_each(|share| share.hold(size));
    }
}

/// A resource that is subscribed to at the child.
#[derive(Debug, Default)]
struct Wanted {
    /// The number of subscriptions that include it.
    count: usize,
    /// The bridge's request, until it is answered.
    asked: Option<CallId>,
}

/// The resources that a filter names.
#[derive(Debug)]
pub(crate) enum Uris {
    /// In order, each once.
    Listed(Vec<String>),
    /// More than the limit; the rest is not read.
    TooMany,
    /// One of them is too long.
    TooLong,
}

impl Default for Uris {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Uris {
    /// Reads the filter of a `subscriptions/listen`, once, and no further than the limit. A value
    /// that is not a list of strings names no resources.
    pub(crate) fn read(message: &Message<'_>, limit: usize) -> Self {
        let list = message.param("notifications").and_then(|filter| {
            json::member(filter, &(0..filter.len()), "resourceSubscriptions").map(|at| &filter[at])
        });
        let Some(list) = list else { return Self::default() };
        let (mut uris, mut long) = (Vec::new(), false);
        let read = Scanner::new(list).elements(|scanner| {
            let raw = &list[scanner.value()?];
            if uris.len() >= limit {
                return Err(TOO_MANY);
            }
            // Each byte may be an escape.
            let uri = if raw.len() > 6 * limits::URI + 2 && json::is_text(raw) {
                long = true;
                String::new()
            } else {
                object::string(raw).ok_or("a string was expected")?.into_owned()
            };
            long |= uri.len() > limits::URI;
            uris.push(uri);
            Ok(())
        });
        match read {
            Err(TOO_MANY) => return Self::TooMany,
            Err(_) => return Self::default(),
            Ok(()) if long => return Self::TooLong,
            Ok(()) => {}
        }
        uris.sort_unstable();
        uris.dedup();
        Self::Listed(uris)
    }
}

const TOO_MANY: &str = "too many URIs";

/// All subscriptions of one child.
#[derive(Debug, Default)]
pub(crate) struct Listens {
    /// The open ones, by stream number.
    open: Table<StreamId, Listen>,
    uris: Table<String, Wanted>,
}

impl Listens {
    pub(super) fn has(&self, number: StreamId) -> bool {
        self.open.contains(&number)
    }

    /// Records one that the child itself serves.
    pub(super) fn add(&mut self, number: StreamId) {
        self.open.insert(number, Listen::default());
    }

    /// The number of open subscriptions.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Worker {
    /// Whether one more subscription may be open. They are limited apart from calls, because they
    /// last.
    pub(super) fn has_room_for_one_more(&self, cx: &Context) -> bool {
        self.listens.len() < cx.config.calls
    }

    /// Whether the limit on resources allows these as well.
    fn has_room_for(&self, uris: &[String], limit: usize) -> bool {
        let held = self.listens.uris.len();
        // Both are sorted: one pass finds the new ones.
        let mut known = self.listens.uris.keys().peekable();
        let is_new = |uri: &&String| {
            while known.next_if(|known| known < uri).is_some() {}
            known.peek() != Some(uri)
        };
        held + uris.len() <= limit
            || held <= limit && uris.iter().filter(is_new).nth(limit - held).is_none()
    }

    /// Where a subscription to these resources has room.
    pub(super) fn room_to_listen(&self, uris: &Uris, cx: &Context) -> Room {
        let limit = cx.config.subscriptions;
        if !self.has_room_for_one_more(cx) {
            return Room::Elsewhere(Fault::Calls(cx.config.calls));
        }
        match &self.mode {
            Mode::Session(description) if description.subscribe => match uris {
                Uris::TooMany => Room::Later(Fault::Subscriptions(limit)),
                Uris::Listed(uris) if !self.has_room_for(uris, limit) => {
                    Room::Elsewhere(Fault::Subscriptions(limit))
                }
                Uris::Listed(_) | Uris::TooLong => Room::Here,
            },
            _ => Room::Here,
        }
    }

    /// Opens a subscription at a session-era child.
    pub(super) fn listen(&mut self, number: StreamId, message: &Message<'_>, cx: &mut Context) {
        let Mode::Session(description) = &self.mode else { return };
        let Some(filter) = message.param("notifications").filter(|f| f.first() == Some(&b'{'))
        else {
            return self.fail(number, &Fault::MetadataMissing("notifications"), cx);
        };
        let limit = cx.config.subscriptions;
        let mut listen = Listen::default();
        // It was scanned before.
        let _ = Scanner::new(filter).members(|scanner, name| {
            let value = &filter[scanner.value()?];
            if let Some(list) = LISTS.iter().position(|(list, ..)| list.as_bytes() == &**name) {
                listen.lists[list] = value == b"true" && description.lists[list];
            }
            Ok(())
        });
        let uris = if description.subscribe { Uris::read(message, limit) } else { Uris::default() };
        let uris = match uris {
            Uris::Listed(uris) if self.has_room_for(&uris, limit) => uris,
            Uris::TooLong => {
                let fault = Fault::Params("a resource's URI is too long to subscribe to");
                return self.fail(number, &fault, cx);
            }
            Uris::Listed(_) | Uris::TooMany => {
                return self.fail(number, &Fault::Subscriptions(limit), cx);
            }
        };
        listen.share = (!uris.is_empty()).then(|| cx.budget.share());
        self.subscribe(&mut listen, uris, cx);
        self.listens.open.insert(number, listen);
        self.acknowledge(number, cx);
    }

    /// Subscribes to the resources that no other subscription includes yet.
    fn subscribe(&mut self, listen: &mut Listen, uris: Vec<String>, cx: &mut Context) {
        for uri in uris {
            let wanted = self.listens.uris.or_default(uri.clone());
            wanted.count += 1;
            if wanted.count == 1 {
                let own = OwnRequest::Subscribe(uri.clone());
                wanted.asked = Some(self.child.request(own, &dialect::about(&uri), cx));
            }
            listen.uris.push(uri);
        }
        listen.account();
    }

    /// The child answered the bridge's subscription.
    pub(super) fn subscribed(&mut self, uri: &str, accepted: bool, cx: &mut Context) {
        if let Some(wanted) = self.listens.uris.get_mut(uri) {
            wanted.asked = None;
        }
        if !accepted {
            self.listens.uris.remove(uri);
            for listen in self.listens.open.values_mut() {
                listen.uris.retain(|wanted| wanted != uri);
                listen.account();
            }
        }
        for number in self.listens.open.keys().copied().collect::<Vec<_>>() {
            self.acknowledge(number, cx);
        }
    }

    /// The child did not answer the bridge's subscription in time: the requests that wait for it
    /// fail.
    pub(super) fn subscribe_overdue(&mut self, id: CallId, cx: &mut Context) {
        let asked = self.listens.uris.iter().find(|(_, wanted)| wanted.asked == Some(id));
        let Some(uri) = asked.map(|(uri, _)| uri.clone()) else { return };
        self.child.withdraw(id, "timed out", cx);
        let waiting = self.listens.open.iter().filter(|(_, listen)| listen.uris.contains(&uri));
        for number in waiting.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.unlisten(number, cx);
            self.fail(number, &Fault::TimedOut, cx);
        }
    }

    /// Sends the first message of a subscription, once the child has answered for all its
    /// resources.
    fn acknowledge(&mut self, number: StreamId, cx: &mut Context) {
        let Some(ask) = self.asks.get(&number) else { return };
        let Listens { open, uris } = &mut self.listens;
        let Some(listen) = open.get_mut(&number) else { return };
        let waits = |uri| uris.get(uri).is_some_and(|wanted: &Wanted| wanted.asked.is_some());
        if listen.acknowledged || listen.uris.iter().any(waits) {
            return;
        }
        listen.acknowledged = true;
        let honoured = dialect::filter(listen.lists, &listen.uris);
        let data = downward::acknowledged(&honoured.text(), &ask.id);
        self.streams.put(Some(number), data, cx);
    }

    /// Sends a notification of a session-era child to every subscription that includes it.
    pub(super) fn changed(&mut self, message: &Message<'_>, cx: &mut Context) {
        let method = message.method().unwrap_or_default();
        let list = LISTS.iter().position(|(_, _, name)| *name == method);
        let uri = message.param("uri").and_then(object::string);
        let uri = uri.filter(|_| method == "notifications/resources/updated");
        let mut matching = Vec::new();
        for (number, listen) in self.listens.open.iter().filter(|(_, listen)| listen.acknowledged) {
            let by_list = list.is_some_and(|list| listen.lists[list]);
            let by_uri =
                uri.as_ref().is_some_and(|uri| listen.uris.iter().any(|u| dialect::covers(u, uri)));
            if by_list || by_uri {
                matching.push(*number);
            }
        }
        if matching.is_empty() {
            self.streams.dropped(cx);
        }
        let is_common = matching.len() > 1 && message.size() > cx.budget.small() / COMMON;
        let common = if is_common { downward::tag_of_any(message) } else { None };
        let common = common.map(|(text, gap)| Arc::new(Common::new(cx.budget.keep(text), gap)));
        for number in matching {
            let Some(ask) = self.asks.get(&number) else { continue };
            match &common {
                Some(common) => self.streams.put_common(number, common, &ask.id, cx),
                None => self.streams.put(Some(number), downward::tag(message, &ask.id), cx),
            }
        }
    }

    /// A subscription was ended by its client.
    pub(super) fn unlisten(&mut self, number: StreamId, cx: &mut Context) {
        let Some(listen) = self.listens.open.remove(&number) else { return };
        for uri in listen.uris {
            let Some(wanted) = self.listens.uris.get_mut(&uri) else { continue };
            wanted.count -= 1;
            if wanted.count > 0 {
                continue;
            }
            if let Some(asked) = wanted.asked {
                self.child.end_own(asked, cx);
            }
            self.listens.uris.remove(&uri);
            self.child.request(OwnRequest::Unsubscribe, &dialect::about(&uri), cx);
        }
    }

    /// Ends a subscription from this side: with its result, or aborted so that the client
    /// subscribes again.
    pub(super) fn end_listen(&mut self, number: StreamId, graceful: bool, cx: &mut Context) {
        self.listens.open.remove(&number);
        let Some(ask) = self.asks.remove(&number) else { return };
        if graceful {
            self.streams.answer(number, downward::listened(&ask.id), 200, cx);
        } else {
            self.streams.abort(number, cx);
        }
    }
}

#[cfg(debug_assertions)]
impl Listens {
    /// Compares what they count with what they have.
    pub(super) fn walk(&self, walk: &mut Walk) {
        for listen in self.open.values() {
            match &listen.share {
                Some(share) => walk.meet("subscription", share, listen.size()),
                None => assert_eq!(listen.size(), 0, "subscription"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_uri_is_as_long_as_what_its_text_says() {
        let read = |uri: &str| {
            let start = r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"notifications":"#;
            let text = format!(r#"{start}{{"resourceSubscriptions":["{uri}"]}}}}}}"#);
            Uris::read(&Message::parse(text.as_bytes()).unwrap(), 1)
        };
        // Each byte may be an escape.
        assert!(
            matches!(read(&r"\u0061".repeat(limits::URI)), Uris::Listed(uris) if uris.len() == 1)
        );
        assert!(matches!(read(&r"\u0061".repeat(limits::URI + 1)), Uris::TooLong));
    }
}
