//! What guests want of the whole process: a log level, and subscriptions to resources. The process
//! logs as much as the guest that wants most, and is subscribed once, for all guests that want it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Guest, Host};
use crate::api::handles::ChildId;
use crate::child::{OwnRequest, Wish};
use crate::codec::message::Message;
use crate::codec::meta::LogLevel;
use crate::codec::object::{self, Object};
use crate::context::Context;
use crate::dialect;
use crate::http::fault::Fault;

/// The member of a response, and its text.
type Answer = (&'static str, Cow<'static, [u8]>);

const DONE: Answer = ("result", Cow::Borrowed(b"{}"));

impl Host {
    /// The answer to a request that the process need not see.
    pub(super) fn settled(
        &mut self,
        guest: ChildId,
        request: &Message<'_>,
        wish: Option<&Wish>,
        cx: &Context,
    ) -> Option<Answer> {
        let subscribes = ["resources/subscribe", "resources/unsubscribe"];
        if subscribes.iter().any(|name| request.calls(name)) && !request.names_once("uri") {
            // Another reader may find the resource of another guest in it.
            let fault = Fault::Params("uri must stand there once, and in no other spelling");
            return Some(("error", fault.error(&cx.config.remedies).into()));
        }
        match wish {
            Some(Wish::Subscribe(uri)) => self.subscribe(guest, uri, cx),
            Some(Wish::Unsubscribe(uri)) => {
                let known = self.guests.get_mut(&guest)?;
                known.uris.retain(|(known, _)| known != uri);
                self.wants(uri).then_some(DONE)
            }
            // The level is read from the text that the process gets.
            Some(Wish::Level(_)) => None,
            None => {
                let uri = request.param("uri").and_then(object::string);
                // A shorter one is a wish.
                let is_long = uri.is_some() && request.calls("resources/subscribe");
                let fault = Fault::Params("uri is too long to subscribe to");
                is_long.then(|| ("error", fault.error(&cx.config.remedies).into()))
            }
        }
    }

    fn subscribe(&mut self, guest: ChildId, uri: &str, cx: &Context) -> Option<Answer> {
        let is_granted =
            self.guests.values().any(|guest| guest.uris.iter().any(|(own, ok)| own == uri && *ok));
        let known = self.guests.get_mut(&guest)?;
        if known.uris.iter().any(|(own, ok)| own == uri && *ok) {
            return Some(DONE);
        }
        known.uris.retain(|(own, _)| own != uri);
        let limit = cx.config.subscriptions;
        if known.uris.len() >= limit {
            return Some(("error", Fault::Subscriptions(limit).error(&cx.config.remedies).into()));
        }
        if !cx.budget.has_room(uri.len()) {
            return Some(("error", Fault::Memory.error(&cx.config.remedies).into()));
        }
        known.uris.push((uri.into(), is_granted));
        is_granted.then_some(DONE)
    }

    /// Whether a guest wants this resource.
    fn wants(&self, uri: &str) -> bool {
        self.guests.values().any(|guest| guest.uris.iter().any(|(own, _)| own == uri))
    }

    /// The params by which a guest's wish for a level is put to the process, if another guest wants
    /// more.
    pub(super) fn wished_level(&mut self, guest: ChildId, wish: &Wish) -> Option<Vec<u8>> {
        let Wish::Level(level) = *wish else { return None };
        // It holds from now on: those that come before the answer have to know of each other.
        self.guests.get_mut(&guest)?.level = Some(level);
        let most = self.guests.values().filter_map(|guest| guest.level).min()?;
        self.level = Some(most);
        (most != level).then(|| params(most))
    }

    /// The process has answered a request by which a guest wanted something.
    pub(super) fn grant(
        &mut self,
        guest: ChildId,
        wish: Option<Box<Wish>>,
        granted: bool,
        cx: &mut Context,
    ) {
        let (Some(guest), Some(wish)) = (self.guests.get_mut(&guest), wish) else { return };
        match *wish {
            Wish::Subscribe(uri) if granted => {
                let own = guest.uris.iter_mut().filter(|(own, _)| *own == uri);
                own.for_each(|(_, ok)| *ok = true);
            }
            Wish::Subscribe(uri) => {
                guest.uris.retain(|(own, ok)| *own != uri || *ok);
                // Another may have had it, and given it up because this one waited for it.
                if self.many {
                    self.unwanted(&uri, cx);
                }
            }
            Wish::Level(_) | Wish::Unsubscribe(_) => {}
        }
    }

    /// A guest does not want this resource any more.
    fn unwanted(&mut self, uri: &str, cx: &mut Context) {
        if !self.wants(uri) {
            self.child.request(OwnRequest::Unsubscribe, &dialect::about(uri), cx);
        }
    }

    /// A guest is gone: the process is told what nobody wants any more.
    pub(super) fn unwish(&mut self, guest: Guest, cx: &mut Context) {
        for (uri, _) in guest.uris {
            self.unwanted(&uri, cx);
        }
        let most = self.guests.values().filter_map(|guest| guest.level).min();
        if let Some(most) = most.filter(|_| guest.level.is_some() && most != self.level) {
            self.level = Some(most);
            self.child.request(OwnRequest::LogLevel, &params(most), cx);
        }
    }
}

fn params(level: LogLevel) -> Vec<u8> {
    let mut params = Object::default();
    params.set("level", object::quoted(level.name()));
    params.text()
}
