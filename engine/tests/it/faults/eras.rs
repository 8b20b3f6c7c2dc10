//! Faults in who may use which era, and in what it costs.

use std::time::Duration;

use mcp_bridge::{Body, Config, Eras, Output};

use super::{change, contains, noticed, replace};
use crate::world::sim::law::Law;
use crate::world::sim::subject::Fault;

/// Other limits than the judge knows.
struct Limits<F>(F);

impl<F: FnMut(&mut Config)> Fault for Limits<F> {
    fn config(&mut self, config: &mut Config) {
        (self.0)(config);
    }
}

#[test]
fn a_policy_that_is_not_kept_is_noticed() {
    for (known, kept) in [
        (Eras::Auto, Eras::Both),
        (Eras::Sessions, Eras::Auto),
        (Eras::Modern, Eras::Both),
        (Eras::Both, Eras::Auto),
        (Eras::Auto, Eras::Sessions),
    ] {
        noticed(Law::Eras, || {
            Limits(move |config: &mut Config| {
                if config.eras == known {
                    config.eras = kept;
                }
            })
        });
    }
}

#[test]
fn a_refusal_before_a_server_that_speaks_the_era_is_noticed() {
    noticed(Law::Eras, || {
        change(|output| {
            let Output::Respond { response, .. } = output else { return };
            let Body::Whole(bytes) = &mut response.body else { return };
            let text = String::from_utf8_lossy(bytes).into_owned();
            if let Some((head, _)) = text.split_once(",\"result\":{\"resultType\"") {
                let error = r#""error":{"code":-32600,"message":"open a session"}"#;
                *bytes = format!("{head},{error}}}").into_bytes();
                response.status = 400;
            }
        })
    });
}

#[test]
fn a_fallback_of_two_starts_is_noticed() {
    noticed(Law::Fallback, || {
        Limits(|config: &mut Config| config.fallback = Duration::from_millis(1))
    });
}

#[test]
fn two_handshakes_in_one_process_are_noticed() {
    noticed(Law::Handshake, || {
        change(|output| {
            if let Output::Write { bytes, .. } = output
                && contains(bytes, "\"method\":\"ping\",\"params\":{}}")
            {
                let initialize = "\"initialize\",\"params\":{\"capabilities\":{}}}";
                replace(bytes, "\"ping\",\"params\":{}}", initialize);
            }
        })
    });
}
