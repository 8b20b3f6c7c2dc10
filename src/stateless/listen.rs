//! `subscriptions/listen` (MCP 2026-07-28 "Subscriptions"). Before a session-era child it is made
//! of `resources/subscribe`, counted by URI, and the `list_changed` notifications; the first
//! message says what of it is honoured, the last is its result.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Mode, Room, Worker};
use crate::child::{Child, Own};
use crate::context::Context;
use crate::fault::Fault;
use crate::message::Message;
use crate::object::{self, Object};
use crate::table::Table;
use crate::translate::{self, LISTS, downward};

/// One subscription of a client.
#[derive(Debug, Default)]
struct Listen {
    /// Which of `LISTS` it gets.
    lists: [bool; 3],
    uris: Vec<String>,
    acknowledged: bool,
}

/// A resource that is subscribed to at the child.
#[derive(Debug, Default)]
struct Wanted {
    /// How many want it.
    count: usize,
    /// Our request, while it is not answered.
    asked: Option<u64>,
}

/// All subscriptions of one child.
#[derive(Debug, Default)]
pub(crate) struct Listens {
    /// By the number of the stream.
    open: Table<u64, Listen>,
    uris: Table<String, Wanted>,
}

impl Listens {
    pub(super) fn has(&self, number: u64) -> bool {
        self.open.contains(&number)
    }

    /// Notes one that the child itself serves.
    pub(super) fn add(&mut self, number: u64) {
        self.open.insert(number, Listen::default());
    }
}

impl Worker {
    /// The resources that a filter names, if the child takes subscriptions to any.
    fn named(&self, filter: &Object<'_>) -> Vec<String> {
        let named =
            filter.get("resourceSubscriptions").filter(|_| self.offers("resources", "subscribe"));
        let mut uris: Vec<String> = named.and_then(object::decode).unwrap_or_default();
        uris.sort_unstable();
        uris.dedup();
        uris
    }

    /// Whether the child, of the session era, offers a feature of a capability.
    fn offers(&self, capability: &str, feature: &str) -> bool {
        let Mode::Session(initialized) = &self.mode else { return false };
        translate::offers(initialized, capability, feature)
    }

    /// How many are subscribed to if these are as well.
    fn with_these(&self, uris: &[String]) -> usize {
        let fresh = uris.iter().filter(|uri| !self.listens.uris.contains(*uri)).count();
        self.listens.uris.len() + fresh
    }

    /// Where there is room for a subscription.
    pub(super) fn room_to_listen(&self, message: &Message<'_>, cx: &Context) -> Room {
        let limit = cx.config.subscriptions;
        let filter = message.param("notifications").and_then(Object::read).unwrap_or_default();
        let uris = self.named(&filter);
        match self.with_these(&uris) {
            count if count <= limit => Room::Here,
            _ if uris.len() <= limit => Room::Elsewhere(Fault::Subscriptions(limit)),
            _ => Room::Later(Fault::Subscriptions(limit)),
        }
    }

    /// Opens a subscription before a session-era child.
    pub(super) fn listen(
        &mut self,
        number: u64,
        message: &Message<'_>,
        child: &mut Child,
        cx: &mut Context,
    ) {
        let Some(filter) = message.param("notifications").and_then(Object::read) else {
            return self.fail(number, &Fault::MetadataMissing("notifications"), cx);
        };
        let mut listen = Listen::default();
        for (wanted, (name, capability, _)) in listen.lists.iter_mut().zip(LISTS) {
            *wanted = filter.get(name) == Some(b"true") && self.offers(capability, "listChanged");
        }
        let uris = self.named(&filter);
        if uris.iter().any(|uri| uri.len() > translate::URI) {
            let fault = Fault::Params("a resource's URI is too long to subscribe to");
            return self.fail(number, &fault, cx);
        }
        if self.with_these(&uris) > cx.config.subscriptions {
            return self.fail(number, &Fault::Subscriptions(cx.config.subscriptions), cx);
        }
        self.subscribe(&mut listen, uris, child, cx);
        self.listens.open.insert(number, listen);
        self.acknowledge(number, cx);
    }

    /// Subscribes to what nobody listens to yet.
    fn subscribe(
        &mut self,
        listen: &mut Listen,
        uris: Vec<String>,
        child: &mut Child,
        cx: &mut Context,
    ) {
        for uri in uris {
            let wanted = self.listens.uris.or_default(uri.clone());
            wanted.count += 1;
            if wanted.count == 1 {
                let own = Own::Subscribe(uri.clone());
                wanted.asked = Some(child.ask(own, "resources/subscribe", &about(&uri), cx));
            }
            listen.uris.push(uri);
        }
    }

    /// The child answered a subscription of ours.
    pub(super) fn subscribed(&mut self, uri: &str, accepted: bool, cx: &mut Context) {
        if let Some(wanted) = self.listens.uris.get_mut(uri) {
            wanted.asked = None;
        }
        if !accepted {
            self.listens.uris.remove(uri);
            for listen in self.listens.open.values_mut() {
                listen.uris.retain(|wanted| wanted != uri);
            }
        }
        for number in self.listens.open.keys().copied().collect::<Vec<_>>() {
            self.acknowledge(number, cx);
        }
    }

    /// The child did not answer a subscription of ours in time: who waits for it is told.
    pub(super) fn subscribe_overdue(&mut self, id: u64, child: &mut Child, cx: &mut Context) {
        let asked = self.listens.uris.iter().find(|(_, wanted)| wanted.asked == Some(id));
        let Some(uri) = asked.map(|(uri, _)| uri.clone()) else { return };
        child.withdraw(id, "timed out", cx);
        let waiting = self.listens.open.iter().filter(|(_, listen)| listen.uris.contains(&uri));
        for number in waiting.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.unlisten(number, child, cx);
            self.fail(number, &Fault::TimedOut, cx);
        }
    }

    /// Sends the first message of a subscription, once all that it needs is known.
    fn acknowledge(&mut self, number: u64, cx: &mut Context) {
        let Some(ask) = self.asks.get(&number) else { return };
        let Listens { open, uris } = &mut self.listens;
        let Some(listen) = open.get_mut(&number) else { return };
        let waits = |uri| uris.get(uri).is_some_and(|wanted: &Wanted| wanted.asked.is_some());
        if listen.acknowledged || listen.uris.iter().any(waits) {
            return;
        }
        listen.acknowledged = true;
        let honoured = translate::filter(listen.lists, &listen.uris);
        let data = downward::acknowledged(&honoured.text(), &ask.id);
        self.streams.put(number, &data, cx);
    }

    /// A notification of a session-era child goes to every subscription that names it.
    pub(super) fn changed(&mut self, message: &Message<'_>, cx: &mut Context) {
        let method = message.method().unwrap_or_default();
        let list = LISTS.iter().position(|(_, _, name)| *name == method);
        let uri = message.param("uri").and_then(object::string);
        let uri = uri.filter(|_| method == "notifications/resources/updated");
        let mut matching = Vec::new();
        for (number, listen) in self.listens.open.iter().filter(|(_, listen)| listen.acknowledged) {
            let by_list = list.is_some_and(|list| listen.lists[list]);
            let by_uri = uri.as_ref().is_some_and(|uri| listen.uris.iter().any(|u| covers(u, uri)));
            if by_list || by_uri {
                matching.push(*number);
            }
        }
        if matching.is_empty() {
            self.streams.dropped(cx);
        }
        for number in matching {
            let Some(ask) = self.asks.get(&number) else { continue };
            let data = downward::tag(message, &ask.id);
            self.streams.put(number, &data, cx);
        }
    }

    /// A subscription is over on the client's side.
    pub(super) fn unlisten(&mut self, number: u64, child: &mut Child, cx: &mut Context) {
        let Some(listen) = self.listens.open.remove(&number) else { return };
        for uri in listen.uris {
            let Some(wanted) = self.listens.uris.get_mut(&uri) else { continue };
            wanted.count -= 1;
            if wanted.count > 0 {
                continue;
            }
            if let Some(asked) = wanted.asked {
                child.end_own(asked, cx);
            }
            self.listens.uris.remove(&uri);
            child.ask(Own::Unsubscribe, "resources/unsubscribe", &about(&uri), cx);
        }
    }

    /// Ends a subscription from this side: with its result, or broken off so that the client
    /// subscribes again.
    pub(super) fn end_listen(&mut self, number: u64, graceful: bool, cx: &mut Context) {
        self.listens.open.remove(&number);
        let Some(ask) = self.asks.remove(&number) else { return };
        if graceful {
            self.streams.answer(number, downward::listened(&ask.id), 200, None, cx);
        } else {
            self.streams.abort(number, cx);
        }
    }
}

/// Whether an update of `uri` is one of `subscribed`, which may be above it.
fn covers(subscribed: &str, uri: &str) -> bool {
    let rest = uri.strip_prefix(subscribed);
    rest.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(['/', '#', '?']) || subscribed.ends_with('/')
    })
}

fn about(uri: &str) -> Vec<u8> {
    [b"{\"uri\":", &object::quoted(uri)[..], b"}"].concat()
}
