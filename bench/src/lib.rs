//! What the programs of the benchmark share.

pub mod bytes;
pub mod http;
pub mod mcp;
pub mod peer;
pub mod pump;
pub mod report;
