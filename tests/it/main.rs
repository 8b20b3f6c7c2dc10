//! One integration crate.

mod driver_http;
mod map;
mod real;
mod support;
mod tidy;
