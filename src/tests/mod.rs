//! Tests of the driver's rooms, one by one. What they do together is tested on the program itself.

mod args;
mod completions;
mod config_file;
mod corpus;
mod deadlines;
mod heads;
mod logging;
mod manual;
mod masks;
mod panics;
mod random;
mod reactor;
mod remedies;
mod send_queue;
#[cfg(unix)]
mod sessions;
mod sockets;
mod stderr;
mod stdin;
mod systemd;
mod turns;
mod uploads;
