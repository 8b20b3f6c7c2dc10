//! One integration crate.

mod arrows;
mod driver_http;
mod first_page;
mod map;
mod peers;
mod real;
mod support;
mod tidy;
