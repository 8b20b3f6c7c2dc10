//! A configuration with some of its limits and waits at their ends.

use core::time::Duration;

use mcp_bridge::{Config, Eras};

use super::super::dice::Dice;

/// Draws a configuration. What the engine refuses goes back to its default: that it is refused, and
/// by which name, is for the tests of `Config::check`.
pub(super) fn draw(dice: &mut Dice<'_>) -> Config {
    // What holds over several processes of one session, the world `lives` plays.
    let mut config = Config { restart: false, ..Config::default() };
    config.sse_endpoint = Some(String::from("/sse"));
    config.eras = dice.pick(&[Eras::Auto, Eras::Both, Eras::Sessions, Eras::Modern]);
    if dice.one_in(4) {
        config.header_env = vec![(String::from("x-user"), String::from("WHO"))];
    }
    if dice.one_in(4) {
        config.affinity = vec![String::from("x-user")];
    }
    let size = |dice: &mut Dice<'_>, field: &mut usize| {
        if dice.one_in(5) {
            *field = dice.pick(&[0, 1, usize::MAX, 2, 1024]);
        }
    };
    for field in [
        &mut config.sessions,
        &mut config.starting,
        &mut config.calls,
        &mut config.prewarm,
        &mut config.pool,
        &mut config.parked,
        &mut config.subscriptions,
        &mut config.budget,
        &mut config.message,
        &mut config.head,
        &mut config.listeners,
        &mut config.replay,
        &mut config.queue,
        &mut config.stdin,
    ] {
        size(dice, field);
    }
    let wait = |dice: &mut Dice<'_>, field: &mut Duration| {
        if dice.one_in(5) {
            let ends = [Duration::ZERO, Duration::MAX, Duration::from_millis(1)];
            *field = dice.pick(&ends);
        }
    };
    for field in [
        &mut config.start,
        &mut config.promote_primed,
        &mut config.promote,
        &mut config.keep_alive,
        &mut config.retry,
        &mut config.probe,
        &mut config.fallback,
        &mut config.park,
        &mut config.stall,
        &mut config.keep_ended,
        &mut config.exit_grace,
        &mut config.term_grace,
        &mut config.kill_grace,
        &mut config.drain,
        &mut config.breaker_wait,
    ] {
        wait(dice, field);
    }
    for field in [&mut config.idle, &mut config.request] {
        if dice.one_in(4) {
            let ends = [None, Some(Duration::MAX), Some(Duration::from_millis(1))];
            *field = dice.pick(&ends);
        }
    }
    if dice.one_in(4) {
        config.breaker_starts = dice.pick(&[1, 2, u32::MAX]);
    }
    config.share = dice.one_in(4);
    mend(config)
}

/// Sets what is refused to its default, field by field.
fn mend(mut config: Config) -> Config {
    let plain = Config::default();
    while let Err(error) = config.check() {
        match error.field {
            "budget" => config.budget = plain.budget,
            "starting" => config.starting = plain.starting,
            "calls" => config.calls = plain.calls,
            "listeners" => config.listeners = plain.listeners,
            "message" => config.message = plain.message,
            "head" => config.head = plain.head,
            "queue" => config.queue = plain.queue,
            "prewarm" => config.prewarm = plain.prewarm,
            "start" => config.start = plain.start,
            "keep_alive" => config.keep_alive = plain.keep_alive,
            "idle" => config.idle = plain.idle,
            "request" => config.request = plain.request,
            "probe" => config.probe = plain.probe,
            "park" => config.park = plain.park,
            "stall" => config.stall = plain.stall,
            "breaker_starts" => config.breaker_starts = plain.breaker_starts,
            "breaker_wait" => config.breaker_wait = plain.breaker_wait,
            field => unreachable!("{field} is not drawn: {error}"),
        }
    }
    config
}
