//! The engine alone: calls by hand, with no socket, no process and no clock.
//!
//! What runs inside the `measured_*` functions is the engine's share of a call and of its answer,
//! the release of what it gave out included; callgrind is told to count there only. Allocations
//! are counted there only as well, and printed per call.
//!
//! Usage: `engine CALLS [BYTES]`, with the size of the call's and of the answer's text.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mcp_bridge::Refusal;
use mcp_bridge::{Admitted, Bridge, ChildId, Config, Exchange, Head, Input, Instant, Output};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static COUNTING: AtomicBool = AtomicBool::new(false);

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

fn count(size: usize) {
    if COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(size as u64, Relaxed);
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_admit(bridge: &mut Bridge, head: &Head<'_>) -> Result<Admitted, Box<Refusal>> {
    bridge.admit(head)
}

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_handle(bridge: &mut Bridge, input: Input<'_>, now: Instant) {
    bridge.handle(input, now);
}

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_poll(bridge: &mut Bridge) -> Option<Output> {
    bridge.poll_output()
}

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_waits(bridge: &Bridge) -> Option<Instant> {
    bridge.poll_timeout()
}

#[unsafe(no_mangle)]
#[inline(never)]
fn measured_drop(output: Output) {
    drop(output);
}

/// A driver, and a child that answers at once.
struct World {
    bridge: Bridge,
    child: Option<ChildId>,
    /// The child's answer: the engine's id goes between the two.
    answer: (Vec<u8>, Vec<u8>),
    line: Vec<u8>,
    session: Option<String>,
    exchange: u64,
    answered: u64,
    now: Duration,
}

impl World {
    fn ask(&mut self, head: &Head<'_>, body: &[u8]) {
        self.exchange += 1;
        self.now += Duration::from_micros(50);
        let now = Instant::new(self.now);
        let admitted = measured_admit(&mut self.bridge, head).expect("it is let in");
        let exchange = admitted.exchange();
        let random = u128::from(self.exchange).to_ne_bytes();
        measured_handle(&mut self.bridge, Input::Request { admitted, head, body, random }, now);
        while let Some(output) = measured_poll(&mut self.bridge) {
            self.carry_out(&output, exchange, now);
            COUNTING.store(true, Relaxed);
            measured_drop(output);
        }
        if self.child.is_some() {
            black_box(measured_waits(&self.bridge));
        }
    }

    fn carry_out(&mut self, output: &Output, exchange: Exchange, now: Instant) {
        let counting = COUNTING.swap(false, Relaxed);
        match output {
            Output::Open { child, .. } => {
                self.child = Some(*child);
                let opened = Input::Opened { child: *child, pid: Some(1) };
                measured_handle(&mut self.bridge, opened, now);
            }
            Output::Write { child, bytes } => {
                let taken = Input::StdinTaken { child: *child, bytes: bytes.len() };
                self.answer_to(bytes);
                COUNTING.store(counting, Relaxed);
                measured_handle(&mut self.bridge, taken, now);
                if !self.line.is_empty() {
                    let line = Input::Stdout { child: *child, bytes: &self.line };
                    measured_handle(&mut self.bridge, line, now);
                }
            }
            Output::Respond { response, .. } => {
                let mcp_bridge::Body::Whole(body) = &response.body else {
                    panic!("a stream, though the child answers at once");
                };
                assert!((200..203).contains(&response.status), "{response:?}");
                let fields = &response.fields;
                if let Some((_, id)) = fields.iter().find(|(name, _)| *name == "mcp-session-id") {
                    self.session = Some(id.to_string());
                }
                self.answered += 1;
                COUNTING.store(counting, Relaxed);
                black_box(body);
                measured_handle(&mut self.bridge, Input::Delivered { exchange }, now);
            }
            Output::Notice(_) => COUNTING.store(counting, Relaxed),
            other => panic!("unexpected: {other:?}"),
        }
    }

    /// Makes the answer to a line, with the line's id; none to a notification.
    fn answer_to(&mut self, line: &[u8]) {
        self.line.clear();
        let key = b"\"id\":";
        let Some(at) = line.windows(key.len()).position(|window| window == key) else { return };
        let id = &line[at + key.len()..];
        let end = id.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(id.len());
        self.line.extend_from_slice(&self.answer.0);
        self.line.extend_from_slice(&id[..end]);
        self.line.extend_from_slice(&self.answer.1);
    }
}

/// Spreads an answer around its id.
fn answer(result: &str) -> (Vec<u8>, Vec<u8>) {
    let begin = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    (begin, format!(",\"result\":{result}}}\n").into_bytes())
}

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let calls = args.next().and_then(Result::ok).expect("engine CALLS [BYTES]");
    let bytes = args.next().and_then(Result::ok).unwrap_or(100);
    let version = "2025-06-18";
    let begin = format!(
        r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"c","version":"1"}}}}"#
    );
    let mut world = World {
        bridge: Bridge::new(Config::default()).expect("a good configuration"),
        child: None,
        answer: answer(&begin),
        line: Vec::new(),
        session: None,
        exchange: 0,
        answered: 0,
        now: Duration::from_secs(1),
    };
    let fields: [(&str, &[u8]); 3] = [
        ("host", b"127.0.0.1:8080"),
        ("content-type", b"application/json"),
        ("accept", b"application/json, text/event-stream"),
    ];
    let post = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
    let open = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}}}"#
    );
    world.ask(&post, open.as_bytes());
    let session = world.session.clone().expect("a session");
    let [host, content_type, accept] = fields;
    let fields = [
        host,
        content_type,
        accept,
        ("mcp-session-id", session.as_bytes()),
        ("mcp-protocol-version", version.as_bytes()),
    ];
    let post = Head { fields: &fields, ..post };
    world.ask(&post, br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    world.answer = answer(&format!(
        r#"{{"content":[{{"type":"text","text":"{}"}}],"isError":false}}"#,
        "a".repeat(bytes)
    ));
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"{}"}}}}}}"#,
        "q".repeat(bytes)
    );
    ALLOCATIONS.store(0, Relaxed);
    ALLOCATED.store(0, Relaxed);
    COUNTING.store(true, Relaxed);
    let before = world.answered;
    for _ in 0..calls {
        world.ask(&post, call.as_bytes());
    }
    COUNTING.store(false, Relaxed);
    assert_eq!(world.answered - before, calls as u64);
    let per_call = |counter: &AtomicU64| counter.load(Relaxed) as f64 / calls.max(1) as f64;
    println!(
        "{{\"calls\":{calls},\"request_bytes\":{},\"answer_bytes\":{},\"allocations\":{:.2},\"allocated\":{:.1}}}",
        call.len(),
        world.line.len(),
        per_call(&ALLOCATIONS),
        per_call(&ALLOCATED),
    );
}
