//! A panic ends the task that it happens in, and nothing else.

use std::cell::Cell;
use std::rc::Rc;

use smol::LocalExecutor;
use smol::future::yield_now;

#[test]
fn a_panic_in_one_task_leaves_the_others() {
    let executor = LocalExecutor::new();
    let turns = Rc::new(Cell::new(0));
    let counted = Rc::clone(&turns);
    executor
        .spawn(async move {
            for _ in 0..3 {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        })
        .detach();
    executor.spawn(async { panic!("on purpose") }).detach();
    let later = executor.spawn(async { 7 });
    assert_eq!(smol::block_on(executor.run(later)), 7);
    smol::block_on(executor.run(async {
        while turns.get() < 3 {
            yield_now().await;
        }
    }));
}

#[test]
fn the_released_program_unwinds() {
    let manifest = include_str!("../../Cargo.toml");
    let profile = manifest.split("[profile.release]").nth(1).expect("there is a release profile");
    let profile = profile.split("\n[").next().expect("it has an end");
    assert!(profile.contains("\npanic = \"unwind\""), "a panic would end every connection");
}
