//! What a client may ask of its session, awake or asleep.

use alloc::string::String;

use super::Post;
use crate::api::response;
use crate::codec::sse::EventId;
use crate::codec::version::Version;
use crate::context::Context;
use crate::context::carrier::Reply;
use crate::context::ids::StreamId;
use crate::http::admission::{Admitted, Arrival};
use crate::http::fault::Fault;
use crate::http::owner;
use crate::stream::at::Rest;
use crate::stream::set::Streams;

/// Checks what every request of a session of this version must satisfy.
pub(super) fn check(
    env: &[(String, String)],
    chosen: &str,
    head: &Admitted<'_>,
    cx: &Context,
) -> Result<(), Fault> {
    if !cx.config.header_env.is_empty() && owner::env(head.fields, &cx.config) != *env {
        // The session is another client's, so to this client it does not exist.
        return Err(head.transport.unknown());
    }
    match head.version {
        Some(version) if !version.is(chosen) => known(version.decoded()),
        _ => Ok(()),
    }
}

/// Whether this is a version that the bridge knows.
fn known(version: &str) -> Result<(), Fault> {
    let shown = || version.chars().take(40).collect();
    Version::named(version).map_or_else(|| Err(Fault::ProtocolVersion(shown())), |_| Ok(()))
}

/// Checks the form of the messages of one POST.
pub(super) fn judge(post: &Post<'_>, version: &Version) -> Result<(), Fault> {
    let Post { messages, batch, from } = *post;
    if batch && !version.batch {
        return Err(Fault::Batch);
    }
    if messages.iter().any(|m| m.is_request() && m.calls("initialize")) {
        let again = from.head.transport.initialized();
        return Err(if batch { Fault::BatchedInitialize } else { again });
    }
    if from.head.accept.nothing() && post.requests() > 0 {
        return Err(Fault::NotAcceptable);
    }
    Ok(())
}

/// GET: opens a stream for messages that belong to no call, or resumes any stream. The streams of
/// an `earlier` run of the proxy are gone; a client that asks for one goes on with a new one, which
/// brings what the session's server says from now on.
pub(super) fn listen(
    streams: &mut Streams,
    earlier: bool,
    from: Arrival<'_>,
    cx: &mut Context,
) -> Result<(), Fault> {
    let reply = Reply::new(from, cx);
    let Some(text) = from.head.last_event_id else {
        streams.listen(reply, cx);
        return Ok(());
    };
    let id = EventId::parse(text).ok_or(Fault::EventId)?;
    match streams.rest(id) {
        Rest::Unknown if earlier && !streams.is_own(id) => streams.listen(reply, cx),
        Rest::Unknown => return Err(Fault::EventId),
        Rest::Nothing => cx.answer_to(from, response::empty(204)),
        Rest::Stream => streams.attach(StreamId(id.stream), reply, Some(id.place), cx),
    }
    Ok(())
}
