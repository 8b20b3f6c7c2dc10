//! A sans-IO bridge between MCP's Streamable HTTP and stdio transports.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bridge;
mod config;
mod head;
mod io;
mod notice;
mod time;

pub use bridge::Bridge;
pub use config::Config;
pub use head::Head;
pub use io::{Body, Exchange, Exit, Input, Output, Pipe, Response};
pub use notice::{Cause, Level, Notice};
pub use time::Instant;
