//! The client of a parked call returns with answers to its child's questions.

use alloc::vec::Vec;

use super::{Park, ROOTS, SETTLE, Worker};
use crate::child::Call;
use crate::codec::message::Message;
use crate::codec::rpc;
use crate::context::Context;
use crate::context::ids::{CallId, StreamId};
use crate::context::timers::Wait;
use crate::dialect::downward;
use crate::front::stateless::Request;
use crate::http::fault::Fault;

impl Worker {
    /// A client returns to a parked call.
    pub(crate) fn resume(
        &mut self,
        id: CallId,
        request: &Request<'_>,
        cx: &mut Context,
    ) -> Result<(), Fault> {
        let park = self.parks.get(&id).ok_or(Fault::RequestState)?;
        let is_same = *park.method == *request.metadata.method
            && park.digest == downward::digest(request.message);
        if !is_same {
            return Err(Fault::RequestState);
        }
        let given = request.message.param("inputResponses").unwrap_or(b"{}");
        let answers = park.answers(given).ok_or(Fault::InputResponses)?;
        // At a limit the wait goes on, so that the client can return again.
        let writes = park.early.is_none() && !park.unseen;
        if writes && !self.child.accepts(request.message.size(), cx.config.stdin) {
            return Err(Fault::Stdin);
        }
        let Some(mut park) = self.drop_park(id, cx) else { return Err(Fault::RequestState) };
        let number = self.open(request, park.digest, cx);
        park.secret = request.from.random;
        if let Some((status, member, text)) = park.early.take() {
            if let Some(ask) = self.asks.remove(&number) {
                let data = rpc::response(&ask.id, member, text);
                self.streams.answer(number, data, status, cx);
            }
            return Ok(());
        }
        if core::mem::take(&mut park.unseen) {
            self.request_input(id, number, park, cx);
            return Ok(());
        }
        self.set_log_level(number, cx);
        let before = park.resend && park.open.iter().any(|open| open.asked.is_some());
        self.hand_over(&mut park, answers, number, cx);
        if park.resend {
            park.open.retain(|open| open.asked.is_some());
        }
        if !park.open.is_empty() {
            self.request_input(id, number, park, cx);
            return Ok(());
        }
        match park.resend {
            true if before => {
                self.keep_text(number, request.message, cx);
                park.settles = Some(number);
                self.settle(id, park, cx);
            }
            // `requestState` is the bridge's: the child gets the call without it, as it was first
            // sent.
            true => {
                self.carried = self.carried.saturating_sub(1);
                self.carried_asking = self.carried_asking.saturating_sub(1);
                self.call_downward(number, request.message, cx);
            }
            false => self.go_on(id, number, request),
        }
        Ok(())
    }

    /// Assigns the call in the child to its client's new request.
    fn go_on(&mut self, id: CallId, number: StreamId, request: &Request<'_>) {
        self.child.goes_on(id, Call::of(request.message, number));
        self.called(number, id);
    }

    /// Gives the child time to process the answers before it gets the call.
    fn settle(&mut self, id: CallId, mut park: Park, cx: &mut Context) {
        park.account();
        cx.timers.set(&mut park.due, cx.now.after(SETTLE), Wait::Park(self.child.id, id));
        self.parks.insert(id, park);
    }

    /// Keeps the text of a request until the child gets it.
    fn keep_text(&mut self, number: StreamId, call: &Message<'_>, cx: &Context) {
        if let Some(ask) = self.asks.get_mut(&number) {
            ask.text = cx.budget.keep(call.copied());
        }
    }

    /// Sends the child the answers, in the order of the open questions.
    fn hand_over(
        &mut self,
        park: &mut Park,
        answers: Vec<Option<&[u8]>>,
        number: StreamId,
        cx: &mut Context,
    ) {
        // Roots requested for other clients must not be answered with this client's folders.
        let mut others =
            self.asks.keys().filter(|other| **other != number && !self.listens.has(**other));
        let shared = !self.owner.is_known() && others.next().is_some();
        let (mut answers, child) = (answers.into_iter(), &mut self.child);
        park.open.retain(|open| {
            let Some(answer) = answers.next().flatten() else { return true };
            match &open.asked {
                Some(id) if shared && open.question.method == ROOTS => {
                    child.refuse(id, (-32603, "other clients use this process"), cx);
                }
                Some(id) => child.send(rpc::response(id, "result", answer), cx),
                None => {}
            }
            false
        });
    }
}
