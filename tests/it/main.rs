//! One integration crate.

mod faults;
#[cfg(feature = "proxy")]
mod driver_http;
#[cfg(feature = "proxy")]
mod gate;
#[cfg(feature = "proxy")]
mod real;
#[cfg(feature = "proxy")]
mod support;
mod tidy;
mod transcripts;
mod world;
