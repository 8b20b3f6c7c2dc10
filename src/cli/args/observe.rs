//! The flags by which an operator watches the program.

use super::given::Given;
use super::is_field;
use crate::access::Access;
use crate::cli::exit::Exit;
use crate::hub::{METRICS, Pages};
use crate::os::sockets::Place;
use crate::record::Terms;

/// Bytes of a recording: an hour of a busy client, and small enough to be sent.
const RECORDING: usize = 64 << 20;

/// Where the run is recorded.
pub(super) fn record(given: &Given) -> Result<Option<Terms>, Exit> {
    let (contents, limit) = (given.record_contents, given.record_limit);
    match &given.record {
        // What a session was before is in no input.
        Some(_) if given.sessions.is_some() => {
            Err(Exit::usage("--record can't be combined with --sessions"))
        }
        Some(file) => {
            let limit = limit.unwrap_or(RECORDING);
            Ok(Some(Terms { file: file.clone(), limit, contents }))
        }
        None if contents || limit.is_some() => {
            Err(Exit::usage("without --record FILE nothing is recorded"))
        }
        None => Ok(None),
    }
}

/// Whether requests are logged, and by whom they are.
pub(super) fn access(given: &Given) -> Result<Access, Exit> {
    let user = given.access_user.as_ref().map(|name| name.to_ascii_lowercase());
    match &user {
        Some(name) if !is_field(name) => {
            Err(Exit::usage(format!("--access-user can't take the header field {name:?}")))
        }
        _ => Ok(Access { is_on: given.access_log, user }),
    }
}

/// An address and a port to listen on.
pub(super) fn place(text: &str) -> Result<Place, Exit> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((host, port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
    });
    match parts {
        Some((host, port)) => Ok(Place::Tcp { host: host.into(), port }),
        None => Err(Exit::usage(format!(
            "--metrics-listen takes an address and a port, such as 127.0.0.1:9090, not {text:?}"
        ))),
    }
}

/// Where the pages are.
pub(super) fn pages(given: &Given, health: Option<String>) -> Pages {
    let aside = given.metrics_listen.is_some().then(|| String::from(METRICS));
    let metrics = given.metrics.clone().or(aside);
    Pages { health, metrics, ..Pages::default() }
}
