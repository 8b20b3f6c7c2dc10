//! The memory that contents on their way in have together.

use mcp_bridge::{Bridge, Config};

use crate::limits::uploads::{Pool, SMALL, Share};

#[test]
fn no_more_is_held_than_there_is() {
    let pool =
        Pool::new(100, Bridge::new(Config::default()).expect("a good configuration").budget());
    let (one, two) = (Share::new(&pool), Share::new(&pool));
    assert!(one.hold(60));
    assert!(two.hold(40));
    assert!(!two.hold(41));
    assert!(one.hold(59));
    assert!(two.hold(41));
    two.give_back();
    assert!(one.hold(100));
    drop(one);
    assert!(two.hold(100));
}

#[test]
fn large_shares_leave_a_quarter_to_small_ones() {
    let pool = Pool::new(
        8 * SMALL,
        Bridge::new(Config::default()).expect("a good configuration").budget(),
    );
    let (large, small) = (Share::new(&pool), Share::new(&pool));
    assert!(!large.hold(7 * SMALL) && large.hold(6 * SMALL));
    assert!(small.hold(SMALL) && !small.hold(SMALL + 1));
}
