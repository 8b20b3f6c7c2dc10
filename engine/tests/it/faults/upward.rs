//! Faults in sessions before children that speak only 2026-07-28, in subscriptions of that era's
//! clients, and in what they must be refused.

use std::collections::VecDeque;

use mcp_bridge::Output;

use super::{Spoil, change, contains, content, noticed, replace, without};
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;

/// The lines that a child gets of a session's calls.
fn across(mut with: impl FnMut(&mut Vec<u8>)) -> impl Fault {
    change(move |output| {
        if let Output::Write { bytes, .. } = output
            && contains(bytes, "@c")
            && contains(bytes, "protocolVersion\":\"2026-07-28\"")
        {
            with(bytes);
        }
    })
}

#[test]
fn a_request_without_its_version_is_noticed() {
    noticed(Law::Translation, || across(|bytes| replace(bytes, "2026-07-28\"", "2025-11-25\"")));
}

#[test]
fn a_request_of_a_client_that_could_be_asked_more_is_noticed() {
    noticed(Law::Translation, || {
        across(|bytes| replace(bytes, "Capabilities\":{}", "Capabilities\":{\"sampling\":{}}"))
    });
}

#[test]
fn a_log_level_that_is_forgotten_is_noticed() {
    noticed(Law::Translation, || {
        across(|bytes| replace(bytes, ",\"io.modelcontextprotocol/logLevel\":\"info\"", ""))
    });
}

#[test]
fn a_state_that_is_spelled_anew_is_noticed() {
    noticed(Law::Rounds, || across(|bytes| replace(bytes, "\"\\u00e9\\/ \"", "\"é/ \"")));
}

#[test]
fn an_answer_under_another_key_is_noticed() {
    noticed(Law::Rounds, || {
        across(|bytes| replace(bytes, "\"inputResponses\":{\"k0\"", "\"inputResponses\":{\"k1\""))
    });
}

#[test]
fn an_answer_that_the_client_did_not_give_is_noticed() {
    noticed(Law::Rounds, || {
        across(|bytes| {
            if contains(bytes, "inputResponses") {
                replace(bytes, "\"k0\":{", "\"k0\":{\"more\":1,");
            }
        })
    });
}

#[test]
fn a_call_that_does_not_go_on_is_noticed() {
    noticed(Law::Rounds, || {
        without(|output| match output {
            Output::Write { bytes, .. } => contains(bytes, "\"inputResponses\":"),
            _ => false,
        })
    });
}

#[test]
fn a_question_asked_twice_under_one_id_is_noticed() {
    noticed(Law::Rounds, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"bridge-2\"", "\"bridge-1\"");
            }
        })
    });
}

#[test]
fn a_ping_that_nobody_answers_is_noticed() {
    noticed(Law::EveryRequestEnds, || {
        without(|output| match output {
            Output::Respond { response, .. } => {
                matches!(&response.body, mcp_bridge::Body::Whole(bytes)
                    if bytes.ends_with(b",\"result\":{}}"))
            }
            _ => false,
        })
    });
}

#[test]
fn a_second_cancellation_of_a_subscription_is_noticed() {
    noticed(Law::Cancel, || {
        Spoil(|output: Output, into: &mut VecDeque<Output>| {
            if let Output::Write { child, bytes } = &output
                && contains(bytes, "superseded")
            {
                into.push_back(Output::Write { child: *child, bytes: bytes.clone() });
            }
            into.push_back(output);
        })
    });
}

#[test]
fn a_resource_that_is_left_out_is_noticed() {
    noticed(Law::Listening, || across(|bytes| replace(bytes, "[\"file:///a\"", "[\"file:///c\"")));
}

#[test]
fn a_subscription_that_is_not_acknowledged_is_noticed() {
    noticed(Law::Listening, || {
        without(|output| match output {
            Output::Send { bytes, .. } => contains(bytes, "subscriptions/acknowledged"),
            _ => false,
        })
    });
}

#[test]
fn a_list_that_nobody_asked_for_is_noticed() {
    noticed(Law::Listening, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                let all = "\"promptsListChanged\":true,\"toolsListChanged\":true";
                replace(bytes, "\"toolsListChanged\":true", all);
            }
        })
    });
}

#[test]
fn news_of_another_subscription_are_noticed() {
    noticed(Law::Names, || {
        change(|output| {
            if let Some((_, bytes)) = content(output)
                && contains(bytes, "\"@n")
            {
                replace(bytes, "subscriptionId\":1", "subscriptionId\":\"1\"");
            }
        })
    });
}

#[test]
fn news_that_are_kept_back_are_noticed() {
    noticed(Law::Prompt, || {
        without(|output| match output {
            Output::Send { bytes, .. } => contains(bytes, "\"@n"),
            _ => false,
        })
    });
}

#[test]
fn a_resource_that_is_never_given_up_is_noticed() {
    noticed(Law::Listening, || {
        without(|output| match output {
            // Of the engine's own; a client's has a nonce.
            Output::Write { bytes, .. } => {
                contains(bytes, "\"resources/unsubscribe\"") && !contains(bytes, "\"@c")
            }
            _ => false,
        })
    });
}

#[test]
fn a_subscription_that_ends_in_silence_is_noticed() {
    noticed(Law::Listening, || {
        without(|output| match output {
            Output::Send { bytes, .. } => {
                contains(bytes, "subscriptionId") && contains(bytes, "\"complete\"")
            }
            _ => false,
        })
    });
}

/// Lets a child have what was refused.
#[derive(Default)]
struct Lets {
    child: Option<mcp_bridge::ChildId>,
}

impl Fault for Lets {
    fn output(&mut self, output: Output, into: &mut VecDeque<Output>) {
        if let Output::Write { child, .. } = &output {
            self.child = Some(*child);
        }
        let refused = match &output {
            Output::Respond { response, .. } => response.status == 400,
            _ => false,
        };
        into.push_back(output);
        if let Some(child) = self.child.filter(|_| refused) {
            let bytes = b"{\"jsonrpc\":\"2.0\",\"method\":\"@y@\"}\n".to_vec();
            into.push_back(Output::Write { child, bytes });
        }
    }
}

#[test]
fn what_was_refused_and_reaches_a_child_is_noticed() {
    noticed(Law::Refusal, Lets::default);
}

#[test]
fn a_refusal_by_another_code_is_noticed() {
    noticed(Law::Refusal, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"code\":-32020", "\"code\":-32600");
            }
        })
    });
}

#[test]
fn a_refusal_of_nobodys_request_is_noticed() {
    noticed(Law::Refusal, || {
        change(|output| {
            if let Some((_, bytes)) = content(output) {
                replace(bytes, "\"id\":77,\"error\"", "\"id\":null,\"error\"");
            }
        })
    });
}
