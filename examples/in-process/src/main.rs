//! Servers without processes: a child is a task of this program, and its pipes are in memory. One
//! server is a function from line to line, at `/echo`; the other is made with rmcp, at `/mcp`.
//!
//! `cargo run -- 8080` in this folder serves on `http://127.0.0.1:8080`; port 0 picks a free one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use hyper_embedding::children::Child;
use mcp_bridge::message::{Kind, Message};
use mcp_bridge::{Exit, Server};
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex, split};
use tokio::task::spawn_local;

const ECHO: Server = Server(0);
const RMCP: Server = Server(1);
const PIPE: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("usage: in-process PORT"))?;
    let start = |server, _| Ok(start(server));
    hyper_embedding::serve(port, &[("/echo", ECHO), ("/mcp", RMCP)], Box::new(start))
}

/// Each session has a task of its own.
fn start(server: Server) -> Child {
    let (ours, theirs) = duplex(PIPE);
    let (stdout, stdin) = split(ours);
    let task = match server {
        ECHO => spawn_local(lines(theirs)),
        _ => spawn_local(async { _ = count(theirs).await }),
    };
    let handle = task.abort_handle();
    Child {
        pid: None,
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        // Its end of the pipe goes with it.
        end: Box::new(move |_| handle.abort()),
        exit: Box::pin(async { task.await.map_or(Exit::Unknown, |()| Exit::Code(0)) }),
    }
}

/// A server that is a function from line to line.
async fn lines(pipe: DuplexStream) {
    let (reader, mut writer) = split(pipe);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(answer) = answer(&line) else { continue };
        if writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(line: &str) -> Option<String> {
    let message = Message::parse(line.as_bytes()).ok()?;
    let Kind::Request { id, method } = message.kind() else { return None };
    let id = str::from_utf8(id).ok()?;
    let params = str::from_utf8(message.params().unwrap_or(b"{}")).ok()?;
    let result = match &*method {
        "initialize" => {
            let info = r#""serverInfo":{"name":"echo","version":"1"}"#;
            format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}},{info}}}"#)
        }
        "ping" => String::from("{}"),
        "tools/list" => r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#.into(),
        "tools/call" => {
            format!(r#"{{"content":[],"structuredContent":{{"said":{params}}}}}"#)
        }
        _ => {
            let error = r#"{"code":-32601,"message":"unknown method"}"#;
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
        }
    };
    Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// A server of rmcp: each session has one of its own.
#[derive(Default)]
struct Counter(AtomicU32);

#[tool_router]
impl Counter {
    #[tool(description = "Counts its calls in this session")]
    fn count(&self) -> String {
        (self.0.fetch_add(1, Relaxed) + 1).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Counter {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

async fn count(pipe: DuplexStream) -> Option<()> {
    let running = Counter::default().serve(split(pipe)).await.ok()?;
    running.waiting().await.ok().map(drop)
}
