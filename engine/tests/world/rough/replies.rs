//! What the processes of the rough world answer.

/// A request that a process has got.
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) method: String,
    /// A client's session sent it.
    pub(super) owned: bool,
}

/// What a process answers.
pub(super) fn answer(asked: &Asked, mark: usize, modern: bool) -> String {
    let (id, author) = (&asked.id, if asked.owned { 's' } else { 'w' });
    let result = match &*asked.method {
        "\"initialize\"" if modern => {
            return format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"@{author}{mark}@\"}}}}"
            );
        }
        "\"initialize\"" => format!(
            "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{{\"resources\":{{\"subscribe\":true}}}},\
             \"serverInfo\":{{\"name\":\"@{author}{mark}@\",\"version\":\"1\"}}"
        ),
        "\"server/discover\"" if modern => String::from(
            "\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{}",
        ),
        "\"server/discover\"" => {
            return format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"no\"}}}}"
            );
        }
        _ if modern => format!("\"resultType\":\"complete\",\"x\":\"@{author}{mark}@\""),
        _ => format!("\"x\":\"@{author}{mark}@\""),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{result}}}}}")
}
