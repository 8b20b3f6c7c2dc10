//! The messages of the benchmark: what the load generator asks, and what the child and the floor
//! answer, to the byte.

use std::io::{self, Write};

/// The protocol revision of the benchmark: one that all peers speak.
pub const VERSION: &str = "2025-06-18";

/// The result of `initialize`.
pub const INITIALIZED: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}"#;

/// The text of an `echo` and of its answer: with it a call and an answer have about 200 bytes.
pub const TEXT: &str =
    "The quick brown fox jumps over the lazy dog, and over the lazy dog once more, and then rests.";

/// A tool's result with one text.
pub fn text(text: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}"#)
}

/// The result of `echo`.
pub fn echo() -> &'static str {
    concat!(
        r#"{"content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog, "#,
        r#"and over the lazy dog once more, and then rests."}],"isError":false}"#
    )
}

/// Appends the line of an answer.
pub fn answer(id: &[u8], result: &[u8], out: &mut Vec<u8>) {
    for piece in [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, result, b"}\n"] {
        out.extend_from_slice(piece);
    }
}

/// Appends the line of a progress notification.
pub fn progress(token: &[u8], number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(
        br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"#,
    );
    out.extend_from_slice(token);
    // A vector takes all.
    let _ = write!(out, r#","progress":{number},"message":"step {number}"}}}}"#);
    out.push(b'\n');
}

/// Gives the line of an answer with a text of `size` bytes, in pieces.
pub fn blob(
    id: &[u8],
    size: usize,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut begin = Vec::new();
    answer(id, br#"{"content":[{"type":"text","text":""#, &mut begin);
    begin.truncate(begin.len() - 2);
    write(&begin)?;
    let piece = [b'x'; 64 * 1024];
    let mut left = size;
    while left > 0 {
        let now = left.min(piece.len());
        write(&piece[..now])?;
        left -= now;
    }
    write(b"\"}],\"isError\":false}}\n")
}

/// A request, or without an id a notification, with its params.
pub fn request(id: Option<&str>, method: &str, params: &str) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
    format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}"{params}}}"#)
}

/// The request that opens a session.
pub fn initialize() -> String {
    let params = format!(
        r#"{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}"#
    );
    request(Some("0"), "initialize", &params)
}

/// The notification that follows.
pub fn initialized() -> String {
    request(None, "notifications/initialized", "")
}

/// A call of a tool.
pub fn call(id: &str, tool: &str, arguments: &str) -> String {
    request(Some(id), "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{{arguments}}}}}"#))
}

/// A call of a tool that wants to be told of progress.
pub fn call_with_progress(id: &str, tool: &str, arguments: &str) -> String {
    let params = format!(
        r#"{{"name":"{tool}","arguments":{{{arguments}}},"_meta":{{"progressToken":{id}}}}}"#
    );
    request(Some(id), "tools/call", &params)
}
