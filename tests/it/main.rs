//! One integration crate.

#![allow(clippy::duplicate_mod, reason = "the fuzz targets' bodies bring the gate with them")]

mod api;
mod corpus;
#[cfg(feature = "proxy")]
mod driver_http;
mod embedding;
mod faults;
#[cfg(feature = "proxy")]
mod gate;
mod map;
#[cfg(feature = "proxy")]
mod real;
mod servers;
#[cfg(feature = "proxy")]
mod support;
mod tidy;
mod transcripts;
mod world;
