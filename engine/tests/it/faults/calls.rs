//! Faults in how single requests are answered.

use std::borrow::Cow;
use std::collections::VecDeque;

use mcp_bridge::{Body, Input, Output};

use super::map::Map;
use super::{Spoil, change, contains, content, noticed, replace, without};
use crate::world::sim::json;
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;

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
                response.fields.to_mut().push(("x-name", Cow::Borrowed("é")));
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
