//! A sans-IO bridge between MCP's Streamable HTTP and stdio transports.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod bridge;
mod child;
mod config;
mod context;
mod fault;
mod head;
mod header_params;
mod io;
mod json;
pub mod lines;
pub mod message;
mod metadata;
mod notice;
mod object;
mod reply;
mod session;
pub mod sse;
mod stateless;
mod stats;
mod stream;
mod streams;
mod table;
mod time;
mod translate;
mod version;

pub use bridge::Bridge;
pub use config::Config;
pub use head::Head;
pub use io::{Body, Exchange, Exit, Input, Output, Pipe, Response};
pub use notice::{Cause, Level, Notice};
pub use stats::Stats;
pub use time::Instant;
