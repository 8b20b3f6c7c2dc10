//! The memory that contents on their way in have together.

use crate::share::{Pool, Share};

#[test]
fn no_more_is_held_than_there_is() {
    let pool = Pool::new(100);
    let (mut one, mut two) = (Share::new(&pool), Share::new(&pool));
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
