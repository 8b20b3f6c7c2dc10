//! Tests of the driver's rooms, one by one. What they do together is tested on the program itself.

mod args;
mod completions;
mod deadlines;
mod definitions;
mod http;
mod logging;
mod manager;
mod manual;
mod outgoing;
mod panics;
mod random;
mod reactor;
mod share;
mod sockets;
mod stderr;
mod stdin;
mod turns;
