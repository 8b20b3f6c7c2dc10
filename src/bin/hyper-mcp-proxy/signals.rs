//! Signals: orphans that ended, and an operator who wants the program to end.

use std::rc::Rc;

use async_signal::{Signal, Signals};
use futures_lite::StreamExt;

use crate::hub::Hub;
use crate::manager;

/// Takes the signals over from their defaults.
pub(crate) fn take() -> std::io::Result<Signals> {
    Signals::new([Signal::Child, Signal::Int, Signal::Term])
}

/// Acts on signals for ever.
pub(crate) async fn watch(hub: Rc<Hub>, mut signals: Signals) {
    while let Some(signal) = signals.next().await {
        match signal {
            Ok(Signal::Child) => hub.reap_orphans(None),
            Ok(signal) if hub.is_draining() => end_now(&hub, signal),
            Ok(signal) => {
                log::info!(target: "proxy", "{} received: draining", name(signal));
                manager::tell("STOPPING=1");
                hub.shut_down();
            }
            Err(error) => log::error!(target: "proxy", "signals: {error}"),
        }
    }
}

/// The second signal: nobody waits any more.
fn end_now(hub: &Hub, signal: Signal) -> ! {
    log::warn!(target: "proxy", "{} received again: ending at once", name(signal));
    hub.feed(hyper_mcp_proxy::Input::Shutdown);
    hub.kill_all();
    hub.clean_up();
    std::process::exit(128 + signal as i32)
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        Signal::Term => "SIGTERM",
        _ => "a signal",
    }
}
