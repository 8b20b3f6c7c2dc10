//! One integration crate.

#[cfg(feature = "proxy")]
mod real;
#[cfg(feature = "proxy")]
mod support;
