//! One answer or event stream of a client: its events, what is kept of them to be resumed, and
//! which exchange carries it. A stream knows neither JSON-RPC calls nor processes. What an event's
//! way to its reader needs belongs here.

pub(crate) mod at;
mod event;
pub(crate) mod set;
pub(crate) mod single;
