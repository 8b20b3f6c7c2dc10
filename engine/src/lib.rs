//! A sans-IO bridge between MCP's Streamable HTTP and stdio transports.
//!
//! This crate decides; it does nothing. It has no clock, socket, file, process, thread, lock or
//! randomness: a driver tells it what happened and does what it asks. The same inputs give the
//! same outputs, so a run can be written down and played again. The program of the same name is
//! one such driver; README.md tells about it.
//!
//! # The contract
//!
//! - [`Bridge::admit`] judges a request's head before its body is read.
//! - [`Bridge::handle`] is told one thing that happened, with the time. It can't fail: a peer's
//!   fault becomes an answer to that peer.
//! - [`Bridge::poll_output`] gives the next thing to do. Outputs are carried out in their order.
//!   [`Output`] is exhaustive, so that the compiler finds a driver that forgets one.
//! - [`Bridge::poll_timeout`] says when to call `handle` with [`Input::Tick`] if nothing happens
//!   before.
//! - A child's standard output is read unless [`Output::Pause`] stopped that, until
//!   [`Output::Resume`].
//! - The engine numbers [`Exchange`]s and [`ChildId`]s and uses no number again; [`Server`]s are
//!   the driver's. An input for a number that the engine does not know any more is ignored.
//! - Any number of inputs may come before outputs are taken.
//! - Each request is answered exactly once, with one whole [`Output::Respond`], or a stream that
//!   ends by [`Output::Finish`]. Its exchange ends by [`Input::Delivered`], [`Input::Lost`] or
//!   [`Output::Abort`], which comes also when the peer does not take what it was given.
//! - Each child that was opened ends by its [`Input::Exited`] or [`Input::OpenFailed`]; the engine
//!   asks for that step by step, and [`Bridge::is_idle`] says when nothing is left.
//! - Every queue, buffer, table and wait has a limit in [`Config`].
//!
//! # A whole life
//!
//! A session is opened, called and deleted. The driver is one function, and so is the child.
//!
//! ```
//! use mcp_bridge::message::{Kind, Message, Splice};
//! use mcp_bridge::{Body, Bridge, Config, Exit, Head, Input, Instant, Output};
//! use std::time::Duration;
//!
//! /// A child: answers `initialize`, and any other request with an empty result.
//! fn answer(line: &[u8]) -> Option<Vec<u8>> {
//!     let request = Message::parse(line).ok()?;
//!     let Kind::Request { .. } = request.kind() else { return None };
//!     let result = match request.calls("initialize") {
//!         true => r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}"#,
//!         false => "{}",
//!     };
//!     let text = format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
//!     let mut line = Vec::new();
//!     let change = Splice { id: request.id(), ..Splice::default() };
//!     Message::parse(text.as_bytes()).ok()?.splice(&change, &mut line);
//!     line.push(b'\n');
//!     Some(line)
//! }
//!
//! /// A driver: sends one request and does all that is asked for. Gives the answer's status, the
//! /// session's id if it was told, and the answer's content.
//! fn ask(bridge: &mut Bridge, time: u64, head: Head<'_>, body: &[u8])
//! -> (u16, Option<String>, String) {
//!     let now = Instant::new(Duration::from_secs(time)); // A real one asks a clock,
//!     let random = [time as u8; 16]; // and the system for random bytes.
//!     let admitted = bridge.admit(&head).expect("it is let in");
//!     let exchange = admitted.exchange();
//!     bridge.handle(Input::Request { admitted, head: &head, body, random }, now);
//!     let (mut status, mut session, mut content) = (0, None, Vec::new());
//!     while let Some(output) = bridge.poll_output() {
//!         match output {
//!             Output::Open { child, .. } => {
//!                 bridge.handle(Input::Opened { child, pid: Some(42) }, now);
//!             }
//!             Output::Write { child, bytes } => {
//!                 bridge.handle(Input::StdinTaken { child, bytes: bytes.len() }, now);
//!                 for line in bytes.split(|byte| *byte == b'\n').filter_map(answer) {
//!                     bridge.handle(Input::Stdout { child, bytes: &line }, now);
//!                 }
//!             }
//!             Output::CloseStdin { child } => {
//!                 let exit = Exit::Code(0); // It leaves when its input ends.
//!                 bridge.handle(Input::Exited { child, exit, stderr: b"" }, now);
//!             }
//!             Output::Terminate { .. } | Output::Kill { .. } => unreachable!("it left by itself"),
//!             Output::Pause { .. } | Output::Resume { .. } => {} // It writes only when asked.
//!             Output::Respond { response, .. } => {
//!                 status = response.status;
//!                 let mut fields = response.fields.iter();
//!                 let id = fields.find(|(name, _)| *name == "mcp-session-id");
//!                 session = id.map(|(_, id)| id.to_string());
//!                 if let Body::Whole(bytes) = response.body {
//!                     bridge.handle(Input::Delivered { exchange }, now);
//!                     content = bytes;
//!                 }
//!             }
//!             Output::Send { bytes, .. } => {
//!                 bridge.handle(Input::Taken { exchange, bytes: bytes.len() }, now);
//!                 content.extend(bytes);
//!             }
//!             Output::Finish { exchange } => bridge.handle(Input::Delivered { exchange }, now),
//!             Output::Abort { .. } => {}
//!             Output::Save { session, .. } => bridge.handle(Input::Saved { session }, now),
//!             Output::Forget { .. } => {}
//!             Output::Notice(notice) => println!("{notice}"),
//!         }
//!     }
//!     (status, session, String::from_utf8_lossy(&content).into_owned())
//! }
//!
//! let mut bridge = Bridge::new(Config::default()).unwrap();
//! let fields: [(&str, &[u8]); 2] =
//!     [("Host", b"localhost:8080"), ("Content-Type", b"application/json")];
//! let post = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
//! let initialize = br#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{}}"#;
//! let (status, session, content) = ask(&mut bridge, 1, post, initialize);
//! assert_eq!(status, 200);
//! assert!(content.starts_with(r#"{"jsonrpc":"2.0","id":"a","result":{"protocolVersion""#));
//!
//! let session = session.expect("a new session tells its id");
//! let fields = [fields[0], fields[1], ("Mcp-Session-Id", session.as_bytes())];
//! let post = Head { fields: &fields, ..post };
//! let call = br#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"any"}}"#;
//! let (status, _, content) = ask(&mut bridge, 2, post, call);
//! assert_eq!((status, &*content), (200, r#"{"jsonrpc":"2.0","id":"b","result":{}}"#));
//!
//! let delete = Head { method: "DELETE", ..post };
//! assert_eq!(ask(&mut bridge, 3, delete, b"").0, 200);
//! assert!(bridge.is_idle() && bridge.buffered() == 0);
//! assert_eq!(ask(&mut bridge, 4, post, call).0, 404);
//! ```
//!
//! # The codecs
//!
//! They are public because drivers, tests and clients want them as well. [`message`] reads one
//! JSON-RPC message as spans and changes what it is told to, nothing else:
//!
//! ```
//! use mcp_bridge::message::{Kind, Message, Splice};
//!
//! let text = br#"{"id": "mine", "jsonrpc": "2.0", "method": "ping", "extra": 1.10}"#;
//! let message = Message::parse(text)?;
//! let Kind::Request { id, .. } = message.kind() else { panic!("it has a method and an id") };
//! assert_eq!(id, br#""mine""#);
//! let mut line = Vec::new();
//! message.splice(&Splice { id: Some(b"7"), ..Splice::default() }, &mut line);
//! assert_eq!(line, br#"{"id": 7, "jsonrpc": "2.0", "method": "ping", "extra": 1.10}"#);
//! # Ok::<(), mcp_bridge::message::Malformed<'_>>(())
//! ```
//!
//! [`lines`] cuts a pipe's bytes into lines, and copies only what is cut in the middle:
//!
//! ```
//! let mut lines = mcp_bridge::lines::Lines::new(1024);
//! let mut seen = Vec::new();
//! for piece in [&b"one\r\ntw"[..], b"o\nthr", b"ee\n"] {
//!     let mut feed = lines.feed(piece);
//!     while let Some(line) = feed.next() {
//!         seen.push(line?.to_vec());
//!     }
//! }
//! assert_eq!(seen, [&b"one"[..], b"two", b"three"]);
//! # Ok::<(), mcp_bridge::lines::TooLong>(())
//! ```
//!
//! [`sse`] writes events and reads them by the WHATWG's rules:
//!
//! ```
//! use mcp_bridge::sse::{Decoder, EventId, encode};
//!
//! let mut stream = Vec::new();
//! encode(Some(EventId { session: 10, stream: 2, place: 1 }), b"{}", &mut stream);
//! assert_eq!(stream, b"event: message\nid: a-2-1\ndata: {}\n\n");
//! let mut events = Vec::new();
//! Decoder::new(1024).feed(&stream, &mut events)?;
//! assert_eq!((&*events[0].id, &*events[0].data), ("a-2-1", "{}"));
//! # Ok::<(), mcp_bridge::lines::TooLong>(())
//! ```
//!
//! # The map
//!
//! | rooms | what |
//! |---|---|
//! | `api` | what goes in and comes out, as plain data |
//! | `bridge` | [`Bridge`]: which session and which child is meant, the limits that span sessions |
//! | `http` | what a request's head may say, and what a refusal looks like |
//! | `front` | the two kinds of clients: a session, or requests of 2026-07-28 |
//! | `dialect` | the translation between the two eras |
//! | `stream` | answers and event streams, their replay, the exchanges that carry them |
//! | `child` | one process: its calls in flight, its shutdown sequence |
//! | `context` | the effects of these: time, waits, outputs, memory, reports to the bridge |
//! | `codec` | bytes to messages and back |
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod api;
mod bridge;
mod child;
mod codec;
mod context;
mod dialect;
mod front;
mod http;
mod stream;
mod table;

pub use api::admit::{Admitted, Refusal};
pub use api::cause::Cause;
pub use api::config::{Config, ConfigError};
pub use api::eras::Eras;
pub use api::event::{Level, Notice};
pub use api::handles::{ChildId, Exchange, Exit, Server, SessionNumber};
pub use api::head::Head;
pub use api::instant::Instant;
pub use api::io::{Endpoint, Input, Output};
pub use api::response::{Body, Response};
pub use api::restore::RestoreError;
pub use api::rule::Rule;
pub use api::session::Session;
pub use api::stats::{Durations, ServerStats, Stats};
pub use api::terms::{Limits, Tools};
pub use bridge::Bridge;
pub use codec::{lines, message, sse};
pub use context::budget::{Budget, Share};
