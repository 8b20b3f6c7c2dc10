//! The engine's two enums: all its inputs, and all its outputs.
//!
//! [`Input`] borrows, [`Output`] owns. The engine numbers exchanges and children. Every `Output` is
//! an order that the driver carries out as given; none needs an answer of its own to be correct.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::api::admit::Admitted;
use crate::api::eras::Eras;
use crate::api::event::Notice;
use crate::api::handles::{ChildId, Exchange, Exit, Server, SessionNumber};
use crate::api::head::Head;
use crate::api::response::Response;
use crate::api::terms::{Limits, Tools};

/// Where a server is found, and by whom. A server may be at several paths: its shared processes
/// serve all of them, and a session is known at the path where it was opened.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Endpoint, Eras, Input, Instant, Server};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let (path, eras) = ("/files/mcp", Eras::Auto);
/// let files = Endpoint { path, server: Server(1), eras, ..Endpoint::default() };
/// bridge.handle(Input::Servers { servers: &[files] }, now);
/// // The same processes, for others: nothing is started anew.
/// bridge.handle(Input::Servers { servers: &[Endpoint { eras: Eras::Sessions, ..files }] }, now);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoint<'a> {
    /// The path, compared as it stands in the request's target.
    pub path: &'a str,
    /// The name by which a health check calls the server; without one, it is the path.
    pub name: Option<&'a str>,
    /// The path where the transport HTTP+SSE of 2024-11-05 is spoken with it, if it is:
    /// [`Config::sse_endpoint`](crate::Config::sse_endpoint).
    pub sse: Option<&'a str>,
    /// The server's number. One that stays as it was keeps it.
    pub server: Server,
    /// Which eras its clients may use, the same at each of its paths: of several the last counts.
    /// It may change while the server stays.
    pub eras: Eras,
    /// How long a session of it may have no call in flight before it falls asleep, also while its
    /// client holds streams open; `None` is for ever. The same at each of its paths: of several
    /// the last counts.
    pub sleep: Option<Duration>,
    /// Whether its sessions share processes: see [`Config::share`](crate::Config::share). The same
    /// at each of its paths: of several the last counts. A change holds for sessions that open or
    /// wake from then on.
    pub share: bool,
    /// Limits of its own.
    pub limits: Limits,
    /// The tools that its clients see.
    pub tools: Tools<'a>,
    /// Why it can't be started, if so: what would start it is refused with 503 and this text, which
    /// clients read.
    pub fault: Option<&'a str>,
}

/// One thing that happened. Inputs for handles that the engine no longer knows are ignored:
/// races between a driver's tasks are normal.
///
/// # Examples
///
/// A client sends a request, and is gone before the child that was opened for it runs.
///
/// ```
/// use mcp_bridge::{Bridge, Config, Head, Input, Instant, Output};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let fields: [(&str, &[u8]); 2] =
///     [("Host", b"localhost"), ("Content-Type", b"application/json")];
/// let head = Head { method: "POST", path: "/mcp", authority: None, fields: &fields };
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
/// let admitted = bridge.admit(&head).unwrap();
/// let exchange = admitted.exchange();
/// bridge.handle(Input::Request { admitted, head: &head, body, random: [7; 16] }, now);
/// let Some(Output::Open { child, .. }) = bridge.poll_output() else { unreachable!() };
/// bridge.handle(Input::Lost { exchange }, now);
/// let (reason, public) = ("/srv/mcp: no such file", "its program was not found");
/// bridge.handle(Input::OpenFailed { child, reason, public }, now);
/// while bridge.poll_output().is_some() {} // What became of it.
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
        /// something already is answered by 500, and an event reports it to the operator.
        random: [u8; 16],
    },
    /// The peer of the exchange is gone, or what it was sent can't be delivered. Also after the
    /// exchange's last output, if not all of it was taken. A peer that only closed its sending side
    /// may still read its answer: whether that is a loss is the driver's to say, and one that can't
    /// tell reports it.
    Lost {
        /// Which exchange.
        exchange: Exchange,
    },
    /// The response is whole and all of it is with the peer's transport. Every exchange ends by
    /// this or by [`Input::Lost`], unless [`Output::Abort`] ended it; until then it is open, and
    /// after [`Config::stall`](crate::Config::stall) without a byte taken it is broken off. What
    /// was not reported as taken is taken with it.
    Delivered {
        /// Which exchange.
        exchange: Exchange,
    },
    /// The peer's transport took so many bytes of what [`Output::Send`] or a whole body gave, of
    /// the content alone: this is what back-pressure is made of. For a whole body a driver can
    /// leave it to [`Input::Delivered`].
    Taken {
        /// Which exchange.
        exchange: Exchange,
        /// How many bytes, beyond those that were reported before.
        bytes: usize,
    },
    /// The child of [`Output::Open`] runs.
    Opened {
        /// Which child.
        child: ChildId,
        /// Its process id, for the operator's log alone; none for what is not a process.
        pid: Option<u32>,
    },
    /// The child of [`Output::Open`] could not be started. The handle is done
    /// with.
    OpenFailed {
        /// Which child.
        child: ChildId,
        /// Why, for the operator's log.
        reason: &'a str,
        /// Why, for the client: no path, no name of a variable, nothing that only an operator may
        /// know.
        public: &'a str,
    },
    /// The child of [`Output::Open`] could not be started because the driver's own process, or its
    /// host, is out of something: descriptors, processes, memory. No server is to blame. The
    /// handle is done with.
    Exhausted {
        /// Which child.
        child: ChildId,
        /// What there is too little of, and what to raise, for the operator's log.
        reason: &'a str,
        /// What there is too little of, for the client, which is to retry.
        public: &'a str,
    },
    /// The child wrote these bytes to its standard output. A driver passes on bytes that it has
    /// read already also after [`Output::Pause`], and always the last ones before
    /// [`Input::Exited`]. One that goes on reading is reported by
    /// [`Notice::Misuse`], and its session ends once that has used up
    /// [`Config::budget`](crate::Config::budget).
    Stdout {
        /// Which child.
        child: ChildId,
        /// Any piece of its output.
        bytes: &'a [u8],
    },
    /// The child's standard input took so many bytes of what [`Output::Write`] gave. Bytes that can
    /// no longer be written may be reported as taken or not: the child's end settles them.
    StdinTaken {
        /// Which child.
        child: ChildId,
        /// How many bytes, beyond those that were reported before.
        bytes: usize,
    },
    /// The child closed its standard output.
    StdoutClosed {
        /// Which child.
        child: ChildId,
    },
    /// The child has ended and had read nothing of its standard input, so no client can have caused
    /// that. Told before [`Input::Exited`] by a driver that knows it: then the breaker refuses all
    /// starts with the same variables, and otherwise only those of the same clients.
    Unread {
        /// Which child.
        child: ChildId,
    },
    /// The child closed its standard input, though the engine had not closed it: what
    /// is written to it from now on is lost, and needs no [`Input::StdinTaken`].
    StdinClosed {
        /// Which child.
        child: ChildId,
    },
    /// The child ended and was reaped; all that it wrote before was passed on. The handle is done
    /// with.
    Exited {
        /// Which child.
        child: ChildId,
        /// How it ended.
        exit: Exit,
        /// The last of what it wrote to its standard error, for the operator's log: the engine uses
        /// the last 1024 bytes, and none if it had asked the child to end.
        stderr: &'a [u8],
    },
    /// The embedder ends this session, for instance because its user logged out. Calls in flight
    /// are answered with an error, later requests with 404, and its child, if it has one, gets the
    /// shutdown sequence.
    End {
        /// Which session: [`Session::number`](crate::Session::number).
        session: SessionNumber,
    },
    /// The record of [`Output::Save`] will be found after a loss of power, or can't be written,
    /// which is the driver's to log. Each `Save` needs one; the first of a session lets the answer
    /// to its `initialize` go.
    Saved {
        /// Which session.
        session: SessionNumber,
    },
    /// These are the servers from now on, in place of all before. Sessions go on where they were
    /// opened, and so do calls that wait for their client's input, also when their server is at
    /// another path now: only what is new gets the server that is at its path.
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
        child: ChildId,
        /// The request that it is started for, by which an embedder finds its client. None for a
        /// child that is started ahead of any request. What it does afterwards is for whoever the
        /// engine gives it to.
        exchange: Option<Exchange>,
        /// Variables that its environment has beside the operator's. They may be secrets.
        env: Vec<(String, String)>,
    },
    /// Write these bytes, whole lines, to the child's standard input. It may come before
    /// [`Input::Opened`]: a driver that starts children asynchronously stores the bytes until then.
    Write {
        /// Which child.
        child: ChildId,
        /// What to write after all that was given before.
        bytes: Vec<u8>,
    },
    /// Do not read the child's standard output until [`Output::Resume`]: a client that receives its
    /// messages is behind, or memory is short. A child is read from its start, and the two come by
    /// turns. What the driver has read already it passes on; when the child has ended, what is left
    /// in its pipe is read in any case.
    Pause {
        /// Which child.
        child: ChildId,
    },
    /// Read the child's standard output again.
    Resume {
        /// Which child.
        child: ChildId,
    },
    /// Close the child's standard input once all that was given is written, or at once if the
    /// child does not read. A driver need not find that out: [`Output::Terminate`] and
    /// [`Output::Kill`] follow for a child that stays.
    CloseStdin {
        /// Which child.
        child: ChildId,
    },
    /// Ask the child's whole process group to end (`SIGTERM`).
    Terminate {
        /// Which child.
        child: ChildId,
    },
    /// End the child's whole process group (`SIGKILL`).
    Kill {
        /// Which child.
        child: ChildId,
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
    /// Keep this record of the session in place of an earlier one, and answer with
    /// [`Input::Saved`]. Only with [`Config::persist`](crate::Config::persist).
    /// [`Bridge::restore`](crate::Bridge::restore) makes the session of it again in a later run.
    Save {
        /// Which session.
        session: SessionNumber,
        /// One line of JSON without its newline, at most
        /// [`Bridge::RECORD`](crate::Bridge::RECORD) bytes. It holds what restores the session:
        /// its id, the values of [`Config::header_env`](crate::Config::header_env), and what its
        /// client said of itself. They may be secrets.
        record: Vec<u8>,
    },
    /// The session has ended: drop its record, which may not have been saved yet. Needs no answer.
    Forget {
        /// Which session.
        session: SessionNumber,
    },
    /// Something an operator may want to read.
    Notice(Notice),
}

/// Bytes of the variables of a child.
pub(crate) fn env_size(env: &[(String, String)]) -> usize {
    env.iter().map(|(name, value)| name.len() + value.len()).sum()
}
