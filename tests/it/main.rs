//! One integration crate.

mod arrows;
mod driver_http;
mod map;
mod real;
mod support;
mod tidy;
