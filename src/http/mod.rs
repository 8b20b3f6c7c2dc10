//! Connections: requests through the gate to the engine, answers and streams back, everything
//! under a deadline and a bound. What concerns a client's socket belongs here.

pub(crate) mod connection;
pub(crate) mod heads;
pub(crate) mod listen;
pub(crate) mod mailbox;
pub(crate) mod send_queue;
