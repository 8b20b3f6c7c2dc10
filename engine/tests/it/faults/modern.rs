//! Faults in how the stateless era is served.

use std::borrow::Cow;
use std::collections::VecDeque;

use mcp_bridge::{Body, Exchange, Input, Output, Response};

use super::{Spoil, change, contains, content, noticed, replace, roughly_noticed, without};
use crate::world::sim::json;
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;

/// Gives a client what another client's request got.
#[derive(Default)]
struct Leak {
    kept: Option<(Exchange, Vec<u8>)>,
}

impl Fault for Leak {
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Some((exchange, bytes)) = content(&mut output)
            && contains(bytes, "\"@w")
        {
            match &self.kept {
                Some((other, kept)) if *other != exchange => bytes.clone_from(kept),
                _ => self.kept = Some((exchange, bytes.clone())),
            }
        }
        into.push_back(output);
    }
}

#[test]
fn another_clients_answer_is_noticed() {
    noticed(Law::OwnCall, Leak::default);
}

/// There the hard laws judge alone.
#[test]
fn another_clients_answer_in_the_rough_world_is_noticed() {
    roughly_noticed(Law::OwnCall, Leak::default);
}

/// Gives a client its answer twice.
#[derive(Default)]
struct Twice(Option<Exchange>);

impl Fault for Twice {
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        if let Output::Respond { exchange, response } = &output
            && response.body == Body::Stream
        {
            self.0 = Some(*exchange);
        }
        let again = match &output {
            Output::Send { exchange, bytes }
                if Some(*exchange) == self.0 && contains(bytes, "\"@w") =>
            {
                Some(Output::Send { exchange: *exchange, bytes: bytes.clone() })
            }
            _ => None,
        };
        into.push_back(output);
        into.extend(again);
    }
}

#[test]
fn an_answer_that_comes_twice_is_noticed() {
    noticed(Law::Once, Twice::default);
}

/// Two answers of one moment change places, ids and all else in order.
#[derive(Default)]
struct Swap {
    kept: Option<Exchange>,
}

impl Fault for Swap {
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Output::Respond { exchange, response } = &mut output
            && let Body::Whole(bytes) = &response.body
            && contains(bytes, "\"@w")
        {
            match self.kept.replace(*exchange) {
                Some(other) => *exchange = other,
                None => return,
            }
        }
        into.push_back(output);
    }
}

#[test]
fn an_answer_to_the_call_before_is_noticed() {
    noticed(Law::OwnCall, Swap::default);
}

#[test]
fn an_id_of_another_type_is_noticed() {
    noticed(Law::Names, || {
        change(|output| {
            if let Some((_, bytes)) = content(output)
                && contains(bytes, "\"@w")
            {
                replace(bytes, "\"id\":1,", "\"id\":\"1\",");
            }
        })
    });
}

#[test]
fn a_log_message_for_somebody_is_noticed() {
    noticed(Law::Attribution, || {
        let mut last = None;
        let mut kept: Option<Vec<u8>> = None;
        Spoil(move |output: Output, into: &mut VecDeque<Output>| {
            if let Output::Send { exchange, bytes } = &output
                && contains(bytes, "\"@w")
            {
                if contains(bytes, "\"notifications/message\"") {
                    kept = Some(bytes.clone());
                } else if last != Some(*exchange)
                    && let Some(log) = kept.take()
                {
                    into.push_back(Output::Send { exchange: *exchange, bytes: log });
                }
                last = Some(*exchange);
            }
            into.push_back(output);
        })
    });
}

#[test]
fn a_cancellation_that_is_not_told_is_noticed() {
    noticed(Law::Cancel, || {
        without(
            |output| matches!(output, Output::Write { bytes, .. } if contains(bytes, "the client is gone")),
        )
    });
}

/// The lines that a child gets.
fn writes(mut with: impl FnMut(&mut Vec<u8>)) -> impl Fault {
    change(move |output| {
        if let Output::Write { bytes, .. } = output {
            with(bytes);
        }
    })
}

/// Asks a client what another client's call asked.
#[derive(Default)]
struct Misask {
    kept: Option<(Exchange, String)>,
}

impl Fault for Misask {
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Some((exchange, bytes)) = content(&mut output)
            && contains(bytes, "\"inputRequests\"")
        {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mark = text.split('@').find(|mark| mark.starts_with('q')).unwrap_or_default();
            match &self.kept {
                Some((other, kept)) if *other != exchange => replace(bytes, mark, kept),
                _ => self.kept = Some((exchange, mark.to_string())),
            }
        }
        into.push_back(output);
    }
}

#[test]
fn a_question_of_another_clients_call_is_noticed() {
    noticed(Law::OwnCall, Misask::default);
}

/// Gives a process that a client left at work to the next client.
#[derive(Default)]
struct Reuse {
    left: Option<mcp_bridge::ChildId>,
}

impl Fault for Reuse {
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Output::Write { child, bytes } = &mut output {
            if contains(bytes, "the client is gone") {
                self.left = Some(*child);
            } else if contains(bytes, "\"@t") {
                *child = self.left.take().unwrap_or(*child);
            }
        }
        if !matches!(&output, Output::CloseStdin { child } if Some(*child) == self.left) {
            into.push_back(output);
        }
    }
}

#[test]
fn a_process_that_another_client_left_at_work_is_noticed() {
    noticed(Law::Sharing, Reuse::default);
}

/// Gives a process that has had a call to the next client, once its server asked late.
#[derive(Default)]
struct Mix {
    had: Option<mcp_bridge::ChildId>,
    late: bool,
}

impl Fault for Mix {
    fn output(&mut self, mut output: Output, into: &mut VecDeque<Output>) {
        if let Output::Write { child, bytes } = &mut output {
            if contains(bytes, "no client's request is in flight") {
                self.late = true;
            } else if contains(bytes, "tools/call") && contains(bytes, "\"@t") {
                match self.had {
                    Some(had) if self.late => *child = had,
                    _ => self.had = Some(*child),
                }
            }
        }
        into.push_back(output);
    }
}

#[test]
fn a_call_after_another_at_a_server_that_asks_late_is_noticed() {
    noticed(Law::Sharing, Mix::default);
}

#[test]
fn a_level_that_is_not_asked_for_is_noticed() {
    noticed(Law::Levels, || {
        without(|output| match output {
            Output::Write { bytes, .. } => contains(bytes, "setLevel"),
            _ => false,
        })
    });
}

#[test]
fn a_progress_token_of_another_call_is_noticed() {
    let token = |token: &'static str| {
        move || writes(move |bytes| replace(bytes, "\"progressToken\":4", token))
    };
    noticed(Law::StdinIds, token("\"progressToken\":3"));
    noticed(Law::StdinIds, token("\"progressToken\":4.0"));
}

#[test]
fn a_result_of_another_era_is_noticed() {
    noticed(Law::Translation, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, ",\"resultType\":\"complete\"", "");
            }
        })
    });
}

#[test]
fn params_that_are_lost_are_noticed() {
    noticed(Law::Translation, || writes(|bytes| replace(bytes, "\"name\":\"t\",", "")));
}

#[test]
fn a_state_for_two_calls_is_noticed() {
    noticed(Law::State, || {
        let mut first: Option<String> = None;
        change(move |output| {
            let Some((_, bytes)) = content(output) else { return };
            let text = String::from_utf8_lossy(bytes).into_owned();
            let Some(at) = text.find("requestState\":\"") else { return };
            let state = &text[at + 15..at + 47];
            let first = first.get_or_insert_with(|| state.to_string());
            replace(bytes, state, first);
        })
    });
}

/// Tells clients that come back to a call that its process has ended.
#[derive(Default)]
struct Lapse {
    back: Option<(Exchange, String)>,
}

impl Fault for Lapse {
    fn swallows(&mut self, input: &Input<'_>) -> bool {
        let Input::Request { admitted, body, .. } = input else { return false };
        let back = json::member(body, "params")
            .is_some_and(|params| json::member(params, "requestState").is_some());
        if back {
            let id = String::from_utf8_lossy(json::member(body, "id").unwrap_or_default());
            self.back = Some((admitted.exchange(), id.into_owned()));
        }
        back
    }
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        into.extend(self.back.take().map(|(exchange, id)| {
            let fields = Cow::Owned(vec![("content-type", Cow::Borrowed("application/json"))]);
            let error = "{\"code\":-32603,\"message\":\"ended\"}";
            let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
            let body = Body::Whole(text.into_bytes());
            Output::Respond { exchange, response: Response { status: 502, fields, body } }
        }));
        into.push_back(output);
    }
}

#[test]
fn a_process_that_is_there_and_is_said_to_have_ended_is_noticed() {
    noticed(Law::Cause, Lapse::default);
}

#[test]
fn a_child_for_clients_of_other_kinds_is_noticed() {
    noticed(Law::Sharing, || {
        writes(|bytes| replace(bytes, "{\"elicitation\":{}}", "{\"sampling\":{},\"roots\":{}}"))
    });
}

#[test]
fn a_wait_that_ends_in_silence_is_noticed() {
    noticed(Law::Cancel, || {
        without(|output| match output {
            Output::Write { bytes, .. } => {
                contains(bytes, "the client did not answer") && contains(bytes, "cancelled")
            }
            _ => false,
        })
    });
}

/// Changes the lines that children get and for which this is so.
fn lines(meant: fn(&[u8]) -> bool, from: &'static str, to: &'static str) -> impl Fault {
    change(move |output| {
        if let Output::Write { bytes, .. } = output
            && meant(bytes)
        {
            replace(bytes, from, to);
        }
    })
}

#[test]
fn an_extension_that_stays_behind_is_noticed() {
    let hello = |bytes: &[u8]| contains(bytes, "\"initialize\"");
    noticed(Law::Sharing, || lines(hello, ",\"extensions\":{\"x/y\":{}}", ""));
}

#[test]
fn the_metadata_of_an_extension_that_stays_behind_is_noticed() {
    let crossed = |bytes: &[u8]| !contains(bytes, "/protocolVersion\"");
    let field = "\"io.modelcontextprotocol/related-task\":{},";
    noticed(Law::Translation, || lines(crossed, field, ""));
}
