//! What one request's head may say, and what a refusal looks like. All of it is judged from the
//! request and the configuration alone, before anything is started. A rule of RFC 9110, of CORS or
//! of MCP's transport about header fields belongs here, and so does each status code.

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod cors;
pub(crate) mod fault;
pub(crate) mod field;
pub(crate) mod header_params;
pub(crate) mod hosts;
pub(crate) mod metadata;
pub(crate) mod owner;
pub(crate) mod session_id;
pub(crate) mod trace;
