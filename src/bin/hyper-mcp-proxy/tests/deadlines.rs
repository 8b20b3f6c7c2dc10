//! The table of deadlines: what is due, in which order, and who is evicted.

use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use hyper_mcp_proxy::Instant;

use crate::deadlines::{Deadline, Deadlines, Idle};

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

#[test]
fn the_new_and_idle_make_room_first() {
    let table: Rc<Deadlines> = Rc::default();
    let all: Vec<_> = (0..5).map(|_| Deadline::new(&table)).collect();
    all[0].set(at(1));
    all[1].set_idle(at(10), Idle::Used);
    all[2].set_idle(at(30), Idle::New);
    all[3].set_idle(at(20), Idle::New);
    for expected in [3, 2, 1] {
        assert!(table.evict());
        let over: Vec<_> = (0..5).filter(|&n| is_over(&all[n])).collect();
        assert!(over.contains(&expected), "{over:?} without {expected}");
        assert_eq!(over.len(), 4 - expected, "{over:?}");
    }
    assert!(!table.evict(), "who works stays");
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
