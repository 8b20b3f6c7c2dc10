//! The names of the laws, and what it looks like when one is broken.

use core::fmt;

/// One promise of the engine. The variants are sorted by who is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Law {
    // The exchange.
    /// A head, then what belongs to it, then one last output, and nothing after it.
    EndsOnce,
    /// Nothing is done for a client that left.
    NothingAfterLoss,
    /// When everybody is gone or the program ends, no exchange is left open.
    EveryRequestEnds,
    /// The status fits what was asked and what the session's state is.
    Status,
    /// A session that is over is 404 for everybody.
    Gone,
    /// A refusal says why in JSON-RPC and reaches no child.
    Refusal,
    /// Field names and values are visible ASCII, and the few fields that matter are there.
    Head,
    /// The content is of a type that the client accepts.
    Accept,
    /// An error that the engine makes up has a cause.
    Cause,

    // The message.
    /// An answer reaches the exchange that asked, with the id as the caller spelled it.
    AnswerToAsker,
    /// What the engine need not change is unchanged.
    BytesUnchanged,
    /// A client sees only what its own session's child said.
    OwnSession,
    /// A message is on one stream only.
    OneStream,
    /// A message is delivered once, unless it is asked for again by its event id.
    Once,
    /// What a child says one after the other comes out so on each stream.
    Order,
    /// Progress comes on its call's stream with the caller's token.
    Progress,
    /// What names no call goes where the design says.
    Route,
    /// What can be delivered is delivered at once.
    Prompt,

    // The stateless era.
    /// What a shared child says of a request reaches that request, and no other.
    OwnCall,
    /// Ids, progress tokens and subscription ids come back as the client spelled them.
    Names,
    /// Before a child of the other era, what that era asks for is added, and nothing else changes.
    Translation,
    /// A state is good once, in its time, for the same call.
    State,
    /// A client is asked what its call's child wants to know, and the call goes on with its answers
    /// and the state as it was.
    Rounds,
    /// A subscription is acknowledged first, and brings what was asked for and nothing else.
    Listening,
    /// Who shares a child has the same capabilities; who may be asked shares it with nobody.
    Sharing,
    /// Clients use the eras that the policy lets in; no other is refused for its era.
    Eras,
    /// A client that is refused for its era goes on in one start, and nothing is started to refuse.
    Fallback,
    /// A log message that can't be attributed is given to nobody.
    Attribution,
    /// A process logs what each request in flight asked for.
    Levels,

    // The stream.
    /// A stream is well-formed, and its events carry ids that are its own.
    Events,
    /// Sessions of 2025-11-25 are primed, older ones never.
    Priming,
    /// A resume gives the rest of that stream, all of it and nothing else.
    Resume,
    /// A silent call becomes a stream, and a silent stream gets a comment.
    SignOfLife,
    /// Who takes nothing for too long loses the exchange, and nobody else does.
    Stall,

    // The child.
    /// It gets exactly one line for each message of the client, byte for byte, in order.
    StdinLines,
    /// It gets integer ids and tokens that are used once.
    StdinIds,
    /// A process gets one handshake: none while it may still answer another.
    Handshake,
    /// It is told to cancel what it knows.
    Cancel,
    /// Stdin closed, then `SIGTERM`, then `SIGKILL`, each not before its time.
    Ladder,
    /// The same, not after its time.
    LadderDue,
    /// No session without a child, no child without an owner.
    NoOrphan,
    /// It is read whenever no reader is behind.
    Wants,
    /// It is paused and resumed by turns while it is there, and not read while memory is short.
    Pace,
    /// A session ends for the reason that is told, and not before it is idle long enough.
    Ending,
    /// A session is refused for failed starts only if its own client, or none, can have caused
    /// them.
    Breaker,
    /// What the operator is told holds no session id and nothing of a message.
    Secret,

    // The engine.
    /// No more children, starts, calls and bytes than `Config` allows.
    Limits,
    /// What it says it holds is true and bounded.
    Buffered,
    /// After a tick nothing is due, and a drain ends.
    NoSpin,
    /// At the end nothing is left.
    Empty,
    /// The same inputs give the same outputs.
    Same,
}

impl Law {
    /// Whether it says what must come of what was asked, as long as nothing has to give way.
    pub(crate) const fn foretells(self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::Cause
                | Self::Route
                | Self::Prompt
                | Self::State
                | Self::Rounds
                | Self::Listening
                | Self::Attribution
                | Self::Resume
                | Self::SignOfLife
                | Self::Stall
                | Self::Cancel
                | Self::Wants
        )
    }
}

/// A law, and how it was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) law: Law,
    pub(crate) how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.law, self.how)
    }
}

/// How a step went.
pub(crate) type Judged = Result<(), Broken>;

/// Returns with a broken law unless the condition holds. `Broken` and `Law` must be in scope: the
/// world is mounted in more than one crate.
macro_rules! require {
    ($law:ident, $holds:expr, $($how:tt)+) => {
        if !$holds {
            return Err(Broken { law: Law::$law, how: format!($($how)+) });
        }
    };
}
pub(crate) use require;
