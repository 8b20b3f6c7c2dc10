//! What waits for a socket: coalesced, bounded, counted as taken.

use crate::http::send_queue::Outgoing;

/// Sends all in steps of so many bytes: what was sent, and how much payload was told after each.
fn send(out: &mut Outgoing, step: usize) -> (Vec<u8>, Vec<usize>) {
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    while !out.is_empty() {
        let piece: Vec<u8> = out.with_slices(|slices| {
            assert!(slices.iter().any(|slice| !slice.is_empty()), "nothing to send");
            slices.iter().flat_map(|slice| slice.to_vec()).take(step).collect()
        });
        told.push(out.advance(piece.len()));
        sent.extend(piece);
    }
    (sent, told)
}

#[test]
fn all_is_sent_in_order_and_payload_is_told_exactly() {
    for large in [10, 5_000, 20_000] {
        for step in [1, 7, 1000, usize::MAX] {
            let mut out = Outgoing::default();
            let mut expected = Vec::new();
            for n in 0..40_u8 {
                out.frame(b"head");
                out.payload(vec![n; large]);
                out.frame(b"\r\n");
                expected.extend_from_slice(b"head");
                expected.extend(std::iter::repeat_n(n, large));
                expected.extend_from_slice(b"\r\n");
            }
            let (sent, told) = send(&mut out, step);
            assert!(sent == expected, "{large} {step}");
            assert_eq!(told.iter().sum::<usize>(), 40 * large, "{large} {step}");
        }
    }
}

#[test]
fn the_head_counts_for_nothing() {
    let mut out = Outgoing::default();
    out.frame(&[b'h'; 100]);
    out.payload(vec![b'p'; 50]);
    out.frame(b"\r\n");
    assert_eq!(out.advance(100), 0);
    assert_eq!(out.advance(20), 20);
    assert_eq!(out.advance(32), 30);
    assert!(out.is_empty());
    out.frame(b"x");
    assert_eq!(out.advance(1), 0);
}

#[test]
fn small_pieces_go_out_together() {
    let mut out = Outgoing::default();
    for _ in 0..100 {
        out.frame(b"3\r\n");
        out.payload(b"abc".to_vec());
    }
    assert_eq!(out.with_slices(|slices| slices.len()), 1);
    // A large one is not copied.
    let large = vec![0; 1 << 20];
    let place = large.as_ptr();
    out.payload(large);
    assert!(out.with_slices(|slices| slices.iter().any(|slice| slice.as_ptr() == place)));
}
