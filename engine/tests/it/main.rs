//! One integration crate.

mod api;
mod corpus;
mod embedding;
mod faults;
mod lives;
mod servers;
mod shared;
mod stage;
mod transcripts;
mod world;
