//! One integration crate.

mod api;
mod corpus;
mod embedding;
mod faults;
mod servers;
mod transcripts;
mod world;
