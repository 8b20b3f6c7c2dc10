//! The tools of a child that its clients see, and may call.

use alloc::vec::Vec;

use super::Child;
use crate::codec::message::Message;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::ids::CallId;

impl Child {
    /// The answer to a `tools/list` without the tools that clients don't see, if it has any.
    pub(crate) fn offered(&self, answer: &Message<'_>, cx: &Context) -> Option<Vec<u8>> {
        let (offer, id) = (cx.servers.offer(self.server)?, answer.id()?);
        let call = CallId::read(id).and_then(|id| self.calls.get(&id));
        call.filter(|call| call.lists_tools)?;
        let result = offer.within(answer.result()?)?;
        Some(rpc::response(id, "result", result))
    }

    /// Whether its clients may make this request: they call no tool that they don't see.
    pub(crate) fn offers(&self, request: &Message<'_>, cx: &Context) -> bool {
        cx.servers
            .offer(self.server)
            .is_none_or(|offer| !request.calls("tools/call") || offer.has(request.param("name")))
    }
}
