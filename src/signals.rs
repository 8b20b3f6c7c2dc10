//! Signals: processes that ended, and an operator who wants the program to end.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use async_signal::{Signal, Signals};
use futures_lite::StreamExt;

use crate::cli::exit::Exit;
use crate::cli::launch::ConfigFile;
use crate::hub::Hub;
use crate::limits::deadlines::Deadline;
use crate::logging;
use crate::os::sys;
use crate::os::systemd;

/// How long a request may be on its way on a connection that was accepted.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Handles the signals in place of their defaults. SIGHUP stays ignored if that is how the program
/// was started, as by nohup(1), and it has no file to read again.
pub(crate) fn install(has_file: bool) -> std::io::Result<Signals> {
    let keeps_hup = !has_file && sys::ignores_hang_up();
    sys::unblock_signals();
    // Windows has the one.
    let all = [
        Signal::Int,
        #[cfg(unix)]
        Signal::Term,
        #[cfg(unix)]
        Signal::Hup,
        #[cfg(unix)]
        Signal::Child,
    ];
    Signals::new(all.into_iter().filter(|signal| !(keeps_hup && is_hang_up(*signal))))
}

#[cfg(unix)]
fn is_hang_up(signal: Signal) -> bool {
    signal == Signal::Hup
}

#[cfg(windows)]
fn is_hang_up(_: Signal) -> bool {
    false
}

/// Acts on signals for ever.
pub(crate) async fn watch(hub: Rc<Hub>, mut signals: Signals, file: Option<ConfigFile>) {
    while let Some(signal) = signals.next().await {
        match signal {
            Ok(Signal::Child) => {
                while hub.reap() {
                    futures_lite::future::yield_now().await;
                }
            }
            Ok(Signal::Hup) if let Some(file) = &file => read_again(&hub, file),
            // It is meant to have something read again, of which there is nothing.
            Ok(Signal::Hup) if systemd::is_there() => log::warn!(
                target: "proxy",
                "SIGHUP ignored: there is no --config to read again"
            ),
            Ok(signal) if hub.leaving.get() => end_now(&hub, signal),
            Ok(signal) => {
                log::info!(target: "proxy", "{} received: draining; calls in flight may finish, new sessions are refused", name(signal));
                systemd::notify("STOPPING=1");
                match hub.hands_over.get() {
                    true => hub.executor.spawn(hand_over(Rc::clone(&hub))).detach(),
                    false => hub.shut_down(),
                }
            }
            Err(error) => log::error!(target: "proxy", "signals: {error}"),
        }
    }
}

/// Leaves what comes from now on to the process that follows: new connections stay in the queue of
/// the socket, and clients open new ones for what comes next. A request on its way is served.
async fn hand_over(hub: Rc<Hub>) {
    hub.leaving.set(true);
    hub.deadlines.evict_kept();
    let deadline = Deadline::new(&hub.deadlines);
    deadline.set(hub.now().after(ON_ITS_WAY));
    poll_fn(|cx| deadline.poll(cx)).await;
    hub.shut_down();
}

/// Reads the servers again. The thread waits for the file, which is small and on a disk.
fn read_again(hub: &Hub, file: &ConfigFile) {
    if hub.leaving.get() {
        return;
    }
    systemd::notify_reload();
    match file.read() {
        Ok(found) => {
            let all = found.servers.len();
            let fresh = hub.serve(found);
            log::info!(
                target: "proxy",
                "SIGHUP: --config is read again; servers: {all}, new or changed: {fresh}"
            );
        }
        Err(Exit::Fail { reason, .. } | Exit::Print(reason)) => {
            log::error!(target: "proxy", "SIGHUP: --config can't be used, the servers are unchanged: {reason}");
        }
    }
    systemd::notify("READY=1");
}

/// The second signal: nobody waits any more.
fn end_now(hub: &Hub, signal: Signal) -> ! {
    log::warn!(target: "proxy", "{} received again: the proxy ends at once, without waiting for calls", name(signal));
    hub.feed(mcp_bridge::Input::Shutdown);
    hub.kill_all();
    hub.clean_up();
    logging::flush();
    std::process::exit(128 + signal as i32)
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Hup => "SIGHUP",
        Signal::Int => "SIGINT",
        Signal::Term => "SIGTERM",
        _ => "a signal",
    }
}
