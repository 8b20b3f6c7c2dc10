//! Faults in how the stateless era is served.

use std::collections::VecDeque;

use hyper_mcp_proxy::{Body, Exchange, Output};

use super::{Spoil, change, contains, content, noticed, replace, without};
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
