//! What the tests on the real program stand on: the program and its processes, and a small
//! blocking client that shows everything that came over the wire.
#![allow(clippy::unwrap_used, reason = "what a test can't do fails it")]

#[cfg(target_os = "linux")]
pub(crate) mod cgroup;
pub(crate) mod http;
pub(crate) mod mcp;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod transcripts;
