//! What the progress of a child is of: a call, or a task that goes on after its call.

use super::Child;
use crate::codec::message::Message;
use crate::context::ids::{CallId, StreamId};

/// Progress of a known call or task.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) id: CallId,
    /// The stream of the call; a task has none (MCP 2025-11-25 "Tasks, Task Progress
    /// Notifications").
    pub(crate) stream: Option<StreamId>,
    /// The token that its client chose.
    pub(crate) token: &'a [u8],
}

impl Child {
    /// What a notification of progress is of, if that is known and its client wants progress.
    pub(crate) fn progress(&self, message: &Message<'_>) -> Option<Progress<'_>> {
        let id = message.token().and_then(CallId::read)?;
        let (stream, token) = match self.calls.get(&id) {
            Some(call) => (Some(call.stream), call.token.as_deref()?),
            None => (None, self.task_token(id)?),
        };
        Some(Progress { id, stream, token })
    }

    /// The token of a task whose call was answered.
    fn task_token(&self, id: CallId) -> Option<&[u8]> {
        self.task_tokens.iter().find(|(task, _)| *task == id).map(|(_, token)| &**token)
    }
}
