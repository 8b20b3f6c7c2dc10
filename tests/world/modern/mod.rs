//! Clients of 2026-07-28, and the children that they share: what the judge knows of them.
//!
//! They live in the same world as everybody else, on the same engine. Each text carries marks that
//! name it, and children echo the marks of what they answer, so that the judge sees at once what
//! came to whom it is not for.
//!
//! | mark | who wrote it |
//! |---|---|
//! | `@m7@` | a client, in its request 7 |
//! | `@w7@` | a child, in its message 7 |
//!
//! | file | its part |
//! |---|---|
//! | `client`, `wrong` | what clients send |
//! | `child` | what children say |
//! | `carry` | laws of the lines that children get |
//! | `deliver` | laws of what clients get |
//! | `settle` | laws of the state after each step |

mod carry;
mod child;
mod client;
mod deliver;
mod settle;

use hyper_mcp_proxy::Instant;

use super::text::{Holes, Text};

/// One request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) exchange: usize,
    pub(crate) method: &'static str,
    pub(crate) holes: Holes,
    /// The level of log messages that it asks for; larger is more severe.
    pub(crate) level: Option<usize>,
    pub(crate) text: Text,
    pub(crate) asked: Instant,
    /// A limit may have been met when it was asked.
    pub(crate) crowded: bool,
    /// The child that got it, when, and under which id and token.
    pub(crate) child: Option<usize>,
    pub(crate) sent: Instant,
    pub(crate) given: Holes,
    /// The child's message that answers it.
    pub(crate) answer: Option<usize>,
    /// The child wrote something for it that no JSON reader takes.
    pub(crate) garbled: bool,
    /// The child was told that it is not wanted.
    pub(crate) cancelled: bool,
    /// The engine broke its exchange off.
    pub(crate) aborted: bool,
    /// The client has its last message: the child's answer, or an error of the engine's.
    pub(crate) answered: bool,
    pub(crate) failed: bool,
    /// The last of the child's messages that came out for it, in the order they were heard.
    pub(crate) last_heard: usize,
}

impl Turn {
    pub(crate) fn is_over(&self) -> bool {
        self.answered || self.failed
    }

    /// The child has it and owes an answer, as far as it was told.
    pub(crate) fn in_flight(&self) -> bool {
        let ended = self.answer.is_some() || self.garbled || self.cancelled || self.failed;
        self.child.is_some() && !ended
    }
}

/// Where a child's message may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Nowhere.
    Nobody,
    /// For this request, and it must.
    Turn(usize),
    /// For this request, or nowhere.
    Maybe(usize),
    /// For whichever request is the only one: the judge can't know it.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// The answer to a request.
    Answer(usize),
    /// Progress of a request.
    Progress(usize),
    /// A log message of this level.
    Log(usize),
    /// Something that answers or concerns nothing.
    Lie,
}

/// One message of a shared child.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) child: usize,
    pub(crate) kind: WordKind,
    /// Its line, with holes for what the engine may change.
    pub(crate) text: Text,
    pub(crate) to: To,
    pub(crate) heard: Option<usize>,
    pub(crate) seen: bool,
}

/// What a shared child has to do. A desk has the number of its child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    /// It got something of the stateless era's front, and so is shared.
    pub(crate) shared: bool,
    /// When it got the first of that.
    pub(crate) began: Instant,
    /// The engine's own request for its era, while it is not answered.
    pub(crate) discover: Option<Vec<u8>>,
    /// The engine's own `initialize`, while it is not answered.
    pub(crate) hello: Option<Vec<u8>>,
    /// It was greeted in the session era.
    pub(crate) greeted: bool,
    /// It told its era, and the engine heard it.
    pub(crate) ready: bool,
    /// The same at the last look.
    pub(crate) was_ready: bool,
    /// Requests that it has not answered.
    pub(crate) todo: Vec<usize>,
    /// Something was told that ends it, now or soon.
    pub(crate) doomed: bool,
    /// It was on its way out at the last look.
    pub(crate) over: bool,
}

/// What the judge knows of the stateless era.
#[derive(Clone, Debug, Default)]
pub(crate) struct Modern {
    pub(crate) turns: Vec<Turn>,
    pub(crate) words: Vec<Word>,
    pub(crate) desks: Vec<Desk>,
    /// Messages of children that were told since the last drain.
    pub(crate) fresh: Vec<usize>,
    /// When the last child ended that had not told its era.
    pub(crate) failed_at: Option<Instant>,
}
