//! The table of deadlines: what is due, in which order, and who is evicted.

use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use mcp_bridge::{Bridge, Config, Instant};

use crate::limits::deadlines::{Deadline, Deadlines, Evicted, Wait};
use crate::limits::uploads::{Pool, SMALL, Share};

fn at(millis: u64) -> Instant {
    Instant::new(Duration::from_millis(millis))
}

fn is_over(deadline: &Deadline) -> bool {
    deadline.poll(&Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn they_expire_when_due_and_not_before() {
    let table: Rc<Deadlines> = Rc::default();
    let (one, two) = (Deadline::new(&table), Deadline::new(&table));
    assert_eq!(table.next(), None);
    two.set(at(2000));
    one.set(at(1000));
    assert_eq!(table.next(), Some(at(1000)));
    table.fire(at(999));
    assert!(!is_over(&one) && !is_over(&two));
    table.fire(at(1000));
    assert!(is_over(&one) && !is_over(&two));
    assert_eq!(table.next(), Some(at(2000)));
    table.fire(at(2000));
    assert!(is_over(&two));
    assert_eq!(table.next(), None);
}

#[test]
fn one_that_moved_or_went_does_not_expire() {
    let table: Rc<Deadlines> = Rc::default();
    let (moved, cleared) = (Deadline::new(&table), Deadline::new(&table));
    drop(Deadline::new(&table));
    moved.set(at(1000));
    cleared.set(at(1000));
    moved.set(at(5000));
    cleared.clear();
    table.fire(at(1000));
    assert!(!is_over(&moved) && !is_over(&cleared));
    assert_eq!(table.next(), Some(at(5000)));
    table.fire(at(5000));
    assert!(is_over(&moved));
    moved.set(at(9000));
    assert!(!is_over(&moved), "set again, it is as new");
}

#[test]
fn the_table_is_not_looked_through_all_the_time() {
    let table: Rc<Deadlines> = Rc::default();
    let many: Vec<_> = (0..100).map(|_| Deadline::new(&table)).collect();
    for (n, deadline) in (1000..).zip(&many) {
        deadline.set(at(n));
    }
    let mut fired = 0;
    while let Some(next) = table.next() {
        table.fire(next);
        fired += 1;
    }
    assert!(many.iter().all(is_over));
    assert!(fired <= 4, "{fired}");
}

/// The order in which these are evicted at that time.
fn order(table: &Rc<Deadlines>, all: &[Deadline], now: Instant) -> Vec<usize> {
    let mut order = Vec::new();
    while table.evict(now) {
        order.extend((0..all.len()).filter(|n| all[*n].take_evicted() == Some(Evicted::Place)));
        all[*order.last().unwrap()].clear();
        assert!(order.len() <= all.len(), "{order:?}");
    }
    order
}

#[test]
fn the_connection_that_makes_the_least_progress_makes_room() {
    let table: Rc<Deadlines> = Rc::default();
    let all: Vec<_> = (0..8).map(|_| Deadline::new(&table)).collect();
    let (end, began) = (at(100_000), at(10_000));
    // In flight.
    all[0].set(end);
    // Between two requests, for long and for a while.
    all[1].set_wait(end, Wait::Next, at(0), 0);
    all[2].set_wait(end, Wait::Next, began, 0);
    // Half a head, a byte each second; half a content that does not go on; one that does.
    all[3].set_wait(end, Wait::Rest, began, 1);
    (11_000..20_000).step_by(1000).for_each(|now| all[3].moved(1, at(now)));
    all[4].set_wait(end, Wait::Rest, began, 10_000);
    all[5].set_wait(end, Wait::Rest, began, 100);
    all[5].moved(1 << 20, at(20_000));
    // Nothing at all, and one that just came.
    all[6].set_wait(end, Wait::First, began, 0);
    all[7].set_wait(end, Wait::First, at(19_995), 0);
    assert_eq!(order(&table, &all, at(20_000)), [6, 3, 4, 1, 2, 5, 7]);
    assert!(!is_over(&all[0]), "who works stays");
}

#[test]
fn an_evicted_connection_goes_whatever_comes_meanwhile() {
    let table: Rc<Deadlines> = Rc::default();
    let one = Deadline::new(&table);
    one.set_wait(at(1000), Wait::First, at(0), 0);
    assert!(table.evict(at(1)));
    one.moved(100, at(1));
    one.set_wait(at(1000), Wait::Rest, at(1), 100);
    assert!(is_over(&one) && !table.evict(at(2)));
    assert_eq!(one.take_evicted(), Some(Evicted::Place));
}

fn pool(limit: usize) -> Rc<Pool> {
    let bridge = Bridge::new(Config::default()).expect("a good configuration");
    Pool::new(limit, bridge.budget())
}

#[test]
fn the_slowest_upload_gives_its_memory_back() {
    let table: Rc<Deadlines> = Rc::default();
    let pool = pool(20 * SMALL);
    let shares: Vec<_> = (0..4).map(|_| Share::new(&pool)).collect();
    let all: Vec<_> = shares.iter().map(|s| Deadline::new(&table).shares(s)).collect();
    for (deadline, bytes) in all.iter().zip([8 * SMALL, 4 * SMALL, SMALL, SMALL / 2]) {
        deadline.set_wait(at(100_000), Wait::Rest, at(0), 0);
        deadline.moved(bytes, at(1000));
    }
    assert!(shares[0].hold(8 * SMALL) && shares[1].hold(4 * SMALL) && shares[2].hold(SMALL));
    // Nobody is slower than the slowest, and a large upload takes nothing from a small one.
    assert!(!table.evict_upload(&all[3], SMALL / 2, at(1000)));
    all[3].moved(100 * SMALL, at(1000));
    assert!(table.evict_upload(&all[3], 2 * SMALL, at(1000)));
    assert_eq!(all[1].take_evicted(), Some(Evicted::Memory));
    assert!(!shares[0].hold(16 * SMALL) && shares[0].hold(14 * SMALL));
    assert!(table.evict_upload(&all[3], SMALL, at(1000)));
    assert_eq!(all[2].take_evicted(), Some(Evicted::Memory));
}

#[test]
fn an_upload_that_has_stopped_is_slower_than_one_that_begins() {
    let table: Rc<Deadlines> = Rc::default();
    let pool = pool(16 * SMALL);
    for (length, late) in [(12 * SMALL, 1), (12 * SMALL, 5000), (SMALL, 1), (SMALL, 5000)] {
        let shares = [Share::new(&pool), Share::new(&pool)];
        let [stopped, begins] = shares.each_ref().map(|s| Deadline::new(&table).shares(s));
        // It came at once.
        stopped.set_wait(at(100_000), Wait::Rest, at(1000), 0);
        stopped.moved(length, at(1000));
        assert!(shares[0].hold(length));
        // So much needs no share yet; and each step of the other takes a while.
        begins.set_wait(at(100_000), Wait::Rest, at(1000), 64 * 1024);
        begins.moved(1, at(1000 + late));
        assert!(table.evict_upload(&begins, 1, at(1000 + late)), "{length} bytes, {late} ms");
        assert_eq!(stopped.take_evicted(), Some(Evicted::Memory));
    }
}

#[test]
fn places_are_used_again() {
    let table: Rc<Deadlines> = Rc::default();
    for n in 0..1000 {
        let deadline = Deadline::new(&table);
        deadline.set(at(n));
    }
    let last = Deadline::new(&table);
    last.set(at(5));
    table.fire(at(1000));
    assert!(is_over(&last));
}
