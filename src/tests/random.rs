//! Session ids: enough of them to see that none comes twice and no bit stands still, and that two
//! sources that begin alike do not go on alike.

use std::collections::BTreeSet;

use crate::os::random::Random;

#[test]
fn no_id_comes_twice_and_no_bit_stands_still() {
    let mut random = Random::default();
    let ids: Vec<u128> = (0..10_000).map(|_| u128::from_be_bytes(random.draw())).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for bit in 0..128 {
        let ones = ids.iter().filter(|id| *id >> bit & 1 == 1).count();
        // Ten standard deviations around the half.
        assert!((4500..=5500).contains(&ones), "bit {bit}: {ones}");
    }
}

#[test]
fn two_sources_that_begin_at_once_have_nothing_in_common() {
    let (mut one, mut other) = (Random::default(), Random::default());
    let first: BTreeSet<_> = (0..100).map(|_| one.draw()).collect();
    assert!((0..100).all(|_| !first.contains(&other.draw())));
}
