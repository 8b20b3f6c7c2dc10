//! HTTP connections: requests through the gate to the engine, responses and streams back, a
//! deadline and a limit for everything. Code about a client's socket belongs here.

pub(crate) mod connection;
pub(crate) mod heads;
pub(crate) mod listen;
pub(crate) mod mailbox;
pub(crate) mod metrics;
pub(crate) mod send_queue;
