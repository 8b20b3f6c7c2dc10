//! Faults in what comes out on streams.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mcp_bridge::{Body, Exchange, Input, Output, Response};

use super::map::Map;
use super::{Spoil, change, contains, content, event_id, noticed, replace, without};
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;

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
        without(|output| match output {
            Output::Send { bytes, .. } => contains(bytes, "\"notifications/"),
            _ => false,
        })
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

/// Ends a GET stream when its session opens another.
#[derive(Default)]
struct Ousted {
    map: Map,
    gets: BTreeSet<Exchange>,
    last: Option<(String, Exchange)>,
}

impl Fault for Ousted {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        self.map.learn(input);
        if let Input::Request { admitted, head, .. } = input
            && head.method == "GET"
        {
            self.gets.insert(admitted.exchange());
        }
        false
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        if let Output::Respond { exchange, response } = &output
            && response.body == Body::Stream
            && self.gets.contains(exchange)
            && let Some(session) = self.map.sessions.get(exchange)
        {
            let before = self.last.replace((session.clone(), *exchange));
            if let Some((_, exchange)) = before.filter(|(known, _)| known == session) {
                into.push_back(Output::Finish { exchange });
            }
        }
        into.push_back(output);
    }
}

#[test]
fn a_listener_that_ends_another_is_noticed() {
    noticed(Law::EveryRequestEnds, Ousted::default);
}

/// Begins and ends a stream in the place of telling that nothing is left of it.
fn begins_in_vain(mut output: Output, into: &mut VecDeque<Output>) {
    if let Output::Respond { exchange, response } = &mut output
        && response.status == 204
        && response.fields.is_empty()
    {
        let fields = [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ];
        let fields = fields.map(|(name, value)| (name, Cow::Borrowed(value)));
        let fields = Cow::Owned(fields.to_vec());
        *response = Response { status: 200, fields, body: Body::Stream };
        let exchange = *exchange;
        into.push_back(output);
        return into.push_back(Output::Finish { exchange });
    }
    into.push_back(output);
}

#[test]
fn a_finished_stream_that_can_be_resumed_for_ever_is_noticed() {
    noticed(Law::Resume, || Spoil(begins_in_vain));
}

/// The same for streams that were broken off, whose clients may have missed something.
#[derive(Default)]
struct Vain {
    /// The stream that each exchange carries, as its event ids name it.
    carried: BTreeMap<Exchange, String>,
    cut: BTreeSet<String>,
}

/// An event id without the event's place on its stream.
fn stream_of(id: &str) -> Option<String> {
    id.rsplit_once('-').map(|(stream, _)| stream.to_string())
}

impl Fault for Vain {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        if let Input::Request { admitted, head, .. } = input
            && let Some((_, id)) = head.fields.iter().find(|(name, _)| *name == "Last-Event-ID")
        {
            let stream = stream_of(&String::from_utf8_lossy(id));
            self.carried.extend(stream.map(|stream| (admitted.exchange(), stream)));
        }
        false
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        match &output {
            Output::Send { exchange, bytes } => {
                let stream = event_id(bytes).and_then(|id| stream_of(&id));
                self.carried.extend(stream.map(|stream| (*exchange, stream)));
            }
            Output::Abort { exchange } => self.cut.extend(self.carried.remove(exchange)),
            Output::Respond { exchange, .. }
                if self.carried.get(exchange).is_some_and(|stream| self.cut.contains(stream)) =>
            {
                return begins_in_vain(output, into);
            }
            _ => {}
        }
        into.push_back(output);
    }
}

#[test]
fn a_stream_that_was_broken_off_and_then_brings_nothing_is_noticed() {
    noticed(Law::Resume, Vain::default);
}
