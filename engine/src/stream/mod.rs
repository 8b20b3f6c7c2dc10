//! One answer or event stream of a client: its events, the events kept for a resume, and the
//! exchange that carries it. A stream does not know JSON-RPC calls or processes. Code that an event
//! passes on its way to the client belongs here.

pub(crate) mod at;
mod event;
pub(crate) mod set;
pub(crate) mod single;
