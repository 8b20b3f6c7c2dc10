//! One integration crate.

mod corpus;
mod flow;
mod gate;
mod twin;
mod vectors;
