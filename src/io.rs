//! The engine's two enums: all that it can be told, and all that it can ask for.
//!
//! [`Input`] borrows, [`Output`] owns. Handles are minted by whoever opens the thing: exchanges
//! are the driver's numbers, pipes the engine's. Every `Output` is an order that the driver
//! carries out as given; none needs an answer of its own to be correct.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::head::Head;
use crate::notice::Notice;

/// One HTTP request and its response. The driver numbers exchanges and never reuses a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange(pub u64);

/// One child process with its three pipes. The engine numbers pipes and never reuses a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pipe(pub(crate) u64);

impl Pipe {
    /// The number itself: a short label for logs, and no secret.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How a child ended.
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
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A whole request that [`Bridge::admit`](crate::Bridge::admit) has let in.
    Request {
        /// The driver's new number for it.
        exchange: Exchange,
        /// Its request line and header fields.
        head: &'a Head<'a>,
        /// Its content, decoded from any transfer coding.
        body: &'a [u8],
        /// 16 bytes from the system's secure random source, fresh for each request.
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
    /// The child ended and was reaped; all that it wrote before was told. The pipe is gone.
    Exited {
        /// Which child.
        pipe: Pipe,
        /// How it ended.
        exit: Exit,
        /// The last of what it wrote to its standard error, for the operator's log.
        stderr: &'a [u8],
    },
    /// The operator wants the program to end: drain. A second time: end at once.
    Shutdown,
    /// Nothing happened, but [`Bridge::poll_timeout`](crate::Bridge::poll_timeout) is due.
    Tick,
}

/// One thing to do, in this order. Exhaustive on purpose: the compiler finds a driver that
/// forgets one.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a child; answer with [`Input::Opened`] or [`Input::OpenFailed`].
    Open {
        /// The engine's number for it: a new one, or that of a child which is gone and gets
        /// another process.
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
        /// Which exchange. With a whole body this is its last output.
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
    /// The response's stream is whole. The exchange's last output.
    Finish {
        /// Which exchange.
        exchange: Exchange,
    },
    /// Drop the exchange so that its peer sees it broken off. The exchange's last output.
    Abort {
        /// Which exchange.
        exchange: Exchange,
    },
    /// Something an operator may want to read.
    Notice(Notice),
}

/// The head of an HTTP response and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code (RFC 9110, "Status Codes").
    pub status: u16,
    /// Field names, in lower case, and values, each of visible ASCII and spaces. `content-length`,
    /// `transfer-encoding`, `connection` and `date` are the driver's.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The content.
    pub body: Body,
}

/// The content of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it. An empty one is content of length zero.
    Whole(Vec<u8>),
    /// It follows in [`Output::Send`]s, up to [`Output::Finish`] or [`Output::Abort`].
    Stream,
}
