//! Laws that can fail: for each law an engine spoilt on its way out, and the law that must notice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hyper_mcp_proxy::{Body, Cause, Config, Exchange, Input, Instant, Notice, Output};

use crate::world::sim;
use sim::dice;
use sim::json;
use sim::law::Law;
use sim::subject::Fault;

const LENGTH: usize = 1000;
/// A fault that this many cases do not show is not noticed.
const SEEDS: u64 = 600;

/// Some case of the world breaks this law with this fault.
fn noticed<F: Fault>(law: Law, fault: impl Fn() -> F) {
    let mut others = BTreeMap::new();
    for seed in 1..=SEEDS {
        match sim::run_spoilt(&dice::case(seed, LENGTH), &mut fault()) {
            Err(broken) if broken.law == law => return,
            Err(broken) => *others.entry(broken.law).or_insert(0) += 1,
            Ok(_) => {}
        }
    }
    panic!("{law:?} did not notice; others: {others:?}");
}

/// A fault in what comes out.
struct Spoil<F>(F);

impl<F: FnMut(Output, &mut VecDeque<Output>)> Fault for Spoil<F> {
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        (self.0)(output, into);
    }
}

/// Changes each output.
fn change(mut with: impl FnMut(&mut Output)) -> impl Fault {
    Spoil(move |mut output: Output, into: &mut VecDeque<Output>| {
        with(&mut output);
        into.push_back(output);
    })
}

/// Leaves outputs out.
fn without(mut meant: impl FnMut(&Output) -> bool) -> impl Fault {
    Spoil(move |output: Output, into: &mut VecDeque<Output>| {
        if !meant(&output) {
            into.push_back(output);
        }
    })
}

fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8_lossy(bytes).replace(from, to);
    *bytes = text.into_bytes();
}

/// The bytes of a stream or of a whole body.
fn content(output: &mut Output) -> Option<(Exchange, &mut Vec<u8>)> {
    match output {
        Output::Send { exchange, bytes } => Some((*exchange, bytes)),
        Output::Respond { exchange, response } => match &mut response.body {
            Body::Whole(bytes) => Some((*exchange, bytes)),
            Body::Stream => None,
        },
        _ => None,
    }
}

fn contains(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

/// The id of the event that is sent.
fn event_id(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().find_map(|line| line.strip_prefix("id: ").map(str::to_string))
}

#[test]
fn a_second_end_is_noticed() {
    noticed(Law::EndsOnce, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            if let Output::Finish { exchange } = output {
                into.push_back(Output::Finish { exchange });
            }
            into.push_back(output);
        })
    });
}

#[test]
fn a_loss_that_is_ignored_is_noticed() {
    struct Deaf;
    impl Fault for Deaf {
        fn swallows(&mut self, input: &Input<'_>) -> bool {
            matches!(input, Input::Lost { .. })
        }
    }
    noticed(Law::NothingAfterLoss, || Deaf);
}

#[test]
fn a_stream_without_end_is_noticed() {
    let fault = || without(|output| matches!(output, Output::Finish { .. }));
    noticed(Law::EveryRequestEnds, fault);
}

fn status(from: u16, to: u16) -> impl Fault {
    change(move |output| {
        if let Output::Respond { response, .. } = output
            && response.status == from
        {
            response.status = to;
        }
    })
}

#[test]
fn another_status_is_noticed() {
    noticed(Law::Status, || status(202, 201));
}

#[test]
fn a_dead_session_that_answers_is_noticed() {
    noticed(Law::Gone, || status(404, 400));
}

#[test]
fn a_refusal_without_a_reason_is_noticed() {
    noticed(Law::Refusal, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"message\"", "\"msg\"");
            }
        })
    });
}

#[test]
fn a_reserved_code_is_noticed() {
    noticed(Law::Refusal, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "-32603", "-32001");
            }
        })
    });
}

#[test]
fn a_field_that_is_not_ascii_is_noticed() {
    noticed(Law::Head, || {
        change(|output| {
            if let Output::Respond { response, .. } = output {
                response.fields.push(("x-name", Cow::Borrowed("é")));
            }
        })
    });
}

#[test]
fn content_that_is_not_accepted_is_noticed() {
    struct Hide;
    impl Fault for Hide {
        fn hides(&mut self, name: &str) -> bool {
            name.eq_ignore_ascii_case("accept")
        }
    }
    noticed(Law::Accept, || Hide);
}

#[test]
fn an_error_without_a_cause_is_noticed() {
    noticed(Law::Cause, || {
        change(|output| {
            let Some((_, bytes)) = content(output) else { return };
            let Some(id) = json::member(bytes, "id").filter(|_| contains(bytes, "\"result\""))
            else {
                return;
            };
            let id = String::from_utf8_lossy(id);
            let error = "{\"code\":-32603,\"message\":\"no\"}";
            *bytes = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}").into_bytes();
        })
    });
}

/// Gives an answer to another exchange of its session that waits for one.
#[derive(Default)]
struct Misplace {
    map: Map,
}

impl Fault for Misplace {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.map.learn(input);
        false
    }
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        self.map.follow(&output);
        if let Output::Respond { exchange, response } = &mut output
            && let Body::Whole(bytes) = &response.body
            && contains(bytes, "\"@s")
        {
            *exchange = self.map.waiting(*exchange).unwrap_or(*exchange);
        }
        into.push_back(output);
    }
}

#[test]
fn answers_that_change_places_are_noticed() {
    noticed(Law::AnswerToAsker, Misplace::default);
}

#[test]
fn a_number_that_is_rounded_is_noticed() {
    noticed(Law::BytesUnchanged, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"v\":1.10", "\"v\":1.1");
            }
        })
    });
}

/// Knows which exchange is of which session, and which streams are open.
#[derive(Default)]
struct Map {
    sessions: BTreeMap<Exchange, String>,
    streams: BTreeSet<Exchange>,
    heads: BTreeSet<Exchange>,
}

impl Map {
    fn learn(&mut self, input: &Input<'_>) {
        if let Input::Request { exchange, head, .. } = input
            && let Some((_, id)) =
                head.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"))
        {
            self.sessions.insert(*exchange, (*id).to_string());
        }
        if let Input::Lost { exchange } = input {
            self.streams.remove(exchange);
        }
    }

    fn follow(&mut self, output: &Output) {
        if let Output::Respond { exchange, .. } = output {
            self.heads.insert(*exchange);
        }
        match output {
            Output::Respond { exchange, response } if response.body == Body::Stream => {
                self.streams.insert(*exchange);
            }
            Output::Finish { exchange } | Output::Abort { exchange } => {
                self.streams.remove(exchange);
            }
            _ => {}
        }
    }

    /// Another exchange of the same session that got nothing yet.
    fn waiting(&self, of: Exchange) -> Option<Exchange> {
        let session = self.sessions.get(&of)?;
        let waits = |(other, id): &(&Exchange, &String)| {
            *id == session && **other != of && !self.heads.contains(other)
        };
        self.sessions.iter().find(waits).map(|(other, _)| *other)
    }

    /// Another open stream of the same session.
    fn neighbour(&self, of: Exchange) -> Option<Exchange> {
        let session = self.sessions.get(&of)?;
        let same = |other: &&Exchange| **other != of && self.sessions.get(other) == Some(session);
        self.streams.iter().find(same).copied()
    }
}

/// Gives an exchange what another session's exchange got.
#[derive(Default)]
struct Leak {
    map: Map,
    kept: Option<(String, Vec<u8>)>,
}

impl Fault for Leak {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.map.learn(input);
        false
    }
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Some((exchange, bytes)) = content(&mut output)
            && let Some(session) = self.map.sessions.get(&exchange)
            && contains(bytes, "\"@s")
        {
            match &self.kept {
                Some((other, kept)) if other != session => bytes.clone_from(kept),
                _ => self.kept = Some((session.clone(), bytes.clone())),
            }
        }
        into.push_back(output);
    }
}

#[test]
fn another_sessions_message_is_noticed() {
    noticed(Law::OwnSession, Leak::default);
}

/// Sends an event on another stream of its session: as well, or instead.
struct Stray {
    map: Map,
    instead: bool,
    next: usize,
}

impl Stray {
    fn new(instead: bool) -> Self {
        Self { map: Map::default(), instead, next: 0 }
    }
}

impl Fault for Stray {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.map.learn(input);
        false
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        self.map.follow(&output);
        let Output::Send { exchange, bytes } = &output else { return into.push_back(output) };
        let free = contains(bytes, "\"notifications/message\"");
        let Some(other) = self.map.neighbour(*exchange).filter(|_| free) else {
            return into.push_back(output);
        };
        self.next += 1;
        let mut copy = bytes.clone();
        if let Some(id) = event_id(bytes) {
            replace(&mut copy, &format!("id: {id}\n"), &format!("id: stray{}\n", self.next));
        }
        if !self.instead {
            into.push_back(output);
        }
        into.push_back(Output::Send { exchange: other, bytes: copy });
    }
}

#[test]
fn an_event_on_two_streams_is_noticed() {
    noticed(Law::OneStream, || Stray::new(false));
}

#[test]
fn an_event_on_the_wrong_stream_is_noticed() {
    noticed(Law::Route, || Stray::new(true));
}

#[test]
fn an_event_that_comes_twice_is_noticed() {
    noticed(Law::Once, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            if let Output::Send { exchange, bytes } = &output
                && contains(bytes, "\"@s")
            {
                into.push_back(Output::Send { exchange: *exchange, bytes: bytes.clone() });
            }
            into.push_back(output);
        })
    });
}

#[test]
fn events_that_change_places_are_noticed() {
    noticed(Law::Order, || {
        let mut held: Option<Output> = None;
        Spoil(move |output: Output, into: &mut VecDeque<Output>| {
            let event = matches!(&output, Output::Send { bytes, .. } if contains(bytes, "\"@s"));
            if event && held.is_none() {
                held = Some(output);
                return;
            }
            into.push_back(output);
            into.extend(held.take());
        })
    });
}

#[test]
fn progress_with_another_token_is_noticed() {
    noticed(Law::Progress, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"progressToken\":1}", "\"progressToken\":2}");
            }
        })
    });
}

#[test]
fn a_message_that_is_lost_is_noticed() {
    noticed(Law::Prompt, || {
        without(
            |output| matches!(output, Output::Send { bytes, .. } if contains(bytes, "\"notifications/")),
        )
    });
}

#[test]
fn a_line_that_is_no_field_is_noticed() {
    noticed(Law::Events, || {
        change(|output| {
            if let Output::Send { bytes, .. } = output {
                replace(bytes, "data: {", "data: \rdata: {");
            }
        })
    });
}

#[test]
fn a_stream_that_is_not_primed_is_noticed() {
    noticed(Law::Priming, || {
        without(|output| matches!(output, Output::Send { bytes, .. } if contains(bytes, "retry: ")))
    });
}

#[test]
fn a_replay_with_a_gap_is_noticed() {
    noticed(Law::Resume, || {
        let mut seen = BTreeSet::new();
        without(move |output| match output {
            Output::Send { bytes, .. } => {
                event_id(bytes).is_some_and(|id| contains(bytes, "\"@s") && !seen.insert(id))
            }
            _ => false,
        })
    });
}

#[test]
fn a_stream_without_comments_is_noticed() {
    noticed(Law::SignOfLife, || {
        without(|output| matches!(output, Output::Send { bytes, .. } if bytes.starts_with(b":")))
    });
}

#[test]
fn a_reader_that_stalls_for_ever_is_noticed() {
    noticed(Law::Stall, || without(|output| matches!(output, Output::Abort { .. })));
}

fn writes(mut with: impl FnMut(&mut Vec<u8>)) -> impl Fault {
    change(move |output| {
        if let Output::Write { bytes, .. } = output {
            with(bytes);
        }
    })
}

#[test]
fn a_request_that_is_changed_is_noticed() {
    noticed(Law::StdinLines, || writes(|bytes| replace(bytes, "\"v\":1.10", "\"v\":1.1")));
}

#[test]
fn a_request_on_two_lines_is_noticed() {
    noticed(Law::StdinLines, || writes(|bytes| replace(bytes, ",\"params\"", ",\n\"params\"")));
}

#[test]
fn an_id_that_is_used_twice_is_noticed() {
    noticed(Law::StdinIds, || writes(|bytes| replace(bytes, "\"id\":3,", "\"id\":2,")));
}

#[test]
fn a_cancellation_of_something_else_is_noticed() {
    noticed(Law::Cancel, || writes(|bytes| replace(bytes, "\"requestId\":", "\"requestId\":9")));
}

#[test]
fn a_signal_that_comes_early_is_noticed() {
    noticed(Law::Ladder, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            let pipe = match output {
                Output::CloseStdin { pipe } => Some(pipe),
                _ => None,
            };
            into.push_back(output);
            into.extend(pipe.map(|pipe| Output::Terminate { pipe }));
        })
    });
}

#[test]
fn a_child_that_is_not_killed_is_noticed() {
    noticed(Law::LadderDue, || without(|output| matches!(output, Output::Kill { .. })));
}

#[test]
fn a_child_without_an_owner_is_noticed() {
    noticed(Law::NoOrphan, || without(|output| matches!(output, Output::CloseStdin { .. })));
}

#[test]
fn a_child_that_is_not_read_is_noticed() {
    struct Blind;
    impl Fault for Blind {
        fn wants(&mut self, _wants: bool) -> bool {
            false
        }
    }
    noticed(Law::Wants, || Blind);
}

#[test]
fn a_false_cause_is_noticed() {
    noticed(Law::Ending, || {
        change(|output| {
            if let Output::Notice(Notice::SessionEnded { cause, .. }) = output {
                *cause = Cause::Deleted;
            }
        })
    });
}

#[test]
fn limits_that_are_not_kept_are_noticed() {
    struct Loose;
    impl Fault for Loose {
        fn config(&mut self, config: &mut Config) {
            config.sessions *= 8;
            config.calls *= 8;
            config.starting *= 8;
        }
    }
    noticed(Law::Limits, || Loose);
}

#[test]
fn a_false_account_is_noticed() {
    struct Account(usize);
    impl Fault for Account {
        fn buffered(&mut self, _bytes: usize) -> usize {
            self.0
        }
    }
    noticed(Law::Buffered, || Account(usize::MAX));
    noticed(Law::Buffered, || Account(0));
}

#[test]
fn a_deadline_that_stays_is_noticed() {
    struct Stuck;
    impl Fault for Stuck {
        fn timeout(&mut self, _timeout: Option<Instant>) -> Option<Instant> {
            Some(Instant::default())
        }
    }
    noticed(Law::NoSpin, || Stuck);
}

#[test]
fn an_engine_that_is_never_idle_is_noticed() {
    struct Busy;
    impl Fault for Busy {
        fn idle(&mut self, _idle: bool) -> bool {
            false
        }
    }
    noticed(Law::Empty, || Busy);
}

#[test]
fn a_run_that_differs_is_noticed() {
    let noticed = (1..=SEEDS).any(|seed| {
        let case = dice::case(seed, LENGTH);
        let mut fault = change(|output| {
            if let Output::Respond { response, .. } = output {
                for (name, value) in &mut response.fields {
                    if *name == "retry-after" {
                        *value = Cow::Borrowed("77");
                    }
                }
            }
        });
        match (sim::run(&case), sim::run_spoilt(&case, &mut fault)) {
            (Ok(first), Ok(second)) => sim::require_same(first, second).is_err(),
            _ => false,
        }
    });
    assert!(noticed);
}
