//! An MCP server that misbehaves on demand.
fn main() {}
