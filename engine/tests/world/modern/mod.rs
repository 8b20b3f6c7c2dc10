//! Clients of 2026-07-28, and the children that they share: what the judge knows of them.
//!
//! They live in the same world as everybody else, on the same engine. Each text carries marks that
//! name it, and children echo the marks of what they answer, so that the judge sees at once what
//! came to whom it is not for.
//!
//! | mark | who wrote it |
//! |---|---|
//! | `@t7@` | a client, in its request 7 |
//! | `@m7@` | a client, in each request of the call that its request 7 made |
//! | `@a7@` | a client, in its answer 7 to a question |
//! | `@z@` | a client, in answers to what it was not asked |
//! | `@y@` | a client, in what must be refused |
//! | `@w7@` | a child, in its message 7 |
//! | `@q7@` | a child, in its question 7 |
//! | `@l7@` | a client, in its subscription 7 |
//! | `@n7@` | a child, in its news 7 for those who listen |
//! | `@h7@` | child 7, in its name |
//!
//! | file | its part |
//! |---|---|
//! | `client`, `wrong` | what clients send |
//! | `child` | what children say |
//! | `listen`, `hear` | clients that listen, and laws of what they hear |
//! | `asking`, `park` | children of the session era that ask, and clients that answer |
//! | `eras` | laws of the policy: which eras clients may use |
//! | `carry` | laws of the lines that children get |
//! | `deliver` | laws of what clients get |
//! | `settle` | laws of the state after each step |

mod asking;
mod carry;
mod child;
mod client;
mod deliver;
mod eras;
mod hear;
mod listen;
mod park;
mod settle;
mod wrong;

use mcp_bridge::Instant;

pub(super) use asking::server;
pub(super) use carry::without;
pub(crate) use listen::{Kept, Listening, News};
pub(super) use wrong::{ID as WRONG_ID, KIND, REFUSED};

use super::text::{Holes, Text};

/// One request of a client.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) exchange: usize,
    pub(crate) method: &'static str,
    pub(crate) shown: Option<&'static str>,
    /// The members of its params that make the call what it is.
    pub(crate) call: String,
    pub(crate) capabilities: usize,
    /// The request that made the call first.
    pub(crate) root: usize,
    pub(crate) retries: Option<Retry>,
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
    /// The child wants its client to visit a page, and the call to be made again.
    pub(crate) sent_away: bool,
    /// It asked, so that the call may wait from now on; and what it answered after that.
    pub(crate) parking: bool,
    pub(crate) early: Option<usize>,
    /// The child wants a page visited, and the client can't be asked that.
    pub(crate) lacks: bool,
    /// The call goes on, but waits for its client, or goes on under a later request.
    pub(crate) moved: bool,
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
        let ended = ended || self.moved || self.sent_away || self.lacks;
        self.child.is_some() && !ended
    }
}

/// A client comes back to a call that waits for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// The wait that it names, if it names one.
    pub(crate) park: Option<usize>,
    /// Its state is good, of the same call, not used, in time, and it brings an object of answers.
    pub(crate) good: bool,
}

/// A call of a session-era child that waits for its client.
#[derive(Clone, Debug)]
pub(crate) struct Park {
    /// The request that was told to come back, and the child that asked.
    pub(crate) turn: usize,
    pub(crate) child: usize,
    pub(crate) state: String,
    /// What it was asked, by key.
    pub(crate) keys: Vec<(String, usize)>,
    pub(crate) since: Instant,
    /// A request came back to it.
    pub(crate) used: bool,
    /// The child ended the call by asking, so that it must be made again.
    pub(crate) resend: bool,
    /// The child needs what the client can't be asked.
    pub(crate) lacks: bool,
    /// The child answered without waiting.
    pub(crate) early: Option<usize>,
    /// It waits no more.
    pub(crate) over: bool,
}

/// A request of a session-era child.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) child: usize,
    /// Its id; none, if it came as an error.
    pub(crate) id: Option<String>,
    pub(crate) method: &'static str,
    /// What the client must be shown.
    pub(crate) params: String,
    /// The call that it is of, by its latest request.
    pub(crate) of: Option<usize>,
    pub(crate) heard: bool,
    /// It came before any call that it may be of: the first one's client is asked.
    pub(crate) held: bool,
    /// The judge can't know what becomes of it.
    pub(crate) unsure: bool,
    /// The wait in which the client was asked.
    pub(crate) park: Option<usize>,
    /// The child got a response.
    pub(crate) replied: bool,
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
    /// For the request that comes back to this wait.
    Park(usize),
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
    /// The era that it told, once the engine heard it.
    pub(crate) session_era: bool,
    /// Which capabilities it was told that its clients have.
    pub(crate) class: Option<usize>,
    /// What it said that it offers.
    pub(crate) offers: usize,
    /// Which of the lists it tells changes of, if it is of the session era.
    pub(crate) lists: [bool; 3],
    /// Its subscriptions that it has not answered, and what it keeps of each resource.
    pub(crate) asked: Vec<(String, Option<String>)>,
    /// By its id, when it was asked to tell of which resource.
    pub(crate) subscribed: std::collections::BTreeMap<Vec<u8>, (String, Instant)>,
    pub(crate) kept: std::collections::BTreeMap<String, Kept>,
    /// It offers log messages, and the least severe that it was asked for.
    pub(crate) logs: bool,
    pub(crate) level: Option<usize>,
    /// Its answer to `initialize` was followed up.
    pub(crate) initialized: bool,
    /// The ids of requests that it may not make.
    pub(crate) lies: Vec<String>,
    /// The engine's own requests that it has not answered.
    pub(crate) own: Vec<String>,
    /// The engine's own request for its era, while it is not answered.
    pub(crate) discover: Option<Vec<u8>>,
    /// It was asked for its era; it said that it does not know the question; the engine heard that,
    /// and since when it waits for a session then.
    pub(crate) probed: bool,
    pub(crate) denies: bool,
    pub(crate) denied: bool,
    pub(crate) spare_since: Instant,
    /// The engine's own `initialize`, while it is not answered.
    pub(crate) hello: Option<Vec<u8>>,
    /// It did not go in time, and so gives way to no other.
    pub(crate) stayed: bool,
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
    pub(crate) parks: Vec<Park>,
    pub(crate) questions: Vec<Question>,
    /// Of each answer of a client, the request that brings it and what it answers.
    pub(crate) answers: Vec<(usize, usize)>,
    /// Messages of children that were told since the last drain.
    pub(crate) fresh: Vec<usize>,
    /// Who listens, and what children tell them.
    pub(crate) listenings: Vec<Listening>,
    pub(crate) news: Vec<News>,
    pub(crate) fresh_news: Vec<usize>,
    /// A child of the session era has asked something although its calls were answered.
    pub(crate) late: bool,
    /// One has perhaps.
    pub(crate) maybe_late: bool,
    /// A child has said that it does not know 2026-07-28, and nothing took that back.
    pub(crate) denied: bool,
    /// When the last child ended that had not told its era.
    pub(crate) failed_at: Option<Instant>,
}
