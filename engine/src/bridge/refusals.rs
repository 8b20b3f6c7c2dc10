//! Refusals of requests: each is answered and counted, and those that an operator can do something
//! about are logged, once or at intervals, however many there are.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Bridge;
use crate::api::admit::Refusal;
use crate::api::event::Notice;
use crate::api::handles::{Exchange, Server};
use crate::api::instant::Instant;
use crate::http::fault::Fault;

/// Values of Host and Origin that are remembered. An operator fixes one or two; a stranger who
/// invents more can fill neither the log nor the memory.
const VALUES: usize = 32;
/// How much of such a value is logged, in characters. A DNS name has at most 253.
const VALUE: usize = 253;
/// Interval between two logs of a limit that refuses requests.
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct RefusalLog {
    /// Values of Host, then of Origin.
    values: [Vec<String>; 2],
    /// When a limit's refusals were last logged, and their number since.
    limit: Option<Instant>,
    refused: u64,
}

impl RefusalLog {
    /// The notice for this refusal, beside the debug line for each.
    pub(super) fn refusal(&mut self, fault: &Fault, now: Instant) -> Option<Notice> {
        match fault {
            Fault::HostForbidden(host) => {
                let host = self.fresh(0, host)?;
                Some(Notice::HostRefused { host })
            }
            Fault::OriginForbidden(origin) => {
                let origin = self.fresh(1, origin)?;
                Some(Notice::OriginRefused { origin })
            }
            Fault::Sessions(limit) | Fault::Pool(limit) => {
                self.refused += 1;
                if self.limit.is_some_and(|told| now.since(told) < PAUSE) {
                    return None;
                }
                self.limit = Some(now);
                let refused = core::mem::take(&mut self.refused);
                Some(Notice::Full { limit: *limit, refused })
            }
            _ => None,
        }
    }

    /// The value as it is logged, if it is new and there is room to remember it.
    fn fresh(&mut self, kind: usize, value: &str) -> Option<String> {
        let values = &mut self.values[kind];
        let value: String = value.chars().take(VALUE).collect();
        if values.len() >= VALUES || values.contains(&value) {
            return None;
        }
        values.push(value.clone());
        Some(value)
    }
}

impl Bridge {
    /// Refuses a request and counts the refusal.
    pub(super) fn refuse(
        &mut self,
        exchange: Exchange,
        origin: Option<&str>,
        fault: &Fault,
        id: Option<&[u8]>,
    ) {
        let told = self.refusal_log.refusal(fault, self.cx.now);
        told.into_iter().for_each(|notice| self.cx.notice(notice));
        self.cx.refused(fault);
        let response = fault.response(id, &self.cx.config.remedies);
        self.cx.answer(exchange, origin, response);
    }

    /// Counts the refusal of a head. The driver logs it.
    pub(super) fn refusal(&mut self, fault: &Fault) -> Refusal {
        let each = self.cx.count_refusal(fault);
        let event = self.refusal_log.refusal(fault, self.cx.now).unwrap_or(each);
        Refusal { response: fault.response(None, &self.cx.config.remedies), event }
    }

    /// Logs, once per server, that a client was refused for its era.
    pub(super) fn era_refused(&mut self, server: Server) {
        let servers = &mut self.servers;
        if servers.is_first_refusal(server) {
            let (endpoint, eras) = (servers.path(server).into(), servers.eras(server));
            self.cx.notice(Notice::EraRefused { endpoint, eras });
        }
    }

    /// The refusal of a request whose random bytes are already in use. It is logged.
    pub(super) fn random_in_use(&mut self) -> Fault {
        let rule = "the random bytes of a request are fresh; one is refused";
        self.cx.notice(Notice::Misuse { rule });
        Fault::Random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::cause::Cause;
    use crate::api::eras::Eras;
    use crate::api::handles::SessionNumber;
    use crate::api::rule::Rule;
    use alloc::format;
    use alloc::string::ToString;

    fn refused(log: &mut RefusalLog, fault: &Fault) -> Option<String> {
        log.refusal(fault, Instant::default()).map(|notice| notice.to_string())
    }

    #[test]
    fn a_value_is_told_once_and_so_many_of_them() {
        let mut log = RefusalLog::default();
        let host = |name: &str| Fault::HostForbidden(name.into());
        let first = refused(&mut log, &host("mcp.example.com"));
        let expected = "Host \"mcp.example.com\" is not allowed: the request is refused";
        assert_eq!(first.as_deref(), Some(expected));
        assert_eq!(refused(&mut log, &host("mcp.example.com")), None);
        let made_up = (0..1000).filter(|n| refused(&mut log, &host(&format!("{n}"))).is_some());
        assert_eq!(made_up.count(), VALUES - 1);
        // They do not hide an Origin.
        let origin = Fault::OriginForbidden("https://app.example.com".into());
        let shown = refused(&mut log, &origin);
        assert!(shown.is_some_and(|shown| shown.contains("app.example.com")));
        assert_eq!(refused(&mut log, &origin), None);
        let long = Fault::OriginForbidden("x".repeat(10_000));
        assert!(refused(&mut log, &long).is_some_and(|shown| shown.len() < 400));
    }

    #[test]
    fn a_notice_of_refusals_names_the_rule_that_refuses() {
        for (eras, rule) in [
            (Eras::Auto, Rule::NoCrossing),
            (Eras::Sessions, Rule::NoModern),
            (Eras::Modern, Rule::NoSessions),
        ] {
            let refused = Notice::EraRefused { endpoint: String::new(), eras };
            assert_eq!(refused.rule(), Some(rule));
        }
        for (refused, rule) in [
            (Notice::HostRefused { host: String::new() }, Rule::Hosts),
            (Notice::OriginRefused { origin: String::new() }, Rule::Origins),
            (Notice::Full { limit: 1, refused: 1 }, Rule::Sessions),
        ] {
            assert_eq!(refused.rule(), Some(rule));
        }
    }

    #[test]
    fn a_notice_of_an_end_names_the_rule_that_ends() {
        let asleep = |cause| Notice::SessionAsleep {
            session: SessionNumber(1),
            pid: None,
            cause,
            awake: true,
        };
        assert_eq!(asleep(Cause::Unused).rule(), Some(Rule::Sleep));
        assert_eq!(asleep(Cause::Memory).rule(), Some(Rule::Memory));
        assert_eq!(asleep(Cause::StdoutClosed).rule(), None);
    }
}
