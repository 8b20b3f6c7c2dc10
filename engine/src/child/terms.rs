//! What holds for all processes of a server, as its operator has set it.

use core::time::Duration;

use super::offer::Offer;
use crate::api::config::Config;
use crate::api::eras::Eras;
use crate::api::io::Endpoint;

/// See the module. The bridge gives each child the terms that hold now.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The eras that its clients may use.
    pub(crate) eras: Eras,
    /// How long its sessions may have no call in flight before they fall asleep.
    pub(crate) sleep: Option<Duration>,
    /// How long a session or shared process may be unused.
    pub(crate) idle: Option<Duration>,
    /// How long a call may run.
    pub(crate) request: Option<Duration>,
    /// The tools that its clients see.
    pub(crate) offer: Offer,
}

impl Terms {
    pub(crate) fn new(endpoint: &Endpoint<'_>, config: &Config) -> Self {
        let own = |own: Option<Duration>, all| own.map_or(all, |own| Some(own).filter(is_some));
        Self {
            eras: endpoint.eras,
            sleep: endpoint.sleep,
            idle: own(endpoint.limits.idle, config.idle),
            request: own(endpoint.limits.request, config.request),
            offer: endpoint.tools.into(),
        }
    }
}

/// Whether this wait is a limit: zero means that there is none.
const fn is_some(wait: &Duration) -> bool {
    !wait.is_zero()
}
