//! Bytes to messages and back, by their specifications: JSON, JSON-RPC, lines, events, Base64, and
//! the names that MCP reserves. A codec knows no session, process or request, and imports nothing
//! from the other rooms. Code that reads or writes a format belongs here.

pub(crate) mod base64;
pub(crate) mod copy;
pub(crate) mod json;
pub mod lines;
pub mod message;
pub(crate) mod meta;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod raw_id;
pub(crate) mod rpc;
pub mod sse;
pub(crate) mod version;
