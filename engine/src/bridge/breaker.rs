//! The circuit breaker: which starts are refused because similar ones failed, and for which
//! clients.
//!
//! A failed start counts against those that can have caused it, and no others. A command that can't
//! be run fails for all clients. A process that ended before it read anything was influenced by its
//! environment only, so its failure counts for starts with the same variables. Any other process
//! may have ended because of its client's message, and counts for clients that sent the same.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::api::handles::Server;
use crate::api::instant::Instant;
use crate::child::origin::Origin;

/// Kinds of starts whose failures are remembered, the most recent ones. A stranger who invents more
/// kinds gains other clients a few more attempts, nothing else.
const KINDS: usize = 256;

/// Which starts a failure counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// All starts of the server.
    All,
    /// Starts with the same variables.
    Variables,
    /// Starts for clients that sent the same.
    Client,
}

#[derive(Debug)]
struct Failures {
    server: Server,
    kind: (u64, u64),
    count: u32,
    closed_until: Instant,
}

/// Recent failures, the latest kind at the end.
#[derive(Debug, Default)]
pub(crate) struct Breaker(VecDeque<Failures>);

/// The part common to all starts of a server without variables.
const EVERYBODY: (u64, u64) = (0, 0);

fn kind(origin: Origin, blame: Blame) -> (u64, u64) {
    match blame {
        Blame::All => EVERYBODY,
        Blame::Variables => (origin.variables, 0),
        Blame::Client => (origin.variables, origin.client),
    }
}

impl Breaker {
    /// When starts like this one are allowed again; a past time if they are allowed now.
    pub(crate) fn closed_until(&self, server: Server, origin: Origin) -> Instant {
        let kinds = [Blame::All, Blame::Variables, Blame::Client].map(|blame| kind(origin, blame));
        let same = self.0.iter().filter(|f| f.server == server && kinds.contains(&f.kind));
        same.map(|failures| failures.closed_until).max().unwrap_or_default()
    }

    /// Whether starts of a server are refused for all clients, or for all without variables.
    pub(crate) fn fails(&self, server: Server, now: Instant) -> bool {
        let all = self.0.iter().find(|f| f.server == server && f.kind == EVERYBODY);
        all.is_some_and(|failures| failures.closed_until > now)
    }

    /// Counts a failed start. Returns true if starts like it are refused for `wait` from now on.
    pub(crate) fn failed(
        &mut self,
        (server, origin): (Server, Origin),
        blame: Blame,
        limit: u32,
        (now, wait): (Instant, Duration),
    ) -> bool {
        let kind = kind(origin, blame);
        let known = self.0.iter().position(|f| f.server == server && f.kind == kind);
        let known = known.and_then(|index| self.0.remove(index));
        let fresh = Failures { server, kind, count: 0, closed_until: Instant::default() };
        let mut failures = known.unwrap_or(fresh);
        failures.count = failures.count.saturating_add(1);
        // When several fail together, one of them closes the breaker and is logged.
        let closes = failures.count >= limit && failures.closed_until <= now;
        if closes {
            failures.closed_until = now.after(wait);
        }
        if self.0.len() >= KINDS {
            self.0.pop_front();
        }
        self.0.push_back(failures);
        closes
    }

    /// A start succeeded: earlier failures of its kind are forgotten.
    pub(crate) fn worked(&mut self, server: Server, origin: Origin) {
        let kinds = [Blame::All, Blame::Variables, Blame::Client].map(|blame| kind(origin, blame));
        self.0.retain(|f| f.server != server || !kinds.contains(&f.kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    const A: Server = Server(1);
    const B: Server = Server(2);
    const WAIT: Duration = Duration::from_secs(10);

    fn origin(token: &str, said: &str) -> Origin {
        let variables: Vec<_> = match token {
            "" => vec![],
            token => vec![("TOKEN".to_string(), token.to_string())],
        };
        Origin::new(&variables, said.as_bytes())
    }

    fn fail(breaker: &mut Breaker, server: Server, origin: Origin, blame: Blame) -> bool {
        breaker.failed((server, origin), blame, 2, (Instant::default(), WAIT))
    }

    fn is_closed(breaker: &Breaker, server: Server, origin: Origin) -> bool {
        breaker.closed_until(server, origin) > Instant::default()
    }

    #[test]
    fn a_failure_counts_for_those_who_can_have_caused_it() {
        let others = [(A, origin("bad", "y")), (A, origin("good", "x")), (A, origin("", "x"))];
        for (blame, refused) in [
            (Blame::Client, [false, false, false]),
            (Blame::Variables, [true, false, false]),
            (Blame::All, [true, true, true]),
        ] {
            let mut breaker = Breaker::default();
            let bad = origin("bad", "x");
            assert!(!fail(&mut breaker, A, bad, blame));
            assert!(fail(&mut breaker, A, bad, blame), "the second opens it");
            assert!(!fail(&mut breaker, A, bad, blame), "and is told once");
            assert!(is_closed(&breaker, A, bad) && !is_closed(&breaker, B, bad));
            let closed = others.map(|(server, origin)| is_closed(&breaker, server, origin));
            assert_eq!(closed, refused, "{blame:?}");
            assert_eq!(breaker.fails(A, Instant::default()), blame == Blame::All);
            // The start of another server, or of another client, does not speak for it.
            breaker.worked(B, bad);
            breaker.worked(A, origin("other", "z"));
            assert_eq!(is_closed(&breaker, A, bad), blame != Blame::All, "{blame:?}");
            breaker.worked(A, bad);
            assert!(!is_closed(&breaker, A, bad));
        }
    }

    #[test]
    fn without_variables_all_are_alike() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, A, origin("", "x"), Blame::Variables);
        fail(&mut breaker, A, origin("", "y"), Blame::Variables);
        assert!(is_closed(&breaker, A, origin("", "z")) && breaker.fails(A, Instant::default()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_go() {
        let mut breaker = Breaker::default();
        for said in 0..10_000 {
            fail(&mut breaker, A, origin("", &format!("{said}")), Blame::Client);
            fail(&mut breaker, A, origin("bad", ""), Blame::Variables);
        }
        assert_eq!(breaker.0.len(), KINDS);
        assert!(is_closed(&breaker, A, origin("bad", "x")));
    }
}
