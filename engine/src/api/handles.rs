//! What an exchange, a child and a server are called, and how a process ended.

use core::fmt;

/// One HTTP request and its response. The engine numbers exchanges, in
/// [`Admitted`](crate::Admitted), and never uses a number again.
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

/// One child process. The engine numbers children, in [`Output::Open`](crate::Output::Open), and
/// never uses a number again: another process has another number.
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Output, ChildId};
///
/// /// What a driver may call a child in its log.
/// fn label(output: &Output) -> Option<(u64, String)> {
///     match output {
///         Output::Open { child, .. } => Some((child.number(), child.to_string())), // (1, "#1")
///         _ => None,
///     }
/// }
/// # let abort = Output::Abort { exchange: mcp_bridge::Exchange::from_number(1) };
/// # assert_eq!(label(&abort), None);
/// // One that is kept as a number, such as the token of a poller, is made of that again.
/// assert_eq!(ChildId::from_number(1).number(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildId(pub(crate) u64);

impl ChildId {
    /// The number itself: a short label for logs, and no secret.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The handle of that number. The engine ignores inputs for one that it has not given.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One session, for as long as it exists: also while it sleeps and has no process, and with each
/// process that it gets. The engine numbers sessions and never uses a number again. Sessions and
/// processes share one counter, and a session has the number of its first process, but for one of
/// HTTP+SSE, which begins before that, and one that shares its process.
///
/// # Examples
///
/// ```
/// use mcp_bridge::SessionNumber;
///
/// // A driver that keeps only numbers makes the handle of one.
/// let session = SessionNumber::from_number(7);
/// assert_eq!((session.number(), session.to_string()), (7, String::from("#7")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub(crate) u64);

impl SessionNumber {
    /// The number itself: a short label for logs, and no secret.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The handle of that number. The engine ignores inputs for one that it has not given.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One server: a command, with all that belongs to it. The driver numbers servers, and never gives
/// the number of one command to another.
///
/// Unless [`Input::Servers`](crate::Input::Servers) says otherwise there is one, `Server(0)`, at
/// [`Config::endpoint`](crate::Config::endpoint).
///
/// # Examples
///
/// ```
/// use mcp_bridge::{Bridge, Config, Endpoint, Eras, Head, Input, Instant, Output, Server};
///
/// let (mut bridge, now) = (Bridge::new(Config::default()).unwrap(), Instant::default());
/// let at = |path, number| {
///     Endpoint { path, server: Server(number), ..Endpoint::default() }
/// };
/// let servers = [at("/files/mcp", 1), at("/time/mcp", 2)];
/// bridge.handle(Input::Servers { servers: &servers }, now);
/// assert!(bridge.serves(Server(2)) && !bridge.serves(Server(0)));
///
/// let fields: [(&str, &[u8]); 2] =
///     [("Host", b"localhost"), ("Content-Type", b"application/json")];
/// let head = Head { method: "POST", path: "/time/mcp", authority: None, fields: &fields };
/// let body = br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
/// let admitted = bridge.admit(&head).unwrap();
/// bridge.handle(Input::Request { admitted, head: &head, body, random: [7; 16] }, now);
/// assert!(matches!(bridge.poll_output(), Some(Output::Open { server: Server(2), .. })));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub u32);

/// How a child ended, as the system reports it (POSIX, `wait`).
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
