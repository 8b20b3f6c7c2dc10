//! The engine's two enums: all that it can be told, and all that it can ask for.
//!
//! [`Input`] borrows, [`Output`] owns. The engine numbers exchanges and pipes. Every `Output` is an
//! order that the driver carries out as given; none needs an answer of its own to be correct.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::eras::Eras;
use crate::head::Head;
use crate::notice::Notice;

/// One HTTP request and its response. The engine numbers exchanges, in [`Admitted`], and never uses
/// a number again.
///
/// # Examples
///
/// ```
/// use mcp_bridge::Exchange;
///
/// // A driver that keeps only numbers, such as the tokens of a poller, makes the handle of one.
/// let exchange = Exchange::from_number(7);
/// assert_eq!((exchange.number(), exchange.to_string()), (7, String::from("7")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange(pub(crate) u64);

impl Exchange {
    /// The number itself: a short label for logs, and no secret.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The handle of that number. The engine ignores inputs for one that it has not given.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A request whose head was let in: what [`Bridge::admit`](crate::Bridge::admit) gives, and what
/// [`Input::Request`] takes when the body is there. To drop it is to give the request up: the
/// engine holds nothing for it.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let fields = [("Host", "localhost:8080"), ("Content-Type", "application/json")];
/// let post = Head { method: "POST", path: "/mcp", fields: &fields };
/// let first = bridge.admit(&post).unwrap();
/// assert_eq!(first.limit(), 16 << 20); // Config::message
/// let second = bridge.admit(&post).unwrap();
/// assert_ne!(first.exchange(), second.exchange());
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Admitted {
    pub(crate) exchange: Exchange,
    pub(crate) limit: usize,
}

impl Admitted {
    /// The number of its exchange.
    pub const fn exchange(&self) -> Exchange {
        self.exchange
    }

    /// The most bytes that its body may have. A driver need not read more; a longer body is
    /// answered by 413.
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// A request whose head was not let in. It is over for the engine: it has no exchange.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let rebound = Head { method: "GET", path: "/mcp", fields: &[("Host", "example.com")] };
/// let refusal = bridge.admit(&rebound).unwrap_err();
/// assert_eq!(refusal.response.status, 403);
/// println!("{}", refusal.event); // Host "example.com" is not allowed…
/// assert!(bridge.poll_output().is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Refusal {
    /// What to answer. It has a whole body.
    pub response: Response,
    /// What an operator may want to read.
    pub event: Notice,
}

/// One child process with its three pipes. The engine numbers pipes, in [`Output::Open`], and never
/// uses a number again: another process has another number.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Output, Pipe};
///
/// /// What a driver may call a child in its log.
/// fn label(output: &Output) -> Option<(u64, String)> {
///     match output {
///         Output::Open { pipe, .. } => Some((pipe.number(), pipe.to_string())), // (1, "#1")
///         _ => None,
///     }
/// }
/// # let abort = Output::Abort { exchange: mcp_bridge::Exchange::from_number(1) };
/// # assert_eq!(label(&abort), None);
/// // One that is kept as a number, such as the token of a poller, is made of that again.
/// assert_eq!(Pipe::from_number(1).number(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pipe(pub(crate) u64);

impl Pipe {
    /// The number itself: a short label for logs, and no secret.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The handle of that number. The engine ignores inputs for one that it has not given.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One server: a command, with all that belongs to it. The driver numbers servers, and never gives
/// the number of one command to another.
///
/// Unless [`Input::Servers`] says otherwise there is one, `Server(0)`, at
/// [`Config::endpoint`](crate::Config::endpoint).
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Endpoint, Eras, Head, Input, Instant, Output, Server};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let at = |path, number| Endpoint { path, server: Server(number), eras: Eras::Auto };
/// let servers = [at("/files/mcp", 1), at("/time/mcp", 2)];
/// bridge.handle(Input::Servers { servers: &servers }, now);
/// assert!(bridge.serves(Server(2)) && !bridge.serves(Server(0)));
///
/// let fields = [("Host", "localhost"), ("Content-Type", "application/json")];
/// let head = Head { method: "POST", path: "/time/mcp", fields: &fields };
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
/// let admitted = bridge.admit(&head).unwrap();
/// bridge.handle(Input::Request { admitted, head: &head, body, random: [7; 16] }, now);
/// assert!(matches!(bridge.poll_output(), Some(Output::Open { server: Server(2), .. })));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub u32);

/// Where a server is found, and by whom.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Endpoint, Eras, Input, Instant, Server};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let files = Endpoint { path: "/files/mcp", server: Server(1), eras: Eras::Auto };
/// bridge.handle(Input::Servers { servers: &[files] }, now);
/// // The same processes, for others: nothing is started anew.
/// bridge.handle(Input::Servers { servers: &[Endpoint { eras: Eras::Sessions, ..files }] }, now);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// The path, compared as it stands in the request's target.
    pub path: &'a str,
    /// The server's number. One that stays as it was keeps it.
    pub server: Server,
    /// Which eras its clients may use. It may change while the server stays.
    pub eras: Eras,
}

/// How a child ended, as the system tells it (POSIX, `wait`).
///
/// # Examples
///
/// ```
/// use mcp_bridge::Exit;
///
/// assert_eq!(Exit::Code(1).to_string(), "exit code 1");
/// assert_eq!(Exit::Signal(9).to_string(), "signal 9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It left with this exit code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It is gone, and the system did not say how.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// One thing that happened. Inputs for handles that the engine no longer knows are ignored:
/// races between a driver's tasks are normal.
///
/// # Examples
///
/// A client asks, and is gone before the child that was opened for it runs.
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head, Input, Instant, Output};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let fields = [("Host", "localhost"), ("Content-Type", "application/json")];
/// let head = Head { method: "POST", path: "/mcp", fields: &fields };
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
/// let admitted = bridge.admit(&head).unwrap();
/// let exchange = admitted.exchange();
/// bridge.handle(Input::Request { admitted, head: &head, body, random: [7; 16] }, now);
/// let Some(Output::Open { pipe, .. }) = bridge.poll_output() else { unreachable!() };
/// bridge.handle(Input::Lost { exchange }, now);
/// bridge.handle(Input::OpenFailed { pipe, reason: "no such file" }, now);
/// assert!(bridge.is_idle());
/// ```
#[derive(Debug)]
pub enum Input<'a> {
    /// A whole request that [`Bridge::admit`](crate::Bridge::admit) has let in.
    Request {
        /// What [`Bridge::admit`](crate::Bridge::admit) gave for it.
        admitted: Admitted,
        /// Its request line and header fields.
        head: &'a Head<'a>,
        /// Its content, decoded from any transfer coding.
        body: &'a [u8],
        /// 16 bytes from the system's secure random source, fresh for each request: they name the
        /// session that it opens, or the call that waits for its client. A request whose bytes name
        /// something already is answered by 500, and the operator is told of the fault.
        random: [u8; 16],
    },
    /// The peer of the exchange is gone, or what it was sent can't be delivered. Also after the
    /// exchange's last output, if not all of it was taken.
    Lost {
        /// Which exchange.
        exchange: Exchange,
    },
    /// The peer's transport took so many bytes of what [`Output::Send`] or a whole body gave, of
    /// the content alone: this is what back-pressure is made of. It is told also after the
    /// exchange's last output, until all is taken or the exchange is lost.
    Taken {
        /// Which exchange.
        exchange: Exchange,
        /// How many bytes more than were told before.
        bytes: usize,
    },
    /// The child of [`Output::Open`] runs.
    Opened {
        /// Which child.
        pipe: Pipe,
        /// Its process id, for the operator's log.
        pid: u32,
    },
    /// The child of [`Output::Open`] could not be started. The pipe is gone.
    OpenFailed {
        /// Which child.
        pipe: Pipe,
        /// Why, in the system's words.
        reason: &'a str,
    },
    /// The child of [`Output::Open`] could not be started because the driver's own process, or its
    /// host, is out of something: descriptors, processes, memory. No server is to blame. The pipe
    /// is gone.
    Exhausted {
        /// Which child.
        pipe: Pipe,
        /// What there is too little of, and what to raise. Clients and operators are told.
        reason: &'a str,
    },
    /// The child wrote these bytes to its standard output.
    Stdout {
        /// Which child.
        pipe: Pipe,
        /// Any piece of its output.
        bytes: &'a [u8],
    },
    /// The child's standard input took so many bytes of what [`Output::Write`] gave.
    StdinTaken {
        /// Which child.
        pipe: Pipe,
        /// How many bytes more than were told before.
        bytes: usize,
    },
    /// The child closed its standard output.
    StdoutClosed {
        /// Which child.
        pipe: Pipe,
    },
    /// The child has ended and had read nothing of its standard input, so no client can have caused
    /// that. Told before [`Input::Exited`] by a driver that knows it: then the breaker refuses all
    /// starts with the same variables, and otherwise only those of the same clients.
    Unread {
        /// Which child.
        pipe: Pipe,
    },
    /// The child closed its standard input, though it was not told that this is the end of it: what
    /// is written to it from now on is lost.
    StdinClosed {
        /// Which child.
        pipe: Pipe,
    },
    /// The child ended and was reaped; all that it wrote before was told. The pipe is gone.
    Exited {
        /// Which child.
        pipe: Pipe,
        /// How it ended.
        exit: Exit,
        /// The last of what it wrote to its standard error, for the operator's log.
        stderr: &'a [u8],
    },
    /// These are the servers from now on, in place of all before. Sessions go on where they are:
    /// only new ones get the server that is at their path now, and where none is any more there is
    /// nothing but for the sessions that were opened there.
    Servers {
        /// All of them. Of two at one path the later one counts.
        servers: &'a [Endpoint<'a>],
    },
    /// The operator wants the program to end: drain. A second time: end at once.
    Shutdown,
    /// Nothing happened, but [`Bridge::poll_timeout`](crate::Bridge::poll_timeout) is due.
    Tick,
}

/// One thing to do, in this order. Exhaustive on purpose: the compiler finds a driver that
/// forgets one.
///
/// `Debug` shows all of it, messages and secrets included: it is for tests, not for logs.
///
/// # Examples
///
/// The crate's own example carries out each of them; this is the loop.
///
/// ```
/// use mcp_bridge::{Bridge, Config, Input, Instant, Notice, Output};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// bridge.handle(Input::Shutdown, Instant::default());
/// while let Some(output) = bridge.poll_output() {
///     match output {
///         Output::Notice(notice) => {
///             assert_eq!(notice, Notice::Draining { sessions: 0, calls: 0 });
///         }
///         other => unreachable!("nothing is open: {other:?}"),
///     }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a child of that server; answer with [`Input::Opened`] or [`Input::OpenFailed`].
    Open {
        /// Whose command to start it with.
        server: Server,
        /// The engine's number for it, a new one.
        pipe: Pipe,
        /// Variables that its environment has beside the operator's. They may be secrets.
        env: Vec<(String, String)>,
    },
    /// Write these bytes, whole lines, to the child's standard input.
    Write {
        /// Which child.
        pipe: Pipe,
        /// What to write after all that was given before.
        bytes: Vec<u8>,
    },
    /// Close the child's standard input once all that was given is written, or at once if the
    /// child does not read.
    CloseStdin {
        /// Which child.
        pipe: Pipe,
    },
    /// Ask the child's whole process group to end (`SIGTERM`).
    Terminate {
        /// Which child.
        pipe: Pipe,
    },
    /// End the child's whole process group (`SIGKILL`).
    Kill {
        /// Which child.
        pipe: Pipe,
    },
    /// Send the response's head and, unless a stream follows, its whole body.
    Respond {
        /// Which exchange. With a whole body this is its last output, but for an `Abort`.
        exchange: Exchange,
        /// What to send.
        response: Response,
    },
    /// Send these bytes of the response's stream.
    Send {
        /// Which exchange.
        exchange: Exchange,
        /// What to send after all that was given before.
        bytes: Vec<u8>,
    },
    /// The response's stream is whole. The exchange's last output, but for an `Abort`.
    Finish {
        /// Which exchange.
        exchange: Exchange,
    },
    /// Drop the exchange so that its peer sees it broken off. The exchange's last output. It may
    /// also come after the whole response, when the peer does not take that.
    Abort {
        /// Which exchange.
        exchange: Exchange,
    },
    /// Something an operator may want to read.
    Notice(Notice),
}

/// The head of an HTTP response and what follows it (RFC 9110 "Status Codes"). What each status
/// means to a client is in README, "Status codes".
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Body, Bridge, Config, Head};
///
/// let mut bridge = Bridge::new(Config::default()).unwrap();
/// let rebound = Head { method: "GET", path: "/mcp", fields: &[("Host", "example.com")] };
/// let refusal = bridge.admit(&rebound).unwrap_err();
/// let response = refusal.response;
/// assert_eq!((response.status, bridge.stats().refused), (403, 1));
/// assert!(response.fields.contains(&("content-type", "application/json".into())));
/// assert!(matches!(response.body, Body::Whole(content) if !content.is_empty()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code (RFC 9110, "Status Codes").
    pub status: u16,
    /// Field names, in lower case, and values, each of visible ASCII and spaces. `content-length`,
    /// `transfer-encoding`, `connection` and `date` are the driver's. Those of an answer that is
    /// like all others are borrowed.
    pub fields: Cow<'static, [(&'static str, Cow<'static, str>)]>,
    /// The content.
    pub body: Body,
}

/// The content of a response (RFC 9110 "Content").
///
/// # Examples
///
/// ```
/// use mcp_bridge::Body;
///
/// /// The framing that a driver of HTTP/1.1 chooses.
/// fn framing(body: &Body) -> String {
///     match body {
///         Body::Whole(content) => format!("content-length: {}", content.len()),
///         Body::Stream => String::from("transfer-encoding: chunked"),
///     }
/// }
/// assert_eq!(framing(&Body::Whole(b"{}".to_vec())), "content-length: 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it. An empty one is content of length zero.
    Whole(Vec<u8>),
    /// It follows in [`Output::Send`]s, up to [`Output::Finish`] or [`Output::Abort`].
    Stream,
}
